//! What is stored, and how it comes to be there: tables, and the migrations that make them.
//!
//! Every statement can be repeated without harm. So a start that was cut off is made good by the next one, and sensors that
//! start at the same time do the same and get the same. A cluster is its operator's: there the statements are printed
//! (`apitap schema --cluster`), and a sensor only looks whether they were run.

mod apply;
mod ddl;
mod tables;

pub use apply::{Applied, SchemaError, apply, apply_migrations, check};
pub use ddl::{Column, Index, Object, Step, Table, Target, View};
pub use tables::{ALERTS_BY_CLIENT, ALERTS_BY_ID, ALERTS_BY_KEY, MIGRATIONS, SCHEMA_MIGRATIONS};

use super::DATABASE;

/// One change of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number; they are counted from 1 without a gap, and never change once they have been released.
    pub version: u32,
    /// What it does, in a few words.
    pub name: &'static str,
    /// What it costs.
    pub class: Class,
    /// What is done, in this order.
    pub steps: &'static [Step],
}

/// What a migration costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing: it makes something new, or changes what is said about a table.
    Light,
    /// It may take time, but rewrites no rows that are there: an index that is built by and by.
    Idempotent,
    /// It rewrites rows in the background, and is waited for.
    Mutation,
}

impl Class {
    /// Its name in `schema_migrations`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Idempotent => "idempotent",
            Self::Mutation => "mutation",
        }
    }
}

/// Days that alerts are kept when nobody says otherwise.
pub const RETENTION_DAYS: u32 = 90;

/// Statements that fill the views' tables from those rows of `table` for which `condition` holds. What is there already becomes
/// one with what it is again.
pub fn refill(table: &str, condition: &str) -> Vec<String> {
    let views = MIGRATIONS.iter().flat_map(|migration| migration.steps).filter_map(|step| match step {
        Step::Create(Object::View(view)) if view.from == table => Some(view),
        _ => None,
    });
    let rows = format!("(SELECT * FROM {DATABASE}.{table} WHERE {condition})");
    views
        .map(|View { to, select, rest, .. }| format!("INSERT INTO {DATABASE}.{to} {select} FROM {rows} {rest}"))
        .collect()
}

/// Everything that makes the newest schema on an empty server, as text; it may be run again.
pub fn script(target: Target<'_>, retention_days: u32) -> String {
    let mut statements = vec![ddl::create_database(target)];
    statements.extend(ddl::create(&tables::MIGRATIONS_TABLE, target, retention_days));
    for migration in MIGRATIONS {
        statements.extend(migration.steps.iter().flat_map(|step| step.statements(target, retention_days)));
        statements.push(ddl::record(migration));
    }
    statements.into_iter().map(|statement| statement + ";\n").collect::<Vec<_>>().join("\n")
}
