//! Postal addresses.
//!
//! *Why*: They tell where people live.
//!
//! *Must match*, under a name that says what it is: words with a number, or several words, in any script.
//!
//! *Must not match*: addresses of mail, networks, wallets and memory; cities alone.

use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight, first};
use crate::scan::value::Value;

pub(crate) static POSTAL_ADDRESS: Kind = Kind {
    detector: Detector {
        name: "pii.postal_address",
        family: Family::Pii,
        title: "Postal addresses in a response",
        description: "A response holds postal addresses. They tell where people live.",
        remediation: "Return only the fields the caller needs, and those of people only to themselves and to those who \
                      work with them.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1589",
    },
    weight: Weight::InNumbers,
    names: &[
        "=address",
        "=addr",
        "=addresses",
        "street address",
        "street",
        "street name",
        "address line",
        "address street",
        "addr line",
        "addr street",
        "addr",
        "postal address",
        "home address",
        "mailing address",
        "shipping address",
        "billing address",
        "delivery address",
        "residential address",
        "full address",
        "street line",
        "=line",
        "address full",
        "house address",
        "strasse",
        "strasse hausnummer",
        "strassenname",
        "str hausnr",
        "anschrift",
        "adresse",
        "wohnadresse",
        "lieferadresse",
        "rechnungsadresse",
        "=adresse",
        "adresse postale",
        "rue",
        "adresse ligne",
        "ligne adresse",
        "numero rue",
        "direccion",
        "domicilio",
        "calle",
        "direccion postal",
        "direccion envio",
        "indirizzo",
        "via",
        "indirizzo residenza",
        "residenza",
        "endereco",
        "logradouro",
        "rua",
        "morada",
        "adres",
        "straat",
        "straatnaam",
        "woonadres",
        "ulica",
        "adres zamieszkania",
        "adress",
        "gatuadress",
        "gata",
        "vej",
        "vejnavn",
        "gate",
        "gateadresse",
        "postadresse",
        "osoite",
        "katuosoite",
        "ulice",
        "utca",
        "cim",
        "sokak",
        "dizhi",
        "地址",
        "住址",
        "住所",
        "thoroughfare",
        "residence address",
    ],
    told: Told::Name(is),
    confidence: Confidence::Medium,
    normalise: Some,
    mask: |value| first(value, 0),
};

/// Whether the text can be a street, with or without its number.
fn is(value: &Value<'_>) -> bool {
    let text = value.text();
    let letters = text.chars().filter(|character| character.is_alphabetic()).count();
    let foreign = text.chars().any(|character| character as u32 > 0x2e80);
    let words = text.split([' ', '\n', ',']).filter(|word| !word.is_empty()).count();
    let hexadecimal = text.strip_prefix("0x").is_some();
    value.is_text
        && (foreign && letters >= 2 || letters >= 3 && (2..=24).contains(&words))
        && text.chars().count() <= 160
        && !hexadecimal
        && !text.contains(['@', '{', '}', '[', ']', '=', '<', '>', '*', '?', '!', '$'])
        && !text.contains("://")
        && !text.to_ascii_lowercase().contains("redacted")
        // Streets are written with a capital or a number, messages end like sentences.
        && text.chars().any(|character| character.is_uppercase() || character.is_numeric() || foreign)
        && !(text.ends_with('.') && words > 3 && !text.chars().any(char::is_numeric))
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_telling_names() {
        must_match(
            EntityType::PostalAddress,
            &[
                ("{\"street\":\"43 Brown Rapids\"}", "43 Brown Rapids"),
                ("{\"address_line1\":\"avenue Raynaud\"}", "avenue Raynaud"),
                ("{\"streetAddress\":\"沈街L座\"}", "沈街L座"),
                ("{\"strasse\":\"Nikolaus-Tr\u{fc}b-Ring 53\"}", "Nikolaus-Tr\u{fc}b-Ring 53"),
                ("{\"address\":{\"street\":\"8 Melanie Rosebowl\",\"city\":\"X\"}}", "8 Melanie Rosebowl"),
                ("id,street,city\n1,\"20/23, Mohan Circle\",X\n", "20/23, Mohan Circle"),
                ("street=6%2C+rue+de+Joubert&a=1", "6%2C+rue+de+Joubert"),
            ],
        );
    }

    #[test]
    fn other_names_and_other_values() {
        must_not_match(
            EntityType::PostalAddress,
            &[
                "{\"ip_address\":\"10.0.0.1\"}",
                "{\"address\":\"tcp://10.0.0.1:80\"}",
                "{\"address\":\"0x52908400098527886E0F7030069857D2E4169EE7\"}",
                "{\"city\":\"West Nathan\"}",
                "{\"email_address\":\"Jane Doe x\"}",
                "{\"mac_address\":\"00 11 AA\"}",
                "{\"address\":\"10.0.0.1\"}",
                "{\"street\":null}",
            ],
        );
    }
}
