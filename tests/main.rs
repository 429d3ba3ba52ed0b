//! The integration tests: one binary, a line for each module.

/// The tree keeps its own rules.
mod tidy;
