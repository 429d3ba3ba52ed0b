//! From the queue into the spool: one fsync for all that waits.

use tokio::sync::mpsc;

use super::News;
use crate::store::spool::Spool;

/// Records that may wait to be spooled.
pub(super) const QUEUE: usize = 4096;

/// Records that share an fsync.
const GROUP: usize = 1024;

/// Spools records until there will be none. An empty one asks for what was dropped to be told.
pub(super) fn run(mut spool: Spool, mut entries: mpsc::Receiver<Vec<u8>>, news: &News) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(entry) = entries.blocking_recv() {
        group.push(entry);
        while group.len() < GROUP
            && let Ok(entry) = entries.try_recv()
        {
            group.push(entry);
        }
        group.retain(|entry| !entry.is_empty());
        spool.append(&group, now());
        group.clear();
        news.more.notify_one();
    }
    news.ended.store(true, std::sync::atomic::Ordering::Release);
    news.more.notify_one();
}

/// The wall clock: milliseconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
