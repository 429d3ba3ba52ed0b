//! Spanish identity number (DNI, NIE)s.
//!
//! *Why*: They stand on the identity card and in every contract of a person.
//!
//! *Must match*, under a name or behind words that say what it is: eight digits, or X, Y or Z and seven, and the letter that their remainder modulo 23 gives (Ministerio del Interior,
//! Orden INT/2058/2008 for NIE).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::{are_digits, number as digits_value};
use crate::kind::{Kind, Told, national_id};

pub(crate) static ES_DNI_NIE: Kind = national_id(
    "pii.es_dni_nie",
    "Spanish identity number (DNI, NIE) in a response",
    "A response holds Spanish identity numbers. They stand on the identity card and in every contract of a person.",
    &[
        "dni",
        "nie",
        "nif",
        "=documento",
        "dni nie",
        "nif nie",
        "documento identidad",
        "documento de identidad",
        "numero documento",
        "numero de documento",
        "num documento",
        "doc identidad",
        "documento nacional",
        "cedula",
        "national id",
        "identity number",
        "personal id",
        "identity document",
        "id document",
        "identity card",
        "identity card number",
        "id card number",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    let [body @ .., letter] = number else { return false };
    let [first, rest @ ..] = body else { return false };
    // X, Y and Z stand for 0, 1 and 2.
    let leading = match first {
        b'X' | b'Y' | b'Z' => u64::from(first - b'X'),
        digit if digit.is_ascii_digit() => u64::from(digit - b'0'),
        _ => return false,
    };
    let value = leading * 10_000_000 + digits_value(rest);
    number.len() == 9 && are_digits(rest) && b"TRWAGMYFPDXBNJZSQVHLCKE".get((value % 23) as usize) == Some(letter)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::EsDniNie, "dni", &["54301826E", "Z9213160D"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["54301826A", "W9213160D", "5430182E"] {
            must_not_match(EntityType::EsDniNie, &[&format!("{{\"dni\":\"{number}\"}}")]);
        }
    }
}
