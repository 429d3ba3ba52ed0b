//! What goes into the store together.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::checkpoints::Pace;
use super::fault::Trouble;
use super::{BACK_OFF, DAY, LINGER, Writer};
use crate::store::spool::Item;

/// Rows that are worth a batch.
const ENOUGH: usize = 1_000;
/// Octets of records that a batch has at most.
const OCTETS: usize = 16 << 20;
/// How long nothing comes before it is said how far the store has everything.
const IDLE: Duration = Duration::from_secs(600);

/// Whether a batch takes more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    Open,
    Failed,
    Complete,
}

impl Writer {
    /// The next items that go together. None when there will be no more.
    pub(super) async fn next_batch(&mut self) -> Option<Vec<Item>> {
        let mut items = Vec::new();
        let mut octets = 0;
        let quiet_since = Instant::now();
        let mut complete_by = None;
        loop {
            // Looked at first: after it nothing is added.
            let is_last = self.news.ended.load(Ordering::Acquire);
            match self.fill(&mut items, &mut octets) {
                Fill::Complete => return Some(items),
                // Tried again then.
                Fill::Failed => complete_by = Some(Instant::now() + LINGER),
                Fill::Open => {}
            }
            if is_last || self.progress.batch.is_some() && !items.is_empty() {
                return Some(items).filter(|items| !items.is_empty());
            }
            let mut due = complete_by;
            if items.is_empty() {
                self.tell_dropped();
                self.send_beats().await;
                if self.client.is_none() && !self.greet().await {
                    due = Some(Instant::now() + BACK_OFF.1);
                } else if self.is_checkpoint_due(Pace::Idle) {
                    due = due.or(Some(quiet_since + IDLE));
                }
            } else {
                complete_by = complete_by.or_else(|| Some(Instant::now() + LINGER));
                due = complete_by;
            }
            tokio::select! {
                () = self.news.more.notified() => {}
                () = until(due) => return Some(items),
                Some(beat) = self.beats.recv() => self.keep_beat(beat),
            }
        }
    }

    fn fill(&mut self, items: &mut Vec<Item>, octets: &mut usize) -> Fill {
        // A batch that the store may have is made of the same records again.
        let until = self.progress.batch.as_ref().map(|batch| batch.last);
        while items.len() < self.search.most() && *octets < OCTETS {
            if until.is_some_and(|until| items.last().is_some_and(|item| item.last() >= until)) {
                return Fill::Complete;
            }
            let item = match self.pull() {
                Ok(Some(item)) => item,
                Ok(None) => return if items.len() >= ENOUGH { Fill::Complete } else { Fill::Open },
                Err(error) => {
                    self.away(Trouble::Failing, format!("the spool cannot be read: {error}"));
                    return Fill::Failed;
                }
            };
            if items.first().is_some_and(|first| !is_same_day(first, &item)) {
                self.held.push_front(item);
                return Fill::Complete;
            }
            *octets += item.octets();
            items.push(item);
        }
        Fill::Complete
    }

    fn pull(&mut self) -> io::Result<Option<Item>> {
        match self.held.pop_front() {
            Some(item) => Ok(Some(item)),
            None => self.reader.next(),
        }
    }

    /// Has them in a batch again.
    pub(super) fn give_back(&mut self, items: Vec<Item>) {
        items.into_iter().rev().for_each(|item| self.held.push_front(item));
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Partitions are weeks, and whole days lie in one. What has no time goes with anything.
fn is_same_day(one: &Item, other: &Item) -> bool {
    match (one.time(), other.time()) {
        (Some(one), Some(other)) => one.div_euclid(DAY) == other.div_euclid(DAY),
        _ => true,
    }
}
