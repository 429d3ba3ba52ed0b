//! Everything about one alert.

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::conditions::Conditions;
use super::{Change, DATABASE, Found, QueryError, RECORD, RecordRow, found, from_micros, status};
use crate::alert::AlertId;
use crate::store::rows::{ALERT_REVISIONS, SENSOR_HEARTBEATS, micros};
use crate::store::schema::ALERTS_BY_ID;
use crate::time::Timestamp;

/// Everything about one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// Its latest state.
    pub latest: Found,
    /// Its states, oldest first, the latest included.
    pub revisions: Vec<Found>,
    /// What people said, oldest first.
    pub changes: Vec<Change>,
    /// How the sensor was when it wrote the latest state.
    pub health: Option<Health>,
}

/// How a sensor was.
#[derive(Clone, Debug, PartialEq, Row, Deserialize)]
pub struct Health {
    /// When, in microseconds since 1970.
    at: i64,
    /// In a word.
    pub health: String,
    /// What it had counted since its start.
    pub counters: Vec<(String, u64)>,
    /// What it could not see.
    pub visibility: Vec<String>,
}

impl Health {
    /// When.
    pub fn at(&self) -> Timestamp {
        from_micros(self.at)
    }
}

/// The alerts whose ids begin with what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// None.
    None,
    /// This one.
    One(AlertId),
    /// Several: the first of them.
    Several(Vec<AlertId>),
}

/// The alerts whose ids begin with `prefix`, which is hexadecimal digits and hyphens.
pub async fn by_prefix(client: &Client, prefix: &str) -> Result<Candidates, QueryError> {
    let mut conditions = Conditions::default();
    let prefix = conditions.add(prefix.to_ascii_lowercase(), "String");
    let sql = format!(
        "SELECT DISTINCT toString(alert_id) FROM {DATABASE}.{ALERTS_BY_ID} WHERE startsWith(toString(alert_id), {prefix}) LIMIT 6"
    );
    let ids: Vec<String> = conditions.bind(client.query_raw(&sql)).fetch_all().await?;
    let mut ids: Vec<AlertId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    ids.sort();
    Ok(match ids[..] {
        [] => Candidates::None,
        [one] => Candidates::One(one),
        _ => Candidates::Several(ids),
    })
}

/// Everything about `alert`; `None` when there is no such one.
pub async fn story(client: &Client, alert: AlertId) -> Result<Option<Story>, QueryError> {
    let mut conditions = Conditions::default();
    let id = conditions.add(alert.to_string(), "UUID");
    let sql = format!(
        "SELECT {RECORD} FROM {DATABASE}.{ALERT_REVISIONS} PREWHERE (last_seen, alert_id, revision) GLOBAL IN \
         (SELECT last_seen, alert_id, revision FROM {DATABASE}.{ALERTS_BY_ID} WHERE alert_id = {id})"
    );
    let rows = conditions.bind(client.query_raw(&sql)).fetch_all::<RecordRow>().await?;
    let mut revisions = found(client, rows).await?;
    revisions.sort_by_key(|found| (found.revision.revision, found.ingested_at));
    revisions.dedup_by_key(|found| found.revision.revision);
    let Some(latest) = revisions.last().cloned() else { return Ok(None) };
    let changes = status::history(client, alert).await?;
    let latest = Found { change: changes.last().cloned(), ..latest };
    let health = health(client, &latest.revision.sensor, latest.ingested_at).await?;
    Ok(Some(Story { latest, revisions, changes, health }))
}

/// What the sensor said of itself last before `at`.
async fn health(client: &Client, sensor: &str, at: Timestamp) -> Result<Option<Health>, QueryError> {
    let mut conditions = Conditions::default();
    let sensor = conditions.add(sensor, "String");
    let at = conditions.time(micros(at));
    let sql = format!(
        "SELECT toUnixTimestamp64Micro(h.at) AS at, toString(h.health) AS health, \
         arraySort(CAST(h.counters, 'Array(Tuple(String, UInt64))')) AS counters, \
         CAST(h.visibility, 'Array(String)') AS visibility FROM {DATABASE}.{SENSOR_HEARTBEATS} AS h \
         WHERE h.sensor = {sensor} AND h.at <= {at} ORDER BY h.at DESC LIMIT 1"
    );
    Ok(conditions.bind(client.query_raw(&sql)).fetch_optional().await?)
}
