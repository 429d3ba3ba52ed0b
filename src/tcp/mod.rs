//! The two directions of a TCP connection, put back in order (RFC 9293).
//!
//! A passive observer is not a receiver: it cannot ask for what it missed. So nothing here waits for ever and nothing
//! is lost in silence. In-order octets are handed on as the slice of the frame they came in; octets that come early are
//! held, within a budget; a hole that does not fill becomes a [`StreamEvent::Gap`] in its place, and the stream goes on.
//! This stage knows nothing of who reads the stream.
//!
//! [`assembler`] is one direction, [`connection`] is both of them with the control flags.

pub mod assembler;
pub mod connection;
mod half;
mod seq;

pub use seq::SeqNumber;

use std::fmt;

use apitap_detectors::exchange::Octets;

use crate::counters::counters;

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
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// The next octets. In-order data is a slice of the frame; one event is (a part of) one segment.
    Data(&'a [u8]),
    /// Octets that are missing from the capture; never a lost connection.
    Gap(u64),
    /// No more octets come in this direction.
    End(EndReason),
}

/// Shows how many octets there are, and not what they are.
impl fmt::Debug for StreamEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(octets) => f.debug_tuple("Data").field(&Octets::of(octets)).finish(),
            Self::Gap(octets) => f.debug_tuple("Gap").field(octets).finish(),
            Self::End(reason) => f.debug_tuple("End").field(reason).finish(),
        }
    }
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

/// Takes what a connection's directions have to tell.
pub trait StreamSink {
    /// The next event of one direction. With data comes how many octets of the opposite direction its sender had then
    /// acknowledged, counted like those of the events: from the first that was told, gaps included. It may be more than was
    /// told so far: those octets were captured late, or are lost.
    fn event(&mut self, direction: Direction, event: StreamEvent<'_>, acknowledged: Option<u64>);

    /// Two segments gave different octets for the same place in `direction`; the first ones stand.
    fn conflict(&mut self, direction: Direction);
}

/// How many octets that came early may be held: in one direction, and in all of a worker's connections.
#[derive(Clone, Copy, Debug)]
pub struct HoldBudget {
    /// For one direction of one connection, in bytes.
    pub per_direction: usize,
    /// For one direction of one connection, in pieces.
    pub pieces: usize,
    /// For all connections of the worker, in bytes.
    pub total: usize,
    /// What all connections hold now, in bytes, what keeping it takes included.
    pub used: usize,
}

impl Default for HoldBudget {
    fn default() -> Self {
        Self { per_direction: 8 << 20, pieces: 8192, total: 64 << 20, used: 0 }
    }
}

counters! {
    /// What happened to segments and their octets. `octets_received = delivered + retransmitted + dropped (each) + held`.
    pub struct Counters {
        /// Segments taken in.
        pub segments_received,
        /// Segments passed over for a wrong checksum.
        pub segments_dropped_checksum,
        /// Segments passed over because they lay far outside of any window.
        pub segments_dropped_out_of_window,
        /// SYN segments that do not fit the connection; a new one begins when they are answered.
        pub segments_challenging,
        /// RST segments whose sequence number does not fit the connection.
        pub segments_dropped_invalid_reset,
        /// Payload octets taken in.
        pub octets_received,
        /// Payload octets handed on.
        pub octets_delivered,
        /// Payload octets that had been seen before.
        pub octets_retransmitted,
        /// Payload octets of segments with a wrong checksum.
        pub octets_dropped_checksum,
        /// Payload octets of segments far outside of any window.
        pub octets_dropped_out_of_window,
        /// Payload octets of a SYN or RST that the receiver did not take.
        pub octets_dropped_unaccepted,
        /// Payload octets after a direction's end.
        pub octets_dropped_after_end,
        /// Payload octets that came early and wait for what is missing before them.
        pub octets_held,
        /// Holes told as gaps.
        pub gaps_found,
        /// Octets missing in those holes.
        pub gap_octets,
        /// Gaps told early because a hold budget was reached.
        pub gaps_forced_budget,
        /// Overlapping segments that differ.
        pub overlaps_conflicting,
    }
}
