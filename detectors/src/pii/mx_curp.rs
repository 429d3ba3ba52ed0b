//! Mexican population registry codes (CURP).
//!
//! *Why*: the code is made of name, birthday, sex and state of birth, and opens a person's files with every authority.
//!
//! *Must match*: four letters, a date, H, M or X, the letters of a state, three consonants, and two characters of which
//! the last is a check digit modulo 10 (RENAPO, Instructivo normativo para la asignación de la CURP).
//!
//! *Must not match*: other states, dates and check digits.

use super::check_digits::{is_month_and_day, number};
use crate::kind::{Kind, Told, national_id};
use crate::scan::near::Near;

pub(crate) static MX_CURP: Kind = national_id(
    "pii.mx_curp",
    "Mexican population registry code (CURP) in a response",
    "A response holds Mexican population registry codes. They are made of name, birthday and place of birth of a person.",
    &["curp", "clave curp", "clave unica"],
    Told::Form,
);

/// Reads from the sixteenth capital or digit.
#[inline(never)]
pub(crate) fn in_capitals(near: &Near<'_>) -> Option<(usize, usize)> {
    let start = near.at().checked_sub(15)?;
    let code = near.slice(start, start + 18).try_into().ok()?;
    (is(code) && near.opens(start) && near.closes(start + 18)).then_some((start, start + 18))
}

/// The states, and NE for those born abroad.
const STATES: &[&[u8; 2]] = &[
    b"AS", b"BC", b"BS", b"CC", b"CL", b"CM", b"CS", b"CH", b"DF", b"DG", b"GT", b"GR", b"HG", b"JC", b"MC", b"MN",
    b"MS", b"NT", b"NL", b"OC", b"PL", b"QT", b"QR", b"SP", b"SL", b"SR", b"TC", b"TS", b"TL", b"VZ", b"YN", b"ZS",
    b"NE",
];

fn is(code: &[u8; 18]) -> bool {
    let (name, rest) = code.split_at(4);
    let (date, rest) = rest.split_at(6);
    let consonants = rest.get(3..6).unwrap_or_default();
    name.iter().chain(consonants).all(u8::is_ascii_uppercase)
        && is_month_and_day(number(date.get(2..4).unwrap_or_default()), number(date.get(4..6).unwrap_or_default()))
        && matches!(rest.first(), Some(b'H' | b'M' | b'X'))
        && rest.get(1..3).is_some_and(|state| STATES.iter().any(|known| known.as_slice() == state))
        && check_digit(code) == code[17]
}

fn check_digit(code: &[u8; 18]) -> u8 {
    // The Spanish alphabet has a letter more behind N.
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'N' => u32::from(byte - b'A') + 10,
        _ => u32::from(byte.wrapping_sub(b'A')) + 11,
    };
    let sum: u32 = code.iter().take(17).enumerate().map(|(place, byte)| value(*byte) * (18 - place as u32)).sum();
    b'0' + ((10 - sum % 10) % 10) as u8
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn codes_whatever_the_name() {
        for code in ["DAMH850827MNLCLG06", "HOML550423HJCMSF04"] {
            must_match(
                EntityType::MxCurp,
                &[(&format!("{{\"a\":\"{code}\"}}"), code), (&format!("CURP {code}."), code)],
            );
        }
    }

    #[test]
    fn other_capitals() {
        must_not_match(
            EntityType::MxCurp,
            &["DAMH850827MNLCLG07", "DAMH851327MNLCLG06", "DAMH850827MZZCLG06", "DAMH850827MNLCLG061"],
        );
    }
}
