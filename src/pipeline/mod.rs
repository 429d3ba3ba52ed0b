//! Threads and queues: the program on one page. Nothing else in the sensor knows of either.
//!
//! File: one reader (with the dissector) feeds batches of segments to workers by flow; one worker runs inline. Live: a
//! worker for each interface, each with its own ring, run to completion. Both: what workers tell goes to one thread, in
//! the order of the capture.

pub mod file;
mod merge;

pub use merge::Merge;

use crate::link;
use crate::worker;

/// Everything that was counted, for the summary and the statistics.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Frames.
    pub link: link::Counters,
    /// Connections, streams, messages, exchanges, entities.
    pub worker: worker::Counters,
}
