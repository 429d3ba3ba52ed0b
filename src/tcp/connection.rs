//! Both directions of a connection: what the control flags, acknowledgments and checksums say.

use std::fmt;

use apitap_detectors::exchange::Octets;

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
    Doubtful(Box<Part<Box<[u8]>>>),
    /// Wrong checksums are this sender's habit.
    Offloading,
    /// The sender computes checksums: a wrong one was not accepted by the receiver either.
    Computed,
}

/// What of a segment belongs to the stream.
#[derive(Clone, Copy)]
struct Part<T> {
    seq: SeqNumber,
    ack: Option<SeqNumber>,
    octets: T,
    /// How many further octets the snap length cut off.
    snapped: u32,
    fin: bool,
}

/// Shows how many octets there are, and not what they are.
impl<T: AsRef<[u8]>> fmt::Debug for Part<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, ack, octets, snapped, fin } = self;
        f.debug_struct("Part")
            .field("seq", seq)
            .field("ack", ack)
            .field("octets", &Octets::of(octets.as_ref()))
            .field("snapped", snapped)
            .field("fin", fin)
            .finish()
    }
}

impl<'a> Part<&'a [u8]> {
    fn of(segment: &Segment<'a>) -> Self {
        Self {
            // The SYN occupies the first sequence number.
            seq: segment.seq.advance(u32::from(segment.flags.syn())),
            ack: segment.ack,
            octets: segment.payload,
            snapped: segment.snapped,
            fin: segment.flags.fin(),
        }
    }
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
        assembler: &mut Assembler,
        opposite: &Assembler,
        call: impl FnOnce(&mut Assembler, &mut Surroundings<'_, &mut dyn FnMut(StreamEvent<'_>, Option<SeqNumber>)>) -> R,
    ) -> R {
        let sink = &mut *self.sink;
        let mut emit = |event: StreamEvent<'_>, ack: Option<SeqNumber>| {
            sink.event(direction, event, ack.and_then(|ack| opposite.octets_before(ack)));
        };
        call(assembler, &mut Surroundings { budget: self.budget, counters: self.counters, emit: &mut emit })
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
        if let Some(ack) = segment.ack {
            if segment.payload_len() > 0 {
                // Picked up in the middle: what comes next the other way, as far as its receiver knows.
                self.halves[direction.opposite().index()].assembler.start_at(ack);
            }
            self.acknowledge(cx, direction.opposite(), ack);
        }
        if segment.payload_len() > 0 || segment.flags.fin() {
            self.data(cx, direction, segment);
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
            let (half, opposite) = self.halves(direction);
            let due = |wait: &mut Option<Wait>, grace| wait.take_if(|wait| wait.since + grace <= cx.now);
            let acked = due(&mut half.acked_holes, ACKNOWLEDGED_HOLE_GRACE);
            let silent = due(&mut half.silent_holes, SILENT_HOLE_GRACE);
            for wait in [acked, silent].into_iter().flatten() {
                cx.assemble(direction, &mut half.assembler, &opposite.assembler, |assembler, around| {
                    assembler.skip_holes(wait.until, around);
                });
            }
            half.watch_holes(cx.now);
        }
        self.verdict()
    }

    /// The connection is over: hands on what is held and ends both directions.
    pub fn finish<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, reason: EndReason) {
        for direction in Direction::BOTH {
            self.settle_doubt(cx, direction);
            let (half, opposite) = self.halves(direction);
            let acked = half.acked.and_then(|ack| half.assembler.position_of(ack));
            cx.assemble(direction, &mut half.assembler, &opposite.assembler, |assembler, around| {
                assembler.finish(reason, acked, around);
            });
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

    /// Both halves, that of `direction` first.
    fn halves(&mut self, direction: Direction) -> (&mut Half, &mut Half) {
        let [forward, reverse] = &mut self.halves;
        match direction {
            Direction::Forward => (forward, reverse),
            Direction::Reverse => (reverse, forward),
        }
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
        let part = Part::of(segment);
        let half = &mut self.halves[direction.index()];
        if half.is_far(part.seq) {
            let follows = half.far == Some(part.seq) && segment.payload_len() > 0;
            half.far = Some(part.seq.advance(segment.payload_len()));
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
        self.push(cx, direction, &part);
    }

    fn push<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction, part: &Part<&[u8]>) {
        let Part { seq, ack, octets, snapped, fin } = *part;
        let (half, opposite) = self.halves(direction);
        let len = octets.len() as u32 + snapped;
        let overlap = cx.assemble(direction, &mut half.assembler, &opposite.assembler, |assembler, around| {
            let overlap =
                if len == 0 { Overlap::Consistent } else { assembler.push(seq, ack, octets, snapped, around) };
            if fin {
                assembler.push_fin(seq.advance(len), around);
            }
            overlap
        });
        if overlap == Overlap::Conflicting {
            cx.sink.conflict(direction);
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

    fn reset<S: StreamSink>(
        &mut self,
        cx: &mut Context<'_, S>,
        direction: Direction,
        segment: &Segment<'_>,
    ) -> Verdict {
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
                let Part { seq, ack, octets, snapped, fin } = Part::of(segment);
                let part = Part { seq, ack, octets: octets.into(), snapped, fin };
                half.assembler.start_at(seq);
                half.checksums = ChecksumTrust::Doubtful(Box::new(part));
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
                let Part { seq, ack, ref octets, snapped, fin } = *doubtful;
                self.push(cx, direction, &Part { seq, ack, octets, snapped, fin });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Address, Overlay, Socket, TcpFlags};

    const CLIENT: Socket = Socket { address: Address::v4([10, 0, 0, 1]), port: 40000 };
    const SERVER: Socket = Socket { address: Address::v4([10, 0, 0, 2]), port: 80 };
    const FORWARD: Direction = Direction::Forward;
    const REVERSE: Direction = Direction::Reverse;

    /// What each direction told, as text: data as it is, gaps as `<n>`, ends as `$`, conflicts as `!`.
    #[derive(Default)]
    struct Told([String; 2]);

    impl StreamSink for Told {
        fn event(&mut self, direction: Direction, event: StreamEvent<'_>, _acknowledged: Option<u64>) {
            self.0[direction.index()].push_str(&match event {
                StreamEvent::Data(octets) => String::from_utf8_lossy(octets).into_owned(),
                StreamEvent::Gap(len) => format!("<{len}>"),
                StreamEvent::End(_) => "$".into(),
            });
        }

        fn conflict(&mut self, direction: Direction) {
            self.0[direction.index()].push('!');
        }
    }

    #[derive(Default)]
    struct Bench {
        connection: Connection,
        policy: ChecksumPolicy,
        budget: HoldBudget,
        counters: Counters,
        told: Told,
        now: u32,
    }

    impl Bench {
        fn with<R>(&mut self, call: impl FnOnce(&mut Connection, &mut Context<'_, Told>) -> R) -> R {
            let mut cx = Context {
                now: Timestamp::MIN + Span::from_millis(self.now),
                checksums: self.policy,
                budget: &mut self.budget,
                counters: &mut self.counters,
                sink: &mut self.told,
            };
            call(&mut self.connection, &mut cx)
        }

        fn send(&mut self, direction: Direction, segment: Segment<'_>) -> Verdict {
            self.with(|connection, cx| connection.segment(cx, direction, &segment))
        }

        /// Data from one side, without an acknowledgment.
        fn data(&mut self, direction: Direction, seq: u32, text: &str) -> &mut Self {
            let _ = self.send(direction, segment(seq, 0, text));
            self
        }

        fn ack(&mut self, direction: Direction, ack: u32) -> &mut Self {
            let _ = self.send(direction, Segment { ack: Some(SeqNumber(ack)), ..segment(0, TcpFlags::ACK, "") });
            self
        }

        fn handshake(&mut self) -> &mut Self {
            let syn = Segment { ack: None, ..segment(99, TcpFlags::SYN, "") };
            assert_eq!(self.send(FORWARD, syn), Verdict::Open);
            let syn_ack = Segment { ack: Some(SeqNumber(100)), ..segment(499, TcpFlags::SYN | TcpFlags::ACK, "") };
            assert_eq!(self.send(REVERSE, syn_ack), Verdict::Open);
            self
        }

        fn wait(&mut self, millis: u32) -> &mut Self {
            self.now += millis;
            let _ = self.with(|connection, cx| connection.on_deadline(cx));
            self
        }

        fn told(&self) -> [&str; 2] {
            [&self.told.0[0], &self.told.0[1]]
        }
    }

    fn segment(seq: u32, flags: u8, payload: &str) -> Segment<'_> {
        Segment {
            overlay: Overlay::NONE,
            src: CLIENT,
            dst: SERVER,
            seq: SeqNumber(seq),
            ack: None,
            flags: TcpFlags(flags),
            payload: payload.as_bytes(),
            snapped: 0,
            checksum: Checksum::Valid,
        }
    }

    fn wrong(seq: u32, payload: &str) -> Segment<'_> {
        Segment { checksum: Checksum::Invalid, ..segment(seq, 0, payload) }
    }

    #[test]
    fn both_directions_and_the_end() {
        let mut bench = Bench::default();
        bench.handshake().data(FORWARD, 100, "ask").data(REVERSE, 500, "answer");
        assert_eq!(bench.send(REVERSE, segment(506, TcpFlags::FIN, "")), Verdict::Open);
        assert_eq!(bench.send(FORWARD, segment(103, TcpFlags::FIN, "")), Verdict::Closed);
        assert_eq!(bench.told(), ["ask$", "answer$"]);
    }

    #[test]
    fn data_in_a_syn_is_data() {
        let mut bench = Bench::default();
        let _ = bench.send(FORWARD, segment(99, TcpFlags::SYN, "fast"));
        bench.data(FORWARD, 100, "fast").data(FORWARD, 104, "open");
        assert_eq!(bench.told()[0], "fastopen");
    }

    #[test]
    fn an_acknowledged_hole_is_given_up_after_a_grace() {
        let mut bench = Bench::default();
        bench.handshake().data(REVERSE, 503, "after").ack(FORWARD, 508);
        assert_eq!(bench.wait(499).told()[1], "");
        assert_eq!(bench.wait(1).told()[1], "<3>after");
        assert_eq!(bench.connection.deadline(), None);
    }

    #[test]
    fn data_captured_after_its_acknowledgment_fills_the_hole() {
        let mut bench = Bench::default();
        bench.handshake().ack(FORWARD, 506);
        assert!(bench.connection.deadline().is_some());
        bench.data(REVERSE, 500, "answer");
        assert_eq!(bench.connection.deadline(), None);
        assert_eq!(bench.wait(1000).told()[1], "answer");
    }

    #[test]
    fn a_hole_that_nobody_acknowledges_waits_longer() {
        let mut bench = Bench::default();
        bench.data(FORWARD, 100, "a").data(FORWARD, 102, "c");
        assert_eq!(bench.wait(4999).told()[0], "a");
        assert_eq!(bench.wait(1).told()[0], "a<1>c");
    }

    #[test]
    fn a_stream_picked_up_in_the_middle_starts_where_it_was_acknowledged() {
        let mut bench = Bench::default();
        let _ = bench.send(FORWARD, Segment { ack: Some(SeqNumber(500)), ..segment(100, TcpFlags::ACK, "ask") });
        bench.data(REVERSE, 503, "wer").ack(FORWARD, 506).wait(500);
        assert_eq!(bench.told(), ["ask", "<3>wer"]);
    }

    #[test]
    fn a_keep_alive_probe_is_nothing_new() {
        let mut bench = Bench::default();
        bench.handshake().data(FORWARD, 100, "abc").data(FORWARD, 102, "\0").data(FORWARD, 103, "def");
        assert_eq!(bench.told()[0], "abcdef");
    }

    #[test]
    fn far_segments_need_a_second_one() {
        let mut bench = Bench::default();
        bench.handshake().data(FORWARD, 100, "abc").data(FORWARD, 700_000_100, "ZZ").data(FORWARD, 103, "def");
        assert_eq!(bench.told()[0], "abcdef");
        bench.data(FORWARD, 700_000_100, "gh").data(FORWARD, 700_000_102, "ij").wait(5000);
        assert_eq!(bench.told()[0], "abcdef<699999996>ij");
        assert_eq!(bench.counters.segments_dropped_out_of_window, 2);
    }

    #[test]
    fn a_reset_far_off_is_forged() {
        let mut bench = Bench::default();
        bench.handshake().data(FORWARD, 100, "abc");
        assert_eq!(bench.send(FORWARD, segment(900_000_000, TcpFlags::RST, "")), Verdict::Open);
        bench.data(FORWARD, 103, "def");
        assert_eq!(bench.send(FORWARD, segment(106, TcpFlags::RST, "")), Verdict::Closed);
        assert_eq!(bench.told(), ["abcdef$", "$"]);
    }

    #[test]
    fn a_syn_with_another_number_is_another_connection() {
        let mut bench = Bench::default();
        bench.handshake().data(FORWARD, 100, "abc");
        assert_eq!(bench.send(FORWARD, segment(99, TcpFlags::SYN, "")), Verdict::Open);
        assert_eq!(bench.send(FORWARD, segment(77_777, TcpFlags::SYN, "")), Verdict::Reused);
    }

    #[test]
    fn offloaded_checksums_are_accepted() {
        let mut bench = Bench::default();
        bench.handshake();
        let _ = bench.send(FORWARD, wrong(100, "abc"));
        assert_eq!(bench.told()[0], "");
        let _ = bench.send(FORWARD, wrong(103, "def"));
        assert_eq!(bench.told()[0], "abcdef");
    }

    #[test]
    fn an_acknowledged_wrong_checksum_was_accepted() {
        let mut bench = Bench::default();
        bench.handshake();
        let _ = bench.send(FORWARD, wrong(100, "abc"));
        assert_eq!(bench.ack(REVERSE, 103).told()[0], "abc");
    }

    #[test]
    fn a_sender_that_computes_checksums_is_held_to_it() {
        let mut bench = Bench::default();
        bench.handshake();
        let _ = bench.send(FORWARD, wrong(100, "XXX"));
        bench.data(FORWARD, 100, "abc");
        let _ = bench.send(FORWARD, wrong(103, "YYY"));
        bench.data(FORWARD, 103, "def");
        assert_eq!(bench.told()[0], "abcdef");
        let Counters { octets_received, octets_delivered, octets_dropped_checksum, octets_held, .. } = bench.counters;
        assert_eq!((octets_received, octets_delivered, octets_dropped_checksum, octets_held), (12, 6, 6, 0));
    }

    #[test]
    fn a_single_wrong_checksum_is_used_when_nothing_speaks_against_it() {
        let mut bench = Bench::default();
        let _ = bench.send(FORWARD, wrong(100, "abc"));
        bench.with(|connection, cx| connection.finish(cx, EndReason::CaptureEnd));
        assert_eq!(bench.told(), ["abc$", "$"]);
    }

    #[test]
    fn a_policy_can_be_strict_or_blind() {
        let mut strict = Bench { policy: ChecksumPolicy::Verify, ..Bench::default() };
        let _ = strict.send(FORWARD, wrong(100, "abc"));
        let mut blind = Bench { policy: ChecksumPolicy::Ignore, ..Bench::default() };
        let _ = blind.send(FORWARD, wrong(100, "abc"));
        assert_eq!((strict.told()[0], blind.told()[0]), ("", "abc"));
    }
}
