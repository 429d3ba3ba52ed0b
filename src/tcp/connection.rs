//! Both directions of a connection: what the control flags, acknowledgments and checksums say.
//!
//! A bystander has to tell what the two ends believed. A segment that no receiver accepts must not end or replace the
//! connection for the sensor either, or a single packet would blind it: so a reset has to be where the stream has got to
//! (RFC 5961), a new SYN needs the other side's consent, an acknowledgment that is taken back does not count, and a wrong
//! checksum is believed only of a sender who never computes them.

use super::assembler::{Assembler, Overlap, Surroundings};
use super::half::{ChecksumTrust, Half, Part, WINDOW};
use super::{Counters, Direction, EndReason, HoldBudget, SeqNumber, StreamEvent, StreamSink};
use crate::link::{Checksum, ChecksumPolicy, Segment};
use crate::time::Timestamp;

/// A connection as a bystander sees it.
#[derive(Debug, Default)]
pub struct Connection {
    halves: [Half; 2],
    /// Who sent a SYN that does not fit this connection, and its sequence number: it opens a new one if it is answered.
    challenger: Option<(Direction, SeqNumber)>,
    was_reset: bool,
}

/// What is to become of the connection after a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It goes on.
    Open,
    /// Both directions have ended.
    Closed,
    /// The segment belongs to a new connection between the same sockets; it was not taken in.
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
        if self.answers_challenger(direction, segment) && self.is_credible(cx.checksums, direction, segment) {
            return Verdict::Reused;
        }
        cx.counters.segments_received += 1;
        cx.counters.octets_received += segment.payload.len() as u64;
        if segment.checksum == Checksum::Invalid && !self.accepts_wrong_checksum(cx, direction, segment) {
            return Verdict::Open;
        }
        self.halves[direction.index()].seen = true;
        if segment.flags.rst() {
            return self.reset(cx, direction, segment);
        }
        if segment.flags.syn() {
            if self.is_foreign(direction, segment) {
                self.challenger = Some((direction, segment.seq));
                cx.counters.segments_challenging += 1;
                cx.counters.octets_dropped_unaccepted += segment.payload.len() as u64;
                return Verdict::Open;
            }
            self.synchronise(cx, direction, segment);
        }
        if let Some(ack) = segment.ack {
            if segment.payload_len() > 0 {
                // Picked up in the middle: what comes next the other way, as far as its receiver knows.
                self.halves[direction.opposite().index()].assembler.start_at(ack);
            }
            self.acknowledge(cx, direction.opposite(), ack);
        }
        if (segment.payload_len() > 0 || segment.flags.fin()) && !segment.flags.syn() {
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
            for until in half.take_due(cx.now) {
                cx.assemble(direction, &mut half.assembler, &opposite.assembler, |assembler, around| {
                    assembler.skip_holes(until, around);
                });
            }
            half.watch_holes(cx.now);
        }
        self.verdict()
    }

    /// The connection is over: hands on what is held and ends both directions.
    pub fn finish<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, reason: EndReason) {
        for direction in Direction::BOTH {
            self.settle_opening(cx, direction);
            self.settle_doubt(cx, direction);
            let (half, opposite) = self.halves(direction);
            let acked = half.acked_position();
            cx.assemble(direction, &mut half.assembler, &opposite.assembler, |assembler, around| {
                assembler.finish(reason, acked, around);
            });
        }
    }

    /// How many sides have sent anything, and whether any of it was octets.
    pub fn progress(&self) -> Progress {
        let senders = self.halves.iter().filter(|half| half.seen).count();
        match (senders, self.has_data()) {
            (2.., _) => Progress::BothSides,
            (_, true) => Progress::OneSide,
            _ => Progress::Opening,
        }
    }

    /// Whether an RST ended it.
    pub fn was_reset(&self) -> bool {
        self.was_reset
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

    fn has_data(&self) -> bool {
        self.halves.iter().any(|half| !half.assembler.is_pristine())
    }

    fn verdict(&self) -> Verdict {
        if self.halves.iter().all(|half| half.assembler.has_ended()) { Verdict::Closed } else { Verdict::Open }
    }

    /// Whether a SYN is none of this connection's own.
    fn is_foreign(&self, direction: Direction, segment: &Segment<'_>) -> bool {
        let half = &self.halves[direction.index()];
        if half.initial == Some(segment.seq) {
            return false;
        }
        let first = segment.seq.advance(1);
        match half.initial {
            // A SYN sent anew with another number, before anything was said.
            Some(_) => self.has_data(),
            // Captured late: its data came first.
            None => half.assembler.distance(first).is_some_and(|distance| !(-WINDOW..=0).contains(&distance)),
        }
    }

    /// Whether a segment shows that a foreign SYN was accepted: the other side acknowledges it, or its sender goes on from it.
    fn answers_challenger(&self, direction: Direction, segment: &Segment<'_>) -> bool {
        let Some((challenger, initial)) = self.challenger else { return false };
        let first = initial.advance(1);
        if direction == challenger {
            let goes_on = segment.seq == first && segment.payload_len() > 0 && !segment.flags.syn();
            goes_on && self.halves[direction.index()].assembler.next() != Some(first)
        } else {
            segment.ack == Some(first) && !segment.flags.rst()
        }
    }

    /// Whether the checksum does not speak against a segment.
    fn is_credible(&self, policy: ChecksumPolicy, direction: Direction, segment: &Segment<'_>) -> bool {
        segment.checksum != Checksum::Invalid
            || policy == ChecksumPolicy::Ignore
            || (policy == ChecksumPolicy::Auto
                && matches!(self.halves[direction.index()].checksums, ChecksumTrust::Offloading))
    }

    fn synchronise<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction, segment: &Segment<'_>) {
        let part = Part::of(segment);
        let half = &mut self.halves[direction.index()];
        if half.initial != Some(segment.seq) && half.assembler.is_pristine() {
            half.assembler.restart_at(part.seq);
        }
        half.initial = Some(segment.seq);
        if part.len() > 0 && half.assembler.is_pristine() && half.opening.is_none() {
            half.opening = Some(part.keep(cx.budget, cx.counters));
        } else {
            cx.counters.octets_retransmitted += part.octets.len() as u64;
        }
        if let Some(ack) = segment.ack {
            self.halves[direction.opposite().index()].assembler.start_at(ack);
        }
    }

    /// The octets of a SYN belong to the stream.
    fn settle_opening<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction) {
        if let Some(opening) = self.halves[direction.index()].opening.take() {
            let part = opening.release(cx.budget, cx.counters);
            self.push(cx, direction, &part);
        }
    }

    /// The octets of a SYN were not taken by the receiver; they are sent again.
    fn drop_opening<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction) {
        if let Some(opening) = self.halves[direction.index()].opening.take() {
            cx.counters.octets_dropped_unaccepted += opening.release(cx.budget, cx.counters).octets.len() as u64;
        }
    }

    fn data<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction, segment: &Segment<'_>) {
        let part = Part::of(segment);
        let half = &mut self.halves[direction.index()];
        if half.is_far(part.seq) {
            let follows = half.far == Some(part.seq) && part.len() > 0;
            half.far = Some(part.seq.advance(part.len()));
            if !follows {
                cx.counters.segments_dropped_out_of_window += 1;
                cx.counters.octets_dropped_out_of_window += segment.payload.len() as u64;
                return;
            }
            // Two in a row: the sensor missed what lies between.
        } else {
            half.far = None;
        }
        if segment.checksum == Checksum::Valid && part.len() > 0 {
            half.drop_doubtful(cx.budget, cx.counters);
            half.checksums = ChecksumTrust::Computed;
        }
        if let Some(opening) = &half.opening {
            // Its sender goes on behind what the SYN carried, or sends it once more.
            if part.seq == opening.seq {
                self.drop_opening(cx, direction);
            } else {
                self.settle_opening(cx, direction);
            }
        }
        self.push(cx, direction, &part);
    }

    fn push<S: StreamSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction, part: &Part<&[u8]>) {
        let Part { seq, ack, octets, snapped, fin } = *part;
        let (half, opposite) = self.halves(direction);
        let overlap = cx.assemble(direction, &mut half.assembler, &opposite.assembler, |assembler, around| {
            let overlap =
                if part.len() == 0 { Overlap::Consistent } else { assembler.push(seq, ack, octets, snapped, around) };
            if fin {
                assembler.push_fin(seq.advance(part.len()), around);
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
        if !half.is_credible_ack(ack) {
            return;
        }
        half.acked_last = Some(ack);
        if half.acked == Some(ack) {
            return;
        }
        if half.acked.is_none_or(|acked| ack.distance_from(acked) > 0) {
            half.acked = Some(ack);
        }
        if let Some(opening) = &half.opening {
            match ack.distance_from(opening.seq) {
                0 => self.drop_opening(cx, direction),
                1.. => self.settle_opening(cx, direction),
                _ => {}
            }
        }
        if let ChecksumTrust::Doubtful(doubtful) = &self.halves[direction.index()].checksums
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
        let (half, opposite) = self.halves(direction);
        // The answer to a SYN carries no sequence number of use, but acknowledges it.
        let answers = segment.ack.is_some() && segment.ack == opposite.assembler.next();
        let fits = half.is_next(segment.seq) || (half.assembler.next().is_none() && answers);
        // An RST may carry a text for people (RFC 9293 section 3.10.7.4 leaves it alone); it is not part of the stream.
        cx.counters.octets_dropped_unaccepted += segment.payload.len() as u64;
        if !fits {
            cx.counters.segments_dropped_invalid_reset += 1;
            return self.verdict();
        }
        self.was_reset = true;
        self.finish(cx, EndReason::Reset);
        Verdict::Closed
    }

    /// Whether a segment with a wrong checksum is the sender's own all the same.
    fn accepts_wrong_checksum<S: StreamSink>(
        &mut self,
        cx: &mut Context<'_, S>,
        direction: Direction,
        segment: &Segment<'_>,
    ) -> bool {
        let half = &mut self.halves[direction.index()];
        let part = Part::of(segment);
        let accept = match (cx.checksums, &half.checksums) {
            (ChecksumPolicy::Ignore, _) => return true,
            (ChecksumPolicy::Verify, _) | (_, ChecksumTrust::Computed) => false,
            (_, ChecksumTrust::Offloading) => true,
            // What ends or opens a connection has to be beyond doubt, unless there is nothing to lose yet.
            (_, ChecksumTrust::Unknown | ChecksumTrust::Doubtful(_)) if part.len() == 0 => {
                !(segment.flags.rst() || segment.flags.syn() && self.has_data())
            }
            (_, ChecksumTrust::Unknown) if !segment.flags.syn() => {
                half.assembler.start_at(part.seq);
                half.checksums = ChecksumTrust::Doubtful(part.keep(cx.budget, cx.counters));
                half.seen = true;
                if let Some(ack) = segment.ack {
                    self.acknowledge(cx, direction.opposite(), ack);
                }
                return false;
            }
            // The octets of a SYN wait anyway.
            (_, ChecksumTrust::Unknown) => !self.has_data(),
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
                let part = doubtful.release(cx.budget, cx.counters);
                self.push(cx, direction, &part);
            }
            other => half.checksums = other,
        }
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// One side has sent, and no octets.
    Opening,
    /// One side has sent octets, the other nothing.
    OneSide,
    /// Both sides have sent.
    BothSides,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Address, Overlay, Socket, TcpFlags};
    use crate::time::Span;

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
    fn a_reset_that_is_not_where_the_stream_is_is_forged() {
        let mut bench = Bench::default();
        bench.handshake().data(FORWARD, 100, "abc");
        for seq in [900_000_000, 900, 104, 102] {
            assert_eq!(bench.send(FORWARD, segment(seq, TcpFlags::RST, "")), Verdict::Open);
        }
        let bad = Segment { checksum: Checksum::Invalid, ..segment(500, TcpFlags::RST, "") };
        assert_eq!(bench.send(REVERSE, bad), Verdict::Open);
        bench.data(FORWARD, 103, "def");
        assert_eq!(bench.send(FORWARD, segment(106, TcpFlags::RST, "")), Verdict::Closed);
        assert_eq!(bench.told(), ["abcdef$", "$"]);
    }

    #[test]
    fn a_syn_with_another_number_is_another_connection() {
        let mut bench = Bench::default();
        bench.handshake().data(FORWARD, 100, "abc");
        assert_eq!(bench.send(FORWARD, segment(99, TcpFlags::SYN, "")), Verdict::Open);
        assert_eq!(bench.send(FORWARD, segment(77_777, TcpFlags::SYN, "")), Verdict::Open);
        // Nobody answers: the connection goes on.
        assert_eq!(bench.data(FORWARD, 103, "def").told()[0], "abcdef");
        let answer = Segment { ack: Some(SeqNumber(77_778)), ..segment(1, TcpFlags::SYN | TcpFlags::ACK, "") };
        let forged = Segment { checksum: Checksum::Invalid, ..answer };
        assert_eq!(bench.send(REVERSE, forged), Verdict::Open);
        assert_eq!(bench.send(REVERSE, answer), Verdict::Reused);
    }

    #[test]
    fn a_syn_whose_sender_goes_on_is_another_connection() {
        let mut bench = Bench::default();
        bench.handshake().data(FORWARD, 100, "abc");
        let _ = bench.send(FORWARD, segment(77_777, TcpFlags::SYN, ""));
        assert_eq!(bench.send(FORWARD, segment(77_778, TcpFlags::ACK, "new")), Verdict::Reused);
    }

    #[test]
    fn octets_of_a_syn_count_when_they_were_taken() {
        let syn = segment(99, TcpFlags::SYN, "forged");
        let answer = |ack| Segment { ack: Some(SeqNumber(ack)), ..segment(499, TcpFlags::SYN | TcpFlags::ACK, "") };
        let mut refused = Bench::default();
        let _ = refused.send(FORWARD, syn);
        let _ = refused.send(REVERSE, answer(100));
        assert_eq!(refused.data(FORWARD, 100, "genuine").told()[0], "genuine");
        let mut taken = Bench::default();
        let _ = taken.send(FORWARD, syn);
        let _ = taken.send(REVERSE, answer(106));
        assert_eq!(taken.data(FORWARD, 106, "!").told()[0], "forged!");
    }

    #[test]
    fn an_acknowledgment_of_much_that_was_not_seen_needs_another() {
        let mut bench = Bench::default();
        bench.handshake().data(REVERSE, 500, "abc").ack(FORWARD, 8_000_000).wait(1000).data(REVERSE, 503, "def");
        assert_eq!(bench.told()[1], "abcdef");
        bench.ack(FORWARD, 9_000_000).ack(FORWARD, 9_000_100).wait(1000);
        assert_eq!(bench.told()[1], "abcdef<8999494>");
    }

    #[test]
    fn an_acknowledgment_that_is_taken_back_is_forged() {
        let mut bench = Bench::default();
        bench.handshake().data(REVERSE, 500, "abc").ack(FORWARD, 8_000_000).ack(FORWARD, 503);
        bench.wait(1000).data(REVERSE, 503, "def");
        assert_eq!(bench.told()[1], "abcdef");
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
