//! Looking at traffic: `read` and `run`.

use std::path::PathBuf;
use std::str::FromStr;

use apitap_detectors::finding::Severity;
use clap::Args;

use super::severity;
use super::store::{Password, StoreOptions};
use crate::config::{Buffer, Checksums, Choice, Format, InspectLimit, Memory, Snaplen};

/// How traffic is looked at.
#[derive(Args, Clone, Debug, Default)]
pub struct AnalysisOptions {
    /// What to make of wrong TCP checksums: 'auto' accepts them from a sender until it has shown a valid one (offloading
    /// senders never do) [default: auto]
    #[arg(long, value_enum)]
    pub checksums: Option<Checksums>,
    /// How much decoded content of a message is kept for inspection; past it, content is scanned but not kept [default: 1M]
    #[arg(long, value_name = "SIZE")]
    pub inspect_limit: Option<InspectLimit>,
    /// Memory for connections and what is held for them [default: 512M]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Memory>,
    /// Which detectors run: 'all', 'none', or a list of families and names; their thresholds and your own classes of
    /// data are set in the configuration, [detectors.thresholds] and [[detectors.classes]] [default: all]
    #[arg(long, value_name = "all|none|LIST")]
    pub detectors: Option<String>,
    /// The interface's OpenAPI document, JSON or YAML: tell what it does not have, and what it has and nobody calls
    #[arg(long, value_name = "FILE")]
    pub openapi: Option<PathBuf>,
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
    /// How traffic is looked at.
    #[command(flatten)]
    pub analysis: AnalysisOptions,
    /// How many workers share the connections; the output is the same for any number
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// Store the alerts as well, and wait until all are in: in the configured store, else the embedded one; or in the one that
    /// is named, a ClickHouse as http://user@host:8123, 'embedded' or 'none'. What else comes after '--store' is a FILE
    #[arg(long, value_name = "URL|embedded|none", num_args = 0..=1, require_equals = true)]
    pub store: Option<Option<Choice>>,
    /// The password for a URL.
    #[command(flatten)]
    pub password: Password,
    /// Exit with status 3 when there is an alert of this severity or a higher one
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub fail_on: Option<Severity>,
}

/// Arguments of `apitap bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Capture files; those of your own traffic say most
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How often each stage is measured; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub runs: u8,
    /// How it is written; by default a table on a terminal, else JSON lines
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// How traffic is looked at.
    #[command(flatten)]
    pub analysis: AnalysisOptions,
}

/// Arguments of `apitap run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The interface to capture on; give the option again for more
    #[arg(short = 'i', long = "interface", value_name = "IFACE")]
    pub interfaces: Vec<String>,
    /// Which frames to take, in the filter language of libpcap: 'tcp port 8080'
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
    /// Size of each interface's ring in the kernel [default: 64M]
    #[arg(long, value_name = "SIZE")]
    pub buffer: Option<Buffer>,
    /// How many octets of each frame to take [default: 262144]
    #[arg(long, value_name = "N")]
    pub snaplen: Option<Snaplen>,
    /// Take only frames addressed to this machine, not all that the interface sees
    #[arg(long)]
    pub no_promiscuous: bool,
    /// Where alerts are stored.
    #[command(flatten)]
    pub store: StoreOptions,
    /// How alerts are written; by default a line for people on a terminal, else JSON lines
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// How traffic is looked at.
    #[command(flatten)]
    pub analysis: AnalysisOptions,
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
