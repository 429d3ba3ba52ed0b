//! Findings to alerts: fingerprint, merge, severity.
