//! From the spool into the store: everything, in order, once, for as long as it takes.
//!
//! [`start`] makes two tasks. The *intake* takes records from the queue that the behaviour thread fills, and appends what
//! waits to the spool with one fsync. The *writer* reads the spool, makes batches (1,000 rows, or what there is after a second),
//! and inserts them; what the store has is released from the spool. Neither is ever waited for by the packet path, and
//! nothing that is wrong with the store ends them.
//!
//! A batch is inserted whole or not at all: it keeps to one partition and to one block. Whether it was inserted is not always
//! known: the store was killed, or did not answer in time. Then:
//! 1. The store is asked what it has of it. If that is all, views that may have missed it are filled, and it is done.
//! 2. What is not there is sent again with the same token: a store that is still at it takes no row twice.
//! 3. It is asked again. If rows that it said it took are still not there, it was killed between noting the token and keeping
//!    the rows, and the token is spent. They are sent with a new one.
//!
//! Both are needed: of a hundred kills, some leave a token without its rows, and some leave rows without their token.
//!
//! Batch and token are on disk before the store is asked for anything, so this also holds when it was the sensor that was
//! killed.
//!
//! When a store refuses a batch for what is in it, halves are tried until the row is found. It goes to the file of dead
//! letters, with a tombstone in the chain, and the rest goes on.

mod fault;
mod intake;
mod letters;
mod progress;
mod sending;
mod target;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clickhouse::Client;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::chain::{ChainKey, Tombstone};
use super::marks::MarkRow;
use super::rows::HeartbeatRow;
use super::spool::{Head, Item, Reader, Shared, Spool, Spooled};

pub use fault::{Fault, Trouble};
pub use letters::DeadLetters;
pub use progress::{Batch, Progress, ProgressFile};
pub use target::{PASSWORD_VARIABLE, Password, Target, Url, UrlError};

use sending::{Job, Outcome};

/// Rows that are worth a batch.
const ENOUGH: usize = 1_000;
/// Rows that a batch has at most: far fewer than a store puts into one block.
const MOST: usize = 10_000;
/// Octets of records that a batch has at most.
const OCTETS: usize = 16 << 20;
/// How long a record waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How long to wait after the first failure, and how long at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// How long what was noted may take to be seen: some milliseconds on an idle machine.
const SETTLING: Duration = Duration::from_secs(3);
/// Heartbeats that wait for the store.
const BEATS: usize = 64;
const DAY: i64 = 86_400_000;

/// What the writer needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the sensor.
    pub sensor: String,
    /// Where the store is.
    pub target: Target,
    /// Key of the chain.
    pub key: ChainKey,
    /// How long alerts are kept.
    pub retention_days: u32,
}

/// How it goes with the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It was not asked for anything yet.
    Unknown,
    /// It takes what it is given.
    Fine,
    /// It does not. What was wrong first, and what it said.
    Away(Trouble, String),
}

/// How far the writer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The store has all records up to this one.
    pub stored: u64,
    /// How it goes.
    pub reach: Reach,
    /// Records that went to the file of dead letters, since the start.
    pub dead_letters: u64,
}

/// How the sensor is: what a heartbeat says beside the chain's head.
#[derive(Clone, Debug, Default)]
pub struct Beat {
    /// Microseconds since 1970.
    pub at: i64,
    /// Microseconds since 1970.
    pub started_at: i64,
    /// 1 fine, 2 degraded, 3 failing.
    pub health: i8,
    /// Counters by name.
    pub counters: Vec<(String, u64)>,
    /// What it cannot see.
    pub visibility: Vec<String>,
}

/// The running writer.
#[derive(Debug)]
pub struct Storing {
    /// Takes records, as JSON; waits when the disk does not keep up. When all of these are gone, the writer ends once the store
    /// has everything.
    pub queue: mpsc::Sender<Vec<u8>>,
    /// Takes heartbeats.
    pub beats: mpsc::Sender<Beat>,
    /// How far it is.
    pub status: watch::Receiver<Status>,
    /// What the spool holds.
    pub spool: Shared,
    /// Ends when everything that was queued is in the spool.
    pub intake: JoinHandle<()>,
    /// Ends when everything is in the store.
    pub writer: JoinHandle<()>,
}

/// Starts to store what `spool` holds and what is queued. To be called within a runtime.
pub fn start(spool: Spool, options: Options) -> io::Result<Storing> {
    let mut file = ProgressFile::new(spool.folder().path());
    let known = file.read()?;
    let reader = Reader::new(&spool, known.as_ref().map_or(0, |progress| progress.stored))?;
    let head = reader.head();
    let mut progress = known.unwrap_or_else(|| Progress { doubtful: spool.head().sequence, ..Progress::default() });
    progress.stored = head.sequence;
    progress.batch = progress.batch.filter(|batch| batch.last > head.sequence);
    if let Err(error) = file.write(&progress) {
        // It is tried again with the first batch.
        tracing::warn!(%error, "progress cannot be written");
    }
    let (status, told) = watch::channel(Status { stored: head.sequence, reach: Reach::Unknown, dead_letters: 0 });
    let (queue, entries) = mpsc::channel(intake::QUEUE);
    let (beats, heard) = mpsc::channel(4);
    let news = Arc::new(News::default());
    let shared = spool.shared();
    let writer = Writer {
        letters: DeadLetters::new(spool.folder().path()),
        options,
        reader,
        file,
        progress,
        head,
        held: VecDeque::new(),
        limit: MOST,
        client: None,
        status,
        beats: heard,
        unsent: VecDeque::new(),
        news: news.clone(),
        untold: shared.dropped(),
        tell: queue.downgrade(),
    };
    let intake = tokio::task::spawn_blocking(move || intake::run(spool, entries, &news));
    let writer = tokio::spawn(writer.run());
    Ok(Storing { queue, beats, status: told, spool: shared, intake, writer })
}

/// What the intake tells the writer.
#[derive(Debug, Default)]
struct News {
    more: Notify,
    ended: AtomicBool,
}

/// Whether it is known what the store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certainty {
    Sure,
    /// It has to be asked.
    Unsure,
}

struct Writer {
    options: Options,
    reader: Reader,
    file: ProgressFile,
    progress: Progress,
    /// The last record that the store has.
    head: Head,
    letters: DeadLetters,
    /// Read, but not in a batch yet; in order.
    held: VecDeque<Item>,
    /// Rows of a batch at most: fewer while a row is looked for that the store refuses.
    limit: usize,
    client: Option<Client>,
    status: watch::Sender<Status>,
    beats: mpsc::Receiver<Beat>,
    unsent: VecDeque<HeartbeatRow>,
    news: Arc<News>,
    /// Dropped records when the intake was last asked to tell of them.
    untold: u64,
    tell: mpsc::WeakSender<Vec<u8>>,
}

impl Writer {
    async fn run(mut self) {
        while let Some(items) = self.next_batch().await {
            self.store(items).await;
            self.send_beats().await;
        }
    }

    /// The next items that go together. None when there will be no more.
    async fn next_batch(&mut self) -> Option<Vec<Item>> {
        let mut items = Vec::new();
        let mut octets = 0;
        let mut due = None;
        loop {
            // Looked at first: after it nothing is added.
            let is_last = self.news.ended.load(Ordering::Acquire);
            match self.fill(&mut items, &mut octets) {
                Fill::Complete => return Some(items),
                // Tried again then.
                Fill::Failed => due = Some(Instant::now() + LINGER),
                Fill::Open => {}
            }
            if is_last || self.progress.batch.is_some() && !items.is_empty() {
                return Some(items).filter(|items| !items.is_empty());
            }
            if items.is_empty() {
                self.tell_dropped();
                self.send_beats().await;
                if self.client.is_none() && !self.greet().await {
                    due = Some(Instant::now() + BACK_OFF.1);
                }
            } else {
                due = due.or_else(|| Some(Instant::now() + LINGER));
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
        while items.len() < self.limit && *octets < OCTETS {
            if until.is_some_and(|until| items.last().is_some_and(|item| last(item) >= until)) {
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
            *octets += octets_of(&item);
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

    /// Sees to it that the store has `items`, or a tombstone for what it refuses.
    async fn store(&mut self, items: Vec<Item>) {
        let (Some(end), Some(latest)) = (items.last().map(last), items.last().map(hash)) else { return };
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
                self.limit = (items.len() / 2).max(1);
                self.progress.batch = None;
                items.into_iter().rev().for_each(|item| self.held.push_front(item));
                return;
            }
            if !self.bury(&records, &reason).await {
                return self.put_back(items, Trouble::Schema).await;
            }
        } else {
            self.limit = self.limit.saturating_mul(2).min(MOST);
        }
        self.done(end, latest, items.last().and_then(time)).await;
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
                Err(Fault::Refused(reason)) => return Err(reason),
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

    /// Puts a record that the store refuses where people find it, and a tombstone in its place.
    async fn bury(&mut self, records: &[Spooled], reason: &str) -> bool {
        let mut pause = BACK_OFF.0;
        for record in records {
            while let Err(error) = self.letters.add(record, reason) {
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
            tracing::warn!(sequence, reason, "the store refuses a record; it is in the file of dead letters");
        }
        true
    }

    /// The store has everything up to `end`.
    async fn done(&mut self, end: u64, hash: super::chain::Hash, ingested_at: Option<i64>) {
        self.head = Head { sequence: end, hash };
        self.progress.stored = end;
        self.progress.batch = None;
        self.check_point(ingested_at).await;
        self.save().await;
        if let Err(error) = self.reader.release(end) {
            tracing::warn!(%error, "what the store has cannot be removed from the spool");
        }
        self.status.send_modify(|status| status.stored = end);
        self.tell_dropped();
    }

    /// Once a day, says in the store how far it has everything. Tried with the next batch when it fails.
    async fn check_point(&mut self, ingested_at: Option<i64>) {
        let Some(at) = ingested_at.filter(|at| at.div_euclid(DAY) > self.progress.checkpoint) else { return };
        let retention_days = self.options.retention_days;
        let mark =
            self.mark(self.head.sequence, [self.head.hash; 2], &Tombstone::Checkpoint { at, retention_days }, at);
        if self.attempt(&Job::Marks(&[mark])).await.is_ok() {
            self.progress.checkpoint = at.div_euclid(DAY);
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

    fn mark(&self, last: u64, hashes: [super::chain::Hash; 2], tombstone: &Tombstone, at: i64) -> MarkRow {
        MarkRow::seal(&self.options.key, &self.options.sensor, last, hashes, tombstone, at)
    }

    async fn put_back(&mut self, items: Vec<Item>, trouble: Trouble) {
        self.away(trouble, "it refuses tombstones".into());
        items.into_iter().rev().for_each(|item| self.held.push_front(item));
        sleep(BACK_OFF.1).await;
    }

    /// Does `job`, however often it takes. The error is why the store refuses what is in it.
    async fn persist(&mut self, certainty: &mut Certainty, job: Job<'_>) -> Result<Outcome, String> {
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

    async fn save(&mut self) {
        let mut pause = BACK_OFF.0;
        while let Err(error) = self.file.write(&self.progress) {
            self.away(Trouble::Failing, format!("progress cannot be written: {error}"));
            sleep(pause).await;
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    fn reached(&self) {
        self.status.send_if_modified(|status| {
            let is_news = status.reach != Reach::Fine;
            status.reach = Reach::Fine;
            is_news
        });
    }

    /// Tells that the store is away, unless that was told: once for each kind of trouble.
    fn away(&self, trouble: Trouble, said: String) {
        self.status.send_if_modified(|status| {
            let is_news = !matches!(&status.reach, Reach::Away(known, _) if *known == trouble);
            if is_news {
                status.reach = Reach::Away(trouble, said);
            }
            is_news
        });
    }

    /// Sees whether the store is there and has its tables, before there is anything for it.
    async fn greet(&mut self) -> bool {
        match self.attempt(&Job::Greet).await {
            Ok(_) => {
                self.reached();
                true
            }
            Err(Fault::Away(trouble, said)) => {
                self.away(trouble, said);
                false
            }
            // There is nothing to refuse.
            Err(Fault::Refused(_)) => false,
        }
    }

    fn keep_beat(&mut self, beat: Beat) {
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
            chain_seq: self.head.sequence,
            chain_hash: self.head.hash.0,
        });
    }

    async fn send_beats(&mut self) {
        while let Ok(beat) = self.beats.try_recv() {
            self.keep_beat(beat);
        }
        if self.unsent.is_empty() {
            return;
        }
        let rows: Vec<_> = self.unsent.drain(..).collect();
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

    /// Has the intake tell of what was dropped, now that there is room.
    fn tell_dropped(&mut self) {
        let dropped = self.reader.shared().dropped();
        if dropped > self.untold
            && let Some(queue) = self.tell.upgrade()
            && queue.try_send(Vec::new()).is_ok()
        {
            self.untold = dropped;
        }
    }
}

/// Whether a batch takes more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    Open,
    Failed,
    Complete,
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

const fn last(item: &Item) -> u64 {
    match item {
        Item::Record(record) => record.sequence,
        Item::Lost { last, .. } => *last,
    }
}

const fn hash(item: &Item) -> super::chain::Hash {
    match item {
        Item::Record(record) => record.hash,
        Item::Lost { hash, .. } => *hash,
    }
}

const fn time(item: &Item) -> Option<i64> {
    match item {
        Item::Record(record) => Some(record.ingested_at),
        Item::Lost { .. } => None,
    }
}

const fn octets_of(item: &Item) -> usize {
    match item {
        Item::Record(record) => record.json.len(),
        Item::Lost { .. } => 0,
    }
}

/// Partitions are weeks, and whole days lie in one. What has no time goes with anything.
fn is_same_day(one: &Item, other: &Item) -> bool {
    match (time(one), time(other)) {
        (Some(one), Some(other)) => one.div_euclid(DAY) == other.div_euclid(DAY),
        _ => true,
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
