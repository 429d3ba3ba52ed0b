CREATE DATABASE IF NOT EXISTS apitap;

CREATE TABLE IF NOT EXISTS apitap.schema_migrations
(
    version UInt32,
    name String,
    class LowCardinality(String) COMMENT 'light, idempotent or mutation',
    program LowCardinality(String) COMMENT 'version of the program that made it',
    applied_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY version
SETTINGS index_granularity = 8192
COMMENT 'migrations that were made';

CREATE TABLE IF NOT EXISTS apitap.alert_revisions
(
    alert_id UUID,
    revision UInt32 COMMENT 'counted from 1',
    last_seen DateTime64(6, 'UTC') COMMENT 'capture time of the latest match' CODEC(Delta, ZSTD(1)),
    first_seen DateTime64(6, 'UTC') COMMENT 'capture time of the first match' CODEC(Delta, ZSTD(1)),
    ts DateTime64(6, 'UTC') COMMENT 'capture time of this state' CODEC(Delta, ZSTD(1)),
    sensor LowCardinality(String),
    fingerprint FixedString(32) COMMENT 'identity of the cause',
    state Enum8('open' = 1, 'closed' = 2) COMMENT 'whether it may still grow',
    severity Enum8('info' = 1, 'low' = 2, 'medium' = 3, 'high' = 4, 'critical' = 5),
    confidence Enum8('low' = 1, 'medium' = 2, 'high' = 3),
    family LowCardinality(String),
    detector LowCardinality(String),
    rule LowCardinality(String),
    count UInt64 COMMENT 'matches',
    items UInt64,
    title LowCardinality(String),
    description String CODEC(ZSTD(3)),
    remediation LowCardinality(String),
    client IPv6 COMMENT 'the first one; IPv4 as ::ffff:a.b.c.d',
    clients Array(IPv6) COMMENT 'the first 64',
    client_count UInt64,
    principal String COMMENT 'keyed hash; empty when unknown',
    server IPv6,
    server_port UInt16,
    host String CODEC(ZSTD(1)),
    method LowCardinality(String),
    endpoint LowCardinality(String) COMMENT 'path template',
    status UInt16 COMMENT 'of the latest response; 0 when there was none',
    incident String,
    owasp LowCardinality(String),
    cwe LowCardinality(String),
    attack LowCardinality(String),
    `evidence.kind` Array(LowCardinality(String)),
    `evidence.part` Array(LowCardinality(String)),
    `evidence.path` Array(String),
    `evidence.offset` Array(UInt64),
    `evidence.masked` Array(String),
    `evidence.value_hash` Array(String),
    visibility Array(LowCardinality(String)) COMMENT 'what was missing or is not exact',
    record String COMMENT 'the revision as the sensor wrote it, JSON' CODEC(ZSTD(3)),
    seq UInt64 COMMENT 'place in the chain of the sensor',
    previous FixedString(32) COMMENT 'hash of the record before',
    hash FixedString(32) COMMENT 'keyed hash over previous and record',
    batch UUID COMMENT 'what was inserted together',
    ingested_at DateTime64(6, 'UTC') COMMENT 'when the sensor put it on disk' CODEC(Delta, ZSTD(1)),
    INDEX first_seen_range first_seen TYPE minmax GRANULARITY 1,
    INDEX ingested_at_range ingested_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(ingested_at)
ORDER BY (last_seen, alert_id, revision)
TTL toDateTime(ingested_at) + toIntervalDay(90)
SETTINGS index_granularity = 128, ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1
COMMENT 'states of alerts: immutable, told apart by alert_id and revision';

CREATE TABLE IF NOT EXISTS apitap.alerts_by_client
(
    client IPv6,
    last_seen DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    alert_id UUID,
    revision UInt32,
    first_seen DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    severity Enum8('info' = 1, 'low' = 2, 'medium' = 3, 'high' = 4, 'critical' = 5),
    family LowCardinality(String),
    detector LowCardinality(String),
    ingested_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(ingested_at)
ORDER BY (client, last_seen, alert_id, revision)
TTL toDateTime(ingested_at) + toIntervalDay(90)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1
COMMENT 'where the revisions with a client are; addresses are in order, so networks are ranges';

CREATE MATERIALIZED VIEW IF NOT EXISTS apitap.alerts_by_client_view TO apitap.alerts_by_client
AS SELECT arrayJoin(arrayDistinct(arrayPushBack(clients, client))) AS client, last_seen, alert_id, revision, first_seen, severity, family, detector, ingested_at
FROM apitap.alert_revisions;

CREATE TABLE IF NOT EXISTS apitap.alerts_by_key
(
    kind Enum8('fingerprint' = 1, 'principal' = 2, 'endpoint' = 3, 'host' = 4),
    value String,
    last_seen DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    alert_id UUID,
    revision UInt32,
    first_seen DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    severity Enum8('info' = 1, 'low' = 2, 'medium' = 3, 'high' = 4, 'critical' = 5),
    family LowCardinality(String),
    detector LowCardinality(String),
    ingested_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(ingested_at)
ORDER BY (kind, value, last_seen, alert_id, revision)
TTL toDateTime(ingested_at) + toIntervalDay(90)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1
COMMENT 'where the revisions with a fingerprint, a principal, an endpoint or a host are';

CREATE MATERIALIZED VIEW IF NOT EXISTS apitap.alerts_by_key_view TO apitap.alerts_by_key
AS SELECT key.1 AS kind, key.2 AS value, last_seen, alert_id, revision, first_seen, severity, family, detector, ingested_at
FROM apitap.alert_revisions
ARRAY JOIN arrayFilter(key -> key.2 != '', [('fingerprint', toString(fingerprint)), ('principal', principal), ('endpoint', toString(endpoint)), ('host', host)]) AS key;

CREATE TABLE IF NOT EXISTS apitap.alerts_by_id
(
    alert_id UUID,
    revision UInt32,
    last_seen DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    ingested_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(ingested_at)
ORDER BY (alert_id, revision, last_seen)
TTL toDateTime(ingested_at) + toIntervalDay(90)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1
COMMENT 'where the revisions of an alert are';

CREATE MATERIALIZED VIEW IF NOT EXISTS apitap.alerts_by_id_view TO apitap.alerts_by_id
AS SELECT alert_id, revision, last_seen, ingested_at
FROM apitap.alert_revisions;

CREATE TABLE IF NOT EXISTS apitap.alert_status
(
    alert_id UUID,
    at DateTime64(6, 'UTC'),
    change UUID COMMENT 'made by the client, so that a change that is sent twice is one',
    status Enum8('ack' = 1, 'resolved' = 2, 'reopened' = 3),
    who LowCardinality(String),
    note String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
ORDER BY (alert_id, at, change)
SETTINGS index_granularity = 1024
COMMENT 'what people said about alerts; only ever added to';

CREATE TABLE IF NOT EXISTS apitap.sensor_heartbeats
(
    sensor LowCardinality(String),
    at DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    started_at DateTime64(6, 'UTC'),
    version LowCardinality(String),
    health Enum8('fine' = 1, 'degraded' = 2, 'failing' = 3),
    counters Map(LowCardinality(String), UInt64) COMMENT 'frames, drops by reason, gaps, exchanges, alerts',
    visibility Array(LowCardinality(String)) COMMENT 'what cannot be seen',
    chain_seq UInt64 COMMENT 'head of the chain of records',
    chain_hash FixedString(32)
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(at)
ORDER BY (sensor, at)
TTL toDateTime(at) + toIntervalDay(90)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1
COMMENT 'how sensors are, and what they cannot see';

INSERT INTO apitap.schema_migrations (version, name, class, program, applied_at)
SELECT 1, 'alerts, their status, and heartbeats', 'light', '0.1.0', now64(6);

CREATE TABLE IF NOT EXISTS apitap.chain_marks
(
    sensor LowCardinality(String),
    seq UInt64 COMMENT 'the last record that it stands for',
    previous FixedString(32) COMMENT 'hash before the first record',
    hash FixedString(32) COMMENT 'hash of the last record',
    seal FixedString(32) COMMENT 'keyed hash over all of it',
    record String COMMENT 'what it says, JSON',
    ingested_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (sensor, seq, record)
SETTINGS index_granularity = 1024
COMMENT 'tombstones and checkpoints of chains';

ALTER TABLE apitap.alert_revisions
    ADD INDEX IF NOT EXISTS seq_range seq TYPE minmax GRANULARITY 1;

INSERT INTO apitap.schema_migrations (version, name, class, program, applied_at)
SELECT 2, 'what explains gaps in chains', 'idempotent', '0.1.0', now64(6);
