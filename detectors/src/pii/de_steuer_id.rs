//! German tax identification numbers.
//!
//! *Why*: They identify a person for life.
//!
//! *Must match*, under a name or behind words that say what it is: eleven digits, the first not 0, in the first ten of which one digit occurs twice or three times, and the check
//! digit of ISO/IEC 7064 MOD 11,10 (Bundeszentralamt für Steuern, section 139b Abgabenordnung).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::mod_11_10;
use crate::kind::{Kind, Told, national_id};

pub(crate) static DE_STEUER_ID: Kind = national_id(
    "pii.de_steuer_id",
    "German tax identification number in a response",
    "A response holds German tax identification numbers (Steuer-ID). They identify a person for life.",
    &[
        "steuer id",
        "steuerid",
        "steueridnr",
        "steuer id nr",
        "steuer identifikationsnummer",
        "steueridentifikationsnummer",
        "steuerliche identifikationsnummer",
        "idnr",
        "=id nr",
        "tax id de",
        "german tax id",
        "steuernummer",
        "steuer nr",
        "=tin",
        "tax id",
        "=tax number",
        "tax identification number",
        "steuer idnr",
        "identifikationsnummer",
        "idnr de",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    let Some((_, body)) = number.split_last() else { return false };
    let kinds = (b'0'..=b'9').filter(|digit| body.contains(digit)).count();
    number.len() == 11 && number.first() != Some(&b'0') && matches!(kinds, 8 | 9) && mod_11_10(number)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::DeSteuerId, "steuerId", &["86095742719", "57301849662"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["86095742718", "06095742719", "12345678901"] {
            must_not_match(EntityType::DeSteuerId, &[&format!("{{\"steuerId\":\"{number}\"}}")]);
        }
    }
}
