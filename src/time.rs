//! Capture time: the only clock below the pipeline, so that a replay behaves as the live run did.

use std::fmt;

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

/// A time as RFC 3339 text in UTC, with microseconds: `2026-11-24T11:23:00.000001Z`.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339(pub Timestamp);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 64 bits of nanoseconds end in 2262, well inside of what jiff can tell.
        let utc = jiff::Timestamp::from_microsecond(self.0.as_micros()).map_err(|_| fmt::Error)?;
        write!(f, "{utc:.6}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_never_runs_backwards() {
        let mut clock = Clock::new();
        let at = Timestamp::from_nanos;
        assert_eq!([clock.advance(at(5)), clock.advance(at(3)), clock.advance(at(9))], [at(5), at(5), at(9)]);
    }

    #[test]
    fn times_have_microseconds() {
        assert_eq!(Rfc3339(Timestamp::from_nanos(1_500)).to_string(), "1970-01-01T00:00:00.000001Z");
        assert_eq!(Rfc3339(Timestamp::MAX).to_string(), "2262-04-11T23:47:16.854775Z");
    }
}
