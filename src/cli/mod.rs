//! Faces on the command line.

pub mod args;
mod hardening;
pub mod jsonl;
mod outputs;
mod read;
mod run;
mod stats;
mod summary;
pub mod table;
mod text;

use std::process::ExitCode;

use args::{Apitap, Command, Common};

use crate::keys::Keys;
use crate::{http, worker};

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Fine,
    /// Not one record was readable, or an output failed.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// There are findings at or above `--fail-on`, and all else went well.
    Findings,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Findings => 3,
        })
    }
}

/// Runs what the user asked for.
pub fn run(command_line: &Apitap) -> Exit {
    hardening::forbid_core_dumps();
    hardening::mute_panics();
    match &command_line.command {
        Command::Read(args) => read::run(args, &command_line.common),
        Command::Run(args) => run::run(args, &command_line.common),
    }
}

/// One line for the person at the terminal.
#[expect(clippy::print_stderr, reason = "this is where lines for people are written")]
pub(crate) fn tell(line: &str) {
    eprintln!("apitap: {line}");
}

/// What the options common to all commands say of a worker.
fn worker_settings(common: &Common) -> worker::Settings {
    worker::Settings {
        checksums: common.checksums.into(),
        http: http::Limits { inspection: common.inspect_limit.0 as usize, ..http::Limits::default() },
        memory: common.memory.0 as usize,
        ..worker::Settings::default()
    }
}

/// Settings of the detectors in `list`.
fn detectors(list: &str, keys: &Keys) -> Result<apitap_detectors::inspect::Settings, String> {
    let only = apitap_detectors::inspect::Settings::parse_only(list).map_err(|error| error.to_string())?;
    Ok(apitap_detectors::inspect::Settings { only, evidence_key: keys.evidence() })
}
