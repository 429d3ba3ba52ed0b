//! Australian tax file numbers.
//!
//! *Why*: Asking for, storing and passing them on is restricted by law.
//!
//! *Must match*, under a name or behind words that say what it is: nine digits (old ones have eight) whose sum with weights 1 4 3 7 5 8 6 9 10 is a multiple of 11 (Australian Taxation
//! Office).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::{is_varied, weighted};
use crate::kind::{Kind, Told, national_id};

pub(crate) static AU_TFN: Kind = national_id(
    "pii.au_tfn",
    "Australian tax file number in a response",
    "A response holds Australian tax file numbers. Asking for, storing and passing them on is restricted by law.",
    &[
        "tfn",
        "tax file",
        "tax file number",
        "tax file no",
        "tfn number",
        "=tax number",
        "tax id",
        "=tax no",
        "tfn no",
        "australian tfn",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    is_varied(number)
        && match number.len() {
            9 => weighted(number, &[1, 4, 3, 7, 5, 8, 6, 9, 10]),
            8 => weighted(number, &[10, 7, 8, 4, 6, 3, 5, 1]),
            _ => None,
        }
        .is_some_and(|sum| sum.is_multiple_of(11))
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::AuTfn, "tfn", &["120 576 554", "228584269"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["120 576 555", "000000000"] {
            must_not_match(EntityType::AuTfn, &[&format!("{{\"tfn\":\"{number}\"}}")]);
        }
    }
}
