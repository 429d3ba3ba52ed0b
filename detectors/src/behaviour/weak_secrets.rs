//! Secrets that are no secrets: what people put where a random key belongs, and what examples leave there.
//!
//! The list is made of parts: words, each plain, in capitals, and with the endings that people add.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256, Sha384, Sha512};

const WORDS: [&str; 61] = [
    "secret",
    "secretkey",
    "secret-key",
    "secret_key",
    "password",
    "passwd",
    "passw0rd",
    "pass",
    "key",
    "jwt",
    "jwtsecret",
    "jwt-secret",
    "jwt_secret",
    "jwtkey",
    "jwt-key",
    "jwt_key",
    "token",
    "tokensecret",
    "token-secret",
    "token_secret",
    "mysecret",
    "my-secret",
    "my_secret",
    "mysecretkey",
    "my-secret-key",
    "my_secret_key",
    "supersecret",
    "super-secret",
    "super_secret",
    "supersecretkey",
    "super-secret-key",
    "topsecret",
    "top-secret",
    "changeme",
    "change-me",
    "change_me",
    "changeit",
    "default",
    "admin",
    "administrator",
    "root",
    "test",
    "testing",
    "testkey",
    "test-secret",
    "dev",
    "development",
    "devsecret",
    "demo",
    "example",
    "private",
    "privatekey",
    "signingkey",
    "appsecret",
    "app-secret",
    "apisecret",
    "authsecret",
    "qwerty",
    "letmein",
    "welcome",
    "shhhhh",
];

const ENDINGS: [&str; 8] = ["", "1", "12", "123", "1234", "12345", "123456", "!"];

const OTHERS: [&str; 20] = [
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    "your-secret",
    "your_secret",
    "your-secret-key",
    "your_secret_key",
    "yoursecretkey",
    "a-string-secret-at-least-256-bits-long",
    "keyboard cat",
    "123456",
    "12345678",
    "123456789",
    "1234567890",
    "0123456789",
    "abc123",
    "foobar",
    "foo",
    "s3cr3t",
    "hunter2",
];

/// How many secrets are tried.
pub(super) const fn count() -> usize {
    WORDS.len() * ENDINGS.len() * 2 + OTHERS.len()
}

/// A keyed hash that signs tokens (RFC 7518 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mac {
    Sha256,
    Sha384,
    Sha512,
}

impl Mac {
    /// That of an algorithm's name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Sha256),
            "HS384" => Some(Self::Sha384),
            "HS512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// Whether `signature`, base64url, was made of `input` with a common secret.
pub(super) fn is_weak(mac: Mac, input: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let is_it = |secret: &str| hmac(mac, secret.as_bytes(), input) == signature;
    OTHERS.iter().any(|secret| is_it(secret))
        || WORDS.iter().any(|word| {
            let mut capital = (*word).to_owned();
            if let Some(first) = capital.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            ENDINGS.iter().any(|ending| is_it(&format!("{word}{ending}")) || is_it(&format!("{capital}{ending}")))
        })
}

/// HMAC (RFC 2104).
fn hmac(mac: Mac, secret: &[u8], input: &[u8]) -> Vec<u8> {
    match mac {
        Mac::Sha256 => keyed::<Sha256, 64>(secret, input),
        Mac::Sha384 => keyed::<Sha384, 128>(secret, input),
        Mac::Sha512 => keyed::<Sha512, 128>(secret, input),
    }
}

/// `BLOCK` is the hash's block, in octets; every secret of the list fits.
fn keyed<D: Digest, const BLOCK: usize>(secret: &[u8], input: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(secret).for_each(|(octet, secret)| *octet ^= secret);
        block
    };
    let inner = D::new().chain_update(pad(0x36)).chain_update(input).finalize();
    D::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// The signature of `input`, base64url.
#[cfg(test)]
pub(super) fn sign(mac: Mac, secret: &[u8], input: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(hmac(mac, secret, input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_of_rfc_4231() {
        let hex = |octets: Vec<u8>| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let of = |mac| hex(hmac(mac, b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(of(Mac::Sha256), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert!(of(Mac::Sha384).starts_with("af45d2e376484031617f78d2b58a6b1b"));
        assert!(of(Mac::Sha512).starts_with("164b7a7bfcf819e2e395fbe73b56e0a3"));
    }

    #[test]
    fn common_secrets_are_found_and_others_are_not() {
        assert!(count() <= 1_000);
        for secret in ["secret", "Password123", "your-256-bit-secret", "changeme!"] {
            assert!(is_weak(Mac::Sha256, b"a.b", sign(Mac::Sha256, secret.as_bytes(), b"a.b").as_bytes()), "{secret}");
        }
        assert!(!is_weak(Mac::Sha512, b"a.b", sign(Mac::Sha512, b"r4nd0m-9f2c", b"a.b").as_bytes()));
        assert!(!is_weak(Mac::Sha256, b"a.b", b"%%%"));
    }
}
