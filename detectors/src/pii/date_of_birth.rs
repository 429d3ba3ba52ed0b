//! Dates of birth.
//!
//! *Why*: With a name they answer the questions by which offices and banks know a person.
//!
//! *Must match*, under a name that says what it is: a date in one of the orders in use, with or without a time behind it.
//!
//! *Must not match*: times of events, years alone, and ages.

use super::check_digits::{is_month_and_day, number};
use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight, last};
use crate::scan::value::Value;

pub(crate) static DATE_OF_BIRTH: Kind = Kind {
    detector: Detector {
        name: "pii.date_of_birth",
        family: Family::Pii,
        title: "Dates of birth in a response",
        description: "A response holds dates of birth. With a name they answer the questions by which offices and banks know a person.",
        remediation: "Return only the fields the caller needs, and those of people only to themselves and to those who \
                      work with them.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1589",
    },
    weight: Weight::InNumbers,
    names: &[
        "dob",
        "date of birth",
        "birth date",
        "birthdate",
        "birthday",
        "birth day",
        "born",
        "born on",
        "date birth",
        "=bday",
        "geburtsdatum",
        "geburtstag",
        "geboren",
        "geboren am",
        "geb datum",
        "gebdat",
        "date de naissance",
        "date naissance",
        "naissance",
        "ne le",
        "fecha de nacimiento",
        "fecha nacimiento",
        "fecha nac",
        "nacimiento",
        "f nacimiento",
        "data di nascita",
        "data nascita",
        "nascita",
        "data de nascimento",
        "data nascimento",
        "nascimento",
        "geboortedatum",
        "geboorte datum",
        "data urodzenia",
        "urodziny",
        "fodelsedatum",
        "fodelsedag",
        "fodselsdato",
        "fodselsdag",
        "syntymaaika",
        "datum narozeni",
        "szuletesi datum",
        "dogum tarihi",
        "d o b",
        "birth dt",
        "chusheng riqi",
        "出生日期",
        "生日",
        "生年月日",
    ],
    told: Told::Name(is),
    confidence: Confidence::Medium,
    normalise: Some,
    mask: |value| last(value, 0, "****-**-**"),
};

/// Whether the text is a date, and one on which somebody could have been born.
fn is(value: &Value<'_>) -> bool {
    let text = value.text();
    // A time may follow: `1990-01-31T00:00:00Z`.
    let date =
        text.split(['T', 't']).next().filter(|date| date.len() >= 8 && date.starts_with(|c: char| c.is_ascii_digit()));
    numeric(date.unwrap_or(text)) || numeric(text.split(' ').next().unwrap_or_default()) || spelt(text)
}

/// `1990-01-31`, `31.01.1990`, `01/31/1990`, `19900131`, `31-1-90`.
fn numeric(date: &str) -> bool {
    if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) {
        let part = |from: usize, to: usize| number(date.as_bytes().get(from..to).unwrap_or_default());
        return is_date(part(0, 4), part(4, 6), part(6, 8)) || is_date(part(4, 8), part(2, 4), part(0, 2));
    }
    let mut parts = [0; 3];
    let mut count = 0;
    for part in date.split(['-', '.', '/', '年', '月']) {
        let digits = part.trim_end_matches('日');
        if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        let Some(place) = parts.get_mut(count) else { return false };
        *place = number(digits.as_bytes());
        count += 1;
    }
    let [a, b, c] = parts;
    let year = |year: u64| if year < 100 { year + 1900 } else { year };
    count == 3 && (is_date(a, b, c) || is_date(year(c), b, a) || is_date(year(c), a, b))
}

fn is_date(year: u64, month: u64, day: u64) -> bool {
    (1870..2100).contains(&year) && is_month_and_day(month, day)
}

/// `31 January 1990`, `Jan 31, 1990`: a month by its first letters, in the languages whose months begin alike.
fn spelt(date: &str) -> bool {
    let words = || date.split([' ', ',', '.', '-']).filter(|word| !word.is_empty());
    let month = |word: &str| {
        let word = word.to_ascii_lowercase();
        ["jan", "feb", "mar", "apr", "may", "mai", "jun", "jul", "aug", "sep", "oct", "okt", "nov", "dec", "dez"]
            .iter()
            .any(|month| word.starts_with(month))
            || [
                "ene", "abr", "ago", "dic", "fev", "fév", "avr", "juin", "juil", "aoû", "déc", "gen", "mag", "giu",
                "lug", "set", "ott", "out", "mär", "maj", "mei", "mrt",
            ]
            .iter()
            .any(|month| word.starts_with(month))
    };
    let numbers = words().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let (mut has_year, mut has_day) = (false, false);
    for digits in numbers {
        match number(digits.as_bytes()) {
            1..=31 => has_day = true,
            1870..2100 => has_year = true,
            _ => return false,
        }
    }
    has_year && has_day && words().count() <= 5 && words().any(month)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_telling_names() {
        must_match(
            EntityType::DateOfBirth,
            &[
                ("{\"dob\":\"1990-01-31\"}", "1990-01-31"),
                ("{\"birthDate\":\"1967-10-17T00:00:00Z\"}", "1967-10-17T00:00:00Z"),
                ("<geburtsdatum>31.01.1990</geburtsdatum>", "31.01.1990"),
                ("fecha_nacimiento=31%2F01%2F1990&a=1", "31%2F01%2F1990"),
                ("id,date_of_birth\n1,1990-01-31\n", "1990-01-31"),
                ("{\"dateNaissance\":\"31 janvier 1990\"}", "31 janvier 1990"),
                ("{\"birthday\":19900131}", "19900131"),
            ],
        );
    }

    #[test]
    fn other_names_and_other_values() {
        must_not_match(
            EntityType::DateOfBirth,
            &[
                "{\"shipped_on\":\"2024-01-31\"}",
                "{\"dob\":null}",
                "{\"dob_verified\":true}",
                "{\"dob\":\"unknown\"}",
                "{\"birthday_greeting\":\"2024-01-31 Happy!\"}",
                "{\"dob\":\"1990\"}",
            ],
        );
    }
}
