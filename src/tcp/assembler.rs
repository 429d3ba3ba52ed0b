//! One direction of a connection: segments in, octets in order out.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use apitap_detectors::exchange::Octets;

use super::{Counters, EndReason, HoldBudget, SeqNumber, StreamEvent};

/// Puts the segments of one direction in order.
///
/// Positions are 64-bit and count octets of the stream, so only the step from a sequence number to a position has to
/// know about wrap-around. Where segments overlap, the octets that were seen first stand.
#[derive(Debug, Default)]
pub struct Assembler {
    /// Sequence number of the next octet to hand on; `None` until one is known.
    next: Option<SeqNumber>,
    /// Position of `next`.
    position: u64,
    /// Octets that came early, by position; pieces do not overlap, and all lie at or after `position`.
    held: BTreeMap<u64, Piece>,
    /// How many octets `held` has.
    held_octets: usize,
    /// Position of the FIN, once one was seen.
    fin: Option<u64>,
    ended: bool,
}

/// What keeping a piece takes beside its octets, in bytes: its place in the tree and two allocations, roughly.
const PIECE_COST: usize = 96;

/// A part of the stream that came early.
struct Piece {
    octets: Box<[u8]>,
    /// The acknowledgment number that came with them.
    ack: Option<SeqNumber>,
    /// How many further octets the snap length cut off.
    snapped: u32,
}

/// Shows how many octets there are, and not what they are.
impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { octets, ack, snapped } = self;
        f.debug_struct("Piece")
            .field("octets", &Octets::of(octets))
            .field("ack", ack)
            .field("snapped", snapped)
            .finish()
    }
}

impl Piece {
    fn len(&self) -> u64 {
        self.octets.len() as u64 + u64::from(self.snapped)
    }
}

/// What an assembler needs from its surroundings during a call.
pub struct Surroundings<'a, F> {
    /// What may be held.
    pub budget: &'a mut HoldBudget,
    /// What is counted.
    pub counters: &'a mut Counters,
    /// Takes the events, and with data the acknowledgment number that came with it.
    pub emit: F,
}

/// Whether overlapping segments told the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Overlap {
    /// They agree, or nothing overlapped that is still known.
    Consistent,
    /// They differ.
    Conflicting,
}

impl Assembler {
    /// Starts the stream at `seq` if its start is not known yet.
    pub fn start_at(&mut self, seq: SeqNumber) {
        self.next.get_or_insert(seq);
    }

    /// Forgets a start that carried nothing, for a SYN sent anew with another number.
    pub fn restart_at(&mut self, seq: SeqNumber) {
        debug_assert!(self.is_pristine());
        self.next = Some(seq);
    }

    /// Whether no octet was seen yet.
    pub fn is_pristine(&self) -> bool {
        self.position == 0 && self.held.is_empty() && !self.ended
    }

    /// Whether the end was told.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Position of the next octet to hand on.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Sequence number of the next octet to hand on.
    pub fn next(&self) -> Option<SeqNumber> {
        self.next
    }

    /// How many octets of the stream come before `ack`, from the first that is told; 0 for those before it.
    pub fn octets_before(&self, ack: SeqNumber) -> Option<u64> {
        Some((self.position as i64 + self.distance(ack)?).max(0) as u64)
    }

    /// How far `seq` lies after the next octet (before: negative); `None` when the start is not known.
    pub fn distance(&self, seq: SeqNumber) -> Option<i64> {
        Some(i64::from(seq.distance_from(self.next?)))
    }

    /// Whether octets wait for what is missing before them.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes a segment's payload, of which the last `snapped` octets were not captured.
    pub fn push<F: FnMut(StreamEvent<'_>, Option<SeqNumber>)>(
        &mut self,
        seq: SeqNumber,
        ack: Option<SeqNumber>,
        payload: &[u8],
        snapped: u32,
        around: &mut Surroundings<'_, F>,
    ) -> Overlap {
        let next = *self.next.get_or_insert(seq);
        let start = self.position as i64 + i64::from(seq.distance_from(next));
        let end = start + payload.len() as i64 + i64::from(snapped);
        if self.ended {
            around.counters.octets_dropped_after_end += payload.len() as u64;
            return Overlap::Consistent;
        }
        if end <= self.position as i64 {
            around.counters.octets_retransmitted += payload.len() as u64;
            return Overlap::Consistent;
        }
        // What was handed on already is cut off the front.
        let seen = (self.position as i64 - start).max(0) as usize;
        around.counters.octets_retransmitted += seen.min(payload.len()) as u64;
        let (payload, snapped) = match payload.get(seen..) {
            Some(rest) => (rest, snapped),
            None => (&[][..], snapped - (seen - payload.len()) as u32),
        };
        let start = start.max(self.position as i64) as u64;
        if start == self.position && self.held.is_empty() {
            self.deliver(payload, ack, snapped, around);
            self.end_if_complete(around);
            return Overlap::Consistent;
        }
        let overlap = self.hold(start, ack, payload, snapped, around);
        self.deliver_contiguous(around);
        while self.is_over_budget(around.budget) {
            around.counters.gaps_forced_budget += 1;
            self.skip_first_hole(around);
        }
        overlap
    }

    /// The sender ends the stream at `seq`.
    pub fn push_fin<F: FnMut(StreamEvent<'_>, Option<SeqNumber>)>(
        &mut self,
        seq: SeqNumber,
        around: &mut Surroundings<'_, F>,
    ) {
        let next = *self.next.get_or_insert(seq);
        let at = self.position as i64 + i64::from(seq.distance_from(next));
        if at >= self.position as i64 {
            self.fin.get_or_insert(at as u64);
        }
        self.end_if_complete(around);
    }

    /// Position of `seq` in the stream; `None` when it lies before what is next, or the start is not known.
    pub fn position_of(&self, seq: SeqNumber) -> Option<u64> {
        u64::try_from(self.position as i64 + self.distance(seq)?).ok().filter(|at| *at >= self.position)
    }

    /// Position behind the last octet that is held.
    pub fn held_until(&self) -> Option<u64> {
        self.held.last_key_value().map(|(at, piece)| at + piece.len())
    }

    /// End of the hole at the front when it lies before `limit`, a position up to which nothing more is expected: either
    /// the first octet that is held, or, with nothing held, `limit` itself.
    pub fn hole_before(&self, limit: u64) -> Option<u64> {
        if self.ended {
            return None;
        }
        let limit = self.fin.map_or(limit, |fin| limit.min(fin));
        match self.held.first_key_value() {
            Some((&first, _)) => (limit >= first).then_some(first),
            // One number past the last octet, and nothing behind it: most likely a FIN that was not captured.
            None if limit == self.position + 1 && self.fin.is_none() => None,
            None => (limit > self.position).then_some(limit),
        }
    }

    /// Gives up every hole before `limit`, and hands on what follows them.
    pub fn skip_holes<F: FnMut(StreamEvent<'_>, Option<SeqNumber>)>(
        &mut self,
        limit: u64,
        around: &mut Surroundings<'_, F>,
    ) {
        while let Some(end) = self.hole_before(limit) {
            self.skip_to(end, around);
        }
    }

    fn skip_to<F: FnMut(StreamEvent<'_>, Option<SeqNumber>)>(&mut self, end: u64, around: &mut Surroundings<'_, F>) {
        if end > self.position {
            self.gap(end - self.position, around);
            around.counters.gaps_found += 1;
        }
        self.deliver_contiguous(around);
    }

    fn skip_first_hole<F: FnMut(StreamEvent<'_>, Option<SeqNumber>)>(&mut self, around: &mut Surroundings<'_, F>) {
        if let Some((&first, _)) = self.held.first_key_value() {
            self.skip_to(first, around);
        }
    }

    /// Hands on all that is held, with gaps between and one up to `acked`, and ends the stream.
    pub fn finish<F: FnMut(StreamEvent<'_>, Option<SeqNumber>)>(
        &mut self,
        reason: EndReason,
        acked: Option<u64>,
        around: &mut Surroundings<'_, F>,
    ) {
        while !self.held.is_empty() {
            self.skip_first_hole(around);
        }
        if let Some(limit) = acked.max(self.fin) {
            self.skip_holes(limit, around);
        }
        if !self.ended {
            self.ended = true;
            (around.emit)(StreamEvent::End(reason), None);
        }
    }

    fn deliver<F: FnMut(StreamEvent<'_>, Option<SeqNumber>)>(
        &mut self,
        octets: &[u8],
        ack: Option<SeqNumber>,
        snapped: u32,
        around: &mut Surroundings<'_, F>,
    ) {
        if !octets.is_empty() {
            self.advance(octets.len() as u64);
            around.counters.octets_delivered += octets.len() as u64;
            (around.emit)(StreamEvent::Data(octets), ack);
        }
        if snapped > 0 {
            self.gap(u64::from(snapped), around);
        }
    }

    fn gap<F: FnMut(StreamEvent<'_>, Option<SeqNumber>)>(&mut self, len: u64, around: &mut Surroundings<'_, F>) {
        self.advance(len);
        around.counters.gap_octets += len;
        (around.emit)(StreamEvent::Gap(len), None);
    }

    fn advance(&mut self, octets: u64) {
        self.position += octets;
        // Sequence numbers count modulo 2^32, so the truncation is the arithmetic.
        self.next = self.next.map(|next| next.advance(octets as u32));
    }

    fn deliver_contiguous<F: FnMut(StreamEvent<'_>, Option<SeqNumber>)>(&mut self, around: &mut Surroundings<'_, F>) {
        while let Some(entry) = self.held.first_entry() {
            // A piece may begin in octets that a snapped segment has left out.
            let Some(seen) = self.position.checked_sub(*entry.key()) else { break };
            let piece = entry.remove();
            self.release(piece.octets.len(), around);
            let captured = piece.octets.len().min(usize::try_from(seen).unwrap_or(usize::MAX));
            let snapped = piece.len().saturating_sub(seen).min(u64::from(piece.snapped)) as u32;
            around.counters.octets_retransmitted += captured as u64;
            self.deliver(&piece.octets[captured..], piece.ack, snapped, around);
        }
        self.end_if_complete(around);
    }

    fn end_if_complete<F: FnMut(StreamEvent<'_>, Option<SeqNumber>)>(&mut self, around: &mut Surroundings<'_, F>) {
        if self.fin.is_some_and(|fin| self.position >= fin) && !self.ended {
            // Octets behind a FIN belong to nothing.
            for piece in std::mem::take(&mut self.held).into_values() {
                self.release(piece.octets.len(), around);
                around.counters.octets_dropped_after_end += piece.octets.len() as u64;
            }
            self.ended = true;
            (around.emit)(StreamEvent::End(EndReason::Fin), None);
        }
    }

    /// Keeps the parts of a segment that are not held yet, and compares those that are.
    fn hold<F>(
        &mut self,
        start: u64,
        ack: Option<SeqNumber>,
        octets: &[u8],
        snapped: u32,
        around: &mut Surroundings<'_, F>,
    ) -> Overlap {
        let mut overlap = Overlap::Consistent;
        let end = start + octets.len() as u64;
        let mut at = start;
        // The last piece that starts at or before the segment may reach into it.
        let from = self.held.range(..=start).next_back().map_or(start, |(&first, _)| first);
        let mut free = Vec::new();
        for (&first, piece) in self.held.range(from..end.max(start + 1)) {
            // What the snap length cut off may still come.
            let piece_end = first + piece.octets.len() as u64;
            if piece_end <= at {
                continue;
            }
            if first > at {
                free.push(at..first.min(end));
            }
            let both = first.max(start)..end.min(piece_end);
            if let Some(ours) = part(octets, start, both.start, both.end) {
                around.counters.octets_retransmitted += ours.len() as u64;
                let theirs = part(&piece.octets, first, both.start, both.end).unwrap_or_default();
                if !ours.iter().zip(theirs).all(|(ours, theirs)| ours == theirs) {
                    overlap = Overlap::Conflicting;
                }
            }
            at = at.max(piece_end);
        }
        if at < end {
            free.push(at..end);
        }
        if overlap == Overlap::Conflicting {
            around.counters.overlaps_conflicting += 1;
        }
        for range in free {
            let Some(part) = part(octets, start, range.start, range.end) else { continue };
            let snapped = self.snapped_behind(&range, if range.end == end { snapped } else { 0 });
            self.held_octets += part.len();
            around.budget.used += part.len() + PIECE_COST;
            around.counters.octets_held += part.len() as u64;
            self.held.insert(range.start, Piece { octets: part.into(), ack, snapped });
        }
        overlap
    }

    /// How many snapped octets lie behind those of `range`, which are about to be held: its own or those of the piece
    /// before it, whose part they take, and up to the next piece at most.
    fn snapped_behind(&mut self, range: &Range<u64>, snapped: u32) -> u32 {
        let mut snapped_until = range.end + u64::from(snapped);
        if let Some((&first, before)) = self.held.range_mut(..range.start).next_back() {
            snapped_until = snapped_until.max(first + before.len());
            let gap = range.start.saturating_sub(first + before.octets.len() as u64);
            before.snapped = before.snapped.min(u32::try_from(gap).unwrap_or(u32::MAX));
        }
        if let Some((&next, _)) = self.held.range(range.end..).next() {
            snapped_until = snapped_until.min(next);
        }
        u32::try_from(snapped_until.saturating_sub(range.end)).unwrap_or(u32::MAX)
    }

    fn release<F>(&mut self, octets: usize, around: &mut Surroundings<'_, F>) {
        self.held_octets -= octets;
        around.budget.used -= octets + PIECE_COST;
        around.counters.octets_held -= octets as u64;
    }

    fn is_over_budget(&self, budget: &HoldBudget) -> bool {
        !self.held.is_empty()
            && (self.held_octets > budget.per_direction
                || self.held.len() > budget.pieces
                || budget.used > budget.total)
    }
}

/// The octets of positions `from..to` out of a slice that starts at position `start`, as far as the slice has them.
fn part(octets: &[u8], start: u64, from: u64, to: u64) -> Option<&[u8]> {
    let from = usize::try_from(from.checked_sub(start)?).ok()?;
    let to = usize::try_from(to.checked_sub(start)?).ok()?.min(octets.len());
    octets.get(from..to).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What came out, with runs of data joined.
    #[derive(Debug, PartialEq, Clone)]
    enum Told {
        Data(Vec<u8>),
        Gap(u64),
        End(EndReason),
    }

    #[derive(Default)]
    struct Bench {
        assembler: Assembler,
        budget: HoldBudget,
        counters: Counters,
        told: Vec<Told>,
        conflicts: usize,
    }

    impl Bench {
        fn at(seq: u32) -> Self {
            let mut bench = Self::default();
            bench.assembler.start_at(SeqNumber(seq));
            bench
        }

        fn with<R>(
            &mut self,
            call: impl FnOnce(
                &mut Assembler,
                &mut Surroundings<'_, &mut dyn FnMut(StreamEvent<'_>, Option<SeqNumber>)>,
            ) -> R,
        ) -> R {
            let told = &mut self.told;
            let mut emit = |event: StreamEvent<'_>, _: Option<SeqNumber>| match (event, told.last_mut()) {
                (StreamEvent::Data(octets), Some(Told::Data(before))) => before.extend_from_slice(octets),
                (StreamEvent::Data(octets), _) => told.push(Told::Data(octets.to_vec())),
                (StreamEvent::Gap(len), Some(Told::Gap(before))) => *before += len,
                (StreamEvent::Gap(len), _) => told.push(Told::Gap(len)),
                (StreamEvent::End(reason), _) => told.push(Told::End(reason)),
            };
            let mut around = Surroundings {
                budget: &mut self.budget,
                counters: &mut self.counters,
                emit: &mut emit as &mut dyn FnMut(StreamEvent<'_>, Option<SeqNumber>),
            };
            call(&mut self.assembler, &mut around)
        }

        fn push(&mut self, seq: u32, octets: &[u8]) -> &mut Self {
            self.counters.octets_received += octets.len() as u64;
            if self.with(|assembler, around| assembler.push(SeqNumber(seq), None, octets, 0, around))
                == Overlap::Conflicting
            {
                self.conflicts += 1;
            }
            self
        }

        fn finish(&mut self) -> &mut Self {
            self.with(|assembler, around| assembler.finish(EndReason::CaptureEnd, None, around));
            self
        }

        fn is_balanced(&self) -> bool {
            let Counters {
                octets_received,
                octets_delivered,
                octets_retransmitted,
                octets_dropped_after_end,
                octets_held,
                ..
            } = self.counters;
            octets_received == octets_delivered + octets_retransmitted + octets_dropped_after_end + octets_held
                && octets_held as usize + self.assembler.held.len() * PIECE_COST == self.budget.used
        }
    }

    fn data(octets: &[u8]) -> Told {
        Told::Data(octets.to_vec())
    }

    #[test]
    fn early_octets_wait() {
        let mut bench = Bench::at(100);
        bench.push(103, b"def");
        assert_eq!(bench.told, []);
        assert_eq!(bench.push(100, b"abc").told, [data(b"abcdef")]);
        assert!(bench.is_balanced());
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut bench = Bench::at(u32::MAX - 1);
        bench.push(1, b"def").push(u32::MAX - 1, b"abc");
        assert_eq!(bench.told, [data(b"abcdef")]);
    }

    #[test]
    fn what_was_seen_first_stands() {
        let mut bench = Bench::at(0);
        bench.push(2, b"cd").push(0, b"abXXef");
        assert_eq!((&bench.told[..], bench.conflicts), (&[data(b"abcdef")][..], 1));
        bench.push(4, b"ZZgh");
        assert_eq!(bench.told, [data(b"abcdefgh")]);
        assert!(bench.is_balanced());
    }

    #[test]
    fn equal_overlaps_are_no_conflict() {
        let mut bench = Bench::at(0);
        bench.push(2, b"cd").push(2, b"cd").push(1, b"bcde").push(0, b"a");
        assert_eq!((&bench.told[..], bench.conflicts), (&[data(b"abcde")][..], 0));
        assert!(bench.is_balanced());
    }

    #[test]
    fn a_hole_is_an_event_in_its_place() {
        let mut bench = Bench::at(0);
        bench.push(0, b"ab").push(5, b"fg").push(9, b"jk").finish();
        let end = Told::End(EndReason::CaptureEnd);
        assert_eq!(bench.told, [data(b"ab"), Told::Gap(3), data(b"fg"), Told::Gap(2), data(b"jk"), end]);
        assert!(bench.is_balanced());
    }

    #[test]
    fn only_holes_before_the_limit_are_given_up() {
        let mut bench = Bench::at(0);
        bench.push(2, b"c").push(6, b"g");
        assert_eq!((bench.assembler.hole_before(1), bench.assembler.hole_before(3)), (None, Some(2)));
        bench.with(|assembler, around| assembler.skip_holes(3, around));
        assert_eq!(bench.told, [Told::Gap(2), data(b"c")]);
        assert!(bench.assembler.is_holding());
    }

    #[test]
    fn an_acknowledged_fin_that_was_not_captured_is_no_hole() {
        let mut bench = Bench::at(0);
        bench.push(0, b"ab");
        assert_eq!((bench.assembler.hole_before(3), bench.assembler.hole_before(4)), (None, Some(4)));
    }

    #[test]
    fn what_is_known_to_be_missing_at_the_end_is_a_gap() {
        let mut bench = Bench::at(0);
        bench.push(0, b"ab").with(|assembler, around| assembler.push_fin(SeqNumber(5), around));
        assert_eq!(bench.finish().told, [data(b"ab"), Told::Gap(3), Told::End(EndReason::Fin)]);
        let mut bench = Bench::at(0);
        bench.push(0, b"ab").with(|assembler, around| assembler.finish(EndReason::Idle, Some(6), around));
        assert_eq!(bench.told, [data(b"ab"), Told::Gap(4), Told::End(EndReason::Idle)]);
    }

    #[test]
    fn snapped_octets_are_a_gap_at_once() {
        let mut bench = Bench::at(0);
        let _ = bench.with(|assembler, around| assembler.push(SeqNumber(0), None, b"ab", 3, around));
        bench.push(5, b"f");
        assert_eq!(bench.told, [data(b"ab"), Told::Gap(3), data(b"f")]);
    }

    #[test]
    fn what_the_snap_length_cut_off_may_be_held_already() {
        let mut bench = Bench::at(0);
        bench.push(10, b"klmnopqrst");
        let _ = bench.with(|assembler, around| assembler.push(SeqNumber(0), None, b"abcde", 10, around));
        assert_eq!(bench.told, [data(b"abcde"), Told::Gap(5), data(b"klmnopqrst")]);
        let mut bench = Bench::at(0);
        let _ = bench.with(|assembler, around| assembler.push(SeqNumber(5), None, b"f", 10, around));
        bench.push(10, b"klmnopqrst").push(0, b"abcde").finish();
        assert!(
            bench.told.iter().any(|told| matches!(told, Told::Data(octets) if octets.ends_with(b"qrst"))),
            "{:?}",
            bench.told
        );
    }

    #[test]
    fn snapped_octets_end_where_others_are_held() {
        // A piece that is held lies in what another one lacks; it once was never handed on, and looked for for ever.
        let mut bench = Bench::at(0);
        bench.push(10, b"klmno");
        let _ = bench.with(|assembler, around| assembler.push(SeqNumber(2), None, b"cde", 20, around));
        bench.counters.octets_received += 3;
        assert_eq!(bench.assembler.hole_before(30), Some(2));
        bench.with(|assembler, around| assembler.skip_holes(15, around));
        assert_eq!(bench.told, [Told::Gap(2), data(b"cde"), Told::Gap(5), data(b"klmno")]);
        // What was snapped comes again, whole this time.
        let mut bench = Bench::at(0);
        let _ = bench.with(|assembler, around| assembler.push(SeqNumber(2), None, b"cde", 6, around));
        bench.counters.octets_received += 3;
        bench.push(7, b"hi").push(0, b"ab");
        assert_eq!(bench.told, [data(b"abcde"), Told::Gap(2), data(b"hi"), Told::Gap(2)]);
        assert!(bench.is_balanced());
    }

    #[test]
    fn a_fin_ends_the_stream_when_all_before_it_came() {
        let mut bench = Bench::at(0);
        bench.with(|assembler, around| assembler.push_fin(SeqNumber(3), around));
        assert_eq!(bench.told, []);
        bench.push(0, b"abcXX").push(3, b"late");
        assert_eq!(bench.told[1], Told::End(EndReason::Fin));
        assert_eq!(bench.told.len(), 2);
        assert!(bench.is_balanced());
    }

    #[test]
    fn budgets_hold_and_the_stream_goes_on() {
        let mut bench = Bench::at(0);
        bench.budget.pieces = 16;
        for n in 1..=1000 {
            bench.push(n * 10, b"x");
            assert!(bench.assembler.held.len() <= 16);
        }
        assert_eq!(bench.counters.gaps_forced_budget, 1000 - 16);
        bench.budget.per_direction = 64;
        bench.push(20_000, &[b'y'; 100]);
        assert!(bench.assembler.held_octets <= 64);
        assert!(bench.finish().is_balanced());
    }

    /// The stream that a receiver with endless patience would see: first octet for each place stands.
    fn oracle(segments: &[(usize, Vec<u8>)], len: usize) -> Vec<Option<u8>> {
        let mut stream = vec![None; len];
        let mut delivered = 0;
        for (start, octets) in segments {
            for (at, octet) in octets.iter().enumerate().map(|(n, octet)| (start + n, octet)) {
                if at >= delivered {
                    stream[at].get_or_insert(*octet);
                }
            }
            while delivered < len && stream[delivered].is_some() {
                delivered += 1;
            }
        }
        stream
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn snapped_segments_lose_nothing_else(
            segments in prop::collection::vec((0u32..200, prop::collection::vec(any::<u8>(), 0..40), 0u32..60), 0..40),
        ) {
            let mut bench = Bench::at(0);
            for (at, octets, snapped) in &segments {
                bench.counters.octets_received += octets.len() as u64;
                let _ = bench.with(|assembler, around| assembler.push(SeqNumber(*at), None, octets, *snapped, around));
                prop_assert!(bench.is_balanced());
            }
            bench.finish();
            prop_assert!(bench.is_balanced());
            prop_assert_eq!(bench.counters.octets_held, 0);
        }

        #[test]
        fn agrees_with_the_oracle(
            start in any::<u32>(),
            segments in prop::collection::vec((0usize..200, prop::collection::vec(any::<u8>(), 1..40)), 0..40),
        ) {
            let mut bench = Bench::at(start);
            for (at, octets) in &segments {
                bench.push(start.wrapping_add(*at as u32), octets);
                prop_assert!(bench.is_balanced());
            }
            bench.finish();
            prop_assert!(bench.is_balanced());
            let mut seen = Vec::new();
            for told in &bench.told {
                match told {
                    Told::Data(octets) => seen.extend(octets.iter().copied().map(Some)),
                    Told::Gap(len) => seen.extend((0..*len).map(|_| None)),
                    Told::End(_) => {}
                }
            }
            let mut expected = oracle(&segments, 240);
            expected.truncate(expected.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
            prop_assert_eq!(seen, expected);
        }
    }
}
