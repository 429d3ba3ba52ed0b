//! Values that go beside a statement.

use clickhouse::query::Query;
use serde::Serialize;

/// A value for a statement.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Text(String),
    Texts(Vec<String>),
    Number(i64),
    Numbers(Vec<i64>),
    Count(u64),
}

macro_rules! values {
    ($($variant:ident $type:ty,)*) => { $(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        }
    )* };
}

values! { Text String, Texts Vec<String>, Number i64, Numbers Vec<i64>, Count u64, }

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// Values that stand in a statement by their numbers.
#[derive(Debug, Default)]
pub(super) struct Conditions(Vec<Value>);

impl Conditions {
    /// Adds a value, and returns what stands for it in the statement.
    pub(super) fn add(&mut self, value: impl Into<Value>, kind: &str) -> String {
        self.0.push(value.into());
        format!("{{v{}:{kind}}}", self.0.len())
    }

    /// Adds a time in microseconds since 1970.
    pub(super) fn time(&mut self, micros: i64) -> String {
        format!("fromUnixTimestamp64Micro({}, 'UTC')", self.add(micros, "Int64"))
    }

    /// `query` with all values.
    pub(super) fn bind(&self, query: Query) -> Query {
        (1..).zip(&self.0).fold(query, |query, (number, value)| query.param(&format!("v{number}"), value))
    }
}
