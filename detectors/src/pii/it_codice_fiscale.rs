//! Italian tax codes (codice fiscale).
//!
//! *Why*: the code is made of name, birthday, sex and place of birth, and identifies a person for life.
//!
//! *Must match*: six letters, two digits, a letter of a month, two digits of a day, a letter and three digits of a place,
//! and the check letter (Decreto ministeriale 23 dicembre 1976); digits may have become letters where two people would
//! have the same code (omocodia).
//!
//! *Must not match*: sixteen capitals and digits with another month, day or check letter.

use crate::kind::{Kind, Told, national_id};
use crate::scan::near::Near;

pub(crate) static IT_CODICE_FISCALE: Kind = national_id(
    "pii.it_codice_fiscale",
    "Italian tax code (codice fiscale) in a response",
    "A response holds Italian tax codes. They are made of name, birthday and place of birth, and identify a person for life.",
    &["codice fiscale", "cod fiscale", "cod fisc", "=cf", "fiscal code", "cfiscale", "codfisc"],
    Told::Form,
);

/// Reads from the last of sixteen capitals and digits.
#[inline(never)]
pub(crate) fn in_capitals(near: &Near<'_>) -> Option<(usize, usize)> {
    let (start, end) = (near.at().checked_sub(15)?, near.at() + 1);
    let code = near.slice(start, end).try_into().ok()?;
    (is(code) && near.opens(start) && near.closes(end)).then_some((start, end))
}

fn is(code: &[u8; 16]) -> bool {
    let letters =
        |range: std::ops::Range<usize>| code.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_uppercase));
    // Where another person had the same code, digits from the right become one of these letters.
    let digit = |place: usize| match code[place] {
        digit @ b'0'..=b'9' => Some(u32::from(digit - b'0')),
        letter => b"LMNPQRSTUV".iter().position(|other| *other == letter).map(|value| value as u32),
    };
    let (Some(tens), Some(ones)) = (digit(9), digit(10)) else { return false };
    let day = 10 * tens + ones;
    letters(0..6)
        && letters(11..12)
        && b"ABCDEHLMPRST".contains(&code[8])
        && matches!(day, 1..=31 | 41..=71)
        && [6, 7, 12, 13, 14].iter().all(|place| digit(*place).is_some())
        && check_letter(code) == code[15]
}

/// Characters at odd places (from 1) count by this table, those at even places by their order.
fn check_letter(code: &[u8; 16]) -> u8 {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let sum: u32 = code.iter().take(15).enumerate().fold(0, |sum, (place, byte)| {
        let order = usize::from(if byte.is_ascii_digit() { byte - b'0' } else { byte.wrapping_sub(b'A') }) % 26;
        sum + if place % 2 == 0 { ODD[order] } else { order as u32 }
    });
    b'A' + (sum % 26) as u8
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn codes_whatever_the_name() {
        for code in ["DTPGMG62T56A662G", "NTZNFN47T26D612Q"] {
            must_match(
                EntityType::ItCodiceFiscale,
                &[(&format!("{{\"a\":\"{code}\"}}"), code), (&format!("cf {code}, nata"), code), (code, code)],
            );
        }
    }

    #[test]
    fn other_capitals() {
        must_not_match(
            EntityType::ItCodiceFiscale,
            &["DTPGMG62T56A662H", "DTPGMG62G56A662G", "DTPGMG62T99A662G", "XDTPGMG62T56A662G", "1234567890123456"],
        );
    }
}
