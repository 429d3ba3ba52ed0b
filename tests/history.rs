//! The history of alerts in the real engine: the schema, and everything that can be asked.
//!
//! Where the engine's library is not there (deploy/libchdb/install fetches it), nothing of this is run.

#![expect(clippy::print_stderr, reason = "a suite that is left out says so")]

/// Questions by all filters, and what they answer.
mod asking;
/// What people say about alerts, and what is counted.
mod changes;
/// What is configured of the store.
mod configured;
/// Migrations, and the files for servers.
mod schema;
/// A store with a known content.
mod world;
