//! JSON Web Tokens (RFC 7519): taken apart once, and noted as hashes and numbers.
//!
//! The same token comes with thousands of requests. A worker remembers what it noted of the last [`REMEMBERED`] ones.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::behaviour::bounded::Bounded;
use crate::behaviour::weak_secrets::Mac;
use crate::claims::{Claims, PersonalClaim};
use crate::exchange::Octets;
use crate::visit::{Hash, Hashing};

/// Longest token that is taken apart, in octets.
pub(crate) const TOKEN_LIMIT: usize = 8 * 1024;

/// Longest token whose signature is tried, in octets.
const SIGNED: usize = 4 * 1024;

/// Tokens that a worker remembers, at most 5 KB each: 5 MB.
const REMEMBERED: usize = 1_024;

/// The tokens that were seen last, and what was noted of them.
#[derive(Debug)]
pub(crate) struct Tokens(Bounded<Hash, Known>);

/// Whom a token stands for, and what is noted of it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its subject, or else the token itself.
    pub(crate) principal: Hash,
    /// The same, as it is on every machine with the same key.
    pub(crate) lasting: Hash,
    /// `None` when its header cannot be read.
    pub(crate) token: Option<Arc<Token>>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self(Bounded::new(REMEMBERED))
    }
}

impl Tokens {
    /// What is known of a token whose hash is `whole`.
    pub(crate) fn know(&mut self, jwt: &Jwt<'_>, whole: Hash, hashing: &Hashing) -> Known {
        self.0.entry(whole, || Known::of(jwt, hashing)).clone()
    }
}

impl Known {
    fn of(jwt: &Jwt<'_>, hashing: &Hashing) -> Self {
        let claims = jwt.claims();
        let subject = claims.as_ref().and_then(Claims::principal);
        let principal = subject.as_ref().map_or(jwt.text, |subject| subject.as_bytes());
        let token = jwt.header().map(|header| Arc::new(Token::of(jwt, &header, &claims.unwrap_or_default(), hashing)));
        Self { principal: hashing.hash(principal), lasting: hashing.lasting(principal), token }
    }
}

/// What is noted of a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Issuer and key id: who signed it.
    pub(crate) signer: Hash,
    pub(crate) payload: Hash,
    pub(crate) signature: Hash,
    pub(crate) algorithm: Algorithm,
    pub(crate) trick: Option<Trick>,
    /// When it ends, in seconds since 1970.
    pub(crate) expires: Option<i64>,
    pub(crate) issued: Option<i64>,
    /// What is signed, where the secret may be in a list.
    pub(crate) signed: Option<Signed>,
    /// What its holder may do: equal sets of roles are equal.
    pub(crate) roles: Option<Hash>,
    /// What it says of who its holder is.
    pub(crate) personal: Box<[PersonalClaim]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    None,
    /// Equal input, equal signature: HMAC, RSA.
    Fixed,
    /// Each signature differs: ECDSA, RSASSA-PSS.
    Random,
}

/// Header parameters that are there to mislead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    /// Where the key is to be fetched.
    Reference,
    /// The key itself.
    Embedded,
    /// A key id that is a path or a piece of a query.
    Syntax,
}

/// A signature to try, in memory until the behaviour stage has looked at it.
#[derive(Clone, PartialEq)]
pub(crate) struct Signed {
    pub(crate) mac: Mac,
    pub(crate) input: Box<[u8]>,
    pub(crate) signature: Box<[u8]>,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Octets::of(&self.input).fmt(f)
    }
}

impl Token {
    /// A token that says nothing, for tests.
    #[cfg(test)]
    pub(crate) fn blank() -> Self {
        Self {
            signer: Hash(1),
            payload: Hash(2),
            signature: Hash(3),
            algorithm: Algorithm::Fixed,
            trick: None,
            expires: None,
            issued: None,
            signed: None,
            roles: None,
            personal: Box::default(),
        }
    }

    fn of(jwt: &Jwt<'_>, header: &JoseHeader, claims: &Claims, hashing: &Hashing) -> Self {
        let part = |value: Option<&serde_json::Value>| {
            hashing.hash(value.map(serde_json::Value::to_string).unwrap_or_default().as_bytes())
        };
        let number = |name: &str| claims.get(name).and_then(|value| Some(value.as_f64()? as i64));
        Self {
            signer: hashing.hash_all([part(claims.get("iss")), part(header.kid.as_ref())]),
            payload: hashing.hash(jwt.payload),
            signature: hashing.hash(jwt.signature),
            algorithm: algorithm(header, jwt),
            trick: trick(header),
            expires: number("exp"),
            issued: number("iat"),
            signed: signed(header, jwt),
            roles: claims.roles(hashing),
            personal: claims.personal().into(),
        }
    }
}

fn algorithm(header: &JoseHeader, token: &Jwt<'_>) -> Algorithm {
    let name = header.alg.as_bytes();
    if name.is_empty() || name.eq_ignore_ascii_case(b"none") || token.signature.is_empty() {
        Algorithm::None
    } else if name.starts_with(b"HS") || name.starts_with(b"RS") {
        Algorithm::Fixed
    } else {
        Algorithm::Random
    }
}

fn trick(header: &JoseHeader) -> Option<Trick> {
    if header.jku.is_some() || header.x5u.is_some() {
        return Some(Trick::Reference);
    }
    if header.jwk.is_some() {
        return Some(Trick::Embedded);
    }
    let has_syntax = header.kid.as_ref().and_then(serde_json::Value::as_str).is_some_and(|kid| {
        kid.contains("../") || kid.starts_with('/') || kid.contains(['\'', '"', ';', '|', '`', '\0', '\\', '$'])
    });
    has_syntax.then_some(Trick::Syntax)
}

fn signed(header: &JoseHeader, token: &Jwt<'_>) -> Option<Signed> {
    let mac = Mac::of(&header.alg)?;
    let input = token.text.get(..token.header.len() + 1 + token.payload.len())?;
    let fits = input.len() <= SIGNED && token.signature.len() <= 128 && !token.signature.is_empty();
    fits.then(|| Signed { mac, input: input.into(), signature: token.signature.into() })
}

/// A JSON Web Token in the compact form (RFC 7515 section 3.1), not verified.
#[derive(Clone, Copy)]
pub(crate) struct Jwt<'a> {
    /// All of it.
    pub(crate) text: &'a [u8],
    /// The first part, base64url.
    header: &'a [u8],
    /// The second part, base64url.
    payload: &'a [u8],
    /// The third part, base64url; empty when it is not signed.
    signature: &'a [u8],
}

/// The token, if it has the form of a JSON Web Token.
pub(crate) fn bearer_token(text: &[u8]) -> Option<Jwt<'_>> {
    if text.len() > TOKEN_LIMIT || !text.starts_with(b"ey") {
        return None;
    }
    let mut parts = text.split(|octet| *octet == b'.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let is_one = parts.next().is_none() && header.len() >= 8 && payload.len() >= 2;
    is_one.then_some(Jwt { text, header, payload, signature })
}

impl Jwt<'_> {
    /// The header, as far as it is JSON.
    fn header(&self) -> Option<JoseHeader> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(self.header).ok()?).ok()
    }

    /// The claims, as far as they are JSON.
    fn claims(&self) -> Option<Claims> {
        Claims::read(&URL_SAFE_NO_PAD.decode(self.payload).ok()?)
    }
}

/// Header parameters of a token (RFC 7515 section 4.1).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct JoseHeader {
    /// Algorithm.
    alg: String,
    /// Key id.
    kid: Option<serde_json::Value>,
    /// Where the key set is.
    jku: Option<String>,
    /// Where the certificate is.
    x5u: Option<String>,
    /// The key itself.
    jwk: Option<serde_json::Value>,
}
