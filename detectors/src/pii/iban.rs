//! International bank account numbers (ISO 13616-1).
//!
//! *Why*: an account number with its owner's name is enough for direct debits in many countries, and for fraud that
//! pretends to be the bank.
//!
//! *Must match*: a country of the registry, check digits 02 to 98, the country's length and structure, and a remainder
//! of 1 modulo 97 (ISO 7064), written without spaces or in groups of four. Chance passes about one in a hundred of what
//! has the form, so no name is needed.
//!
//! *Must not match*: references that only begin like one (`DE00...`), other lengths, and the middle of longer words.

use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight};
use crate::scan::near::Near;

pub(crate) static IBAN: Kind = Kind {
    detector: Detector {
        name: "pii.iban",
        family: Family::Pii,
        title: "Bank account number (IBAN) in a response",
        description: "A response holds whole bank account numbers, valid by country, length and check digits. With a \
                      name they serve for direct debits and for convincing fraud.",
        remediation: "Send the country and the last four characters unless the caller owns the account. Check who may \
                      call this endpoint.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1530",
    },
    weight: Weight::Alone,
    names: &["iban", "ibans", "iban number"],
    told: Told::Form,
    confidence: Confidence::High,
    normalise: |letter| letter.is_ascii_alphanumeric().then_some(letter),
    mask,
};

fn mask(value: &str) -> String {
    let country = value.get(..2).unwrap_or_default();
    crate::kind::last(value, 4, &format!("{country}** **** "))
}

/// The longest number of the registry, with a separator after each group of four.
const MAX_LEN: usize = 33 + 8;

/// Reads from the second check digit: where the number starts and ends.
#[inline(never)]
pub(crate) fn from_check_digits(near: &Near<'_>) -> Option<(usize, usize)> {
    let start = near.at().checked_sub(3)?;
    let country = [near.get(start)?, near.get(start + 1)?];
    let check = near.slice(start + 2, start + 4);
    let structure = STRUCTURES[STRUCTURES.binary_search_by(|(code, _)| (*code).cmp(&country)).ok()?].1;
    if matches!(check, b"00" | b"01" | b"99") || !starts(near, start) {
        return None;
    }
    let separator = near.get(start + 4).filter(|byte| matches!(byte, b' ' | b'+' | b'-'));
    let mut sum = Mod97::default();
    let mut position = start + 4;
    let mut taken = 4;
    for (count, class) in structure.iter() {
        for _ in 0..*count {
            if let Some(separator) = separator
                && taken % 4 == 0
            {
                if near.get(position) != Some(separator) {
                    return None;
                }
                position += 1;
            }
            let byte = near.get(position).filter(|byte| class.holds(*byte))?;
            sum.push(byte);
            position += 1;
            taken += 1;
        }
    }
    // The country and check digits count as if they stood last.
    country.iter().chain(check).for_each(|byte| sum.push(*byte));
    let ends = near.unit(position).is_none_or(|(after, _)| !(after.is_ascii_alphanumeric() || after == b'_'));
    (sum.0 == 1 && ends).then_some((start, position))
}

/// Whether a number that starts before `position` reaches over it: its groups of four may look like another number.
pub(crate) fn covers(near: &Near<'_>, position: usize) -> bool {
    (position.saturating_sub(MAX_LEN)..position).any(|start| {
        near.get(start).is_some_and(|byte| byte.is_ascii_uppercase())
            && from_check_digits(&near.from(start + 3)).is_some_and(|(_, end)| end > position)
    })
}

fn starts(near: &Near<'_>, start: usize) -> bool {
    near.unit_before(start).is_none_or(|(before, _)| !(before.is_ascii_alphanumeric() || b"_+/-".contains(&before)))
}

#[derive(Default)]
struct Mod97(u32);

impl Mod97 {
    /// Appends a digit, or the two digits of a letter (A is 10).
    fn push(&mut self, byte: u8) {
        let value = char::from(byte).to_digit(36).unwrap_or_default();
        self.0 = (self.0 * if value < 10 { 10 } else { 100 } + value) % 97;
    }
}

/// What a place of the basic bank account number may hold.
#[derive(Clone, Copy)]
enum Class {
    Digit,
    Letter,
    Either,
}

impl Class {
    fn holds(self, byte: u8) -> bool {
        match self {
            Self::Digit => byte.is_ascii_digit(),
            Self::Letter => byte.is_ascii_uppercase(),
            Self::Either => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
        }
    }
}

type Structure = &'static [(u8, Class)];

use Class::{Digit as N, Either as C, Letter as A};

/// The structure of each country's basic bank account number, neighbours of one class joined (SWIFT IBAN registry).
#[rustfmt::skip]
const STRUCTURES: &[([u8; 2], Structure)] = &[
    (*b"AD", &[(8, N), (12, C)]), (*b"AE", &[(19, N)]), (*b"AL", &[(8, N), (16, C)]), (*b"AT", &[(16, N)]),
    (*b"AZ", &[(4, A), (20, C)]), (*b"BA", &[(16, N)]), (*b"BE", &[(12, N)]), (*b"BG", &[(4, A), (6, N), (8, C)]),
    (*b"BH", &[(4, A), (14, C)]), (*b"BI", &[(23, N)]), (*b"BR", &[(23, N), (1, A), (1, C)]),
    (*b"BY", &[(4, C), (4, N), (16, C)]), (*b"CH", &[(5, N), (12, C)]), (*b"CR", &[(18, N)]),
    (*b"CY", &[(8, N), (16, C)]), (*b"CZ", &[(20, N)]), (*b"DE", &[(18, N)]), (*b"DJ", &[(23, N)]),
    (*b"DK", &[(14, N)]), (*b"DO", &[(4, C), (20, N)]), (*b"EE", &[(16, N)]), (*b"EG", &[(25, N)]),
    (*b"ES", &[(20, N)]), (*b"FI", &[(14, N)]), (*b"FK", &[(2, A), (12, N)]), (*b"FO", &[(14, N)]),
    (*b"FR", &[(10, N), (11, C), (2, N)]), (*b"GB", &[(4, A), (14, N)]), (*b"GE", &[(2, A), (16, N)]),
    (*b"GI", &[(4, A), (15, C)]), (*b"GL", &[(14, N)]), (*b"GR", &[(7, N), (16, C)]), (*b"GT", &[(24, C)]),
    (*b"HN", &[(4, A), (20, N)]), (*b"HR", &[(17, N)]), (*b"HU", &[(24, N)]), (*b"IE", &[(4, A), (14, N)]),
    (*b"IL", &[(19, N)]), (*b"IQ", &[(4, A), (15, N)]), (*b"IS", &[(22, N)]),
    (*b"IT", &[(1, A), (10, N), (12, C)]), (*b"JO", &[(4, A), (4, N), (18, C)]), (*b"KW", &[(4, A), (22, C)]),
    (*b"KZ", &[(3, N), (13, C)]), (*b"LB", &[(4, N), (20, C)]), (*b"LC", &[(4, A), (24, C)]),
    (*b"LI", &[(5, N), (12, C)]), (*b"LT", &[(16, N)]), (*b"LU", &[(3, N), (13, C)]),
    (*b"LV", &[(4, A), (13, C)]), (*b"LY", &[(21, N)]), (*b"MC", &[(10, N), (11, C), (2, N)]),
    (*b"MD", &[(20, C)]), (*b"ME", &[(18, N)]), (*b"MK", &[(3, N), (10, C), (2, N)]), (*b"MN", &[(16, N)]),
    (*b"MR", &[(23, N)]), (*b"MT", &[(4, A), (5, N), (18, C)]), (*b"MU", &[(4, A), (19, N), (3, A)]),
    (*b"NI", &[(4, A), (20, N)]), (*b"NL", &[(4, A), (10, N)]), (*b"NO", &[(11, N)]), (*b"OM", &[(3, N), (16, C)]),
    (*b"PK", &[(4, A), (16, C)]), (*b"PL", &[(24, N)]), (*b"PS", &[(4, A), (21, C)]), (*b"PT", &[(21, N)]),
    (*b"QA", &[(4, A), (21, C)]), (*b"RO", &[(4, A), (16, C)]), (*b"RS", &[(18, N)]),
    (*b"RU", &[(14, N), (15, C)]), (*b"SA", &[(2, N), (18, C)]), (*b"SC", &[(4, A), (20, N), (3, A)]),
    (*b"SD", &[(14, N)]), (*b"SE", &[(20, N)]), (*b"SI", &[(15, N)]), (*b"SK", &[(20, N)]),
    (*b"SM", &[(1, A), (10, N), (12, C)]), (*b"SO", &[(19, N)]), (*b"ST", &[(21, N)]),
    (*b"SV", &[(4, A), (20, N)]), (*b"TL", &[(19, N)]), (*b"TN", &[(20, N)]), (*b"TR", &[(6, N), (16, C)]),
    (*b"UA", &[(6, N), (19, C)]), (*b"VA", &[(18, N)]), (*b"VG", &[(4, A), (16, N)]), (*b"XK", &[(16, N)]),
    (*b"YE", &[(4, A), (4, N), (18, C)]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::tests::{found, must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn registry_examples() {
        for number in [
            "AL47212110090000000235698741",
            "AT611904300234573201",
            "BE68539007547034",
            "CH9300762011623852957",
            "DE89370400440532013000",
            "DK5000400440116243",
            "ES9121000418450200051332",
            "FR1420041010050500013M02606",
            "GB29NWBK60161331926819",
            "GR1601101250000000012300695",
            "IE29AIBK93115212345678",
            "IT60X0542811101000000123456",
            "LT121000011101001000",
            "MT84MALT011000012345MTLCAST001S",
            "NL91ABNA0417164300",
            "NO9386011117947",
            "PL61109010140000071219812874",
            "PT50000201231234567890154",
            "SE4550000000058398257466",
            "VG96VPVG0000012345678901",
        ] {
            let grouped = number.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap());
            let spaced = grouped.collect::<Vec<_>>().join(" ");
            let form = format!("iban={}&x=1", spaced.replace(' ', "+"));
            must_match(EntityType::Iban, &[(number, number), (&format!("{{\"x\":\"{spaced}\"}}"), &spaced)]);
            assert_eq!(found(EntityType::Iban, &form).len(), 1, "{form}");
            assert!(found(EntityType::PaymentCard, &format!("\"{spaced}\"")).is_empty());
        }
    }

    #[test]
    fn what_only_begins_like_one() {
        must_not_match(
            EntityType::Iban,
            &[
                "DE00370400440532013000",
                "DE99370400440532013000",
                "DE88370400440532013000",
                "DE893704004405320130001",
                "DE8937040044053201300",
                "ADE89370400440532013000",
                "DE89370400440532013000A",
                "ZZ89370400440532013000",
                "DE89 3704 0044 0532 013000",
                "DE89 37040044 0532 0130 00",
                "GB29601613319268190000",
                "de89370400440532013000",
            ],
        );
    }

    #[test]
    fn a_sentence_may_go_on_behind_it() {
        must_match(
            EntityType::Iban,
            &[
                ("to DE89370400440532013000.", "DE89370400440532013000"),
                ("to DE89 3704 0044 0532 0130 00 by noon", "DE89 3704 0044 0532 0130 00"),
                ("a=%22DE89370400440532013000%22", "DE89370400440532013000"),
            ],
        );
    }

    #[test]
    fn the_table_is_sorted_and_within_bounds() {
        assert!(STRUCTURES.is_sorted_by(|(a, _), (b, _)| a < b));
        let longest =
            STRUCTURES.iter().map(|(_, parts)| 4 + parts.iter().map(|(count, _)| usize::from(*count)).sum::<usize>());
        assert!(longest.max().unwrap() <= 33);
    }

    #[test]
    fn country_and_last_four_are_shown() {
        assert_eq!((IBAN.mask)("DE89370400440532013000"), "DE** **** 3000");
    }
}
