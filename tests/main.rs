//! The integration tests: one binary, a line for each module.

/// Captures and the exchanges in them.
mod cases;
/// The fuzz targets, on their seeds and on mutations of them.
mod fuzz;
/// Traffic that was made to hurt.
mod hostile;
/// What must hold whatever the traffic is.
mod laws;
/// Live capture in network namespaces.
mod live;
/// What was on the wire is in no Debug output.
mod privacy;
/// The tree keeps its own rules.
mod tidy;
/// Conversations as segments.
mod wire;
