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
//! When a store refuses a batch for what is in it, halves are tried until the row is found ([`refusal`]). It goes to the file of dead
//! letters, with a tombstone in the chain, and the rest goes on.

mod batching;
mod beats;
mod checkpoints;
mod fault;
mod inserting;
mod intake;
mod letters;
mod progress;
mod refusal;
mod sending;
mod target;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clickhouse::Client;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::chain::ChainKey;
use super::rows::HeartbeatRow;
use super::spool::{Head, Item, Reader, Shared, Spool};

pub use fault::{Fault, Trouble};
pub use letters::DeadLetters;
pub use progress::{Batch, Checkpoint, Progress, ProgressFile};
pub use target::{PASSWORD_VARIABLE, Password, Target, Url, UrlError};

use checkpoints::Pace;
use refusal::Search;
use sending::Job;

/// Rows that a batch has at most: far fewer than a store puts into one block.
const MOST: usize = 10_000;
/// How long a record waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How long to wait after the first failure, and how long at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
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
    /// Takes heartbeats. The writer ends when these are gone as well: the last one tells how it ended.
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
        search: Search::new(),
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
    search: Search,
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
            if items.is_empty() && self.client.is_some() {
                self.rest().await;
            }
            self.store(items).await;
            self.send_beats().await;
        }
        self.rest().await;
        self.last_beats().await;
    }

    /// There is nothing to store.
    async fn rest(&mut self) {
        let before = self.progress.checkpoint;
        self.check_point(Pace::Idle).await;
        if before != self.progress.checkpoint {
            self.save().await;
        }
    }

    /// The store has everything up to `head`.
    async fn done(&mut self, head: Head, spooled_at: Option<i64>) {
        self.head = head;
        self.progress.stored = head.sequence;
        self.progress.stored_at = spooled_at.unwrap_or(self.progress.stored_at);
        self.progress.batch = None;
        self.check_point(Pace::Busy).await;
        self.save().await;
        if let Err(error) = self.reader.release(head.sequence) {
            tracing::warn!(%error, "what the store has cannot be removed from the spool");
        }
        self.status.send_modify(|status| status.stored = head.sequence);
        self.tell_dropped();
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
