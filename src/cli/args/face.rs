//! What the program says of itself and of where it is: `check`, `completions` and `man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::store::StoreOptions;
use crate::config::Format;

/// Arguments of `apitap check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// An interface to look at; by default those of the configuration
    #[arg(short = 'i', long = "interface", value_name = "IFACE")]
    pub interfaces: Vec<String>,
    /// A filter to look at, in the language of libpcap
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
    /// Which store.
    #[command(flatten)]
    pub store: StoreOptions,
    /// How it is written; by default a table on a terminal, else JSON lines
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

/// Arguments of `apitap completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Arguments of `apitap man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// Write a page for each command into this directory
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}
