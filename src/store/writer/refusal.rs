//! What the store refuses for what is in it: found among what it takes, and put where people find it.

use std::io;

use tokio::time::sleep;

use super::fault::Trouble;
use super::sending::Job;
use super::{BACK_OFF, Certainty, MOST, Writer};
use crate::store::chain::Tombstone;
use crate::store::spool::Spooled;

/// The search for a record that the store refuses. Halves are tried until one is left, so that of a thousand records ten
/// inserts find it; after that batches begin small and double, since where one is refused the next may be as well.
#[derive(Debug)]
pub(super) struct Search {
    /// Items of the next batch at most.
    most: usize,
    /// One of so many items that come next is refused; 0 when none is known to be.
    suspects: usize,
}

impl Search {
    pub(super) const fn new() -> Self {
        Self { most: MOST, suspects: 0 }
    }

    /// Items of the next batch at most.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// The next `items`, more than one, were refused together.
    pub(super) fn refused(&mut self, items: usize) {
        self.suspects = items;
        self.most = (items / 2).max(1);
    }

    /// The next `items` were taken.
    pub(super) fn taken(&mut self, items: usize) {
        self.suspects = self.suspects.saturating_sub(items);
        self.most = match self.suspects {
            0 => self.most.saturating_mul(2).min(MOST),
            suspects => (suspects / 2).max(1),
        };
    }

    /// The refused one was found.
    pub(super) fn found(&mut self) {
        *self = Self { most: 1, suspects: 0 };
    }
}

impl Writer {
    /// Puts a record that the store refuses where people find it, and a tombstone in its place.
    pub(super) async fn bury(&mut self, records: &[Spooled], reason: &str) -> bool {
        let mut pause = BACK_OFF.0;
        for record in records {
            while let Err(error) = self.letters.add(record, reason) {
                if error.kind() == io::ErrorKind::StorageFull {
                    // It may be the spool that fills the disk, and only what comes after this record empties that.
                    tracing::error!(
                        sequence = record.sequence,
                        "no room for a dead letter: only its tombstone is kept"
                    );
                    break;
                }
                self.away(Trouble::Failing, format!("{}: {error}", self.letters.path().display()));
                sleep(pause).await;
                pause = (pause * 2).min(BACK_OFF.1);
            }
            let sequence = record.sequence;
            let tombstone = Tombstone::DeadLetter { first: sequence, last: sequence, reason: reason.to_owned() };
            let mark = self.mark(sequence, [record.previous, record.hash], &tombstone, record.ingested_at);
            if self.persist(&mut Certainty::Sure, Job::Marks(&[mark])).await.is_err() {
                return false;
            }
            self.status.send_modify(|status| status.dead_letters += 1);
            tracing::warn!(sequence, reason, "the store refuses a record: it is a dead letter");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many inserts it takes until all of `count` items are in, when these ones are refused.
    fn inserts(count: usize, bad: &[usize]) -> usize {
        let (mut search, mut next, mut inserts) = (Search::new(), 0, 0);
        while next < count {
            let end = (next + search.most()).min(count);
            inserts += 1;
            if !bad.iter().any(|bad| (next..end).contains(bad)) {
                search.taken(end - next);
                next = end;
            } else if end - next > 1 {
                search.refused(end - next);
            } else {
                search.found();
                next = end;
            }
        }
        inserts
    }

    #[test]
    fn a_refused_record_costs_a_logarithm_of_inserts() {
        assert_eq!(inserts(MOST, &[]), 1);
        for bad in 0..1_024 {
            // All of them; ten halves; the one that is left; and up to ten doublings until the rest is in.
            assert!(inserts(1_024, &[bad]) <= 1 + 10 + 1 + 10, "{bad}");
        }
        assert!(inserts(1_024, &[1_023]) <= 12);
    }

    #[test]
    fn many_refused_records_cost_no_more_than_each_alone() {
        let all: Vec<_> = (0..1_024).collect();
        assert!(inserts(1_024, &all) <= 1_024 + 11);
        let some: Vec<_> = (0..1_024).step_by(64).collect();
        // Six halves and six doublings for each, and what the first search took.
        assert!(inserts(1_024, &some) <= some.len() * 16 + 22, "{}", inserts(1_024, &some));
    }

    #[test]
    fn a_store_that_takes_all_of_it_after_all_ends_the_search() {
        let mut search = Search::new();
        search.refused(100);
        search.taken(50);
        search.taken(25);
        assert_eq!(search.most(), 12);
        search.taken(25);
        assert!(search.most() > 12 && search.suspects == 0);
    }
}
