//! What the store does not take: dead letters.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::store::spool::Spooled;

/// A file of records that the store refused, one JSON object a line, for its owner alone.
#[derive(Debug)]
pub struct DeadLetters(PathBuf);

#[derive(Serialize)]
struct Letter<'a> {
    sequence: u64,
    /// Milliseconds since 1970.
    spooled_at: i64,
    reason: &'a str,
    record: &'a str,
}

impl DeadLetters {
    /// The file's name.
    pub const FILE: &str = "dead-letters.jsonl";

    /// That of the spool in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self(folder.join(Self::FILE))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Adds a record, and has it on disk. After a crash it may be there twice; its number tells.
    pub fn add(&self, record: &Spooled, reason: &str) -> io::Result<()> {
        let text = String::from_utf8_lossy(&record.json);
        let letter = Letter { sequence: record.sequence, spooled_at: record.ingested_at, reason, record: &text };
        let mut line = serde_json::to_vec(&letter)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.0)?;
        let whole = file.metadata()?.len();
        if let Err(error) = file.write_all(&line) {
            // Half a line would spoil the next one.
            file.set_len(whole)?;
            return Err(error);
        }
        file.sync_all()
    }
}
