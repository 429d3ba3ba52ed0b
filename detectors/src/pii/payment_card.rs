//! Payment card numbers (primary account numbers, ISO/IEC 7812).
//!
//! *Why*: PCI DSS 3.4 allows at most the first six and last four digits to be shown; a whole number in a response puts
//! the API, and whatever logs it, in scope, and is sold by the thousand.
//!
//! *Must match*: a number of an issuer's prefix and length whose Luhn check digit is right, written without separators
//! or in the groups of printed cards (4-4-4-4, 4-6-5, 4-6-4, 4-4-4-4-3) with one kind of separator.
//!
//! *Must not match*: longer or shorter numbers, parts of UUIDs, paths and fractions, and numbers whose name says that
//! they are an order, a shipment, a device or a time: one in ten of those passes Luhn. Lengths and prefixes that are
//! rare or that ids of other kinds crowd (13 and 19 digits, Maestro) need a name that says card.

use super::check_digits::luhn;
use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight, last};
use crate::scan::context;
use crate::scan::meaning::Meaning;
use crate::scan::near::Near;

pub(crate) static PAYMENT_CARD: Kind = Kind {
    detector: Detector {
        name: "pii.payment_card",
        family: Family::Pii,
        title: "Payment card number in a response",
        description: "A response holds whole payment card numbers, valid by prefix, length and check digit. Whoever \
                      reads the response, its cache or its log can charge the card.",
        remediation: "Send a token or the last four digits instead (PCI DSS 3.4). Check who may call this endpoint.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1530",
    },
    weight: Weight::Alone,
    names: &[
        "card",
        "cards",
        "cardno",
        "card num",
        "card number",
        "ccno",
        "cc num",
        "cc number",
        "cc",
        "credit card",
        "credit card number",
        "debit card",
        "pan",
        "visa",
        "mastercard",
        "amex",
        "maestro",
        "carte",
        "karte",
        "kreditkarte",
        "kartennummer",
        "kreditkartennummer",
        "tarjeta",
        "cartao",
        "carta",
        "carte bancaire",
        "numero carte",
        "kort",
        "kortnummer",
        "betaalkaart",
        "kaartnummer",
        "karta",
        "numer karty",
        "primary account number",
    ],
    told: Told::Form,
    confidence: Confidence::Medium,
    normalise: |digit| digit.is_ascii_digit().then_some(digit),
    mask: |value| last(value, 4, "**** **** **** "),
};

/// The longest number there is.
pub(crate) const MAX_DIGITS: usize = 19;

/// Whether the run of digits from `start` to `end` is a card number.
pub(crate) fn unformatted(near: &Near<'_>, start: usize, end: usize) -> bool {
    // Times, counters and most ids begin with a digit that no issuer has.
    near.get(start).is_some_and(|first| matches!(first, b'2'..=b'6' | b'8'))
        && near.opens(start)
        && is_card(near, start, near.slice(start, end))
}

/// Reads from the end of the second group of four digits: where the number in groups starts and ends.
#[inline(never)]
pub(crate) fn grouped(near: &Near<'_>) -> Option<(usize, usize)> {
    let start = near.at().checked_sub(8)?;
    let separator = near.get(start + 4).filter(|byte| matches!(byte, b' ' | b'-' | b'+'))?;
    let continues =
        || near.back(start, 1) == Some(separator) && near.back(start, 2).is_some_and(|byte| byte.is_ascii_digit());
    if !near.opens(start) || continues() {
        return None;
    }
    let (mut digits, mut len) = ([0u8; MAX_DIGITS], 0);
    let (mut groups, mut count) = ([0usize; 5], 0);
    let mut end = start;
    loop {
        let group = near.run_len(end, MAX_DIGITS + 1);
        *groups.get_mut(count)? = group;
        digits.get_mut(len..len + group)?.copy_from_slice(near.slice(end, end + group));
        (count, len, end) = (count + 1, len + group, end + group);
        let more = near.get(end) == Some(separator) && near.get(end + 1).is_some_and(|byte| byte.is_ascii_digit());
        if !more || count == groups.len() {
            break;
        }
        end += 1;
    }
    let known = matches!(groups.get(..count)?, [4, 4, 4, 4] | [4, 4, 4, 4, 3] | [4, 6, 5] | [4, 6, 4]);
    (known && near.closes(end) && is_card(near, start, digits.get(..len)?)).then_some((start, end))
}

fn is_card(near: &Near<'_>, start: usize, digits: &[u8]) -> bool {
    let Some(issued) = issued(digits) else { return false };
    if !luhn(digits) {
        return false;
    }
    let meaning = context::meaning(near, start);
    match issued {
        _ if meaning.says(Meaning::CARD) => true,
        Issued::WhenNamed => false,
        Issued::Commonly => !meaning.says(Meaning::NUMBERED) && !super::iban::covers(near, start),
    }
}

/// How far a prefix and length alone speak for a card.
#[derive(Clone, Copy)]
enum Issued {
    /// Most cards are like this.
    Commonly,
    /// Such cards exist; more numbers of other kinds look like this.
    WhenNamed,
}

/// The issuers' prefixes and lengths (ISO/IEC 7812 issuer identification numbers as the schemes publish them).
fn issued(digits: &[u8]) -> Option<Issued> {
    use Issued::{Commonly, WhenNamed};
    let prefix = digits.get(..6)?.iter().fold(0, |number, digit| 10 * number + u32::from(digit.wrapping_sub(b'0')));
    let (two, three, four) = (prefix / 10_000, prefix / 1_000, prefix / 100);
    match (digits.len(), prefix) {
        (16, _) if two / 10 == 4 => Some(Commonly), // Visa
        (13 | 19, _) if two / 10 == 4 => Some(WhenNamed),
        (16, _) if matches!(two, 51..=55) || matches!(four, 2221..=2720) => Some(Commonly), // Mastercard
        (15, _) if matches!(two, 34 | 37) => Some(Commonly),                                // American Express
        (16, 622_126..=622_925) => Some(Commonly),                                          // Discover
        (16, _) if four == 6011 || matches!(three, 644..=649) || two == 65 => Some(Commonly),
        (16, _) if matches!(four, 3528..=3589) => Some(Commonly), // JCB
        (14, _) if matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39) => Some(Commonly), // Diners Club
        (16, _) if two == 62 || two == 81 => Some(Commonly),      // UnionPay
        (16, _) if matches!(four, 2200..=2204) => Some(Commonly), // Mir
        (17..=19, _) if matches!(two, 62 | 65 | 36) || four == 6011 || matches!(four, 3528..=3589) => Some(WhenNamed),
        (12..=19, _) if matches!(two, 50 | 56..=59 | 60 | 61 | 63 | 66..=69) => Some(WhenNamed), // Maestro, RuPay, Elo
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    const CARD: EntityType = EntityType::PaymentCard;

    #[test]
    fn numbers_of_each_issuer() {
        for number in [
            "4111111111111111",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
            "36227206271667",
            "6212345678901232",
        ] {
            must_match(CARD, &[(&format!("{{\"ref\":\"{number}\"}}"), number), (&format!("[{number}]"), number)]);
        }
    }

    #[test]
    fn groups_with_one_separator() {
        for number in [
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "3782 822463 10005",
            "3056-930902-5904",
            "4111+1111+1111+1111",
        ] {
            must_match(CARD, &[(&format!("a={number}"), number), (&format!("(\"{number}\", 5)"), number)]);
        }
        must_not_match(
            CARD,
            &[
                "4111 1111-1111 1111",
                "4111.1111.1111.1111",
                "41111 111 1111 1111",
                "12 4111 1111 1111 1111",
                "4111 1111 1111 1111 1",
                "4111 1111 1111 1111a",
                "4111  1111  1111  1111",
            ],
        );
    }

    #[test]
    fn boundaries() {
        must_match(
            CARD,
            &[
                ("pay with 4111111111111111.", "4111111111111111"),
                ("card=4111111111111111&cvc=1", "4111111111111111"),
                (r#"{"a":"x\n4111111111111111"}"#, "4111111111111111"),
                ("a=%224111111111111111%22", "4111111111111111"),
                (r#""\u00224111111111111111\u0022""#, "4111111111111111"),
            ],
        );
        must_not_match(
            CARD,
            &[
                "0.4111111111111111",
                "-4111111111111111",
                "/orders/4111111111111111",
                "a4111111111111111",
                "4111111111111111.5",
                "4111111111111111@corp.example",
                "41111111111111112",
                "12345678-1234-4123-8123-411111111111",
                "411111******1111",
            ],
        );
    }

    #[test]
    fn wrong_check_digits_and_prefixes() {
        must_not_match(CARD, &["4111111111111112", "1111111111111117", "9111111111111110", "1735000000008"]);
    }

    #[test]
    fn names_decide_where_numbers_are_alike() {
        must_not_match(
            CARD,
            &[
                r#"{"order_number":"4111111111111111"}"#,
                r#"{"orderId":4111111111111111}"#,
                r#"{"transaction":{"number":"4111111111111111"}}"#,
                r#"{"id":4111111111111111}"#,
                "<tr><th>tracking_number</th><td>4111111111111111</td>",
                "imei,name\n378282246310005,phone\n",
                r#"{"ean":"4222222222222"}"#,
                r#"{"data":"4222222222222"}"#,
                r#"{"data":"6759649826438453"}"#,
                "order 4111111111111111 shipped",
            ],
        );
        must_match(
            CARD,
            &[
                (r#"{"pan":"4222222222222"}"#, "4222222222222"),
                (r#"{"card":{"number":"6759649826438453"}}"#, "6759649826438453"),
                (r#"{"order_card_number":"4111111111111111"}"#, "4111111111111111"),
                ("card 4111111111111111 declined", "4111111111111111"),
            ],
        );
    }

    #[test]
    fn a_card_within_an_iban_is_the_iban() {
        let pakistan = "PK86 SCBL 4111 1111 1111 1111";
        assert!(crate::kind::tests::found(EntityType::Iban, pakistan).is_empty(), "not a valid one, to begin with");
        must_match(CARD, &[(pakistan, "4111 1111 1111 1111")]);
    }

    #[test]
    fn at_most_the_last_four_digits_are_shown() {
        assert_eq!((PAYMENT_CARD.mask)("4111111111111234"), "**** **** **** 1234");
        assert_eq!((PAYMENT_CARD.mask)("12"), "**** **** **** ");
    }
}
