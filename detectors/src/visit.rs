//! A visit: what the behaviour stage goes by of one exchange.
//!
//! It is made in the worker, where the exchange can be seen, and judged behind it, where the visits of all workers come
//! together in one order. It is owned and bounded: hashes and numbers of what was sent, and no value.

use std::net::IpAddr;
use std::sync::Arc;

use ahash::RandomState;

use crate::behaviour::Fact;
use crate::behaviour::coverage::Coverage;
use crate::behaviour::login;
use crate::endpoint;
use crate::exchange::{Exchange, Request, Response};
use crate::finding::Finding;
use crate::identity::{self, Credential};
use crate::observation::{ExchangeContext, Names};
use crate::time::{Order, Span, Timestamp};
use crate::token::{Token, Tokens};

/// What is known of one exchange behind the worker.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Where the exchange stands among everything the capture told.
    pub order: Order,
    /// When its request began.
    pub started: Timestamp,
    /// From its first octet to its last.
    pub took: Span,
    /// What of it may be told.
    pub context: ExchangeContext,
    /// The host's name, or the server's address where there is none.
    pub server: Hash,
    /// The server and the path template. The behaviour stage fills in this and the next two.
    pub endpoint: Hash,
    /// The same with the method.
    pub operation: Hash,
    /// What is known of the operation from visits before.
    pub coverage: Coverage,
    /// What the server did with it.
    pub outcome: Outcome,
    /// What it was asked with.
    pub credential: Option<Credential>,
    /// Who asked, as far as the credential says: the subject of a token, the user of a password, the key itself.
    pub principal: Option<Hash>,
    /// The principal's hash that is the same on every machine with this key: what it is called is made of it.
    pub lasting: Option<Hash>,
    /// What is noted of the credential, where it is a JSON Web Token.
    pub token: Option<Arc<Token>>,
    /// The target as it was sent, without its query.
    pub path: Hash,
    /// What the target names, in its order: at most [`OBJECTS`].
    pub objects: Objects,
    /// The User-Agent field.
    pub agent: Hash,
    /// The names of the request's fields, in their order: programs differ in them.
    pub shape: Hash,
    /// Octets of the request's content, decoded.
    pub request_len: u64,
    /// Octets of the response's content, decoded.
    pub response_len: u64,
    /// What detectors noticed for their own judgement later.
    pub facts: Vec<Fact>,
    /// What detectors found in it.
    pub findings: Vec<Finding>,
}

/// Stands for something that was sent. Equal things have equal hashes, within one run of the sensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub u64);

impl Hash {
    /// The hash of some octets with a secret key, the same on every machine.
    pub fn keyed(key: &[u8; 32], octets: &[u8]) -> Self {
        let hash = blake3::keyed_hash(key, octets);
        Self(hash.as_bytes().iter().take(8).fold(0, |word, octet| word << 8 | u64::from(*octet)))
    }
}

/// How many objects of a target a visit keeps.
pub const OBJECTS: usize = 4;

/// What a target names: varying segments of its path, and parameters that are called ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    items: [Object; OBJECTS],
    len: u8,
}

impl Objects {
    /// The objects, in the order of the path.
    pub fn as_slice(&self) -> &[Object] {
        self.items.get(..usize::from(self.len)).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, object: Object) {
        if let Some(place) = self.items.get_mut(usize::from(self.len)) {
            *place = object;
            self.len += 1;
        }
    }
}

/// Something that a target names, an order or a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// The text that names it, percent-encoding undone.
    pub hash: Hash,
    /// Its value, where it is a number or a word with a number behind it (`ORD-00042`).
    pub number: Option<u64>,
    /// Where it stands.
    pub place: Place,
}

/// Where an object stands in a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In this segment of the path, counted from 0.
    Segment(u8),
    /// In the query parameter of this name.
    Parameter(Hash),
}

impl Default for Place {
    fn default() -> Self {
        Self::Segment(0)
    }
}

/// What the server did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Not seen.
    Unknown,
    /// 1xx, 2xx and 3xx: it did what it was asked, or pointed elsewhere.
    Accepted,
    /// 401, 403, 407: it knows better who may.
    Refused,
    /// A redirection to a page to log in at, or an error that says no with a status of 200: 401 in other words.
    SentToLogin,
    /// 404, 410: there is nothing.
    NotFound,
    /// 429: not so often.
    Limited,
    /// Any other 4xx.
    Rejected,
    /// 5xx.
    Failed,
}

impl Outcome {
    /// What a status code says.
    pub const fn of(status: u16) -> Self {
        match status {
            401 | 403 | 407 => Self::Refused,
            404 | 410 => Self::NotFound,
            429 => Self::Limited,
            400..=499 => Self::Rejected,
            500.. => Self::Failed,
            _ => Self::Accepted,
        }
    }
}

/// Whose visit it is, as exactly as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// Somebody who was let in or says so.
    Principal(Hash),
    /// Whoever is at this address.
    Client(IpAddr),
}

impl Visit {
    /// Fills in what its endpoint and operation are, once the endpoint has its name.
    pub(crate) fn settle(&mut self, hashing: &Hashing) {
        let text = |text: &Option<Arc<str>>| hashing.hash(text.as_deref().unwrap_or_default().as_bytes());
        self.endpoint = hashing.hash_all([self.server, text(&self.context.endpoint)]);
        self.operation = hashing.hash_all([self.endpoint, text(&self.context.method)]);
    }

    /// Whether it was answered with what it asked for: a redirection is not, nor an error with a status of 200.
    pub fn is_served(&self) -> bool {
        self.outcome == Outcome::Accepted && matches!(self.context.status, Some(200..=299))
    }

    /// Who asks: the principal, or else the client's address.
    pub fn actor(&self) -> Actor {
        self.principal.map_or_else(|| Actor::Client(self.client()), Actor::Principal)
    }

    /// The client's address.
    pub fn client(&self) -> IpAddr {
        self.context.client.ip()
    }
}

/// Makes visits of exchanges, in a worker.
#[derive(Debug)]
pub struct Usher {
    names: Names,
    tokens: Tokens,
    hashing: Hashing,
}

impl Usher {
    /// The hashing is the same for all workers of a run.
    pub fn new(hashing: Hashing) -> Self {
        Self { names: Names::default(), tokens: Tokens::default(), hashing }
    }

    /// The visit of `exchange`, without facts and findings.
    pub fn visit(&mut self, exchange: &Exchange<'_>) -> Visit {
        let (request, response) = (exchange.request.as_ref(), exchange.response.as_ref());
        let hashing = &self.hashing;
        let identity = request.map(|request| identity::of(request, hashing, &mut self.tokens)).unwrap_or_default();
        let path = request.map_or(&b""[..], |request| endpoint::path(request.target));
        let context = ExchangeContext::of(exchange, &mut self.names);
        Visit {
            order: exchange.order,
            started: exchange.started,
            took: exchange.ended.since(exchange.started),
            server: match &context.host {
                Some(host) => hashing.hash(host.as_bytes()),
                None => hashing.hash(exchange.server.to_string().as_bytes()),
            },
            context,
            endpoint: Hash::default(),
            operation: Hash::default(),
            coverage: Coverage::default(),
            outcome: outcome(request, response),
            credential: identity.credential,
            principal: identity.principal,
            lasting: identity.lasting,
            token: identity.token,
            path: hashing.hash(path),
            objects: request.map_or_else(Objects::default, |request| objects(request.target, hashing)),
            agent: hashing.hash(request.and_then(|request| request.fields.get("user-agent")).unwrap_or_default()),
            shape: request.map_or(Hash(0), |request| shape(request, hashing)),
            request_len: request.map_or(0, |request| request.content.len),
            response_len: response.map_or(0, |response: &Response<'_>| response.content.len),
            facts: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// How values become hashes.
    pub fn hashing(&self) -> &Hashing {
        &self.hashing
    }
}

/// Keyed hashing of what was sent. The hashes stay in memory.
#[derive(Clone)]
pub struct Hashing {
    quick: RandomState,
    key: [u8; 32],
}

impl Hashing {
    /// Hashing with this key.
    pub fn new(key: [u8; 32]) -> Self {
        let mut words =
            key.chunks_exact(8).map(|word| word.iter().fold(0, |word, octet| word << 8 | u64::from(*octet)));
        let mut word = || words.next().unwrap_or_default();
        Self { quick: RandomState::with_seeds(word(), word(), word(), word()), key }
    }

    /// The hash of some octets.
    pub fn hash(&self, octets: &[u8]) -> Hash {
        Hash(self.quick.hash_one(octets))
    }

    /// A hash that is the same on every machine with this key, for what outlives a run.
    pub fn lasting(&self, octets: &[u8]) -> Hash {
        Hash::keyed(&self.key, octets)
    }

    /// The hash of several things in their order.
    pub fn hash_all(&self, parts: impl IntoIterator<Item = Hash>) -> Hash {
        Hash(parts.into_iter().fold(0, |hash, part| self.quick.hash_one((hash, part.0))))
    }
}

impl std::fmt::Debug for Hashing {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashing")
    }
}

fn outcome(request: Option<&Request<'_>>, response: Option<&Response<'_>>) -> Outcome {
    let Some(response) = response else { return Outcome::Unknown };
    match request {
        Some(request) => login::denies(request, response).unwrap_or_else(|| Outcome::of(response.status)),
        None => Outcome::of(response.status),
    }
}

fn shape(request: &Request<'_>, hashing: &Hashing) -> Hash {
    hashing.hash_all(request.fields.iter().map(|(name, _)| hashing.hash(name)))
}

fn objects(target: &[u8], hashing: &Hashing) -> Objects {
    let mut objects = Objects::default();
    let mut push = |text: &[u8], place| {
        let number = number(text);
        objects.push(Object { hash: hashing.hash(text), number, place });
    };
    for (number, segment) in endpoint::segments(endpoint::path(target)).enumerate() {
        if let Some(text) = endpoint::varying(segment) {
            push(&text, Place::Segment(u8::try_from(number).unwrap_or(u8::MAX)));
        }
    }
    for (name, value) in endpoint::parameters(target) {
        if is_id_name(name)
            && let Some(text) = endpoint::varying(value)
        {
            push(&text, Place::Parameter(hashing.hash(name)));
        }
    }
    objects
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().rev().take_while(|octet| octet.is_ascii_digit()).count();
    let (word, digits) = text.split_at_checked(text.len() - digits)?;
    let is_word = word.iter().all(|octet| octet.is_ascii_alphabetic() || b"-_.".contains(octet));
    std::str::from_utf8(digits).ok().filter(|_| is_word).and_then(|digits| digits.parse().ok())
}

/// Whether a parameter is called an id: `id`, `user_id`, `orderId`, `order_no`, `uuid`.
fn is_id_name(name: &[u8]) -> bool {
    // These name the request, or who sends it, and are new each time.
    const OTHER: [&[u8]; 8] =
        [b"request", b"correlation", b"trace", b"session", b"client", b"device", b"visitor", b"idempotency"];
    if OTHER.iter().any(|other| name.get(..other.len()).is_some_and(|start| start.eq_ignore_ascii_case(other))) {
        return false;
    }
    let ends = |word: &[u8]| name.len() > word.len() && name.ends_with(word);
    [&b"id"[..], b"ID", b"uuid", b"no", b"number", b"ref", b"key"].contains(&name)
        || [&b"_id"[..], b"-id", b"Id", b"ID", b"_no", b"_uuid", b"_number", b"No", b"Number"].into_iter().any(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_in_a_path() {
        let hashing = Hashing::new([1; 32]);
        let of = |path: &str| objects(path.as_bytes(), &hashing);
        let two = of("/v1/users/42/orders/A-17b%2d9");
        assert_eq!(two.as_slice().len(), 2);
        assert_eq!((two.as_slice()[0].number, two.as_slice()[0].place), (Some(42), Place::Segment(2)));
        assert_eq!(two.as_slice()[1].hash, hashing.hash(b"A-17b-9"));
        assert!(of("/v1/users").as_slice().is_empty());
        assert_eq!(of("/1/2/3/4/5/6").as_slice().len(), OBJECTS);
        assert_eq!(of("/orders/ORD-00042").as_slice()[0].number, Some(42));
        let asked = of("/orders?page=2&order_id=17&idea=5&request_id=99");
        assert_eq!(asked.as_slice().iter().map(|object| object.number).collect::<Vec<_>>(), [Some(17)]);
    }

    #[test]
    fn outcomes_of_status_codes() {
        use Outcome::{Accepted, Failed, Limited, NotFound, Refused, Rejected};
        let of = [200, 302, 401, 403, 404, 410, 429, 400, 422, 500, 599].map(Outcome::of);
        assert_eq!(
            of,
            [Accepted, Accepted, Refused, Refused, NotFound, NotFound, Limited, Rejected, Rejected, Failed, Failed]
        );
    }
}
