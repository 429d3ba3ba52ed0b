//! Queries of document stores: an operator where a value is expected (`{"password": {"$ne": 1}}`, `user[$ne]=`).
//!
//! Some interfaces let their clients use operators in filters. None does for what somebody logs in with.

use super::{Kind, Payload, Text};

const OPERATORS: [&[u8]; 14] = [
    b"$ne", b"$gt", b"$gte", b"$lt", b"$lte", b"$regex", b"$in", b"$nin", b"$exists", b"$eq", b"$or", b"$and", b"$not",
    b"$where",
];

/// What somebody logs in with, by the words its name is made of.
const CREDENTIALS: [&[u8]; 12] =
    [b"user", b"login", b"mail", b"pass", b"pwd", b"pin", b"otp", b"token", b"secret", b"account", b"session", b"code"];

/// What a name tries: an operator as a member's name, or in the brackets of a parameter's.
pub(super) fn name(text: &Text<'_>) -> Option<Payload> {
    let (about, operator) = match memchr::memmem::find(text.lower, b"[$") {
        Some(at) => (text.lower.get(..at)?, text.lower.get(at + 1..)?.split(|octet| *octet == b']').next()?),
        None => (text.name, text.lower),
    };
    if !OPERATORS.contains(&operator) {
        return None;
    }
    if operator == b"$where" {
        return Payload::sure(Kind::NoSql);
    }
    let about = about.to_ascii_lowercase();
    match CREDENTIALS.iter().any(|word| memchr::memmem::find(&about, word).is_some()) {
        true => Payload::sure(Kind::NoSql),
        false => Payload::weak(Kind::NoSql),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Place, Value, Weight, read};

    fn name(about: &str, name: &str) -> Option<Weight> {
        let value = Value { place: Place::Content, name: about.as_bytes(), text: name.as_bytes(), is_name: true };
        read(&value, &mut Vec::new(), &mut Vec::new()).map(|payload| payload.weight)
    }

    #[test]
    fn operators_where_a_value_is_expected() {
        assert_eq!(name("password", "$ne"), Some(Weight::Sure));
        assert_eq!(name("", "username[$regex]"), Some(Weight::Sure));
        assert_eq!(name("", "filters[price][$gt]"), Some(Weight::Weak));
        assert_eq!(name("price", "$gt"), Some(Weight::Weak));
        assert_eq!(name("price", "$ref"), None);
        assert_eq!(name("price", "$schema"), None);
    }
}
