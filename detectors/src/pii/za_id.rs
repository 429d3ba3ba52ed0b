//! South African identity numbers.
//!
//! *Why*: They tell birthday, sex and citizenship of a person.
//!
//! *Must match*, under a name or behind words that say what it is: thirteen digits that begin with a date of birth, have 0, 1 or 2 for the citizenship, and pass Luhn (Department of Home
//! Affairs, Identification Act 68 of 1997).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::{is_month_and_day, luhn, number as value};
use crate::kind::{Kind, Told, national_id};

pub(crate) static ZA_ID: Kind = national_id(
    "pii.za_id",
    "South African identity number in a response",
    "A response holds South African identity numbers. They tell birthday, sex and citizenship of a person.",
    &[
        "rsa id",
        "rsa id number",
        "sa id",
        "sa id number",
        "sa id no",
        "za id",
        "za id number",
        "south african id",
        "id number za",
        "identity number za",
        "=identity number",
        "=national id",
        "identity no",
        "south africa id",
        "national id number",
        "=id number",
        "said number",
        "rsa identity number",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    let (Some(month), Some(day)) = (number.get(2..4), number.get(4..6)) else { return false };
    number.len() == 13
        && matches!(number.get(10), Some(b'0'..=b'2'))
        && is_month_and_day(value(month), value(day))
        && luhn(number)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::ZaId, "rsa_id", &["4204171629086", "7412027010180"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["4204171629087", "4213171629086"] {
            must_not_match(EntityType::ZaId, &[&format!("{{\"rsa_id\":\"{number}\"}}")]);
        }
    }
}
