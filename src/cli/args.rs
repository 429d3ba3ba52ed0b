//! What the user may type.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use apitap_detectors::finding::Severity;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::link::ChecksumPolicy;

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

Exit status: 0 fine; 1 an interface cannot be used, or an output failed; 2 usage.")]
    Run(RunArgs),
    /// The embedded ClickHouse, served over HTTP on loopback
    #[command(after_help = "\
Where it serves is written to store.json in the state directory. Passwords of the users sensor, analyst (reads, and changes the
status of alerts) and reader are in files of these names, in the folder 'credentials' of the data:
  curl -u reader:$(cat DIR/credentials/reader) http://127.0.0.1:8123/ -d 'SELECT version()'")]
    Store(StoreArgs),
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
    /// Where alerts are stored; this version stores none
    #[arg(long, value_name = "none", default_value = "none", value_parser = ["none"])]
    pub store: String,
    /// How alerts are written; by default a line for people on a terminal, else JSON lines
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Which detectors run: 'all', 'none', or a list of families and names
    #[arg(long, value_name = "all|none|LIST", default_value = "all")]
    pub detectors: String,
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

fn severity(text: &str) -> Result<Severity, String> {
    let known = || Severity::ALL.iter().map(|severity| severity.as_str()).collect::<Vec<_>>().join(", ");
    text.parse().map_err(|()| format!("it must be one of {}", known()))
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
