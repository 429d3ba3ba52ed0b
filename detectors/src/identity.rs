//! Who asks: the credential of a request, and the principal it stands for.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::exchange::Request;
use crate::visit::{Hash, Hashing};

/// What a request was asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential {
    /// How it was sent.
    pub kind: CredentialKind,
    /// All of it.
    pub hash: Hash,
}

/// How a credential is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialKind {
    /// `Authorization: Bearer` with a JSON Web Token (RFC 7519).
    Jwt,
    /// `Authorization: Bearer` with something that means nothing to others (RFC 6750).
    Bearer,
    /// `Authorization: Basic` (RFC 7617).
    Basic,
    /// Another scheme of `Authorization`.
    OtherScheme,
    /// A field of its own, as `X-API-Key`.
    ApiKey,
    /// A cookie that by its name holds a session.
    SessionCookie,
}

/// Who asks, and with what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// What the request was asked with.
    pub credential: Option<Credential>,
    /// Whom that stands for.
    pub principal: Option<Hash>,
    /// The same, as it is on every machine with the same key.
    pub lasting: Option<Hash>,
}

/// Longest token that is taken apart, in octets.
pub const TOKEN_LIMIT: usize = 8 * 1024;

/// Fields that hold a key and nothing else, in lower case.
const KEY_FIELDS: [&str; 8] =
    ["x-api-key", "api-key", "apikey", "x-auth-token", "x-access-token", "x-session-token", "x-token", "private-token"];

/// Who sends `request`.
pub fn of(request: &Request<'_>, hashing: &Hashing) -> Identity {
    if let Some(value) = request.fields.get("authorization") {
        return authorization(value, hashing);
    }
    let key = KEY_FIELDS.iter().find_map(|name| request.fields.get(name));
    if let Some(key) = key.filter(|key| !key.is_empty()) {
        return itself(CredentialKind::ApiKey, key, hashing);
    }
    let cookies = request.fields.get_all("cookie").flat_map(|line| line.split(|octet| *octet == b';'));
    for cookie in cookies.map(<[u8]>::trim_ascii) {
        let Some(at) = memchr::memchr(b'=', cookie) else { continue };
        let (name, value) = (&cookie[..at], &cookie[at + 1..]);
        if is_session_name(name) && value.len() >= 8 {
            return match bearer_token(value) {
                Some(token) => jwt(token, CredentialKind::SessionCookie, hashing),
                None => itself(CredentialKind::SessionCookie, value, hashing),
            };
        }
    }
    Identity::default()
}

fn authorization(value: &[u8], hashing: &Hashing) -> Identity {
    let (scheme, rest) = match memchr::memchr(b' ', value) {
        Some(at) => (&value[..at], value[at + 1..].trim_ascii()),
        None => (&b""[..], value),
    };
    if scheme.eq_ignore_ascii_case(b"bearer") || scheme.is_empty() || scheme.eq_ignore_ascii_case(b"token") {
        return match bearer_token(rest) {
            Some(token) => jwt(token, CredentialKind::Jwt, hashing),
            None => itself(CredentialKind::Bearer, rest, hashing),
        };
    }
    if scheme.eq_ignore_ascii_case(b"basic") {
        let decoded = rest.get(..rest.len().min(TOKEN_LIMIT)).and_then(|text| STANDARD.decode(text).ok());
        let user = decoded.as_deref().and_then(|pair| pair.split(|octet| *octet == b':').next());
        return Identity {
            credential: Some(Credential { kind: CredentialKind::Basic, hash: hashing.hash(rest) }),
            principal: user.map(|user| hashing.hash(user)),
            lasting: user.map(|user| hashing.lasting(user)),
        };
    }
    itself(CredentialKind::OtherScheme, value, hashing)
}

/// A credential that says nothing about whom it stands for, other than that it is the same one.
fn itself(kind: CredentialKind, value: &[u8], hashing: &Hashing) -> Identity {
    let hash = hashing.hash(value);
    Identity {
        credential: Some(Credential { kind, hash }),
        principal: Some(hash),
        lasting: Some(hashing.lasting(value)),
    }
}

fn jwt(token: Jwt<'_>, kind: CredentialKind, hashing: &Hashing) -> Identity {
    let whole = hashing.hash(token.text);
    let subject = token.claims().and_then(|claims| claims.principal());
    let principal = subject.as_ref().map_or(token.text, |subject| subject.as_bytes());
    Identity {
        credential: Some(Credential { kind, hash: whole }),
        principal: Some(hashing.hash(principal)),
        lasting: Some(hashing.lasting(principal)),
    }
}

/// Cookies that hold a session, by the words their names are made of.
pub(crate) fn is_session_name(name: &[u8]) -> bool {
    const WORDS: [&[u8]; 8] = [b"sess", b"sid", b"auth", b"token", b"jwt", b"login", b"remember", b"ticket"];
    // Cookies against forged requests are not who somebody is.
    const OTHER: [&[u8]; 2] = [b"csrf", b"xsrf"];
    let name = name.to_ascii_lowercase();
    let has = |word: &&[u8]| memchr::memmem::find(&name, word).is_some();
    WORDS.iter().any(has) && !OTHER.iter().any(has)
}

/// A JSON Web Token in the compact form (RFC 7515 section 3.1), not verified.
#[derive(Clone, Copy)]
pub struct Jwt<'a> {
    /// All of it.
    pub text: &'a [u8],
    /// The first part, base64url.
    pub header: &'a [u8],
    /// The second part, base64url.
    pub payload: &'a [u8],
    /// The third part, base64url; empty when it is not signed.
    pub signature: &'a [u8],
}

/// The token, if it has the form of a JSON Web Token.
pub fn bearer_token(text: &[u8]) -> Option<Jwt<'_>> {
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
    pub fn header(&self) -> Option<JoseHeader> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(self.header).ok()?).ok()
    }

    /// The claims, as far as they are JSON.
    pub fn claims(&self) -> Option<Claims> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(self.payload).ok()?).ok()
    }
}

/// Header parameters of a token (RFC 7515 section 4.1).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct JoseHeader {
    /// Algorithm.
    pub alg: String,
    /// Key id.
    pub kid: Option<serde_json::Value>,
    /// Where the key set is.
    pub jku: Option<String>,
    /// Where the certificate is.
    pub x5u: Option<String>,
    /// The key itself.
    pub jwk: Option<serde_json::Value>,
}

/// Registered claims of a token (RFC 7519 section 4.1), and the names under which others put whom it is for.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Claims {
    sub: Option<serde_json::Value>,
    user_id: Option<serde_json::Value>,
    uid: Option<serde_json::Value>,
    username: Option<serde_json::Value>,
    email: Option<serde_json::Value>,
    client_id: Option<serde_json::Value>,
    /// Issuer.
    pub iss: Option<serde_json::Value>,
    /// Seconds since 1970 after which it is not to be accepted.
    pub exp: Option<serde_json::Value>,
    /// Seconds since 1970 when it was issued.
    pub iat: Option<serde_json::Value>,
}

impl Claims {
    /// Whom the token is for.
    pub fn principal(&self) -> Option<String> {
        let named = [&self.sub, &self.user_id, &self.uid, &self.username, &self.email, &self.client_id];
        named.into_iter().flatten().find_map(|value| match value {
            serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Content, FieldLine, Fields, Version};

    fn identity(name: &str, value: &str) -> Identity {
        let bytes = format!("{name}{value}");
        let lines = [FieldLine {
            name: 0,
            name_len: name.len() as u16,
            value: name.len() as u32,
            value_len: value.len() as u32,
        }];
        let fields = Fields::new(bytes.as_bytes(), &lines);
        let request =
            Request { method: b"GET", target: b"/", version: Version::Http11, fields, content: Content::default() };
        of(&request, &Hashing::new([1; 32]))
    }

    fn token(claims: &str) -> String {
        format!("Bearer {}.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims))
    }

    fn kind(identity: Identity) -> Option<CredentialKind> {
        identity.credential.map(|credential| credential.kind)
    }

    #[test]
    fn two_tokens_of_one_subject_are_one_principal() {
        let one = identity("Authorization", &token(r#"{"sub":"u-7","exp":1}"#));
        let two = identity("Authorization", &token(r#"{"sub":"u-7","exp":2}"#));
        assert_eq!(kind(one), Some(CredentialKind::Jwt));
        assert_eq!(one.principal, two.principal);
        assert_ne!(one.credential, two.credential);
        assert_ne!(one.principal, identity("Authorization", &token(r#"{"sub":"u-8"}"#)).principal);
        assert_eq!(
            identity("authorization", &token(r#"{"user_id":7}"#)).principal,
            Some(Hashing::new([1; 32]).hash(b"7"))
        );
    }

    #[test]
    fn one_user_with_two_passwords_is_one_principal() {
        let user = |pair: &str| identity("Authorization", &format!("Basic {}", STANDARD.encode(pair)));
        assert_eq!(user("ann:one").principal, user("ann:two").principal);
        assert_ne!(user("ann:one").credential, user("ann:two").credential);
    }

    #[test]
    fn keys_and_sessions_stand_for_themselves() {
        assert_eq!(kind(identity("X-API-Key", "k-1")), Some(CredentialKind::ApiKey));
        assert_eq!(kind(identity("Cookie", "theme=dark; PHPSESSID=0123456789")), Some(CredentialKind::SessionCookie));
        assert_eq!(kind(identity("Cookie", "theme=dark; csrf_token=0123456789")), None);
        assert_eq!(kind(identity("Authorization", "Bearer opaque-token")), Some(CredentialKind::Bearer));
        assert_eq!(kind(identity("Accept", "*/*")), None);
    }

    #[test]
    fn what_is_no_token_stands_for_itself() {
        for value in ["Bearer ey..", "Bearer eyJhbGciOiJIUzI1NiJ9.%%%.x", "Bearer ", "Basic %%%", "Digest a=b"] {
            let identity = identity("Authorization", value);
            assert!(identity.credential.is_some(), "{value}");
        }
    }
}
