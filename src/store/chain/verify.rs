//! Whether what the store has is what the sensor wrote.

use std::collections::BTreeMap;
use std::fmt;

use super::{ChainKey, Hash, Tombstone};

/// How many doubtful records are compared with every place that one could have come from.
const PUZZLE: usize = 500;

/// A record as the store has it.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its number.
    pub sequence: u64,
    /// The hash of the one before.
    pub previous: Hash,
    /// Its own.
    pub hash: Hash,
    /// The exact octets.
    pub json: Vec<u8>,
    /// Whether the columns beside it say what it says.
    pub agrees: bool,
}

/// A tombstone or a checkpoint as the store has it.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The last number it stands for.
    pub last: u64,
    /// The hash before the first.
    pub previous: Hash,
    /// The hash of the last.
    pub hash: Hash,
    /// A seal, unless it is a record of the chain itself.
    pub seal: Hash,
    /// The exact octets of a [`Tombstone`].
    pub json: Vec<u8>,
}

/// What holds of some records. In the order of how bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// They are there as they were written.
    Intact,
    /// They are gone because their time was up.
    Expired,
    /// The same is there more than once, until the store merges it.
    Repeated,
    /// The store refused them; they are in the file of dead letters.
    DeadLettered,
    /// They never had a place in the spool.
    Dropped,
    /// The disk or a hand took them from the spool.
    Lost,
    /// They are gone.
    Deleted,
    /// They are not what was written.
    Changed,
    /// They were written, but with another number.
    Reordered,
    /// They were never written by this sensor.
    Forged,
    /// The last ones are gone.
    TailMissing,
}

impl Kind {
    /// All, in order.
    pub const ALL: [Self; 11] = [
        Self::Intact,
        Self::Expired,
        Self::Repeated,
        Self::DeadLettered,
        Self::Dropped,
        Self::Lost,
        Self::Deleted,
        Self::Changed,
        Self::Reordered,
        Self::Forged,
        Self::TailMissing,
    ];

    /// Whether somebody had a hand in it.
    pub fn is_tampering(self) -> bool {
        self >= Self::Deleted
    }

    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Expired => "expired",
            Self::Repeated => "repeated",
            Self::DeadLettered => "dead-lettered",
            Self::Dropped => "dropped",
            Self::Lost => "lost",
            Self::Deleted => "deleted",
            Self::Changed => "changed",
            Self::Reordered => "reordered",
            Self::Forged => "forged",
            Self::TailMissing => "tail missing",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What holds of a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// The first number.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// Everything that was found about the chain of one sensor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records by what holds of them. Those that were dropped never had numbers.
    pub counts: BTreeMap<Kind, u64>,
    /// What is not intact, in the order of numbers.
    pub findings: Vec<Finding>,
    /// The last number that is known to have been written.
    pub head: u64,
}

impl Report {
    /// How many.
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// Whether somebody had a hand in it.
    pub fn is_tampered(&self) -> bool {
        self.counts.iter().any(|(kind, count)| kind.is_tampering() && *count > 0)
    }
}

/// Something of the chain that the marks explain.
#[derive(Clone, Copy, Debug)]
struct Explained {
    last: u64,
    hash: Hash,
    kind: Kind,
}

/// What is known before the records are looked at: marks whose seals fit.
#[derive(Debug)]
pub struct Expected {
    key: ChainKey,
    explained: BTreeMap<u64, Explained>,
    /// Records up to this number may be gone because their time was up.
    expired: u64,
    /// Checkpoints: the last record, and when that was spooled.
    checkpoints: Vec<(u64, i64)>,
    /// The shortest time that records were ever kept for, in days.
    retention_days: u32,
    /// The last number that is known to have been stored.
    head: u64,
    dropped: u64,
    forged: Vec<u64>,
}

impl Expected {
    /// From the marks of a sensor, in any order, as of `now` in milliseconds since 1970.
    pub fn new(key: ChainKey, marks: &[Mark], now: i64) -> Self {
        let mut expected = Self {
            key,
            explained: BTreeMap::new(),
            expired: 0,
            checkpoints: Vec::new(),
            retention_days: u32::MAX,
            head: 0,
            dropped: 0,
            forged: Vec::new(),
        };
        marks.iter().for_each(|mark| expected.take(mark));
        // A shorter time was for what was there already as well.
        let oldest = now.saturating_sub(i64::from(expected.retention_days) * 86_400_000);
        let is_over = |(_, at): &&(u64, i64)| *at <= oldest;
        expected.expired = expected.checkpoints.iter().filter(is_over).map(|(last, _)| *last).max().unwrap_or(0);
        expected.forged.sort_unstable();
        expected.forged.dedup();
        expected
    }

    /// Takes in that records up to `sequence` were in the store once.
    pub fn stored_up_to(&mut self, sequence: u64) {
        self.head = self.head.max(sequence);
    }

    fn take(&mut self, mark: &Mark) {
        let Mark { last, previous, hash, seal, json } = mark;
        let is_sealed = *seal == self.key.seal(*last, *previous, *hash, json);
        let explain = |first, kind| (first, Explained { last: *last, hash: *hash, kind });
        let (first, explained) = match Tombstone::parse(json) {
            Some(Tombstone::Dropped { count, .. }) if *hash == self.key.link(*last, *previous, json) => {
                if !self.explained.contains_key(last) {
                    self.dropped += count;
                }
                explain(*last, Kind::Dropped)
            }
            Some(Tombstone::DeadLetter { first, .. }) if is_sealed => explain(first, Kind::DeadLettered),
            Some(Tombstone::Lost { first, .. }) if is_sealed => explain(first, Kind::Lost),
            Some(Tombstone::Checkpoint { at, retention_days }) if is_sealed => {
                self.head = self.head.max(*last);
                self.checkpoints.push((*last, at));
                self.retention_days = self.retention_days.min(retention_days);
                return;
            }
            _ => return self.forged.push(*last),
        };
        self.head = self.head.max(*last);
        self.explained.insert(first, explained);
    }
}

/// Looks at the records of one sensor in the order of their numbers.
#[derive(Debug)]
pub struct Verifier {
    expected: Expected,
    /// The number that should come next.
    next: u64,
    /// The hash of the record before it, where that is known for certain.
    before: Option<Hash>,
    /// The record that was looked at last.
    latest: Option<(u64, Hash)>,
    /// Records that are not what was written at their number.
    doubtful: Vec<Link>,
    report: Report,
}

impl Verifier {
    /// One that has seen nothing.
    pub fn new(expected: Expected) -> Self {
        let mut verifier = Self {
            next: 1,
            before: Some(Hash::NONE),
            latest: None,
            doubtful: Vec::new(),
            report: Report::default(),
            expected,
        };
        let dropped = verifier.expected.dropped;
        *verifier.report.counts.entry(Kind::Dropped).or_default() += dropped;
        for sequence in std::mem::take(&mut verifier.expected.forged) {
            verifier.find(Kind::Forged, sequence, sequence);
        }
        verifier
    }

    /// Looks at the next record. Numbers never fall.
    pub fn record(&mut self, link: Link) {
        let Link { sequence, previous, hash, .. } = link;
        if sequence < self.next {
            let kind = if self.latest == Some((sequence, hash)) { Kind::Repeated } else { Kind::Forged };
            return self.find(kind, sequence, sequence);
        }
        self.gap(sequence, Kind::Deleted);
        self.next = sequence + 1;
        self.latest = Some((sequence, hash));
        let is_authentic = hash == self.expected.key.link(sequence, previous, &link.json);
        if !is_authentic {
            self.before = None;
            self.doubtful.push(link);
            return;
        }
        let follows = self.before.is_none_or(|before| before == previous);
        self.before = Some(hash);
        let kind = match (follows, link.agrees) {
            // It is the sensor's, and so is the one before, but they do not belong to one chain.
            (false, _) => Kind::Forged,
            (true, false) => Kind::Changed,
            (true, true) => Kind::Intact,
        };
        self.find(kind, sequence, sequence);
    }

    /// All records were looked at.
    pub fn finish(mut self) -> Report {
        let head = self.expected.head.max(self.next.saturating_sub(1));
        self.gap(head + 1, Kind::TailMissing);
        self.settle_doubts();
        self.report.head = head;
        self.report.findings.sort_by_key(|finding| (finding.first, finding.kind));
        self.report
    }

    /// What lies between the last record and the one of `sequence`. What nothing explains is `otherwise`.
    fn gap(&mut self, sequence: u64, otherwise: Kind) {
        while self.next < sequence {
            let first = self.next;
            if let Some(Explained { last, hash, kind }) = self.expected.explained.get(&first).copied() {
                let last = last.clamp(first, sequence - 1);
                self.before = Some(hash);
                self.next = last + 1;
                // What was dropped had no number, and was counted.
                if kind == Kind::Dropped {
                    self.report.findings.push(Finding { kind, first, last });
                } else {
                    self.find(kind, first, last);
                }
                continue;
            }
            let explained = self.expected.explained.range(first..).next().map_or(u64::MAX, |(first, _)| *first);
            let mut last = explained.min(sequence) - 1;
            let kind = if first <= self.expected.expired { Kind::Expired } else { otherwise };
            if kind == Kind::Expired {
                last = last.min(self.expected.expired);
            }
            self.before = None;
            self.next = last + 1;
            self.find(kind, first, last);
        }
    }

    /// Records with a number that is not theirs were reordered; others were changed.
    fn settle_doubts(&mut self) {
        let doubtful = std::mem::take(&mut self.doubtful);
        let mut places: Vec<u64> = doubtful.iter().map(|link| link.sequence).take(PUZZLE).collect();
        let is_gap = |finding: &&Finding| matches!(finding.kind, Kind::Deleted | Kind::TailMissing);
        for gap in self.report.findings.iter().filter(is_gap) {
            let room = PUZZLE.saturating_sub(places.len());
            places.extend((gap.first..=gap.last).take(room));
        }
        for (number, link) in doubtful.iter().enumerate() {
            let key = &self.expected.key;
            let is_from = |place: &u64| key.link(*place, link.previous, &link.json) == link.hash;
            let is_reordered = number < PUZZLE && places.iter().any(is_from);
            let kind = if is_reordered { Kind::Reordered } else { Kind::Changed };
            self.find(kind, link.sequence, link.sequence);
        }
    }

    fn find(&mut self, kind: Kind, first: u64, last: u64) {
        *self.report.counts.entry(kind).or_default() += last - first + 1;
        if kind == Kind::Intact {
            return;
        }
        match self.report.findings.last_mut() {
            Some(latest) if latest.kind == kind && (latest.last == first || latest.last + 1 == first) => {
                latest.last = last;
            }
            _ => self.report.findings.push(Finding { kind, first, last }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn key() -> ChainKey {
        ChainKey::new([3; 32])
    }

    fn chain(length: u64) -> Vec<Link> {
        let mut previous = Hash::NONE;
        let link = |sequence| {
            let json = format!("{{\"id\":{sequence}}}").into_bytes();
            let hash = key().link(sequence, previous, &json);
            Link { sequence, previous: std::mem::replace(&mut previous, hash), hash, json, agrees: true }
        };
        (1..=length).map(link).collect()
    }

    fn mark(links: &[Link], first: usize, last: usize, tombstone: &Tombstone) -> Mark {
        let (previous, hash, last) = (links[first - 1].previous, links[last - 1].hash, last as u64);
        let json = tombstone.to_json();
        Mark { last, previous, hash, seal: key().seal(last, previous, hash, &json), json }
    }

    fn verify(links: &[Link], marks: &[Mark], stored: u64) -> Report {
        let mut expected = Expected::new(key(), marks, 100 * DAY);
        expected.stored_up_to(stored);
        let mut verifier = Verifier::new(expected);
        links.iter().for_each(|link| verifier.record(link.clone()));
        verifier.finish()
    }

    fn found(report: &Report) -> Vec<(Kind, u64, u64)> {
        report.findings.iter().map(|finding| (finding.kind, finding.first, finding.last)).collect()
    }

    #[test]
    fn what_was_written_is_intact() {
        let report = verify(&chain(9), &[], 9);
        assert_eq!((report.count(Kind::Intact), report.head, report.is_tampered()), (9, 9, false));
        assert!(report.findings.is_empty());
        assert_eq!(verify(&[], &[], 0), Report { counts: [(Kind::Dropped, 0)].into(), ..Report::default() });
    }

    #[test]
    fn what_is_gone_is_deleted_and_at_the_end_the_tail_is_missing() {
        let mut links = chain(9);
        links.remove(2);
        let report = verify(&links[..6], &[], 9);
        assert_eq!(found(&report), [(Kind::Deleted, 3, 3), (Kind::TailMissing, 8, 9)]);
        assert!(report.is_tampered());
    }

    #[test]
    fn what_is_changed_is_told_from_what_is_reordered() {
        let mut links = chain(9);
        links[1].json[6] = b'8';
        links[3].agrees = false;
        let (fifth, sixth) = (links[4].clone(), links[5].clone());
        links[4] = Link { sequence: 5, ..sixth };
        links[5] = Link { sequence: 6, ..fifth };
        let report = verify(&links, &[], 9);
        assert_eq!(found(&report), [(Kind::Changed, 2, 2), (Kind::Changed, 4, 4), (Kind::Reordered, 5, 6)]);
        assert_eq!(report.count(Kind::Intact), 5);
    }

    #[test]
    fn a_record_of_another_key_is_not_ours_whatever_it_says() {
        let mut links = chain(3);
        links[1].hash = ChainKey::new([4; 32]).link(2, links[1].previous, &links[1].json);
        assert_eq!(found(&verify(&links, &[], 3)), [(Kind::Changed, 2, 2)]);
        // A copy of a record is harmless, another one with its number is not.
        let mut links = chain(3);
        links.insert(1, links[0].clone());
        assert_eq!(found(&verify(&links, &[], 3)), [(Kind::Repeated, 1, 1)]);
        links[1].hash = Hash([1; 32]);
        assert_eq!(found(&verify(&links, &[], 3)), [(Kind::Forged, 1, 1)]);
    }

    #[test]
    fn chains_that_do_not_belong_together_are_noticed() {
        let mut other = chain(2);
        other[1].json = b"{\"id\":99}".to_vec();
        other[1].hash = key().link(2, other[1].previous, &other[1].json);
        let links = [&other[..], &chain(4)[2..]].concat();
        assert_eq!(found(&verify(&links, &[], 4)), [(Kind::Forged, 3, 3)]);
    }

    #[test]
    fn tombstones_explain_what_is_not_there() {
        let links = chain(9);
        let dead = mark(&links, 3, 3, &Tombstone::DeadLetter { first: 3, last: 3, reason: "refused".to_owned() });
        let lost = mark(&links, 6, 8, &Tombstone::Lost { first: 6, last: 8 });
        let left: Vec<_> = links.iter().filter(|link| ![3, 6, 7, 8].contains(&link.sequence)).cloned().collect();
        let report = verify(&left, &[lost.clone(), dead.clone(), dead.clone()], 9);
        assert_eq!(found(&report), [(Kind::DeadLettered, 3, 3), (Kind::Lost, 6, 8)]);
        assert!(!report.is_tampered());
        // Nobody else can make one.
        let forged =
            Mark { json: Tombstone::DeadLetter { first: 3, last: 3, reason: "else".into() }.to_json(), ..dead };
        let report = verify(&left, &[lost, forged], 9);
        assert_eq!(found(&report), [(Kind::Deleted, 3, 3), (Kind::Forged, 3, 3), (Kind::Lost, 6, 8)]);
    }

    #[test]
    fn what_was_dropped_is_told_by_a_record_of_the_chain() {
        let mut links = chain(4);
        links[3].json = Tombstone::Dropped { count: 7, total: 7 }.to_json();
        links[3].hash = key().link(4, links[3].previous, &links[3].json);
        let Link { sequence: last, previous, hash, json, .. } = links.pop().unwrap();
        let told = Mark { last, previous, hash, seal: Hash::NONE, json };
        let report = verify(&links, std::slice::from_ref(&told), 4);
        assert_eq!((report.count(Kind::Dropped), report.head), (7, 4));
        assert_eq!(found(&report), [(Kind::Dropped, 4, 4)]);
        let more = Tombstone::Dropped { count: 1, total: 1 }.to_json();
        assert!(verify(&links, &[Mark { json: more, ..told }], 4).is_tampered());
    }

    #[test]
    fn what_is_older_than_a_checkpoint_may_have_expired() {
        let links = chain(9);
        let checkpoint = |last, at| mark(&links, 1, last, &Tombstone::Checkpoint { at, retention_days: 90 });
        let old = checkpoint(4, 10 * DAY);
        let young = checkpoint(6, 11 * DAY);
        let report = verify(&links[3..], &[old.clone(), young.clone()], 9);
        assert_eq!(found(&report), [(Kind::Expired, 1, 3)]);
        assert!(!report.is_tampered());
        let report = verify(&links[5..], &[young, old], 9);
        assert_eq!(found(&report), [(Kind::Expired, 1, 4), (Kind::Deleted, 5, 5)]);
    }
}
