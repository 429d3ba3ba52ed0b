//! The flow table: one entry for each connection, found by its addresses, bounded, expired by capture time.
//!
//! Generic over what an entry holds. Two rules keep it cheap and exact. *Nothing scans it*: what is to happen later
//! stands in one heap of deadlines, where an entry has at most one live deadline, checked again when it comes (a flow
//! that went on being used simply gets a later one). *Who must make room* is read off the same heap: the entry whose
//! deadline comes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ahash::RandomState;
use hashbrown::HashTable;

use crate::link::{Overlay, Segment, Socket};
use crate::time::Timestamp;

/// What tells one connection from another: its overlay and both sockets, in an order of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    overlay: Overlay,
    low: Socket,
    high: Socket,
}

impl FlowKey {
    /// The key of the connection that a segment belongs to.
    pub fn of(segment: &Segment<'_>) -> Self {
        let (low, high) =
            if segment.src <= segment.dst { (segment.src, segment.dst) } else { (segment.dst, segment.src) };
        Self { overlay: segment.overlay, low, high }
    }
}

/// An entry's place in the table; tells apart what stood in the same place before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowId {
    slot: u32,
    generation: u32,
}

/// The table.
#[derive(Debug)]
pub struct FlowTable<T> {
    /// Slot numbers by key; keys stand in the slots alone.
    index: HashTable<u32>,
    /// Keyed at random, so that no sender of packets can aim at one bucket.
    hasher: RandomState,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    deadlines: BinaryHeap<Reverse<(Timestamp, FlowId)>>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    entry: Option<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    key: FlowKey,
    /// The deadline in the heap that counts; [`Timestamp::MAX`] when there is none.
    armed: Timestamp,
    value: T,
}

impl<T> Default for FlowTable<T> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            hasher: RandomState::new(),
            slots: Vec::new(),
            free: Vec::new(),
            deadlines: BinaryHeap::new(),
        }
    }
}

impl<T> FlowTable<T> {
    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no flow.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The flow with that key.
    pub fn find(&self, key: &FlowKey) -> Option<FlowId> {
        let slot = *self.index.find(self.hasher.hash_one(key), |slot| {
            self.slots[*slot as usize].entry.as_ref().is_some_and(|entry| entry.key == *key)
        })?;
        Some(FlowId { slot, generation: self.slots[slot as usize].generation })
    }

    /// Adds a flow; there must be none with that key.
    pub fn insert(&mut self, key: FlowKey, value: T) -> FlowId {
        debug_assert!(self.find(&key).is_none());
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, entry: None });
            (self.slots.len() - 1) as u32
        });
        self.slots[slot as usize].entry = Some(Entry { key, armed: Timestamp::MAX, value });
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index.insert_unique(hasher.hash_one(key), slot, |slot| {
            slots[*slot as usize].entry.as_ref().map_or(0, |entry| hasher.hash_one(entry.key))
        });
        FlowId { slot, generation: self.slots[slot as usize].generation }
    }

    /// What a flow holds; `None` when it is gone.
    pub fn get_mut(&mut self, id: FlowId) -> Option<&mut T> {
        self.entry_mut(id).map(|entry| &mut entry.value)
    }

    /// Takes a flow out.
    pub fn remove(&mut self, id: FlowId) -> Option<T> {
        let entry = self.slots.get_mut(id.slot as usize)?;
        if entry.generation != id.generation {
            return None;
        }
        let Entry { key, value, .. } = entry.entry.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        if let Ok(found) = self.index.find_entry(self.hasher.hash_one(key), |slot| *slot == id.slot) {
            found.remove();
        }
        self.free.push(id.slot);
        Some(value)
    }

    /// Sees to it that the flow's deadline comes at `deadline` at the latest. It may come earlier.
    pub fn arm(&mut self, id: FlowId, deadline: Timestamp) {
        let Some(entry) = self.entry_mut(id) else { return };
        if deadline < entry.armed {
            entry.armed = deadline;
            self.deadlines.push(Reverse((deadline, id)));
            self.compact();
        }
    }

    /// Whether a deadline has come at `now`.
    #[inline]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.deadlines.peek().is_some_and(|Reverse((deadline, _))| *deadline <= now)
    }

    /// The next flow whose deadline has come at `now`, with the deadline. The flow has none then until it is armed again.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<(FlowId, Timestamp)> {
        while self.is_due(now) {
            let Reverse((deadline, id)) = self.deadlines.pop()?;
            if let Some(entry) = self.entry_mut(id)
                && entry.armed == deadline
            {
                entry.armed = Timestamp::MAX;
                return Some((id, deadline));
            }
        }
        None
    }

    /// The ids of all flows, in no order that means anything.
    pub fn ids(&self) -> Vec<FlowId> {
        let ids = self.slots.iter().enumerate().filter(|(_, slot)| slot.entry.is_some());
        ids.map(|(slot, Slot { generation, .. })| FlowId { slot: slot as u32, generation: *generation }).collect()
    }

    fn entry_mut(&mut self, id: FlowId) -> Option<&mut Entry<T>> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation == id.generation { slot.entry.as_mut() } else { None }
    }

    /// Drops deadlines of flows that are gone once they are the larger part of the heap, so that many short connections
    /// do not pile up what none of them needs any more.
    fn compact(&mut self) {
        if self.deadlines.len() > 2 * self.index.len() + 1024 {
            let slots = &self.slots;
            self.deadlines.retain(|Reverse((deadline, id))| {
                let slot = &slots[id.slot as usize];
                slot.generation == id.generation && slot.entry.as_ref().is_some_and(|entry| entry.armed == *deadline)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Address;
    use crate::time::Timestamp;

    fn key(n: u32) -> FlowKey {
        let socket = |octets, port| Socket { address: Address::v4(octets), port };
        FlowKey { overlay: Overlay::NONE, low: socket(n.to_be_bytes(), 1), high: socket([10, 0, 0, 1], 80) }
    }

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn finds_what_was_inserted_and_forgets_what_was_removed() {
        let mut table = FlowTable::default();
        let ids: Vec<_> = (0..1000).map(|n| table.insert(key(n), n)).collect();
        assert_eq!(table.find(&key(7)), Some(ids[7]));
        assert_eq!(table.remove(ids[7]), Some(7));
        assert_eq!((table.find(&key(7)), table.remove(ids[7])), (None, None));
        assert_eq!(table.get_mut(ids[7]), None);
        let again = table.insert(key(7), 70);
        assert_ne!(again, ids[7]);
        assert_eq!(table.get_mut(ids[7]), None);
        assert_eq!(table.len(), 1000);
    }

    #[test]
    fn deadlines_come_in_order_and_once() {
        let mut table = FlowTable::default();
        let (a, b) = (table.insert(key(1), ()), table.insert(key(2), ()));
        table.arm(a, at(50));
        table.arm(b, at(40));
        table.arm(a, at(30));
        table.arm(a, at(90));
        assert_eq!(table.pop_due(at(29)), None);
        assert_eq!(table.pop_due(at(60)), Some((a, at(30))));
        assert_eq!(table.pop_due(at(60)), Some((b, at(40))));
        assert_eq!(table.pop_due(at(99)), None);
        table.arm(a, at(70));
        table.remove(a);
        assert_eq!(table.pop_due(at(99)), None);
    }

    #[test]
    fn short_flows_leave_no_deadlines_behind() {
        let mut table = FlowTable::default();
        for n in 0..100_000 {
            let id = table.insert(key(n), ());
            table.arm(id, at(1_000_000));
            table.remove(id);
        }
        assert!(table.deadlines.len() <= 2048 && table.slots.len() == 1);
    }
}
