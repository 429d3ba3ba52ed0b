//! The files of a spool.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::SpoolError;

/// The last acknowledged number, as text.
const ACKNOWLEDGED: &str = "acknowledged";
/// How many records were ever dropped.
const DROPPED: &str = "dropped";
const LOCK: &str = "lock";
/// Room for when the disk is full.
const RESERVE: &str = "reserve";
/// What it holds: a few blocks of a file system.
const RESERVED: [u8; 16 << 10] = [0; 16 << 10];
const SEGMENT: &str = "seg";

/// The folder of a spool. Whoever has one holds its lock.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    dropped: Option<File>,
    /// Held until the process ends, however it ends.
    _lock: File,
}

impl Folder {
    /// Makes the folder, if it is not there, and locks it.
    pub fn open(path: &Path) -> Result<Self, SpoolError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| SpoolError::Io { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail(path))?;
        let named = path.join(LOCK);
        let lock = private().read(true).open(&named).map_err(fail(&named))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(SpoolError::InUse { folder: path.to_owned() }),
            Err(error) => return Err(fail(&named)(error.into())),
        }
        Ok(Self { path: path.to_owned(), dropped: None, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Numbers of the first records of all segments, in order.
    pub(super) fn segments(&self) -> io::Result<Vec<u64>> {
        segments(&self.path)
    }

    /// The file of the segment that begins with `first`.
    pub(super) fn segment(&self, first: u64) -> PathBuf {
        segment(&self.path, first)
    }

    /// Makes the file of a segment, which is not there.
    pub(super) fn create_segment(&self, first: u64) -> io::Result<File> {
        private().create_new(true).open(self.segment(first))
    }

    /// Opens the file of a segment for appending.
    pub(super) fn reopen_segment(&self, first: u64) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.segment(first))
    }

    /// Sees to it that names of files are on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// The last acknowledged number.
    pub(super) fn acknowledged(&self) -> u64 {
        acknowledged(&self.path).unwrap_or(0)
    }

    /// Publishes the last acknowledged number. Whoever reads the file finds this number or the one before.
    ///
    /// There is no fsync: after the power was gone, the segments say what was acknowledged, and the file is written again.
    pub(super) fn publish(&self, acknowledged: u64) -> io::Result<()> {
        let path = self.path.join(ACKNOWLEDGED);
        let unnamed = self.path.join("acknowledged.new");
        // Of one length, so that one can be written over another.
        let line = format!("{acknowledged:>20}\n");
        let written = private().truncate(true).open(&unnamed).and_then(|mut file| file.write_all(line.as_bytes()));
        match written.and_then(|()| fs::rename(&unnamed, &path)) {
            // A full disk has no room for another file, but for what is there. It is one small write.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                OpenOptions::new().write(true).open(&path)?.write_all_at(line.as_bytes(), 0)
            }
            published => published,
        }
    }

    /// Keeps room on the disk for the beginning of a segment, as far as the disk lets it.
    pub(super) fn keep_reserve(&self) {
        let path = self.path.join(RESERVE);
        if path.metadata().is_ok_and(|file| file.len() == RESERVED.len() as u64) {
            return;
        }
        let kept = private().open(&path).and_then(|file| file.write_all_at(&RESERVED, 0));
        if kept.is_err() {
            self.spend_reserve();
        }
    }

    /// Gives that room back.
    pub(super) fn spend_reserve(&self) {
        // Without one there is nothing to give back.
        let _ = fs::remove_file(self.path.join(RESERVE));
    }

    /// How many records were ever dropped; makes room on the disk for that number, so that it can be written when the disk is
    /// full.
    pub(super) fn dropped(&mut self) -> u64 {
        let path = self.path.join(DROPPED);
        let octets = fs::read(&path).unwrap_or_default();
        let count = octets.first_chunk().copied().map_or(0, u64::from_le_bytes);
        // Without the file, which a full disk may not take, the count does not outlive the process.
        self.dropped = private().open(&path).ok();
        self.count_dropped(count);
        count
    }

    /// Writes how many records were ever dropped.
    pub(super) fn count_dropped(&self, count: u64) {
        if let Some(file) = &self.dropped {
            // Eight octets within one block, which is there: nothing is left that could fail but the disk itself.
            let _ = file.write_all_at(&count.to_le_bytes(), 0);
        }
    }
}

/// The last acknowledged number of the spool in `folder`: all records up to it will be in the store, whatever happens.
pub fn acknowledged(folder: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(folder.join(ACKNOWLEDGED))?;
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no number"))
}

/// The name of a sensor as that of a folder.
pub fn folder_name(sensor: &str) -> String {
    let mut name = String::with_capacity(sensor.len());
    for octet in sensor.bytes() {
        let is_plain =
            octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_') || octet == b'.' && !name.is_empty();
        if is_plain {
            name.push(char::from(octet));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(name, "%{octet:02x}");
        }
    }
    name
}

pub(super) fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|extension| extension == SEGMENT);
        let number: Option<u64> = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        found.extend(number.filter(|_| is_segment));
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn segment(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.{SEGMENT}"))
}

/// Files for their owner alone, made when they are not there.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_the_name_of_one_folder() {
        assert_eq!(folder_name("edge-1.example"), "edge-1.example");
        assert_eq!(folder_name("../x"), "%2e.%2fx");
        assert_eq!(folder_name("a/b%\u{e4}"), "a%2fb%25%c3%a4");
    }
}
