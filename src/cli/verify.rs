//! `apitap verify`: whether the store has what the sensors wrote.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::args::VerifyArgs;
use super::storing;
use super::text::visible;
use super::{Exit, tell};
use crate::config::Config;
use crate::keys::Keys;
use crate::store::chain::{Kind, Report};
use crate::store::gateway::Role;
use crate::store::integrity;
use crate::store::schema;
use crate::store::writer::{ProgressFile, Target};

/// Findings that are told one by one.
const TOLD: usize = 100;

pub(super) fn run(args: &VerifyArgs, config: &Config) -> Exit {
    match verify(args, config) {
        Ok(exit) => exit,
        Err((exit, line)) => {
            tell(&line);
            exit
        }
    }
}

fn verify(args: &VerifyArgs, config: &Config) -> Result<Exit, (Exit, String)> {
    let usage = |line: String| (Exit::Usage, line);
    let failed = |line: String| (Exit::Failed, line);
    let (state, keys) = storing::state(config).map_err(usage)?;
    let sensors = if args.sensors.is_empty() { spooling(&state) } else { args.sensors.clone() };
    if sensors.is_empty() {
        return Err(usage(format!(
            "{}: no sensor stored anything from here; name one with --sensor, or its state directory with --state",
            state.display()
        )));
    }
    let choice = storing::choose(args.store.store.as_ref(), &args.store.password, &config.store).map_err(usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    runtime.block_on(async {
        let asked = storing::to_ask(choice.as_ref(), config, Role::Sensor).await.map_err(failed)?;
        let mut exit = Exit::Fine;
        for sensor in &sensors {
            match of_sensor(&state, &keys, &asked.target, sensor).await {
                Ok(report) => {
                    if report.is_tampered() {
                        exit = Exit::Failed;
                    }
                    print(sensor, &report).map_err(|error| failed(format!("cannot write standard output: {error}")))?;
                }
                Err(line) => {
                    tell(&line);
                    exit = Exit::Failed;
                }
            }
        }
        asked.end().await;
        Ok(exit)
    })
}

async fn of_sensor(state: &Path, keys: &Keys, target: &Target, sensor: &str) -> Result<Report, String> {
    let key = storing::chain_key(keys)?;
    let progress = ProgressFile::new(&storing::spool_folder(state, sensor)).read();
    let stored = progress.ok().flatten().map_or(0, |progress| progress.stored);
    let client = target.connect_for_questions().map_err(|said| format!("store: {said}"))?;
    if let Err(error) = schema::check(&client).await {
        let known =
            if stored > 0 { format!("; it had {stored} records of {}", visible(sensor)) } else { String::new() };
        return Err(format!("{}{known}", visible(&error.to_string())));
    }
    let now = jiff::Timestamp::now().as_millisecond();
    let verified = integrity::verify(&client, sensor, key, stored, now, &mut |_, _| {}).await;
    verified.map_err(|error| format!("store: {}", visible(&error.to_string())))
}

/// Names of the sensors that have a spool here.
fn spooling(state: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(state.join("spool")) else { return Vec::new() };
    let name = |name: std::ffi::OsString| {
        let name = name.into_string().ok()?;
        Some(percent_encoding::percent_decode_str(&name).decode_utf8_lossy().into_owned())
    };
    let mut names: Vec<_> = entries.filter_map(|entry| name(entry.ok()?.file_name())).collect();
    names.sort();
    names
}

fn print(sensor: &str, report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let counts: Vec<_> = Kind::ALL
        .into_iter()
        .filter(|kind| *kind == Kind::Intact || report.count(*kind) > 0)
        .map(|kind| format!("{kind} {}", report.count(kind)))
        .collect();
    let verdict = if report.is_tampered() { "NOT AS IT WAS WRITTEN" } else { "as it was written" };
    writeln!(out, "{}: records 1 to {}: {verdict}; {}", visible(sensor), report.head, counts.join(", "))?;
    if report.is_tampered() && report.count(Kind::Intact) == 0 {
        writeln!(
            out,
            "  nothing fits the key of this state directory: is it that of the sensor? --state names another"
        )?;
    }
    for finding in report.findings.iter().take(TOLD) {
        if finding.first == finding.last {
            writeln!(out, "  {:<13} {}", finding.kind, finding.first)?;
        } else {
            writeln!(out, "  {:<13} {} to {}", finding.kind, finding.first, finding.last)?;
        }
    }
    if report.findings.len() > TOLD {
        writeln!(out, "  and {} more", report.findings.len() - TOLD)?;
    }
    out.flush()
}
