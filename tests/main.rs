//! The integration tests: one binary, a line for each module.

/// Captures and the exchanges in them.
mod cases;
/// What must hold whatever the traffic is.
mod laws;
/// The embedded ClickHouse, through the clients that people use.
mod store;
/// The tree keeps its own rules.
mod tidy;
/// Conversations as segments.
mod wire;
