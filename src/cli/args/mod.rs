//! What the user may type.

mod demo;
mod face;
mod history;
mod sensor;
mod store;

use std::ffi::OsString;
use std::path::PathBuf;

use apitap_detectors::finding::Severity;
use clap::{Args, Parser, Subcommand};

pub use demo::DemoArgs;
pub use face::{CheckArgs, CompletionsArgs, ManArgs};
pub use history::{AlertsArgs, AlertsCommand, ChangeArgs, FilterArgs, HistoryFormat, QueryArgs, ShowArgs, StatsArgs};
pub use sensor::{AnalysisOptions, BenchArgs, Destination, ReadArgs, RunArgs};
pub use store::{Password, SchemaArgs, StoreArgs, StoreOptions, VerifyArgs};

/// Passive API security sensor: reads a copy of the traffic and says what is going wrong.
#[derive(Debug, Parser)]
#[command(name = "apitap", version, about, max_term_width = 120, disable_help_subcommand = true)]
pub struct Apitap {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See it at work: a shop on loopback, its customers, its attackers, and the alerts as they come
    #[command(after_help = "\
Captures on 'lo' the traffic of a shop that it serves itself, on a port of 127.0.0.1, and keeps the alerts in an embedded store of its
own: in a fresh directory for temporary files, or in the one that --state names. At the end it says how to ask for them. Everybody in
it is made up. Who may not capture sees recorded traffic instead. Without the engine's library nothing is stored, and a fresh
directory is removed again. The machine's configuration does not count; one that is named with --config does, but for the store.

Exit status: 0 fine; 1 an attack gave no alert, or something failed; 2 usage.")]
    Demo(DemoArgs),
    /// Analyse capture files; stores nothing unless asked to
    #[command(after_help = "\
The configuration of the machine only says where the store and the state directory are, for --store: so a capture gives the same
alerts anywhere. One that is named with --config counts as a whole.

Exit status: 0 fine (also: a truncated last record, an unknown link type, no HTTP at all, each with a warning);
1 a file without a readable record, an output failed, or the store gave no sign of itself for a minute while it was waited for;
2 usage; 3 findings at or above --fail-on, and all else fine.")]
    Read(ReadArgs),
    /// Be the sensor: capture, detect, tell
    #[command(after_help = "\
Says 'capturing' on standard error when it is ready. SIGINT or SIGTERM ends it in order, with a summary; its last lines
are frames_received=N, frames_processed=N, frames_dropped_kernel=N and the like.

Exit status: 0 fine; 1 an interface cannot be used, or an output failed; 2 usage (also: a filter that is none).")]
    Run(RunArgs),
    /// The embedded ClickHouse, served over HTTP on loopback
    #[command(after_help = "\
Where it serves is written to store.json in the state directory. Passwords of the users sensor, analyst (reads, and changes the
status of alerts) and reader are in files of these names, in the folder 'credentials' of the data:
  curl -u reader:$(cat DIR/credentials/reader) http://127.0.0.1:8123/ -d 'SELECT version()'")]
    Store(StoreArgs),
    /// Ask the alert history, newest first; or show one alert, say what became of it, or count
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "\
Times are relative ('90s', '30m', '2h', '7d', '2w' ago) or absolute ('2026-11-24', '2026-11-24T11:23', RFC 3339), in UTC.
An alert lies in a range of time when any of its matches may.

Which store: --store, else that of the configuration, else the one that store.json in the state directory names, else the
embedded store is started on the data in the state directory for as long as the command runs.

Exit status: 0 fine, also when there are no alerts; 1 the store gives no answer, or no such alert; 2 usage."
    )]
    Alerts(Box<AlertsArgs>),
    /// Ask the store in SQL; it changes nothing
    #[command(after_help = "\
Tables: apitap.alert_revisions, alert_status, sensor_heartbeats, and the narrow ones that 'apitap schema' explains:
  apitap query 'SELECT family, uniqExact(alert_id) FROM apitap.alert_revisions GROUP BY family'")]
    Query(QueryArgs),
    /// Check that the store has what the sensors wrote
    #[command(after_help = "\
Records are numbered, and chained by keyed hashes. Each is one of: intact; expired (its time was up); dead-lettered (the store
refused it); dropped (the spool was full); lost (from the spool); deleted; changed; reordered; forged; or missing at the end.
Whoever has the key in the state directory could forge them.

Exit status: 0 as it was written; 1 not so, or the store cannot be asked; 2 usage.")]
    Verify(VerifyArgs),
    /// Print the ClickHouse schema, which apitap makes by itself everywhere but on a cluster
    Schema(SchemaArgs),
    /// Say which personal data and secrets bodies hold, from JSONL on standard input
    #[command(after_help = "\
Reads {\"id\": ..., \"content_type\": ..., \"body\": \"...\"} a line, and writes
{\"id\": ..., \"entities\": [{\"type\": ..., \"masked\": ..., \"count\": ...}]}. What content is is told by its bytes, not by its type.
With --config FILE, your own classes of data are told too ([[detectors.classes]]); else no configuration is read.

Exit status: 0 fine; 1 a line could not be read, or the output failed; 2 usage.")]
    Classify,
    /// Say what this machine can carry of the traffic in capture files, and where the time goes
    #[command(after_help = "\
Reads the files several times with one worker and tells processor time, so that what else runs here does not count. They should
be large: a second of traffic says little.

Exit status: 0 fine; 1 a file cannot be read, or it was interrupted; 2 usage.")]
    Bench(BenchArgs),
    /// Say what is missing to run the sensor here, and how to mend it
    #[command(after_help = "\
Looks at the configuration, the privilege to capture, the interfaces, the state directory, the engine's library and the store.
It changes nothing.

Exit status: 0 'apitap run' would start and store; 1 something is missing; 2 usage.")]
    Check(CheckArgs),
    /// Print the completions of a shell
    #[command(after_help = "\
For bash, in ~/.bashrc:  source <(apitap completions bash)")]
    Completions(CompletionsArgs),
    /// Print the manual page, or write a page for each command
    Man(ManArgs),
}

/// Options of every command.
#[derive(Args, Debug)]
pub struct Common {
    /// The configuration, which flags go before; by default /etc/apitap/apitap.toml, if it is there
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the installation's key, and of what is kept; 'read' prints no hashes of values without it
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

impl Apitap {
    /// The command line `words`, in which `read --store` may be followed by a store or by a file.
    ///
    /// An option with a value that may be left out would take the file; one that takes its value after '=' only would take
    /// the store for a file.
    pub fn of(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(join_store(words))
    }
}

fn join_store(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let is_store =
        |word: &OsString| word.to_str().is_some_and(|word| matches!(word, "embedded" | "none") || word.contains("://"));
    let mut joined: Vec<OsString> = Vec::new();
    let (mut is_read, mut is_over) = (false, false);
    for word in words {
        is_read |= word == "read";
        is_over |= word == "--";
        match joined.last_mut() {
            Some(last) if is_read && !is_over && last == "--store" && is_store(&word) => {
                last.push("=");
                last.push(word);
            }
            _ => joined.push(word),
        }
    }
    joined
}

fn severity(text: &str) -> Result<Severity, String> {
    one_of(Severity::ALL, text)
}

fn one_of<T: Copy + ToString>(all: &[T], text: &str) -> Result<T, String> {
    let known = || all.iter().map(T::to_string).collect::<Vec<_>>().join(", ");
    all.iter().copied().find(|one| one.to_string() == text).ok_or_else(|| format!("it must be one of {}", known()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Apitap::command().debug_assert();
    }

    fn read(words: &[&str]) -> ReadArgs {
        let words = ["apitap", "read"].iter().chain(words).map(OsString::from);
        match Apitap::of(words).unwrap().command {
            Command::Read(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn read_tells_a_store_from_a_file() {
        let given = |words: &[&str]| {
            let args = read(words);
            let files: Vec<_> = args.files.iter().map(|path| path.display().to_string()).collect();
            (args.store.map(|store| store.map(|choice| format!("{choice:?}"))), files.join(" "))
        };
        let file = "a.pcap".to_owned();
        assert_eq!(given(&["a.pcap"]), (None, file.clone()));
        assert_eq!(given(&["--store", "a.pcap"]), (Some(None), file.clone()));
        assert_eq!(given(&["a.pcap", "--store"]), (Some(None), file.clone()));
        let url = Some(Some("Url(http://h:1)".to_owned()));
        assert_eq!(given(&["--store", "http://h:1", "a.pcap"]), (url.clone(), file.clone()));
        assert_eq!(given(&["a.pcap", "--store=http://h:1"]), (url, file.clone()));
        assert_eq!(given(&["--store", "embedded", "a.pcap"]), (Some(Some("Embedded".to_owned())), file.clone()));
        assert_eq!(given(&["--store", "none", "a.pcap"]), (Some(Some("None".to_owned())), file));
        assert_eq!(given(&["--store", "./none"]), (Some(None), "./none".to_owned()));
        assert_eq!(given(&["--store", "--", "none"]), (Some(None), "none".to_owned()));
        assert!(Apitap::of(["apitap", "read", "--store", "https://h", "a"].map(OsString::from)).is_err());
    }

    #[test]
    fn defaults_in_the_help_are_those_of_the_configuration() {
        use crate::config::Config;
        let config = Config::default();
        let mut program = Apitap::command();
        program.build();
        let help = |command: &str, flag: &str| {
            let command = program.find_subcommand(command).unwrap();
            let flag = command.get_arguments().find(|argument| argument.get_long() == Some(flag)).unwrap();
            flag.get_help().unwrap().to_string()
        };
        for (command, flag, default) in [
            ("run", "buffer", config.capture.buffer.to_string()),
            ("run", "snaplen", config.capture.snaplen.to_string()),
            ("run", "checksums", "auto".to_owned()),
            ("run", "inspect-limit", config.analysis.inspect_limit.to_string()),
            ("run", "memory", config.analysis.memory.to_string()),
            ("run", "detectors", config.detectors.enabled.clone()),
            ("read", "detectors", config.detectors.enabled.clone()),
            ("store", "engine-memory", config.store.engine_memory.to_string()),
            ("schema", "retention", config.store.retention_days.to_string()),
        ] {
            let help = help(command, flag);
            assert!(help.ends_with(&format!("[default: {default}]")), "{flag}: {help}");
        }
    }
}
