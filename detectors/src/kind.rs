//! A kind of value that content may hold, and how it is told.
//!
//! Each kind has a file that says what it is, what it must match and what it must not, with its tests beneath; the
//! registry has a line for each. All share one rule of severity, because what matters is how bad it is when one value
//! leaks, and whether an answer gives one person's data or many people's.

use std::borrow::Cow;

use crate::class::form::{Form, Prefix};
use crate::finding::{Confidence, Detector, Family, Severity};
use crate::scan::meaning::Meaning;
use crate::scan::value::Value;

/// One kind of value.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What is said about it.
    pub(crate) detector: Detector,
    /// How much one value matters.
    pub(crate) weight: Weight,
    /// What its fields are called, as phrases of words in lower case ([`crate::scan::vocabulary`]).
    pub(crate) names: &'static [&'static str],
    /// How a value is told.
    pub(crate) told: Told,
    /// How sure the form alone makes us.
    pub(crate) confidence: Confidence,
    /// The character of a value in the form in which equal values are equal; `None` drops separators.
    pub(crate) normalise: fn(char) -> Option<char>,
    /// A normalised value with all but a few characters masked.
    pub(crate) mask: fn(&str) -> String,
}

/// How the values of a kind are told from others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told {
    /// By their form, which the scan looks for; a name adds to it, or takes from it.
    Form,
    /// An identifier whose form says too little alone: by a telling name, or words before it, and this check of its
    /// letters and digits, without separators, in upper case.
    NameAndDigits(fn(&[u8]) -> bool),
    /// By the name of the field, when the value can be one.
    Name(fn(&Value<'_>) -> bool),
    /// By a telling name, or words before it, and this form: a class of the configuration.
    NameAndForm(&'static Form),
    /// By what it begins with, which the scan looks for: a class of the configuration.
    Prefix(&'static Prefix),
}

/// How much it matters that one value of a kind is in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// One is enough to harm its owner, and few APIs have a reason to send it whole.
    Alone,
    /// People read their own all the time; it matters when an answer has several people's.
    InNumbers,
    /// Says whom something is about, and harms little alone: every list of people, shops or places has it.
    Context,
    /// What a login answers with, to the one who logs in; elsewhere it is somebody's session.
    Session,
    /// What the configuration says of its class.
    Given(Severity),
}

/// How many different values are more than one person reading their own profile: a private one, one of work, and the
/// next is somebody else's.
pub(crate) const SEVERAL: usize = 3;

impl Kind {
    /// The name that stands in statistics and evidence: that of the detector without its family.
    pub(crate) fn name(&self) -> &'static str {
        self.detector.name.split_once('.').map_or(self.detector.name, |(_, name)| name)
    }

    /// How bad it is that a message has this many different values.
    pub(crate) fn severity(&self, distinct: usize) -> Severity {
        match self.weight {
            Weight::Alone => Severity::High,
            Weight::Given(severity) => severity,
            Weight::InNumbers | Weight::Session if distinct >= SEVERAL => Severity::Medium,
            Weight::InNumbers | Weight::Session => Severity::Low,
            Weight::Context if distinct >= SEVERAL => Severity::Low,
            Weight::Context => Severity::Info,
        }
    }

    /// How sure we are, given what the value's name says of it (`named` is this kind's own meaning).
    pub(crate) fn confidence(&self, meaning: Meaning, named: Meaning) -> Confidence {
        if meaning.says(named) { Confidence::High } else { self.confidence }
    }

    /// The form of a value in which equal values are equal.
    pub(crate) fn normal(&self, value: &str) -> String {
        value.chars().filter_map(self.normalise).collect()
    }
}

/// The number of a person in a country's registers. They differ in how they are called and checked, and in nothing
/// that is said about them.
pub(crate) const fn national_id(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    names: &'static [&'static str],
    told: Told,
) -> Kind {
    Kind {
        detector: Detector {
            name,
            family: Family::Pii,
            title,
            description,
            remediation: "Leave the number out, or send its last characters to those who need them. Check who may call \
                          this endpoint.",
            owasp: "API3:2023",
            cwe: "CWE-359",
            attack: "T1530",
        },
        weight: Weight::Alone,
        names,
        told,
        confidence: Confidence::Medium,
        normalise: letters_and_digits,
        mask: |value| last(value, 2, "*******"),
    }
}

/// A key or token that a service gives to a program.
pub(crate) const fn credential(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    names: &'static [&'static str],
    mask: fn(&str) -> String,
) -> Kind {
    Kind {
        detector: Detector {
            name,
            family: Family::Secret,
            title,
            description,
            remediation: "Revoke it now, and make a new one that no message holds. Find out who received this one.",
            owasp: "API8:2023",
            cwe: "CWE-522",
            attack: "T1552",
        },
        weight: Weight::Alone,
        names,
        told: Told::Form,
        confidence: Confidence::High,
        normalise: Some,
        mask,
    }
}

/// Keeps letters and digits, in upper case.
pub(crate) fn letters_and_digits(character: char) -> Option<char> {
    character.is_ascii_alphanumeric().then(|| character.to_ascii_uppercase())
}

/// The last `shown` characters of a value behind `hidden`; nothing of a value that is hardly longer.
pub(crate) fn last(value: &str, shown: usize, hidden: &str) -> String {
    let tail = value.len().checked_sub(shown).filter(|hidden| *hidden >= shown).and_then(|at| value.get(at..));
    format!("{hidden}{}", tail.unwrap_or_default())
}

/// The first characters of a value, which say what it is, before asterisks.
pub(crate) fn first(value: &str, shown: usize) -> String {
    let head: Cow<'_, str> = value.get(..shown.min(value.len() / 2)).unwrap_or_default().into();
    format!("{head}****")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
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

    /// Asserts for each number that it is found as a type's under a name and within a sentence that has the name.
    pub(crate) fn must_match_under(entity: EntityType, name: &str, numbers: &[&str]) {
        for number in numbers {
            must_match(
                entity,
                &[
                    (&format!("{{\"a\":1,\"{name}\":\"{number}\",\"b\":\"x\"}}"), number),
                    (&format!("<r><{name}>{number}</{name}></r>"), number),
                    (&format!("<tr><th>{name}</th><td>{number}</td></tr>"), number),
                    (&format!("id,{name},x\r\n1,{number},y\r\n"), number),
                    (&format!("{name}: {number}\n"), number),
                    (&format!("{{\"msg\":\"{name} {number} checked\"}}"), number),
                ],
            );
            must_not_match(entity, &[&format!("{{\"invoice\":\"{number}\"}}"), &format!("a {number}")]);
        }
    }

    #[test]
    fn masks_hide_short_values_whole() {
        assert_eq!(last("12345678", 2, "**"), "**78");
        assert_eq!(last("123", 2, "**"), "**");
        assert_eq!(first("AKIA1234", 4), "AKIA****");
        assert_eq!(first("AK", 4), "A****");
    }
}
