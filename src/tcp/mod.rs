//! The two directions of a TCP connection, put back in order (RFC 9293).

mod seq;

pub use seq::SeqNumber;

/// Which way octets flow on a connection. Who is the client is not known here: `Forward` is the direction of the
/// connection's first captured segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the sender of the first captured segment.
    Forward,
    /// The other way.
    Reverse,
}

impl Direction {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::Forward, Self::Reverse];

    /// The other direction.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Reverse,
            Self::Reverse => Self::Forward,
        }
    }

    /// 0 or 1, for tables with an entry each.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What a direction of a connection has to tell, in stream order: octets, a hole, the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// The next octets. In-order data is a slice of the frame; one event is (a part of) one segment.
    Data(&'a [u8]),
    /// Octets that are missing from the capture; never a lost connection.
    Gap(u64),
    /// No more octets come in this direction.
    End(EndReason),
}

/// Why a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The sender said so.
    Fin,
    /// One side reset the connection.
    Reset,
    /// Nothing came for too long.
    Idle,
    /// The flow had to make room, or a new connection took its addresses.
    Evicted,
    /// The capture ended.
    CaptureEnd,
}
