//! `apitap schema`: what apitap makes in ClickHouse.

use std::io::Write;

use super::args::SchemaArgs;
use super::{Exit, tell};
use crate::config::Config;
use crate::store::schema::{Target, script};

pub(super) fn run(args: &SchemaArgs, config: &Config) -> Exit {
    let target = args.cluster.as_deref().map_or(Target::Server, Target::Cluster);
    let retention = args.retention.unwrap_or(config.store.retention_days).get();
    let mut out = std::io::stdout().lock();
    match out.write_all(script(target, retention).as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Fine,
        Err(error) => {
            tell(&format!("the schema cannot be written: {error}"));
            Exit::Failed
        }
    }
}
