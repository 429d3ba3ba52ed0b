//! `apitap store` with the real engine, driven by the real clients.
//!
//! Where the engine's library is not there (deploy/libchdb/install fetches it), everything here is skipped.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests: one that cannot go on fails, and they have a clock and threads"
)]

/// Clients of ClickHouse: the crate, Python's, Grafana's requests.
mod clients;
/// What the HTTP interface answers.
mod interface;
/// What nobody, or not everybody, may.
mod limits;
/// The life of a store: start, stop, kill, two at once.
mod lives;
/// A store to test with.
mod world;
