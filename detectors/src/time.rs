//! Points in capture time.

use std::fmt;
use std::ops::{Add, Sub};

/// A point in capture time: nanoseconds since the Unix epoch, as the capturing machine stamped the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Before every other point; a clock that has not seen a frame yet.
    pub const MIN: Self = Self(i64::MIN);
    /// After every other point; the deadline of what never expires.
    pub const MAX: Self = Self(i64::MAX);

    /// Builds a time from nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Builds a time from seconds and nanoseconds since the Unix epoch; saturates.
    pub const fn from_parts(seconds: i64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos as i64))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Microseconds since the Unix epoch, rounded down.
    pub const fn as_micros(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The span from `earlier` to `self`; zero when `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> Span {
        let nanos = self.0.saturating_sub(earlier.0);
        Span(if nanos < 0 { 0 } else { nanos })
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// A length of capture time in nanoseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// A span of whole seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds as i64 * 1_000_000_000)
    }

    /// A span of whole milliseconds.
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis as i64 * 1_000_000)
    }

    /// Nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds, with the fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.as_secs_f64())
    }
}

/// Where something stands in the one order in which a capture's events are told: by capture time, then by the frame that
/// made it known, then by the flow's first frame, then by its number within that frame.
///
/// Everything that leaves a worker carries one, and the stages after it sort by it, so the number of workers does not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Capture time: the frame's, or the deadline's when a timer fired.
    pub time: Timestamp,
    /// The frame's number in the capture, from 1; 0 when a timer fired.
    pub frame: u64,
    /// The number of the first frame of the flow.
    pub flow: u64,
    /// Tells apart what one frame of one flow gave.
    pub ordinal: u32,
}

impl Order {
    /// Before everything.
    pub const MIN: Self = Self { time: Timestamp::MIN, frame: 0, flow: 0, ordinal: 0 };
    /// After everything.
    pub const MAX: Self = Self { time: Timestamp::MAX, frame: u64::MAX, flow: u64::MAX, ordinal: u32::MAX };

    /// The last place that a frame can take: after everything that was told up to and with it.
    pub const fn after_frame(time: Timestamp, frame: u64) -> Self {
        Self { time, frame, flow: u64::MAX, ordinal: u32::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + Span::from_secs(1), Timestamp::MAX);
        assert_eq!(Timestamp::MIN - Span::from_secs(1), Timestamp::MIN);
        assert_eq!(Timestamp::from_nanos(5).since(Timestamp::from_nanos(9)), Span::default());
        assert_eq!(Timestamp::from_parts(i64::MAX, 7), Timestamp::MAX);
    }

    #[test]
    fn order_is_time_then_frame_then_flow() {
        let at = |time, frame, flow, ordinal| Order { time: Timestamp::from_nanos(time), frame, flow, ordinal };
        let sorted = [at(1, 9, 9, 9), at(2, 0, 9, 9), at(2, 1, 1, 9), at(2, 1, 2, 0), at(2, 1, 2, 1)];
        assert!(sorted.is_sorted());
    }
}
