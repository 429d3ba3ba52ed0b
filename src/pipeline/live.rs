//! Live capture: a worker for each interface, each with its own ring, run to completion.
//!
//! The ring is never made to wait. What a worker tells goes to the behaviour thread through a bounded queue; when that is
//! full, the worker keeps what it has to tell, up to a bound, and beyond it drops the newest and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use dashmap::DashMap;

use super::{Counters, Merge, Told};
use crate::capture::Frame;
use crate::capture::live::{CaptureError, Source};
use crate::counters::counters;
use crate::link::{Dissector, Options, Outcome};
use crate::time::{Clock, Order, Span, Timestamp};
use crate::worker::{self, Moment, Output, Worker};

/// How many messages may wait for the behaviour thread.
const QUEUE: usize = 256;

/// How many outputs a worker keeps when the queue is full.
const BACKLOG: usize = 16_384;

/// How far a worker's mark may lie behind the others' before it is no longer waited for.
const LAG: Span = Span::from_secs(1);

/// How far capture time stays behind the wall clock while nothing comes: longer than a frame may lie in the ring.
const RING_DELAY: Span = Span::from_millis(300);

/// How often health is published.
const HEALTH_PERIOD: Duration = Duration::from_secs(1);

/// The health of the capture on each interface, by name; written by the workers, read by whoever wants to know.
pub type HealthTable = DashMap<String, Health>;

counters! {
    /// How capture on one interface is doing, since its start.
    pub struct Health {
        /// Frames that the kernel gave or dropped.
        pub frames_received,
        /// Frames that a worker took in.
        pub frames_processed,
        /// Frames that the kernel dropped because the ring was full.
        pub frames_dropped_kernel,
        /// Frames that the interface or its driver dropped.
        pub frames_dropped_interface,
        /// Connections that are tracked now.
        pub flows_tracked,
        /// Exchanges told.
        pub exchanges,
        /// Outputs dropped because the behaviour thread did not keep up.
        pub outputs_dropped_queue_full,
    }
}

/// What a run gave.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// What the stages counted.
    pub counters: Counters,
    /// How capture did, over all interfaces.
    pub health: Health,
    /// How often a worker that lagged was not waited for.
    pub merges_not_waited: u64,
    /// First and last time of the capture.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Interfaces whose capture failed, with what was wrong.
    pub failures: Vec<String>,
}

/// A sensor at work.
#[derive(Debug)]
pub struct Sensor {
    behaviour: JoinHandle<Totals>,
    workers: Vec<JoinHandle<Share>>,
}

/// Starts capture on `sources`. It goes on until `stop` is set or every source has failed; then rings are drained, what is
/// open is ended, and everything left is told. `tell` runs on the behaviour thread; it is told `None` at the end.
pub fn start(
    sources: Vec<Source>,
    settings: &worker::Settings,
    stop: &Arc<AtomicBool>,
    health: &Arc<HealthTable>,
    tell: impl FnMut(Option<Told>) + Send + 'static,
) -> std::io::Result<Sensor> {
    let (tell_up, told) = bounded(QUEUE);
    let lanes = sources.len();
    let share = worker::Settings { memory: settings.memory / lanes.max(1), ..settings.clone() };
    let mut workers = Vec::new();
    for (number, source) in sources.into_iter().enumerate() {
        let lane = Lane::new(number, source.name(), &share, tell_up.clone(), health.clone());
        let stop = stop.clone();
        workers.push(spawn(format!("worker-{number}"), move || lane.run(source, &stop))?);
    }
    drop(tell_up);
    let behaviour = spawn("behaviour".into(), move || behave(lanes, &told, tell))?;
    Ok(Sensor { behaviour, workers })
}

impl Sensor {
    /// Whether it has ended by itself, or after it was told to stop.
    pub fn has_ended(&self) -> bool {
        self.behaviour.is_finished()
    }

    /// Waits for the end and adds everything up.
    pub fn join(self) -> Totals {
        let mut totals = self.behaviour.join().unwrap_or_default();
        for worker in self.workers {
            let Ok(share) = worker.join() else {
                totals.failures.push("a worker was lost to a defect of the sensor".into());
                continue;
            };
            totals.counters.link.merge(&share.counters.link);
            totals.counters.worker.merge(&share.counters.worker);
            totals.health.merge(&share.health);
            totals.failures.extend(share.failure.map(|failure| failure.to_string()));
            totals.span = match (totals.span, share.span) {
                (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                (known, new) => known.or(new),
            };
        }
        totals
    }
}

/// What a worker tells the behaviour thread.
struct Message {
    number: usize,
    outputs: Vec<Output>,
    mark: Order,
}

/// One interface's worker.
#[derive(Debug)]
struct Lane {
    number: usize,
    name: String,
    intake: Intake,
    health: Health,
    table: Arc<HealthTable>,
    published: Option<Instant>,
    backlog: Vec<Output>,
    tell_up: Sender<Message>,
    failure: Option<CaptureError>,
}

/// What a lane has to add to the totals.
#[derive(Debug)]
struct Share {
    counters: Counters,
    health: Health,
    failure: Option<CaptureError>,
    span: Option<(Timestamp, Timestamp)>,
}

/// The way of a frame through this interface's worker.
#[derive(Debug)]
struct Intake {
    dissector: Dissector,
    worker: Worker,
    clock: Clock,
    first: Option<Timestamp>,
    frame: u64,
}

impl Intake {
    fn take(&mut self, frame: &Frame<'_>) {
        self.frame += 1;
        let now = self.clock.advance(frame.timestamp);
        self.first.get_or_insert(now);
        if let Outcome::Segment(segment) = self.dissector.dissect(frame) {
            self.worker.segment(Moment { now, stamp: frame.timestamp, frame: self.frame }, &segment);
        }
    }
}

impl Lane {
    fn new(
        number: usize,
        name: &str,
        settings: &worker::Settings,
        tell_up: Sender<Message>,
        table: Arc<HealthTable>,
    ) -> Self {
        Self {
            number,
            name: name.to_owned(),
            intake: Intake {
                dissector: Dissector::new(Options { checksums: settings.checksums, ..Options::default() }),
                worker: Worker::new(settings),
                clock: Clock::new(),
                first: None,
                frame: 0,
            },
            health: Health::default(),
            table,
            published: None,
            backlog: Vec::new(),
            tell_up,
            failure: None,
        }
    }

    /// Works until the end. The lane's end of the queue goes with it: the behaviour thread ends when all have gone.
    fn run(mut self, mut source: Source, stop: &AtomicBool) -> Share {
        while !stop.load(Ordering::Relaxed) && self.failure.is_none() {
            match source.poll(|frame| self.intake.take(frame)) {
                // Nothing came, but time goes by.
                Ok(0) => drop(self.intake.clock.advance(wall_clock() - RING_DELAY)),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!("{error}");
                    self.failure = Some(error);
                }
            }
            self.intake.worker.advance(self.intake.clock.now());
            self.tell();
            self.publish(&mut source);
        }
        if self.failure.is_none() {
            self.failure = source.drain(|frame| self.intake.take(frame)).err();
        }
        self.intake.worker.finish(self.intake.clock.now());
        self.published = None;
        self.publish(&mut source);
        self.backlog.extend(self.intake.worker.take_outputs());
        let outputs = std::mem::take(&mut self.backlog);
        // The behaviour thread lives until the last worker has told this.
        let _ = self.tell_up.send(Message { number: self.number, outputs, mark: Order::MAX });
        Share {
            counters: Counters { link: self.intake.dissector.counters(), worker: self.intake.worker.counters() },
            health: self.health,
            failure: self.failure,
            span: self.intake.first.map(|first| (first, self.intake.clock.now())),
        }
    }

    fn tell(&mut self) {
        for output in self.intake.worker.take_outputs() {
            if self.backlog.len() < BACKLOG {
                self.backlog.push(output);
            } else {
                self.health.outputs_dropped_queue_full += 1;
            }
        }
        let mark = Order::after_frame(self.intake.clock.now(), self.intake.frame);
        let message = Message { number: self.number, outputs: std::mem::take(&mut self.backlog), mark };
        if let Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) = self.tell_up.try_send(message) {
            self.backlog = message.outputs;
        }
    }

    fn publish(&mut self, source: &mut Source) {
        if self.published.is_some_and(|last| last.elapsed() < HEALTH_PERIOD) {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "health is a matter of the machine's time, not the capture's")]
        let now = Instant::now();
        self.published = Some(now);
        let dropped_before = self.health.frames_dropped_kernel;
        // Should the interface have gone, what it counted last stands.
        if let Ok(statistics) = source.statistics() {
            self.health.frames_received = statistics.frames_received;
            self.health.frames_processed = statistics.frames_processed;
            self.health.frames_dropped_kernel = statistics.frames_dropped_kernel;
            self.health.frames_dropped_interface = statistics.frames_dropped_interface;
        }
        self.health.flows_tracked = self.intake.worker.flow_count() as u64;
        let exchanges = self.intake.worker.counters().exchanges;
        self.health.exchanges = exchanges.complete + exchanges.incomplete;
        if self.health.frames_dropped_kernel > dropped_before {
            tracing::warn!(
                interface = self.name,
                frames = self.health.frames_dropped_kernel - dropped_before,
                "the kernel dropped frames: the ring was full; a larger --buffer or a narrower --filter helps"
            );
        }
        self.table.insert(self.name.clone(), self.health);
    }
}

/// The behaviour thread: puts together what the workers tell.
fn behave(lanes: usize, told: &Receiver<Message>, mut tell: impl FnMut(Option<Told>)) -> Totals {
    let mut merge = Merge::new(lanes);
    for Message { number, outputs, mark } in told {
        merge.push(number, outputs, mark);
        let mark = merge.release_within(LAG, |output| tell(Some(Told::Output(output))));
        if mark != Order::MIN && mark != Order::MAX {
            tell(Some(Told::Time(mark.time)));
        }
    }
    merge.release_all(|output| tell(Some(Told::Output(output))));
    tell(None);
    Totals { merges_not_waited: merge.not_waited(), ..Totals::default() }
}

#[expect(clippy::disallowed_methods, reason = "capture time follows the wall clock while an interface is silent")]
fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_parts(since_epoch.as_secs().try_into().unwrap_or(i64::MAX), since_epoch.subsec_nanos())
}

fn spawn<R: Send + 'static>(name: String, run: impl FnOnce() -> R + Send + 'static) -> std::io::Result<JoinHandle<R>> {
    thread::Builder::new().name(name).spawn(run)
}
