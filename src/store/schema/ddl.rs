//! Tables and views as statements, for one server or for a cluster.
//!
//! On a cluster each table is two: the replicated one, with `_local` behind its name, and a distributed one with the name
//! itself, so that questions and inserts are the same everywhere.

use super::{DATABASE, Migration, SCHEMA_MIGRATIONS};

/// Where the schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// The embedded store, or one server.
    Server,
    /// A cluster of this name: replicated, sharded.
    Cluster(&'a str),
}

/// A part of a migration.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Makes something.
    Create(Object),
    /// Changes a table: what follows `ALTER TABLE name`. It must be harmless to repeat.
    Alter {
        /// Its name.
        table: &'static str,
        /// `ADD COLUMN IF NOT EXISTS ...` and the like.
        change: &'static str,
    },
}

/// Something that is made.
#[derive(Clone, Copy, Debug)]
pub enum Object {
    /// A table.
    Table(Table),
    /// A materialized view.
    View(View),
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What it is for, as its comment.
    pub comment: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// Indexes that say which granules cannot hold what is asked for.
    pub indexes: &'static [Index],
    /// What its partitions are made by.
    pub partition: Option<&'static str>,
    /// Its order, which is its primary key as well, and what makes two rows one.
    pub order: &'static str,
    /// The column that the time to live counts from.
    pub expires: Option<&'static str>,
    /// What decides which shard a row belongs to.
    pub shard: &'static str,
    /// Rows between two marks of the primary key.
    pub granularity: u32,
}

/// A column: its name, and its type with what belongs to it.
pub type Column = (&'static str, &'static str);

/// A skip index: its name, and its expression with its type.
pub type Index = (&'static str, &'static str);

/// A materialized view, which fills a table from another one's inserts.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Its name.
    pub name: &'static str,
    /// The table it fills.
    pub to: &'static str,
    /// The table it reads.
    pub from: &'static str,
    /// What it selects, up to FROM.
    pub select: &'static str,
    /// What follows the table: ARRAY JOIN, WHERE.
    pub rest: &'static str,
}

impl Step {
    /// The statements of this step.
    pub fn statements(&self, target: Target<'_>, retention_days: u32) -> Vec<String> {
        match self {
            Self::Create(Object::Table(table)) => create(table, target, retention_days),
            Self::Create(Object::View(view)) => vec![create_view(view, target)],
            Self::Alter { table, change } => alter(table, change, target),
        }
    }
}

/// `CREATE DATABASE`.
pub(super) fn create_database(target: Target<'_>) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {DATABASE}{}", on_cluster(target))
}

/// `CREATE TABLE`, and on a cluster the distributed table above it.
pub(super) fn create(table: &Table, target: Target<'_>, retention_days: u32) -> Vec<String> {
    let Table { name, comment, columns, indexes, partition, order, expires, shard, granularity } = table;
    let columns = columns.iter().map(|(name, kind)| format!("    {name} {kind}"));
    let indexes = indexes.iter().map(|(name, kind)| format!("    INDEX {name} {kind}"));
    let body = columns.chain(indexes).collect::<Vec<_>>().join(",\n");
    let engine = match target {
        Target::Server => "ReplacingMergeTree".to_owned(),
        Target::Cluster(_) => {
            format!("ReplicatedReplacingMergeTree('/clickhouse/tables/{{shard}}/{DATABASE}/{name}', '{{replica}}')")
        }
    };
    let local = local(name, target);
    let on_cluster = on_cluster(target);
    let mut lines = vec![
        format!("CREATE TABLE IF NOT EXISTS {DATABASE}.{local}{on_cluster}\n(\n{body}\n)"),
        format!("ENGINE = {engine}"),
    ];
    lines.extend(partition.map(|by| format!("PARTITION BY {by}")));
    lines.push(format!("ORDER BY {order}"));
    lines.extend(expires.map(|column| time_to_live(column, retention_days)));
    lines.push(format!("SETTINGS {}", settings(*granularity, *expires, target)));
    lines.push(format!("COMMENT '{comment}'"));
    let mut statements = vec![lines.join("\n")];
    if let Target::Cluster(cluster) = target {
        statements.push(format!(
            "CREATE TABLE IF NOT EXISTS {DATABASE}.{name}{on_cluster} AS {DATABASE}.{local}\n\
             ENGINE = Distributed('{cluster}', {DATABASE}, {local}, {shard})\nCOMMENT '{comment}'"
        ));
    }
    statements
}

fn settings(granularity: u32, expires: Option<&str>, target: Target<'_>) -> String {
    let mut settings = format!("index_granularity = {granularity}");
    if expires.is_some() {
        // Whole parts go, when all of a week has expired: nothing is rewritten for it.
        settings += ", ttl_only_drop_parts = 1";
        // A week that is over becomes one part: a question opens files in every part that may hold an answer.
        settings += ", min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1";
    }
    if let Target::Cluster(_) = target {
        // A batch that is sent again is to reach the views, too; its key makes it one.
        settings += ", replicated_deduplication_window = 0";
    }
    settings
}

fn create_view(View { name, to, from, select, rest }: &View, target: Target<'_>) -> String {
    let [to, from] = [to, from].map(|name| local(name, target));
    let on_cluster = on_cluster(target);
    let view = format!("CREATE MATERIALIZED VIEW IF NOT EXISTS {DATABASE}.{name}{on_cluster} TO {DATABASE}.{to}");
    format!("{view}\nAS {select}\nFROM {DATABASE}.{from}\n{rest}").trim_end().to_owned()
}

/// `ALTER TABLE`, on a cluster of both tables.
fn alter(table: &str, change: &str, target: Target<'_>) -> Vec<String> {
    let statement = |name: &str| format!("ALTER TABLE {DATABASE}.{name}{}\n    {change}", on_cluster(target));
    match target {
        Target::Server => vec![statement(table)],
        Target::Cluster(_) => vec![statement(&local(table, target)), statement(table)],
    }
}

/// Says that `migration` was made.
pub(super) fn record(Migration { version, name, class, .. }: &Migration) -> String {
    let program = env!("CARGO_PKG_VERSION");
    format!(
        "INSERT INTO {DATABASE}.{SCHEMA_MIGRATIONS} (version, name, class, program, applied_at)\n\
         SELECT {version}, '{name}', '{}', '{program}', now64(6)",
        class.as_str()
    )
}

/// Changes how long the rows of a server's table are kept.
pub(super) fn alter_retention(table: &Table, retention_days: u32) -> Option<String> {
    let ttl = time_to_live(table.expires?, retention_days);
    Some(format!("ALTER TABLE {DATABASE}.{}\n    MODIFY {ttl}", table.name))
}

fn time_to_live(column: &str, days: u32) -> String {
    format!("TTL toDateTime({column}) + {}", interval(days))
}

/// The time to live as the engine writes it.
pub(super) fn interval(days: u32) -> String {
    format!("toIntervalDay({days})")
}

/// The name of the table that holds the rows.
fn local(name: &str, target: Target<'_>) -> String {
    match target {
        Target::Server => name.to_owned(),
        Target::Cluster(_) => format!("{name}_local"),
    }
}

fn on_cluster(target: Target<'_>) -> String {
    match target {
        Target::Server => String::new(),
        Target::Cluster(name) => format!(" ON CLUSTER '{name}'"),
    }
}
