//! Which store, and the store itself: `store`, `verify` and `schema`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::config::{Choice, Days, EngineMemory};

/// Which store a command talks to.
#[derive(Args, Debug)]
pub struct StoreOptions {
    /// The store: a ClickHouse as http://user@host:8123, 'embedded', or 'none'; by default the configured one, else the embedded
    /// one
    #[arg(long, value_name = "URL|embedded|none")]
    pub store: Option<Choice>,
    /// The password for a URL.
    #[command(flatten)]
    pub password: Password,
}

/// Where the password for a URL is.
#[derive(Args, Debug)]
pub struct Password {
    /// File with the password of a URL's user; else the environment variable APITAP_STORE_PASSWORD is taken
    #[arg(long = "store-password-file", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Arguments of `apitap verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Which store.
    #[command(flatten)]
    pub store: StoreOptions,
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
    /// Memory that the engine may use [default: 1G]
    #[arg(long, value_name = "SIZE")]
    pub engine_memory: Option<EngineMemory>,
    /// End when standard input, a pipe, ends
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}

/// Arguments of `apitap schema`.
#[derive(Args, Debug)]
pub struct SchemaArgs {
    /// For a cluster of this name: replicated and distributed; '{cluster}' takes the servers' macro
    #[arg(long, value_name = "NAME", value_parser = cluster_name)]
    pub cluster: Option<String>,
    /// Days that alerts are kept [default: 90]
    #[arg(long, value_name = "DAYS")]
    pub retention: Option<Days>,
}

/// What can stand between quotes.
fn cluster_name(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '{' | '}');
    let is_fine = !text.is_empty() && text.chars().all(is_name);
    if is_fine { Ok(text.to_owned()) } else { Err("letters, digits, '_', '-', '.', or '{cluster}'".into()) }
}
