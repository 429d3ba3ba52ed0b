//! What a response shows: the ids in its content, and whose the thing is.
//!
//! An id that a list or a creation has shown to somebody is theirs to use; one that they use and were never shown was
//! guessed, or came from elsewhere. A scan of octets is enough: JSON is walked from string to string without building
//! anything, other text is cut into words that have a digit. Values leave as hashes.
//!
//! Bounds: the first [`OCTETS`] of a content and [`IDS`] ids; [`Shown::is_all`] says whether that was all.

use super::{Fact, Kept, Seen};
use crate::scan::marks::Marks;
use crate::visit::Hash;

/// Ids kept of one response: pages of lists have 10 to 200 entries.
const IDS: usize = 256;

/// Octets looked at, from the start of the content. A page of 200 entries of a usual size.
const OCTETS: usize = 64 * 1024;

/// Longest id: longer ones are tokens or text.
const LONGEST: usize = 64;

/// What a response showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Ids, in their order.
    pub ids: Box<[Hash]>,
    /// Whose the thing is, by the first field that says so.
    pub owner: Option<Hash>,
    /// Whether nothing was left out.
    pub is_all: bool,
}

/// Notes what an accepted response shows.
pub(super) fn observe(seen: &mut Seen<'_>) {
    let Some(response) = seen.exchange.response.as_ref().filter(|response| matches!(response.status, 200..=299)) else {
        return;
    };
    let kind = response.fields.get("content-type").unwrap_or_default();
    if [&b"image/"[..], b"video/", b"audio/", b"font/", b"text/css"].iter().any(|media| kind.starts_with(media)) {
        return;
    }
    let content = response.content.bytes;
    let hashing = seen.hashing;
    let hash = |text: &[u8]| hashing.hash(text);
    let Kept { scanner, marks, ids, .. } = &mut *seen.kept;
    ids.clear();
    let mut scan = Scan { ids, owner: None, is_all: true, hash: &hash };
    if let Some(location) = response.fields.get("location") {
        scan.reference(location);
    }
    let looked_at = content.get(..content.len().min(OCTETS)).unwrap_or_default();
    if matches!(looked_at.trim_ascii_start().first(), Some(b'{' | b'[')) {
        marks.mark(scanner, looked_at);
        scan.json(looked_at, marks);
    } else {
        scan.words(looked_at);
    }
    let Scan { ids, owner, mut is_all, .. } = scan;
    is_all &= response.content.len <= looked_at.len() as u64 && !response.content.undecoded;
    if !ids.is_empty() || owner.is_some() || !is_all {
        let ids = ids.as_slice().into();
        seen.visit.facts.push(Fact::Shown(Box::new(Shown { ids, owner, is_all })));
    }
}

struct Scan<'a, H> {
    ids: &'a mut Vec<Hash>,
    owner: Option<Hash>,
    is_all: bool,
    hash: &'a H,
}

/// What a value looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A word of the characters of ids, with a digit.
    Id,
    /// The path or the URL of something.
    Reference,
    /// Anything else, and numbers under a name.
    Text,
}

impl<H: Fn(&[u8]) -> Hash> Scan<'_, H> {
    /// Strings and numbers of JSON, each with the name it stands under.
    fn json(&mut self, content: &[u8], marks: &Marks) {
        let (mut at, mut name) = (0, &b""[..]);
        // `"owner": {"id": 7}` is the owner's id.
        let mut is_of_owner = false;
        while let Some(octet) = content.get(at) {
            match octet {
                b'"' => {
                    let start = at + 1;
                    let Some(end) = string_end(content, start, marks) else { break };
                    let text = content.get(start..end).unwrap_or_default();
                    at = end + 1;
                    let mut behind = at;
                    while content.get(behind).is_some_and(u8::is_ascii_whitespace) {
                        behind += 1;
                    }
                    if content.get(behind) == Some(&b':') {
                        name = if is_of_owner && text.eq_ignore_ascii_case(b"id") { b"owner" } else { text };
                        at = behind + 1;
                    } else {
                        let form = match marks.first_other(start, end) {
                            None if text.len() <= LONGEST && marks.has_digit(start, end) => Form::Id,
                            // `/orders/7`, `https://host/orders/7`
                            Some(other) if content.get(other) == Some(&b'/') => Form::Reference,
                            _ => Form::Text,
                        };
                        self.value(name, text, form);
                        at = behind;
                    }
                }
                b'0'..=b'9' => {
                    let end = marks.digits_end(at);
                    let number = content.get(at..end).unwrap_or_default();
                    let goes_on = |octet: &u8| octet.is_ascii_alphanumeric() || b".+-".contains(octet);
                    let behind = content.get(end..).unwrap_or_default();
                    let more = behind.iter().position(|octet| !goes_on(octet)).unwrap_or(behind.len());
                    if more == 0 {
                        self.value(name, number, if name.is_empty() { Form::Id } else { Form::Text });
                    }
                    at = end + more;
                }
                b'{' | b'}' | b']' => {
                    is_of_owner = *octet == b'{' && is_owner_name(name);
                    name = b"";
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    fn value(&mut self, name: &[u8], text: &[u8], form: Form) {
        if text.is_empty() || text.len() > 4 * LONGEST {
            return;
        }
        if form == Form::Reference {
            return self.reference(text);
        }
        if self.owner.is_none() && is_owner_name(name) && text.len() <= LONGEST {
            self.owner = Some((self.hash)(text));
        }
        if (form == Form::Id && !is_day(text) || is_id_name(name)) && !is_of_the_call(name) {
            self.id(text);
        }
    }

    /// The last segment of a reference to a resource.
    fn reference(&mut self, reference: &[u8]) {
        let path = reference.split(|octet| matches!(octet, b'?' | b'#')).next().unwrap_or_default();
        if let Some(last) = path.rsplit(|octet| *octet == b'/').find(|segment| !segment.is_empty()) {
            self.id(last);
        }
    }

    /// Words of other text that have a digit.
    fn words(&mut self, content: &[u8]) {
        let words = content.split(|octet| !octet.is_ascii_alphanumeric() && !b"-_".contains(octet));
        words
            .filter(|word| word.len() <= LONGEST && word.iter().any(u8::is_ascii_digit))
            .for_each(|word| self.id(word));
    }

    fn id(&mut self, text: &[u8]) {
        if text.len() > LONGEST || text.is_empty() {
            return;
        }
        if self.ids.len() == IDS {
            self.is_all = false;
            return;
        }
        self.ids.push((self.hash)(text));
    }
}

/// Where the JSON string ends that starts at `start`, behind its quotation mark.
fn string_end(content: &[u8], start: usize, marks: &Marks) -> Option<usize> {
    let mut from = start;
    loop {
        let at = marks.next_quote(from)?;
        let text = content.get(start..at)?;
        // Behind an odd number of backslashes it belongs to the string. Each is counted for one quotation mark only.
        let text = text.get(from - start..).unwrap_or_default();
        let backslashes = text.iter().rev().take_while(|octet| **octet == b'\\').count();
        if backslashes.is_multiple_of(2) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Whether a string begins as a date or time of ISO 8601 does.
fn is_day(text: &[u8]) -> bool {
    matches!(text, [b'1' | b'2', _, _, _, b'-', _, _, b'-', ..] | [b'1' | b'2', _, _, _, b'-', _, _])
}

/// Whether a field names the call that was made: `traceId`, `span_id`, `correlationId`. Nobody asks for it again. A
/// `requestId` may be somebody's request for something.
fn is_of_the_call(name: &[u8]) -> bool {
    let names: &[u8] = match name.first() {
        Some(b't' | b'T') => b"trace",
        Some(b's' | b'S') => b"span",
        Some(b'c' | b'C') => b"correlation",
        _ => return false,
    };
    name.get(..names.len()).is_some_and(|start| start.eq_ignore_ascii_case(names))
}

/// Whether a field is called an id, or something by which things are called for.
fn is_id_name(name: &[u8]) -> bool {
    let endings: &[&[u8]] = match name.last().map(u8::to_ascii_lowercase) {
        Some(b'd') => &[b"id"],
        // Lists of them: `order_ids`, `order_nos`.
        Some(b's') => &[b"ids", b"nos", b"nrs", b"numbers", b"refs", b"references", b"codes", b"keys", b"slugs"],
        Some(b'o') => &[b"no"],
        Some(b'r') => &[b"nr", b"number"],
        Some(b'f') => &[b"ref"],
        Some(b'e') => &[b"name", b"code", b"reference", b"handle"],
        Some(b'y') => &[b"key"],
        Some(b'k') => &[b"pk"],
        Some(b'g') => &[b"slug"],
        _ => return false,
    };
    let ends = |ending: &&[u8]| {
        let end = name.len().checked_sub(ending.len()).and_then(|at| name.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    endings.iter().any(ends)
}

/// Whether a field says whose a thing is: `customer_id`, `ownerId`, `account_holder`, `user`.
fn is_owner_name(name: &[u8]) -> bool {
    // Most names begin or end with a letter that none of these words, `id` and `uuid` do.
    let is_alphanumeric = |octet: &&u8| octet.is_ascii_alphanumeric();
    let first = name.iter().find(is_alphanumeric).map(u8::to_ascii_lowercase);
    let last = name.iter().rev().find(is_alphanumeric).map(u8::to_ascii_lowercase);
    if !matches!(first, Some(b'a' | b'b' | b'c' | b'e' | b'h' | b'm' | b'o' | b'p' | b's' | b'u'))
        || !matches!(last, Some(b'd' | b'e' | b'n' | b'o' | b'r' | b't' | b'y'))
    {
        return false;
    }
    let mut plain = [0; 24];
    let mut len = 0;
    for octet in name.iter().filter(|octet| octet.is_ascii_alphanumeric()) {
        let Some(place) = plain.get_mut(len) else { return false };
        *place = octet.to_ascii_lowercase();
        len += 1;
    }
    let plain = plain.get(..len).unwrap_or_default();
    let word = [&b"uuid"[..], b"id"].iter().find_map(|ending| plain.strip_suffix(*ending)).unwrap_or(plain);
    matches!(
        word,
        b"user"
            | b"owner"
            | b"customer"
            | b"holder"
            | b"accountholder"
            | b"member"
            | b"patient"
            | b"subscriber"
            | b"createdby"
            | b"belongsto"
            | b"employee"
            | b"person"
            | b"buyer"
            | b"subject"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Scanner;

    fn marks(content: &str) -> Marks {
        let mut marks = Marks::default();
        marks.mark(&Scanner::default(), content.as_bytes());
        marks
    }

    fn shown(content: &str) -> (Vec<String>, Option<String>) {
        let known: Vec<String> = content
            .split(|octet: char| !octet.is_ascii_alphanumeric() && octet != '-')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let hash = |text: &[u8]| Hash(known.iter().position(|word| word.as_bytes() == text).unwrap_or(999) as u64);
        let mut ids = Vec::new();
        let mut scan = Scan { ids: &mut ids, owner: None, is_all: true, hash: &hash };
        if content.starts_with(['{', '[']) {
            scan.json(content.as_bytes(), &marks(content));
        } else {
            scan.words(content.as_bytes());
        }
        let name = |hash: &Hash| known.get(hash.0 as usize).cloned().unwrap_or_default();
        (scan.ids.iter().map(name).collect(), scan.owner.as_ref().map(name))
    }

    #[test]
    fn ids_stand_under_names_or_have_their_form() {
        let (ids, owner) = shown(
            r#"{"items":[{"order_no":17,"qty":3,"total":5.25,"sku":"S-12","customerId":9}],"self":"/v1/orders/88?x=1","s":"a b 1"}"#,
        );
        assert_eq!((ids, owner.as_deref()), (["17", "S-12", "9", "88"].map(str::to_owned).to_vec(), Some("9")));
        assert_eq!(shown("[4,5,6]").0, ["4", "5", "6"]);
        assert_eq!(shown(r#"{"orderIds":[41,42],"n":[1]}"#).0, ["41", "42"]);
        assert_eq!(shown(r#"{"order_nos":[41,42],"totals":[1]}"#).0, ["41", "42"]);
    }

    #[test]
    fn times_and_numbers_of_calls_are_no_ids() {
        let (ids, _) = shown(
            r#"{"at":"2025-02-26T08:42","day":"2025-02-26","spanId":"f9-7","requestId":7,"no":"2025-0226","t":"c4-9"}"#,
        );
        assert_eq!(ids, ["7", "2025-0226", "c4-9"]);
    }

    #[test]
    fn an_owner_may_be_an_object() {
        assert_eq!(shown(r#"{"id":1,"owner":{"id":73}}"#).1.as_deref(), Some("73"));
        assert_eq!(shown(r#"{"account-holder":"h-7"}"#).1.as_deref(), Some("h-7"));
        assert_eq!(shown(r#"{"users":12,"username_hint":"h-7"}"#).1, None);
    }

    #[test]
    fn other_text_shows_its_words() {
        assert_eq!(shown("id,name\n17,ann\nA-18,bob\n").0, ["17", "A-18"]);
    }

    #[test]
    fn what_is_broken_ends_the_scan() {
        assert_eq!(shown(r#"{"a\\\"b":"x","id":7,"c":"\\\\","ref":"r-1"}"#).0, ["7", "r-1"]);
        for broken in ["{\"", "{\"a", "{\"a\\", "{\"a\\\"", "[1", "{\"id\":", "[-", "{\"id\":1e"] {
            let _ = shown(broken);
        }
        let many = format!("[{}]", (0..1000).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
        let hash = |_: &[u8]| Hash(1);
        let mut ids = Vec::new();
        let mut scan = Scan { ids: &mut ids, owner: None, is_all: true, hash: &hash };
        scan.json(many.as_bytes(), &marks(&many));
        assert_eq!((scan.ids.len(), scan.is_all), (IDS, false));
    }
}
