//! Faces on the command line.

mod alerts;
pub mod args;
mod bench;
mod charts;
mod check;
mod classify;
mod csv;
mod demo;
mod hardening;
pub mod jsonl;
mod keeping;
mod listing;
mod manual;
pub mod moment;
mod outputs;
mod patience;
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

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use apitap_detectors::class::{Classes, is_detector_name};
use apitap_detectors::openapi::OpenApi;
use args::{AnalysisOptions, Apitap, Command, Common};

use crate::config::classes::missing;
use crate::config::{self, Config, ConfigError};
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
    // These need none, and Check says what is wrong with it.
    match &command_line.command {
        Command::Classify => return classify::run(command_line.common.config.as_deref()),
        Command::Completions(args) => return manual::completions(args),
        Command::Check(args) => return check::run(args, &command_line.common),
        Command::Man(args) => return manual::run(args),
        _ => {}
    }
    let config = match configuration(&command_line.command, &command_line.common) {
        Ok(config) => config,
        Err(error) => {
            tell(&error.to_string());
            return Exit::Usage;
        }
    };
    match &command_line.command {
        Command::Demo(args) => demo::run(args, &config),
        Command::Bench(args) => bench::run(args, &config),
        Command::Read(args) => read::run(args, &config, &mut |_| {}),
        Command::Run(args) => {
            start_log();
            run::run(args, &config)
        }
        Command::Alerts(args) => alerts::run(args, &config),
        Command::Query(args) => query::run(args, &config),
        Command::Verify(args) => verify::run(args, &config),
        Command::Schema(args) => schema::run(args, &config),
        Command::Store(args) => store::run(args, &config),
        Command::Check(_) | Command::Classify | Command::Completions(_) | Command::Man(_) => Exit::Fine,
    }
}

/// What `command` goes by: the configuration, and over it the flags that all commands have.
fn configuration(command: &Command, common: &Common) -> Result<Config, ConfigError> {
    let config = match (&common.config, command) {
        (Some(path), _) => Config::load(path)?,
        (None, Command::Read(args)) => {
            // A capture gives the same alerts on any machine.
            let installed = if args.store.is_some() { Config::installed()? } else { None };
            installed
                .map(|Config { store, state, .. }| Config { store, state, ..Config::default() })
                .unwrap_or_default()
        }
        // It is the same everywhere, and leaves the machine's own sensor alone.
        (None, Command::Demo(_)) => Config::default(),
        (None, _) => Config::installed()?.unwrap_or_default(),
    };
    Ok(overlaid(config, common))
}

fn overlaid(mut config: Config, common: &Common) -> Config {
    config.state = common.state.clone().or(config.state);
    config
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

/// How a worker looks at traffic: as `options` say, else as configured.
fn worker_settings(options: &AnalysisOptions, config: &Config, keys: &Keys) -> Result<worker::Settings, String> {
    let config::Analysis { checksums, inspect_limit, memory } = config.analysis;
    let inspection = options.inspect_limit.unwrap_or(inspect_limit).bytes() as usize;
    Ok(worker::Settings {
        checksums: options.checksums.unwrap_or(checksums).into(),
        http: http::Limits { inspection, ..http::Limits::default() },
        memory: options.memory.unwrap_or(memory).bytes() as usize,
        detectors: detectors(options, config, keys)?,
        ..worker::Settings::default()
    })
}

fn detectors(
    options: &AnalysisOptions,
    config: &Config,
    keys: &Keys,
) -> Result<apitap_detectors::inspect::Settings, String> {
    let list = options.detectors.as_ref().unwrap_or(&config.detectors.enabled);
    if let Some((said, _)) = missing(list.split(',').map(str::trim), &config.detectors.classes) {
        return Err(said);
    }
    let only =
        apitap_detectors::inspect::Settings::parse_only(list, is_detector_name).map_err(|error| error.to_string())?;
    let openapi = options.openapi.as_deref().map(read_openapi).transpose()?.map(Arc::new);
    let (evidence_key, principal_key) = (keys.evidence(), keys.principal());
    let thresholds = config.detectors.thresholds.clone();
    let classes = Classes::new(&config.detectors.classes);
    Ok(apitap_detectors::inspect::Settings { only, evidence_key, principal_key, openapi, thresholds, classes })
}

/// The largest OpenAPI document that is read, in octets: those of the largest public interfaces have a tenth of it.
const OPENAPI_LIMIT: u64 = 128 << 20;

/// Reads an OpenAPI document.
fn read_openapi(path: &Path) -> Result<OpenApi, String> {
    let told = |what: String| format!("{}: cannot be used as an OpenAPI document: {what}", path.display());
    let file = std::fs::File::open(path).map_err(|error| told(error.to_string()))?;
    let mut text = String::new();
    file.take(OPENAPI_LIMIT + 1).read_to_string(&mut text).map_err(|error| told(error.to_string()))?;
    if text.len() as u64 > OPENAPI_LIMIT {
        return Err(told("it is larger than 128 MiB".into()));
    }
    OpenApi::parse(&text).map_err(|error| told(error.to_string()))
}

/// The machine's name: with it in their ids, alerts of different sensors stay apart.
fn machine() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "sensor".into() } else { name }
}
