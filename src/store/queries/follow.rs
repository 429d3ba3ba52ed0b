//! Revisions as they come in.

use std::collections::HashMap;

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::conditions::Conditions;
use super::filter::where_all;
use super::{DATABASE, Filter, Found, QueryError, RecordRow, found};
use crate::store::rows::{ALERT_REVISIONS, micros};
use crate::time::Timestamp;

/// How far each sensor has been read. A sensor's records come in the order of its chain, but one sensor may be hours behind
/// another that has always reached the store; so there is a place for each.
#[derive(Debug)]
pub struct Follow {
    /// By sensor: when its latest record was put on disk, and that record's place in the chain.
    read: HashMap<String, (i64, u64)>,
    /// Nothing before this was asked for.
    start: i64,
}

/// A sensor that was silent for longer is taken to be gone, in microseconds. It is read on from here should it return.
const GONE: i64 = 86_400_000_000;

#[derive(Row, Deserialize)]
struct FollowRow {
    sensor: String,
    seq: u64,
    at: i64,
    record: String,
}

impl Follow {
    /// At most so many are read at once; the rest is read next.
    pub const PAGE: usize = 1_000;

    /// Follows what is stored from `start` on.
    pub fn from(start: Timestamp) -> Self {
        Self { read: HashMap::new(), start: micros(start) }
    }

    /// The revisions that `filter` lets through and that came in since the last time, in the order of their sensors'
    /// clocks. `now` is the wall clock.
    pub async fn next(&mut self, client: &Client, filter: &Filter, now: Timestamp) -> Result<Vec<Found>, QueryError> {
        let lately = micros(now).saturating_sub(GONE);
        let behind = self.read.values().map(|(at, _)| *at).filter(|at| *at > lately).min();
        let floor = behind.unwrap_or(self.start).max(self.start);
        let sensors: Vec<_> = self.read.iter().collect();
        let mut conditions = Conditions::default();
        let mut all = filter.on_revisions(&mut conditions);
        all.push(format!("ingested_at >= {}", conditions.time(floor)));
        if !sensors.is_empty() {
            let names = sensors.iter().map(|(sensor, _)| (*sensor).clone()).collect::<Vec<_>>();
            let names = conditions.add(names, "Array(String)");
            let times = conditions.add(sensors.iter().map(|(_, (at, _))| *at).collect::<Vec<_>>(), "Array(Int64)");
            let places =
                sensors.iter().map(|(_, (_, seq))| i64::try_from(*seq).unwrap_or(i64::MAX)).collect::<Vec<_>>();
            let places = conditions.add(places, "Array(Int64)");
            let place = format!("indexOf({names}, toString(sensor))");
            all.push(format!("(toUnixTimestamp64Micro(ingested_at), seq) > ({times}[{place}], {places}[{place}])"));
        }
        let sql = format!(
            "SELECT toString(sensor) AS sensor, seq, toUnixTimestamp64Micro(ingested_at) AS at, record \
             FROM {DATABASE}.{ALERT_REVISIONS}{} ORDER BY at, sensor, seq LIMIT 1 BY sensor, seq LIMIT {}",
            where_all(all),
            Self::PAGE
        );
        let rows = conditions.bind(client.query_raw(&sql)).fetch_all::<FollowRow>().await?;
        for row in &rows {
            let last = self.read.entry(row.sensor.clone()).or_default();
            *last = (*last).max((row.at, row.seq));
        }
        let rows = rows.into_iter().map(|row| RecordRow { record: row.record, ingested_at: row.at });
        found(client, rows.collect()).await
    }
}
