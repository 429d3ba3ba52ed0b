//! Password hashes.
//!
//! *Why*: a hash can be attacked at leisure, and gives the password of everyone who chose a weak one.
//!
//! *Must match*: the forms that say themselves what they are: those of crypt(5) (`$2b$`, `$6$`, `$argon2id$` ...), of
//! phpass, Django and LDAP. Bare hexadecimal digests only under a name that says password hash, or password.
//!
//! *Must not match*: checksums and etags.

use crate::kind::{Kind, Told, credential, first};
use crate::scan::near::Near;
use crate::scan::value::Value;

pub(crate) static PASSWORD_HASH: Kind = Kind {
    told: Told::Name(is_digest),
    ..credential(
        "secret.password_hash",
        "Password hashes in a message",
        "A message holds password hashes. They can be attacked at leisure, and give away every weak password.",
        &[
            "password",
            "passwd",
            "pwd",
            "=pass",
            "passwort",
            "contrasena",
            "senha",
            "mot de passe",
            "wachtwoord",
            "haslo",
            "user password",
            "password hash",
            "passwd hash",
            "pwd hash",
            "pw hash",
            "hashed password",
            "password digest",
            "passwordhash",
            "password hashed",
            "encrypted password",
            "crypted password",
            "pass hash",
            "hash password",
            "password encrypted",
            "passwort hash",
            "hash contrasena",
            "password sha",
            "password md",
            "user pass",
            "mot de passe hash",
            "senha hash",
            "hash senha",
            "password bcrypt",
            "password crypt",
        ],
        |value| first(value, 4),
    )
};

/// Bare digests, in hexadecimal: MD5 to SHA-512.
pub(super) fn is_digest(value: &Value<'_>) -> bool {
    let text = value.text();
    matches!(text.len(), 32 | 40 | 48 | 56 | 64 | 96 | 128)
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte != b'0')
}

/// Whether a value begins like one of the forms that say what they are.
pub(super) fn is_formed(text: &str) -> bool {
    FORMS.iter().any(|(form, least)| text.starts_with(form) && text.len() >= *least)
        || text.starts_with("pbkdf2_sha") && text.contains('$')
        || text.starts_with("{SSHA")
}

/// How the forms begin, and how long they are at least (crypt(5), phpass).
const FORMS: &[(&str, usize)] = &[
    ("$2a$", 59),
    ("$2b$", 59),
    ("$2x$", 59),
    ("$2y$", 59),
    ("$argon2", 40),
    ("$1$", 26),
    ("$5$", 46),
    ("$6$", 90),
    ("$y$", 50),
    ("$7$", 50),
    ("$scrypt$", 40),
    ("$pbkdf2", 40),
    ("$apr1$", 30),
    ("$P$", 34),
    ("$H$", 34),
    ("$S$", 50),
];

/// Reads behind a dollar sign that takes the bytes from `dollar` to `next`.
#[inline(never)]
pub(crate) fn behind_dollar(near: &Near<'_>, dollar: usize, next: usize) -> Option<(usize, usize)> {
    let mut start = dollar;
    // Django writes the algorithm before the first dollar sign.
    const DJANGO: [&[u8]; 3] = [b"pbkdf2_sha256", b"pbkdf2_sha1", b"bcrypt_sha256"];
    for name in DJANGO {
        let from = dollar.checked_sub(name.len());
        start = from.filter(|from| near.has(*from, name)).unwrap_or(start);
    }
    let first = near.get(next)?;
    if start == dollar && !matches!(first, b'1' | b'2' | b'5'..=b'7' | b'a' | b'p' | b's' | b'y' | b'P' | b'H' | b'S') {
        return None;
    }
    if near.unit_before(start).is_some_and(|(before, _)| before.is_ascii_alphanumeric() || before == b'$') {
        return None;
    }
    let mut text = [0u8; 160];
    let (mut len, mut position) = (0, start);
    while let Some((byte, taken)) = near.unit(position)
        && (byte.is_ascii_alphanumeric()
            || b"$./+=,-_".contains(&byte)
            || byte == b' ' && taken == 1 && near.get(position) == Some(b'+'))
        && let Some(place) = text.get_mut(len)
    {
        *place = byte;
        (len, position) = (len + 1, position + taken);
    }
    let text = std::str::from_utf8(text.get(..len)?).ok()?;
    let django = start != dollar && len >= 60 && text.matches('$').count() == 3;
    let random = text.bytes().any(|byte| byte.is_ascii_digit());
    let formed = django || FORMS.iter().any(|(form, least)| text.starts_with(form) && len >= *least);
    (formed && random && text.matches('$').count() >= 2).then_some((start, position))
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    const BCRYPT: &str = "$2y$10$AnlIaNm7X/YNGbkhpTYrzDWq2MuHq/XEp9473qoEM2l4Q0DwpEn1U";
    const ARGON: &str =
        "$argon2id$v=19$m=19456,t=3,p=1$DXM3LsJxmjm6Csu2nNOXhQ$w4alEL5hS0TRxFUGnVq1bGJpKcPGzu5SgQnlGHa1o2Y";

    #[test]
    fn forms_whatever_the_name() {
        for hash in [
            BCRYPT,
            ARGON,
            "$1$36w8/.ih$yT19RzslQy3Xm//xzUKe5s",
            "pbkdf2_sha256$600000$aB3dE5fG7hI9$R3f5h7j9l1n3p5r7t9v1x3z5B7D9F1H3J5L7N9P1R3T=",
        ] {
            must_match(
                EntityType::PasswordHash,
                &[
                    (&format!("{{\"ref\":\"{hash}\"}}"), hash),
                    (&format!("{{\"password\":\"{hash}\"}}"), hash),
                    (&format!("root:{hash}:0"), hash),
                ],
            );
            must_not_match(EntityType::Password, &[&format!("{{\"password\":\"{hash}\"}}")]);
        }
        let encoded = BCRYPT.replace('$', "%24").replace('/', "%2F");
        must_match(EntityType::PasswordHash, &[(&format!("a=1&ref={encoded}&b=2"), &encoded)]);
    }

    #[test]
    fn digests_under_telling_names() {
        let digest = "5f4dcc3b5aa765d61d8327deb882cf99";
        must_match(
            EntityType::PasswordHash,
            &[
                (&format!("{{\"password_hash\":\"{digest}\"}}"), digest),
                (&format!("{{\"password\":\"{digest}\"}}"), digest),
            ],
        );
        must_not_match(
            EntityType::PasswordHash,
            &[&format!("{{\"etag\":\"{digest}\"}}"), "$(1$2", "cost $1$2", "$2y$10$short"],
        );
    }
}
