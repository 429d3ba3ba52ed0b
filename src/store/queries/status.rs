//! What people said about alerts.

use std::collections::HashMap;
use std::fmt;

use clickhouse::Client;

use super::conditions::Conditions;
use super::{DATABASE, QueryError, from_micros};
use crate::alert::AlertId;
use crate::store::rows::{ALERT_STATUS, StatusRow, micros};
use crate::time::Timestamp;

/// Where people stand with an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody has said anything.
    Open,
    /// Somebody has seen it.
    Ack,
    /// It is dealt with.
    Resolved,
    /// It was not, after all.
    Reopened,
}

impl Status {
    /// Those that are stored.
    pub(super) const STORED: [Self; 3] = [Self::Ack, Self::Resolved, Self::Reopened];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ack => "ack",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
        }
    }

    const fn number(self) -> i8 {
        match self {
            Self::Open => 0,
            Self::Ack => 1,
            Self::Resolved => 2,
            Self::Reopened => 3,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A change of an alert's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// To what.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub who: String,
    /// And why.
    pub note: String,
}

impl From<StatusRow> for Change {
    fn from(row: StatusRow) -> Self {
        let status = Status::STORED.into_iter().find(|status| status.number() == row.status).unwrap_or(Status::Open);
        Self { status, at: from_micros(row.at), who: row.who, note: row.note }
    }
}

/// Stores a change. `number` tells it apart from all others, so that it can be sent again.
pub async fn change(client: &Client, alert: AlertId, number: u128, change: Change) -> Result<(), QueryError> {
    let row = StatusRow {
        alert_id: alert.as_u128(),
        at: micros(change.at),
        change: number,
        status: change.status.number(),
        who: change.who,
        note: change.note,
    };
    let mut insert = client.clone().with_database(DATABASE).insert::<StatusRow>(ALERT_STATUS).await?;
    insert.write(&row).await?;
    Ok(insert.end().await?)
}

/// The columns of a [`StatusRow`].
const COLUMNS: &str = "alert_id, at, change, status, who, note";

/// The latest change of each of `alerts` that has any.
pub(super) async fn latest(client: &Client, alerts: &[AlertId]) -> Result<HashMap<AlertId, Change>, QueryError> {
    let rows = of(client, alerts, "ORDER BY at DESC, change DESC LIMIT 1 BY alert_id").await?;
    Ok(rows.into_iter().map(|row| (AlertId::from_u128(row.alert_id), row.into())).collect())
}

/// All changes of `alert`, oldest first.
pub(super) async fn history(client: &Client, alert: AlertId) -> Result<Vec<Change>, QueryError> {
    let rows = of(client, &[alert], "ORDER BY at, change LIMIT 1 BY change").await?;
    Ok(rows.into_iter().map(Change::from).collect())
}

async fn of(client: &Client, alerts: &[AlertId], order: &str) -> Result<Vec<StatusRow>, QueryError> {
    if alerts.is_empty() {
        return Ok(Vec::new());
    }
    let mut conditions = Conditions::default();
    let ids = conditions.add(alerts.iter().map(ToString::to_string).collect::<Vec<_>>(), "Array(UUID)");
    let sql = format!("SELECT {COLUMNS} FROM {DATABASE}.{ALERT_STATUS} WHERE alert_id IN {ids} {order}");
    Ok(conditions.bind(client.query_raw(&sql)).fetch_all().await?)
}
