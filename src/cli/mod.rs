//! Faces on the command line.

pub mod jsonl;
pub mod table;
mod text;
