//! How much the connections of a worker may hold.

/// How much content the connections of a worker may hold together.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    held: usize,
    /// How many charges were refused.
    pub(super) refused: u64,
}

impl Budget {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, held: 0, refused: 0 }
    }

    /// Raises what is charged for one message to `amount` bytes, unless the budget forbids it.
    pub(super) fn charge(&mut self, charged: &mut usize, amount: usize) -> bool {
        let more = amount.saturating_sub(*charged);
        if more > self.limit.saturating_sub(self.held) {
            self.refused += 1;
            return false;
        }
        self.held += more;
        *charged += more;
        true
    }

    pub(super) fn release(&mut self, charged: usize) {
        self.held = self.held.saturating_sub(charged);
    }

    /// How many bytes are charged now.
    pub(super) const fn held(&self) -> usize {
        self.held
    }
}
