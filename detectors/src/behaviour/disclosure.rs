//! What a response shows: the ids in its content, and whose the thing is.
//!
//! An id that a list or a creation has shown to somebody is theirs to use; one that they use and were never shown was
//! guessed, or came from elsewhere. A scan of octets is enough: JSON is walked from string to string without building
//! anything, other text is cut into words that have a digit. Values leave as hashes.
//!
//! Bounds: the first [`OCTETS`] of a content and [`IDS`] ids; [`Shown::is_all`] says whether that was all.

use super::{Fact, Seen};
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
    pub ids: Vec<Hash>,
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
    let hash = |text: &[u8]| seen.hashing.hash(text);
    let mut scan = Scan { shown: Shown { ids: Vec::new(), owner: None, is_all: true }, hash: &hash };
    if let Some(location) = response.fields.get("location") {
        scan.reference(location);
    }
    let looked_at = content.get(..content.len().min(OCTETS)).unwrap_or_default();
    if matches!(looked_at.trim_ascii_start().first(), Some(b'{' | b'[')) {
        scan.json(looked_at);
    } else {
        scan.words(looked_at);
    }
    let mut shown = scan.shown;
    shown.is_all &= response.content.len <= looked_at.len() as u64 && !response.content.undecoded;
    if !shown.ids.is_empty() || shown.owner.is_some() || !shown.is_all {
        seen.visit.facts.push(Fact::Shown(Box::new(shown)));
    }
}

struct Scan<'a> {
    shown: Shown,
    hash: &'a dyn Fn(&[u8]) -> Hash,
}

impl Scan<'_> {
    /// Strings and numbers of JSON, each with the name it stands under.
    fn json(&mut self, content: &[u8]) {
        let (mut at, mut name) = (0, &b""[..]);
        // `"owner": {"id": 7}` is the owner's id.
        let mut is_of_owner = false;
        while let Some(octet) = content.get(at) {
            match octet {
                b'"' => {
                    let rest = content.get(at + 1..).unwrap_or_default();
                    let Some(len) = string_end(rest) else { break };
                    let text = rest.get(..len).unwrap_or_default();
                    at += len + 2;
                    let behind = content.get(at..).unwrap_or_default().trim_ascii_start();
                    if behind.first() == Some(&b':') {
                        name = if is_of_owner && text.eq_ignore_ascii_case(b"id") { b"owner" } else { text };
                    } else {
                        self.value(name, text, is_id_value(text));
                    }
                }
                b'0'..=b'9' => {
                    let rest = content.get(at..).unwrap_or_default();
                    let end = rest.iter().position(|octet| !octet.is_ascii_alphanumeric() && !b".+-".contains(octet));
                    let number = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                    at += number.len();
                    if number.iter().all(u8::is_ascii_digit) {
                        self.value(name, number, name.is_empty());
                    }
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

    fn value(&mut self, name: &[u8], text: &[u8], by_form: bool) {
        if text.is_empty() || text.len() > 4 * LONGEST {
            return;
        }
        if memchr::memchr(b'/', text).is_some() {
            return self.reference(text);
        }
        if self.shown.owner.is_none() && is_owner_name(name) && text.len() <= LONGEST {
            self.shown.owner = Some((self.hash)(text));
        }
        if by_form || is_id_name(name) {
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
        words.filter(|word| is_id_value(word)).for_each(|word| self.id(word));
    }

    fn id(&mut self, text: &[u8]) {
        if text.len() > LONGEST || text.is_empty() {
            return;
        }
        if self.shown.ids.len() == IDS {
            self.shown.is_all = false;
            return;
        }
        self.shown.ids.push((self.hash)(text));
    }
}

/// Where a JSON string ends whose opening quotation mark is before `rest`.
fn string_end(rest: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', rest.get(from..)?)?;
        if rest.get(at) == Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// Whether a string has the form of an id: one word with a digit.
fn is_id_value(text: &[u8]) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    let mut has_digit = false;
    for octet in text {
        match octet {
            b'0'..=b'9' => has_digit = true,
            b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b'~' | b'@' | b':' | b'+' => {}
            _ => return false,
        }
    }
    has_digit
}

/// Whether a field is called an id, or something by which things are called for.
fn is_id_name(name: &[u8]) -> bool {
    let endings: &[&[u8]] = match name.last().map(u8::to_ascii_lowercase) {
        Some(b'd') => &[b"id"],
        Some(b's') => &[b"ids"],
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

    fn shown(content: &str) -> (Vec<String>, Option<String>) {
        let known: Vec<String> = content
            .split(|octet: char| !octet.is_ascii_alphanumeric() && octet != '-')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let hash = |text: &[u8]| Hash(known.iter().position(|word| word.as_bytes() == text).unwrap_or(999) as u64);
        let mut scan = Scan { shown: Shown { ids: Vec::new(), owner: None, is_all: true }, hash: &hash };
        if content.starts_with(['{', '[']) {
            scan.json(content.as_bytes());
        } else {
            scan.words(content.as_bytes());
        }
        let name = |hash: &Hash| known.get(hash.0 as usize).cloned().unwrap_or_default();
        (scan.shown.ids.iter().map(name).collect(), scan.shown.owner.as_ref().map(name))
    }

    #[test]
    fn ids_stand_under_names_or_have_their_form() {
        let (ids, owner) = shown(
            r#"{"items":[{"order_no":17,"qty":3,"total":5.25,"sku":"S-12","customerId":9}],"self":"/v1/orders/88?x=1","s":"a b 1"}"#,
        );
        assert_eq!((ids, owner.as_deref()), (["17", "S-12", "9", "88"].map(str::to_owned).to_vec(), Some("9")));
        assert_eq!(shown("[4,5,6]").0, ["4", "5", "6"]);
        assert_eq!(shown(r#"{"orderIds":[41,42],"n":[1]}"#).0, ["41", "42"]);
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
        for broken in ["{\"", "{\"a", "{\"a\\", "{\"a\\\"", "[1", "{\"id\":", "[-", "{\"id\":1e"] {
            let _ = shown(broken);
        }
        let many = format!("[{}]", (0..1000).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
        let hash = |_: &[u8]| Hash(1);
        let mut scan = Scan { shown: Shown { ids: Vec::new(), owner: None, is_all: true }, hash: &hash };
        scan.json(many.as_bytes());
        assert_eq!((scan.shown.ids.len(), scan.shown.is_all), (IDS, false));
    }
}
