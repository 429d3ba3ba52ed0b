//! The chain over what a sensor stores: nothing of it can be changed, taken out or put elsewhere without its key.
//!
//! Every record has a sequence number, counted from 1 when it is spooled, and a hash: keyed, over that number, the hash
//! of the record before, and the record's exact octets. The key belongs to the installation, so who may write to the store
//! cannot make a chain that fits; whoever has the sensor's key can.
//!
//! What is not in the store has a [`Tombstone`] there: records that were never spooled ("dropped") are told of by a record of
//! the chain itself; a record that the store refused, or that a fault of the disk took, leaves its hash, with a seal that
//! only the sensor can make.

use std::fmt;

use serde::{Deserialize, Serialize};

mod verify;

pub use verify::{Expected, Finding, Kind, Link, Mark, Report, Verifier};

/// A hash of the chain.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Before the first record.
    pub const NONE: Self = Self([0; 32]);

    /// From 32 octets; anything else is nobody's hash.
    pub fn from_slice(octets: &[u8]) -> Self {
        octets.try_into().map_or(Self::NONE, Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key of an installation's chains.
#[derive(Clone)]
pub struct ChainKey([u8; 32]);

impl ChainKey {
    /// From [`Keys::chain`](crate::keys::Keys::chain).
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The hash of the record with this number.
    pub fn link(&self, sequence: u64, previous: Hash, json: &[u8]) -> Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&sequence.to_le_bytes());
        hasher.update(&previous.0);
        hasher.update(json);
        Hash(hasher.finalize().into())
    }

    /// The seal of a tombstone that stands for records which are not there: over where they stood in the chain, and why.
    pub fn seal(&self, last: u64, previous: Hash, hash: Hash, json: &[u8]) -> Hash {
        // A key of its own: no record's hash is a seal.
        let mut hasher = blake3::Hasher::new_keyed(&blake3::derive_key("apitap 2025 chain seal", &self.0));
        hasher.update(&last.to_le_bytes());
        hasher.update(&previous.0);
        hasher.update(&hash.0);
        hasher.update(json);
        Hash(hasher.finalize().into())
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey(..)")
    }
}

/// What stands in the chain for records that are not in the store. The form that is stored, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tombstone", rename_all = "snake_case")]
pub enum Tombstone {
    /// Records had no place in the spool. They never had a number; this has one.
    Dropped {
        /// How many since the one before.
        count: u64,
        /// How many since the spool was made.
        total: u64,
    },
    /// The store refused a record; it is in the file of dead letters.
    DeadLetter {
        /// Its number.
        first: u64,
        /// The same.
        last: u64,
        /// What the store said.
        reason: String,
    },
    /// Spooled records cannot be read any more: the disk, or a hand.
    Lost {
        /// The first of them.
        first: u64,
        /// The last.
        last: u64,
    },
    /// So far the store had everything. It outlives what it stands for, whose time will be up.
    Checkpoint {
        /// When, in milliseconds since 1970. What was spooled later is not among it.
        at: i64,
        /// How long records are kept.
        retention_days: u32,
    },
}

impl Tombstone {
    /// What a tombstone's JSON begins with, and no revision's.
    const START: &[u8] = b"{\"tombstone\":";

    /// As it is stored.
    pub fn to_json(&self) -> Vec<u8> {
        // Numbers and text: there is nothing that could not be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The tombstone that a record is, unless it is a revision.
    pub fn parse(json: &[u8]) -> Option<Self> {
        json.starts_with(Self::START).then(|| serde_json::from_slice(json).ok()).flatten()
    }
}
