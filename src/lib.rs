//! apitap, a passive sensor for API security. `docs/ARCHITECTURE.md` is the map.
//!
//! Data flows one way, and a module uses only those before it:
//! `time, capture -> link -> flow, tcp -> http -> worker -> pipeline -> alert -> store -> config, cli`.

pub mod alert;
pub mod capture;
pub mod cli;
pub mod config;
pub mod counters;
pub mod exchange_log;
pub mod flow;
pub mod http;
pub mod keys;
pub mod link;
pub mod nearest;
pub mod pipeline;
pub mod store;
pub mod tcp;
pub mod time;
pub mod worker;
