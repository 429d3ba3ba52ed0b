//! `apitap read --store`: alerts of captures go to the store, each once however often a capture is read.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::patience::{Patience, Questions};
use super::storing::{self, Opened};
use super::tell;
use crate::alert::Revision;
use crate::config::{Choice, Config};
use crate::store::child::Supervised;
use crate::store::novel;
use crate::store::spool::Shared;
use crate::store::writer::{Reach, Status, Storing, Target};

/// Revisions that may wait before reading does.
const QUEUE: usize = 1_000;
/// How often it is looked how far the store is.
const STEP: Duration = Duration::from_millis(100);

/// How long the store may give no sign of itself while it is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Alerts on their way to the store.
pub(super) struct Keeping {
    runtime: Runtime,
    queue: mpsc::Sender<Kept>,
    sieve: JoinHandle<u64>,
    storing: Waiting,
    child: Option<Supervised>,
    /// Set when somebody interrupts.
    stop: Arc<AtomicBool>,
    limit: Duration,
    end: Option<End>,
}

/// A revision's alert, its number, and its JSON.
type Kept = (u128, u32, Vec<u8>);

/// Why the store is waited for no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Interrupted,
    Silent,
}

/// The writer, without the end that takes records.
struct Waiting {
    status: watch::Receiver<Status>,
    questions: Questions,
    spool: Shared,
    writer: JoinHandle<()>,
    /// Where the store is, for people.
    place: String,
    folder: PathBuf,
}

impl Keeping {
    /// Opens the store; none when `choice` says so. Whoever sets `stop` ends all waiting for it.
    pub(super) fn start(choice: &Choice, config: &Config, stop: Arc<AtomicBool>) -> Result<Option<Self>, String> {
        Self::start_patiently(choice, config, stop, PATIENCE)
    }

    fn start_patiently(
        choice: &Choice,
        config: &Config,
        stop: Arc<AtomicBool>,
        limit: Duration,
    ) -> Result<Option<Self>, String> {
        let (state, keys) = storing::state(config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| format!("the store cannot be waited for: {error}"))?;
        let entered = runtime.enter();
        let Some(Opened { storing, child, target }) = storing::open(&state, &keys, &sensor(), choice, &config.store)?
        else {
            return Ok(None);
        };
        let place = match &target {
            Target::Url(_) => format!("the store at {target}"),
            Target::Embedded(_) => "the embedded store".into(),
        };
        let folder = storing::spool_folder(&state, &sensor());
        let Storing { queue: records, status, spool, writer, .. } = storing;
        let (queue, revisions) = mpsc::channel(QUEUE);
        let before = spool.acknowledged();
        let mut reached = status.clone();
        let questions = Questions::default();
        let asked = questions.clone();
        let sieve = tokio::spawn(async move {
            // What was left over from the last time comes first, so that the store knows all of it.
            if reached.wait_for(|status| status.stored >= before).await.is_err() {
                return 0;
            }
            sift(&target, &asked, revisions, &records).await
        });
        drop(entered);
        let storing = Waiting { status, questions, spool, writer, place, folder };
        Ok(Some(Self { runtime, queue, sieve, storing, child, stop, limit, end: None }))
    }

    /// Takes a revision; waits when there are many. Once the store is waited for no longer, takes no more.
    pub(super) fn keep(&mut self, revision: &Revision) {
        if let Ok(json) = serde_json::to_vec(revision) {
            self.take((revision.id.as_u128(), revision.revision, json));
        }
    }

    fn take(&mut self, kept: Kept) {
        if self.end.is_some() {
            return;
        }
        // The other end only goes when the command ends.
        let Err(TrySendError::Full(kept)) = self.queue.try_send(kept) else { return };
        let Self { runtime, queue, storing, stop, limit, .. } = self;
        self.end = runtime.block_on(async {
            let sent = queue.send(kept);
            tokio::pin!(sent);
            let mut watch = Watch::new(storing, stop, *limit);
            loop {
                tokio::select! {
                    _ = &mut sent => return None,
                    () = tokio::time::sleep(STEP) => {}
                }
                if let Some(end) = watch.look() {
                    return Some(end);
                }
            }
        });
    }

    /// Waits until the store has everything. The error is one line.
    pub(super) fn finish(self) -> Result<(), String> {
        let Self { runtime, queue, sieve, storing, child, stop, limit, end } = self;
        drop(queue);
        let mut known = 0;
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("storing {pos}/{len} {bar:30}") {
            bar.set_style(style);
        }
        let end = end.or_else(|| {
            runtime.block_on(async {
                let mut told = Reach::Unknown;
                let mut watch = Watch::new(&storing, &stop, limit);
                while !storing.writer.is_finished() {
                    if let Some(end) = watch.look() {
                        return Some(end);
                    }
                    let status = storing.status.borrow().clone();
                    if status.reach != told && (told != Reach::Unknown || status.reach != Reach::Fine) {
                        bar.suspend(|| storing.tell(&status, limit));
                    }
                    told = status.reach;
                    bar.set_length(storing.spool.acknowledged());
                    bar.set_position(status.stored);
                    tokio::time::sleep(STEP).await;
                }
                known = sieve.await.unwrap_or(0);
                None
            })
        });
        bar.finish_and_clear();
        let Waiting { status, spool, .. } = &storing;
        let dead = status.borrow().dead_letters;
        if let Some(child) = child {
            runtime.block_on(child.end());
        }
        if let Some(end) = end {
            return Err(storing.what_is_kept(end, limit));
        }
        tell(&format!(
            "store: everything is in{}",
            if known > 0 { format!("; {known} were there already") } else { String::new() }
        ));
        if spool.dropped() > 0 || dead > 0 {
            return Err(format!("store: {dead} alerts were refused and {} had no place on disk", spool.dropped()));
        }
        Ok(())
    }
}

impl Waiting {
    fn waiting(&self) -> u64 {
        self.spool.acknowledged().saturating_sub(self.status.borrow().stored)
    }

    /// Tells that the store is waited for, or no longer.
    fn tell(&self, status: &Status, limit: Duration) {
        match &status.reach {
            Reach::Away(trouble, said) => tell(&format!(
                "store: waiting for {}, which {} ({said}); Ctrl-C ends that, and so do {} s without a sign of it",
                self.place,
                trouble.as_str(),
                limit.as_secs(),
            )),
            Reach::Unknown | Reach::Fine => storing::tell_reach(status, self.waiting()),
        }
    }

    /// What the user needs to know when not everything is in the store. One line.
    fn what_is_kept(&self, end: End, limit: Duration) -> String {
        let why = match (end, &self.status.borrow().reach) {
            (End::Interrupted, _) => "interrupted".to_owned(),
            (End::Silent, Reach::Away(trouble, said)) => {
                format!("{} {}, for {} s now ({said})", self.place, trouble.as_str(), limit.as_secs())
            }
            (End::Silent, _) => format!("{} gives no answer, for {} s now", self.place, limit.as_secs()),
        };
        match self.waiting() {
            0 => format!("{why}: what is not in the store yet goes there with another reading"),
            waiting => format!(
                "{why}: {waiting} alerts are kept in {}, and go to the store the next time; the rest with another reading",
                self.folder.display()
            ),
        }
    }
}

/// Whether waiting still makes sense.
struct Watch<'a> {
    storing: &'a Waiting,
    stop: &'a AtomicBool,
    patience: Patience,
}

impl<'a> Watch<'a> {
    fn new(storing: &'a Waiting, stop: &'a AtomicBool, limit: Duration) -> Self {
        Self { storing, stop, patience: Patience::new(limit, Instant::now()) }
    }

    fn look(&mut self) -> Option<End> {
        if self.stop.load(Ordering::Relaxed) {
            return Some(End::Interrupted);
        }
        let is_over = self.patience.is_over(Instant::now(), &self.storing.status.borrow(), &self.storing.questions);
        is_over.then_some(End::Silent)
    }
}

/// Passes on what the store does not have yet. Says how many it has.
async fn sift(
    target: &Target,
    questions: &Questions,
    mut revisions: mpsc::Receiver<Kept>,
    records: &mpsc::Sender<Vec<u8>>,
) -> u64 {
    let mut known = 0;
    let mut group = Vec::new();
    while revisions.recv_many(&mut group, QUEUE).await > 0 {
        let ids: Vec<_> = group.iter().map(|(id, revision, _)| (*id, *revision)).collect();
        let present = questions.ask(novel::known(target, &ids)).await;
        for (id, revision, json) in group.drain(..) {
            if present.contains(&(id, revision)) {
                known += 1;
            } else if records.send(json).await.is_err() {
                return known;
            }
        }
    }
    known
}

/// The name that chains of captures have: the machine's, since every machine has its own key.
fn sensor() -> String {
    format!("read@{}", super::machine())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody listens on it: it was free a moment ago, and is not taken again that soon.
    fn silent() -> Choice {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
    }

    /// What becomes of `count` revisions when no store answers, and what is left of the state directory.
    fn kept(name: &str, count: u32, limit: Duration, stop: bool) -> String {
        let state = std::env::temp_dir().join(format!("apitap-keeping-{name}-{}", std::process::id()));
        let config = Config { state: Some(state.clone()), ..Config::default() };
        let stop = Arc::new(AtomicBool::new(stop));
        let mut keeping = Keeping::start_patiently(&silent(), &config, stop, limit).unwrap().unwrap();
        (0..count).for_each(|number| keeping.take((1, number, b"{}".to_vec())));
        let line = keeping.finish().unwrap_err();
        std::fs::remove_dir_all(&state).unwrap();
        line
    }

    #[test]
    fn a_store_that_never_answers_is_not_waited_for_for_ever() {
        for (name, count) in [("one", 1), ("many", 3 * QUEUE as u32)] {
            let line = kept(name, count, Duration::from_millis(300), false);
            assert!(
                line.starts_with("the store at http://127.0.0.1:") && line.contains("cannot be reached, for 0 s now"),
                "{line}"
            );
            assert!(line.ends_with("goes there with another reading"), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }

    #[test]
    fn an_interrupt_ends_the_wait_even_when_the_queue_is_full() {
        let line = kept("interrupted", 3 * QUEUE as u32, Duration::from_secs(3600), true);
        assert!(line.starts_with("interrupted: "), "{line}");
    }
}
