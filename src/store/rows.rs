//! Rows of the tables, as the sensor inserts them.

use std::net::{IpAddr, Ipv6Addr};

use apitap_detectors::finding::{Confidence, Evidence, Severity};
use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::alert::{Revision, State};
use crate::time::Timestamp;

/// The table of alert revisions, which [`AlertRow`]s go to.
pub const ALERT_REVISIONS: &str = "alert_revisions";
/// The table of status changes, which [`StatusRow`]s go to.
pub const ALERT_STATUS: &str = super::STATUS_TABLE;
/// The table of heartbeats, which [`HeartbeatRow`]s go to.
pub const SENSOR_HEARTBEATS: &str = "sensor_heartbeats";

/// A revision as the spool hands it over: the exact octets, and their place in the sensor's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Name of the sensor whose chain it is.
    pub sensor: String,
    /// Its place in the chain, counted from 1.
    pub seq: u64,
    /// Hash of the record before.
    pub previous: [u8; 32],
    /// Keyed hash over `previous` and `json`.
    pub hash: [u8; 32],
    /// The JSON of a [`Revision`], as it was acknowledged.
    pub json: Vec<u8>,
    /// Id of the batch that it is inserted with.
    pub batch: u128,
    /// When it was acknowledged, by the wall clock. The same for every attempt to insert it.
    pub ingested_at: Timestamp,
}

impl Record {
    /// The partition that its row lies in: weeks since 1970 that begin on Monday, in UTC. A batch that keeps to one is
    /// inserted whole or not at all.
    pub const fn partition(&self) -> i64 {
        const DAY: i64 = 86_400_000_000_000;
        // 1970 began on a Thursday.
        (self.ingested_at.as_nanos().div_euclid(DAY) + 3).div_euclid(7)
    }
}

/// Why a record cannot be a row.
#[derive(Debug, thiserror::Error)]
#[error("the record is not the JSON of an alert's revision: {0}")]
pub struct RowError(String);

/// A row of [`ALERT_REVISIONS`]: what the record says in columns that can be asked for, and the record itself. Fields are
/// named as the columns are; what is absent is empty or 0.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns are explained where the table is defined")]
pub struct AlertRow {
    #[serde(with = "uuid")]
    pub alert_id: u128,
    pub revision: u32,
    pub last_seen: i64,
    pub first_seen: i64,
    pub ts: i64,
    pub sensor: String,
    pub fingerprint: [u8; 32],
    pub state: i8,
    pub severity: i8,
    pub confidence: i8,
    pub family: String,
    pub detector: String,
    pub rule: String,
    pub count: u64,
    pub items: u64,
    pub title: String,
    pub description: String,
    pub remediation: String,
    pub client: Ipv6Addr,
    pub clients: Vec<Ipv6Addr>,
    pub client_count: u64,
    pub principal: String,
    pub server: Ipv6Addr,
    pub server_port: u16,
    pub host: String,
    pub method: String,
    pub endpoint: String,
    pub status: u16,
    pub incident: String,
    pub owasp: String,
    pub cwe: String,
    pub attack: String,
    #[serde(rename = "evidence.kind")]
    pub evidence_kind: Vec<String>,
    #[serde(rename = "evidence.part")]
    pub evidence_part: Vec<String>,
    #[serde(rename = "evidence.path")]
    pub evidence_path: Vec<String>,
    #[serde(rename = "evidence.offset")]
    pub evidence_offset: Vec<u64>,
    #[serde(rename = "evidence.masked")]
    pub evidence_masked: Vec<String>,
    #[serde(rename = "evidence.value_hash")]
    pub evidence_value_hash: Vec<String>,
    pub visibility: Vec<String>,
    pub record: String,
    pub seq: u64,
    pub previous: [u8; 32],
    pub hash: [u8; 32],
    #[serde(with = "uuid")]
    pub batch: u128,
    pub ingested_at: i64,
}

impl AlertRow {
    /// The row of `record`: always the same for the same record.
    pub fn of(record: &Record) -> Result<Self, RowError> {
        let json = std::str::from_utf8(&record.json).map_err(|error| RowError(error.to_string()))?;
        let revision: Revision = serde_json::from_str(json).map_err(|error| RowError(error.to_string()))?;
        let evidence = &revision.evidence;
        let each = |part: fn(&Evidence) -> String| evidence.iter().map(part).collect::<Vec<_>>();
        Ok(Self {
            alert_id: revision.id.as_u128(),
            revision: revision.revision,
            last_seen: micros(revision.last_seen),
            first_seen: micros(revision.first_seen),
            ts: micros(revision.ts),
            sensor: record.sensor.clone(),
            fingerprint: letters(&revision.fingerprint.to_string()),
            state: state(revision.state),
            severity: severity(revision.severity),
            confidence: confidence(revision.confidence),
            family: revision.family.to_string(),
            detector: revision.detector.into_owned(),
            rule: revision.rule.into_owned(),
            count: revision.count,
            items: revision.items,
            title: revision.title.into_owned(),
            description: revision.description,
            remediation: revision.remediation.into_owned(),
            client: address(revision.client),
            clients: revision.clients.iter().copied().map(address).collect(),
            client_count: revision.client_count,
            principal: revision.principal.unwrap_or_default(),
            server: address(revision.server.ip()),
            server_port: revision.server.port(),
            host: revision.host.unwrap_or_default(),
            method: revision.method.unwrap_or_default(),
            endpoint: revision.endpoint.unwrap_or_default(),
            status: revision.status.unwrap_or_default(),
            incident: revision.incident.unwrap_or_default(),
            owasp: revision.owasp.into_owned(),
            cwe: revision.cwe.into_owned(),
            attack: revision.attack.into_owned(),
            evidence_kind: each(|evidence| evidence.kind.clone()),
            evidence_part: each(|evidence| evidence.location.part.clone()),
            evidence_path: each(|evidence| evidence.location.path.clone().unwrap_or_default()),
            evidence_offset: evidence.iter().map(|evidence| evidence.location.offset).collect(),
            evidence_masked: each(|evidence| evidence.masked.clone()),
            evidence_value_hash: each(|evidence| evidence.value_hash.clone().unwrap_or_default()),
            visibility: revision.visibility.into_iter().map(Into::into).collect(),
            record: json.to_owned(),
            seq: record.seq,
            previous: record.previous,
            hash: record.hash,
            batch: record.batch,
            ingested_at: micros(record.ingested_at),
        })
    }
}

/// A row of [`ALERT_STATUS`]: what a person said about an alert.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct StatusRow {
    /// About which alert.
    #[serde(with = "uuid")]
    pub alert_id: u128,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Tells changes apart: one that is sent twice is one.
    #[serde(with = "uuid")]
    pub change: u128,
    /// 1 acknowledged, 2 resolved, 3 reopened.
    pub status: i8,
    /// Who says so.
    pub who: String,
    /// And why.
    pub note: String,
}

/// A row of [`SENSOR_HEARTBEATS`]: how a sensor is, and what it cannot see.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
pub struct HeartbeatRow {
    /// Its name.
    pub sensor: String,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// When it was started, in microseconds since 1970.
    pub started_at: i64,
    /// The program's version.
    pub version: String,
    /// 1 fine, 2 degraded, 3 failing.
    pub health: i8,
    /// Since its start, by name: frames, what was dropped by reason, gaps, exchanges, alerts.
    pub counters: Vec<(String, u64)>,
    /// What it cannot see, one name each.
    pub visibility: Vec<String>,
    /// The head of its chain.
    pub chain_seq: u64,
    /// The head's hash.
    pub chain_hash: [u8; 32],
}

/// Numbers of the columns' enums; names and numbers stand in the table's definition, too.
const fn state(state: State) -> i8 {
    match state {
        State::Open => 1,
        State::Closed => 2,
    }
}

const fn severity(severity: Severity) -> i8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

const fn confidence(confidence: Confidence) -> i8 {
    match confidence {
        Confidence::Low => 1,
        Confidence::Medium => 2,
        Confidence::High => 3,
    }
}

/// One type for all addresses: IPv4 ones are mapped (RFC 4291 section 2.5.5.2).
pub(super) const fn address(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Microseconds since 1970, not before 1900, where ClickHouse's dates begin: a capture may claim any time.
pub(super) const fn micros(time: Timestamp) -> i64 {
    const EARLIEST: i64 = -2_208_988_800_000_000;
    let micros = time.as_micros();
    if micros < EARLIEST { EARLIEST } else { micros }
}

/// The 32 letters of a fingerprint's text.
fn letters(text: &str) -> [u8; 32] {
    let mut letters = [b'0'; 32];
    for (letter, octet) in letters.iter_mut().zip(text.bytes()) {
        *letter = octet;
    }
    letters
}

/// 128 bits as a UUID, which RowBinary has as two integers of 64 bits, the higher one first.
mod uuid {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bits: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        ((bits >> 64) as u64, *bits as u64).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let (high, low) = <(u64, u64)>::deserialize(deserializer)?;
        Ok(u128::from(high) << 64 | u128::from(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &[u8]) -> Record {
        Record {
            sensor: "s".into(),
            seq: 7,
            previous: [1; 32],
            hash: [2; 32],
            json: json.to_vec(),
            batch: 3,
            ingested_at: Timestamp::from_nanos(1_700_000_000_123_456_789),
        }
    }

    const JSON: &str = concat!(
        r#"{"id":"b36ac19d-f4a8-8dc8-903e-645a5430bdb2","revision":2,"fingerprint":"f821bac20642167266c4da1e758d51bd","#,
        r#""sensor":"test","first_seen":"1677-09-21T00:12:44.123456Z","last_seen":"2023-11-14T22:13:20.123456Z","#,
        r#""ts":"2023-11-14T22:13:21.000000Z","state":"closed","count":1,"items":1,"family":"credential_stuffing","#,
        r#""detector":"d","rule":"a","severity":"critical","confidence":"low","title":"t","description":"\n\n;","#,
        r#""remediation":"r","client":"10.0.0.1","clients":["10.0.0.1","2001:db8::1"],"client_count":2,"principal":null,"#,
        r#""server":"10.0.0.2:8080","host":"a.example","method":"GET","endpoint":"/users/{id}","status":200,"#,
        r#""incident":null,"owasp":"API3:2023","cwe":"CWE-359","attack":"","#,
        r#""evidence":[{"kind":"k","location":{"part":"response.content","offset":9},"masked":"0***"}],"visibility":["gap"]}"#,
    );

    #[test]
    fn a_row_says_what_its_record_says() {
        let row = AlertRow::of(&record(JSON.as_bytes())).unwrap();
        assert_eq!(row.alert_id, 0xb36a_c19d_f4a8_8dc8_903e_645a_5430_bdb2);
        assert_eq!((row.revision, row.state, row.severity, row.confidence), (2, 2, 5, 1));
        assert_eq!(&row.fingerprint, b"f821bac20642167266c4da1e758d51bd");
        assert_eq!((row.last_seen, row.ingested_at), (1_700_000_000_123_456, 1_700_000_000_123_456));
        assert_eq!(row.first_seen, -2_208_988_800_000_000, "dates begin in 1900");
        assert_eq!(row.clients, ["::ffff:10.0.0.1".parse::<Ipv6Addr>().unwrap(), "2001:db8::1".parse().unwrap()]);
        assert_eq!((row.server_port, row.status, row.principal.as_str()), (8080, 200, ""));
        assert_eq!((&*row.evidence_path, &*row.evidence_offset), (&[String::new()][..], &[9][..]));
        assert_eq!((row.record.as_str(), row.sensor.as_str(), row.family.as_str()), (JSON, "s", "credential_stuffing"));
    }

    #[test]
    fn what_is_no_revision_is_refused() {
        for json in [&b""[..], b"{}", b"\xff", &JSON.as_bytes()[1..], b"[1]"] {
            assert!(AlertRow::of(&record(json)).is_err(), "{json:?}");
        }
    }

    #[test]
    fn partitions_are_weeks_from_monday() {
        let partition = |text: &str| {
            let time: jiff::Timestamp = text.parse().unwrap();
            let ingested_at = Timestamp::from_nanos(i64::try_from(time.as_nanosecond()).unwrap());
            Record { ingested_at, ..record(b"") }.partition()
        };
        let sunday = partition("2026-11-22T23:59:59.999999999Z");
        assert_eq!(partition("2026-11-23T00:00:00Z"), sunday + 1);
        assert_eq!(partition("2026-11-29T23:59:59Z"), sunday + 1);
        assert_eq!(partition("1970-01-01T00:00:00Z"), 0);
        assert_eq!(partition("1969-12-28T23:00:00Z"), -1);
    }
}
