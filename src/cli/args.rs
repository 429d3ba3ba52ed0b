//! What the user may type.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use apitap_detectors::finding::{Family, Severity};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::moment::Moment;
pub use super::storing::Choice;
use crate::alert::Fingerprint;
use crate::link::ChecksumPolicy;
use crate::store::queries::{Network, Status};
use crate::store::schema::RETENTION_DAYS;

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
    /// Analyse capture files; stores nothing
    #[command(after_help = "\
Exit status: 0 fine (also: a truncated last record, an unknown link type, no HTTP at all, each with a warning);
1 a file without a readable record, or an output failed; 2 usage; 3 findings at or above --fail-on, and all else fine.")]
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

Which store: --store, else the one that store.json in the state directory names, else the embedded store is started on the data
in the state directory for as long as the command runs.

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
}

/// Options of every command.
#[derive(Args, Debug)]
pub struct Common {
    /// Directory of the installation's key; without it value hashes are left out of evidence
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// What to make of wrong TCP checksums: 'auto' accepts them from a sender until it has shown a valid one (offloading
    /// senders never do)
    #[arg(long, global = true, value_enum, default_value_t = Checksums::Auto)]
    pub checksums: Checksums,
    /// How much decoded content of a message is kept for inspection; past it, content is scanned but not kept
    #[arg(long, global = true, value_name = "SIZE", default_value = "1M", value_parser = size_between::<4096, { 1 << 30 }>)]
    pub inspect_limit: Size,
    /// Memory for connections and what is held for them
    #[arg(long, global = true, value_name = "SIZE", default_value = "512M", value_parser = size_between::<{ 16 << 20 }, { 1 << 40 }>)]
    pub memory: Size,
}

/// Arguments of `apitap read`.
#[derive(Args, Debug)]
pub struct ReadArgs {
    /// Capture files (pcap, pcapng, also gzip-compressed), read one after another; '-' reads standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How alerts are written; by default a table on a terminal, else JSON lines
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Where alerts go: a file, '-' for standard output, or 'none'
    #[arg(long, value_name = "PATH|-|none")]
    pub alerts: Option<Destination>,
    /// Write a line for each exchange, with request targets as they were sent
    #[arg(long, value_name = "PATH|-")]
    pub exchanges: Option<Destination>,
    /// Mask what could be data in the request targets of --exchanges
    #[arg(long, requires = "exchanges")]
    pub mask_targets: bool,
    /// Write statistics as one JSON object
    #[arg(long, value_name = "PATH|-")]
    pub stats: Option<Destination>,
    /// Add the SHA-256 of decoded response content to --exchanges
    #[arg(long, requires = "exchanges")]
    pub hash_content: bool,
    /// Which detectors run: 'all', 'none', or a list of families and names
    #[arg(long, value_name = "all|none|LIST", default_value = "all")]
    pub detectors: String,
    /// How many workers share the connections; the output is the same for any number
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// Store the alerts as well, and wait until all are in: in the embedded store, or in a ClickHouse as http://user@host:8123
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "embedded")]
    pub store: Option<Choice>,
    /// Exit with status 3 when there is an alert of this severity or a higher one
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub fail_on: Option<Severity>,
}

/// Arguments of `apitap run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The interface to capture on; give the option again for more
    #[arg(short = 'i', long = "interface", required = true, value_name = "IFACE")]
    pub interfaces: Vec<String>,
    /// Which frames to take, in the filter language of libpcap: 'tcp port 8080'
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
    /// Size of each interface's ring in the kernel
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = size_between::<{ 1 << 20 }, { (2 << 30) - 1 }>)]
    pub buffer: Size,
    /// How many octets of each frame to take
    #[arg(long, value_name = "N", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(64..=262_144))]
    pub snaplen: u32,
    /// Take only frames addressed to this machine, not all that the interface sees
    #[arg(long)]
    pub no_promiscuous: bool,
    /// Where alerts are stored: a ClickHouse as http://user@host:8123 (its password from APITAP_STORE_PASSWORD), 'embedded', or
    /// 'none'; by default the embedded store, if its library is there
    #[arg(long, value_name = "URL|none")]
    pub store: Option<Choice>,
    /// How alerts are written; by default a line for people on a terminal, else JSON lines
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Which detectors run: 'all', 'none', or a list of families and names
    #[arg(long, value_name = "all|none|LIST", default_value = "all")]
    pub detectors: String,
}

/// Arguments of `apitap verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The store: a ClickHouse as http://user@host:8123; by default the embedded one
    #[arg(long, value_name = "URL")]
    pub store: Option<Choice>,
    /// Whose records; by default of all sensors that have their spool in the state directory
    #[arg(long = "sensor", value_name = "NAME")]
    pub sensors: Vec<String>,
}

/// Arguments of `apitap store`.
#[derive(Args, Debug)]
pub struct StoreArgs {
    /// Directory of the data; by default 'store' in the state directory
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// Loopback address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8123")]
    pub listen: SocketAddr,
    /// The engine's library; by default what APITAP_LIBCHDB names, else libchdb.so beside the program
    #[arg(long, value_name = "FILE")]
    pub libchdb: Option<PathBuf>,
    /// Memory that the engine may use
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = size_between::<{ 256 << 20 }, { 1 << 40 }>)]
    pub engine_memory: Size,
    /// End when standard input, a pipe, ends
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}

/// Arguments of `apitap alerts`.
#[derive(Args, Debug)]
pub struct AlertsArgs {
    /// What to do instead of listing.
    #[command(subcommand)]
    pub command: Option<AlertsCommand>,
    /// Which alerts.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// At most so many, the newest ones
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Go on with what comes in, a line for each revision
    #[arg(long)]
    pub follow: bool,
    /// How alerts are written; by default a table on a terminal, else JSON lines
    #[arg(long, value_enum)]
    pub format: Option<HistoryFormat>,
    /// Which store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What to do with alerts instead of listing them.
#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// Everything about one alert
    Show(ShowArgs),
    /// Say that somebody looks into it
    Ack(ChangeArgs),
    /// Say that it is dealt with
    Resolve(ChangeArgs),
    /// Say that it is not, after all
    Reopen(ChangeArgs),
    /// Count alerts by severity, family, endpoint and client over time, and how long people took
    Stats(Box<StatsArgs>),
}

/// Arguments of `apitap alerts show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The alert's id, or the start of it
    #[arg(value_name = "ID", value_parser = id)]
    pub id: String,
    /// How it is written; by default for people on a terminal, else as JSON
    #[arg(long, value_enum)]
    pub format: Option<HistoryFormat>,
    /// Which store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Arguments of `apitap alerts ack`, `resolve` and `reopen`.
#[derive(Args, Debug)]
pub struct ChangeArgs {
    /// The alert's id, or the start of it
    #[arg(value_name = "ID", value_parser = id)]
    pub id: String,
    /// Why; it is kept
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
    /// Who says so; by default the user's name
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// Which store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Arguments of `apitap alerts stats`.
#[derive(Args, Debug)]
pub struct StatsArgs {
    /// Which alerts; by default those that began in the last seven days.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How it is written; by default as charts on a terminal, else as JSON
    #[arg(long, value_enum)]
    pub format: Option<HistoryFormat>,
    /// Which store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Arguments of `apitap query`.
#[derive(Args, Debug)]
pub struct QueryArgs {
    /// The statement, without FORMAT
    #[arg(value_name = "SQL")]
    pub sql: String,
    /// How the result is written; by default a table on a terminal, else JSON lines
    #[arg(long, value_enum)]
    pub format: Option<HistoryFormat>,
    /// Which store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Which alerts. All that is given must hold; an option that is given again, or a list with commas, says "one of these".
#[derive(Args, Debug)]
pub struct FilterArgs {
    /// Seen at this time or later
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Begun before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// Stored at this time or later, whenever it was seen
    #[arg(long, value_name = "TIME")]
    pub ingested_since: Option<Moment>,
    /// Of this severity or a higher one
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub severity: Option<Severity>,
    /// Of this family
    #[arg(long, value_name = "FAMILY", value_parser = family, value_delimiter = ',')]
    pub family: Vec<Family>,
    /// Of this detector
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub detector: Vec<String>,
    /// With this client, or one of this network
    #[arg(long, value_name = "ADDRESS[/BITS]")]
    pub client: Option<Network>,
    /// With this principal, a keyed hash as alerts show it
    #[arg(long, value_name = "HASH")]
    pub principal: Option<String>,
    /// At this path template, as alerts show it
    #[arg(long, value_name = "PATH")]
    pub endpoint: Option<String>,
    /// At this host
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// With this cause, as alerts show it
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: Option<Fingerprint>,
    /// Where people stand with it: open (nobody has said anything), ack, resolved or reopened
    #[arg(long, value_name = "STATUS", value_parser = status, value_delimiter = ',')]
    pub status: Vec<Status>,
}

/// Which store is asked.
#[derive(Args, Debug)]
pub struct ConnectionArgs {
    /// The ClickHouse to ask
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// User at --store
    #[arg(long, value_name = "NAME", default_value = "default", requires = "store")]
    pub store_user: String,
    /// File with that user's password
    #[arg(long, value_name = "FILE", requires = "store")]
    pub store_password: Option<PathBuf>,
}

/// How what was asked is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HistoryFormat {
    /// For people.
    Table,
    /// One JSON array.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values, RFC 4180.
    Csv,
}

/// Arguments of `apitap schema`.
#[derive(Args, Debug)]
pub struct SchemaArgs {
    /// For a cluster of this name: replicated and distributed; '{cluster}' takes the servers' macro
    #[arg(long, value_name = "NAME", value_parser = cluster_name)]
    pub cluster: Option<String>,
    /// Days that alerts are kept
    #[arg(long, value_name = "DAYS", default_value_t = RETENTION_DAYS, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub retention: u32,
}

/// How alerts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object a line.
    Jsonl,
}

/// What to make of wrong checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Checksums {
    /// Accepted from a sender until it has shown a valid one.
    Auto,
    /// Such segments are dropped.
    Verify,
    /// Not looked at.
    Ignore,
}

impl From<Checksums> for ChecksumPolicy {
    fn from(checksums: Checksums) -> Self {
        match checksums {
            Checksums::Auto => Self::Auto,
            Checksums::Verify => Self::Verify,
            Checksums::Ignore => Self::Ignore,
        }
    }
}

/// Where an output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// Nowhere.
    Nowhere,
    /// A file, made anew.
    File(PathBuf),
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("a path, '-' or 'none' was expected".into()),
            "-" => Ok(Self::Stdout),
            "none" => Ok(Self::Nowhere),
            path => Ok(Self::File(path.into())),
        }
    }
}

/// A number of bytes, as `4096`, `64K`, `1M` or `2G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no size: write bytes, or a number with K, M or G, as in 64M");
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
            "" | "B" => 0,
            "K" | "KB" | "KIB" => 10,
            "M" | "MB" | "MIB" => 20,
            "G" | "GB" | "GIB" => 30,
            _ => return Err(wrong()),
        };
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(wrong)
    }
}

fn size_between<const LEAST: u64, const MOST: u64>(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    if (LEAST..=MOST).contains(&size.0) { Ok(size) } else { Err(format!("it must be from {LEAST} to {MOST} bytes")) }
}

/// What can stand between quotes.
fn cluster_name(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '{' | '}');
    let is_fine = !text.is_empty() && text.chars().all(is_name);
    if is_fine { Ok(text.to_owned()) } else { Err("letters, digits, '_', '-', '.', or '{cluster}'".into()) }
}

fn severity(text: &str) -> Result<Severity, String> {
    one_of(Severity::ALL, text)
}

fn family(text: &str) -> Result<Family, String> {
    one_of(Family::ALL, text)
}

fn status(text: &str) -> Result<Status, String> {
    one_of(&[Status::Open, Status::Ack, Status::Resolved, Status::Reopened], text)
}

fn one_of<T: Copy + ToString>(all: &[T], text: &str) -> Result<T, String> {
    let known = || all.iter().map(T::to_string).collect::<Vec<_>>().join(", ");
    all.iter().copied().find(|one| one.to_string() == text).ok_or_else(|| format!("it must be one of {}", known()))
}

/// An alert's id or the start of it: as much as tells it apart with some likelihood.
fn id(text: &str) -> Result<String, String> {
    let is_id = text.len() >= 4 && text.len() <= 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if is_id {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("at least four hexadecimal digits of an id were expected".into())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Apitap::command().debug_assert();
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!("4096".parse(), Ok(Size(4096)));
        assert_eq!("64M".parse(), Ok(Size(64 << 20)));
        assert_eq!("2g".parse(), Ok(Size(2 << 30)));
        for wrong in ["", "M", "12X", "-1", "1.5M", "99999999999999G"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
