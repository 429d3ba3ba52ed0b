//! The shop's customers. All of it is computed: names in turn, telephone numbers from the range that is kept for fiction,
//! and check digits that are right.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

const COUNT: usize = 240;

const FIRST_NAMES: [&str; 15] = [
    "Ada", "Bruno", "Clara", "David", "Elena", "Felix", "Greta", "Hugo", "Irene", "Jonas", "Katja", "Louis", "Marta",
    "Nils", "Olga",
];
const LAST_NAMES: [&str; 16] = [
    "Adler", "Berger", "Castro", "Dupont", "Eriksen", "Fischer", "Garcia", "Hansen", "Ivanova", "Jensen", "Keller",
    "Lefevre", "Moreau", "Novak", "Olsen", "Petrov",
];
const STREETS: [&str; 5] = ["High Street", "Mill Lane", "Station Road", "Church Walk", "Harbour View"];
const CITIES: [(&str, &str); 4] =
    [("Bristol", "BS1 4DJ"), ("Leeds", "LS1 5AB"), ("Norwich", "NR2 1TF"), ("Exeter", "EX1 1EE")];

/// Somebody who does not exist.
pub(super) struct Customer {
    /// From 1 on, without holes.
    pub(super) id: usize,
    first_name: &'static str,
    last_name: &'static str,
    pub(super) email: String,
    pub(super) password: String,
    pub(super) street: String,
    pub(super) city: &'static str,
    pub(super) postcode: &'static str,
}

pub(super) fn made_up() -> Vec<Customer> {
    (0..COUNT)
        .map(|n| {
            // 15 and 16 have no common divisor: 240 different pairs.
            let (first_name, last_name) = (FIRST_NAMES[n % FIRST_NAMES.len()], LAST_NAMES[n % LAST_NAMES.len()]);
            let (city, postcode) = CITIES[n % CITIES.len()];
            Customer {
                id: n + 1,
                first_name,
                last_name,
                email: format!("{first_name}.{last_name}@mail.example.org").to_lowercase(),
                password: format!("{}-{}-{n}", last_name.to_lowercase(), city.to_lowercase()),
                street: format!("{} {}", n + 1, STREETS[n % STREETS.len()]),
                city,
                postcode,
            }
        })
        .collect()
}

impl Customer {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }

    /// All that the shop knows of them.
    pub(super) fn record(&self) -> Value {
        let n = self.id as u64;
        json!({
            "id": n, "first_name": self.first_name, "last_name": self.last_name, "email": self.email,
            "phone": format!("+44 7700 900{:03}", n % 1000), "card_number": card(n), "iban": iban(n),
            "street": self.street, "city": self.city, "postcode": self.postcode,
            "date_of_birth": format!("19{:02}-{:02}-{:02}", 50 + n % 50, 1 + n % 12, 1 + n % 28),
            "password_hash": self.password_hash(),
        })
    }

    /// In the form of bcrypt.
    pub(super) fn password_hash(&self) -> String {
        let mut octets = [0; 40];
        blake3::Hasher::new().update(self.password.as_bytes()).finalize_xof().fill(&mut octets);
        let text: String = STANDARD_NO_PAD.encode(octets).chars().take(53).collect();
        format!("$2b$12${}", text.replace('+', "."))
    }
}

/// A payment card's number.
fn card(n: u64) -> String {
    let digits = format!("453201{:09}", n * 7_654_321 % 1_000_000_000);
    // Every other digit counts twice, beginning with the last one before the check digit.
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// A German account's number.
fn iban(n: u64) -> String {
    let account = format!("10000000{:010}", n * 7_654_321 % 10_000_000_000);
    // The number behind which D, E and the check digits 00 stand, as digits, modulo 97.
    let rest = format!("{account}131400").bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn check_digits_are_right() {
        let luhn = |number: &str| {
            let twice = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
            let digits = number.chars().rev().map(|c| c.to_digit(10).unwrap()).enumerate();
            digits.map(|(place, digit)| if place % 2 == 1 { twice(digit) } else { digit }).sum::<u32>() % 10
        };
        for n in 1..=COUNT as u64 {
            let number = card(n);
            assert_eq!((number.len(), luhn(&number)), (16, 0), "{number}");
            let number = iban(n);
            assert_eq!(number.len(), 22);
            let digits = format!("{}1314{}", &number[4..], &number[2..4]);
            assert_eq!(digits.parse::<u128>().unwrap() % 97, 1, "{number}");
        }
    }

    #[test]
    fn nobody_is_there_twice() {
        let customers = made_up();
        let emails: BTreeSet<_> = customers.iter().map(|customer| &customer.email).collect();
        assert_eq!(emails.len(), customers.len());
        assert!(customers.iter().all(|customer| customer.password_hash().len() == 60));
    }
}
