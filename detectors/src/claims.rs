//! What a token says of whom it is for (RFC 7519 section 4): what they may do, and who they are.
//!
//! A token is signed and not encrypted, so whoever holds it can read it. Claims are read once for each token; roles leave
//! as one hash, personal data masked.

use serde_json::{Map, Value};

use crate::endpoint;
use crate::registry::EntityType;
use crate::visit::{Hash, Hashing};

/// The claims of a token, as far as they are a JSON object.
#[derive(Default)]
pub(crate) struct Claims(Map<String, Value>);

/// Where tokens say what somebody may do, what says most first. OpenID Connect and its providers, RFC 8693, RFC 9068.
const ROLES: [&str; 9] =
    ["role", "roles", "authorities", "realm_access", "cognito:groups", "groups", "permissions", "scp", "scope"];
/// What every scope list has: it says what of somebody is told, and not what they may do (OpenID Connect section 5.4).
const EVERYBODYS: [&str; 6] = ["openid", "profile", "email", "phone", "address", "offline_access"];
/// Roles that are told apart: those of a program's own scopes are a few dozen.
const ROLE_LIMIT: usize = 64;

impl Claims {
    pub(crate) fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().map(Self)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whom the token is for.
    pub(crate) fn principal(&self) -> Option<String> {
        let names = ["sub", "user_id", "uid", "username", "email", "client_id"];
        names.into_iter().filter_map(|name| self.get(name)).find_map(|value| match value {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// What the holder may do, as one hash of all roles: equal sets are equal in any order. `None` where nothing is said.
    pub(crate) fn roles(&self, hashing: &Hashing) -> Option<Hash> {
        let mut roles =
            ROLES.iter().filter_map(|name| self.get(name)).map(role_names).find(|roles| !roles.is_empty())?;
        roles.sort_unstable();
        roles.dedup();
        Some(hashing.hash_all(roles.iter().map(|role| hashing.hash(role.as_bytes()))))
    }

    /// Personal data among the claims, at most [`PERSONAL_LIMIT`], one for each claim.
    pub(crate) fn personal(&self) -> Vec<PersonalClaim> {
        let (mut found, mut visits) = (Vec::new(), CLAIM_LIMIT);
        personal(&self.0, "", 0, &mut visits, &mut found);
        found
    }
}

fn role_names(value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let mut take = |text: &str| {
        let words = text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_ascii_lowercase);
        names.extend(words.filter(|word| !EVERYBODYS.contains(&word.as_str())).take(ROLE_LIMIT));
    };
    match value {
        Value::String(text) => take(text),
        Value::Number(number) => take(&number.to_string()),
        // Keycloak: `{"roles": [..]}`; others: `{"admin": true}`.
        Value::Object(object) => match object.get("roles") {
            Some(roles) => return role_names(roles),
            None => object.iter().filter(|(_, value)| **value == Value::Bool(true)).for_each(|(name, _)| take(name)),
        },
        Value::Array(items) => {
            for item in items.iter().take(ROLE_LIMIT) {
                match item {
                    Value::String(text) => take(text),
                    Value::Object(object) => {
                        let name = ["authority", "name", "role"].iter().find_map(|name| object.get(*name)?.as_str());
                        name.into_iter().for_each(&mut take);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
    names
}

/// A claim that says who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PersonalClaim {
    /// What it says.
    pub(crate) what: Personal,
    /// Where it stands, as far as that looks like names: `$.user.email`.
    pub(crate) path: Box<str>,
    /// Its value, masked.
    pub(crate) masked: Box<str>,
}

/// What a personal claim says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Personal {
    Email,
    Name,
    Phone,
    BirthDate,
    Address,
    NationalId,
}

impl Personal {
    /// The word that stands in evidence.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Name => "person_name",
            Self::Phone => "phone",
            Self::BirthDate => "date_of_birth",
            Self::Address => "postal_address",
            Self::NationalId => "national_id",
        }
    }

    /// What a claim of this name, in small letters without separators, says.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "email" | "emailaddress" | "mail" | "upn" | "sub" | "username" | "preferredusername" | "uniquename"
            | "user" | "userid" | "login" => Self::Email,
            "name" | "fullname" | "displayname" | "givenname" | "familyname" | "firstname" | "lastname"
            | "middlename" | "surname" => Self::Name,
            "phone" | "phonenumber" | "mobile" | "mobilephone" | "mobilenumber" | "msisdn" => Self::Phone,
            "birthdate" | "dateofbirth" | "dob" | "birthday" => Self::BirthDate,
            "address" | "streetaddress" | "postaladdress" | "homeaddress" => Self::Address,
            "ssn"
            | "socialsecuritynumber"
            | "nationalid"
            | "nationalidnumber"
            | "nationalidentifier"
            | "nino"
            | "personnummer"
            | "cpf"
            | "taxid"
            | "taxnumber"
            | "passport"
            | "passportnumber"
            | "aadhaar"
            | "steuerid"
            | "codicefiscale"
            | "curp"
            | "pesel"
            | "bsn"
            | "dni"
            | "nie"
            | "nif"
            | "idcardnumber" => Self::NationalId,
            _ => return None,
        })
    }

    /// The value masked, if it can be one.
    fn mask(self, value: &str) -> Option<String> {
        let of = |entity: EntityType| {
            let kind = entity.kind();
            (kind.mask)(&kind.normal(value))
        };
        let digits = value.bytes().filter(u8::is_ascii_digit).count();
        let is_one = match self {
            Self::Email => value.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.')),
            Self::Name => value.chars().any(char::is_alphabetic) && !value.contains('@') && digits == 0,
            Self::Phone => (7..=15).contains(&digits),
            Self::BirthDate => (6..=8).contains(&digits),
            Self::Address => value.len() >= 8,
            Self::NationalId => digits >= 5,
        };
        is_one.then(|| match self {
            Self::Email => of(EntityType::Email),
            Self::Name => of(EntityType::PersonName),
            Self::Phone => of(EntityType::Phone),
            Self::BirthDate | Self::Address | Self::NationalId => "***".to_owned(),
        })
    }
}

/// Personal claims kept of a token.
const PERSONAL_LIMIT: usize = 8;
/// Claims looked at.
const CLAIM_LIMIT: usize = 128;
/// Objects inside of each other: `{"user": {"address": {..}}}`.
const DEPTH: usize = 3;

fn personal(claims: &Map<String, Value>, at: &str, depth: usize, visits: &mut usize, found: &mut Vec<PersonalClaim>) {
    for (name, value) in claims {
        if *visits == 0 || found.len() == PERSONAL_LIMIT {
            return;
        }
        *visits -= 1;
        // Claims of one's own are URLs (OpenID Connect section 5.1.2).
        let last = name.rsplit('/').next().unwrap_or(name);
        let path = || format!("{at}.{}", endpoint::shown_name(last.as_bytes()));
        match value {
            Value::Object(inner) if depth < DEPTH => personal(inner, &path(), depth + 1, visits, found),
            Value::String(_) | Value::Number(_) => {
                let plain: String = last
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .map(|letter| letter.to_ascii_lowercase())
                    .collect();
                let Some(what) = Personal::named(&plain) else { continue };
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if let Some(masked) = what.mask(&text) {
                    let path = format!("${}", path()).into();
                    found.push(PersonalClaim { what, path, masked: masked.into() });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        Claims::read(json.as_bytes()).unwrap()
    }

    #[test]
    fn roles_are_the_same_wherever_they_stand() {
        let hashing = Hashing::new([1; 32]);
        let of = |json: &str| claims(json).roles(&hashing);
        let admin = of(r#"{"role":"admin"}"#);
        assert!(admin.is_some());
        for same in [
            r#"{"roles":["Admin"]}"#,
            r#"{"realm_access":{"roles":["admin"]}}"#,
            r#"{"groups":["admin","admin"]}"#,
            r#"{"authorities":[{"authority":"ADMIN"}],"scope":"openid orders"}"#,
            r#"{"scope":"openid admin email"}"#,
            r#"{"permissions":{"admin":true,"orders":false}}"#,
        ] {
            assert_eq!(of(same), admin, "{same}");
        }
        assert_eq!(of(r#"{"scp":"a b"}"#), of(r#"{"scope":"b a"}"#));
        for none in [r#"{"sub":"7"}"#, r#"{"scope":"openid email"}"#, r#"{"roles":[]}"#, r#"{"role":null}"#] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn personal_claims_are_masked() {
        let found = claims(
            r#"{"sub":"ann.lee@mail.example","user":{"phone_number":"+49 170 1234567","name":"Ann Lee"},
               "https://api.example/birthdate":"1990-04-01","national_id":"850101-1234","iat":1700000000}"#,
        )
        .personal();
        let what: Vec<_> = found.iter().map(|claim| (claim.what, &*claim.path)).collect();
        assert!(what.contains(&(Personal::Email, "$.sub")), "{what:?}");
        assert!(
            what.contains(&(Personal::Phone, "$.user.phone_number")) && what.contains(&(Personal::Name, "$.user.name"))
        );
        assert!(
            what.contains(&(Personal::BirthDate, "$.birthdate"))
                && what.contains(&(Personal::NationalId, "$.national_id"))
        );
        let shown = format!("{found:?}");
        for value in ["ann.lee@", "1234567", "Lee", "1990", "850101"] {
            assert!(!shown.contains(value), "{value} in {shown}");
        }
    }

    #[test]
    fn ids_and_user_names_are_no_personal_data() {
        for plain in [r#"{"sub":"7","username":"ann","name":"svc-17","email":null,"phone":"7"}"#, "{}"] {
            assert_eq!(claims(plain).personal(), [], "{plain}");
        }
        let deep = format!("{}{}{}", r#"{"a":"#.repeat(100), r#"{"email":"a@b.example"}"#, "}".repeat(100));
        assert_eq!(claims(&deep).personal(), []);
        let many: Vec<_> = (0..500).map(|n| format!(r#""k{n}/email":"a{n}@b.example""#)).collect();
        assert_eq!(claims(&format!("{{{}}}", many.join(","))).personal().len(), PERSONAL_LIMIT);
    }
}
