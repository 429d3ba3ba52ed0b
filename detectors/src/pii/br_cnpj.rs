//! Brazilian company number (CNPJ)s.
//!
//! *Why*: Those of one-person firms identify a person.
//!
//! *Must match*, under a name or behind words that say what it is: fourteen digits with two check digits, each from the weighted sum of those before it modulo 11 (Receita Federal,
//! Instrução Normativa 2119/2022).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::{is_varied, weighted};
use crate::kind::{Kind, Told, national_id};

pub(crate) static BR_CNPJ: Kind = national_id(
    "pii.br_cnpj",
    "Brazilian company number (CNPJ) in a response",
    "A response holds Brazilian company registration numbers. Those of one-person firms identify a person.",
    &[
        "cnpj",
        "empresa cnpj",
        "numero cnpj",
        "cpf cnpj",
        "company cnpj",
        "cadastro nacional",
        "=documento",
        "=document",
        "document number",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    number.len() == 14
        && is_varied(number)
        && (12..14).all(|length| {
            let (body, check) = number.split_at(length);
            // The weights run from 2 to 9, over and over, from the right.
            let weights: [u32; 13] = std::array::from_fn(|place| 2 + (length.saturating_sub(place + 1) % 8) as u32);
            let sum = weighted(body, weights.get(..length).unwrap_or_default()).unwrap_or_default() % 11;
            check.first().is_some_and(|check| u32::from(check - b'0') == if sum < 2 { 0 } else { 11 - sum })
        })
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::BrCnpj, "cnpj", &["35.865.293/0001-54", "25452139000105"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["35.865.293/0001-55", "00000000000000"] {
            must_not_match(EntityType::BrCnpj, &[&format!("{{\"cnpj\":\"{number}\"}}")]);
        }
    }
}
