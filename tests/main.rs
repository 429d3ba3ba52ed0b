//! The integration tests: one binary, a line for each module.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "all of it is tests")]

/// Captures and the exchanges in them.
mod cases;
/// The program as a user meets it.
mod cli;
/// A larger corpus, where one is given.
mod corpus;
/// A million clients, and attacks among them.
mod crowd;
/// The demo: a shop, its customers and its attackers.
mod demo;
/// What is in deploy/ fits the program.
mod deploy;
/// The page about detectors says what they say.
mod detectors_page;
/// What was acknowledged, whatever is killed.
mod durability;
/// The fuzz targets, on their seeds and on mutations of them.
mod fuzz;
/// The history of alerts in the real engine.
mod history;
/// Traffic that was made to hurt.
mod hostile;
/// What must hold whatever the traffic is.
mod laws;
/// Live capture in network namespaces.
mod live;
/// What was on the wire is in no Debug output.
mod privacy;
/// The sensor beside a real server, on a wire of its own.
mod sensor;
/// The sensor beside an application, with one capability.
mod sidecar;
/// The embedded ClickHouse, through the clients that people use.
mod store;
/// The tree keeps its own rules.
mod tidy;
/// Conversations as segments.
mod wire;
/// Hosts in network namespaces.
mod world;
