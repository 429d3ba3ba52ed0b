//! User enumeration: a login, a reset or a registration that answers differently for names that exist.
//!
//! One client sends many account names, and the answers are of two kinds that are not success and failure of a person: for
//! a log-in two kinds of *failure*, for a reset or a registration any two. Typing errors of an office behind one address
//! give two kinds as well, for a handful of names and among log-ins that succeed.
//!
//! The kind of an answer is its status and the words of its content; numbers, ids and the name itself play no part.
//!
//! Sees: path, the name field in a JSON or form content or in the query, status, answer. Misses: answers that differ in
//! time only; names asked for from many addresses. Bounds: [`CLIENTS`] clients, 1.2 KB each (20 MB).

use super::bounded::Bounded;
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::endpoint;
use crate::exchange::Request;
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::time::{Span, Timestamp};
use crate::visit::{Actor, Hash, Hashing, Visit};

static DETECTOR: Detector = Detector {
    name: "enumeration.user_names",
    family: Family::Enumeration,
    title: "Somebody finds out which accounts exist",
    description: "One client sent many account names to an operation whose answer tells known names from unknown ones. The \
                  names that exist are what guessing and stuffing of passwords begin with.",
    remediation: "Answer the same, in status, content and time, whether the account exists or not. Limit how many names one \
                  client may try.",
    owasp: "API2:2023",
    cwe: "CWE-204",
    attack: "T1589.001",
};

pub(crate) static USER_NAMES: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    observe,
    state: Some(|_: &Settings| Box::new(State { clients: Bounded::new(CLIENTS) })),
};

/// Different names before a client is told of: an office behind one address mistypes fewer in a morning.
const NAMES: usize = 15;

/// Names with the rarer kind of answer: one may be a limit or a failure.
const RARER: usize = 2;

/// Names that are told apart for each client and operation.
const KEPT: usize = 64;

/// How long a client may be quiet until it starts anew.
const QUIET: Span = Span::from_secs(6 * 3600);

const CLIENTS: usize = 16_384;

/// Octets of contents that are looked at: account forms are short.
const CONTENT: usize = 4 * 1024;

/// An account's name, and how it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    name: Hash,
    answer: Hash,
    purpose: Purpose,
}

/// What an operation wants an account's name for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    LogIn,
    /// Reset, registration, a question whether a name is taken.
    Other,
}

fn observe(seen: &mut Seen<'_>) {
    let (Some(request), Some(response)) = (&seen.exchange.request, &seen.exchange.response) else { return };
    let Some(purpose) = purpose(request) else { return };
    // Neither a limit nor a broken server says anything about a name.
    if response.status == 429 || response.status >= 500 || request.content.bytes.len() > CONTENT {
        return;
    }
    let Some(name) = account(request) else { return };
    let lower = name.to_ascii_lowercase();
    let content = response.content.bytes.get(..response.content.bytes.len().min(CONTENT)).unwrap_or_default();
    let answer = answer(response.status, content, &lower, seen.hashing);
    let asked = Asked { name: seen.hashing.hash(&lower), answer, purpose };
    seen.visit.facts.push(Fact::AccountName(asked));
}

/// What an operation wants an account's name for, by the words of its path.
pub(super) fn purpose(request: &Request<'_>) -> Option<Purpose> {
    const LOG_IN: [&[u8]; 8] =
        [b"login", b"signin", b"logon", b"session", b"authenticate", b"auth", b"token", b"authorize"];
    const OTHER: [&[u8]; 13] = [
        b"forgot",
        b"reset",
        b"recover",
        b"register",
        b"signup",
        b"registration",
        b"exist",
        b"available",
        b"availability",
        b"lookup",
        b"check",
        b"invite",
        b"password",
    ];
    if ![&b"POST"[..], b"PUT", b"GET"].contains(&request.method) {
        return None;
    }
    let mut found = None;
    for segment in endpoint::segments(endpoint::path(request.target)) {
        let mut plain = [0; 32];
        let mut len = 0;
        for octet in segment.iter().filter(|octet| octet.is_ascii_alphabetic()) {
            let Some(place) = plain.get_mut(len) else { break };
            *place = octet.to_ascii_lowercase();
            len += 1;
        }
        let plain = plain.get(..len).unwrap_or_default();
        let is = |word: &&[u8]| memchr::memmem::find(plain, word).is_some();
        if OTHER.iter().any(is) {
            return Some(Purpose::Other);
        }
        if LOG_IN.iter().any(is) {
            found = Some(Purpose::LogIn);
        }
    }
    found.filter(|_| request.method != b"GET")
}

/// The name of an account in the query or the content.
fn account<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    if let Some((_, value)) = endpoint::parameters(request.target).find(|(name, _)| is_account_name(name)) {
        return Some(value);
    }
    let content = request.content.bytes;
    if content.trim_ascii_start().first() == Some(&b'{') {
        // Strings between quotation marks: a name, a colon, a value.
        let mut pieces = content.split(|octet| *octet == b'"');
        pieces.next()?;
        while let (Some(name), Some(colon)) = (pieces.next(), pieces.next()) {
            if colon.trim_ascii() == b":" {
                let value = pieces.next()?;
                pieces.next();
                if is_account_name(name) && !value.is_empty() {
                    return Some(value);
                }
            }
        }
        return None;
    }
    content.split(|octet| *octet == b'&').find_map(|parameter| {
        let at = memchr::memchr(b'=', parameter)?;
        let (name, value) = (parameter.get(..at)?, parameter.get(at + 1..)?);
        (is_account_name(name) && !value.is_empty()).then_some(value)
    })
}

fn is_account_name(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 16] = [
        b"login",
        b"username",
        b"user",
        b"user_name",
        b"userName",
        b"email",
        b"mail",
        b"e_mail",
        b"emailAddress",
        b"email_address",
        b"account",
        b"identifier",
        b"phone",
        b"mobile",
        b"handle",
        b"userid",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The kind of an answer: its status and its words. Words with digits, of one letter, or of the name are left out.
fn answer(status: u16, content: &[u8], name: &[u8], hashing: &Hashing) -> Hash {
    let words = content.split(|octet| !octet.is_ascii_alphanumeric()).filter(|word| {
        word.len() > 1
            && word.iter().all(u8::is_ascii_alphabetic)
            && memchr::memmem::find(name, &word.to_ascii_lowercase()).is_none()
    });
    // A success is one kind, whatever it tells about the person.
    let words: Vec<_> = if status < 300 && content.len() > 512 { Vec::new() } else { words.collect() };
    hashing.hash_all(std::iter::once(Hash(u64::from(status))).chain(words.into_iter().map(|word| hashing.hash(word))))
}

struct State {
    clients: Bounded<(Actor, Hash), Client>,
}

#[derive(Default)]
struct Client {
    first: Timestamp,
    last: Timestamp,
    names: Vec<(Hash, Hash)>,
    succeeded: usize,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let Some(asked) = visit.facts.iter().find_map(|fact| match fact {
            Fact::AccountName(asked) => Some(*asked),
            _ => None,
        }) else {
            return;
        };
        let endpoint = visit.context.endpoint.as_deref().unwrap_or_default();
        let key = (Actor::Client(visit.client()), operation(visit.server, endpoint));
        let client = self.clients.entry(key, Client::default);
        if client.first == Timestamp::default() || visit.started.since(client.last) > QUIET {
            *client = Client { first: visit.started, ..Client::default() };
        }
        client.last = visit.started;
        if asked.purpose == Purpose::LogIn
            && visit.context.status.is_some_and(|status| status < 400)
            && has_token(visit)
        {
            client.succeeded += 1;
            return;
        }
        if client.names.len() >= KEPT || client.names.iter().any(|(name, _)| *name == asked.name) {
            return;
        }
        client.names.push((asked.name, asked.answer));
        let names = client.names.len();
        let Some(most) = client.names.iter().map(|(_, answer)| count(&client.names, *answer)).max() else { return };
        let second = client.names.iter().map(|(_, answer)| count(&client.names, *answer)).filter(|n| *n < most).max();
        let rarer = second.unwrap_or(if most * 2 <= names { most } else { 0 });
        if names >= NAMES && rarer >= RARER && client.succeeded * 2 < names {
            findings.about(
                visit,
                Finding {
                    confidence: Confidence::High,
                    items: u32::try_from(names).unwrap_or(u32::MAX),
                    because: Some(format!(
                        "{names} different account names in {:.0} s, {most} answered in one way and {rarer} in another.",
                        visit.started.since(client.first).as_secs_f64()
                    )),
                    ..Finding::new(&DETECTOR, "two_answers", Subject::ClientAtEndpoint, Severity::Medium)
                },
            );
        }
    }

    fn footprint(&self) -> usize {
        self.clients.iter().map(|(_, client)| 150 + 16 * client.names.capacity()).sum()
    }
}

fn count(names: &[(Hash, Hash)], answer: Hash) -> usize {
    names.iter().filter(|(_, known)| *known == answer).count()
}

fn operation(server: Hash, endpoint: &str) -> Hash {
    Hash(endpoint.bytes().fold(server.0, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)))
}

/// Whether a log-in gave something to go on with: a status of 200 alone may be a failure.
fn has_token(visit: &Visit) -> bool {
    visit.context.status.is_some_and(|status| status >= 300) || visit.response_len > 200
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};

    fn asked(number: u64, answer: u64, status: u16) -> Visit {
        let mut visit = at(number as f64, visit("10.0.0.1", "/login", status));
        let purpose = if answer == 0 { Purpose::LogIn } else { Purpose::Other };
        visit.facts.push(Fact::AccountName(Asked { name: Hash(number), answer: Hash(answer), purpose }));
        visit
    }

    #[test]
    fn many_names_and_two_kinds_of_answer() {
        let walk = (1..40).map(|n| asked(n, 1 + u64::from(n % 7 == 0), 404));
        assert_eq!(judge(&USER_NAMES, walk).0.len(), 25);
        let halves = (1..40).map(|n| asked(n, 1 + n % 2, 404));
        assert!(!judge(&USER_NAMES, halves).0.is_empty());
        let same = (1..40).map(|n| asked(n, 1, 401));
        assert!(judge(&USER_NAMES, same).0.is_empty());
    }

    #[test]
    fn an_office_that_mistypes_is_none() {
        let office = (1..60).map(|n| {
            let mut visit = asked(n, 0, if n % 4 == 0 { 401 } else { 200 });
            visit.response_len = 400;
            visit
        });
        assert!(judge(&USER_NAMES, office).0.is_empty());
    }

    #[test]
    fn the_kind_of_an_answer_is_in_its_words() {
        let hashing = Hashing::new([1; 32]);
        let of = |content: &str| answer(404, content.as_bytes(), b"ann.lee", &hashing);
        assert_eq!(of(r#"{"error":"no account ann.lee","id":"9f3a1"}"#), of(r#"{"error":"no account","id":"77b2c"}"#));
        assert_ne!(of(r#"{"error":"unknown"}"#), of(r#"{"error":"wrong_password"}"#));
    }

    #[test]
    fn account_names_in_contents() {
        use crate::exchange::{Content, Fields, Version};
        let of = |target: &str, content: &str| {
            let request = Request {
                method: b"POST",
                target: target.as_bytes(),
                version: Version::Http11,
                fields: Fields::default(),
                content: Content { bytes: content.as_bytes(), ..Content::default() },
            };
            (purpose(&request), account(&request).map(|name| String::from_utf8_lossy(name).into_owned()))
        };
        assert_eq!(
            of("/v1/login", r#"{"x":1,"email": "a@b.c","p":"q"}"#),
            (Some(Purpose::LogIn), Some("a@b.c".into()))
        );
        assert_eq!(of("/password/forgot", "email=a%40b.c"), (Some(Purpose::Other), Some("a%40b.c".into())));
        assert_eq!(of("/v1/orders", "email=a").0, None);
        assert_eq!(of("/signup/check?email=a", "").1.as_deref(), Some("a"));
    }
}
