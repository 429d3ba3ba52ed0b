//! Australian Medicare numbers.
//!
//! *Why*: They identify a person, or family, to health services.
//!
//! *Must match*, under a name or behind words that say what it is: ten digits, or eleven with the place on the card: the first 2 to 6, the ninth the sum of the first eight with
//! weights 1 3 7 9 1 3 7 9 modulo 10 (Services Australia; METeOR 270101).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::{are_digits, weighted};
use crate::kind::{Kind, Told, national_id};

pub(crate) static AU_MEDICARE: Kind = national_id(
    "pii.au_medicare",
    "Australian Medicare number in a response",
    "A response holds Australian Medicare numbers. They identify a person, or family, to health services.",
    &[
        "medicare",
        "medicare no",
        "medicare number",
        "medicare card",
        "medicare card number",
        "medicare num",
        "medicare card no",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    let (Some(body), Some(check)) = (number.get(..8), number.get(8)) else { return false };
    matches!(number.len(), 10 | 11)
        && are_digits(number)
        && matches!(number.first(), Some(b'2'..=b'6'))
        && weighted(body, &[1, 3, 7, 9, 1, 3, 7, 9]).is_some_and(|sum| sum % 10 == u32::from(check - b'0'))
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::AuMedicare, "medicare", &["4179 07336 3", "2327485921"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["4179 07346 3", "9327485921"] {
            must_not_match(EntityType::AuMedicare, &[&format!("{{\"medicare\":\"{number}\"}}")]);
        }
    }
}
