//! Whether the store has what a sensor wrote: the questions behind `apitap verify`.

use clickhouse::Client;
use clickhouse::error::Result;

use super::chain::{ChainKey, Expected, Hash, Link, Mark, Report, Verifier};
use super::marks::{CHAIN_MARKS, MarkRow};
use super::rows::{ALERT_REVISIONS, AlertRow, Record, SENSOR_HEARTBEATS};
use crate::time::Timestamp;

/// Records that are asked for at once.
const WINDOW: u64 = 5_000;

/// Looks at all that the store has of `sensor`, as of `now` in milliseconds since 1970. `stored` is the last number that the
/// sensor knows to be there; 0 when nobody knows. `tell` hears how far it is, and how far it goes.
pub async fn verify(
    client: &Client,
    sensor: &str,
    key: ChainKey,
    stored: u64,
    now: i64,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Report> {
    let sql = format!("SELECT ?fields FROM {CHAIN_MARKS} WHERE sensor = ? ORDER BY seq, record");
    let marks: Vec<MarkRow> = client.query(&sql).bind(sensor).fetch_all().await?;
    let marks: Vec<Mark> = marks.into_iter().map(Mark::from).collect();
    let mut expected = Expected::new(key, &marks, now);
    let newest = format!("SELECT max(seq) FROM {ALERT_REVISIONS} WHERE sensor = ?");
    let newest: u64 = client.query(&newest).bind(sensor).fetch_one().await?;
    let told = format!("SELECT max(chain_seq) FROM {SENSOR_HEARTBEATS} WHERE sensor = ?");
    let told: u64 = client.query(&told).bind(sensor).fetch_one().await?;
    expected.stored_up_to(stored.max(told));
    let mut verifier = Verifier::new(expected);
    let sql =
        format!("SELECT ?fields FROM {ALERT_REVISIONS} WHERE sensor = ? AND seq BETWEEN ? AND ? ORDER BY seq, hash");
    let mut first = 0;
    while first <= newest {
        let last = first.saturating_add(WINDOW - 1);
        let asked = client.query(&sql).bind(sensor).bind(first).bind(last);
        for row in asked.fetch_all::<AlertRow>().await? {
            verifier.record(link(&row));
        }
        tell(last.min(newest), newest);
        first = last.saturating_add(1);
        if last == u64::MAX {
            break;
        }
    }
    Ok(verifier.finish())
}

fn link(row: &AlertRow) -> Link {
    let record = Record {
        sensor: row.sensor.clone(),
        seq: row.seq,
        previous: row.previous,
        hash: row.hash,
        json: row.record.clone().into_bytes(),
        batch: row.batch,
        ingested_at: Timestamp::from_nanos(row.ingested_at.saturating_mul(1_000)),
    };
    Link {
        sequence: row.seq,
        previous: Hash(row.previous),
        hash: Hash(row.hash),
        agrees: AlertRow::of(&record).is_ok_and(|written| written == *row),
        json: record.json,
    }
}
