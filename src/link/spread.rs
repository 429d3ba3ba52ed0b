//! Which worker a segment goes to.

use super::{Segment, Socket};

/// A number that is the same for all segments of a connection, in both directions, and spreads connections evenly.
///
/// It is the same in every run. A sender who picks addresses can aim at one worker, as it can with any fixed rule of
/// a network card; the flow tables behind it are keyed.
#[inline]
pub fn spread(segment: &Segment<'_>) -> u64 {
    let ends = mix(segment.src).wrapping_add(mix(segment.dst));
    fold(ends ^ u64::from(segment.overlay.0), 0x9e37_79b9_7f4a_7c15)
}

#[inline]
fn mix(socket: Socket) -> u64 {
    let bits = socket.address.bits();
    fold(bits as u64 ^ 0xa076_1d64_78bd_642f, (bits >> 64) as u64 ^ u64::from(socket.port) ^ 0xe703_7ed1_a0b4_28db)
}

/// Multiplies to 128 bits and folds the halves, so that every bit of both factors reaches every bit of the result.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
