//! Threads and queues: the program on one page. Nothing else in the sensor knows of either.
//!
//! File: one reader (with the dissector) feeds batches of segments to workers by flow; one worker runs inline. Live: a
//! worker for each interface, each with its own ring, run to completion. Both: what workers tell goes to one thread, in
//! the order of the capture.

pub mod file;
pub mod live;
mod merge;
pub mod signals;

pub use merge::Merge;

use crate::link;
use crate::time::Timestamp;
use crate::worker;

/// Everything that was counted, for the summary and the statistics.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Frames.
    pub link: link::Counters,
    /// Connections, streams, messages, exchanges, entities.
    pub worker: worker::Counters,
}

/// What is told while frames come in.
#[derive(Debug)]
pub enum Told {
    /// An output, in the order of the capture.
    Output(worker::Output),
    /// Everything up to this time was told.
    Time(Timestamp),
    /// A file cannot be used, or not in full.
    Fault(file::Fault),
    /// How far the reader is in a file, in bytes, and how many there are.
    Progress(u64, Option<u64>),
}
