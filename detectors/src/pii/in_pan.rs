//! Indian tax number (PAN)s.
//!
//! *Why*: They identify a person to tax offices and banks.
//!
//! *Must match*, under a name or behind words that say what it is: five letters, of which the fourth says who holds it, four digits and a letter (Income Tax Department, section 139A).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::are_digits;
use crate::kind::{Kind, Told, national_id};

pub(crate) static IN_PAN: Kind = national_id(
    "pii.in_pan",
    "Indian tax number (PAN) in a response",
    "A response holds Indian tax numbers (permanent account numbers). They identify a person to tax offices and banks.",
    &[
        "pan number",
        "pan no",
        "pan card",
        "pan card number",
        "pan card no",
        "income tax pan",
        "=pan",
        "permanent account number",
        "pan num",
        "tax pan",
        "pannumber",
        "pan id",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    let [a, b, c, _, e, digits @ .., last] = number else { return false };
    // The fourth says what the holder is: a person (P), a company (C), and so on; new letters have been added.
    number.len() == 10
        && [a, b, c, e, last].iter().all(|letter| letter.is_ascii_uppercase())
        && number[3].is_ascii_uppercase()
        && are_digits(digits)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::InPan, "panNumber", &["AZUPU3528R", "CFGCV0554U"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["AZUPU3528", "AZU1U3528R"] {
            must_not_match(EntityType::InPan, &[&format!("{{\"panNumber\":\"{number}\"}}")]);
        }
    }
}
