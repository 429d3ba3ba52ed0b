//! Faces on the command line.

pub mod args;
mod hardening;
pub mod jsonl;
mod outputs;
mod read;
mod stats;
mod store;
mod summary;
pub mod table;
mod text;

use std::process::ExitCode;

use args::{Apitap, Command};

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
        Command::Store(args) => store::run(args, &command_line.common),
    }
}

/// One line for the person at the terminal.
#[expect(clippy::print_stderr, reason = "this is where lines for people are written")]
pub(crate) fn tell(line: &str) {
    eprintln!("apitap: {line}");
}
