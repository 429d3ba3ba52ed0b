//! Brazilian taxpayer number (CPF)s.
//!
//! *Why*: With a name they are enough to open accounts and to take out loans.
//!
//! *Must match*, under a name or behind words that say what it is: eleven digits with two check digits, each 11 minus the weighted sum of those before it modulo 11 (Receita Federal,
//! Instrução Normativa 1548/2015).
//!
//! *Must not match*: the same digits under any other name, and numbers whose check fails.

use super::check_digits::{is_varied, weighted};
use crate::kind::{Kind, Told, national_id};

pub(crate) static BR_CPF: Kind = national_id(
    "pii.br_cpf",
    "Brazilian taxpayer number (CPF) in a response",
    "A response holds Brazilian taxpayer numbers. With a name they are enough to open accounts and to take out loans.",
    &[
        "cpf",
        "documento cpf",
        "numero cpf",
        "cpf cnpj",
        "cpf titular",
        "=documento",
        "national id",
        "identity number",
        "taxpayer id",
        "cadastro pessoa fisica",
        "=document",
        "document number",
        "numero documento",
    ],
    Told::NameAndDigits(is),
);

fn is(number: &[u8]) -> bool {
    number.len() == 11
        && is_varied(number)
        && (9..11).all(|length| {
            let weights: [u32; 10] = std::array::from_fn(|place| (length + 1 - place.min(length)) as u32);
            let (body, check) = number.split_at(length);
            let sum = weighted(body, weights.get(..length).unwrap_or_default()).unwrap_or_default();
            check.first().is_some_and(|check| u32::from(check - b'0') == sum * 10 % 11 % 10)
        })
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match_under, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_a_telling_name_and_not_elsewhere() {
        must_match_under(EntityType::BrCpf, "cpf", &["193.944.350-42", "77622639265"]);
    }

    #[test]
    fn what_is_not_given_out() {
        for number in ["193.944.350-43", "11111111111"] {
            must_not_match(EntityType::BrCpf, &[&format!("{{\"cpf\":\"{number}\"}}")]);
        }
    }
}
