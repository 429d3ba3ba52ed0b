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
    /// `Authorization: Bearer` with a JSON Web Token (RFC 7519), or one in a field of its own, as `X-Auth-Token`.
    Jwt,
    /// `Authorization: Bearer` with something that means nothing to others (RFC 6750), or in a field of its own.
    Bearer,
    /// `Authorization: Basic` (RFC 7617).
    Basic,
    /// Another scheme of `Authorization`.
    OtherScheme,
    /// The key of a program in a field of its own, as `X-API-Key`.
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

/// Whose credential a field of its own holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// Somebody's who logged in.
    Person,
    /// A program's, which may be the same for everybody who uses it.
    Program,
}

/// Shortest token in a field of its own: shorter ones are numbers of versions and counters.
const SHORTEST: usize = 8;

/// Whether a field holds a credential, by the words that its name is made of: interfaces have names of their own for it
/// (`X-Auth-Token`, `X-Acme-Access-Key`, `Ocp-Apim-Subscription-Key`).
fn own_field(name: &[u8]) -> Option<Holder> {
    // Tokens and keys that say nothing of who asks.
    const OTHER: [&[u8]; 20] = [
        b"csrf",
        b"xsrf",
        b"csrftoken",
        b"xsrftoken",
        b"captcha",
        b"recaptcha",
        b"requestverificationtoken",
        b"verification",
        b"request",
        b"device",
        b"push",
        b"fcm",
        b"guest",
        b"visitor",
        b"anonymous",
        b"page",
        b"continuation",
        b"sync",
        b"proxy",
        b"sec",
    ];
    const PEOPLE: [&[u8]; 4] = [b"auth", b"access", b"session", b"user"];
    const PROGRAMS: [&[u8]; 9] =
        [b"api", b"app", b"application", b"client", b"service", b"subscription", b"functions", b"partner", b"secret"];
    let mut words = name.rsplit(|octet| matches!(octet, b'-' | b'_'));
    let last = words.next()?;
    let ends = |end: &[u8]| {
        last.len()
            .checked_sub(end.len())
            .and_then(|at| last.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    let among = |known: &[&[u8]], word: &[u8]| known.iter().any(|known| known.eq_ignore_ascii_case(word));
    let before = words.clone().next().unwrap_or_default();
    let holder = match () {
        () if ends(b"apikey") => Holder::Program,
        () if ends(b"token") || ends(b"jwt") || ends(b"authorization") => Holder::Person,
        () if ends(b"key") && among(&PEOPLE, before) => Holder::Person,
        () if ends(b"key") && among(&PROGRAMS, before) || ends(b"secret") => Holder::Program,
        () => return None,
    };
    (!among(&OTHER, last) && !words.any(|word| among(&OTHER, word))).then_some(holder)
}

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
    // What stands for a person says more than the key of the program that the person uses.
    let mut key = None;
    for (name, value) in request.fields.iter().filter(|(_, value)| !value.is_empty()) {
        match own_field(name) {
            Some(Holder::Person) if value.len() >= SHORTEST => return Some(authorization(value)),
            Some(Holder::Program) => key = key.or(Some(value)),
            _ => {}
        }
    }
    let cookies = request.fields.get_all("cookie").flat_map(|line| line.split(|octet| *octet == b';'));
    let session = cookies.map(<[u8]>::trim_ascii).find_map(|cookie| {
        let at = memchr::memchr(b'=', cookie)?;
        let (name, value) = (&cookie[..at], &cookie[at + 1..]);
        let kind = CredentialKind::SessionCookie;
        (is_session_name(name) && value.len() >= 8)
            .then(|| bearer_token(value).map_or(Sent::Itself(kind, value), |token| Sent::Jwt(kind, token)))
    });
    session.or_else(|| key.map(|key| Sent::Itself(CredentialKind::ApiKey, key)))
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
    fn fields_with_names_of_their_own_hold_credentials() {
        let of = |name: &str| kind(&identity(name, "0123456789abcdef"));
        for name in ["X-Auth-Token", "X-Auth-Key", "x-acme-access-token", "X-AccessToken", "Private-Token", "X-Jwt"] {
            assert_eq!(of(name), Some(CredentialKind::Bearer), "{name}");
        }
        for name in ["Api-Key", "X-Acme-ApiKey", "X-Client-Secret", "Ocp-Apim-Subscription-Key", "x-functions-key"] {
            assert_eq!(of(name), Some(CredentialKind::ApiKey), "{name}");
        }
        for name in [
            "X-CSRF-Token",
            "X-XSRFToken",
            "RequestVerificationToken",
            "X-Device-Token",
            "Idempotency-Key",
            "Sec-WebSocket-Key",
            "Surrogate-Key",
            "X-Guest-Token",
            "Proxy-Authorization",
            "X-Request-Id",
            "Key",
            "Token-",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
        let jwt = token(r#"{"sub":"u-7"}"#);
        let own = identity("X-Auth-Token", jwt.strip_prefix("Bearer ").unwrap());
        assert_eq!(own.principal, identity("Authorization", &jwt).principal);
        assert!(own.token.is_some());
    }

    #[test]
    fn a_persons_session_says_more_than_the_programs_key() {
        let bytes = b"X-API-KeykkkkkkkkCookiesid=0123456789";
        let line = |name, name_len, value, value_len| FieldLine { name, name_len, value, value_len };
        let lines = [line(0, 9, 9, 8), line(17, 6, 23, 14)];
        let fields = Fields::new(bytes, &lines);
        let request =
            Request { method: b"GET", target: b"/", version: Version::Http11, fields, content: Content::default() };
        let both = of(&request, &Hashing::new([1; 32]), &mut Tokens::default());
        assert_eq!(kind(&both), Some(CredentialKind::SessionCookie));
    }

    #[test]
    fn what_is_no_token_stands_for_itself() {
        for value in ["Bearer ey..", "Bearer eyJhbGciOiJIUzI1NiJ9.%%%.x", "Bearer ", "Basic %%%", "Digest a=b"] {
            let identity = identity("Authorization", value);
            assert!(identity.credential.is_some(), "{value}");
        }
    }
}
