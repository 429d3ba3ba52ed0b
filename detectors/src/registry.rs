//! Every exchange detector.

use crate::finding::Detector;
use crate::pii::{self, Kind};

/// The detectors, sorted by name. A new one is a file and a line here.
pub(crate) static KINDS: &[&Kind] =
    &[&pii::email::EMAIL, &pii::iban::IBAN, &pii::payment_card::PAYMENT_CARD, &pii::phone::PHONE, &pii::us_ssn::US_SSN];

/// What each detector is, sorted by name.
pub fn detectors() -> impl Iterator<Item = &'static Detector> {
    KINDS.iter().map(|kind| &kind.detector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::EntityType;

    #[test]
    fn sorted_and_described() {
        assert!(detectors().map(|detector| detector.name).is_sorted_by(|a, b| a < b));
        for detector in detectors() {
            assert!(detector.name.starts_with(&format!("{}.", detector.family)), "{}", detector.name);
            assert!(!detector.title.is_empty() && detector.description.len() > 40 && detector.remediation.len() > 40);
            assert!(detector.owasp.ends_with(":2023") && detector.cwe.starts_with("CWE-"), "{}", detector.name);
        }
    }

    #[test]
    fn every_entity_has_one_detector() {
        for entity in EntityType::ALL {
            let kinds: Vec<_> = KINDS.iter().filter(|kind| kind.entity == *entity).collect();
            assert_eq!(kinds.len(), 1, "{entity:?}");
            assert!(kinds[0].detector.name.ends_with(entity.name()), "{entity:?}");
        }
    }
}
