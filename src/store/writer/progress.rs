//! How far the store has what was spooled, on disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What is known of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// It has all records up to this number.
    pub stored: u64,
    /// What it was sent after that, and may have.
    pub batch: Option<Batch>,
    /// This file was lost once: then the store may have any of the records up to this one.
    pub doubtful: u64,
    /// When the last of them was spooled, in milliseconds since 1970.
    #[serde(default)]
    pub stored_at: i64,
    /// The latest checkpoint.
    #[serde(default)]
    pub checkpoint: Checkpoint,
}

/// What a checkpoint in the store says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The store had all records up to this number.
    pub last: u64,
    /// When that one was spooled, in milliseconds since 1970.
    pub at: i64,
    /// How long records are kept.
    pub retention_days: u32,
}

/// Records that are inserted together. The same rows again whenever it is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id.
    pub id: u128,
    /// Number of the last record.
    pub last: u64,
    /// How often it was sent with a token that turned out to be spent.
    pub round: u32,
}

impl Batch {
    /// What the store knows this round by: it takes one token once.
    pub fn token(&self) -> String {
        match self.round {
            0 => format!("{:032x}", self.id),
            round => format!("{:032x}/r{round}", self.id),
        }
    }
}

/// The file of a [`Progress`]: two places that are written in turn, so that one is always whole. They have their room on the
/// disk from the beginning: a full one must not keep the spool from being emptied.
#[derive(Debug)]
pub struct ProgressFile {
    path: PathBuf,
    /// How often it was written.
    writes: u64,
}

/// Octets of a place.
const PLACE: usize = 1024;

/// What a place holds, behind its checksum: JSON, and blanks.
#[derive(Serialize, Deserialize)]
struct Place<P> {
    writes: u64,
    progress: P,
}

impl ProgressFile {
    /// That of the spool in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("progress"), writes: 0 }
    }

    /// Reads it. None when there is none, or it is none of ours: then the store has to be asked for everything.
    pub fn read(&mut self) -> io::Result<Option<Progress>> {
        let octets = match fs::read(&self.path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let newest = octets.chunks(PLACE).filter_map(decode).max_by_key(|place| place.writes);
        self.writes = newest.as_ref().map_or(self.writes, |place| place.writes);
        Ok(newest.map(|place| place.progress))
    }

    /// Writes it. On disk before the store is sent a batch, so that the batch is known after whatever happens.
    pub fn write(&mut self, progress: &Progress) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        let is_new = file.metadata()?.len() < 2 * PLACE as u64;
        if is_new {
            file.write_all_at(&[b' '; 2 * PLACE], 0)?;
        }
        let writes = self.writes + 1;
        let offset = (writes % 2) * PLACE as u64;
        file.write_all_at(&encode(&Place { writes, progress })?, offset)?;
        if is_new {
            file.sync_all()?;
            self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
        } else {
            file.sync_data()?;
        }
        self.writes = writes;
        Ok(())
    }
}

fn encode(place: &Place<&Progress>) -> io::Result<Vec<u8>> {
    let json = serde_json::to_string(place)?;
    let mut octets = format!("{} {json}", blake3::hash(json.as_bytes()).to_hex()).into_bytes();
    if octets.len() > PLACE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is too long"));
    }
    octets.resize(PLACE, b' ');
    Ok(octets)
}

fn decode(octets: &[u8]) -> Option<Place<Progress>> {
    let (sum, json) = std::str::from_utf8(octets).ok()?.trim_end().split_once(' ')?;
    (blake3::hash(json.as_bytes()).to_hex().as_str() == sum).then(|| serde_json::from_str(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_every_round_has_its_token() {
        let folder = std::env::temp_dir().join(format!("apitap-progress-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut file = ProgressFile::new(&folder);
        assert_eq!(file.read().unwrap(), None);
        let batch = Batch { id: u128::MAX, last: u64::MAX, round: 0 };
        let mut progress = Progress { stored: 7, batch: Some(batch.clone()), ..Progress::default() };
        for stored in 7..10 {
            progress.stored = stored;
            file.write(&progress).unwrap();
            assert_eq!(ProgressFile::new(&folder).read().unwrap().as_ref(), Some(&progress));
        }
        // A place that was not written whole leaves the one before.
        let path = folder.join("progress");
        let mut octets = fs::read(&path).unwrap();
        octets[PLACE + 90] ^= 1;
        fs::write(&path, &octets).unwrap();
        assert_eq!(file.read().unwrap().map(|progress| progress.stored), Some(8));
        fs::write(&path, "{").unwrap();
        assert_eq!(file.read().unwrap(), None);
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(batch.token(), "ffffffffffffffffffffffffffffffff");
        assert_eq!(Batch { round: 2, ..batch }.token(), "ffffffffffffffffffffffffffffffff/r2");
    }
}
