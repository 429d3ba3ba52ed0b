//! Faces on the command line.

mod alerts;
pub mod args;
mod charts;
mod connect;
mod csv;
mod hardening;
pub mod jsonl;
mod keeping;
mod listing;
pub mod moment;
mod outputs;
mod query;
mod read;
mod run;
mod schema;
mod show;
mod stats;
mod store;
mod storing;
mod summary;
pub mod table;
mod text;
mod verify;

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
        Command::Run(args) => {
            start_log();
            run::run(args, &command_line.common)
        }
        Command::Alerts(args) => alerts::run(args, &command_line.common),
        Command::Query(args) => query::run(args, &command_line.common),
        Command::Verify(args) => verify::run(args, &command_line.common),
        Command::Schema(args) => schema::run(args),
        Command::Store(args) => store::run(args, &command_line.common),
    }
}

/// One line for the person at the terminal.
pub(crate) fn tell(line: &str) {
    say(format_args!("apitap: {line}"));
}

/// A line on standard error. Should nobody be able to read it, there is nobody to tell: the sensor goes on.
fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What the sensor has to say while it runs goes to standard error: warnings and worse, or what APITAP_LOG asks for.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("APITAP_LOG")
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Fails only when there is one already.
    let _ = log.try_init();
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

/// The machine's name: with it in their ids, alerts of different sensors stay apart.
fn machine() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "sensor".into() } else { name }
}
