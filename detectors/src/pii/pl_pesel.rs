//! Polish identity number (PESEL)s.
//!
//! *Why*: They tell birthday and sex, and serve to take out loans.
//!
//! *Must match*, under a name or behind words that say what it is: eleven digits that begin with a date of birth, whose month tells the century, and end with a check digit of weights
//! 1 3 7 9 (Ustawa o ewidencji ludności, article 15).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::{is_month_and_day, number as value, weighted};
use crate::kind::{Kind, Told, national_id};

pub(crate) static PL_PESEL: Kind = national_id(
    "pii.pl_pesel",
    "Polish identity number (PESEL) in a response",
    "A response holds Polish identity numbers (PESEL). They tell birthday and sex, and serve to take out loans.",
    &[
        "pesel",
        "numer pesel",
        "nr pesel",
        "pesel number",
        "pesel no",
        "=national id",
        "=identity number",
        "=personal id",
        "numer ewidencyjny",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    let (Some(month), Some(day)) = (number.get(2..4), number.get(4..6)) else { return false };
    number.len() == 11
        && is_month_and_day(value(month) % 20, value(day))
        && weighted(number, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_some_and(|sum| sum.is_multiple_of(10))
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::PlPesel, "pesel", &["47110202876", "65111698054"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["47110202877", "47139902876"] {
            must_not_match(EntityType::PlPesel, &[&format!("{{\"pesel\":\"{number}\"}}")]);
        }
    }
}
