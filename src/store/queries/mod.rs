//! Questions about the history, and all the SQL they are asked with.
//!
//! A question for alerts is asked in two steps within one statement: a narrow table (or the main one, when nothing narrower
//! fits) says which rows are the latest states of the alerts, and the main table gives those rows alone. What a user wrote
//! never becomes part of a statement: it goes beside it, as parameters.

mod conditions;
mod filter;
mod follow;
mod stats;
mod status;
mod story;

pub use filter::{Filter, Network};
pub use follow::Follow;
pub use stats::{Bucket, Count, Pace, Stats, begun, stats};
pub use status::{Change, Status, change};
pub use story::{Candidates, Health, Story, by_prefix, story};

use std::cmp::Reverse;
use std::collections::HashMap;

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::DATABASE;
use super::rows::ALERT_REVISIONS;
use crate::alert::Revision;
use crate::time::Timestamp;
use conditions::Conditions;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The store does not answer, or answers with an error.
    #[error("the store gives no answer: {0}")]
    Store(#[from] clickhouse::error::Error),
    /// A record that is none of this version.
    #[error("the store holds a record that this version cannot read: {0}")]
    Record(#[from] serde_json::Error),
}

/// The latest state of an alert, and what people said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The state.
    pub revision: Revision,
    /// Its JSON as the sensor wrote it.
    pub record: String,
    /// When the sensor put it on disk.
    pub ingested_at: Timestamp,
    /// The latest of the status changes.
    pub change: Option<Change>,
}

impl Found {
    /// Where people stand with it.
    pub fn status(&self) -> Status {
        self.change.as_ref().map_or(Status::Open, |change| change.status)
    }
}

/// A record as it is read.
#[derive(Row, Deserialize)]
struct RecordRow {
    record: String,
    ingested_at: i64,
}

/// The columns of a [`RecordRow`].
const RECORD: &str = "record, toUnixTimestamp64Micro(ingested_at) AS ingested_at";

/// From the newest on, the first row of an alert is its latest state.
const NEWEST_FIRST: &str = "ORDER BY last_seen DESC, alert_id DESC, revision DESC";

/// The alerts that `filter` lets through, newest first.
pub async fn alerts(client: &Client, filter: &Filter) -> Result<Vec<Found>, QueryError> {
    // Most alerts have few revisions; told how few rows will do, the engine reads small blocks.
    let likely = u64::from(filter.limit).saturating_mul(16);
    let mut found = newest(client, filter, likely).await?;
    if found.len() < filter.limit as usize {
        found = newest(client, filter, ALL_ROWS).await?;
    }
    Ok(found)
}

/// Limits nothing, but has to be there: with a limit the engine reads rows in their order and no further than needed, without
/// one it reads all of them ahead (10 M rows: 300 ms in place of 20).
const ALL_ROWS: u64 = 1_000_000_000_000;

/// The alerts among the newest `rows` that `filter` lets through, newest first.
async fn newest(client: &Client, filter: &Filter, rows: u64) -> Result<Vec<Found>, QueryError> {
    let mut conditions = Conditions::default();
    let keys = filter.keys(&mut conditions);
    let [rows, limit] = [rows, filter.limit.into()].map(|limit| conditions.add(limit, "UInt64"));
    // Wide columns are read for the chosen rows only. They are not put in order here: told to, the engine would read them in
    // order as well, which takes twice the time.
    let sql = format!(
        "SELECT {RECORD} FROM {DATABASE}.{ALERT_REVISIONS} PREWHERE (last_seen, alert_id, revision) GLOBAL IN \
         (SELECT last_seen, alert_id, revision FROM ({keys} {NEWEST_FIRST} LIMIT {rows}) {NEWEST_FIRST} \
         LIMIT 1 BY alert_id LIMIT {limit})"
    );
    let mut found = found(client, conditions.bind(client.query_raw(&sql)).fetch_all().await?).await?;
    found.sort_by_key(|alert| Reverse((alert.revision.last_seen, alert.revision.id)));
    // One that was stored twice.
    found.dedup_by_key(|alert| alert.revision.id);
    Ok(found)
}

/// Adds to each record what people said about its alert.
async fn found(client: &Client, rows: Vec<RecordRow>) -> Result<Vec<Found>, QueryError> {
    let revisions = rows.iter().map(|row| serde_json::from_str(&row.record)).collect::<Result<Vec<Revision>, _>>()?;
    let ids: Vec<_> = revisions.iter().map(|revision| revision.id).collect();
    let latest: HashMap<_, _> = status::latest(client, &ids).await?;
    let found = revisions.into_iter().zip(rows).map(|(revision, row)| Found {
        change: latest.get(&revision.id).cloned(),
        revision,
        record: row.record,
        ingested_at: from_micros(row.ingested_at),
    });
    Ok(found.collect())
}

fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_nanos(micros.saturating_mul(1_000))
}
