//! `apitap run`: the sensor.

use std::io::{IsTerminal, Write};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc;

use super::args::{Common, Format, RunArgs};
use super::{Exit, detectors, jsonl, summary, table, tell};
use crate::alert::{self, AlertBook, Emit, Revision};
use crate::capture::live::{self as capture, Mode};
use crate::http::OpenResponses;
use crate::keys::{self, Keys};
use crate::pipeline::live::{self, HealthTable, Sensor};
use crate::pipeline::{Told, signals};
use crate::worker;

/// How many revisions may wait to be written before the behaviour thread waits.
const QUEUE: usize = 1024;

/// How often the sensor says how it is.
const HEARTBEAT: Duration = Duration::from_secs(60);

pub(super) fn run(args: &RunArgs, common: &Common) -> Exit {
    match start(args, common) {
        Ok(running) => running.until_the_end(),
        Err((exit, line)) => {
            tell(&line);
            exit
        }
    }
}

struct Running {
    sensor: Sensor,
    health: Arc<HealthTable>,
    /// Set at the end.
    alerts: Arc<OnceLock<alert::Counters>>,
    revisions: mpsc::Receiver<Revision>,
    runtime: tokio::runtime::Runtime,
    format: Format,
}

fn start(args: &RunArgs, common: &Common) -> Result<Running, (Exit, String)> {
    let usage = |line: String| (Exit::Usage, line);
    let failed = |error: std::io::Error| (Exit::Failed, error.to_string());
    let state = common.state.clone().or_else(keys::default_state_directory);
    let state = state.ok_or_else(|| usage("no place for the installation's key; name one with --state DIR".into()))?;
    let keys = Keys::load_or_create(&state).map_err(|error| usage(error.to_string()))?;
    let mut settings = worker::Settings {
        detectors: detectors(&args.detectors, &keys).map_err(usage)?,
        ..super::worker_settings(common)
    };
    settings.http.open_responses = OpenResponses::Tell;
    if let Some(twice) = args.interfaces.iter().enumerate().find(|(n, name)| args.interfaces[..*n].contains(name)) {
        return Err(usage(format!("interface {} is named twice; once is enough", twice.1)));
    }
    let mut sources = Vec::new();
    for (number, interface) in (0..).zip(&args.interfaces) {
        let options = capture::Options {
            filter: args.filter.clone(),
            snaplen: args.snaplen,
            buffer: args.buffer.0 as u32,
            mode: if args.no_promiscuous { Mode::Own } else { Mode::Promiscuous },
            ..capture::Options::new(interface)
        };
        sources.push(capture::open(&options, number).map_err(|error| (Exit::Failed, error.to_string()))?);
    }
    let stop = Arc::new(AtomicBool::new(false));
    signals::stop_on_signal(stop.clone()).map_err(failed)?;
    let (send, revisions) = mpsc::channel(QUEUE);
    let health = Arc::new(HealthTable::new());
    let mut book = AlertBook::new(alert::Settings::new(sensor_name(), keys.id(), Emit::Revisions));
    // Waits when the writer does not keep up: then the workers drop and count, never the capture.
    let mut write = move |revision: Revision| drop(send.blocking_send(revision));
    let alerts = Arc::new(OnceLock::new());
    let counted = alerts.clone();
    let tell_on = move |told: Option<Told>| match told {
        Some(Told::Output(worker::Output::Observation(observation))) => book.observe(*observation, &mut write),
        Some(Told::Time(now)) => book.advance(now, &mut write),
        Some(_) => {}
        None => {
            book.finish(&mut write);
            let _ = counted.set(book.counters());
        }
    };
    let sensor = live::start(sources, &settings, &stop, &health, tell_on).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
    tell(&format!("capturing on {}", args.interfaces.join(", ")));
    let default = if std::io::stdout().is_terminal() { Format::Table } else { Format::Jsonl };
    Ok(Running { sensor, health, alerts, revisions, runtime, format: args.format.unwrap_or(default) })
}

impl Running {
    fn until_the_end(mut self) -> Exit {
        let mut failure = None;
        self.runtime.block_on(async {
            let mut heartbeat = tokio::time::interval(HEARTBEAT);
            heartbeat.tick().await;
            loop {
                tokio::select! {
                    revision = self.revisions.recv() => match revision {
                        // A reader that went away ends the printing, not the sensor: there are other outputs.
                        Some(revision) if failure.is_none() => {
                            failure = print(&revision, self.format).err();
                            if let Some(error) = &failure {
                                tracing::error!("alerts are no longer written to standard output: {error}");
                            }
                        }
                        Some(_) => {}
                        None => break,
                    },
                    _ = heartbeat.tick() => beat(&self.health),
                }
            }
        });
        let totals = self.sensor.join();
        let alerts = self.alerts.get().copied().unwrap_or_default();
        for line in summary::text(&totals.counters, &alerts, totals.span).lines() {
            tell(line);
        }
        if totals.merges_not_waited > 0 {
            tell(&format!("out of order: a slow worker was not waited for {} times", totals.merges_not_waited));
        }
        for (name, value) in totals.health.named() {
            super::say(format_args!("{name}={value}"));
        }
        for failed in &totals.failures {
            tell(failed);
        }
        match failure {
            Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                tell(&format!("cannot write standard output: {error}"));
                Exit::Failed
            }
            _ if !totals.failures.is_empty() => Exit::Failed,
            _ => Exit::Fine,
        }
    }
}

fn print(revision: &Revision, format: Format) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Jsonl => jsonl::write(&mut out, revision)?,
        Format::Table => writeln!(out, "{}", table::line(revision, table::columns(), table::Colour::of_stdout()))?,
    }
    out.flush()
}

fn beat(health: &HealthTable) {
    for entry in health {
        let (interface, health) = entry.pair();
        tracing::info!(
            interface,
            frames_received = health.frames_received,
            frames_processed = health.frames_processed,
            frames_dropped_kernel = health.frames_dropped_kernel,
            flows_tracked = health.flows_tracked,
            exchanges = health.exchanges,
            "alive"
        );
    }
}

/// The machine's name: with it in their ids, alerts of different sensors stay apart.
fn sensor_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "sensor".into() } else { name }
}
