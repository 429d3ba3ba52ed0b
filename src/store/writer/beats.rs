//! Heartbeats on their way to the store.

use super::fault::Fault;
use super::sending::Job;
use super::{Beat, Writer};
use crate::store::rows::HeartbeatRow;

/// Heartbeats that wait for the store.
const BEATS: usize = 64;

impl Writer {
    pub(super) fn keep_beat(&mut self, beat: Beat) {
        if self.unsent.len() == BEATS {
            // The newer ones say more.
            self.unsent.pop_front();
        }
        self.unsent.push_back(HeartbeatRow {
            sensor: self.options.sensor.clone(),
            at: beat.at,
            started_at: beat.started_at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            health: beat.health,
            counters: beat.counters,
            visibility: beat.visibility,
            chain_seq: 0,
            chain_hash: [0; 32],
        });
    }

    pub(super) async fn send_beats(&mut self) {
        while let Ok(beat) = self.beats.try_recv() {
            self.keep_beat(beat);
        }
        if self.unsent.is_empty() {
            return;
        }
        let mut rows: Vec<_> = self.unsent.drain(..).collect();
        for row in &mut rows {
            // The chain as the store has it by then.
            (row.chain_seq, row.chain_hash) = (self.head.sequence, self.head.hash.0);
        }
        match self.attempt(&Job::Beats(&rows)).await {
            Ok(_) => self.reached(),
            Err(fault) => {
                if let Fault::Away(trouble, said) = fault {
                    self.client = None;
                    self.away(trouble, said);
                }
                self.unsent.extend(rows);
            }
        }
    }

    /// Takes the last heartbeats, which tell how it ended, once everything else is in.
    pub(super) async fn last_beats(&mut self) {
        while let Some(beat) = self.beats.recv().await {
            self.keep_beat(beat);
        }
        self.send_beats().await;
    }
}
