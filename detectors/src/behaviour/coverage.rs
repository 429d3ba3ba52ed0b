//! What is known of each operation about who may call it: learned from answers, never from what is asked. The stage keeps one
//! table for all detectors; each visit carries what was known before it.
//!
//! Bounds: [`OPERATIONS`] operations, 200 octets each (3 MB).

use super::bounded::Bounded;
use crate::visit::{Hash, Outcome, Visit};

const OPERATIONS: usize = 16_384;

/// Principals that are told apart for each operation.
const PRINCIPALS: usize = 8;

/// Operations, and whom they answered.
pub(super) struct Operations {
    operations: Bounded<Hash, Known>,
}

#[derive(Default)]
struct Known {
    coverage: Coverage,
    selves: Vec<Hash>,
}

/// Whom one operation answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Answered without a credential.
    pub open: u32,
    /// Refused without a credential.
    pub closed: u32,
    /// Refused with a credential, for the credential (401, or a redirection to a login) and not for who it stands for (403).
    pub strict: u32,
    /// Answered with a credential.
    pub keyed: u32,
    /// Principals that were answered about themselves, as the target names the token's subject; eight at most.
    pub selves: u8,
}

impl Coverage {
    /// Whether this is nobody's business but the caller's: it was never answered to just anyone, and it refuses some, or is
    /// about who calls.
    pub(super) fn is_guarded(&self) -> bool {
        self.open == 0 && (self.strict + self.closed > 0 || self.selves > 0)
    }
}

impl Default for Operations {
    fn default() -> Self {
        Self { operations: Bounded::new(OPERATIONS) }
    }
}

impl Operations {
    /// What was known before this visit; the visit counts from now on.
    pub(super) fn learn(&mut self, visit: &Visit) -> Coverage {
        let Known { coverage, selves } = self.operations.entry(visit.operation, Known::default);
        let before = *coverage;
        let count = match (visit.outcome, visit.credential.is_some()) {
            (Outcome::Refused | Outcome::SentToLogin, false) => &mut coverage.closed,
            (Outcome::SentToLogin, true) => &mut coverage.strict,
            (Outcome::Refused, true) if visit.context.status == Some(401) => &mut coverage.strict,
            (Outcome::Accepted, false) if visit.is_served() => &mut coverage.open,
            (Outcome::Accepted, true) if visit.is_served() => &mut coverage.keyed,
            _ => return before,
        };
        *count = count.saturating_add(1);
        if let Some(principal) = visit.principal
            && visit.is_served()
            && visit.objects.as_slice().iter().any(|object| object.hash == principal)
            && selves.len() < PRINCIPALS
            && !selves.contains(&principal)
        {
            selves.push(principal);
            coverage.selves += 1;
        }
        before
    }

    pub(super) fn footprint(&self) -> usize {
        200 * self.operations.len()
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.operations.forgotten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::visit;
    use crate::identity::{Credential, CredentialKind};

    #[test]
    fn a_redirection_to_a_login_closes_and_checks() {
        let mut operations = Operations::default();
        let sent_on = |is_keyed: bool| {
            let mut visit = visit("10.0.0.1", "/orders", 302);
            visit.outcome = Outcome::SentToLogin;
            visit.credential = is_keyed.then_some(Credential { kind: CredentialKind::SessionCookie, hash: Hash(1) });
            visit
        };
        operations.learn(&sent_on(false));
        assert!(!Coverage::default().is_guarded() && operations.learn(&sent_on(true)).is_guarded());
        let known = operations.learn(&visit("10.0.0.1", "/orders", 302));
        assert_eq!((known.closed, known.strict, known.open), (1, 1, 0));
    }
}
