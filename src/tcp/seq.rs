//! Sequence numbers, which wrap.

/// A TCP sequence number. Comparison is by distance modulo 2^32 (RFC 9293 section 3.4), so it has no `Ord`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// How far `self` lies behind (negative) or ahead (positive) of `other`; right while they are less than 2^31 apart.
    pub const fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// The number `octets` further on.
    #[must_use]
    pub const fn advance(self, octets: u32) -> Self {
        Self(self.0.wrapping_add(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::SeqNumber;

    #[test]
    fn distance_wraps() {
        assert_eq!(SeqNumber(5).distance_from(SeqNumber(u32::MAX - 4)), 10);
        assert_eq!(SeqNumber(u32::MAX - 4).distance_from(SeqNumber(5)), -10);
        assert_eq!(SeqNumber(u32::MAX).advance(2), SeqNumber(1));
    }
}
