//! Indian identity number (Aadhaar)s.
//!
//! *Why*: They cannot be changed, and storing them is bound to conditions by law.
//!
//! *Must match*, under a name or behind words that say what it is: twelve digits, the first 2 to 9, with the check digit of Verhoeff (UIDAI, Aadhaar numbering scheme).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::verhoeff;
use crate::kind::{Kind, Told, national_id};

pub(crate) static IN_AADHAAR: Kind = national_id(
    "pii.in_aadhaar",
    "Indian identity number (Aadhaar) in a response",
    "A response holds Aadhaar numbers. They cannot be changed, and storing them is bound to conditions by law.",
    &[
        "aadhaar",
        "aadhar",
        "adhaar",
        "aadhaar number",
        "aadhar number",
        "aadhaar no",
        "aadhar no",
        "uidai",
        "uidai no",
        "uidai number",
        "=uid no",
        "=uid number",
        "adhar",
        "unique identification number",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    number.len() == 12 && matches!(number.first(), Some(b'2'..=b'9')) && verhoeff(number)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::InAadhaar, "aadhaar", &["331298618378", "6708 5802 1934"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["331298618379", "131298618378"] {
            must_not_match(EntityType::InAadhaar, &[&format!("{{\"aadhaar\":\"{number}\"}}")]);
        }
    }
}
