//! Names of people.
//!
//! *Why*: With what stands beside them they say who the data is about.
//!
//! *Must match*, under a name that says what it is: letters, spaces and the marks of names; a field called `name` where what it is part of is somebody.
//!
//! *Must not match*: names of products, companies, files and users; a name within a sentence.

use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight};
use crate::scan::value::Value;

pub(crate) static PERSON_NAME: Kind = Kind {
    detector: Detector {
        name: "pii.person_name",
        family: Family::Pii,
        title: "Names of people in a response",
        description: "A response holds names of people. With what stands beside them they say who the data is about.",
        remediation: "Return only the fields the caller needs, and those of people only to themselves and to those who \
                      work with them.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1589",
    },
    weight: Weight::Context,
    names: &[
        "full name",
        "fullname",
        "first name",
        "firstname",
        "last name",
        "lastname",
        "given name",
        "given names",
        "family name",
        "surname",
        "=sur name",
        "middle name",
        "maiden name",
        "birth name",
        "forename",
        "=fname",
        "=lname",
        "=first",
        "=last",
        "customer name",
        "patient name",
        "cardholder name",
        "card holder name",
        "cardholder",
        "=card holder",
        "account holder",
        "account holder name",
        "holder name",
        "name on card",
        "employee name",
        "contact name",
        "recipient name",
        "client name",
        "owner name",
        "author name",
        "passenger name",
        "guest name",
        "student name",
        "member name",
        "beneficiary",
        "beneficiary name",
        "payee name",
        "payer name",
        "legal name",
        "real name",
        "vorname",
        "nachname",
        "familienname",
        "geburtsname",
        "vollstandiger name",
        "kundenname",
        "kunden name",
        "ansprechpartner",
        "karteninhaber",
        "kontoinhaber",
        "prenom",
        "nom complet",
        "nom famille",
        "nom de famille",
        "nom client",
        "nom du client",
        "=nom prenom",
        "titulaire",
        "nombre completo",
        "apellido",
        "apellidos",
        "primer apellido",
        "segundo apellido",
        "nombre cliente",
        "nombre y apellidos",
        "nombre titular",
        "nombres",
        "cognome",
        "nome completo",
        "nome cognome",
        "intestatario",
        "nome cliente",
        "nome titular",
        "sobrenome",
        "apelido",
        "primeiro nome",
        "nome utente",
        "voornaam",
        "achternaam",
        "volledige naam",
        "klantnaam",
        "naam klant",
        "tussenvoegsel",
        "imie",
        "nazwisko",
        "imie nazwisko",
        "imie i nazwisko",
        "fornamn",
        "efternamn",
        "fornavn",
        "etternavn",
        "efternavn",
        "fullt namn",
        "mellomnavn",
        "etunimi",
        "sukunimi",
        "jmeno",
        "prijmeni",
        "keresztnev",
        "vezeteknev",
        "xingming",
        "姓名",
        "真实姓名",
        "氏名",
        "signatory name",
        "insured name",
        "policyholder name",
        "applicant name",
        "spouse name",
        "mother name",
        "father name",
        "mothers maiden name",
        "emergency contact name",
        "doctor name",
        "manager name",
        "driver name",
        "sender name",
        "receiver name",
        "buyer name",
        "seller name",
        "user full name",
        "displayname",
    ],
    told: Told::Name(is),
    confidence: Confidence::Medium,
    normalise: Some,
    mask: initials,
};

/// Whether the text can be the name of somebody, or a part of it.
fn is(value: &Value<'_>) -> bool {
    let text = value.text();
    let letters = text.chars().filter(|character| character.is_alphabetic()).count();
    let of_names = |character: char| character.is_alphabetic() || " .'’-,ー·".contains(character) || is_mark(character);
    let mut words = text.split([' ', '-']).filter(|word| !word.is_empty());
    value.is_text
        && text.chars().count() <= 80
        && (letters >= 2 || text.chars().any(|character| character as u32 > 0x2e80))
        && text.chars().all(of_names)
        && words.clone().count() <= 7
        // Written as names are: somewhere a capital, or a script that has none.
        && text.chars().any(|character| character.is_uppercase() || character as u32 > 0x17f)
        && !words.any(|word| NO_NAMES.contains(&word.trim_matches(['.', ',']).to_ascii_lowercase().as_str()))
}

/// Marks that follow a letter in some scripts.
fn is_mark(character: char) -> bool {
    matches!(character as u32, 0x300..=0x36f | 0x900..=0x903 | 0x93a..=0x94f | 0x962..=0x963 | 0x980..=0xdff | 0xe31..=0xe4e)
}

/// Words that no name has: companies, placeholders, other things.
const NO_NAMES: &[&str] = &[
    "inc",
    "ltd",
    "llc",
    "llp",
    "gmbh",
    "ag",
    "kg",
    "plc",
    "corp",
    "corporation",
    "company",
    "bv",
    "srl",
    "spa",
    "sarl",
    "null",
    "none",
    "unknown",
    "undefined",
    "true",
    "false",
    "redacted",
    "masked",
    "hidden",
    "deleted",
    "anonymous",
    "n/a",
    "string",
    "test",
    "required",
    "invalid",
    "name",
    "vorname",
    "nachname",
];

/// The first letter of each word.
fn initials(name: &str) -> String {
    let words = name.split(' ').filter_map(|word| word.chars().next());
    words.map(|initial| format!("{initial}***")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_telling_names() {
        must_match(
            EntityType::PersonName,
            &[
                ("{\"full_name\":\"Jane Doe\"}", "Jane Doe"),
                ("{\"firstName\":\"J\\u00f6rgen\"}", "J\\u00f6rgen"),
                ("{\"customer\":{\"id\":1,\"name\":\"Mary-Ann O'Neil\"}}", "Mary-Ann O'Neil"),
                ("{\"name\":\"Jane Doe\",\"email\":\"x@corp.example\"}", "Jane Doe"),
                ("<patient><name>Jane Doe</name></patient>", "Jane Doe"),
                ("name,email\nJane Doe,x@corp.example\n", "Jane Doe"),
                ("customer_name=Danielle+Lombard&a=1", "Danielle+Lombard"),
                ("{\"firstName\":\"瑜\"}", "瑜"),
                ("<input name=\"surname\" value=\"Doe\">", "Doe"),
            ],
        );
    }

    #[test]
    fn other_names_and_other_values() {
        must_not_match(
            EntityType::PersonName,
            &[
                "{\"product_name\":\"Paris Tote\"}",
                "{\"company_name\":\"Hall\"}",
                "{\"name\":\"Victoria Tea Set\",\"sku\":\"A1\"}",
                "{\"username\":\"Jane\"}",
                "{\"full_name\":\"octo/Hello\"}",
                "{\"filename\":\"Report\"}",
                "{\"customer_name\":\"Hall Inc\"}",
                "{\"first_name\":null}",
                "{\"first_name\":\"\"}",
                "{\"msg\":\"Customer Mike called\"}",
                "{\"event\":{\"name\":\"Opening Night\"}}",
            ],
        );
    }
}
