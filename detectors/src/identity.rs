//! Who asks: the credential of a request, and the principal it stands for.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::exchange::Request;
use crate::token::{Jwt, Known, TOKEN_LIMIT, Token, Tokens, bearer_token};
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
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// What the request was asked with.
    pub(crate) credential: Option<Credential>,
    /// Whom that stands for.
    pub(crate) principal: Option<Hash>,
    /// The same, as it is on every machine with the same key.
    pub(crate) lasting: Option<Hash>,
    /// What is noted of it, where it is a JSON Web Token.
    pub(crate) token: Option<Arc<Token>>,
}

/// Fields that hold a key and nothing else, in lower case.
const KEY_FIELDS: [&str; 8] =
    ["x-api-key", "api-key", "apikey", "x-auth-token", "x-access-token", "x-session-token", "x-token", "private-token"];

/// A credential as a request has it.
enum Sent<'a> {
    Jwt(CredentialKind, Jwt<'a>),
    /// What follows the scheme.
    Basic(&'a [u8]),
    /// Says nothing about whom it stands for, other than that it is the same one.
    Itself(CredentialKind, &'a [u8]),
}

/// Who sends `request`.
pub(crate) fn of(request: &Request<'_>, hashing: &Hashing, tokens: &mut Tokens) -> Identity {
    match sent(request) {
        None => Identity::default(),
        Some(Sent::Jwt(kind, jwt)) => {
            let hash = hashing.hash(jwt.text);
            let Known { principal, lasting, token } = tokens.know(&jwt, hash, hashing);
            let credential = Some(Credential { kind, hash });
            Identity { credential, principal: Some(principal), lasting: Some(lasting), token }
        }
        Some(Sent::Basic(pair)) => {
            let credential = Some(Credential { kind: CredentialKind::Basic, hash: hashing.hash(pair) });
            let user = basic(pair).map(|(user, _)| user);
            let [principal, lasting] =
                [Hashing::hash, Hashing::lasting].map(|hash| Some(hash(hashing, user.as_deref()?)));
            Identity { credential, principal, lasting, token: None }
        }
        Some(Sent::Itself(kind, value)) => {
            let hash = hashing.hash(value);
            let (principal, lasting) = (Some(hash), Some(hashing.lasting(value)));
            Identity { credential: Some(Credential { kind, hash }), principal, lasting, token: None }
        }
    }
}

/// Whether `request` comes with a credential.
pub(crate) fn is_given(request: &Request<'_>) -> bool {
    sent(request).is_some()
}

/// User and password of Basic authentication (RFC 7617), from what follows the scheme.
pub(crate) fn basic(pair: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut user = STANDARD.decode(pair.get(..pair.len().min(TOKEN_LIMIT))?).ok()?;
    let colon = memchr::memchr(b':', &user)?;
    let password = user.get(colon + 1..)?.to_vec();
    user.truncate(colon);
    Some((user, password))
}

/// What follows the scheme of Basic authentication, where `request` has that.
pub(crate) fn basic_pair<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    match sent(request)? {
        Sent::Basic(pair) => Some(pair),
        _ => None,
    }
}

fn sent<'a>(request: &Request<'a>) -> Option<Sent<'a>> {
    if let Some(value) = request.fields.get("authorization") {
        return Some(authorization(value));
    }
    let key = KEY_FIELDS.iter().find_map(|name| request.fields.get(name));
    if let Some(key) = key.filter(|key| !key.is_empty()) {
        return Some(Sent::Itself(CredentialKind::ApiKey, key));
    }
    let cookies = request.fields.get_all("cookie").flat_map(|line| line.split(|octet| *octet == b';'));
    cookies.map(<[u8]>::trim_ascii).find_map(|cookie| {
        let at = memchr::memchr(b'=', cookie)?;
        let (name, value) = (&cookie[..at], &cookie[at + 1..]);
        let kind = CredentialKind::SessionCookie;
        (is_session_name(name) && value.len() >= 8)
            .then(|| bearer_token(value).map_or(Sent::Itself(kind, value), |token| Sent::Jwt(kind, token)))
    })
}

fn authorization(value: &[u8]) -> Sent<'_> {
    let (scheme, rest) = match memchr::memchr(b' ', value) {
        Some(at) => (&value[..at], value[at + 1..].trim_ascii()),
        None => (&b""[..], value),
    };
    if scheme.eq_ignore_ascii_case(b"bearer") || scheme.is_empty() || scheme.eq_ignore_ascii_case(b"token") {
        return match bearer_token(rest) {
            Some(token) => Sent::Jwt(CredentialKind::Jwt, token),
            None => Sent::Itself(CredentialKind::Bearer, rest),
        };
    }
    if scheme.eq_ignore_ascii_case(b"basic") {
        return Sent::Basic(rest);
    }
    Sent::Itself(CredentialKind::OtherScheme, value)
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

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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
        of(&request, &Hashing::new([1; 32]), &mut Tokens::default())
    }

    fn token(claims: &str) -> String {
        format!("Bearer {}.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims))
    }

    fn kind(identity: &Identity) -> Option<CredentialKind> {
        identity.credential.map(|credential| credential.kind)
    }

    #[test]
    fn two_tokens_of_one_subject_are_one_principal() {
        let one = identity("Authorization", &token(r#"{"sub":"u-7","exp":1}"#));
        let two = identity("Authorization", &token(r#"{"sub":"u-7","exp":2}"#));
        assert_eq!(kind(&one), Some(CredentialKind::Jwt));
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
        assert_eq!(kind(&identity("X-API-Key", "k-1")), Some(CredentialKind::ApiKey));
        assert_eq!(kind(&identity("Cookie", "theme=dark; PHPSESSID=0123456789")), Some(CredentialKind::SessionCookie));
        assert_eq!(kind(&identity("Cookie", "theme=dark; csrf_token=0123456789")), None);
        assert_eq!(kind(&identity("Authorization", "Bearer opaque-token")), Some(CredentialKind::Bearer));
        assert_eq!(kind(&identity("Accept", "*/*")), None);
    }

    #[test]
    fn what_is_no_token_stands_for_itself() {
        for value in ["Bearer ey..", "Bearer eyJhbGciOiJIUzI1NiJ9.%%%.x", "Bearer ", "Basic %%%", "Digest a=b"] {
            let identity = identity("Authorization", value);
            assert!(identity.credential.is_some(), "{value}");
        }
    }
}
