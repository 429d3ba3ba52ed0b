//! What the writer asks of a store, once.

use std::collections::HashMap;
use std::time::Duration;

use clickhouse::{Client, Row, RowOwned, RowWrite};
use serde::Deserialize;
use tokio::time::timeout;

use super::fault::{Fault, Trouble};
use super::{Batch, Writer};
use crate::store::DATABASE;
use crate::store::marks::{CHAIN_MARKS, MarkRow};
use crate::store::rows::{ALERT_REVISIONS, AlertRow, HeartbeatRow, Record, SENSOR_HEARTBEATS};
use crate::store::schema;
use crate::store::spool::Spooled;
use crate::time::Timestamp;

/// How long a store has for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked.
pub(super) enum Job<'a> {
    /// To be there, and to have its tables.
    Greet,
    /// To take these.
    Rows { records: &'a [&'a Spooled], batch: &'a Batch },
    /// To take tombstones.
    Marks(&'a [MarkRow]),
    /// To take heartbeats.
    Beats(&'a [HeartbeatRow]),
    /// To have its views take in the records with these numbers, again if need be.
    Refill { first: u64, last: u64 },
    /// Which of the records with these numbers it has.
    Ask { first: u64, last: u64 },
}

/// What came of it.
pub(super) enum Outcome {
    /// It was taken.
    Done,
    /// Hashes of records that are there, by number.
    Present(HashMap<u64, Vec<[u8; 32]>>),
}

#[derive(Row, Deserialize)]
struct Present {
    seq: u64,
    hash: [u8; 32],
}

impl Writer {
    /// Tries `job` once.
    pub(super) async fn attempt(&mut self, job: &Job<'_>) -> Result<Outcome, Fault> {
        let slow = |_| Fault::Away(Trouble::Slow, format!("no answer within {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, self.try_once(job)).await.map_err(slow)?
    }

    async fn try_once(&mut self, job: &Job<'_>) -> Result<Outcome, Fault> {
        let client = self.connect().await?;
        match job {
            Job::Greet => {}
            Job::Rows { records, batch } => {
                let mut rows = Vec::with_capacity(records.len());
                for record in *records {
                    let row = AlertRow::of(&self.record(record, batch.id));
                    rows.push(row.map_err(|error| Fault::Refused(error.to_string()))?);
                }
                insert(&client, ALERT_REVISIONS, &rows, &batch.token()).await?;
            }
            Job::Marks(rows) => insert(&client, CHAIN_MARKS, rows, "").await?,
            Job::Beats(rows) => insert(&client, SENSOR_HEARTBEATS, rows, "").await?,
            Job::Refill { first, last } => {
                for statement in schema::refill(ALERT_REVISIONS, "sensor = ? AND seq BETWEEN ? AND ?") {
                    client.query(&statement).bind(&self.options.sensor).bind(first).bind(last).execute().await?;
                }
            }
            Job::Ask { first, last } => {
                let sql = format!("SELECT seq, hash FROM {ALERT_REVISIONS} WHERE sensor = ? AND seq BETWEEN ? AND ?");
                let asked = client.query(&sql).bind(&self.options.sensor).bind(first).bind(last);
                let mut present: HashMap<u64, Vec<[u8; 32]>> = HashMap::new();
                for Present { seq, hash } in asked.fetch_all().await? {
                    present.entry(seq).or_default().push(hash);
                }
                return Ok(Outcome::Present(present));
            }
        }
        Ok(Outcome::Done)
    }

    async fn connect(&mut self) -> Result<Client, Fault> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = self.options.target.connect()?;
        schema::apply(&client, self.options.retention_days).await?;
        let client = client.with_database(DATABASE);
        self.client = Some(client.clone());
        Ok(client)
    }

    fn record(&self, spooled: &Spooled, batch: u128) -> Record {
        Record {
            sensor: self.options.sensor.clone(),
            seq: spooled.sequence,
            previous: spooled.previous.0,
            hash: spooled.hash.0,
            json: spooled.json.clone(),
            batch,
            ingested_at: Timestamp::from_nanos(spooled.ingested_at.saturating_mul(1_000_000)),
        }
    }
}

/// Inserts `rows` as one block. A store that has seen the token, if there is one, takes none of them.
async fn insert<T>(client: &Client, table: &str, rows: &[T], token: &str) -> Result<(), Fault>
where
    T: RowOwned + RowWrite + for<'a> Row<Value<'a> = T>,
{
    let mut insert = client.insert::<T>(table).await?.with_setting("async_insert", "0");
    if !token.is_empty() {
        insert = insert
            .with_setting("insert_deduplication_token", token)
            // A view that missed it gets it from the next attempt, and none gets it twice.
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
            // On a cluster, an answer means that the shards have it.
            .with_setting("distributed_foreground_insert", "1");
    }
    for row in rows {
        insert.write(row).await?;
    }
    insert.end().await?;
    Ok(())
}
