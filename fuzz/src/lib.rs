//! The bodies of the fuzz targets, as functions that an ordinary test can call too.

pub mod assembler;
pub mod capture_file;
mod choices;
pub mod dissect;
pub mod http_connection;
pub mod scan;
pub mod worker;
