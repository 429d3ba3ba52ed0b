//! Personal data in responses: one file for each kind.
//!
//! Each file has the verifier that the content scan calls where a shape is found, what is said about a finding, and how
//! a value is masked. All share one rule of severity, because what matters is how bad it is when one value leaks, and
//! whether an answer gives one person's data or many people's.

pub(crate) mod email;
pub(crate) mod iban;
pub(crate) mod payment_card;
pub(crate) mod phone;
pub(crate) mod us_ssn;

use crate::finding::{Confidence, Detector, Severity};
use crate::scan::EntityType;
use crate::scan::meaning::Meaning;
use crate::scan::near::Near;

/// One kind of personal data.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What the scan calls it.
    pub(crate) entity: EntityType,
    /// What is said about it.
    pub(crate) detector: Detector,
    /// How much one value matters.
    pub(crate) weight: Weight,
    /// What a telling name says; agreement raises the confidence.
    pub(crate) named: Meaning,
    /// How sure the form alone makes us.
    pub(crate) confidence: Confidence,
    /// The character of a value in the form in which equal values are equal; `None` drops separators.
    pub(crate) normalise: fn(u8) -> Option<u8>,
    /// A normalised value with all but a few characters masked.
    pub(crate) mask: fn(&str) -> String,
}

/// How much it matters that one value of a kind is in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// One is enough to harm its owner, and few APIs have a reason to send it whole.
    Alone,
    /// People read their own all the time; it matters when an answer has several people's.
    InNumbers,
}

/// How many different values are more than one person reading their own profile: a private one, one of work, and the
/// next is somebody else's.
const SEVERAL: usize = 3;

impl Kind {
    /// How bad it is that a response has this many different values.
    pub(crate) fn severity(&self, distinct: usize) -> Severity {
        match self.weight {
            Weight::Alone => Severity::High,
            Weight::InNumbers if distinct >= SEVERAL => Severity::Medium,
            Weight::InNumbers => Severity::Low,
        }
    }

    /// How sure we are, given what the value's name says.
    pub(crate) fn confidence(&self, meaning: Meaning) -> Confidence {
        if meaning.says(self.named) { Confidence::High } else { self.confidence }
    }

    /// The value at a range of `near`, encodings and separators undone.
    pub(crate) fn value(&self, near: &Near<'_>, start: usize, end: usize) -> String {
        let mut value = String::with_capacity(end.saturating_sub(start));
        let mut position = start;
        while position < end
            && let Some((byte, len)) = near.unit(position)
        {
            value.extend((self.normalise)(byte).map(char::from));
            position += len;
        }
        value
    }
}

/// Reads from the ninth digit of a run: what a number without separators may be is told by its length.
#[inline(never)]
pub(crate) fn digits(near: &Near<'_>) -> Option<(EntityType, usize, usize)> {
    let start = near.after_escape(near.at().checked_sub(8)?);
    let len = near.run_len(start, payment_card::MAX_DIGITS + 1);
    let end = start + len;
    let entity = match len {
        9 if us_ssn::unformatted(near, start) => EntityType::UsSsn,
        9..=12 if phone::unformatted(near, start, end) => EntityType::Phone,
        ..=payment_card::MAX_DIGITS if payment_card::unformatted(near, start, end) => EntityType::PaymentCard,
        _ => return None,
    };
    near.closes(end).then_some((entity, start, end))
}

/// The last `shown` characters of a value behind `hidden`.
fn last(value: &str, shown: usize, hidden: &str) -> String {
    let tail = value.len().checked_sub(shown).and_then(|at| value.get(at..)).unwrap_or_default();
    format!("{hidden}{tail}")
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::scan::{EntityType, Scanner};

    /// What a scan of the content finds of one type.
    pub(crate) fn found(entity: EntityType, content: &str) -> Vec<&str> {
        let hits = Scanner::default().hits(content.as_bytes());
        hits.iter().filter(|hit| hit.entity == entity).map(|hit| &content[hit.start..hit.end]).collect()
    }

    /// Asserts for each content that one value of a type is found in it.
    pub(crate) fn must_match(entity: EntityType, contents: &[(&str, &str)]) {
        for (content, value) in contents {
            assert_eq!(found(entity, content), [*value], "{content}");
        }
    }

    /// Asserts for each content that no value of a type is found in it.
    pub(crate) fn must_not_match(entity: EntityType, contents: &[&str]) {
        for content in contents {
            assert!(found(entity, content).is_empty(), "{content}");
        }
    }
}
