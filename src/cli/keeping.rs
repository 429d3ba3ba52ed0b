//! `apitap read --store`: alerts of captures go to the store, each once however often a capture is read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

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

/// Alerts on their way to the store.
pub(super) struct Keeping {
    runtime: Runtime,
    queue: mpsc::Sender<(u128, u32, Vec<u8>)>,
    sieve: JoinHandle<u64>,
    storing: Waiting,
    child: Option<Supervised>,
}

/// The writer, without the end that takes records.
struct Waiting {
    status: watch::Receiver<Status>,
    spool: Shared,
    writer: JoinHandle<()>,
}

impl Keeping {
    /// Opens the store; none when `choice` says so.
    pub(super) fn start(choice: &Choice, config: &Config) -> Result<Option<Self>, String> {
        let (state, keys) = storing::state(config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| format!("the store cannot be waited for: {error}"))?;
        let entered = runtime.enter();
        let Some(Opened { storing, child, target }) = storing::open(&state, &keys, &sensor(), choice, &config.store)?
        else {
            return Ok(None);
        };
        let Storing { queue: records, status, spool, writer, .. } = storing;
        let (queue, revisions) = mpsc::channel(QUEUE);
        let before = spool.acknowledged();
        let mut reached = status.clone();
        let sieve = tokio::spawn(async move {
            // What was left over from the last time comes first, so that the store knows all of it.
            if reached.wait_for(|status| status.stored >= before).await.is_err() {
                return 0;
            }
            sift(&target, revisions, &records).await
        });
        drop(entered);
        let storing = Waiting { status, spool, writer };
        Ok(Some(Self { runtime, queue, sieve, storing, child }))
    }

    /// Takes a revision; waits when there are many.
    pub(super) fn keep(&self, revision: &Revision) {
        if let Ok(json) = serde_json::to_vec(revision) {
            // The other end only goes when the command ends.
            let _ = self.queue.blocking_send((revision.id.as_u128(), revision.revision, json));
        }
    }

    /// Waits until the store has everything. The error is one line.
    pub(super) fn finish(self, stop: &AtomicBool) -> Result<(), String> {
        let Self { runtime, queue, sieve, storing, child } = self;
        drop(queue);
        let mut sieve = Some(sieve);
        let mut known = 0;
        let mut reach = Reach::Unknown;
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("storing {pos}/{len} {bar:30}") {
            bar.set_style(style);
        }
        let ended = runtime.block_on(async {
            while !storing.writer.is_finished() {
                if stop.load(Ordering::Relaxed) {
                    let waiting = storing.spool.acknowledged().saturating_sub(storing.status.borrow().stored);
                    return Err(format!(
                        "interrupted: {waiting} alerts are on disk, and go to the store the next time; the rest with \
                         another reading"
                    ));
                }
                let status = storing.status.borrow().clone();
                if status.reach != reach && (reach != Reach::Unknown || status.reach != Reach::Fine) {
                    bar.suspend(|| {
                        storing::tell_reach(&status, storing.spool.acknowledged().saturating_sub(status.stored));
                    });
                }
                reach = status.reach.clone();
                bar.set_length(storing.spool.acknowledged());
                bar.set_position(status.stored);
                tokio::time::sleep(STEP).await;
            }
            if let Some(sieve) = sieve.take() {
                known = sieve.await.unwrap_or(0);
            }
            Ok(())
        });
        bar.finish_and_clear();
        let dead = storing.status.borrow().dead_letters;
        if let Some(child) = child {
            runtime.block_on(child.end());
        }
        ended?;
        tell(&format!(
            "store: everything is in{}",
            if known > 0 { format!("; {known} were there already") } else { String::new() }
        ));
        if storing.spool.dropped() > 0 || dead > 0 {
            return Err(format!(
                "store: {dead} alerts were refused and {} had no place on disk",
                storing.spool.dropped()
            ));
        }
        Ok(())
    }
}

/// Passes on what the store does not have yet. Says how many it has.
async fn sift(
    target: &Target,
    mut revisions: mpsc::Receiver<(u128, u32, Vec<u8>)>,
    records: &mpsc::Sender<Vec<u8>>,
) -> u64 {
    let mut known = 0;
    let mut group = Vec::new();
    while revisions.recv_many(&mut group, QUEUE).await > 0 {
        let ids: Vec<_> = group.iter().map(|(id, revision, _)| (*id, *revision)).collect();
        let present = novel::known(target, &ids).await;
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
