//! Capture time: the only clock below the pipeline, so that a replay behaves as the live run did.

pub use apitap_detectors::time::{Order, Span, Timestamp};

/// The time of a capture as it is read: it follows the frames' time stamps and never runs backwards.
///
/// Captures do hold frames with earlier stamps than the frame before (several interfaces, merged files, stepped clocks).
/// Timers and the order of events need one direction; exchanges keep the stamps as they were.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    now: Timestamp,
}

impl Clock {
    /// A clock that has not seen a frame.
    pub const fn new() -> Self {
        Self { now: Timestamp::MIN }
    }

    /// Moves to a frame's time stamp unless that lies in the past, and returns the time it is now.
    pub fn advance(&mut self, stamp: Timestamp) -> Timestamp {
        self.now = self.now.max(stamp);
        self.now
    }

    /// The time it is now.
    pub const fn now(&self) -> Timestamp {
        self.now
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
