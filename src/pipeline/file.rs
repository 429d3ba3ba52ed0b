//! Capture files: a reader feeds workers in batches, and waits when they are slow.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Counters, Merge, Told};
use crate::capture::LinkType;
use crate::capture::file::{ReadError, Reader, Warning};
use crate::link::{Checksum, Dissector, Options, Outcome, Overlay, Segment, Socket, TcpFlags, spread};
use crate::tcp::SeqNumber;
use crate::time::{Clock, Order, Timestamp};
use crate::worker::{self, Moment, Output, Worker};

/// How many frames go to the workers together: enough that a queue's cost does not show, few enough to stay in the cache.
const BATCH_FRAMES: u64 = 256;

/// How many octets go to the workers together, so that large frames do not fill the queues.
const BATCH_OCTETS: u64 = 512 << 10;

/// How many batches may wait for a worker before the reader waits.
const QUEUE: usize = 8;

/// What was wrong with a file.
#[derive(Debug)]
pub enum Fault {
    /// Nothing of it could be read.
    Unreadable(ReadError),
    /// It was read up to a point.
    CutShort(Warning),
    /// Frames of a link type that is not known here.
    UnknownLinkType(LinkType),
}

/// What reading gave.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// What the stages counted.
    pub counters: Counters,
    /// First and last time of the capture.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Whether it was told to stop before the end.
    pub stopped: bool,
    /// Whether a thread was lost to a defect of the sensor.
    pub defective: bool,
}

/// Reads captures one after another, as one stretch of capture time. `stop` is looked at after each batch.
///
/// What `tell` is told does not depend on the number of workers.
pub fn read(
    files: &[PathBuf],
    settings: &worker::Settings,
    workers: usize,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Told),
) -> Totals {
    if workers <= 1 {
        read_inline(files, settings, stop, tell)
    } else {
        read_spread(files, settings, workers, stop, tell)
    }
}

/// One worker, on the reader's thread.
fn read_inline(
    files: &[PathBuf],
    settings: &worker::Settings,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Told),
) -> Totals {
    struct Inline {
        worker: Worker,
        merge: Merge,
    }

    impl Inline {
        fn release(&mut self, mark: Order, tell: &mut dyn FnMut(Told)) {
            self.merge.push(0, self.worker.take_outputs(), mark);
            self.merge.release(|output| tell(Told::Output(output)));
        }
    }

    impl Segments for Inline {
        fn segment(&mut self, moment: Moment, segment: &Segment<'_>) {
            self.worker.segment(moment, segment);
        }

        fn batch(&mut self, now: Timestamp, frame: u64, tell: &mut dyn FnMut(Told)) {
            self.worker.advance(now);
            self.release(Order::after_frame(now, frame), tell);
            tell(Told::Time(now));
        }
    }

    let mut inline = Inline { worker: Worker::new(settings), merge: Merge::new(1) };
    let mut totals = read_files(files, settings, stop, tell, &mut inline);
    inline.worker.finish(totals.span.map_or(Timestamp::MIN, |(_, last)| last));
    inline.release(Order::MAX, tell);
    totals.counters.worker = inline.worker.counters();
    totals
}

/// Several workers on threads of their own; the reader has one too, and this one puts together what they tell.
fn read_spread(
    files: &[PathBuf],
    settings: &worker::Settings,
    workers: usize,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Told),
) -> Totals {
    let (tell_up, told) = bounded::<Message>(QUEUE * workers);
    let share = worker::Settings { memory: settings.memory / workers, ..settings.clone() };
    thread::scope(|scope| {
        let mut lanes = Vec::new();
        let mut threads = Vec::new();
        for number in 0..workers {
            let (send, batches) = bounded::<Batch>(QUEUE);
            let (give_back, spare) = bounded::<Batch>(QUEUE);
            lanes.push(Lane { send, spare, filling: Batch::default() });
            let tell_up = tell_up.clone();
            let share = &share;
            let work = move || work(number, share, &batches, &give_back, &tell_up);
            threads.push(spawn(scope, format!("worker-{number}"), work));
        }
        let reader = spawn(scope, "reader".into(), {
            let tell_up = tell_up.clone();
            move || {
                let mut spread = Spread { lanes };
                let mut forward = |told| drop(tell_up.send(Message::Reader(told)));
                read_files(files, settings, stop, &mut forward, &mut spread)
            }
        });
        drop(tell_up);

        let mut merge = Merge::new(workers);
        for message in told {
            match message {
                Message::Reader(told) => tell(told),
                Message::Worker { number, outputs, mark } => {
                    merge.push(number, outputs, mark);
                    let mark = merge.release(|output| tell(Told::Output(output)));
                    if mark != Order::MIN && mark != Order::MAX {
                        tell(Told::Time(mark.time));
                    }
                }
            }
        }
        // A thread that panicked has ended its channel; what it and the others gave still stands.
        merge.release_all(|output| tell(Told::Output(output)));
        let mut totals = reader.join().unwrap_or_else(|_| Totals { defective: true, ..Totals::default() });
        for thread in threads {
            match thread.join() {
                Ok(counters) => totals.counters.worker.merge(&counters),
                Err(_) => totals.defective = true,
            }
        }
        totals
    })
}

/// What goes to the thread that puts things together.
enum Message {
    Reader(Told),
    Worker { number: usize, outputs: Vec<Output>, mark: Order },
}

/// Takes segments from the reader.
trait Segments {
    fn segment(&mut self, moment: Moment, segment: &Segment<'_>);
    /// All frames up to number `frame`, captured at `now`, have been read.
    fn batch(&mut self, now: Timestamp, frame: u64, tell: &mut dyn FnMut(Told));
}

fn read_files(
    files: &[PathBuf],
    settings: &worker::Settings,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Told),
    segments: &mut dyn Segments,
) -> Totals {
    let mut reading = Reading {
        dissector: Dissector::new(Options { checksums: settings.checksums, ..Options::default() }),
        clock: Clock::new(),
        first: None,
        frame: 0,
        batched: (0, 0),
    };
    let mut totals = Totals::default();
    for file in files {
        if stop.load(Ordering::Relaxed) {
            totals.stopped = true;
            break;
        }
        reading.read_file(file, stop, tell, segments);
    }
    for link_type in reading.dissector.unknown_link_types() {
        tell(Told::Fault(Fault::UnknownLinkType(*link_type)));
    }
    totals.stopped |= stop.load(Ordering::Relaxed);
    totals.counters.link = reading.dissector.counters();
    totals.span = reading.first.map(|first| (first, reading.clock.now()));
    totals
}

/// The reader's state, which goes on from file to file.
struct Reading {
    dissector: Dissector,
    clock: Clock,
    first: Option<Timestamp>,
    frame: u64,
    /// Frames and octets of the batch at hand.
    batched: (u64, u64),
}

impl Reading {
    fn read_file(&mut self, path: &Path, stop: &AtomicBool, tell: &mut dyn FnMut(Told), segments: &mut dyn Segments) {
        let mut reader = match Reader::open(path) {
            Ok(reader) => reader,
            Err(error) => return tell(Told::Fault(Fault::Unreadable(error))),
        };
        loop {
            match reader.next() {
                Ok(Some(frame)) => {
                    self.frame += 1;
                    let now = self.clock.advance(frame.timestamp);
                    self.first.get_or_insert(now);
                    self.batched.0 += 1;
                    self.batched.1 += frame.bytes.len() as u64;
                    if let Outcome::Segment(segment) = self.dissector.dissect(&frame) {
                        segments.segment(Moment { now, stamp: frame.timestamp, frame: self.frame }, &segment);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tell(Told::Fault(Fault::Unreadable(error)));
                    break;
                }
            }
            if self.batched.0 >= BATCH_FRAMES || self.batched.1 >= BATCH_OCTETS {
                self.batched = (0, 0);
                segments.batch(self.clock.now(), self.frame, tell);
                tell(Told::Progress(reader.position(), reader.size()));
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        if let Some(warning) = reader.into_warning() {
            tell(Told::Fault(Fault::CutShort(warning)));
        }
        segments.batch(self.clock.now(), self.frame, tell);
    }
}

/// Spreads segments over lanes by connection.
struct Spread {
    lanes: Vec<Lane>,
}

/// The way to one worker.
struct Lane {
    send: Sender<Batch>,
    /// Batches that the worker is done with, to be filled again.
    spare: Receiver<Batch>,
    filling: Batch,
}

impl Segments for Spread {
    fn segment(&mut self, moment: Moment, segment: &Segment<'_>) {
        let lane = (spread(segment) % self.lanes.len() as u64) as usize;
        self.lanes[lane].filling.park(moment, segment);
    }

    fn batch(&mut self, now: Timestamp, frame: u64, _tell: &mut dyn FnMut(Told)) {
        for lane in &mut self.lanes {
            let next = lane.spare.try_recv().unwrap_or_default();
            let mut full = std::mem::replace(&mut lane.filling, next);
            full.now = now;
            full.mark = Order::after_frame(now, frame);
            // Fails only when the worker's thread is gone; then there is nobody to tell.
            let _ = lane.send.send(full);
        }
    }
}

/// Segments on their way to a worker; their payload lies in one buffer.
#[derive(Default)]
struct Batch {
    segments: Vec<Parked>,
    octets: Vec<u8>,
    now: Timestamp,
    mark: Order,
}

struct Parked {
    moment: Moment,
    overlay: Overlay,
    src: Socket,
    dst: Socket,
    seq: SeqNumber,
    ack: Option<SeqNumber>,
    flags: TcpFlags,
    payload: Range<usize>,
    snapped: u32,
    checksum: Checksum,
}

impl Batch {
    fn park(&mut self, moment: Moment, segment: &Segment<'_>) {
        let Segment { overlay, src, dst, seq, ack, flags, payload, snapped, checksum } = *segment;
        let start = self.octets.len();
        self.octets.extend_from_slice(payload);
        let payload = start..self.octets.len();
        self.segments.push(Parked { moment, overlay, src, dst, seq, ack, flags, payload, snapped, checksum });
    }

    fn feed(&self, worker: &mut Worker) {
        for parked in &self.segments {
            let Parked { moment, overlay, src, dst, seq, ack, flags, ref payload, snapped, checksum } = *parked;
            let payload = &self.octets[payload.clone()];
            worker.segment(moment, &Segment { overlay, src, dst, seq, ack, flags, payload, snapped, checksum });
        }
    }
}

fn work(
    number: usize,
    settings: &worker::Settings,
    batches: &Receiver<Batch>,
    give_back: &Sender<Batch>,
    tell_up: &Sender<Message>,
) -> worker::Counters {
    let mut worker = Worker::new(settings);
    let mut now = Timestamp::MIN;
    for mut batch in batches {
        batch.feed(&mut worker);
        now = batch.now;
        worker.advance(now);
        let message = Message::Worker { number, outputs: worker.take_outputs(), mark: batch.mark };
        if tell_up.send(message).is_err() {
            break;
        }
        batch.segments.clear();
        batch.octets.clear();
        let _ = give_back.try_send(batch);
    }
    worker.finish(now);
    let _ = tell_up.send(Message::Worker { number, outputs: worker.take_outputs(), mark: Order::MAX });
    worker.counters()
}

fn spawn<'scope, R: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: String,
    run: impl FnOnce() -> R + Send + 'scope,
) -> thread::ScopedJoinHandle<'scope, R> {
    #[expect(clippy::expect_used, reason = "without threads there is no pipeline, and nothing has been read yet")]
    thread::Builder::new().name(name).spawn_scoped(scope, run).expect("the system gives no more threads")
}
