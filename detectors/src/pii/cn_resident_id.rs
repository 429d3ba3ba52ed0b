//! Chinese resident identity numbers.
//!
//! *Why*: the number tells birthday, sex and place of registration, and is asked for by banks, railways and telephone
//! companies.
//!
//! *Must match*: six digits of a region, a date of birth, three digits and a check character, 0 to 9 or X, of ISO/IEC
//! 7064 MOD 11-2 (GB 11643-1999).
//!
//! *Must not match*: other eighteen digits: the date and the check character let one in some thousands through.

use super::check_digits::{are_digits, is_month_and_day, number, weighted};
use crate::kind::{Kind, Told, national_id};
use crate::scan::context;
use crate::scan::meaning::Meaning;
use crate::scan::near::Near;

pub(crate) static CN_RESIDENT_ID: Kind = national_id(
    "pii.cn_resident_id",
    "Chinese resident identity number in a response",
    "A response holds Chinese resident identity numbers. They tell birthday, sex and place of registration of a person.",
    &[
        "resident id",
        "resident identity",
        "shenfenzheng",
        "shen fen zheng",
        "id card no",
        "id card number",
        "idcard",
        "id card",
        "sfzh",
        "sfz",
        "身份证",
        "身份证号",
        "身份证号码",
        "identity card",
        "citizen id",
    ],
    Told::Form,
);

/// Reads from the sixteenth capital or digit.
#[inline(never)]
pub(crate) fn in_capitals(near: &Near<'_>) -> Option<(usize, usize)> {
    let start = near.at().checked_sub(15)?;
    let end = start + 18;
    (near.opens(start)
        && is(near.slice(start, end))
        && near.closes(end)
        && !context::meaning(near, start).says(Meaning::NUMBERED))
    .then_some((start, end))
}

fn is(id: &[u8]) -> bool {
    let (Some(body), Some(check)) = (id.get(..17), id.get(17)) else { return false };
    let part = |from: usize, to: usize| number(body.get(from..to).unwrap_or_default());
    // 7 9 10 5 8 4 2 1 6 3 7 9 10 5 8 4 2 are the powers of 2 modulo 11.
    let sum = weighted(body, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    are_digits(body)
        && matches!(body.first(), Some(b'1'..=b'6' | b'8'))
        && (1900..2100).contains(&part(6, 10))
        && is_month_and_day(part(10, 12), part(12, 14))
        && sum.is_some_and(|sum| b"10X98765432".get(sum as usize % 11) == Some(check))
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn numbers_whatever_the_name() {
        for number in ["110101199403219874", "110101200011156486", "11010519491231002X"] {
            must_match(
                EntityType::CnResidentId,
                &[(&format!("{{\"a\":\"{number}\"}}"), number), (&format!("id {number},"), number)],
            );
        }
    }

    #[test]
    fn other_digits() {
        must_not_match(
            EntityType::CnResidentId,
            &[
                "110101199403219875",
                "110101199413219874",
                "1101011994032198741",
                r#"{"order_id":"110101199403219874"}"#,
            ],
        );
    }
}
