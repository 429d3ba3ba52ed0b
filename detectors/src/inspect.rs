//! Runs every exchange detector over an exchange.

use crate::exchange::Exchange;
use crate::finding::Finding;
use crate::scan::{Scanner, Tally};

/// Which detectors run, and how.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Key for value hashes in evidence; `None` prints no value hashes.
    pub evidence_key: Option<[u8; 32]>,
    /// Names of detectors or families to run; `None` runs all.
    pub only: Option<Vec<String>>,
}

/// The exchange detectors of one worker, with their scratch memory.
#[derive(Debug)]
pub struct Inspector {
    scanner: Scanner,
    settings: Settings,
}

impl Inspector {
    /// An inspector for one worker.
    pub fn new(scanner: Scanner, settings: Settings) -> Self {
        Self { scanner, settings }
    }

    /// The scanner that content past the inspection limit goes through.
    pub fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    /// Appends the findings about `exchange`, and returns what its response content holds, counted before any policy.
    pub fn inspect(&mut self, _exchange: &Exchange<'_>, _findings: &mut Vec<Finding>) -> Tally {
        let _ = &self.settings;
        Tally::default()
    }
}

impl Settings {
    /// x
    pub fn parse(_: &str) -> Result<Self, String> {
        Ok(Self::default())
    }
}
