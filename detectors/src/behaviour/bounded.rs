//! A map that holds a bounded number of things, and forgets what was used longest ago.

use std::collections::HashMap;
use std::hash::Hash;

use ahash::RandomState;

/// At most `limit` entries. A new one takes the place of the one that was used longest ago, so what is forgotten depends on
/// the order of use alone, never on how keys hash.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    places: HashMap<K, u32, RandomState>,
    entries: Vec<Entry<K, V>>,
    /// The most and the least recently used.
    first: u32,
    last: u32,
    limit: usize,
    forgotten: u64,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    newer: u32,
    older: u32,
}

/// No entry.
const NONE: u32 = u32::MAX;

impl<K: Copy + Eq + Hash, V> Bounded<K, V> {
    /// An empty map for at most `limit` entries, at least one and at most 2³¹.
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.clamp(1, 1 << 31);
        Self { places: HashMap::default(), entries: Vec::new(), first: NONE, last: NONE, limit, forgotten: 0 }
    }

    /// The value of `key`, made anew if there is none, and used now.
    pub(crate) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.places.get(&key) {
            Some(at) => {
                let at = *at;
                if at != self.first {
                    self.unlink(at);
                    self.link_first(at);
                }
                at
            }
            None => {
                let at = self.place(key, make());
                self.link_first(at);
                at
            }
        };
        &mut self.entries[at as usize].value
    }

    /// The value of `key`, which this does not use.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.places.get(key).and_then(|at| self.entries.get(*at as usize)).map(|entry| &entry.value)
    }

    /// The value of `key`, which this does not use.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = *self.places.get(key)?;
        self.entries.get_mut(at as usize).map(|entry| &mut entry.value)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many entries made room for others.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Entries from the most recently used one on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut at = self.first;
        std::iter::from_fn(move || {
            let entry = self.entries.get(at as usize)?;
            at = entry.older;
            Some((&entry.key, &entry.value))
        })
    }

    /// A place for a new entry, which is not linked yet.
    fn place(&mut self, key: K, value: V) -> u32 {
        let entry = Entry { key, value, newer: NONE, older: NONE };
        let at = if self.entries.len() < self.limit {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        } else {
            let at = self.last;
            self.unlink(at);
            self.places.remove(&self.entries[at as usize].key);
            self.entries[at as usize] = entry;
            self.forgotten += 1;
            at
        };
        self.places.insert(key, at);
        at
    }

    fn unlink(&mut self, at: u32) {
        let Entry { newer, older, .. } = self.entries[at as usize];
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.first = older,
        }
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.last = newer,
        }
    }

    fn link_first(&mut self, at: u32) {
        let first = std::mem::replace(&mut self.first, at);
        match self.entries.get_mut(first as usize) {
            Some(entry) => entry.newer = at,
            None => self.last = at,
        }
        let entry = &mut self.entries[at as usize];
        (entry.newer, entry.older) = (NONE, first);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn forgets_what_was_used_longest_ago(keys in prop::collection::vec(0_u8..12, 0..200), limit in 1_usize..8) {
            let mut bounded = Bounded::new(limit);
            let mut oracle: Vec<(u8, u32)> = Vec::new();
            for key in keys {
                *bounded.entry(key, || 0) += 1_u32;
                let count = oracle.iter().position(|(known, _)| *known == key).map_or(0, |at| oracle.remove(at).1);
                oracle.insert(0, (key, count + 1));
                oracle.truncate(limit);
                let held: Vec<_> = bounded.iter().map(|(key, count)| (*key, *count)).collect();
                prop_assert_eq!(&held, &oracle);
                prop_assert_eq!(bounded.len(), oracle.len());
                prop_assert_eq!(bounded.get(&key), Some(&oracle[0].1));
            }
        }
    }
}
