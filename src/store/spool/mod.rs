//! Revisions on disk until the store has them.
//!
//! The spool is a folder of *segments*: files of records in the order of the sensor's [chain](super::chain), each named
//! after its first number. [`Spool`] appends at one end, [`Reader`] takes from the other; they share nothing but the folder
//! and a few numbers ([`Shared`]).
//!
//! - *Acknowledged* is a record in a segment whose fsync returned. The last one's number stands in the file `acknowledged`.
//!   Everything that waits is appended with one fsync.
//! - A record is *released*, and its segment removed, once the store has all of the segment. The newest segment stays, since
//!   its header and frames say how the chain goes on.
//! - A cut (the process was killed, the power went) leaves a prefix of the newest segment, which is recovered when the spool
//!   is opened. Nothing acknowledged is in what was cut off.
//! - A full spool, or a full disk, drops what is new and keeps what it has; how many is counted in the file `dropped`, and told
//!   by a tombstone in the chain as soon as there is room again. Numbers are only given to what is kept. What has to be
//!   written all the same, to get out of there, has its room on the disk from the beginning.
//!
//! One process uses a spool at a time (the file `lock`). All files are for their owner alone.

mod append;
mod folder;
mod read;
pub mod segment;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::chain::Hash;

pub use append::{Appended, Spool};
pub use folder::{Folder, acknowledged, folder_name};
pub use read::{Item, Reader, Spooled};

/// Where and how large.
#[derive(Clone, Debug)]
pub struct Options {
    /// The sensor's own folder.
    pub folder: PathBuf,
    /// Octets that all segments together may take.
    pub limit: u64,
    /// Octets after which a segment is followed by another.
    pub segment: u64,
}

/// Octets that all segments together may take when nobody says otherwise: some 100,000 revisions.
pub const LIMIT: u64 = 512 << 20;

impl Options {
    /// A spool in `folder` of the usual size.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), limit: LIMIT, segment: 8 << 20 }
    }
}

/// What both ends know.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    acknowledged: AtomicU64,
    stored: AtomicU64,
    used: AtomicU64,
    dropped: AtomicU64,
}

impl Shared {
    /// The last acknowledged number; 0 when there is none.
    pub fn acknowledged(&self) -> u64 {
        self.0.acknowledged.load(Ordering::Acquire)
    }

    /// Octets of all segments.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Records that were dropped since the spool was made.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

/// Where a chain is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last number that was given; 0 when there is none.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Why there is no spool. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another process appends to it.
    #[error("{folder}: another apitap is using it; stop that one, or give this one another --state", folder = .folder.display())]
    InUse {
        /// The spool's folder.
        folder: PathBuf,
    },
    /// A file or folder cannot be used.
    #[error("{path}: {source}; what waits for the store is kept there, so this user has to be allowed to write it", path = .path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
