//! Checkpoints: what outlives the records whose time is up, and says that they were there.

use super::progress::Checkpoint;
use super::sending::Job;
use super::{DAY, Writer};
use crate::store::chain::Tombstone;

/// How much there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Records come in.
    Busy,
    /// For a while none came, or none will.
    Idle,
}

impl Writer {
    /// Whether it should be said how far the store has everything: once a day, when no more comes, so that no record ever
    /// expires unexplained, and when from now on records are kept for another time.
    pub(super) fn is_checkpoint_due(&self, pace: Pace) -> bool {
        let Checkpoint { last, at, retention_days } = self.progress.checkpoint;
        let is_behind = last < self.head.sequence;
        let is_new_day = at.div_euclid(DAY) < self.progress.stored_at.div_euclid(DAY);
        let is_other_time = last > 0 && retention_days != self.options.retention_days;
        is_other_time || is_behind && (is_new_day || pace == Pace::Idle)
    }

    /// Makes a checkpoint, if one is due. It is tried again when it fails.
    pub(super) async fn check_point(&mut self, pace: Pace) {
        if !self.is_checkpoint_due(pace) {
            return;
        }
        let checkpoint = Checkpoint {
            last: self.head.sequence,
            at: self.progress.stored_at,
            retention_days: self.options.retention_days,
        };
        let Checkpoint { at, retention_days, .. } = checkpoint;
        let tombstone = Tombstone::Checkpoint { at, retention_days };
        let mark = self.mark(checkpoint.last, [self.head.hash; 2], &tombstone, at);
        if self.attempt(&Job::Marks(&[mark])).await.is_ok() {
            self.progress.checkpoint = checkpoint;
        }
    }
}
