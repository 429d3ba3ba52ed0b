//! Telephone numbers (ITU-T E.164, North American Numbering Plan).
//!
//! *Why*: a number reaches a person, and with access to their SMS often their accounts.
//!
//! *Must match*: international numbers, `+` and an assigned country code, 8 to 15 digits with the usual separators;
//! `(ddd) ddd-dddd`; and national numbers where a name says telephone: with a trunk prefix, in the North American
//! groups, or 9 to 12 digits in a row.
//!
//! *Must not match*: signed and computed numbers, coordinates, times, versions, and any other number without a telling
//! name. Seven or eight digits in a row are not looked for.

use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight, last};
use crate::scan::context;
use crate::scan::meaning::Meaning;
use crate::scan::near::Near;

pub(crate) static PHONE: Kind = Kind {
    detector: Detector {
        name: "pii.phone",
        family: Family::Pii,
        title: "Telephone numbers in a response",
        description: "A response holds telephone numbers. Those of several people in one answer can be harvested for \
                      fraud by call or message.",
        remediation: "Return only the fields the caller needs, and numbers only to their owners and to those who work \
                      with them.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1589",
    },
    weight: Weight::InNumbers,
    names: &[
        "phone",
        "phones",
        "phone no",
        "phone num",
        "phone number",
        "phone numbers",
        "telephone",
        "tel",
        "tel no",
        "telefon",
        "telefono",
        "telefone",
        "telefonnummer",
        "telephone number",
        "mobile",
        "mobiles",
        "mobile no",
        "mobile number",
        "mobile phone",
        "mobil",
        "movil",
        "handy",
        "handynummer",
        "mobilnummer",
        "cell",
        "cellphone",
        "cell phone",
        "celular",
        "cellulare",
        "portable",
        "gsm",
        "msisdn",
        "fax",
        "fax number",
        "landline",
        "whatsapp",
        "sms",
        "home phone",
        "work phone",
        "rufnummer",
        "telefoonnummer",
        "telefoon",
        "mobiel",
        "komorka",
        "numer telefonu",
        "puhelin",
        "telefonnr",
        "telemovel",
        "contact number",
    ],
    told: Told::Form,
    confidence: Confidence::Medium,
    normalise: |digit| (digit.is_ascii_digit() || digit == '+').then_some(digit),
    mask: |value| last(value, 2, if value.starts_with('+') { "+*** *** **" } else { "*** *** **" }),
};

/// Digits of an international number (E.164 section 6.2.1); shorter ones than this are too much like other numbers.
const INTERNATIONAL: std::ops::RangeInclusive<usize> = 8..=15;
/// Digits of a national number with its trunk prefix.
const NATIONAL: std::ops::RangeInclusive<usize> = 7..=13;

/// Reads an international number whose `+` takes the bytes from `plus` to `first`, its first digit.
#[inline(never)]
pub(crate) fn international(near: &Near<'_>, plus: usize, first: usize) -> Option<(usize, usize)> {
    if !near
        .unit_before(plus)
        .is_none_or(|(before, _)| !before.is_ascii_alphanumeric() && !b"_.-+/#@*~^)]}%".contains(&before))
    {
        return None;
    }
    let number = Number::read(near, first);
    let cut = number.cut(INTERNATIONAL)?;
    let digits = number.digits(&cut);
    let valid = match digits {
        [b'1', subscriber @ ..] => is_nanp(subscriber),
        _ => has_country_code(digits),
    };
    (valid && !number.is_decimal(&cut) && near.closes(cut.end)).then_some((plus, cut.end))
}

/// Reads from the second digit behind a parenthesis.
#[inline(never)]
pub(crate) fn in_parentheses(near: &Near<'_>, paren: usize, first: usize) -> Option<(usize, usize)> {
    if !near.opens(paren) || follows_digits(near, with_trunk_prefix(near, paren)) {
        return None;
    }
    let number = Number::read(near, first);
    let cut = number.cut(NATIONAL)?;
    let closing = near.unit(first + 3).is_some_and(|(byte, _)| byte == b')');
    let american = closing && is_nanp(number.digits(&cut)) && matches!(number.groups(&cut), [3, 3, 4] | [3, 7]);
    ((american || is_named(near, paren)) && near.closes(cut.end)).then_some((paren, cut.end))
}

/// Reads a number in North American groups whose area code starts at `area`.
#[inline(never)]
pub(crate) fn american(near: &Near<'_>, area: usize) -> Option<(usize, usize)> {
    // With a zero it has the shape of a trunk prefix too, and is read there.
    near.get(area).filter(|digit| matches!(digit, b'2'..=b'9'))?;
    national(near, area)
}

/// Reads a number in groups of three whose first starts at `start`: `612 345 678`.
#[inline(never)]
pub(crate) fn in_threes(near: &Near<'_>, start: usize) -> Option<(usize, usize)> {
    // In North American groups it is read there, and so is one behind that trunk prefix.
    let american = near.run_len(start + 8, 5) == 4 && near.get(start + 7).is_some_and(|byte| b" -.".contains(&byte));
    if american || with_trunk_prefix(near, start) != start || near.run_len(start + 4, 4) != 3 {
        return None;
    }
    national(near, start)
}

/// Reads a number in national form that starts at `start`.
#[inline(never)]
pub(crate) fn national(near: &Near<'_>, start: usize) -> Option<(usize, usize)> {
    let start = with_trunk_prefix(near, start);
    // A parenthesis before it is a candidate of its own.
    let in_parentheses = near.unit_before(start).is_some_and(|(before, _)| before == b'(');
    if in_parentheses || !near.opens(start) || follows_digits(near, start) {
        return None;
    }
    let number = Number::read(near, start);
    let cut = number.cut(NATIONAL)?;
    // The ninth digit of a long first group is a candidate of its own.
    let (first, _) = number.groups(&cut).split_first()?;
    (*first < 9 && near.closes(cut.end) && is_named(near, start)).then_some((start, cut.end))
}

/// Whether the run of digits from `start` to `end` is a telephone number by its name, and not part of a longer one.
pub(crate) fn unformatted(near: &Near<'_>, start: usize, end: usize) -> bool {
    let same = near.slice(start, end).windows(2).all(|pair| pair.first() == pair.last());
    near.opens(start) && !same && !follows_digits(near, start) && is_named(near, start)
}

fn is_named(near: &Near<'_>, start: usize) -> bool {
    near.layout().may_say(Meaning::PHONE) && context::meaning(near, start).says(Meaning::PHONE)
}

/// Where a number starts whose area code starts at `area`: `1-212-555-0123` has the trunk prefix of North America.
fn with_trunk_prefix(near: &Near<'_>, area: usize) -> usize {
    match (near.back(area, 2), near.back(area, 1)) {
        (Some(b'1'), Some(b' ' | b'-' | b'.')) if near.opens(area - 2) => area - 2,
        _ => area,
    }
}

/// Whether separators and a digit stand before a position, so that a number has started before it.
fn follows_digits(near: &Near<'_>, start: usize) -> bool {
    let mut position = start;
    for _ in 0..3 {
        match near.unit_before(position) {
            Some((b' ' | b'-' | b'.' | b'/' | b'(' | b')', len)) => position -= len,
            Some((byte, _)) => return position < start && (byte.is_ascii_digit() || byte == b'+'),
            None => return false,
        }
    }
    false
}

/// Digits and where their groups end.
struct Number {
    digits: [u8; 16],
    len: usize,
    /// For each group: how many digits it has, and where in the content it ends.
    groups: [usize; 8],
    ends: [usize; 8],
    count: usize,
    /// Dots between digits, and other separators.
    dots: usize,
    others: usize,
}

/// As many groups of a number as make a telephone number.
struct Cut {
    groups: usize,
    digits: usize,
    end: usize,
}

impl Number {
    /// Reads groups of digits with at most one space, dash, dot or slash between them, or one with a parenthesis.
    fn read(near: &Near<'_>, start: usize) -> Self {
        let mut number = Self { digits: [0; 16], len: 0, groups: [0; 8], ends: [0; 8], count: 0, dots: 0, others: 0 };
        let mut position = start;
        while number.count < number.groups.len() {
            let group = near.run_len(position, number.digits.len() + 1);
            let Some(room) = number.digits.get_mut(number.len..number.len + group).filter(|room| !room.is_empty())
            else {
                break;
            };
            room.copy_from_slice(near.slice(position, position + group));
            position += group;
            number.groups[number.count] = group;
            number.ends[number.count] = position;
            number.len += group;
            number.count += 1;
            let Some((next, separator)) = separator(near, position) else { break };
            if separator == b'.' {
                number.dots += 1;
            } else {
                number.others += 1;
            }
            position = next;
        }
        number
    }

    /// The most groups whose digits are of an allowed count.
    fn cut(&self, allowed: std::ops::RangeInclusive<usize>) -> Option<Cut> {
        let mut best = None;
        let mut digits = 0;
        for (at, group) in self.groups.get(..self.count)?.iter().enumerate() {
            digits += group;
            if allowed.contains(&digits) {
                best = Some(Cut { groups: at + 1, digits, end: self.ends[at] });
            }
        }
        best
    }

    fn digits(&self, cut: &Cut) -> &[u8] {
        self.digits.get(..cut.digits).unwrap_or_default()
    }

    fn groups(&self, cut: &Cut) -> &[usize] {
        self.groups.get(..cut.groups).unwrap_or_default()
    }

    /// Whether this reads as a decimal number or as coordinates: one dot, or dots beside other separators.
    fn is_decimal(&self, cut: &Cut) -> bool {
        cut.groups > 1 && (self.dots == 1 || self.dots > 0 && self.others > 0)
    }
}

/// Where the next group starts behind a separator at `position`, and which it is.
fn separator(near: &Near<'_>, position: usize) -> Option<(usize, u8)> {
    let (first, len) = near.unit(position)?;
    if !matches!(first, b' ' | b'-' | b'.' | b'/' | b'(' | b')') {
        return None;
    }
    let mut next = position + len;
    // Beside a parenthesis another may stand: `(0)30`, `(030) 1`, `30 (1`.
    for _ in 0..2 {
        match near.unit(next) {
            Some((byte @ (b' ' | b'(' | b')' | b'-'), len))
                if first != byte && (matches!(first, b'(' | b')') || matches!(byte, b'(' | b')')) =>
            {
                next += len;
            }
            _ => break,
        }
    }
    near.get(next).is_some_and(|byte| byte.is_ascii_digit()).then_some((next, first))
}

/// Area code, exchange and line of the North American Numbering Plan: neither of the first two begins with 0 or 1.
fn is_nanp(digits: &[u8]) -> bool {
    matches!(digits, [b'2'..=b'9', _, _, b'2'..=b'9', ..]) && digits.len() == 10
}

/// Whether a number begins with an assigned country code (E.164 Annex D).
fn has_country_code(digits: &[u8]) -> bool {
    let [a, b, c, ..] = *digits else { return false };
    // The third digits that are assigned, where a code has three.
    let third: &[u8] = match &[a, b] {
        [b'7', _] => return digits.len() == 11,
        b"20" | b"27" | b"30" | b"31" | b"32" | b"33" | b"34" | b"36" | b"39" | b"40" | b"41" | b"43" | b"44"
        | b"45" | b"46" | b"47" | b"48" | b"49" | b"51" | b"52" | b"53" | b"54" | b"55" | b"56" | b"57" | b"58"
        | b"60" | b"61" | b"62" | b"63" | b"64" | b"65" | b"66" | b"81" | b"82" | b"84" | b"86" | b"90" | b"91"
        | b"92" | b"93" | b"94" | b"95" | b"98" => return true,
        b"22" | b"23" | b"24" | b"26" | b"35" | b"50" | b"59" => return true,
        b"21" => b"12368",
        b"25" => b"012345678",
        b"29" => b"01789",
        b"37" => b"012345678",
        b"38" => b"01235679",
        b"42" => b"013",
        b"67" => b"023456789",
        b"68" => b"012356789",
        b"69" => b"012",
        b"80" => b"08",
        b"85" => b"02356",
        b"87" => b"08",
        b"88" => b"012368",
        b"96" => b"012345678",
        b"97" => b"012345679",
        b"99" => b"234568",
        _ => return false,
    };
    third.contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::tests::{found, must_match, must_not_match};
    use crate::scan::EntityType;

    const TEL: EntityType = EntityType::Phone;

    #[test]
    fn international_numbers() {
        for number in [
            "+14155550123",
            "+1 415 555 0123",
            "+1 (415) 555-0123",
            "+1.415.555.0123",
            "+49 30 1234567",
            "+49 (0)30 1234567",
            "+47 22 12 34 56",
            "+44-20-7946-0123",
            "+33 1 74946098",
            "+5521426569279",
            "+7 495 123-45-67",
        ] {
            for content in [format!("\"{number}\""), number.to_owned(), format!("called from {number}; wants")] {
                must_match(TEL, &[(&content, number)]);
            }
        }
    }

    #[test]
    fn encoded_numbers() {
        must_match(
            TEL,
            &[
                ("tel=%2B33+1+2372+5398&x=1", "%2B33+1+2372+5398"),
                ("tel=%2B49%2030%201234567", "%2B49%2030%201234567"),
                (r#"{"tel":"\u002B4930123456"}"#, r"\u002B4930123456"),
                ("<a href=\"tel:+4930123456\">", "+4930123456"),
                ("tel=%28212%29+555-0123", "%28212%29+555-0123"),
            ],
        );
    }

    #[test]
    fn signed_numbers_are_no_telephones() {
        must_not_match(
            TEL,
            &[
                "o>>>11^n[255&(r+o)]+412573294}",
                "x+4930123456",
                "1+4930123456",
                "+0930123456",
                "+12345",
                "+49.30123456",
                "+37.7749-122.4194",
                "2025-01-01T00:00:00+0100",
                "+1 115 555 0123",
                "+4930123456@corp.example",
                "+49301234567890123",
                "+4930123456abc",
                "+999123456789",
            ],
        );
    }

    #[test]
    fn north_american_form() {
        must_match(TEL, &[("\"(212) 555-0123\"", "(212) 555-0123"), ("call (212)555-0123.", "(212)555-0123")]);
        must_not_match(TEL, &["f(212) 555-0123", "(112) 555-0123", "(212) 155-0123", "(212) 555-01234", "(212, 555)"]);
        assert_eq!(found(TEL, "+1 (212) 555-0123").len(), 1);
    }

    #[test]
    fn national_numbers_under_a_telling_name() {
        for number in [
            "030 1234567",
            "0171-1234567",
            "01 23 45 67 89",
            "06.12.34.56.78",
            "(030) 1234567",
            "(02) 9876 5432",
            "212-555-0123",
            "212.555.0123",
            "1-212-555-0123",
            "2125550123",
            "030123456",
            "01711234567",
            "0049 30 1234567",
        ] {
            let named = [
                format!("{{\"phone\":\"{number}\"}}"),
                format!("{{\"phones\":[{{\"type\":\"home\",\"number\":\"{number}\"}}]}}"),
                format!("Tel: {number}\n"),
                format!("<th>phone</th><td>{number}</td>"),
                format!("id,phone\n1,{number}\n"),
            ];
            for content in &named {
                must_match(TEL, &[(content, number)]);
            }
            if !number.starts_with("(") {
                must_not_match(TEL, &[&format!("{{\"ref\":\"{number}\"}}"), &format!("{{\"phone_id\":\"{number}\"}}")]);
            }
        }
    }

    #[test]
    fn other_numbers_under_a_telling_name() {
        must_not_match(
            TEL,
            &[
                r#"{"phone":{"verified_at":"2025-01-02T03:04:05.067Z"}}"#,
                r#"{"phone":"000000000"}"#,
                r#"{"phone":"12345678-1234-4123-a123-0123456789ab"}"#,
                r#"{"phone_created":1735000000000}"#,
            ],
        );
    }

    #[test]
    fn the_last_two_digits_are_shown() {
        assert_eq!((PHONE.mask)("+493012345678"), "+*** *** **78");
        assert_eq!((PHONE.mask)("0301234567"), "*** *** **67");
    }

    #[test]
    fn groups_of_three_are_counted_once() {
        must_match(
            TEL,
            &[
                (r#"{"telefono":"612 345 678"}"#, "612 345 678"),
                (r#"{"tel":"612-345-678"}"#, "612-345-678"),
                ("telefono: 612.345.678\n", "612.345.678"),
                (r#"{"phone":"212-555-0123"}"#, "212-555-0123"),
                (r#"{"phone":"1-212-555-0123"}"#, "1-212-555-0123"),
                (r#"{"phone":"+34 612 345 678"}"#, "+34 612 345 678"),
            ],
        );
        must_not_match(TEL, &[r#"{"score":"612 345 678"}"#, r#"{"phone_price":123.456}"#]);
    }
}
