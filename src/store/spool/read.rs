//! The end of the spool where records go out.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::segment::{Break, Frame, HEADER, Header};
use super::{Head, Shared, Spool, folder};
use crate::store::chain::Hash;

/// Octets that are read from a segment at once.
const CHUNK: usize = 256 << 10;

/// An acknowledged record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled {
    /// Its number.
    pub sequence: u64,
    /// The hash of the one before.
    pub previous: Hash,
    /// Its own.
    pub hash: Hash,
    /// When it was spooled: milliseconds since 1970.
    pub ingested_at: i64,
    /// The exact octets.
    pub json: Vec<u8>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A record.
    Record(Spooled),
    /// Acknowledged records that cannot be read any more.
    Lost {
        /// The first of them.
        first: u64,
        /// The last.
        last: u64,
        /// The hash before the first.
        previous: Hash,
        /// The hash of the last.
        hash: Hash,
    },
}

impl Item {
    /// The last number it stands for.
    pub const fn last(&self) -> u64 {
        match self {
            Self::Record(record) => record.sequence,
            Self::Lost { last, .. } => *last,
        }
    }

    /// The hash of that number.
    pub const fn hash(&self) -> Hash {
        match self {
            Self::Record(record) => record.hash,
            Self::Lost { hash, .. } => *hash,
        }
    }

    /// When it was spooled, in milliseconds since 1970, if that is known.
    pub const fn time(&self) -> Option<i64> {
        match self {
            Self::Record(record) => Some(record.ingested_at),
            Self::Lost { .. } => None,
        }
    }

    /// Octets of its record.
    pub const fn octets(&self) -> usize {
        match self {
            Self::Record(record) => record.json.len(),
            Self::Lost { .. } => 0,
        }
    }
}

/// Reads acknowledged records in order, and removes the segments of those that the store has.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    shared: Shared,
    /// What was read last.
    head: Head,
    segment: Option<Segment>,
}

#[derive(Debug)]
struct Segment {
    first: u64,
    file: File,
    /// Where the buffer's first octet stands in the file.
    offset: u64,
    buffer: Vec<u8>,
    /// How much of the buffer was decoded.
    used: usize,
    /// What was acknowledged when the buffer was filled. Later octets may be other ones by now.
    filled_at: u64,
}

impl Reader {
    /// A reader of what `spool` holds after the record `stored`, which is the last that the store has.
    pub fn new(spool: &Spool, stored: u64) -> io::Result<Self> {
        let mut reader = Self {
            folder: spool.folder().path().to_owned(),
            shared: spool.shared(),
            head: Head::default(),
            segment: None,
        };
        let segments = folder::segments(&reader.folder)?;
        let Some(first) =
            segments.iter().rev().find(|first| **first <= stored.saturating_add(1)).or_else(|| segments.first())
        else {
            reader.head.sequence = stored;
            return Ok(reader);
        };
        let header = reader.enter(*first)?;
        reader.head = Head { sequence: first - 1, hash: header.previous };
        while reader.head.sequence < stored {
            let before = reader.head.sequence;
            match reader.next()? {
                // A hole that reaches past what the store has is come upon again below.
                Some(Item::Lost { last, .. }) if last > stored => {
                    reader.head.sequence = before;
                    break;
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(reader)
    }

    /// What both ends know.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What was read last.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The next item; none when everything acknowledged was read.
    #[expect(clippy::should_implement_trait, reason = "more may come after none, and reading may fail")]
    pub fn next(&mut self) -> io::Result<Option<Item>> {
        loop {
            if self.head.sequence >= self.shared.acknowledged() {
                return Ok(None);
            }
            let sequence = self.head.sequence + 1;
            let Some(segment) = &mut self.segment else {
                match self.following(0)? {
                    Some(first) => match self.enter_after(first)? {
                        Some(lost) => return Ok(Some(lost)),
                        None => continue,
                    },
                    None => return Ok(None),
                }
            };
            match segment.decode(sequence, &self.shared)? {
                Ok((ingested_at, hash, json)) => {
                    let previous = std::mem::replace(&mut self.head, Head { sequence, hash }).hash;
                    return Ok(Some(Item::Record(Spooled { sequence, previous, hash, ingested_at, json })));
                }
                Err(_) => {
                    let first = segment.first;
                    let Some(following) = self.following(first + 1)? else {
                        // Nothing follows yet: a segment whose end is missing is only told once it is known where the next
                        // one begins.
                        return Ok(None);
                    };
                    if let Some(lost) = self.enter_after(following)? {
                        return Ok(Some(lost));
                    }
                }
            }
        }
    }

    /// Removes the segments of records up to `stored`, all of which the store has; but never the newest.
    pub fn release(&self, stored: u64) -> io::Result<()> {
        self.shared.0.stored.fetch_max(stored, Ordering::AcqRel);
        let segments = folder::segments(&self.folder)?;
        for pair in segments.windows(2) {
            let &[first, following] = pair else { continue };
            if following > stored.saturating_add(1) {
                break;
            }
            match remove(&folder::segment(&self.folder, first), &self.shared) {
                // The other end has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// The first segment that begins at `least` or later.
    fn following(&self, least: u64) -> io::Result<Option<u64>> {
        Ok(folder::segments(&self.folder)?.into_iter().find(|first| *first >= least))
    }

    /// Goes on with the segment of `first`. What lies between is lost.
    fn enter_after(&mut self, first: u64) -> io::Result<Option<Item>> {
        let Head { sequence, hash: previous } = self.head;
        let header = self.enter(first)?;
        if first <= sequence + 1 {
            return Ok(None);
        }
        self.head = Head { sequence: first - 1, hash: header.previous };
        Ok(Some(Item::Lost { first: sequence + 1, last: first - 1, previous, hash: header.previous }))
    }

    fn enter(&mut self, first: u64) -> io::Result<Header> {
        let file = File::open(folder::segment(&self.folder, first))?;
        let mut octets = [0; HEADER];
        let read = file.read_at(&mut octets, 0)?;
        let header = Header::decode(&octets[..read]);
        self.segment = Some(Segment { first, file, offset: HEADER as u64, buffer: Vec::new(), used: 0, filled_at: 0 });
        // Without a header its records cannot be trusted to be in their place; the next one's says how the chain goes on.
        Ok(header.unwrap_or(Header { first, dropped: 0, previous: self.head.hash }))
    }
}

/// Removes a segment, and counts.
pub(super) fn remove(path: &Path, shared: &Shared) -> io::Result<()> {
    let size = fs::metadata(path)?.len();
    fs::remove_file(path)?;
    // Two ends count; a difference of sizes must not wrap around.
    let less = |used: u64| Some(used.saturating_sub(size));
    let _ = shared.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    Ok(())
}

type Decoded = (i64, Hash, Vec<u8>);

impl Segment {
    fn decode(&mut self, sequence: u64, shared: &Shared) -> io::Result<Result<Decoded, Break>> {
        if sequence > self.filled_at {
            self.forget();
        }
        loop {
            match Frame::decode(self.buffer.get(self.used..).unwrap_or_default(), sequence) {
                Ok((frame, size)) => {
                    let decoded = (frame.ingested_at, frame.hash, frame.json.to_vec());
                    self.used += size;
                    return Ok(Ok(decoded));
                }
                Err(Break::Short) => {
                    if self.fill(shared)? == 0 {
                        return Ok(Err(Break::Short));
                    }
                }
                Err(Break::Wrong) => return Ok(Err(Break::Wrong)),
            }
        }
    }

    /// Drops the buffer: what it holds beyond the records that were decoded may have changed.
    fn forget(&mut self) {
        self.offset += self.used as u64;
        self.used = 0;
        self.buffer.clear();
    }

    fn fill(&mut self, shared: &Shared) -> io::Result<usize> {
        if self.buffer.is_empty() || self.used == self.buffer.len() {
            self.forget();
            self.filled_at = shared.acknowledged();
        }
        self.buffer.drain(..self.used);
        self.offset += self.used as u64;
        self.used = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + CHUNK, 0);
        let read = self.file.read_at(&mut self.buffer[length..], self.offset + length as u64)?;
        self.buffer.truncate(length + read);
        Ok(read)
    }
}
