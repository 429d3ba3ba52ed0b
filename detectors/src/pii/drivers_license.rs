//! Driving licence numbers.
//!
//! *Why*: They serve as identity documents in many countries.
//!
//! *Must match*, under a name that says what it is: five to twenty letters, digits and dashes, with at least three digits.
//!
//! *Must not match*: classes, dates and states of a licence.

use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight, last, letters_and_digits};
use crate::scan::value::Value;

pub(crate) static DRIVERS_LICENSE: Kind = Kind {
    detector: Detector {
        name: "pii.drivers_license",
        family: Family::Pii,
        title: "Driving licence numbers in a response",
        description: "A response holds driving licence numbers. They serve as identity documents in many countries.",
        remediation: "Return only the fields the caller needs, and those of people only to themselves and to those who \
                      work with them.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1589",
    },
    weight: Weight::Alone,
    names: &[
        "drivers license",
        "driver license",
        "drivers licence",
        "driver licence",
        "driving licence",
        "driving license",
        "driver license number",
        "drivers license number",
        "driving licence no",
        "driving licence number",
        "driver licence number",
        "driver s license",
        "driver s licence",
        "driver lic",
        "dl number",
        "dl no",
        "license no driver",
        "licence number",
        "license number",
        "driver id number",
        "fuhrerschein",
        "fuehrerschein",
        "fuhrerscheinnummer",
        "fuehrerscheinnummer",
        "fuhrerschein nummer",
        "fuhrerscheinnr",
        "permis conduire",
        "permis de conduire",
        "numero permis",
        "numero permis conduire",
        "carnet conducir",
        "carnet de conducir",
        "licencia conducir",
        "licencia de conducir",
        "licencia conduccion",
        "permiso conducir",
        "patente guida",
        "patente di guida",
        "numero patente",
        "carteira motorista",
        "cnh",
        "numero cnh",
        "carta conducao",
        "carta de conducao",
        "rijbewijs",
        "rijbewijsnummer",
        "prawo jazdy",
        "numer prawa jazdy",
        "korkort",
        "korkortsnummer",
        "korekort",
        "forerkort",
        "ajokortti",
        "jiazhao",
        "驾照",
        "驾驶证",
    ],
    told: Told::Name(is),
    confidence: Confidence::Medium,
    normalise: letters_and_digits,
    mask: |value| last(value, 2, "*******"),
};

/// Whether the text can be the number of a licence: each country and state has its own form.
fn is(value: &Value<'_>) -> bool {
    let text = value.text();
    let characters = || text.chars().filter(|character| !matches!(character, ' ' | '-' | '/' | '.'));
    let digits = characters().filter(char::is_ascii_digit).count();
    (5..=20).contains(&characters().count())
        && digits >= 3
        && characters().all(|character| character.is_ascii_alphanumeric())
        && characters().all(|character| !character.is_ascii_lowercase())
        && !(text.matches(['-', '/', '.']).count() == 2 && digits == 8 && characters().count() == 8 && text.len() == 10)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_telling_names() {
        must_match(
            EntityType::DriversLicense,
            &[
                ("{\"drivers_license\":\"S234-4714-0857\"}", "S234-4714-0857"),
                ("{\"driving_licence_no\":\"HPTHK604148MR9EG\"}", "HPTHK604148MR9EG"),
                ("{\"driverLicenseNumber\":\"02715131\"}", "02715131"),
                ("<fuehrerscheinnummer>B072RRE2I55</fuehrerscheinnummer>", "B072RRE2I55"),
            ],
        );
    }

    #[test]
    fn other_names_and_other_values() {
        must_not_match(
            EntityType::DriversLicense,
            &[
                "{\"drivers_license_expiry\":\"2030-01-31\"}",
                "{\"license\":\"MIT\"}",
                "{\"drivers_license\":\"yes\"}",
                "{\"drivers_license\":\"class B\"}",
                "{\"part\":\"S234-4714-0857\"}",
            ],
        );
    }
}
