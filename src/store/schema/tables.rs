//! The tables, and why they are as they are.
//!
//! - A revision of an alert is a row that never changes. Each table's order ends in what tells its rows apart, so that a row
//!   that is sent twice is one again after a merge; until then questions take one of the two (`LIMIT 1 BY`, `uniqExact`).
//!   Nothing counts inserts, and no question needs FINAL.
//! - Rows are partitioned and expire by when they were stored (`ingested_at`, which the sensor says): a capture of years ago
//!   must not expire at once, and a batch that is repeated lands in the same partition, whole or not at all. They go by
//!   whole weeks: a row is kept for the retention, and up to a week longer.
//! - Everything is ordered and asked by the time of the events. An alert's `last_seen` never falls from one revision to the
//!   next, so from the newest row on backwards, the first row of an alert is its latest state. Conditions that hold for
//!   all later revisions once they hold for one (severity at least, a client among its clients, seen since) can be put before
//!   `LIMIT 1 BY alert_id`, and reading ends as soon as there are enough alerts.
//! - "The newest" is the order of the main table, whose rows are wide. Every other question goes through a narrow table in
//!   the order of that question; it says where the rows stand in the main one.

use super::ddl::{Column, Index, Object, Step, Table, View};
use super::{Class, Migration};
use crate::store::marks::CHAIN_MARKS;
use crate::store::rows::{ALERT_REVISIONS, ALERT_STATUS, SENSOR_HEARTBEATS};

/// The table of migrations that were made.
pub const SCHEMA_MIGRATIONS: &str = "schema_migrations";
/// The narrow table by client.
pub const ALERTS_BY_CLIENT: &str = "alerts_by_client";
/// The narrow table by fingerprint, principal, endpoint and host.
pub const ALERTS_BY_KEY: &str = "alerts_by_key";
/// The narrow table by the alert's id.
pub const ALERTS_BY_ID: &str = "alerts_by_id";

/// All migrations, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "alerts, their status, and heartbeats",
        class: Class::Light,
        steps: &[
            Step::Create(Object::Table(REVISIONS)),
            Step::Create(Object::Table(BY_CLIENT)),
            Step::Create(Object::View(BY_CLIENT_VIEW)),
            Step::Create(Object::Table(BY_KEY)),
            Step::Create(Object::View(BY_KEY_VIEW)),
            Step::Create(Object::Table(BY_ID)),
            Step::Create(Object::View(BY_ID_VIEW)),
            Step::Create(Object::Table(STATUS)),
            Step::Create(Object::Table(HEARTBEATS)),
        ],
    },
    Migration {
        version: 2,
        name: "what explains gaps in chains",
        class: Class::Idempotent,
        steps: &[
            Step::Create(Object::Table(MARKS)),
            // Numbers grow with time, as rows do. Both the writer and `apitap verify` ask for ranges of them.
            Step::Alter {
                table: ALERT_REVISIONS,
                change: "ADD INDEX IF NOT EXISTS seq_range seq TYPE minmax GRANULARITY 1",
            },
        ],
    },
];

/// Kept for good: there is one a day for each sensor, and what they explain is gone.
const MARKS: Table = Table {
    name: CHAIN_MARKS,
    comment: "tombstones and checkpoints of chains",
    columns: &[
        ("sensor", "LowCardinality(String)"),
        ("seq", "UInt64 COMMENT 'the last record that it stands for'"),
        ("previous", "FixedString(32) COMMENT 'hash before the first record'"),
        ("hash", "FixedString(32) COMMENT 'hash of the last record'"),
        ("seal", "FixedString(32) COMMENT 'keyed hash over all of it'"),
        ("record", "String COMMENT 'what it says, JSON'"),
        ("ingested_at", "DateTime64(6, 'UTC')"),
    ],
    indexes: &[],
    partition: None,
    order: "(sensor, seq, record)",
    expires: None,
    shard: "cityHash64(sensor)",
    granularity: 1024,
};

/// The tables whose rows expire.
pub(super) const EXPIRING: [&Table; 5] = [&REVISIONS, &BY_CLIENT, &BY_KEY, &BY_ID, &HEARTBEATS];

/// A dozen partitions for a quarter of a year. [`crate::store::rows::Record::partition`] says the same.
const WEEK: Option<&str> = Some("toMonday(ingested_at)");

/// All states of an alert are on one shard.
const BY_ALERT: &str = "cityHash64(alert_id)";

pub(super) const MIGRATIONS_TABLE: Table = Table {
    name: SCHEMA_MIGRATIONS,
    comment: "migrations that were made",
    columns: &[
        ("version", "UInt32"),
        ("name", "String"),
        ("class", "LowCardinality(String) COMMENT 'light, idempotent or mutation'"),
        ("program", "LowCardinality(String) COMMENT 'version of the program that made it'"),
        ("applied_at", "DateTime64(6, 'UTC')"),
    ],
    indexes: &[],
    partition: None,
    order: "version",
    expires: None,
    shard: "version",
    granularity: 8192,
};

const REVISIONS: Table = Table {
    name: ALERT_REVISIONS,
    comment: "states of alerts: immutable, told apart by alert_id and revision",
    columns: REVISION_COLUMNS,
    indexes: EVENT_RANGES,
    partition: WEEK,
    order: "(last_seen, alert_id, revision)",
    expires: Some("ingested_at"),
    shard: BY_ALERT,
    // Rows are wide, and what one client or endpoint did is scattered among them: each row that is wanted costs a granule.
    granularity: 128,
};

const SEVERITY: &str = "Enum8('info' = 1, 'low' = 2, 'medium' = 3, 'high' = 4, 'critical' = 5)";
/// In the order of the rows, or nearly so.
const ORDERED_TIME: &str = "DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1))";

const REVISION_COLUMNS: &[Column] = &[
    ("alert_id", "UUID"),
    ("revision", "UInt32 COMMENT 'counted from 1'"),
    ("last_seen", "DateTime64(6, 'UTC') COMMENT 'capture time of the latest match' CODEC(Delta, ZSTD(1))"),
    ("first_seen", "DateTime64(6, 'UTC') COMMENT 'capture time of the first match' CODEC(Delta, ZSTD(1))"),
    ("ts", "DateTime64(6, 'UTC') COMMENT 'capture time of this state' CODEC(Delta, ZSTD(1))"),
    ("sensor", "LowCardinality(String)"),
    ("fingerprint", "FixedString(32) COMMENT 'identity of the cause'"),
    ("state", "Enum8('open' = 1, 'closed' = 2) COMMENT 'whether it may still grow'"),
    ("severity", SEVERITY),
    ("confidence", "Enum8('low' = 1, 'medium' = 2, 'high' = 3)"),
    ("family", "LowCardinality(String)"),
    ("detector", "LowCardinality(String)"),
    ("rule", "LowCardinality(String)"),
    ("count", "UInt64 COMMENT 'matches'"),
    ("items", "UInt64"),
    ("title", "LowCardinality(String)"),
    ("description", "String CODEC(ZSTD(3))"),
    ("remediation", "LowCardinality(String)"),
    ("client", "IPv6 COMMENT 'the first one; IPv4 as ::ffff:a.b.c.d'"),
    ("clients", "Array(IPv6) COMMENT 'the first 64'"),
    ("client_count", "UInt64"),
    ("principal", "String COMMENT 'keyed hash; empty when unknown'"),
    ("server", "IPv6"),
    ("server_port", "UInt16"),
    // Not LowCardinality: clients write what they like there.
    ("host", "String CODEC(ZSTD(1))"),
    ("method", "LowCardinality(String)"),
    ("endpoint", "LowCardinality(String) COMMENT 'path template'"),
    ("status", "UInt16 COMMENT 'of the latest response; 0 when there was none'"),
    ("incident", "String"),
    ("owasp", "LowCardinality(String)"),
    ("cwe", "LowCardinality(String)"),
    ("attack", "LowCardinality(String)"),
    ("`evidence.kind`", "Array(LowCardinality(String))"),
    ("`evidence.part`", "Array(LowCardinality(String))"),
    ("`evidence.path`", "Array(String)"),
    ("`evidence.offset`", "Array(UInt64)"),
    ("`evidence.masked`", "Array(String)"),
    ("`evidence.value_hash`", "Array(String)"),
    ("visibility", "Array(LowCardinality(String)) COMMENT 'what was missing or is not exact'"),
    ("record", "String COMMENT 'the revision as the sensor wrote it, JSON' CODEC(ZSTD(3))"),
    ("seq", "UInt64 COMMENT 'place in the chain of the sensor'"),
    ("previous", "FixedString(32) COMMENT 'hash of the record before'"),
    ("hash", "FixedString(32) COMMENT 'keyed hash over previous and record'"),
    ("batch", "UUID COMMENT 'what was inserted together'"),
    ("ingested_at", "DateTime64(6, 'UTC') COMMENT 'when the sensor put it on disk' CODEC(Delta, ZSTD(1))"),
];

/// What leaves most granules out when a time range ends in the past, or what was stored since is asked for.
const EVENT_RANGES: &[Index] = &[
    ("first_seen_range", "first_seen TYPE minmax GRANULARITY 1"),
    ("ingested_at_range", "ingested_at TYPE minmax GRANULARITY 1"),
];

// What is asked together with a key most often, so that the narrow tables answer alone.
const LAST_SEEN: Column = ("last_seen", ORDERED_TIME);
const ALERT_ID: Column = ("alert_id", "UUID");
const REVISION: Column = ("revision", "UInt32");
const FIRST_SEEN: Column = ("first_seen", ORDERED_TIME);
const OF_SEVERITY: Column = ("severity", SEVERITY);
const FAMILY: Column = ("family", "LowCardinality(String)");
const DETECTOR: Column = ("detector", "LowCardinality(String)");
const INGESTED_AT: Column = ("ingested_at", ORDERED_TIME);

const BY_CLIENT: Table = Table {
    name: ALERTS_BY_CLIENT,
    comment: "where the revisions with a client are; addresses are in order, so networks are ranges",
    columns: &[
        ("client", "IPv6"),
        LAST_SEEN,
        ALERT_ID,
        REVISION,
        FIRST_SEEN,
        OF_SEVERITY,
        FAMILY,
        DETECTOR,
        INGESTED_AT,
    ],
    indexes: &[],
    partition: WEEK,
    order: "(client, last_seen, alert_id, revision)",
    expires: Some("ingested_at"),
    shard: BY_ALERT,
    granularity: 2048,
};

const BY_CLIENT_VIEW: View = View {
    name: "alerts_by_client_view",
    to: ALERTS_BY_CLIENT,
    from: ALERT_REVISIONS,
    select: "SELECT arrayJoin(arrayDistinct(arrayPushBack(clients, client))) AS client, last_seen, alert_id, revision, \
             first_seen, severity, family, detector, ingested_at",
    rest: "",
};

const BY_KEY: Table = Table {
    name: ALERTS_BY_KEY,
    comment: "where the revisions with a fingerprint, a principal, an endpoint or a host are",
    columns: &[
        ("kind", "Enum8('fingerprint' = 1, 'principal' = 2, 'endpoint' = 3, 'host' = 4)"),
        ("value", "String"),
        LAST_SEEN,
        ALERT_ID,
        REVISION,
        FIRST_SEEN,
        OF_SEVERITY,
        FAMILY,
        DETECTOR,
        INGESTED_AT,
    ],
    indexes: &[],
    partition: WEEK,
    order: "(kind, value, last_seen, alert_id, revision)",
    expires: Some("ingested_at"),
    shard: BY_ALERT,
    granularity: 2048,
};

const BY_KEY_VIEW: View = View {
    name: "alerts_by_key_view",
    to: ALERTS_BY_KEY,
    from: ALERT_REVISIONS,
    select: "SELECT key.1 AS kind, key.2 AS value, last_seen, alert_id, revision, first_seen, severity, family, detector, \
             ingested_at",
    rest: "ARRAY JOIN arrayFilter(key -> key.2 != '', [('fingerprint', toString(fingerprint)), ('principal', principal), \
           ('endpoint', toString(endpoint)), ('host', host)]) AS key",
};

const BY_ID: Table = Table {
    name: ALERTS_BY_ID,
    comment: "where the revisions of an alert are",
    columns: &[ALERT_ID, REVISION, LAST_SEEN, INGESTED_AT],
    indexes: &[],
    partition: WEEK,
    order: "(alert_id, revision, last_seen)",
    expires: Some("ingested_at"),
    shard: BY_ALERT,
    granularity: 2048,
};

const BY_ID_VIEW: View = View {
    name: "alerts_by_id_view",
    to: ALERTS_BY_ID,
    from: ALERT_REVISIONS,
    select: "SELECT alert_id, revision, last_seen, ingested_at",
    rest: "",
};

/// Kept until somebody deletes it: people wrote it, and an alert that was dealt with must not come back as new.
const STATUS: Table = Table {
    name: ALERT_STATUS,
    comment: "what people said about alerts; only ever added to",
    columns: &[
        ("alert_id", "UUID"),
        ("at", "DateTime64(6, 'UTC')"),
        ("change", "UUID COMMENT 'made by the client, so that a change that is sent twice is one'"),
        ("status", "Enum8('ack' = 1, 'resolved' = 2, 'reopened' = 3)"),
        ("who", "LowCardinality(String)"),
        ("note", "String CODEC(ZSTD(3))"),
    ],
    indexes: &[],
    partition: None,
    order: "(alert_id, at, change)",
    expires: None,
    shard: BY_ALERT,
    granularity: 1024,
};

const HEARTBEATS: Table = Table {
    name: SENSOR_HEARTBEATS,
    comment: "how sensors are, and what they cannot see",
    columns: &[
        ("sensor", "LowCardinality(String)"),
        ("at", "DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1))"),
        ("started_at", "DateTime64(6, 'UTC')"),
        ("version", "LowCardinality(String)"),
        ("health", "Enum8('fine' = 1, 'degraded' = 2, 'failing' = 3)"),
        ("counters", "Map(LowCardinality(String), UInt64) COMMENT 'frames, drops by reason, gaps, exchanges, alerts'"),
        ("visibility", "Array(LowCardinality(String)) COMMENT 'what cannot be seen'"),
        ("chain_seq", "UInt64 COMMENT 'head of the chain of records'"),
        ("chain_hash", "FixedString(32)"),
    ],
    indexes: &[],
    partition: Some("toMonday(at)"),
    order: "(sensor, at)",
    expires: Some("at"),
    shard: "cityHash64(sensor)",
    granularity: 8192,
};
