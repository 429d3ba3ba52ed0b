//! How many alerts, of what, when, and how long people took.

use std::cmp::Reverse;
use std::ops::Range;

use apitap_detectors::finding::Severity;
use clickhouse::{Client, Row};
use serde::Deserialize;

use super::conditions::Conditions;
use super::filter::where_all;
use super::{DATABASE, Filter, QueryError, Status, from_micros};
use crate::store::rows::{ALERT_REVISIONS, ALERT_STATUS, micros};
use crate::store::schema::ALERTS_BY_ID;
use crate::time::Timestamp;

/// Counts of alerts that began in a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// The time in parts.
    pub buckets: Vec<Bucket>,
    /// By severity, the worst first.
    pub severities: Vec<Count>,
    /// By family, the most frequent first.
    pub families: Vec<Count>,
    /// By method, host and path template, the most frequent first; the first ten.
    pub endpoints: Vec<Count>,
    /// By client, the most frequent first; the first ten. An alert with several clients counts for each.
    pub clients: Vec<Count>,
    /// From when an alert was stored to when it was acknowledged.
    pub to_ack: Option<Pace>,
    /// From when an alert was stored to when it was resolved.
    pub to_resolve: Option<Pace>,
}

/// A part of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// When it begins.
    pub start: Timestamp,
}

/// How many alerts something has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// What it is.
    pub name: String,
    /// In all.
    pub alerts: u64,
    /// In each part of the time.
    pub over_time: Vec<u64>,
}

/// How long people took.
#[derive(Clone, Copy, Debug, PartialEq, Row, Deserialize)]
pub struct Pace {
    /// With how many alerts.
    pub alerts: u64,
    /// The median in seconds.
    pub median: f64,
    /// Nine of ten were quicker, in seconds.
    pub ninth_decile: f64,
}

#[derive(Row, Deserialize)]
struct CountRow {
    kind: String,
    name: String,
    alerts: u64,
    over_time: Vec<(u8, u64)>,
}

#[derive(Deserialize, Row)]
struct BegunRow {
    alerts: u64,
    first: i64,
    last: i64,
}

/// The time is shown in so many parts.
const BUCKETS: u8 = 28;

/// So many of endpoints and clients.
const MOST: usize = 10;

/// Counts the alerts that `filter` lets through and that began in the range `shown`; people's pace is that with alerts that
/// were stored in the range `asked`.
pub async fn stats(
    client: &Client,
    filter: &Filter,
    asked: Range<Timestamp>,
    shown: &Range<Timestamp>,
) -> Result<Stats, QueryError> {
    let (since, until) = (micros(shown.start), micros(shown.end));
    let asked = micros(asked.start)..micros(asked.end);
    let width = (until.saturating_sub(since) / i64::from(BUCKETS)).max(1);
    let rows = counts(client, filter, since, until, width).await?;
    let of = |kind: &str, most: usize| {
        let rows = rows.iter().filter(|row| row.kind == kind).take(most);
        rows.map(CountRow::count).collect::<Vec<_>>()
    };
    let mut severities = of("severity", usize::MAX);
    severities.sort_by_key(|count| Reverse(count.name.parse::<Severity>().ok()));
    let start = |n: u8| Bucket { start: from_micros(since.saturating_add(width.saturating_mul(n.into()))) };
    Ok(Stats {
        buckets: (0..BUCKETS).map(start).collect(),
        severities,
        families: of("family", usize::MAX),
        endpoints: of("endpoint", MOST),
        clients: of("client", MOST),
        to_ack: pace(client, Status::Ack, &asked).await?,
        to_resolve: pace(client, Status::Resolved, &asked).await?,
    })
}

/// When the first and the last of these alerts began; `None` when there are none.
pub async fn begun(
    client: &Client,
    filter: &Filter,
    since: Timestamp,
    until: Timestamp,
) -> Result<Option<(Timestamp, Timestamp)>, QueryError> {
    let mut conditions = Conditions::default();
    let all = begun_from(filter, micros(since), micros(until), &mut conditions);
    let sql = format!(
        "SELECT count() AS alerts, toUnixTimestamp64Micro(min(first_seen)) AS first, \
         toUnixTimestamp64Micro(max(first_seen)) AS last FROM {DATABASE}.{ALERT_REVISIONS}{}",
        where_all(all)
    );
    let row: BegunRow = conditions.bind(client.query_raw(&sql)).fetch_one().await?;
    Ok((row.alerts > 0).then(|| (from_micros(row.first), from_micros(row.last))))
}

/// What holds of the revisions of alerts that `filter` lets through and that began from `since` to `until`.
fn begun_from(filter: &Filter, since: i64, until: i64, conditions: &mut Conditions) -> Vec<String> {
    // `since` of a filter lets older alerts through that were seen since.
    let filter = Filter { since: None, until: None, ..filter.clone() };
    let mut all = filter.on_revisions(conditions);
    let [from, to] = [since, until].map(|time| conditions.time(time));
    // The first one leaves older rows out by the table's order.
    all.extend([format!("last_seen >= {from}"), format!("first_seen >= {from}"), format!("first_seen < {to}")]);
    all
}

impl CountRow {
    fn count(&self) -> Count {
        let mut over_time = vec![0; BUCKETS.into()];
        for (bucket, alerts) in &self.over_time {
            if let Some(place) = over_time.get_mut(usize::from(*bucket)) {
                *place = *alerts;
            }
        }
        Count { name: self.name.clone(), alerts: self.alerts, over_time }
    }
}

/// All counts in one pass, the highest first.
async fn counts(
    client: &Client,
    filter: &Filter,
    since: i64,
    until: i64,
    width: i64,
) -> Result<Vec<CountRow>, QueryError> {
    let mut conditions = Conditions::default();
    let all = begun_from(filter, since, until, &mut conditions);
    let [since, width] = [since, width].map(|number| conditions.add(number, "Int64"));
    let last = BUCKETS - 1;
    let names = "[('severity', toString(worst)), ('family', one_family), \
                 ('endpoint', trimBoth(concat(one_method, ' ', one_host, one_endpoint)))]";
    let clients = "arrayMap(one -> ('client', replaceOne(toString(one), '::ffff:', '')), all_clients)";
    // What grows from state to state counts as it is in the latest; all else is the same in each.
    let sql = format!(
        "SELECT kind, name, sum(count) AS alerts, groupArray((bucket, count)) AS over_time FROM (\
         SELECT key.1 AS kind, key.2 AS name, bucket, count() AS count FROM (\
         SELECT max(severity) AS worst, any(family) AS one_family, any(method) AS one_method, any(host) AS one_host, \
         any(endpoint) AS one_endpoint, argMax(clients, revision) AS all_clients, \
         toUInt8(least(intDiv(toUnixTimestamp64Micro(any(first_seen)) - {since}, {width}), {last})) AS bucket \
         FROM {DATABASE}.{ALERT_REVISIONS}{} GROUP BY alert_id) \
         ARRAY JOIN arrayConcat({names}, {clients}) AS key GROUP BY kind, name, bucket) \
         GROUP BY kind, name ORDER BY alerts DESC, name LIMIT 100 BY kind",
        where_all(all)
    );
    Ok(conditions.bind(client.query_raw(&sql)).fetch_all().await?)
}

/// How long it took to the first change to `status`, of alerts that were stored in this time.
async fn pace(client: &Client, status: Status, asked: &Range<i64>) -> Result<Option<Pace>, QueryError> {
    let mut conditions = Conditions::default();
    let status = conditions.add(status.as_str(), "String");
    let [since, until] = [asked.start, asked.end].map(|time| conditions.time(time));
    let sql = format!(
        "SELECT count() AS alerts, quantileExact(0.5)(taken) AS median, quantileExact(0.9)(taken) AS ninth_decile FROM (\
         SELECT greatest(0, toUnixTimestamp64Micro(said) - toUnixTimestamp64Micro(stored)) / 1e6 AS taken \
         FROM (SELECT alert_id, min(at) AS said FROM {DATABASE}.{ALERT_STATUS} WHERE toString(status) = {status} GROUP BY alert_id) AS s \
         GLOBAL JOIN (SELECT alert_id, min(ingested_at) AS stored FROM {DATABASE}.{ALERTS_BY_ID} \
         WHERE alert_id GLOBAL IN (SELECT alert_id FROM {DATABASE}.{ALERT_STATUS}) GROUP BY alert_id) AS a USING alert_id \
         WHERE stored >= {since} AND stored < {until})"
    );
    let pace: Pace = conditions.bind(client.query_raw(&sql)).fetch_one().await?;
    Ok((pace.alerts > 0).then_some(pace))
}
