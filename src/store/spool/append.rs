//! The end of the spool where records come in.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use super::folder::Folder;
use super::read::remove;
use super::segment::{Extent, Frame, HEADER, Header, LONGEST, scan};
use super::{Head, Options, Shared, SpoolError};
use crate::store::chain::{ChainKey, Tombstone};

/// Room that is kept for the tombstone of what was dropped.
const RESERVE: u64 = 1024;

/// What became of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Those that are acknowledged now.
    pub kept: u64,
    /// Those that had no place.
    pub dropped: u64,
}

/// Takes records in: numbers them, chains them, and has them on disk when [`append`](Spool::append) returns.
#[derive(Debug)]
pub struct Spool {
    folder: Folder,
    key: ChainKey,
    limit: u64,
    segment_limit: u64,
    shared: Shared,
    /// The chain up to the last acknowledged record.
    head: Head,
    /// The segment that is written to. None before the first record, and after a fault: then the next record begins one.
    current: Option<Segment>,
    /// A segment that holds records which were given up, beyond its acknowledged ones.
    abandoned: Option<Segment>,
    /// How many dropped records the chain tells of.
    told: u64,
    /// Whether the last records had no place.
    is_short: bool,
    frame: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    /// Octets of it that are acknowledged.
    size: u64,
}

/// A chain that goes on, but is not on disk yet.
#[derive(Clone, Copy)]
struct Progress {
    head: Head,
    size: u64,
    told: u64,
}

impl Spool {
    /// Opens the spool, and recovers what was acknowledged before.
    pub fn open(options: &Options, key: ChainKey) -> Result<Self, SpoolError> {
        let mut folder = Folder::open(&options.folder)?;
        let dropped = folder.dropped();
        let fail = |source| SpoolError::Io { path: options.folder.clone(), source };
        let recovered = recover(&folder).map_err(fail)?;
        let used = used(&folder).map_err(fail)?;
        let mut head = recovered.head;
        // Never a number twice, whatever the disk lost: the reader finds the gap, and the chain tells of it.
        head.sequence = head.sequence.max(folder.acknowledged());
        let is_continued = head.sequence == recovered.head.sequence;
        let spool = Self {
            head,
            current: recovered.segment.filter(|_| is_continued),
            abandoned: None,
            told: recovered.told,
            folder,
            key,
            limit: options.limit,
            segment_limit: options.segment,
            shared: Shared::default(),
            is_short: dropped > recovered.told,
            frame: Vec::new(),
        };
        spool.shared.0.used.store(used, Ordering::Relaxed);
        spool.shared.0.dropped.store(dropped.max(recovered.told), Ordering::Relaxed);
        spool.shared.0.acknowledged.store(head.sequence, Ordering::Release);
        spool.folder.keep_reserve();
        // A full disk must not keep the sensor from starting: then the number of before stays there.
        let _ = spool.folder.publish(head.sequence);
        Ok(spool)
    }

    /// What both ends know.
    pub fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// Where it is.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The chain up to the last acknowledged record.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Appends the records `entries`, as of `now` in milliseconds since 1970, with one fsync for all. What has no place is
    /// dropped and counted. Without entries, what was dropped before is told in the chain, if there is room again.
    pub fn append(&mut self, entries: &[Vec<u8>], now: i64) -> Appended {
        let kept = match self.try_append(entries, now) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(%error, "the spool cannot be written");
                0
            }
        };
        let dropped = entries.len() as u64 - kept;
        self.is_short = dropped > 0 || self.is_short && entries.is_empty();
        if dropped > 0 {
            self.count_dropped(dropped);
        }
        Appended { kept, dropped }
    }

    /// Counts records that were dropped before they came here.
    pub fn count_dropped(&self, count: u64) {
        let total = self.shared.0.dropped.fetch_add(count, Ordering::Relaxed).saturating_add(count);
        self.folder.count_dropped(total);
    }

    /// How many are on disk. What is left over had no place.
    fn try_append(&mut self, entries: &[Vec<u8>], now: i64) -> io::Result<u64> {
        let has_untold = self.shared.dropped() > self.told;
        let needed = match entries.first() {
            Some(first) => Frame::size(first) as u64 + RESERVE,
            None if has_untold => RESERVE,
            None => return Ok(0),
        };
        if self.is_short {
            self.make_room()?;
        }
        // A tombstone is only written when the drought is over: there is one for each.
        if self.shared.used().saturating_add(needed) > self.limit {
            return Ok(0);
        }
        let before = self.begin()?;
        let mut at = before;
        let mut kept = 0;
        let failure = self.write_all(entries, now, &mut at, &mut kept).err();
        if at.head == before.head {
            return failure.map_or(Ok(0), Err);
        }
        let whole = if failure.is_some() { self.cut(at.size) } else { Ok(()) };
        if let Err(error) = whole.and_then(|()| self.commit(before, at)) {
            // After a failed fsync nobody knows what is on disk.
            self.abandoned = self.current.take();
            return Err(error);
        }
        if let Some(error) = failure {
            tracing::warn!(%error, "the spool takes no more");
        }
        Ok(kept)
    }

    /// Writes tombstone and records as far as there is room. `at` and `kept` say what was written whole.
    fn write_all(&mut self, entries: &[Vec<u8>], now: i64, at: &mut Progress, kept: &mut u64) -> io::Result<()> {
        let total = self.shared.dropped();
        if total > at.told {
            self.write(&Tombstone::Dropped { count: total - at.told, total }.to_json(), now, at)?;
            at.told = total;
        }
        let elsewhere = self.shared.used().saturating_sub(self.acknowledged_size());
        let room = self.limit.saturating_sub(RESERVE + elsewhere);
        for json in entries.iter().filter(|json| json.len() <= LONGEST) {
            if at.size + Frame::size(json) as u64 > room {
                break;
            }
            self.write(json, now, at)?;
            *kept += 1;
        }
        Ok(())
    }

    fn write(&mut self, json: &[u8], ingested_at: i64, at: &mut Progress) -> io::Result<()> {
        let Some(segment) = &self.current else { return Ok(()) };
        let sequence = at.head.sequence + 1;
        let hash = self.key.link(sequence, at.head.hash, json);
        self.frame.clear();
        Frame { ingested_at, hash, json }.encode(sequence, &mut self.frame);
        segment.file.write_all_at(&self.frame, at.size)?;
        at.size += self.frame.len() as u64;
        at.head = Head { sequence, hash };
        Ok(())
    }

    /// When the store has all of the newest segment, and there is no place for more, another one takes over from it.
    fn make_room(&mut self) -> io::Result<()> {
        let is_stored = self.shared.0.stored.load(Ordering::Acquire) >= self.head.sequence;
        let is_used = self.current.as_ref().is_some_and(|segment| segment.size > HEADER as u64);
        if !is_stored || !is_used {
            return Ok(());
        }
        let before = self.folder.segments()?;
        let segment = self.create()?;
        self.add_used(segment.size);
        self.current = Some(segment);
        for first in before {
            match remove(&self.folder.segment(first), &self.shared) {
                // The other end has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        self.folder.keep_reserve();
        Ok(())
    }

    /// Sees to it that there is a segment to write to.
    fn begin(&mut self) -> io::Result<Progress> {
        if self.current.as_ref().is_some_and(|segment| segment.size >= self.segment_limit) {
            self.current = None;
        }
        if let Some(segment) = &self.abandoned {
            // The next segment takes the numbers that were given up, so they must be gone.
            segment.file.set_len(segment.size)?;
            self.abandoned = None;
        }
        if self.current.is_none() {
            let segment = self.create()?;
            self.add_used(segment.size);
            self.current = Some(segment);
        }
        Ok(Progress { head: self.head, size: self.acknowledged_size(), told: self.told })
    }

    fn create(&self) -> io::Result<Segment> {
        match self.try_create() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                self.folder.spend_reserve();
                self.try_create()
            }
            created => created,
        }
    }

    fn try_create(&self) -> io::Result<Segment> {
        let first = self.head.sequence + 1;
        let path = self.folder.segment(first);
        // One may be left that never got its header, or whose records were given up.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = self.folder.create_segment(first)?;
        let header = Header { first, dropped: self.told, previous: self.head.hash };
        let written = file.write_all(&header.encode()).and_then(|()| file.sync_all()).and_then(|()| self.folder.sync());
        if let Err(error) = written {
            // What cannot be removed is removed when it is tried again.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Segment { file, size: HEADER as u64 })
    }

    /// Acknowledges what was written from `before` up to `at`.
    fn commit(&mut self, before: Progress, at: Progress) -> io::Result<()> {
        let Some(segment) = &mut self.current else { return Ok(()) };
        segment.file.sync_data()?;
        segment.size = at.size;
        self.head = at.head;
        self.told = at.told;
        self.add_used(at.size - before.size);
        self.shared.0.acknowledged.store(at.head.sequence, Ordering::Release);
        if let Err(error) = self.folder.publish(at.head.sequence) {
            tracing::debug!(%error, "the last acknowledged number could not be published");
        }
        Ok(())
    }

    /// Removes a frame that was not written whole.
    fn cut(&self, size: u64) -> io::Result<()> {
        self.current.as_ref().map_or(Ok(()), |segment| segment.file.set_len(size))
    }

    fn acknowledged_size(&self) -> u64 {
        self.current.as_ref().map_or(0, |segment| segment.size)
    }

    fn add_used(&self, octets: u64) {
        self.shared.0.used.fetch_add(octets, Ordering::Relaxed);
    }
}

/// What was found on disk.
struct Recovered {
    head: Head,
    told: u64,
    segment: Option<Segment>,
}

/// Finds the end of the chain: the newest segment's last whole frame. What was cut off behind it is removed.
fn recover(folder: &Folder) -> io::Result<Recovered> {
    for first in folder.segments()?.into_iter().rev() {
        let path = folder.segment(first);
        let octets = fs::read(&path)?;
        let mut told = None;
        let tells = |_, frame: Frame<'_>| {
            if let Some(Tombstone::Dropped { total, .. }) = Tombstone::parse(frame.json) {
                told = Some(total);
            }
        };
        let Ok(Extent { header, next, head, size }) = scan(&octets, tells) else {
            if octets.len() < HEADER {
                // It was being made when the process ended.
                fs::remove_file(&path)?;
            } else {
                // The disk has a fault. What the segment held is told as lost, unless the store has it.
                fs::rename(&path, path.with_extension("damaged"))?;
            }
            continue;
        };
        let file = folder.reopen_segment(first)?;
        file.set_len(size as u64)?;
        file.sync_all()?;
        return Ok(Recovered {
            head: Head { sequence: next.saturating_sub(1), hash: head },
            told: told.unwrap_or(header.dropped),
            segment: Some(Segment { file, size: size as u64 }),
        });
    }
    Ok(Recovered { head: Head::default(), told: 0, segment: None })
}

/// Octets of all segments.
fn used(folder: &Folder) -> io::Result<u64> {
    folder.segments()?.into_iter().map(|first| fs::metadata(folder.segment(first)).map(|file| file.len())).sum()
}
