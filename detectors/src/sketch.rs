//! How many different values there were, in 256 octets: a HyperLogLog (Flajolet et al. 2007) of keyed hashes.
//!
//! The hashes are keyed, so that nobody can choose values that steer the count, and the sketch tells nothing about which
//! values there were. The standard error is about 6.5 %; small numbers are nearly exact.

use std::fmt;

use crate::visit::Hash;

/// A power of two; the standard error is 1.04 / sqrt(REGISTERS).
const REGISTERS: usize = 256;

/// Different values, counted.
#[derive(Clone, PartialEq, Eq)]
pub struct Sketch([u8; REGISTERS]);

impl Default for Sketch {
    fn default() -> Self {
        Self([0; REGISTERS])
    }
}

impl Sketch {
    /// Counts a value.
    pub fn insert(&mut self, value: Hash) {
        let index = (value.0 >> 56) as usize;
        let rank = (value.0 << 8 | 0x80).leading_zeros() as u8 + 1;
        if let Some(register) = self.0.get_mut(index) {
            *register = (*register).max(rank);
        }
    }

    /// Counts what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (register, rank) in self.0.iter_mut().zip(other.0) {
            *register = (*register).max(rank);
        }
    }

    /// About how many different values there were.
    pub fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let empty = self.0.iter().filter(|rank| **rank == 0).count();
        let alpha = 0.7213 / (1.0 + 1.079 / registers);
        let raw = alpha * registers * registers / self.0.iter().map(|rank| (-f64::from(*rank)).exp2()).sum::<f64>();
        // Few values leave registers empty, and counting those is more exact.
        let count = if raw <= 2.5 * registers && empty > 0 { registers * (registers / empty as f64).ln() } else { raw };
        count.round() as u64
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "about {}", self.estimate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::Hashing;

    #[test]
    fn counts_what_is_different() {
        let hashing = Hashing::new([7; 32]);
        for many in [0_u32, 1, 10, 100, 1_000, 100_000] {
            let (mut one, mut other) = (Sketch::default(), Sketch::default());
            for value in 0..many {
                let half = if value % 2 == 0 { &mut one } else { &mut other };
                half.insert(hashing.hash(&value.to_le_bytes()));
                half.insert(hashing.hash(&value.to_le_bytes()));
            }
            one.merge(&other);
            let (estimate, many) = (one.estimate() as f64, f64::from(many));
            assert!((estimate - many).abs() <= 0.2 * many + 1.0, "{estimate} of {many}");
        }
    }
}
