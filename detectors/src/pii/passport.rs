//! Passport numbers.
//!
//! *Why*: With a name and a birthday they serve to forge documents and to open accounts.
//!
//! *Must match*, under a name that says what it is: six to twelve capitals and digits, at least one of them a digit.
//!
//! *Must not match*: countries, dates and states of a passport.

use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight, last, letters_and_digits};
use crate::scan::value::Value;

pub(crate) static PASSPORT: Kind = Kind {
    detector: Detector {
        name: "pii.passport",
        family: Family::Pii,
        title: "Passport numbers in a response",
        description: "A response holds passport numbers. With a name and a birthday they serve to forge documents and to open accounts.",
        remediation: "Return only the fields the caller needs, and those of people only to themselves and to those who \
                      work with them.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1589",
    },
    weight: Weight::Alone,
    names: &[
        "passport",
        "passport number",
        "passport no",
        "passport num",
        "passport nr",
        "passport id",
        "passportnumber",
        "passnummer",
        "pass nummer",
        "reisepass",
        "reisepassnummer",
        "reisepass nr",
        "ausweisnummer",
        "passeport",
        "numero passeport",
        "numero de passeport",
        "no passeport",
        "pasaporte",
        "numero pasaporte",
        "numero de pasaporte",
        "no pasaporte",
        "passaporto",
        "numero passaporto",
        "passaporte",
        "numero passaporte",
        "paspoort",
        "paspoortnummer",
        "paszport",
        "numer paszportu",
        "nr paszportu",
        "pass number",
        "travel document",
        "travel document number",
        "travel document no",
        "document passport",
        "passnr",
        "passinro",
        "pasnummer",
        "护照",
        "护照号",
        "护照号码",
        "huzhao",
    ],
    told: Told::Name(is),
    confidence: Confidence::Medium,
    normalise: letters_and_digits,
    mask: |value| last(value, 2, "*******"),
};

/// Whether the text can be the number of a passport (ICAO Doc 9303: nine characters, capitals and digits).
fn is(value: &Value<'_>) -> bool {
    let text = value.text();
    let characters = || text.chars().filter(|character| !matches!(character, ' ' | '-' | '<'));
    (6..=12).contains(&characters().count())
        && text.len() <= 16
        && characters().all(|character| character.is_ascii_uppercase() || character.is_ascii_digit())
        && characters().any(|character| character.is_ascii_digit())
        // A date is something about a passport.
        && !(text.matches('-').count() == 2 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_telling_names() {
        must_match(
            EntityType::Passport,
            &[
                ("{\"passport\":\"G55764608\"}", "G55764608"),
                ("{\"passportNo\":\"K2KF0KNK2\"}", "K2KF0KNK2"),
                ("{\"passport\":{\"number\":\"412068605\"}}", "412068605"),
                ("{\"passport_number\":412068605}", "412068605"),
                ("Passport number: G55764608\n", "G55764608"),
            ],
        );
    }

    #[test]
    fn other_names_and_other_values() {
        must_not_match(
            EntityType::Passport,
            &[
                "{\"passport\":\"valid\"}",
                "{\"passport_country\":\"DEU123\"}",
                "{\"passport_expiry\":\"2030-01-31\"}",
                "{\"ticket\":\"G55764608\"}",
                "{\"passport\":true}",
                "{\"passport\":{\"issued\":\"2020-01-31\"}}",
            ],
        );
    }
}
