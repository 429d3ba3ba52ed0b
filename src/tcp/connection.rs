//! Both directions of a connection: what the control flags, acknowledgments and checksums say.

use super::assembler::{Assembler, Overlap, Surroundings};
use super::{Counters, Direction, EndReason, HoldBudget, SeqNumber, StreamEvent, StreamSink};
use crate::link::{Checksum, ChecksumPolicy, Segment};
use crate::time::{Span, Timestamp};

/// How long a hole that the peer has acknowledged may still fill: an acknowledgment is sometimes captured before the
/// data it acknowledges. Capture reordering is milliseconds; this is far more, and far less than a person waits.
const ACKNOWLEDGED_HOLE_GRACE: Span = Span::from_millis(500);

/// How long a hole may still fill when no acknowledgment tells: a retransmission comes within a few seconds.
const SILENT_HOLE_GRACE: Span = Span::from_secs(5);

/// How far a segment may lie from what is expected: more than any window in use. Beyond, it was not written by the
/// connection's sender, or the sensor missed so much that only a second segment can tell.
const WINDOW: i64 = 16 << 20;

/// How far an RST's sequence number may lie from what is expected (RFC 5961 asks receivers for an exact match, but a
/// sensor may have missed segments).
const RESET_WINDOW: i64 = 1 << 20;

/// A connection as a bystander sees it.
#[derive(Debug, Default)]
pub struct Connection {
    halves: [Half; 2],
}

/// One direction, and what its receiver said of it.
#[derive(Debug, Default)]
struct Half {
    assembler: Assembler,
    /// Initial sequence number, when a SYN was seen.
    initial: Option<SeqNumber>,
    /// The highest acknowledgment from the receiver.
    acked: Option<SeqNumber>,
    /// Holes that the receiver has acknowledged.
    acked_holes: Option<Wait>,
    /// Holes that octets wait behind.
    silent_holes: Option<Wait>,
    /// End of the last segment that lay far outside of the window.
    far: Option<SeqNumber>,
    checksums: ChecksumTrust,
}

/// Holes before a position, and since when they are known. One wait covers all holes that were there when it began; what
/// came since gets the next one, so a hole waits for one grace at least and two at most.
#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Timestamp,
    until: u64,
}

/// What a direction's checksums are worth.
#[derive(Debug, Default)]
enum ChecksumTrust {
    /// No data segment yet.
    #[default]
    Unknown,
    /// The first data segment had a wrong checksum. It waits for what comes next: a valid segment shows that the sender
    /// computes checksums and that this one was never accepted; anything else, that the sender offloads them.
    Doubtful(Box<Doubtful>),
    /// Wrong checksums are this sender's habit.
    Offloading,
    /// The sender computes checksums: a wrong one was not accepted by the receiver either.
    Computed,
}

#[derive(Debug)]
struct Doubtful {
    seq: SeqNumber,
    octets: Box<[u8]>,
    snapped: u32,
    fin: bool,
}

/// What is to become of the connection after a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It goes on.
    Open,
    /// Both directions have ended.
    Closed,
    /// The segment opens a new connection between the same sockets; it was not taken in.
    Reused,
}

/// What a connection needs from its surroundings during a call.
#[derive(Debug)]
pub struct Context<'a, S> {
    /// Capture time.
    pub now: Timestamp,
    /// How wrong checksums are dealt with.
    pub checksums: ChecksumPolicy,
    /// What may be held.
    pub budget: &'a mut HoldBudget,
    /// What is counted.
    pub counters: &'a mut Counters,
    /// Takes the events.
    pub sink: &'a mut S,
}

impl<S: StreamSink> Context<'_, S> {
    /// Runs `call` on an assembler whose events go to the sink as events of `direction`.
    fn assemble<R>(
        &mut self,
        direction: Direction,
        call: impl FnOnce(&mut Surroundings<'_, &mut dyn FnMut(StreamEvent<'_>)>) -> R,
    ) -> R {
        let sink = &mut *self.sink;
        let mut emit = |event: StreamEvent<'_>| sink.event(direction, event);
        call(&mut Surroundings { budget: self.budget, counters: self.counters, emit: &mut emit })
    }
}

impl Connection {
    /// Takes a segment sent in `direction`.
    pub fn segment<S: StreamSink>(
        &mut self,
        cx: &mut Context<'_, S>,
        direction: Direction,
        segment: &Segment<'_>,
    ) -> Verdict {
        if segment.flags.syn() && self.is_reused(direction, segment) {
            return Verdict::Reused;
        }
        cx.counters.segments_received += 1;
        cx.counters.octets_received += segment.payload.len() as u64;
        if segment.checksum == Checksum::Invalid && !self.accepts_wrong_checksum(cx, direction, segment) {
            return Verdict::Open;
        }
        if segment.flags.rst() {
            return self.reset(cx, direction, segment);
        }
        if segment.flags.syn() {
            self.synchronise(direction, segment);
        }
        if segment.payload_len() > 0 || segment.flags.fin() {
            self.data(cx, direction, segment);
        }
        if let Some(ack) = segment.ack {
            self.acknowledge(cx, direction.opposite(), ack);
        }
        self.verdict()
    }

    /// When [`Self::on_deadline`] is to be called next.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.halves.iter().filter_map(Half::deadline).min()
    }

    /// Gives up holes that have not filled by `cx.now`.
    pub fn on_deadline<S: StreamSink>(&mut self, cx: &mut Context<'_, S>) -> Verdict {
        for direction in Direction::BOTH {
            let half = &mut self.halves[direction.index()];
            let due = |wait: &mut Option<Wait>, grace| wait.take_if(|wait| wait.since + grace <= cx.now);
            let acked = due(&mut half.acked_holes, ACKNOWLEDGED_HOLE_GRACE);
            let silent = due(&mut half.silent_holes, SILENT_HOLE_GRACE);
            for wait in [acked, silent].into_iter().flatten() {
                cx.assemble(direction, |around| half.assembler.skip_holes(wait.until, around));
            }
            half.watch_holes(cx.now);
        }
        self.verdict()
    }

    /// The connection is over: hands on what is held and ends both directions.
    pub fn finish<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, reason: EndReason) {
        for direction in Direction::BOTH {
            self.settle_doubt(cx, direction);
            let half = &mut self.halves[direction.index()];
            cx.assemble(direction, |around| half.assembler.finish(reason, around));
        }
    }

    /// Whether octets came in both directions, in one, or in none.
    pub fn directions_seen(&self) -> usize {
        self.halves.iter().filter(|half| !half.assembler.is_pristine()).count()
    }

    /// Whether one side has ended the connection.
    pub fn is_half_closed(&self) -> bool {
        self.halves.iter().any(|half| half.assembler.has_ended())
    }

    /// The next sequence number of each direction, to tell late segments of a closed connection from a new one.
    pub fn ends(&self) -> [Option<SeqNumber>; 2] {
        [self.halves[0].assembler.next(), self.halves[1].assembler.next()]
    }

    fn verdict(&self) -> Verdict {
        if self.halves.iter().all(|half| half.assembler.has_ended()) { Verdict::Closed } else { Verdict::Open }
    }

    /// Whether a SYN opens a new connection rather than being one of this connection's own.
    fn is_reused(&self, direction: Direction, segment: &Segment<'_>) -> bool {
        let half = &self.halves[direction.index()];
        if half.initial == Some(segment.seq) {
            return false;
        }
        let first = segment.seq.advance(1);
        match half.initial {
            // A SYN sent anew with another number, before anything was said.
            Some(_) => self.directions_seen() > 0,
            // Captured late: its data came first.
            None => half.assembler.distance(first).is_some_and(|distance| !(-WINDOW..=0).contains(&distance)),
        }
    }

    fn synchronise(&mut self, direction: Direction, segment: &Segment<'_>) {
        let first = segment.seq.advance(1);
        let half = &mut self.halves[direction.index()];
        if half.initial != Some(segment.seq) && half.assembler.is_pristine() {
            half.assembler.restart_at(first);
        }
        half.initial = Some(segment.seq);
        if let Some(ack) = segment.ack {
            self.halves[direction.opposite().index()].assembler.start_at(ack);
        }
    }

    fn data<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction, segment: &Segment<'_>) {
        let seq = if segment.flags.syn() { segment.seq.advance(1) } else { segment.seq };
        let half = &mut self.halves[direction.index()];
        if half.is_far(seq) {
            let follows = half.far == Some(seq) && segment.payload_len() > 0;
            half.far = Some(seq.advance(segment.payload_len()));
            if !follows {
                cx.counters.segments_dropped_out_of_window += 1;
                cx.counters.octets_dropped_out_of_window += segment.payload.len() as u64;
                return;
            }
            // Two in a row: the sensor missed what lies between.
        } else {
            half.far = None;
        }
        if segment.checksum == Checksum::Valid && segment.payload_len() > 0 {
            half.drop_doubtful(cx.counters);
            half.checksums = ChecksumTrust::Computed;
        }
        self.push(cx, direction, seq, segment.payload, segment.snapped, segment.flags.fin());
    }

    fn push<S: StreamSink>(
        &mut self,
        cx: &mut Context<'_, S>,
        direction: Direction,
        seq: SeqNumber,
        octets: &[u8],
        snapped: u32,
        fin: bool,
    ) {
        let half = &mut self.halves[direction.index()];
        let len = octets.len() as u32 + snapped;
        let overlap = if len == 0 {
            Overlap::Consistent
        } else {
            cx.assemble(direction, |around| half.assembler.push(seq, octets, snapped, around))
        };
        if overlap == Overlap::Conflicting {
            cx.sink.conflict(direction);
        }
        if fin {
            cx.assemble(direction, |around| half.assembler.push_fin(seq.advance(len), around));
        }
        half.watch_holes(cx.now);
    }

    /// The receiver of `direction` has everything before `ack`.
    fn acknowledge<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction, ack: SeqNumber) {
        let half = &mut self.halves[direction.index()];
        if half.acked == Some(ack) {
            return;
        }
        if half.acked.is_none_or(|acked| ack.distance_from(acked) > 0) {
            half.acked = Some(ack);
        }
        if let ChecksumTrust::Doubtful(doubtful) = &half.checksums
            && ack.distance_from(doubtful.seq) > 0
        {
            self.settle_doubt(cx, direction);
        }
        self.halves[direction.index()].watch_holes(cx.now);
    }

    fn reset<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction, segment: &Segment<'_>) -> Verdict {
        let half = &self.halves[direction.index()];
        let fits = match half.assembler.distance(segment.seq) {
            Some(distance) => distance.abs() <= RESET_WINDOW,
            // The answer to a SYN carries no usable sequence number, but acknowledges it.
            None => true,
        };
        if !fits {
            cx.counters.segments_dropped_invalid_reset += 1;
            cx.counters.octets_dropped_after_end += segment.payload.len() as u64;
            return Verdict::Open;
        }
        // An RST may carry a text for people (RFC 9293 section 3.10.7.4 leaves it alone); it is not part of the stream.
        cx.counters.octets_dropped_after_end += segment.payload.len() as u64;
        self.finish(cx, EndReason::Reset);
        Verdict::Closed
    }

    fn accepts_wrong_checksum<S: StreamSink>(
        &mut self,
        cx: &mut Context<'_, S>,
        direction: Direction,
        segment: &Segment<'_>,
    ) -> bool {
        let half = &mut self.halves[direction.index()];
        let has_data = segment.payload_len() > 0;
        let accept = match (cx.checksums, &half.checksums) {
            (ChecksumPolicy::Ignore, _) => return true,
            (ChecksumPolicy::Verify, _) | (_, ChecksumTrust::Computed) => false,
            (_, ChecksumTrust::Offloading) => true,
            (_, ChecksumTrust::Unknown | ChecksumTrust::Doubtful(_)) if !has_data => true,
            (_, ChecksumTrust::Unknown) => {
                half.checksums = ChecksumTrust::Doubtful(Box::new(Doubtful {
                    seq: segment.seq.advance(u32::from(segment.flags.syn())),
                    octets: segment.payload.into(),
                    snapped: segment.snapped,
                    fin: segment.flags.fin(),
                }));
                cx.counters.octets_held += segment.payload.len() as u64;
                if segment.flags.syn() {
                    self.synchronise(direction, segment);
                }
                if let Some(ack) = segment.ack {
                    self.acknowledge(cx, direction.opposite(), ack);
                }
                return false;
            }
            (_, ChecksumTrust::Doubtful(_)) => {
                self.settle_doubt(cx, direction);
                true
            }
        };
        if !accept {
            cx.counters.segments_dropped_checksum += 1;
            cx.counters.octets_dropped_checksum += segment.payload.len() as u64;
        }
        accept
    }

    /// A doubtful segment turns out to be the sender's own.
    fn settle_doubt<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction) {
        let half = &mut self.halves[direction.index()];
        match std::mem::take(&mut half.checksums) {
            ChecksumTrust::Doubtful(doubtful) => {
                half.checksums = ChecksumTrust::Offloading;
                cx.counters.octets_held -= doubtful.octets.len() as u64;
                self.push(cx, direction, doubtful.seq, &doubtful.octets, doubtful.snapped, doubtful.fin);
            }
            other => half.checksums = other,
        }
    }
}

impl Half {
    fn deadline(&self) -> Option<Timestamp> {
        let acked = self.acked_holes.map(|wait| wait.since + ACKNOWLEDGED_HOLE_GRACE);
        let silent = self.silent_holes.map(|wait| wait.since + SILENT_HOLE_GRACE);
        acked.into_iter().chain(silent).min()
    }

    /// Keeps book of since when there are holes.
    fn watch_holes(&mut self, now: Timestamp) {
        let acked = self.acked.and_then(|ack| self.assembler.position_of(ack));
        for (wait, until) in [(&mut self.acked_holes, acked), (&mut self.silent_holes, self.assembler.held_until())] {
            match until.filter(|until| self.assembler.hole_before(*until).is_some()) {
                None => *wait = None,
                Some(until) => {
                    // The holes it was for have filled: those that are left are new.
                    wait.take_if(|wait| self.assembler.hole_before(wait.until).is_none());
                    wait.get_or_insert(Wait { since: now, until });
                }
            }
        }
    }

    fn is_far(&self, seq: SeqNumber) -> bool {
        let Some(distance) = self.assembler.distance(seq) else { return false };
        if (-WINDOW..=WINDOW).contains(&distance) {
            return false;
        }
        self.acked.is_none_or(|acked| !(-WINDOW..=WINDOW).contains(&i64::from(seq.distance_from(acked))))
    }

    /// A valid segment came after a doubtful one: the receiver dropped the doubtful one, and so does the sensor.
    fn drop_doubtful(&mut self, counters: &mut Counters) {
        if let ChecksumTrust::Doubtful(doubtful) = &self.checksums {
            counters.segments_dropped_checksum += 1;
            counters.octets_held -= doubtful.octets.len() as u64;
            counters.octets_dropped_checksum += doubtful.octets.len() as u64;
        }
    }
}
