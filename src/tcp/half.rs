//! One direction of a connection, and what its receiver said of it.

use super::assembler::Assembler;
use super::{Counters, HoldBudget, SeqNumber};
use crate::link::Segment;
use crate::time::{Span, Timestamp};

/// How long a hole that the peer has acknowledged may still fill: an acknowledgment is sometimes captured before the
/// data it acknowledges. Capture reordering is milliseconds; this is far more, and far less than a person waits.
const ACKNOWLEDGED_HOLE_GRACE: Span = Span::from_millis(500);

/// How long a hole may still fill when no acknowledgment tells: a retransmission comes within a few seconds.
const SILENT_HOLE_GRACE: Span = Span::from_secs(5);

/// How far a segment may lie from what is expected: more than any window in use. Beyond, it was not written by the
/// connection's sender, or the sensor missed so much that only a second segment can tell.
pub(super) const WINDOW: i64 = 16 << 20;

/// How many octets of a stream may have been missed in one go, as far as a single acknowledgment is believed.
const MISSED_AT_ONCE: u64 = 1 << 20;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    pub(super) assembler: Assembler,
    /// Whether a segment came in this direction, with or without octets.
    pub(super) seen: bool,
    /// Initial sequence number, when a SYN was seen.
    pub(super) initial: Option<SeqNumber>,
    /// Octets that came in the SYN: the receiver may not have taken them (RFC 7413 section 4.2).
    pub(super) opening: Option<Box<Part<Box<[u8]>>>>,
    /// The highest acknowledgment from the receiver.
    pub(super) acked: Option<SeqNumber>,
    /// One that lies far beyond all that was captured: a second one has to agree that so much was missed.
    pub(super) acked_far: Option<SeqNumber>,
    /// The latest one. A receiver never goes back, so a lower one shows that the highest was not written by it.
    pub(super) acked_last: Option<SeqNumber>,
    /// Holes that the receiver has acknowledged.
    acked_holes: Option<Wait>,
    /// Holes that octets wait behind.
    silent_holes: Option<Wait>,
    /// End of the last segment that lay far outside of the window.
    pub(super) far: Option<SeqNumber>,
    pub(super) checksums: ChecksumTrust,
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
pub(super) enum ChecksumTrust {
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
pub(super) struct Part<T> {
    pub(super) seq: SeqNumber,
    pub(super) ack: Option<SeqNumber>,
    pub(super) octets: T,
    /// How many further octets the snap length cut off.
    pub(super) snapped: u32,
    pub(super) fin: bool,
}

impl<T: AsRef<[u8]>> std::fmt::Debug for Part<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} octets at {:?}", self.octets.as_ref().len(), self.seq)
    }
}

impl<'a> Part<&'a [u8]> {
    pub(super) fn of(segment: &Segment<'a>) -> Self {
        Self {
            // The SYN occupies the first sequence number.
            seq: segment.seq.advance(u32::from(segment.flags.syn())),
            ack: segment.ack,
            octets: segment.payload,
            snapped: segment.snapped,
            fin: segment.flags.fin(),
        }
    }

    /// Keeps it for later; it counts as held.
    pub(super) fn keep(self, budget: &mut HoldBudget, counters: &mut Counters) -> Box<Part<Box<[u8]>>> {
        let Self { seq, ack, octets, snapped, fin } = self;
        budget.used += octets.len();
        counters.octets_held += octets.len() as u64;
        Box::new(Part { seq, ack, octets: octets.into(), snapped, fin })
    }
}

impl Part<Box<[u8]>> {
    /// No longer counts as held.
    pub(super) fn release(&self, budget: &mut HoldBudget, counters: &mut Counters) -> Part<&[u8]> {
        let Self { seq, ack, ref octets, snapped, fin } = *self;
        budget.used -= octets.len();
        counters.octets_held -= octets.len() as u64;
        Part { seq, ack, octets, snapped, fin }
    }
}

impl<T: AsRef<[u8]>> Part<T> {
    pub(super) fn len(&self) -> u32 {
        self.octets.as_ref().len() as u32 + self.snapped
    }
}

impl Half {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let acked = self.acked_holes.map(|wait| wait.since + ACKNOWLEDGED_HOLE_GRACE);
        let silent = self.silent_holes.map(|wait| wait.since + SILENT_HOLE_GRACE);
        acked.into_iter().chain(silent).min()
    }

    /// Keeps book of since when there are holes.
    pub(super) fn watch_holes(&mut self, now: Timestamp) {
        let acked = self.acked_position();
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

    /// Positions up to which holes have waited long enough at `now`.
    pub(super) fn take_due(&mut self, now: Timestamp) -> impl Iterator<Item = u64> + use<> {
        let due = |wait: &mut Option<Wait>, grace| wait.take_if(|wait| wait.since + grace <= now);
        let acked = due(&mut self.acked_holes, ACKNOWLEDGED_HOLE_GRACE);
        let silent = due(&mut self.silent_holes, SILENT_HOLE_GRACE);
        if let (Some(acked), Some(last)) = (self.acked, self.acked_last)
            && last.distance_from(acked) < 0
        {
            self.acked = Some(last);
        }
        let credible = self.acked_position();
        let acked = acked.and_then(|wait| Some(wait.until.min(credible?)));
        acked.into_iter().chain(silent.map(|wait| wait.until))
    }

    /// Whether an acknowledgment may be the receiver's: no more than that was captured, give or take, or another one agrees.
    pub(super) fn is_credible_ack(&mut self, ack: SeqNumber) -> bool {
        let Some(acked) = self.assembler.position_of(ack) else { return true };
        let known = self.assembler.held_until().unwrap_or(0).max(self.assembler.position());
        if acked.saturating_sub(known) <= MISSED_AT_ONCE {
            return true;
        }
        let before = self.acked_far.replace(ack);
        before.is_some_and(|before| ack.distance_from(before) > 0 && i64::from(ack.distance_from(before)) <= WINDOW)
    }

    /// Up to where the receiver has acknowledged the stream, if that is further than was handed on.
    pub(super) fn acked_position(&self) -> Option<u64> {
        self.acked.and_then(|ack| self.assembler.position_of(ack))
    }

    pub(super) fn is_far(&self, seq: SeqNumber) -> bool {
        let Some(distance) = self.assembler.distance(seq) else { return false };
        if (-WINDOW..=WINDOW).contains(&distance) {
            return false;
        }
        self.acked.is_none_or(|acked| !(-WINDOW..=WINDOW).contains(&i64::from(seq.distance_from(acked))))
    }

    /// Whether a segment at `seq` without octets (an RST) is where the stream has got to: what the receiver expects, as far
    /// as can be known (RFC 5961 section 3.2 has receivers ask for an exact match).
    pub(super) fn is_next(&self, seq: SeqNumber) -> bool {
        self.assembler.distance(seq) == Some(0)
            || self.acked == Some(seq)
            || self.assembler.held_until().is_some_and(|until| self.assembler.position_of(seq) == Some(until))
    }

    /// A valid segment came after a doubtful one: the receiver dropped the doubtful one, and so does the sensor.
    pub(super) fn drop_doubtful(&mut self, budget: &mut HoldBudget, counters: &mut Counters) {
        if let ChecksumTrust::Doubtful(doubtful) = &self.checksums {
            counters.segments_dropped_checksum += 1;
            counters.octets_dropped_checksum += doubtful.release(budget, counters).octets.len() as u64;
        }
    }
}
