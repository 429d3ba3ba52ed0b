//! US social security numbers.
//!
//! *Why*: with a name and a date of birth the number opens accounts in its owner's name, and it cannot be changed.
//!
//! *Must match*: `ddd-dd-dddd`, and nine digits in a row, with an area, group and serial that the Social Security
//! Administration gives out (POMS RM 10201.035), where a name or the words before say what it is.
//!
//! *Must not match*: the same shape under any other name. Part numbers and tracking numbers look like this, and there
//! is no check digit: nine in ten random numbers would pass.

use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight, last};
use crate::scan::context;
use crate::scan::meaning::Meaning;
use crate::scan::near::Near;

pub(crate) static US_SSN: Kind = Kind {
    detector: Detector {
        name: "pii.us_ssn",
        family: Family::Pii,
        title: "US social security number in a response",
        description: "A response holds social security numbers under a name that says so. They identify a person for \
                      life and are enough, with public data, to impersonate them.",
        remediation: "Leave the number out, or send its last four digits to those who need them. Check who may call \
                      this endpoint.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1530",
    },
    weight: Weight::Alone,
    names: &[
        "ssn",
        "ssns",
        "ssn no",
        "ssn number",
        "social security",
        "social sec",
        "social security number",
        "social security no",
        "taxpayer",
        "tin",
        "itin",
        "us ssn",
    ],
    told: Told::Form,
    confidence: Confidence::Medium,
    normalise: |digit| digit.is_ascii_digit().then_some(digit),
    mask: |value| last(value, 4, "***-**-"),
};

/// Reads from the last digit of `ddd-dd-dddd`.
#[inline(never)]
pub(crate) fn formatted(near: &Near<'_>) -> Option<(usize, usize)> {
    let start = near.at().checked_sub(10)?;
    let end = near.at() + 1;
    let text: &[u8; 11] = near.slice(start, end).try_into().ok()?;
    let [a, b, c, _, d, e, _, f, g, h, i] = *text;
    let valid = near.opens(start) && near.closes(end) && is_issued(&[a, b, c, d, e, f, g, h, i]);
    (valid && is_named(near, start)).then_some((start, end))
}

/// Whether the nine digits in a row from `start` are a number under a telling name.
pub(crate) fn unformatted(near: &Near<'_>, start: usize) -> bool {
    let digits: Option<&[u8; 9]> = near.slice(start, start + 9).try_into().ok();
    digits.is_some_and(is_issued) && near.opens(start) && is_named(near, start)
}

fn is_named(near: &Near<'_>, start: usize) -> bool {
    near.layout().may_say(Meaning::SSN) && context::meaning(near, start).says(Meaning::SSN)
}

/// Areas 000, 666 and 900 to 999 are not given out, nor group 00 and serial 0000; two numbers were printed in
/// advertisements and are void.
fn is_issued(digits: &[u8; 9]) -> bool {
    let [area @ .., _, _, _, _, _, _] = digits;
    let serial = &digits[5..];
    area != b"000"
        && area != b"666"
        && area[0] != b'9'
        && digits[3..5] != *b"00"
        && serial != b"0000"
        && digits != b"078051120"
        && digits != b"219099999"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    const SSN: EntityType = EntityType::UsSsn;

    #[test]
    fn the_shape_under_a_telling_name() {
        must_match(
            SSN,
            &[
                (r#"{"ssn":"123-45-6789"}"#, "123-45-6789"),
                (r#"{"socialSecurityNumber":"899-99-9999"}"#, "899-99-9999"),
                (r#"{"ssn":{"value":"001-01-0001"}}"#, "001-01-0001"),
                ("SSN on file: 123-45-6789", "123-45-6789"),
                ("ssn=123-45-6789&x=1", "123-45-6789"),
                ("id,ssn\r\n1,123-45-6789\r\n", "123-45-6789"),
                (r#"{"ssn":"123456789"}"#, "123456789"),
                (r#"{"ssn":123456789}"#, "123456789"),
            ],
        );
    }

    #[test]
    fn the_shape_elsewhere() {
        must_not_match(
            SSN,
            &[
                r#"{"part_no":"123-45-6789"}"#,
                r#"{"id":123456789}"#,
                "123-45-6789",
                r#"{"ssn":"0123-45-6789"}"#,
                r#"{"ssn":"123-45-67890"}"#,
                r#"{"ssn":"123-45-6789-1"}"#,
                r#"{"ssn":"x123-45-6789"}"#,
            ],
        );
    }

    #[test]
    fn numbers_that_are_not_given_out() {
        for number in ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "078-05-1120"] {
            must_not_match(SSN, &[&format!("ssn: {number}"), &format!("ssn: {}", number.replace('-', ""))]);
        }
    }

    #[test]
    fn the_last_four_digits_are_shown() {
        assert_eq!((US_SSN.mask)("123456789"), "***-**-6789");
    }
}
