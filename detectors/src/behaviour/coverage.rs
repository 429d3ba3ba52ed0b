//! What is known of each operation about who may call it: learned from answers, never from what is asked.
//!
//! Bounds: [`OPERATIONS`] operations, 200 octets each (3 MB).

use super::bounded::Bounded;
use crate::visit::{Hash, Hashing, Outcome, Visit};

const OPERATIONS: usize = 16_384;

/// Principals that are told apart for each operation.
const PRINCIPALS: usize = 8;

/// Operations, and whom they answered.
pub(super) struct Coverage {
    hashing: Hashing,
    operations: Bounded<Hash, Operation>,
}

/// Whom one operation answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Operation {
    /// Answered without a credential.
    pub(super) open: u32,
    /// Refused without a credential.
    pub(super) closed: u32,
    /// Refused (401) with a credential.
    pub(super) strict: u32,
    /// Answered with a credential.
    pub(super) keyed: u32,
    /// Principals that were answered about themselves: the target names the token's subject.
    pub(super) selves: Vec<Hash>,
}

impl Operation {
    /// Whether this is nobody's business but the caller's: it was never answered to just anyone, and it refuses some, or is
    /// about who calls.
    pub(super) fn is_guarded(&self) -> bool {
        self.open == 0 && (self.strict + self.closed > 0 || !self.selves.is_empty())
    }
}

impl Coverage {
    pub(super) fn new(hashing: Hashing) -> Self {
        Self { hashing, operations: Bounded::new(OPERATIONS) }
    }

    /// What was known before this visit; the visit counts from now on.
    pub(super) fn learn(&mut self, visit: &Visit) -> Operation {
        let text = |text: Option<&str>| self.hashing.hash(text.unwrap_or_default().as_bytes());
        let (method, endpoint) = (visit.context.method.as_deref(), visit.context.endpoint.as_deref());
        let key = self.hashing.hash_all([visit.server, text(method), text(endpoint)]);
        let operation = self.operations.entry(key, Operation::default);
        let before = operation.clone();
        let count = match (visit.outcome, visit.credential.is_some()) {
            (Outcome::Refused, false) => &mut operation.closed,
            (Outcome::Refused, true) if visit.context.status == Some(401) => &mut operation.strict,
            (Outcome::Accepted, false) if is_served(visit) => &mut operation.open,
            (Outcome::Accepted, true) if is_served(visit) => &mut operation.keyed,
            _ => return before,
        };
        *count = count.saturating_add(1);
        if let Some(principal) = visit.principal
            && is_served(visit)
            && visit.objects.as_slice().iter().any(|object| object.hash == principal)
            && operation.selves.len() < PRINCIPALS
            && !operation.selves.contains(&principal)
        {
            operation.selves.push(principal);
        }
        before
    }

    pub(super) fn footprint(&self) -> usize {
        200 * self.operations.len()
    }
}

/// Whether the visit was answered with what it asked for: a redirection to a login is not.
pub(super) fn is_served(visit: &Visit) -> bool {
    matches!(visit.context.status, Some(200..=299))
}
