//! Bringing a ClickHouse to this program's schema.

use std::time::Duration;

use clickhouse::Client;

use super::ddl::{alter_retention, create, create_database, interval, record};
use super::{Class, DATABASE, MIGRATIONS, Migration, SCHEMA_MIGRATIONS, Target, tables};

/// The oldest ClickHouse that the schema and the client were made for.
const OLDEST: (u32, u32) = (24, 8);

/// Why the schema is not as this program needs it. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A newer program was here.
    #[error("the store has schema {found}, made by a newer apitap; this one knows up to {known}: please update it")]
    Newer {
        /// The newest migration that was made.
        found: u32,
        /// The newest one that is known.
        known: u32,
    },
    /// No sensor was here.
    #[error("the store holds no history: no sensor has stored anything there yet")]
    Missing,
    /// No sensor of this version was here.
    #[error(
        "the store has schema {found}, and this apitap asks schema {known}: start its sensor, which brings it up to date"
    )]
    Older {
        /// The newest migration that was made.
        found: u32,
        /// The one that is needed.
        known: u32,
    },
    /// A cluster whose operator has not run the newest statements.
    #[error(
        "the cluster has schema {found}, and this apitap needs {known}: run what `apitap schema --cluster NAME` prints on it"
    )]
    Behind {
        /// The newest migration that was made.
        found: u32,
        /// The one that is needed.
        known: u32,
    },
    /// The server is too old.
    #[error("the store is ClickHouse {0}, which is too old; 24.8 or newer is needed")]
    TooOld(String),
    /// Rows cannot be rewritten.
    #[error("the store's schema cannot be brought up to date: {doing}: {table}: {reason}")]
    Mutation {
        /// What was being done.
        doing: String,
        /// The table whose rows they are.
        table: String,
        /// What the store said.
        reason: String,
    },
    /// The store does not do what it is asked for.
    #[error("the store cannot be used: {doing}: {source}")]
    Store {
        /// What was being done.
        doing: String,
        /// What the store said.
        source: clickhouse::error::Error,
    },
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The version it had: 0 when there was nothing.
    pub before: u32,
    /// The version it has.
    pub after: u32,
}

/// Brings the store to the newest schema, and to this retention. On a cluster it only looks.
pub async fn apply(client: &Client, retention_days: u32) -> Result<Applied, SchemaError> {
    apply_migrations(client, retention_days, MIGRATIONS).await
}

/// The same with other migrations.
pub async fn apply_migrations(
    client: &Client,
    retention_days: u32,
    migrations: &[Migration],
) -> Result<Applied, SchemaError> {
    check_server(client).await?;
    let known = migrations.last().map_or(0, |migration| migration.version);
    if is_cluster(client).await? {
        return match version(client).await? {
            found if found > known => Err(SchemaError::Newer { found, known }),
            found if found < known => Err(SchemaError::Behind { found, known }),
            found => Ok(Applied { before: found, after: found }),
        };
    }
    run(client, &create_database(Target::Server), "the database").await?;
    for statement in create(&tables::MIGRATIONS_TABLE, Target::Server, retention_days) {
        run(client, &statement, SCHEMA_MIGRATIONS).await?;
    }
    let before = version(client).await?;
    if before > known {
        return Err(SchemaError::Newer { found: before, known });
    }
    for migration in migrations.iter().filter(|migration| migration.version > before) {
        let doing = format!("migration {}, {}", migration.version, migration.name);
        if migration.class == Class::Mutation {
            // Of a process that was cut off. What it asked for is not asked for again on top of it.
            settle(client, &doing).await?;
        }
        for statement in migration.steps.iter().flat_map(|step| step.statements(Target::Server, retention_days)) {
            run(client, &statement, &doing).await?;
        }
        if migration.class == Class::Mutation {
            settle(client, &doing).await?;
        }
        // Only now: what was cut off before is done again.
        run(client, &record(migration), &doing).await?;
    }
    keep_for(client, retention_days).await?;
    Ok(Applied { before, after: known })
}

/// Looks whether the store can be asked by this program.
pub async fn check(client: &Client) -> Result<(), SchemaError> {
    check_server(client).await?;
    let sql = "SELECT count() FROM system.tables WHERE database = ? AND name = ?";
    let found = plain(client).query(sql).bind(DATABASE).bind(SCHEMA_MIGRATIONS).fetch_one::<u64>().await;
    if found.map_err(failing("asking for its tables"))? == 0 {
        return Err(SchemaError::Missing);
    }
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    match version(client).await? {
        found if found > known => Err(SchemaError::Newer { found, known }),
        found if found < known => Err(SchemaError::Older { found, known }),
        _ => Ok(()),
    }
}

async fn check_server(client: &Client) -> Result<(), SchemaError> {
    // Without what an old server does not know.
    let version = plain(client).with_validation(false).query("SELECT version()").fetch_one::<String>().await;
    let version = version.map_err(failing("asking for its version"))?;
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST { Err(SchemaError::TooOld(version)) } else { Ok(()) }
}

/// Whether the tables are there, made for a cluster.
async fn is_cluster(client: &Client) -> Result<bool, SchemaError> {
    let sql = "SELECT count() FROM system.tables WHERE database = ? AND name = ? AND engine = 'Distributed'";
    let found = plain(client).query(sql).bind(DATABASE).bind(SCHEMA_MIGRATIONS).fetch_one::<u64>().await;
    Ok(found.map_err(failing("asking for its tables"))? > 0)
}

async fn version(client: &Client) -> Result<u32, SchemaError> {
    let sql = format!("SELECT max(version) FROM {DATABASE}.{SCHEMA_MIGRATIONS}");
    plain(client).query(&sql).fetch_one().await.map_err(failing("asking for its migrations"))
}

/// Waits for what rewrites rows in the background, for as long as it takes.
async fn settle(client: &Client, doing: &str) -> Result<(), SchemaError> {
    let sql = "SELECT table, latest_fail_reason FROM system.mutations WHERE database = ? AND NOT is_done LIMIT 1";
    loop {
        let next = plain(client).query(sql).bind(DATABASE).fetch_optional::<(String, String)>().await;
        match next.map_err(failing(doing))? {
            None => return Ok(()),
            Some((table, reason)) if !reason.is_empty() => {
                return Err(SchemaError::Mutation { doing: doing.to_owned(), table, reason });
            }
            Some(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Sets the time to live where it is another one.
async fn keep_for(client: &Client, retention_days: u32) -> Result<(), SchemaError> {
    let sql = "SELECT name FROM system.tables WHERE database = ? AND position(create_table_query, ?) = 0";
    let others = plain(client).query(sql).bind(DATABASE).bind(interval(retention_days)).fetch_all::<String>().await;
    let others = others.map_err(failing("asking for its retention"))?;
    for table in tables::EXPIRING.iter().filter(|table| others.iter().any(|other| other == table.name)) {
        if let Some(statement) = alter_retention(table, retention_days) {
            run(client, &statement, "the retention").await?;
        }
    }
    Ok(())
}

async fn run(client: &Client, statement: &str, doing: &str) -> Result<(), SchemaError> {
    // Rows learn of a new time to live with their next merge, not all at once.
    let client = plain(client).with_setting("materialize_ttl_after_modify", "0");
    // A question mark is a place for a value otherwise.
    client.query(&statement.replace('?', "??")).execute().await.map_err(failing(doing))
}

/// A client that does not need the database to be there.
fn plain(client: &Client) -> Client {
    client.clone().with_database("default")
}

fn failing(doing: &str) -> impl FnOnce(clickhouse::error::Error) -> SchemaError {
    let doing = doing.to_owned();
    move |source| SchemaError::Store { doing, source }
}
