//! Tombstones and checkpoints as rows.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::chain::{ChainKey, Hash, Mark, Tombstone};

/// The table of what explains the gaps of chains, which [`MarkRow`]s go to.
pub const CHAIN_MARKS: &str = "chain_marks";

/// A row of [`CHAIN_MARKS`].
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct MarkRow {
    /// Name of the sensor whose chain it is.
    pub sensor: String,
    /// The last number it stands for.
    pub seq: u64,
    /// The hash before the first.
    pub previous: [u8; 32],
    /// The hash of the last.
    pub hash: [u8; 32],
    /// The sensor's seal.
    pub seal: [u8; 32],
    /// The JSON of a [`Tombstone`].
    pub record: String,
    /// Microseconds since 1970.
    pub ingested_at: i64,
}

impl MarkRow {
    /// The row of `tombstone`, which stands for records up to `seq`.
    pub fn seal(key: &ChainKey, sensor: &str, seq: u64, hashes: [Hash; 2], tombstone: &Tombstone, at: i64) -> Self {
        let [previous, hash] = hashes;
        let json = tombstone.to_json();
        let seal = key.seal(seq, previous, hash, &json).0;
        let record = String::from_utf8(json).unwrap_or_default();
        Self {
            sensor: sensor.to_owned(),
            seq,
            previous: previous.0,
            hash: hash.0,
            seal,
            record,
            ingested_at: at * 1000,
        }
    }
}

impl From<MarkRow> for Mark {
    fn from(row: MarkRow) -> Self {
        Self {
            last: row.seq,
            previous: Hash(row.previous),
            hash: Hash(row.hash),
            seal: Hash(row.seal),
            json: row.record.into_bytes(),
        }
    }
}
