//! UK national insurance numbers.
//!
//! *Why*: They identify a person to tax and benefit offices for life.
//!
//! *Must match*, under a name or behind words that say what it is: two letters, six digits and a letter A to D, with a prefix that is given out (HMRC, National Insurance Manual
//! NIM39110): neither letter D, F, I, Q, U or V, the second not O, and not BG, GB, KN, NK, NT, TN or ZZ.
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::are_digits;
use crate::kind::{Kind, Told, national_id};

pub(crate) static UK_NINO: Kind = national_id(
    "pii.uk_nino",
    "UK national insurance number in a response",
    "A response holds national insurance numbers. They identify a person to tax and benefit offices for life.",
    &[
        "nino",
        "ni number",
        "ni no",
        "=ni",
        "national insurance",
        "national insurance number",
        "national insurance no",
        "insurance number uk",
        "uk nino",
        "ni num",
        "nin number",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    let [a, b, digits @ .., suffix] = number else { return false };
    number.len() == 9
        && a.is_ascii_uppercase()
        && b.is_ascii_uppercase()
        && are_digits(digits)
        && !b"DFIQUV".contains(a)
        && !b"DFIQUVO".contains(b)
        && ![b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].contains(&&[*a, *b])
        && matches!(suffix, b'A'..=b'D')
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::UkNino, "nino", &["CE693679C", "GJ 72 19 74 B"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["QQ123456C", "BG123456A", "CE693679E", "CE69367C"] {
            must_not_match(EntityType::UkNino, &[&format!("{{\"nino\":\"{number}\"}}")]);
        }
    }
}
