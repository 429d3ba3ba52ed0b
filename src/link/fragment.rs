//! IP fragments, put together again (RFC 791 section 3.2, RFC 8200 section 4.5), within a budget.
//!
//! Octets that came first stay. Fragments that repeat what is there are common (retransmission, mirrored twice); ones that
//! contradict it are an attack on whoever reassembles: hosts disagree about IPv4, so both are kept as one packet and counted,
//! and TCP's checksum has the last word; IPv6 says that the whole packet must go (RFC 5722), and so it does.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Serialize;

use super::ip::{Fragment, Packet, Version};
use super::{Address, Overlay};
use crate::time::{Span, Timestamp};

/// How much may be held.
#[derive(Clone, Copy, Debug)]
pub struct FragmentLimits {
    /// Packets being put together at once.
    pub packets: usize,
    /// Octets they may take, the holes between fragments included.
    pub octets: usize,
    /// How long a packet is waited for, from its first fragment on.
    pub timeout: Span,
}

impl Default for FragmentLimits {
    /// 1,024 packets and 16 MiB; 30 seconds, as Linux waits.
    fn default() -> Self {
        Self { packets: 1024, octets: 16 << 20, timeout: Span::from_secs(30) }
    }
}

/// Counts of the reassembly. A fragment is a frame: it completes a packet, is merged into one, held, or dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FragmentCounters {
    /// Packets that became whole.
    pub packets_reassembled: u64,
    /// Fragments whose octets contradict others that came before them.
    pub fragments_conflicting: u64,
    /// Fragments that became part of a whole packet, not counting each packet's last to come.
    pub frames_merged: u64,
    /// Fragments of packets that are being put together.
    pub frames_held: u64,
    /// Fragments that had nothing new.
    pub frames_dropped_fragment_duplicate: u64,
    /// Fragments with impossible offsets or lengths, and those of IPv6 packets with contradictions.
    pub frames_dropped_fragment_malformed: u64,
    /// Fragments that the snap length cut off: their packet cannot become whole.
    pub frames_dropped_fragment_snapped: u64,
    /// Fragments whose packet did not become whole in time.
    pub frames_dropped_fragment_timeout: u64,
    /// Fragments whose packet had to make room for newer ones.
    pub frames_dropped_fragment_evicted: u64,
}

impl FragmentCounters {
    /// All fragments that were dropped.
    pub fn frames_dropped(&self) -> u64 {
        self.frames_dropped_fragment_duplicate
            + self.frames_dropped_fragment_malformed
            + self.frames_dropped_fragment_snapped
            + self.frames_dropped_fragment_timeout
            + self.frames_dropped_fragment_evicted
    }

    /// Adds another one's counts.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            packets_reassembled,
            fragments_conflicting,
            frames_merged,
            frames_held,
            frames_dropped_fragment_duplicate,
            frames_dropped_fragment_malformed,
            frames_dropped_fragment_snapped,
            frames_dropped_fragment_timeout,
            frames_dropped_fragment_evicted,
        } = other;
        self.packets_reassembled += packets_reassembled;
        self.fragments_conflicting += fragments_conflicting;
        self.frames_merged += frames_merged;
        self.frames_held += frames_held;
        self.frames_dropped_fragment_duplicate += frames_dropped_fragment_duplicate;
        self.frames_dropped_fragment_malformed += frames_dropped_fragment_malformed;
        self.frames_dropped_fragment_snapped += frames_dropped_fragment_snapped;
        self.frames_dropped_fragment_timeout += frames_dropped_fragment_timeout;
        self.frames_dropped_fragment_evicted += frames_dropped_fragment_evicted;
    }
}

/// What became of a fragment.
#[derive(Clone, Copy)]
pub(super) enum Offered<'a> {
    /// It made its packet whole.
    Whole(Packet<'a>),
    /// It waits for others.
    Held,
    /// It is of no use.
    Dropped,
}

/// Puts fragments together.
#[derive(Default)]
pub(super) struct Defragmenter {
    limits: FragmentLimits,
    counters: FragmentCounters,
    numbers: HashMap<Key, u64, ahash::RandomState>,
    /// By age: packets are numbered as their first fragment comes, and all are waited for equally long.
    packets: BTreeMap<u64, Partial>,
    next_number: u64,
    /// Octets held by `packets`.
    octets: usize,
    /// The payload of the last packet that became whole.
    whole: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    overlay: Overlay,
    version: Version,
    src: Address,
    dst: Address,
    identification: u32,
    /// Part of the key in IPv4 only: the fragments of an IPv6 packet need not agree on it.
    protocol: u8,
}

/// Shows how much is held, and not what.
impl fmt::Debug for Defragmenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Defragmenter")
            .field("counters", &self.counters)
            .field("packets", &self.packets.len())
            .field("octets", &self.octets)
            .finish_non_exhaustive()
    }
}

impl Defragmenter {
    pub(super) fn new(limits: FragmentLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    pub(super) fn counters(&self) -> FragmentCounters {
        self.counters
    }

    /// Takes a fragment that came at `now`.
    pub(super) fn offer(
        &mut self,
        now: Timestamp,
        overlay: Overlay,
        packet: &Packet<'_>,
        fragment: Fragment,
    ) -> Offered<'_> {
        self.expire(now);
        let key = Key {
            overlay,
            version: fragment.version,
            src: packet.src,
            dst: packet.dst,
            identification: fragment.identification,
            protocol: if fragment.version == Version::V4 { packet.protocol } else { 0 },
        };
        if packet.payload.len() < packet.wire_len {
            self.counters.frames_dropped_fragment_snapped += 1;
            return Offered::Dropped;
        }
        let number = *self.numbers.entry(key).or_insert(self.next_number);
        if number == self.next_number {
            self.next_number += 1;
            self.packets.insert(number, Partial::new(key, now));
        }
        let Some(partial) = self.packets.get_mut(&number) else { return Offered::Dropped };
        let before = partial.footprint();
        let added = partial.add(fragment, packet);
        self.octets = self.octets + partial.footprint() - before;
        match added {
            Added::New { conflict } => {
                partial.fragments += 1;
                self.counters.frames_held += 1;
                self.counters.fragments_conflicting += u64::from(conflict);
            }
            Added::Nothing { conflict } => {
                self.counters.frames_dropped_fragment_duplicate += 1;
                self.counters.fragments_conflicting += u64::from(conflict);
                return Offered::Dropped;
            }
            Added::Impossible => {
                self.counters.frames_dropped_fragment_malformed += 1;
                if partial.fragments == 0 && !partial.rejected {
                    self.remove(number);
                }
                return Offered::Dropped;
            }
            Added::Rejected { held } => {
                self.counters.fragments_conflicting += 1;
                self.counters.frames_held -= held;
                self.counters.frames_dropped_fragment_malformed += held + 1;
                return Offered::Dropped;
            }
        }
        if partial.is_whole() { self.hand_out(number, packet) } else { self.make_room(number) }
    }

    fn hand_out(&mut self, number: u64, last: &Packet<'_>) -> Offered<'_> {
        let Some(partial) = self.remove(number) else { return Offered::Dropped };
        self.counters.packets_reassembled += 1;
        self.counters.frames_held -= partial.fragments;
        self.counters.frames_merged += partial.fragments - 1;
        self.whole = partial.octets;
        Offered::Whole(Packet {
            protocol: partial.protocol,
            payload: &self.whole,
            wire_len: self.whole.len(),
            fragment: None,
            ..*last
        })
    }

    /// Drops packets that have waited too long.
    fn expire(&mut self, now: Timestamp) {
        while let Some((&number, partial)) = self.packets.first_key_value() {
            if now.since(partial.since) < self.limits.timeout {
                return;
            }
            let dropped = self.forget(number);
            self.counters.frames_dropped_fragment_timeout += dropped;
        }
    }

    /// Drops the oldest packets while there is too much, if need be the one that `number` has just been added to.
    fn make_room(&mut self, number: u64) -> Offered<'_> {
        while self.packets.len() > self.limits.packets || self.octets > self.limits.octets {
            let Some((&oldest, _)) = self.packets.first_key_value() else { break };
            let dropped = self.forget(oldest);
            self.counters.frames_dropped_fragment_evicted += dropped;
        }
        if self.packets.contains_key(&number) { Offered::Held } else { Offered::Dropped }
    }

    /// Removes a packet that will not become whole, and returns how many of its fragments were held.
    fn forget(&mut self, number: u64) -> u64 {
        let held = self.remove(number).map_or(0, |partial| partial.fragments);
        self.counters.frames_held -= held;
        held
    }

    fn remove(&mut self, number: u64) -> Option<Partial> {
        let partial = self.packets.remove(&number)?;
        self.numbers.remove(&partial.key);
        self.octets -= partial.footprint();
        Some(partial)
    }
}

/// The largest payload a packet can have.
const LARGEST_PAYLOAD: usize = 65_535;

/// Fragments begin at, and all but the last end at, a multiple of this.
const UNIT: usize = 8;

/// A packet of which fragments have come.
struct Partial {
    key: Key,
    since: Timestamp,
    /// What the payload is, once the first fragment has come.
    protocol: u8,
    /// Up to the furthest octet that has come.
    octets: Vec<u8>,
    /// A bit for each unit that has come.
    present: Vec<u64>,
    units_present: usize,
    /// The payload's length, once the last fragment has come.
    len: Option<usize>,
    /// Fragments held.
    fragments: u64,
    /// An IPv6 packet with contradictions: nothing more of it is taken until it has been forgotten.
    rejected: bool,
}

/// What a fragment brought.
enum Added {
    New { conflict: bool },
    Nothing { conflict: bool },
    Impossible,
    Rejected { held: u64 },
}

impl Partial {
    fn new(key: Key, since: Timestamp) -> Self {
        Self {
            key,
            since,
            protocol: key.protocol,
            octets: Vec::new(),
            present: Vec::new(),
            units_present: 0,
            len: None,
            fragments: 0,
            rejected: false,
        }
    }

    fn add(&mut self, fragment: Fragment, packet: &Packet<'_>) -> Added {
        let payload = packet.payload;
        let end = fragment.offset + payload.len();
        let ends_between_units = fragment.more && !payload.len().is_multiple_of(UNIT);
        if self.rejected || payload.is_empty() || ends_between_units || end > LARGEST_PAYLOAD {
            return Added::Impossible;
        }
        // The first to say how long the packet is, is believed; what does not fit is not.
        if self.len.is_some_and(|len| end > len || (!fragment.more && end != len))
            || (!fragment.more && end < self.octets.len())
        {
            return Added::Impossible;
        }
        if self.octets.len() < end {
            self.octets.resize(end, 0);
            self.present.resize(end.div_ceil(UNIT).div_ceil(64), 0);
        }
        let (mut new, mut conflict) = (false, false);
        let places = self.octets.get_mut(fragment.offset..).unwrap_or_default().chunks_mut(UNIT);
        for (unit, (octets, place)) in (fragment.offset / UNIT..).zip(payload.chunks(UNIT).zip(places)) {
            let Some(word) = self.present.get_mut(unit / 64) else { break };
            let bit = 1 << (unit % 64);
            let place = place.get_mut(..octets.len()).unwrap_or_default();
            if *word & bit != 0 {
                conflict |= place != octets;
            } else {
                *word |= bit;
                self.units_present += 1;
                place.copy_from_slice(octets);
                new = true;
            }
        }
        if conflict && fragment.version == Version::V6 {
            return self.reject();
        }
        if fragment.offset == 0 {
            self.protocol = packet.protocol;
        }
        if !fragment.more && self.len.is_none() {
            self.len = Some(end);
            new = true;
        }
        if new { Added::New { conflict } } else { Added::Nothing { conflict } }
    }

    fn reject(&mut self) -> Added {
        self.rejected = true;
        (self.octets, self.present) = (Vec::new(), Vec::new());
        Added::Rejected { held: std::mem::take(&mut self.fragments) }
    }

    fn is_whole(&self) -> bool {
        self.len.is_some_and(|len| self.units_present == len.div_ceil(UNIT))
    }

    /// How many octets of memory it takes, about.
    fn footprint(&self) -> usize {
        self.octets.capacity() + self.present.capacity() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::super::Checksum;
    use super::*;
    use proptest::prelude::*;

    const UDP: u8 = 17;

    fn packet(payload: &[u8]) -> Packet<'_> {
        Packet {
            src: Address::v4([10, 0, 0, 1]),
            dst: Address::v4([10, 0, 0, 2]),
            protocol: UDP,
            payload,
            wire_len: payload.len(),
            checksum: Checksum::Valid,
            fragment: None,
        }
    }

    fn part(identification: u32, offset: usize, more: bool) -> Fragment {
        Fragment { version: Version::V4, identification, offset, more }
    }

    /// Offers a fragment at a time in seconds; the payload if that made the packet whole.
    fn offer(defragmenter: &mut Defragmenter, seconds: i64, fragment: Fragment, payload: &[u8]) -> Option<Vec<u8>> {
        let now = Timestamp::from_parts(seconds, 0);
        match defragmenter.offer(now, Overlay::NONE, &packet(payload), fragment) {
            Offered::Whole(whole) => Some(whole.payload.to_vec()),
            Offered::Held | Offered::Dropped => None,
        }
    }

    fn check_books(defragmenter: &Defragmenter, offered: u64) {
        let counters = defragmenter.counters();
        let accounted =
            counters.packets_reassembled + counters.frames_merged + counters.frames_held + counters.frames_dropped();
        assert_eq!(accounted, offered, "{counters:?}");
        assert_eq!(counters.frames_held, defragmenter.packets.values().map(|partial| partial.fragments).sum::<u64>());
        assert_eq!(defragmenter.octets, defragmenter.packets.values().map(Partial::footprint).sum::<usize>());
        assert_eq!(defragmenter.numbers.len(), defragmenter.packets.len());
    }

    #[test]
    fn any_order() {
        let parts: [(usize, bool, &[u8]); 3] = [(0, true, b"abcdefgh"), (8, true, b"ijklmnop"), (16, false, b"qrs")];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut defragmenter = Defragmenter::default();
            let mut whole = None;
            for index in order {
                assert_eq!(whole, None);
                let (offset, more, payload) = parts[index];
                whole = offer(&mut defragmenter, 0, part(7, offset, more), payload);
            }
            assert_eq!(whole.as_deref(), Some(b"abcdefghijklmnopqrs".as_slice()), "{order:?}");
            check_books(&defragmenter, 3);
            assert_eq!(defragmenter.octets, 0);
        }
    }

    #[test]
    fn packets_do_not_mix() {
        let mut defragmenter = Defragmenter::default();
        assert_eq!(offer(&mut defragmenter, 0, part(1, 0, true), b"11111111"), None);
        assert_eq!(offer(&mut defragmenter, 0, part(2, 8, false), b"2"), None);
        let six = Fragment { version: Version::V6, ..part(1, 8, false) };
        assert_eq!(offer(&mut defragmenter, 0, six, b"6"), None);
        assert_eq!(offer(&mut defragmenter, 0, part(1, 8, false), b"1").as_deref(), Some(b"111111111".as_slice()));
        check_books(&defragmenter, 4);
    }

    #[test]
    fn what_came_first_stays() {
        let mut defragmenter = Defragmenter::default();
        offer(&mut defragmenter, 0, part(1, 0, true), b"goodgood");
        offer(&mut defragmenter, 0, part(1, 0, true), b"evilevilnext8oct");
        assert_eq!(
            offer(&mut defragmenter, 0, part(1, 16, false), b".").as_deref(),
            Some(b"goodgoodnext8oct.".as_slice())
        );
        assert_eq!(defragmenter.counters().fragments_conflicting, 1);
        check_books(&defragmenter, 3);
    }

    #[test]
    fn contradiction_rejects_an_ipv6_packet() {
        let six = |offset, more| Fragment { version: Version::V6, ..part(1, offset, more) };
        let mut defragmenter = Defragmenter::default();
        assert_eq!(offer(&mut defragmenter, 0, six(0, true), b"goodgood"), None);
        assert_eq!(offer(&mut defragmenter, 0, six(0, true), b"evilevil"), None);
        assert_eq!(offer(&mut defragmenter, 0, six(0, true), b"goodgood"), None);
        assert_eq!(offer(&mut defragmenter, 0, six(8, false), b"."), None);
        check_books(&defragmenter, 4);
        assert_eq!(defragmenter.counters().frames_dropped_fragment_malformed, 4);
        // After the time-out the identification may be used again.
        assert_eq!(offer(&mut defragmenter, 31, six(0, true), b"goodgood"), None);
        assert!(offer(&mut defragmenter, 31, six(8, false), b".").is_some());
        check_books(&defragmenter, 6);
    }

    #[test]
    fn a_repeated_fragment_is_no_contradiction() {
        let six = |offset, more| Fragment { version: Version::V6, ..part(1, offset, more) };
        let mut defragmenter = Defragmenter::default();
        offer(&mut defragmenter, 0, six(0, true), b"goodgood");
        offer(&mut defragmenter, 0, six(0, true), b"goodgood");
        assert!(offer(&mut defragmenter, 0, six(8, false), b".").is_some());
        assert_eq!(defragmenter.counters().frames_dropped_fragment_duplicate, 1);
        check_books(&defragmenter, 3);
    }

    #[test]
    fn impossible_fragments() {
        let mut defragmenter = Defragmenter::default();
        // No octets; not whole units; past the largest packet.
        offer(&mut defragmenter, 0, part(1, 0, true), b"");
        offer(&mut defragmenter, 0, part(1, 0, true), b"seven--");
        offer(&mut defragmenter, 0, part(1, 65_528, false), b"eight---");
        assert!(defragmenter.packets.is_empty());
        // Past the end that another one has told, another end, and an end before what is there.
        offer(&mut defragmenter, 0, part(1, 8, false), b"end");
        offer(&mut defragmenter, 0, part(1, 8, true), b"eight---");
        offer(&mut defragmenter, 0, part(1, 8, false), b"en");
        offer(&mut defragmenter, 0, part(2, 16, true), b"eight---");
        offer(&mut defragmenter, 0, part(2, 8, false), b"end");
        assert_eq!(defragmenter.counters().frames_dropped_fragment_malformed, 6);
        check_books(&defragmenter, 8);
    }

    #[test]
    fn time_is_bounded() {
        let mut defragmenter = Defragmenter::default();
        offer(&mut defragmenter, 0, part(1, 0, true), b"11111111");
        offer(&mut defragmenter, 20, part(2, 0, true), b"22222222");
        assert_eq!(offer(&mut defragmenter, 30, part(1, 8, false), b"1"), None);
        assert_eq!(defragmenter.counters().frames_dropped_fragment_timeout, 1);
        assert!(offer(&mut defragmenter, 49, part(2, 8, false), b"2").is_some());
        check_books(&defragmenter, 4);
    }

    #[test]
    fn space_is_bounded_and_the_oldest_goes_first() {
        let limits = FragmentLimits { packets: 2, ..FragmentLimits::default() };
        let mut defragmenter = Defragmenter::new(limits);
        for identification in 1..=3 {
            offer(&mut defragmenter, 0, part(identification, 0, true), b"eight---");
        }
        assert_eq!(offer(&mut defragmenter, 0, part(1, 8, false), b"."), None);
        assert!(offer(&mut defragmenter, 0, part(3, 8, false), b".").is_some());
        check_books(&defragmenter, 5);

        // Far offsets cost what they make the sensor reserve.
        let limits = FragmentLimits { octets: 1 << 20, ..FragmentLimits::default() };
        let mut defragmenter = Defragmenter::new(limits);
        for identification in 0..1000 {
            offer(&mut defragmenter, 0, part(identification, 65_520, true), b"eight---");
            assert!(defragmenter.octets <= limits.octets);
        }
        check_books(&defragmenter, 1000);
        assert!(defragmenter.counters().frames_dropped_fragment_evicted > 900);
    }

    /// What a fragment is to the oracle: where, its octets, whether more follow.
    type Piece = (usize, Vec<u8>, bool);

    /// Reassembles by looking every octet up in the list of fragments, oldest first.
    #[derive(Default)]
    struct Oracle {
        taken: Vec<Piece>,
    }

    impl Oracle {
        fn offer(&mut self, piece: Piece) -> Option<Vec<u8>> {
            let end = |(offset, octets, _): &Piece| offset + octets.len();
            let told = self.taken.iter().find(|(_, _, more)| !more).map(end);
            let furthest = self.taken.iter().map(end).max().unwrap_or(0);
            let last = !piece.2;
            let fits = told.is_none_or(|told| if last { end(&piece) == told } else { end(&piece) <= told });
            if !fits || (last && end(&piece) < furthest) || (!last && !piece.1.len().is_multiple_of(8)) {
                return None;
            }
            self.taken.push(piece);
            let len = self.taken.iter().find(|(_, _, more)| !more).map(end)?;
            let whole: Option<Vec<u8>> = (0..len)
                .map(|at| {
                    self.taken.iter().find_map(|(offset, octets, _)| octets.get(at.checked_sub(*offset)?).copied())
                })
                .collect();
            if whole.is_some() {
                self.taken.clear();
            }
            whole
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_oracle(
            pieces in proptest::collection::vec((0..6_usize, 1..30_usize, any::<u8>(), 0..4_u8), 1..40),
        ) {
            let mut defragmenter = Defragmenter::default();
            let mut oracle = Oracle::default();
            let mut offered = 0;
            for (unit, len, octet, kind) in pieces {
                let more = kind > 0;
                // Mostly whole units, so that packets do become whole.
                let len = if more && kind < 3 { len.next_multiple_of(8) } else { len };
                let octets = vec![octet; len];
                offered += 1;
                let whole = offer(&mut defragmenter, 0, part(1, unit * 8, more), &octets);
                prop_assert_eq!(whole, oracle.offer((unit * 8, octets, more)));
                check_books(&defragmenter, offered);
            }
        }
    }
}
