//! Every value of a request that a program may hand to an interpreter, decoded as far as a program would.
//!
//! Targets, forms and JSON strings are undone once as their format says, and a second time where what comes out is still
//! percent-encoded. Values are handed out one after another in one buffer; nothing is kept.

use super::decode::{self, Plus};
use crate::endpoint;
use crate::exchange::Request;

/// How many octets of content are looked at.
const CONTENT_LIMIT: usize = 64 * 1024;
/// How many values of one request are looked at.
const VALUES: usize = 256;

/// Where a value stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// A segment of the path, or all of it.
    Path,
    /// A parameter of the query.
    Query,
    /// A field that programs log, store or act on.
    Field,
    /// A cookie.
    Cookie,
    /// A member of a form or of JSON, or text.
    Content,
}

impl Place {
    /// The part of the exchange, as evidence names it.
    pub(super) const fn part(self) -> &'static str {
        match self {
            Self::Path | Self::Query => "request.target",
            Self::Field | Self::Cookie => "request.field",
            Self::Content => "request.content",
        }
    }
}

/// A value, or a name where `is_name` says so: names reach interpreters as well.
pub(super) struct Value<'a> {
    pub(super) place: Place,
    /// What it is called; empty where it has no name.
    pub(super) name: &'a [u8],
    pub(super) text: &'a [u8],
    pub(super) is_name: bool,
}

/// Scratch memory of one walk.
#[derive(Default)]
struct Walk {
    once: Vec<u8>,
    twice: Vec<u8>,
    left: usize,
}

/// Hands every value of `request` to `look`.
pub(super) fn each(request: &Request<'_>, look: &mut dyn FnMut(Value<'_>)) {
    let mut walk = Walk { left: VALUES, ..Walk::default() };
    walk.path(endpoint::path(request.target), look);
    if let Some(query) = endpoint::query(request.target) {
        walk.pairs(Place::Query, query, b'&', look);
    }
    walk.fields(request, look);
    walk.content(request, look);
}

impl Walk {
    fn path(&mut self, path: &[u8], look: &mut dyn FnMut(Value<'_>)) {
        // Plain segments are what interfaces are made of.
        if path.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'/' | b'-' | b'_')) {
            return;
        }
        self.hand(Place::Path, b"", path, Plus::IsPlus, look);
    }

    /// Names and values of a query or a form, or of cookies.
    fn pairs(&mut self, place: Place, text: &[u8], between: u8, look: &mut dyn FnMut(Value<'_>)) {
        for pair in text.split(|octet| *octet == between) {
            let (name, value) = match memchr::memchr(b'=', pair) {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &b""[..]),
            };
            self.name(place, name, look);
            let plus = if place == Place::Cookie { Plus::IsPlus } else { Plus::IsSpace };
            self.hand(place, name.trim_ascii(), value.trim_ascii(), plus, look);
        }
    }

    fn name(&mut self, place: Place, name: &[u8], look: &mut dyn FnMut(Value<'_>)) {
        if name.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-')) && name.len() < 32 {
            // `__proto__` is made of plain characters.
            if !name.starts_with(b"__") {
                return;
            }
        }
        if self.left > 0 {
            self.left -= 1;
            decode::percent(name, Plus::IsSpace, &mut self.once);
            look(Value { place, name: b"", text: self.once.trim_ascii(), is_name: true });
        }
    }

    /// Hands out a value, undone once or twice.
    fn hand(&mut self, place: Place, name: &[u8], raw: &[u8], plus: Plus, look: &mut dyn FnMut(Value<'_>)) {
        if raw.is_empty() || self.left == 0 {
            return;
        }
        self.left -= 1;
        decode::percent(raw, plus, &mut self.once);
        self.hand_once(place, name, look);
    }

    /// Hands out what stands in `once`.
    fn hand_once(&mut self, place: Place, name: &[u8], look: &mut dyn FnMut(Value<'_>)) {
        if decode::has_percent(&self.once) {
            decode::percent(&self.once, Plus::IsPlus, &mut self.twice);
            std::mem::swap(&mut self.once, &mut self.twice);
        }
        // `\u003c` in a parameter is for a program that undoes it. Elsewhere a backslash is one.
        let mut backslashes = memchr::memchr_iter(b'\\', &self.once);
        if backslashes.any(|at| self.once.get(at + 1..).is_some_and(|behind| behind.starts_with(b"u00"))) {
            decode::escapes(&self.once, &mut self.twice);
            std::mem::swap(&mut self.once, &mut self.twice);
        }
        look(Value { place, name, text: &self.once, is_name: false });
    }

    fn fields(&mut self, request: &Request<'_>, look: &mut dyn FnMut(Value<'_>)) {
        for (name, value) in request.fields.iter() {
            if name.eq_ignore_ascii_case(b"cookie") {
                self.pairs(Place::Cookie, value, b';', look);
            } else if is_free(name) && !value.is_empty() {
                if name.eq_ignore_ascii_case(b"referer") && value.iter().all(is_plain_url) {
                    continue;
                }
                self.hand(Place::Field, name, value, Plus::IsPlus, look);
            }
        }
    }

    fn content(&mut self, request: &Request<'_>, look: &mut dyn FnMut(Value<'_>)) {
        let content = request.content.bytes.get(..request.content.bytes.len().min(CONTENT_LIMIT)).unwrap_or_default();
        let kind = request.fields.get("content-type").unwrap_or_default();
        match content.trim_ascii_start().first() {
            None => {}
            Some(b'{' | b'[') if !kind.starts_with(b"application/x-www-form") => self.json(content, look),
            Some(b'<') => self.markup(content, look),
            Some(_) if kind.starts_with(b"multipart/") => self.parts(content, look),
            Some(_) if is_form(content) => self.pairs(Place::Content, content.trim_ascii(), b'&', look),
            Some(_) => self.hand(Place::Content, b"", content.trim_ascii(), Plus::IsPlus, look),
        }
    }

    /// The strings of a JSON text, each under the name it stands under; malformed text as it comes.
    fn json(&mut self, content: &[u8], look: &mut dyn FnMut(Value<'_>)) {
        let mut name: &[u8] = b"";
        let mut rest = content;
        while let Some(start) = memchr::memchr(b'"', rest) {
            let inside = &rest[start + 1..];
            let len = string_len(inside);
            let string = &inside[..len];
            rest = inside.get(len + 1..).unwrap_or_default();
            let is_name = rest.trim_ascii_start().first() == Some(&b':');
            if self.left == 0 {
                return;
            }
            if is_name {
                if string.starts_with(b"$") {
                    self.left -= 1;
                    // An operator's own name is looked at under the name of what it is about.
                    look(Value { place: Place::Content, name, text: string, is_name: true });
                } else {
                    self.name(Place::Content, string, look);
                    name = string;
                }
                continue;
            }
            if string.iter().all(u8::is_ascii_alphanumeric) && string.len() < 24 {
                continue;
            }
            self.left -= 1;
            decode::escapes(string, &mut self.once);
            self.hand_once(Place::Content, name, look);
        }
    }

    /// Markup as a whole, and the texts between its tags and in its attributes.
    fn markup(&mut self, content: &[u8], look: &mut dyn FnMut(Value<'_>)) {
        self.once.clear();
        self.once.extend_from_slice(content.get(..content.len().min(decode::VALUE_LIMIT)).unwrap_or_default());
        look(Value { place: Place::Content, name: b"<", text: &self.once, is_name: false });
        let texts = content.split(|octet| matches!(octet, b'<' | b'>')).flat_map(|piece| {
            let is_tag = piece.first().is_some_and(|first| first.is_ascii_alphabetic()) && piece.contains(&b'=');
            let within = piece.split(move |octet| is_tag && *octet == b'"');
            within.skip(usize::from(is_tag)).step_by(if is_tag { 2 } else { 1 })
        });
        for text in texts.map(<[u8]>::trim_ascii).filter(|text| text.len() > 2) {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            decode::references(text, &mut self.once);
            self.hand_once(Place::Content, b"", look);
        }
    }

    /// Values and file names of multipart content (RFC 7578). Files themselves are documents.
    fn parts(&mut self, content: &[u8], look: &mut dyn FnMut(Value<'_>)) {
        let first = content.split(|octet| matches!(octet, b'\r' | b'\n')).next().unwrap_or_default();
        if first.len() < 3 {
            return;
        }
        let mut starts = memchr::memmem::find_iter(content, first).map(|at| at + first.len()).peekable();
        while let Some(start) = starts.next() {
            let end = starts.peek().map_or(content.len(), |next| next - first.len());
            let part = content.get(start..end).unwrap_or_default();
            let head_len = [&b"\r\n\r\n"[..], b"\n\n"].iter().filter_map(|end| memchr::memmem::find(part, end)).min();
            let Some(head_len) = head_len else { continue };
            let (head, body) = part.split_at(head_len);
            let quoted = |attribute: &[u8]| {
                let at = memchr::memmem::find(head, attribute)? + attribute.len();
                head.get(at..)?.split(|octet| *octet == b'"').next()
            };
            let name = quoted(b" name=\"").unwrap_or_default();
            match quoted(b"filename=\"") {
                Some(file) => self.hand(Place::Content, b"filename", file, Plus::IsPlus, look),
                None => self.hand(Place::Content, name, body.trim_ascii(), Plus::IsPlus, look),
            }
        }
    }
}

/// Octets up to the quote that closes a JSON string.
fn string_len(inside: &[u8]) -> usize {
    let mut at = 0;
    while let Some(octet) = inside.get(at) {
        match octet {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    inside.len()
}

/// `name=value` with a name that may be one.
fn is_form(content: &[u8]) -> bool {
    let name = content.split(|octet| *octet == b'=').next().unwrap_or_default();
    let is_name =
        |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.' | b'[' | b']' | b'%');
    name.len() < content.len() && !name.is_empty() && name.iter().all(is_name)
}

fn is_plain_url(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'/' | b'-' | b'_' | b'.' | b':' | b'?' | b'=' | b'&')
}

/// Whether a field holds free text. The others have a grammar of their own, and are what libraries write.
fn is_free(name: &[u8]) -> bool {
    const STRICT: [&[u8]; 30] = [
        b"authorization",
        b"proxy-authorization",
        b"host",
        b"connection",
        b"keep-alive",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"transfer-encoding",
        b"te",
        b"trailer",
        b"upgrade",
        b"upgrade-insecure-requests",
        b"expect",
        b"date",
        b"cache-control",
        b"pragma",
        b"range",
        b"origin",
        b"via",
        b"forwarded",
        b"dnt",
        b"priority",
        b"traceparent",
        b"tracestate",
        b"baggage",
        b"link",
        b"prefer",
        b"early-data",
        b"nel",
    ];
    // User agents in short: `Accept-Encoding`, `Sec-Fetch-Mode`, `If-None-Match`.
    const FAMILIES: [&[u8]; 4] = [b"accept", b"sec-", b"if-", b"access-control-"];
    let starts = |prefix: &&[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    !FAMILIES.iter().any(starts) && !STRICT.iter().any(|strict| name.eq_ignore_ascii_case(strict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Content, Fields, Version};

    fn values(target: &str, content: &str) -> Vec<String> {
        let content = Content { bytes: content.as_bytes(), ..Content::default() };
        let (version, fields) = (Version::Http11, Fields::default());
        let request = Request { method: b"POST", target: target.as_bytes(), version, fields, content };
        let mut values = Vec::new();
        each(&request, &mut |value| {
            let text = String::from_utf8_lossy(value.text).into_owned();
            values.push(format!("{}:{text}", String::from_utf8_lossy(value.name)));
        });
        values
    }

    #[test]
    fn values_of_every_format_are_decoded() {
        assert_eq!(values("/a?q=x%2527+y&b=1", ""), ["q:x' y", "b:1"]);
        assert_eq!(values("/a/..%252fb", ""), [":/a/../b"]);
        assert_eq!(values("/", r#"{"a":{"$ne":1},"b":["x \u003c y","\"q"]}"#), ["a:$ne", "b:x < y", "b:\"q"]);
        assert_eq!(values("/", "a=%27+or&b=2"), ["a:' or", "b:2"]);
        assert_eq!(values("/", "<a p=\"x &lt; y\">hello</a>"), ["<:<a p=\"x &lt; y\">hello</a>", ":x < y", ":hello"]);
        assert_eq!(values("/", "two words = three"), [":two words = three"]);
    }

    #[test]
    fn malformed_content_ends_in_order() {
        for content in ["{\"a", "{\"a\\", "[\"\\u00", "<", "<a p=\"", "a=%", "%"] {
            values("/%?%=%&&=%u00", content);
        }
    }
}
