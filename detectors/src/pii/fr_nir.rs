//! French social security numbers (NIR).
//!
//! *Why*: the number tells sex, month and place of birth, identifies a person for life, and French law restricts its use.
//!
//! *Must match*: thirteen characters (sex, year, month, department, commune, order) and the key, 97 less their remainder
//! modulo 97, without separators or in the groups of the card (INSEE, décret 82-103).
//!
//! *Must not match*: months and departments that there are none of, wrong keys, and numbers whose name says order or
//! device.

use super::check_digits::{are_digits, number};
use crate::kind::{Kind, Told, national_id};
use crate::scan::context;
use crate::scan::meaning::Meaning;
use crate::scan::near::Near;

pub(crate) static FR_NIR: Kind = national_id(
    "pii.fr_nir",
    "French social security number in a response",
    "A response holds French social security numbers. They tell sex, month and place of birth and identify a person for life.",
    &[
        "nir",
        "insee",
        "insee number",
        "numero insee",
        "numero securite sociale",
        "numero de securite sociale",
        "securite sociale",
        "num secu",
        "numero secu",
        "nss",
        "no securite sociale",
        "social security fr",
        "numss",
    ],
    Told::Form,
);

/// Whether the run of digits from `start` to `end` is a number.
pub(crate) fn unformatted(near: &Near<'_>, start: usize, end: usize) -> bool {
    end - start == 15 && near.opens(start) && is(near.slice(start, end)) && !is_numbered(near, start)
}

/// Reads from the pair of the commune: `2 93 07 69 899 472 03`.
#[inline(never)]
pub(crate) fn in_pairs(near: &Near<'_>) -> Option<(usize, usize)> {
    let start = near.at().checked_sub(9)?;
    let mut digits = [0; 15];
    let (mut len, mut position) = (0, start);
    for group in [1, 2, 2, 2, 3, 3, 2] {
        digits
            .get_mut(len..len + group)?
            .copy_from_slice(Some(near.slice(position, position + group)).filter(|text| text.len() == group)?);
        (len, position) = (len + group, position + group);
        if len < digits.len() {
            near.get(position).filter(|byte| matches!(byte, b' ' | b'+'))?;
            position += 1;
        }
    }
    (near.opens(start) && near.closes(position) && is(&digits) && !is_numbered(near, start))
        .then_some((start, position))
}

fn is_numbered(near: &Near<'_>, start: usize) -> bool {
    context::meaning(near, start).says(Meaning::NUMBERED)
}

fn is(digits: &[u8]) -> bool {
    let (Some(body), Some(key)) = (digits.get(..13), digits.get(13..15)) else { return false };
    let month = number(body.get(3..5).unwrap_or_default());
    // Months from 20 on stand for one that is not known.
    are_digits(digits)
        && matches!(body.first(), Some(b'1'..=b'4' | b'7' | b'8'))
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && body.get(5..7) != Some(b"00")
        && 97 - number(body) % 97 == number(key)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    const NIR: EntityType = EntityType::FrNir;

    #[test]
    fn with_and_without_groups_whatever_the_name() {
        must_match(
            NIR,
            &[
                (r#"{"ref":"2 93 07 69 899 472 03"}"#, "2 93 07 69 899 472 03"),
                (r#"{"nir":"294040622280847"}"#, "294040622280847"),
                (r#"{"x":294040622280847}"#, "294040622280847"),
                ("nir=1+86+09+75+739+752+33&a=1", "1+86+09+75+739+752+33"),
            ],
        );
    }

    #[test]
    fn wrong_keys_and_other_numbers() {
        must_not_match(
            NIR,
            &[
                r#"{"nir":"294040622280848"}"#,
                r#"{"imei":"294040622280847"}"#,
                "at 10 20 30 40",
                "2 93 07 69 899 472 04",
                "12 93 07 69 899 472 03",
            ],
        );
    }
}
