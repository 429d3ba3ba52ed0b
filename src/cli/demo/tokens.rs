//! The shop's tokens: JSON Web Tokens with HMAC-SHA-256, and the fault of believing one that says it needs no signature.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How long a token is good for, in seconds.
const LIFE: i64 = 3600;

/// The octets that HMAC fills a key up to.
const BLOCK: usize = 64;

/// Makes and reads tokens.
pub(super) struct Tokens {
    secret: [u8; BLOCK],
}

impl Tokens {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut secret = [0; BLOCK];
        getrandom::fill(&mut secret).map_err(std::io::Error::from)?;
        Ok(Self { secret })
    }

    /// A token for `customer` from `at` on, in seconds of Unix time.
    pub(super) fn issue(&self, customer: usize, at: i64) -> String {
        let signed = unsigned("HS256", customer, at);
        let signature = URL_SAFE_NO_PAD.encode(hmac(&self.secret, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Whose token it is, if it is to be believed.
    pub(super) fn subject(&self, token: &str) -> Option<usize> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        let is_believed = match part(header)?["alg"].as_str()? {
            "none" => true,
            "HS256" => URL_SAFE_NO_PAD.decode(signature).ok()? == hmac(&self.secret, signed.as_bytes()),
            _ => false,
        };
        let payload = part(payload)?;
        let is_good = is_believed && payload["exp"].as_i64()? > now();
        payload["sub"].as_str()?.parse().ok().filter(|_| is_good)
    }
}

/// A token that says it needs no signature.
pub(super) fn forged(customer: usize) -> String {
    format!("{}.", unsigned("none", customer, now()))
}

fn unsigned(algorithm: &str, customer: usize, at: i64) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": algorithm, "typ": "JWT" }));
    format!("{header}.{}", part(json!({ "sub": customer.to_string(), "iat": at, "exp": at + LIFE })))
}

/// Seconds of Unix time.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// RFC 2104 for a key of one block.
fn hmac(key: &[u8; BLOCK], text: &[u8]) -> [u8; 32] {
    let inner = Sha256::new().chain_update(key.map(|octet| octet ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(key.map(|octet| octet ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_of_rfc_4231() {
        let mut key = [0; BLOCK];
        key[..4].copy_from_slice(b"Jefe");
        let code = hmac(&key, b"what do ya want for nothing?");
        assert_eq!(code[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
    }

    #[test]
    fn only_what_was_signed_is_believed_except_for_the_fault() {
        let tokens = Tokens::new().unwrap();
        let token = tokens.issue(7, now());
        assert_eq!(tokens.subject(&token), Some(7));
        assert_eq!(tokens.subject(&tokens.issue(7, now() - 2 * LIFE)), None, "its time is up");
        assert_eq!(Tokens::new().unwrap().subject(&token), None, "another shop's");
        assert_eq!(tokens.subject(&forged(9)), Some(9));
        assert_eq!(tokens.subject("a.b.c"), None);
    }
}
