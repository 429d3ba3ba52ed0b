//! `apitap run`: the sensor.

use std::io::{IsTerminal, Write};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::args::RunArgs;
use super::storing::{self, Opened};
use super::{Exit, jsonl, moment, summary, table, tell, worker_settings};
use crate::alert::suppress::Applied;
use crate::alert::{self, Assessor, Emit, Revision};
use crate::capture::live::{self as capture, Mode, OpenErrorKind};
use crate::config::{Choice, Config, Format};
use crate::http::OpenResponses;
use crate::keys::Keys;
use crate::pipeline::live::{self, HealthTable, Sensor};
use crate::pipeline::{Told, signals};
use crate::store::child::Supervised;
use crate::store::gateway;
use crate::store::spool::Shared;
use crate::store::writer::{Beat, Reach, Status, Storing};
use crate::worker;

/// How many revisions may wait to be written before the behaviour thread waits.
const QUEUE: usize = 1024;

/// How long the store has at the end to take what is on disk.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How often the sensor says how it is.
const HEARTBEAT: Duration = Duration::from_secs(60);

pub(super) fn run(args: &RunArgs, config: &Config) -> Exit {
    match start(args, config) {
        Ok(running) => running.until_the_end(|_| {}),
        Err((exit, line)) => {
            tell(&line);
            exit
        }
    }
}

/// The sensor at work.
pub(super) struct Running {
    sensor: Sensor,
    stop: Arc<AtomicBool>,
    health: Arc<HealthTable>,
    /// Set at the end.
    alerts: Arc<OnceLock<(alert::Counters, Vec<Applied>)>>,
    revisions: mpsc::Receiver<Revision>,
    runtime: tokio::runtime::Runtime,
    store: Option<Store>,
    started_at: i64,
    format: Format,
}

/// Starts everything. The error says how to exit, and why in one line.
pub(super) fn start(args: &RunArgs, config: &Config) -> Result<Running, (Exit, String)> {
    let usage = |line: String| (Exit::Usage, line);
    let failed = |error: std::io::Error| (Exit::Failed, error.to_string());
    let state = config.state_directory();
    let state = state.ok_or_else(|| usage("no place for the installation's key; name one with --state DIR".into()))?;
    let keys = Keys::load_or_create(&state).map_err(|error| usage(error.to_string()))?;
    let mut settings = worker_settings(&args.analysis, config, &keys).map_err(usage)?;
    settings.http.open_responses = OpenResponses::Tell;
    let choice = storing::choose(args.store.store.as_ref(), &args.store.password, &config.store).map_err(usage)?;
    let from = &config.capture;
    let interfaces = if args.interfaces.is_empty() { &from.interfaces } else { &args.interfaces };
    if interfaces.is_empty() {
        return Err(usage("no interface is named; name one with -i IFACE, or in the configuration".into()));
    }
    if let Some(twice) = interfaces.iter().enumerate().find(|(n, name)| interfaces[..*n].contains(name)) {
        return Err(usage(format!("interface {} is named twice; once is enough", twice.1)));
    }
    let own_only = args.no_promiscuous || !from.promiscuous;
    let mut sources = Vec::new();
    for (number, interface) in (0..).zip(interfaces) {
        let options = capture::Options {
            filter: args.filter.clone().or_else(|| from.filter.clone()),
            snaplen: args.snaplen.unwrap_or(from.snaplen).get(),
            // Its range ends below 2 GiB.
            buffer: args.buffer.unwrap_or(from.buffer).bytes() as u32,
            mode: if own_only { Mode::Own } else { Mode::Promiscuous },
            ..capture::Options::new(interface)
        };
        let source = capture::open(&options, number).map_err(|error| match error.kind {
            OpenErrorKind::BadFilter { .. } => usage(error.to_string()),
            _ => (Exit::Failed, error.to_string()),
        });
        sources.push(source?);
    }
    let stop = Arc::new(AtomicBool::new(false));
    signals::stop_on_signal(stop.clone()).map_err(failed)?;
    // One thread of it writes to the store; the main thread prints, and may have to wait for whoever reads that.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
    let (mut store, mut queue) = (None, None);
    if let Some(choice) = embedded_by_default(choice) {
        let entered = runtime.enter();
        if let Some(Opened { storing, child, .. }) =
            storing::open(&state, &keys, &super::machine(), &choice, &config.store)
                .map_err(|line| (Exit::Failed, line))?
        {
            let Storing { queue: records, beats, status, spool, intake, writer } = storing;
            queue = Some(records);
            store = Some(Store { beats, status, spool, intake, writer, child });
        }
        drop(entered);
    }
    let (send, revisions) = mpsc::channel(QUEUE);
    let health = Arc::new(HealthTable::new());
    let alerts = alert::Settings {
        suppressions: config.detectors.suppress.clone(),
        ..alert::Settings::new(super::machine(), keys.id(), Emit::Revisions)
    };
    let now = moment::now();
    for rule in config.detectors.suppress.iter().filter(|rule| rule.expires() <= now) {
        tell(&format!("warning: the suppression {rule} has expired ({}): its findings are told again", rule.reason()));
    }
    let mut assessor = Assessor::new(&settings.detectors, alerts);
    // Waits when the writer does not keep up: then the workers drop and count, never the capture.
    let mut write = move |revision: Revision| {
        if let Some(queue) = &queue
            && let Ok(json) = serde_json::to_vec(&revision)
        {
            // It only ends with this thread.
            let _ = queue.blocking_send(json);
        }
        // Nobody prints any more: then there are other outputs.
        let _ = send.blocking_send(revision);
    };
    let alerts = Arc::new(OnceLock::new());
    let counted = alerts.clone();
    let tell_on = move |told: Option<Told>| match told {
        Some(Told::Output(worker::Output::Visit(visit))) => assessor.visit(*visit, &mut write),
        Some(Told::Time(now)) => assessor.advance(now, &mut write),
        Some(_) => {}
        None => {
            assessor.finish(&mut write);
            let _ = counted.set((assessor.counters(), assessor.suppressions().to_vec()));
        }
    };
    let sensor = live::start(sources, &settings, &stop, &health, tell_on).map_err(failed)?;
    tell(&format!("capturing on {}", interfaces.join(", ")));
    let default = if std::io::stdout().is_terminal() { Format::Table } else { Format::Jsonl };
    let format = args.format.or(config.output.format).unwrap_or(default);
    let started_at = moment::now().as_micros();
    Ok(Running { sensor, stop, health, alerts, revisions, runtime, store, started_at, format })
}

/// The store that was asked for; without a word about it the embedded one, if it can be had.
fn embedded_by_default(choice: Option<Choice>) -> Option<Choice> {
    match choice {
        Some(Choice::None) => None,
        Some(choice) => Some(choice),
        None => match gateway::library(None) {
            Ok(_) => Some(Choice::Embedded),
            Err(missing) => {
                tell(&format!("nothing is stored: {missing}"));
                None
            }
        },
    }
}

/// Where alerts go beside standard output.
struct Store {
    beats: mpsc::Sender<Beat>,
    status: watch::Receiver<Status>,
    spool: Shared,
    intake: JoinHandle<()>,
    writer: JoinHandle<()>,
    child: Option<Supervised>,
}

impl Store {
    fn waiting(&self) -> u64 {
        self.spool.acknowledged().saturating_sub(self.status.borrow().stored)
    }

    /// Waits until everything is on disk, and for a while until it is in the store, with a last heartbeat.
    async fn end(mut self, beat: Beat) {
        // A task that failed has told so; what is on disk stays there.
        let _ = self.intake.await;
        // Without a writer there is nobody to hear it.
        let _ = self.beats.send(beat).await;
        drop(self.beats);
        let is_in = tokio::time::timeout(LAST_WORDS, &mut self.writer).await.is_ok();
        self.writer.abort();
        let stored = self.status.borrow().stored;
        let waiting = self.spool.acknowledged().saturating_sub(stored);
        if !is_in && waiting > 0 {
            tell(&format!("store: {waiting} alert revisions are on disk, and go to the store at the next start"));
        }
        if let Some(child) = self.child {
            child.end().await;
        }
        number("revisions_acknowledged", self.spool.acknowledged());
        number("revisions_stored", stored);
        number("revisions_dropped_spool", self.spool.dropped());
        number("revisions_dead_lettered", self.status.borrow().dead_letters);
    }
}

/// The next change of how it goes with the store; never without one.
async fn changed(store: &mut Option<Store>) {
    let is_watched = match store {
        Some(store) => store.status.changed().await.is_ok(),
        None => false,
    };
    if !is_watched {
        std::future::pending::<()>().await;
    }
}

impl Running {
    /// Setting it ends the sensor in order.
    pub(super) fn stop(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// Prints and stores alerts until the sensor is stopped. `see` is shown each one that would be printed, in that order.
    pub(super) fn until_the_end(mut self, mut see: impl FnMut(&Revision)) -> Exit {
        let mut failure = None;
        let mut reach = Reach::Unknown;
        self.runtime.block_on(async {
            if let Some(store) = &self.store {
                // That it has begun.
                let _ = store.beats.try_send(state_of(&self.health, Some(store), self.started_at));
            }
            let mut heartbeat = tokio::time::interval(HEARTBEAT);
            heartbeat.tick().await;
            loop {
                tokio::select! {
                    revision = self.revisions.recv() => match revision {
                        Some(revision) => {
                            see(&revision);
                            // A reader that went away ends the printing, not the sensor: there are other outputs.
                            if failure.is_none() {
                                failure = print(&revision, self.format).err();
                                if let Some(error) = &failure {
                                    tracing::error!("alerts are no longer written to standard output: {error}");
                                }
                            }
                        }
                        None => break,
                    },
                    _ = heartbeat.tick() => {
                        beat(&self.health);
                        if let Some(store) = &self.store {
                            // The store has enough to do: the next one says more.
                            let _ = store.beats.try_send(state_of(&self.health, Some(store), self.started_at));
                        }
                    }
                    () = changed(&mut self.store) => tell_store(self.store.as_ref(), &mut reach),
                }
            }
        });
        let totals = self.sensor.join();
        let (alerts, suppressions) = self.alerts.get().cloned().unwrap_or_default();
        for line in summary::text(&totals.counters, &alerts, totals.span).lines() {
            tell(line);
        }
        for line in summary::suppressions(&suppressions) {
            tell(&line);
        }
        if totals.merges_not_waited > 0 {
            tell(&format!("out of order: a slow worker was not waited for {} times", totals.merges_not_waited));
        }
        if let Some(store) = self.store {
            let beat = state_of(&self.health, Some(&store), self.started_at);
            self.runtime.block_on(store.end(beat));
        }
        for (name, value) in totals.health.named() {
            number(name, value);
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

/// How the sensor is, for the store.
fn state_of(health: &HealthTable, store: Option<&Store>, started_at: i64) -> Beat {
    let mut counters = std::collections::BTreeMap::<String, u64>::new();
    for entry in health {
        for (name, value) in entry.value().named() {
            *counters.entry(name.to_owned()).or_default() += value;
        }
    }
    let is_dropping = counters.iter().any(|(name, value)| name.contains("dropped") && *value > 0);
    let mut visibility = Vec::new();
    visibility.extend(is_dropping.then(|| "frames_dropped".to_owned()));
    let mut loses = false;
    if let Some(store) = store {
        let (spool, dead) = (&store.spool, store.status.borrow().dead_letters);
        loses = spool.dropped() > 0 || dead > 0;
        counters.insert("revisions_acknowledged".into(), spool.acknowledged());
        counters.insert("revisions_dropped_spool".into(), spool.dropped());
        counters.insert("revisions_dead_lettered".into(), dead);
    }
    Beat {
        at: moment::now().as_micros(),
        started_at,
        health: if is_dropping || loses { 2 } else { 1 },
        counters: counters.into_iter().collect(),
        visibility,
    }
}

fn tell_store(store: Option<&Store>, known: &mut Reach) {
    let Some(store) = store else { return };
    let status = store.status.borrow().clone();
    if status.reach != *known {
        storing::tell_reach(&status, store.waiting());
        *known = status.reach;
    }
}

/// A line of the summary for programs.
fn number(name: &str, value: u64) {
    super::say(format_args!("{name}={value}"));
}
