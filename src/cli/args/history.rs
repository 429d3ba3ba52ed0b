//! Asking the history: `alerts` and `query`.

use apitap_detectors::finding::{Family, Severity};
use clap::{Args, Subcommand, ValueEnum};

use super::super::moment::Moment;
use super::store::StoreOptions;
use super::{one_of, severity};
use crate::alert::Fingerprint;
use crate::store::queries::{Network, Status};

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
    pub store: StoreOptions,
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
    pub store: StoreOptions,
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
    pub store: StoreOptions,
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
    pub store: StoreOptions,
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
    pub store: StoreOptions,
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

fn family(text: &str) -> Result<Family, String> {
    one_of(Family::ALL, text)
}

fn status(text: &str) -> Result<Status, String> {
    one_of(&[Status::Open, Status::Ack, Status::Resolved, Status::Reopened], text)
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
