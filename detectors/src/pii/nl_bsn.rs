//! Dutch citizen service number (BSN)s.
//!
//! *Why*: Only bodies named by law may process them.
//!
//! *Must match*, under a name or behind words that say what it is: nine digits (eight without the leading zero) that pass the test of eleven: weights 9 to 2 and -1 (Rijksdienst voor
//! Identiteitsgegevens, Logisch Ontwerp BSN).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::{is_varied, weighted};
use crate::kind::{Kind, Told, national_id};

pub(crate) static NL_BSN: Kind = national_id(
    "pii.nl_bsn",
    "Dutch citizen service number (BSN) in a response",
    "A response holds Dutch citizen service numbers. Only bodies named by law may process them.",
    &[
        "bsn",
        "burgerservicenummer",
        "burger service nummer",
        "bsn nummer",
        "bsn number",
        "bsn nr",
        "sofinummer",
        "sofi nummer",
        "citizen service number",
        "=national id",
        "=identity number",
        "bsn no",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    let mut padded = [b'0'; 9];
    let Some(place) = padded.get_mut(9usize.saturating_sub(number.len())..).filter(|place| place.len() == number.len())
    else {
        return false;
    };
    place.copy_from_slice(number);
    // -1 is 10 modulo 11.
    number.len() >= 8
        && is_varied(number)
        && weighted(&padded, &[9, 8, 7, 6, 5, 4, 3, 2, 10]).is_some_and(|sum| sum.is_multiple_of(11))
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::NlBsn, "bsn", &["137938378", "139632074"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["137938379", "000000000"] {
            must_not_match(EntityType::NlBsn, &[&format!("{{\"bsn\":\"{number}\"}}")]);
        }
    }
}
