//! Everything of a batch into the store, and none of it twice.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fault::{Fault, Trouble};
use super::intake;
use super::progress::Batch;
use super::sending::{Job, Outcome};
use super::{BACK_OFF, Certainty, DAY, Writer};
use crate::store::chain::{Hash, Tombstone};
use crate::store::marks::MarkRow;
use crate::store::spool::{Head, Item, Spooled};

/// How long what was noted may take to be seen: some milliseconds on an idle machine.
const SETTLING: Duration = Duration::from_secs(3);

impl Writer {
    /// Sees to it that the store has `items`, or a tombstone for what it refuses.
    pub(super) async fn store(&mut self, items: Vec<Item>) {
        let (Some(end), Some(latest)) = (items.last().map(Item::last), items.last().map(Item::hash)) else { return };
        let (records, marks) = self.sort(&items);
        let (batch, mut certainty) = match self.progress.batch.take().filter(|batch| batch.last == end) {
            Some(batch) => (batch, Certainty::Unsure),
            None => (Batch { id: new_id(), last: end, round: 0 }, Certainty::Sure),
        };
        self.progress.batch = Some(batch);
        self.save().await;
        if !marks.is_empty() && self.persist(&mut certainty, Job::Marks(&marks)).await.is_err() {
            // There is nothing in a mark that could be wrong, so it is the table.
            return self.put_back(items, Trouble::Schema).await;
        }
        if let Err(reason) = self.insert(&records, certainty).await {
            if items.len() > 1 {
                self.search.refused(items.len());
                self.progress.batch = None;
                return self.give_back(items);
            }
            if !self.bury(&records, &reason).await {
                return self.put_back(items, Trouble::Schema).await;
            }
            self.search.found();
        } else {
            self.search.taken(items.len());
        }
        self.done(Head { sequence: end, hash: latest }, items.last().and_then(Item::time)).await;
    }

    /// Inserts `records`, none of them twice. The error is why the store refuses one of them.
    async fn insert(&mut self, records: &[Spooled], mut certainty: Certainty) -> Result<(), String> {
        let (Some(first), Some(end)) = (records.first(), records.last()) else { return Ok(()) };
        if first.sequence <= self.progress.doubtful {
            certainty = Certainty::Unsure;
        }
        let mut absent: Vec<&Spooled> = records.iter().collect();
        let mut is_taken = false;
        let mut pause = BACK_OFF.0;
        loop {
            let Some(batch) = self.progress.batch.clone() else { return Ok(()) };
            if certainty == Certainty::Unsure {
                absent = if is_taken { self.absent_for_good(absent).await } else { self.absent(absent).await };
                if is_taken {
                    // What waited for longer than it is kept was taken, and is gone again.
                    let oldest = intake::now() - i64::from(self.options.retention_days) * DAY;
                    absent.retain(|record| record.ingested_at > oldest);
                }
                if absent.is_empty() {
                    break;
                }
                if std::mem::take(&mut is_taken) {
                    self.progress.batch = Some(Batch { round: batch.round + 1, ..batch.clone() });
                    self.save().await;
                    continue;
                }
            }
            match self.attempt(&Job::Rows { records: &absent, batch: &batch }).await {
                Ok(_) if certainty == Certainty::Sure => {
                    self.reached();
                    return Ok(());
                }
                Ok(_) => is_taken = true,
                Err(Fault::Refused(reason)) => {
                    if certainty == Certainty::Unsure {
                        // Some may be there all the same, whatever batch they are in next.
                        self.progress.doubtful = self.progress.doubtful.max(end.sequence);
                    }
                    return Err(reason);
                }
                Err(Fault::Away(trouble, said)) => {
                    certainty = Certainty::Unsure;
                    self.client = None;
                    self.away(trouble, said);
                    sleep(pause).await;
                    pause = (pause * 2).min(BACK_OFF.1);
                }
            }
        }
        // Whoever was killed may have kept the rows, and not told the views.
        self.persist(&mut certainty, Job::Refill { first: first.sequence, last: end.sequence }).await.map(|_| ())
    }

    /// Those of `records` that the store does not have, and will not have of what it was sent before.
    ///
    /// An insert that is still under way has noted its token a moment before its rows can be seen: time enough for an answer
    /// that the token is known, and for another that the rows are not there.
    async fn absent_for_good<'a>(&mut self, records: Vec<&'a Spooled>) -> Vec<&'a Spooled> {
        let due = Instant::now() + SETTLING;
        let mut pause = BACK_OFF.0;
        let mut absent = self.absent(records).await;
        while !absent.is_empty() && Instant::now() < due {
            sleep(pause).await;
            pause *= 2;
            absent = self.absent(absent).await;
        }
        absent
    }

    /// Those of `records` that the store does not have.
    async fn absent<'a>(&mut self, records: Vec<&'a Spooled>) -> Vec<&'a Spooled> {
        let (Some(first), Some(end)) = (records.first(), records.last()) else { return records };
        let job = Job::Ask { first: first.sequence, last: end.sequence };
        match self.persist(&mut Certainty::Sure, job).await {
            Ok(Outcome::Present(present)) => {
                let is_absent = |record: &&Spooled| {
                    present.get(&record.sequence).is_none_or(|hashes| !hashes.contains(&record.hash.0))
                };
                records.into_iter().filter(is_absent).collect()
            }
            // A question has no rows that could be refused.
            Ok(Outcome::Done) | Err(_) => records,
        }
    }

    /// Records are rows of one table; what explains gaps are rows of another.
    fn sort(&self, items: &[Item]) -> (Vec<Spooled>, Vec<MarkRow>) {
        let (mut records, mut marks) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Record(record) => match Tombstone::parse(&record.json) {
                    Some(tombstone) => {
                        let hashes = [record.previous, record.hash];
                        marks.push(self.mark(record.sequence, hashes, &tombstone, record.ingested_at));
                    }
                    None => records.push(record.clone()),
                },
                Item::Lost { first, last, previous, hash } => {
                    tracing::error!(first, last, "records of the spool cannot be read any more");
                    let tombstone = Tombstone::Lost { first: *first, last: *last };
                    marks.push(self.mark(*last, [*previous, *hash], &tombstone, intake::now()));
                }
            }
        }
        (records, marks)
    }

    pub(super) fn mark(&self, last: u64, hashes: [Hash; 2], tombstone: &Tombstone, at: i64) -> MarkRow {
        MarkRow::seal(&self.options.key, &self.options.sensor, last, hashes, tombstone, at)
    }

    async fn put_back(&mut self, items: Vec<Item>, trouble: Trouble) {
        self.away(trouble, "it refuses tombstones".into());
        self.give_back(items);
        sleep(BACK_OFF.1).await;
    }

    /// Does `job`, however often it takes. The error is why the store refuses what is in it.
    pub(super) async fn persist(&mut self, certainty: &mut Certainty, job: Job<'_>) -> Result<Outcome, String> {
        let mut pause = BACK_OFF.0;
        loop {
            match self.attempt(&job).await {
                Ok(outcome) => {
                    self.reached();
                    return Ok(outcome);
                }
                Err(Fault::Refused(reason)) => return Err(reason),
                Err(Fault::Away(trouble, said)) => {
                    *certainty = Certainty::Unsure;
                    self.client = None;
                    self.away(trouble, said);
                    sleep(pause).await;
                    pause = (pause * 2).min(BACK_OFF.1);
                }
            }
        }
    }
}

/// An id that no other sensor's batch has.
fn new_id() -> u128 {
    let mut octets = [0; 16];
    if getrandom::fill(&mut octets).is_err() {
        // The system has no randomness: the time is unlikely to be another's as well.
        octets = i128::from(intake::now()).to_le_bytes();
    }
    u128::from_le_bytes(octets)
}
