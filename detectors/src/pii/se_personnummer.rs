//! Swedish personal numbers.
//!
//! *Why*: They tell the birthday and identify a person everywhere.
//!
//! *Must match*, under a name or behind words that say what it is: ten digits, or twelve with the century, that begin with a date of birth (60 more than the day in coordination
//! numbers) and whose last ten pass Luhn (Skatteverket, SKV 704).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::{is_month_and_day, luhn, number as value};
use crate::kind::{Kind, Told, national_id};

pub(crate) static SE_PERSONNUMMER: Kind = national_id(
    "pii.se_personnummer",
    "Swedish personal number in a response",
    "A response holds Swedish personal numbers. They tell the birthday and identify a person everywhere.",
    &[
        "personnummer",
        "person nummer",
        "personnr",
        "person nr",
        "person number",
        "personal number",
        "personal identity number",
        "pnr",
        "=national id",
        "=identity number",
        "samordningsnummer",
        "swedish id",
        "=personal id",
        "social security se",
        "person no",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    let short = match number.len() {
        10 => number,
        12 if matches!(number.get(..2), Some(b"18" | b"19" | b"20")) => number.get(2..).unwrap_or_default(),
        _ => return false,
    };
    let (Some(month), Some(day)) = (short.get(2..4), short.get(4..6)) else { return false };
    let day = value(day);
    is_month_and_day(value(month), if day > 60 { day - 60 } else { day }) && luhn(short)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::SePersonnummer, "personnummer", &["19970516-0662", "600516-3560", "8306028252"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["600516-3561", "601316-3560"] {
            must_not_match(EntityType::SePersonnummer, &[&format!("{{\"personnummer\":\"{number}\"}}")]);
        }
    }
}
