//! How much the connections of a worker may hold.

/// How much messages may hold together: their heads, and their content.
///
/// Heads come first. Content that is not kept is scanned all the same, but without its head an exchange is not seen at
/// all, so content leaves a quarter of the budget alone.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    held: usize,
    /// How many charges for content were refused.
    pub(super) content_refused: u64,
}

impl Budget {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, held: 0, content_refused: 0 }
    }

    /// Raises what is charged for a message's content to `amount` bytes, unless the budget forbids it.
    pub(super) fn charge_content(&mut self, charged: &mut usize, amount: usize) -> bool {
        let granted = self.raise(charged, amount, self.limit - self.limit / 4);
        self.content_refused += u64::from(!granted);
        granted
    }

    /// Raises what is charged for a head that has not ended to `amount` bytes, unless the budget forbids it.
    pub(super) fn charge_head(&mut self, charged: &mut usize, amount: usize) -> bool {
        self.raise(charged, amount, self.limit)
    }

    /// Raises what is charged for a message whose head has been read to `amount` bytes, be the budget spent or not: it is
    /// there, and most often not for long.
    pub(super) fn overdraw(&mut self, charged: &mut usize, amount: usize) {
        self.raise(charged, amount, usize::MAX);
    }

    /// Whether more is held than the budget has.
    pub(super) const fn is_overdrawn(&self) -> bool {
        self.held > self.limit
    }

    pub(super) fn release(&mut self, charged: usize) {
        self.held = self.held.saturating_sub(charged);
    }

    /// How many bytes are charged now.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    fn raise(&mut self, charged: &mut usize, amount: usize, limit: usize) -> bool {
        let more = amount.saturating_sub(*charged);
        if more > limit.saturating_sub(self.held) {
            return false;
        }
        self.held += more;
        *charged += more;
        true
    }
}
