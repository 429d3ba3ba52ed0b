//! The history of alerts, in ClickHouse: one dialect and one way, its HTTP interface, whether the other end is the
//! embedded engine ([`gateway`]), a server or a cluster.

pub mod chain;
pub mod child;
pub mod client;
pub mod gateway;
pub mod integrity;
pub mod marks;
pub mod novel;
pub mod queries;
pub mod rows;
pub mod schema;
pub mod spool;
pub mod writer;

/// The database of everything that is stored.
pub const DATABASE: &str = "apitap";

/// The table of status changes, which people make: acknowledged, resolved, reopened.
pub const STATUS_TABLE: &str = "alert_status";
