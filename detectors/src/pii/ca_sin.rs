//! Canadian social insurance numbers.
//!
//! *Why*: They open accounts in their owner's name.
//!
//! *Must match*, under a name or behind words that say what it is: nine digits that do not begin with 0 or 8, with the check digit of Luhn (Employment and Social Development Canada).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::{is_varied, luhn};
use crate::kind::{Kind, Told, national_id};

pub(crate) static CA_SIN: Kind = national_id(
    "pii.ca_sin",
    "Canadian social insurance number in a response",
    "A response holds Canadian social insurance numbers. They open accounts in their owner's name.",
    &[
        "social insurance",
        "social insurance number",
        "social insurance no",
        "=sin",
        "sin number",
        "sin no",
        "canadian sin",
        "numero assurance sociale",
        "=nas",
        "assurance sociale",
        "employee sin",
        "sin num",
        "social ins",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    number.len() == 9 && !matches!(number.first(), Some(b'0' | b'8')) && is_varied(number) && luhn(number)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::CaSin, "SIN", &["306 373 580", "505-544-072", "114527229"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["306 373 581", "011111116"] {
            must_not_match(EntityType::CaSin, &[&format!("{{\"sin\":\"{number}\"}}")]);
        }
    }
}
