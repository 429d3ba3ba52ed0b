//! The disclosure ledger: which ids a response has shown to whom.
//!
//! Lists show ids by the dozen, so this is written to far more often than anything else behind the workers, and read rarely.
//! Hence two tables of fixed size without pointers, each looked up in one line of the cache: to whom an id was shown last,
//! and to whom before. Most ids are shown to one only, and need no entry in the second.
//!
//! Bounds: [`HOLDERS`] and [`EARLIER`] entries, 6 MiB. Where a set is full, what was used longest ago in it is forgotten.
//! Ids and people are told apart by 32 and 30 bits of their hashes, so one in some hundred million is taken for another.

use std::hint::black_box;

use crate::visit::{Hash, Hashing};

/// Ids whose last holder is known.
const HOLDERS: usize = HOLDER_SETS * 8;
const HOLDER_SETS: usize = 1 << 16;

/// Pairs of an id and somebody it was shown to before its last holder.
const EARLIER: usize = EARLIER_SETS * 16;
const EARLIER_SETS: usize = 1 << 15;

/// The octets of both tables.
const OCTETS: usize = HOLDERS * size_of::<u64>() + EARLIER * size_of::<u32>();

/// Who was shown what.
pub(super) struct Ledger {
    /// Sets of ids with their last holder, the most recently used first; 0 is no entry.
    holders: Vec<[u64; 8]>,
    /// Sets of hashes of an id and somebody.
    earlier: Vec<[u32; 16]>,
    forgotten: u64,
    hashing: Hashing,
}

/// To whom an id was shown last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    who: u32,
    /// To how many it was shown: one, two, or more.
    count: u32,
}

/// From how many on they are several: the owner of a thing and one of the staff are not.
const SEVERAL: u32 = 3;

impl Holder {
    /// Whether it is `who`.
    pub(super) fn is(self, who: Hash) -> bool {
        self.who == short(who)
    }

    /// Whether nobody else was shown it.
    pub(super) fn is_only(self) -> bool {
        self.count == 1
    }

    /// Whether several were shown it, more than its owner and one of the staff.
    pub(super) fn is_one_of_several(self) -> bool {
        self.count == SEVERAL
    }
}

impl Ledger {
    pub(super) fn new(hashing: Hashing) -> Self {
        Self { holders: vec![[0; 8]; HOLDER_SETS], earlier: vec![[0; 16]; EARLIER_SETS], forgotten: 0, hashing }
    }

    /// Writes down that `ids` were shown to `who`.
    ///
    /// The sets of several ids are read before the first is written: so they come from memory together.
    pub(super) fn disclose(&mut self, who: Hash, ids: &[Hash]) {
        const TOGETHER: usize = 16;
        let holder = Holder { who: short(who), count: 1 };
        for ids in ids.chunks(TOGETHER) {
            black_box(ids.iter().fold(0, |read, id| read ^ front(&self.holders, place::<HOLDER_SETS>(*id).0)));
            let mut moved = [(0, 0); TOGETHER];
            let mut len = 0;
            for id in ids {
                if let Some(before) = self.hold(*id, holder)
                    && let Some(entry) = moved.get_mut(len)
                {
                    *entry = place::<EARLIER_SETS>(self.pair(before, *id));
                    len += 1;
                }
            }
            let moved = moved.get(..len).unwrap_or_default();
            black_box(moved.iter().fold(0, |read, (number, _)| read ^ front(&self.earlier, *number)));
            for (number, tag) in moved {
                self.note_earlier(*number, *tag);
            }
        }
    }

    /// Makes `holder` the last that `id` was shown to, and says who was it before, if somebody else.
    fn hold(&mut self, id: Hash, holder: Holder) -> Option<u32> {
        let (number, tag) = place::<HOLDER_SETS>(id);
        let (pair, earlier) = (self.pair(holder.who, id), &self.earlier);
        let set = self.holders.get_mut(number)?;
        match set.iter().position(|entry| tag_of(*entry) == tag) {
            Some(at) => {
                to_front(set, at);
                let before = holder_of(set[0]);
                if before.who == holder.who {
                    return None;
                }
                let is_new = before.is_only() || before.count < SEVERAL && !has(earlier, pair);
                set[0] =
                    entry(tag, Holder { count: before.count + u32::from(is_new && before.count < SEVERAL), ..holder });
                Some(before.who)
            }
            None => {
                to_front(set, 7);
                self.forgotten += u64::from(set[0] != 0);
                set[0] = entry(tag, holder);
                None
            }
        }
    }

    /// To whom `id` was shown last, if to anybody.
    pub(super) fn holder(&self, id: Hash) -> Option<Holder> {
        let (number, tag) = place::<HOLDER_SETS>(id);
        self.holders.get(number)?.iter().find(|entry| tag_of(**entry) == tag).map(|entry| holder_of(*entry))
    }

    /// Whether `id` was shown to `who`.
    pub(super) fn was_shown(&self, who: Hash, id: Hash) -> bool {
        let Some(holder) = self.holder(id) else { return false };
        holder.is(who) || !holder.is_only() && has(&self.earlier, self.pair(short(who), id))
    }

    /// Octets of the tables.
    pub(super) fn footprint(&self) -> usize {
        OCTETS
    }

    /// How many entries made room for others.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn note_earlier(&mut self, number: usize, tag: u32) {
        let Some(set) = self.earlier.get_mut(number) else { return };
        let at = set.iter().position(|known| *known == tag);
        to_front(set, at.unwrap_or(15));
        if at.is_none() {
            self.forgotten += u64::from(set[0] != 0);
            set[0] = tag;
        }
    }

    fn pair(&self, who: u32, id: Hash) -> Hash {
        self.hashing.hash_all([Hash(who.into()), id])
    }
}

/// Whether a pair is among the earlier ones.
fn has(earlier: &[[u32; 16]], pair: Hash) -> bool {
    let (number, tag) = place::<EARLIER_SETS>(pair);
    earlier.get(number).is_some_and(|set| set.contains(&tag))
}

/// The first entry of a set.
fn front<T: Copy + Into<u64>, const WAYS: usize>(sets: &[[T; WAYS]], number: usize) -> u64 {
    sets.get(number).map_or(0, |set| set[0].into())
}

/// Moves what stands at `at` to the front, and what stood before it one place back.
fn to_front<T: Copy, const WAYS: usize>(set: &mut [T; WAYS], at: usize) {
    let at = at.min(WAYS - 1);
    let moved = set[at];
    for place in (0..at).rev() {
        set[place + 1] = set[place];
    }
    set[0] = moved;
}

/// The set an id belongs to, and what tells it apart there; never 0.
fn place<const SETS: usize>(id: Hash) -> (usize, u32) {
    // Hashes are even enough; the numbers of tests are not.
    let mixed = id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> (64 - SETS.trailing_zeros())) as usize, (mixed as u32).max(1))
}

fn short(who: Hash) -> u32 {
    (who.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 34) as u32
}

fn entry(tag: u32, holder: Holder) -> u64 {
    u64::from(tag) << 32 | u64::from(holder.who) << 2 | u64::from(holder.count)
}

fn tag_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

fn holder_of(entry: u64) -> Holder {
    Holder { who: entry as u32 >> 2, count: entry as u32 & 3 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ledger() -> Ledger {
        Ledger::new(Hashing::new([1; 32]))
    }

    #[test]
    fn an_id_moves_on_and_stays_with_those_who_had_it() {
        let mut ledger = ledger();
        let [ann, bob, eve] = [2, 4, 6].map(|number| Hashing::new([1; 32]).hash(&[number]));
        let id = Hash(17);
        assert_eq!(ledger.holder(id), None);
        ledger.disclose(ann, &[id]);
        ledger.disclose(ann, &[id]);
        assert!(ledger.holder(id).is_some_and(|holder| holder.is_only() && holder.is(ann)));
        ledger.disclose(bob, &[id]);
        assert!(ledger.holder(id).is_some_and(|holder| !holder.is_only() && holder.is(bob)));
        assert_eq!([ann, bob, eve].map(|who| ledger.was_shown(who, id)), [true, true, false]);
        ledger.disclose(ann, &[id]);
        assert_eq!([ann, bob, eve].map(|who| ledger.was_shown(who, id)), [true, true, false]);
        assert!(!ledger.was_shown(ann, Hash(18)));
        assert_eq!(ledger.forgotten(), 0);
    }

    #[test]
    fn what_was_used_longest_ago_is_forgotten_and_counted() {
        let mut ledger = ledger();
        let who = Hash(9);
        let many = 2 * HOLDERS as u64;
        (0..many).for_each(|id| ledger.disclose(who, &[Hash(id)]));
        let known = (0..many).filter(|id| ledger.was_shown(who, Hash(*id))).count() as u64;
        assert_eq!(ledger.forgotten() + known, many);
        assert!((many - 1_000..many).all(|id| ledger.was_shown(who, Hash(id))));
        assert!(!(0..1_000).any(|id| ledger.was_shown(who, Hash(id))));
    }

    proptest! {
        #[test]
        fn it_knows_what_a_set_of_pairs_would_know(shown in prop::collection::vec((0_u64..6, 0_u64..40), 0..300)) {
            let mut ledger = ledger();
            let hash = |number: u64| Hashing::new([1; 32]).hash(&number.to_le_bytes());
            for (who, id) in &shown {
                ledger.disclose(hash(*who), &[hash(1_000 + id)]);
            }
            for (who, id) in (0..6).flat_map(|who| (0..40).map(move |id| (who, id))) {
                let is_known = shown.contains(&(who, id));
                prop_assert_eq!(ledger.was_shown(hash(who), hash(1_000 + id)), is_known);
                let mut holders = shown.iter().filter(|(_, known)| *known == id).map(|(who, _)| *who);
                let count = holders.clone().collect::<std::collections::BTreeSet<_>>().len().min(SEVERAL as usize);
                if holders.next_back() == Some(who) {
                    prop_assert_eq!(ledger.holder(hash(1_000 + id)).map(|holder| holder.count as usize), Some(count));
                }
            }
        }
    }
}
