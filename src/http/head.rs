//! Start line and header section (RFC 9112 sections 2 to 5).
//!
//! Nearly every head is well-formed and comes in one piece: httparse reads it where it lies. For the others there is a
//! reader of our own that does what lenient receivers do: bare LF and bare CR end lines, folded lines are joined, lines that
//! are no field lines are passed over, and what remains is used. It only runs once the section's end is known, so that a
//! head that trickles in costs no more than one that does not.

use std::mem::MaybeUninit;
use std::ops::Range;

use apitap_detectors::exchange::Anomalies;
use memchr::memchr;

use super::identify::{Role, is_token};
use super::message::{Message, Version, field_line};

/// How long a head or a trailer section may be, in bytes; what goes past is not kept.
pub(super) const MAX_SECTION: usize = 64 * 1024;
/// How many field lines of a message are kept.
const MAX_LINES: usize = 1024;
/// How many of them httparse is asked for; a head with more goes to the reader of our own.
const USUAL_LINES: usize = 64;

/// What became of octets that may begin with a whole head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A well-formed head of so many octets; it is in the message now.
    Whole(usize),
    /// Its end is not there yet, or it is not well-formed.
    NotYet,
}

/// Reads a well-formed head that lies whole in `bytes`.
pub(super) fn parse(role: Role, bytes: &[u8], message: &mut Message) -> Parsed {
    let mut fields = [const { MaybeUninit::uninit() }; USUAL_LINES];
    match role {
        Role::Client => {
            let mut request = httparse::Request::new(&mut []);
            let Ok(httparse::Status::Complete(len)) = request.parse_with_uninit_headers(bytes, &mut fields) else {
                return Parsed::NotYet;
            };
            let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
                return Parsed::NotYet;
            };
            if len > MAX_SECTION {
                return Parsed::NotYet;
            }
            message.head.extend_from_slice(&bytes[..len]);
            message.start.method = place(bytes, method.as_bytes());
            message.start.target = place(bytes, target.as_bytes());
            message.start.version = known_version(minor);
            note_fields(bytes, request.headers, message);
            Parsed::Whole(len)
        }
        Role::Server => {
            let mut response = httparse::Response::new(&mut []);
            let parser = httparse::ParserConfig::default();
            let Ok(httparse::Status::Complete(len)) =
                parser.parse_response_with_uninit_headers(&mut response, bytes, &mut fields)
            else {
                return Parsed::NotYet;
            };
            let (Some(status), Some(minor)) = (response.code, response.version) else { return Parsed::NotYet };
            if len > MAX_SECTION {
                return Parsed::NotYet;
            }
            message.head.extend_from_slice(&bytes[..len]);
            message.start.status = status;
            message.start.version = known_version(minor);
            note_fields(bytes, response.headers, message);
            Parsed::Whole(len)
        }
    }
}

fn known_version(minor: u8) -> Version {
    if minor == 0 { Version::Http10 } else { Version::Http11 }
}

/// Where `part`, a slice of `whole`, stands in it.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

fn note_fields(bytes: &[u8], fields: &[httparse::Header<'_>], message: &mut Message) {
    for field in fields {
        let value = place(bytes, field.value);
        if bytes.get(value.end) == Some(&b'\n') {
            message.anomalies.insert(Anomalies::BARE_LF);
        }
        message.facts.note(field.name.as_bytes(), field.value);
        message.lines.push(field_line(place(bytes, field.name.as_bytes()), value));
    }
}

/// Looks for the end of a header section in octets that come in pieces.
///
/// An empty line ends the section. A line of nothing but white space and stray control octets does so as well, unless what
/// follows goes on like a header section: receivers differ there, and attackers know.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SectionEnd {
    /// Octets looked at.
    seen: usize,
    line: Line,
    /// The end, if the line at hand shows that the blank line before it was one.
    candidate: Option<usize>,
}

/// What the line at hand is so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Nothing, or the CR of its end.
    Empty { cr: bool },
    /// White space and stray control octets.
    Blank,
    /// Something.
    Text,
    /// Behind a blank line: the name of a field line, if a colon follows.
    Name { len: u8 },
}

impl Default for Line {
    /// A section begins with its start line, which is no empty line.
    fn default() -> Self {
        Self::Text
    }
}

impl SectionEnd {
    /// Looks at the next octets; returns where the section ends, counted from its beginning. That can lie before `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match (self.line, byte) {
                (Line::Text, _) => match memchr(b'\n', &bytes[at..]) {
                    None => at = bytes.len() - 1,
                    Some(end) => {
                        at += end;
                        self.line = Line::Empty { cr: false };
                    }
                },
                (Line::Empty { .. }, b'\n') => return Some(self.seen + at + 1),
                (Line::Empty { cr: false }, b'\r') => self.line = Line::Empty { cr: true },
                (Line::Blank, b'\n') => {
                    self.candidate = Some(self.seen + at + 1);
                    self.line = Line::Empty { cr: false };
                }
                (Line::Empty { cr: false } | Line::Blank, b' ' | b'\t' | b'\r' | 0 | 0x0b | 0x0c)
                | (Line::Empty { cr: true }, b' ' | b'\t' | b'\r' | 0 | 0x0b | 0x0c) => self.line = Line::Blank,
                (Line::Empty { cr: false }, _) if self.candidate.is_some() && is_token(byte) => {
                    self.line = Line::Name { len: 1 };
                }
                (Line::Empty { .. }, _) if self.candidate.is_some() => return self.candidate,
                (Line::Empty { .. } | Line::Blank, _) => {
                    // Text behind white space continues a field line, even behind a blank line.
                    self.candidate = None;
                    self.line = Line::Text;
                }
                (Line::Name { .. }, b':') => {
                    self.candidate = None;
                    self.line = Line::Text;
                }
                (Line::Name { len }, _) if len < 64 && is_token(byte) => self.line = Line::Name { len: len + 1 },
                (Line::Name { .. }, _) => return self.candidate,
            }
            at += 1;
        }
        self.seen += bytes.len();
        None
    }

    /// Where the section ends when nothing follows any more.
    pub(super) fn at_end(&self) -> Option<usize> {
        self.candidate
    }

    /// How many octets were looked at.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }
}

/// Whether a start line is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is.
    Http,
    /// Something else stands there: another protocol's line, or a status line without a status.
    Other,
}

/// Reads the head that lies in `message.head`, leniently.
pub(super) fn parse_leniently(role: Role, message: &mut Message) -> Verdict {
    message.forget_head();
    if message.head.len() > MAX_SECTION {
        message.head.truncate(MAX_SECTION);
        message.anomalies.insert(Anomalies::HEADER_SECTION_TOO_LARGE);
    }
    let Some(line) = next_line(&message.head, 0) else { return Verdict::Other };
    if line.end == LineEnd::Lf {
        message.anomalies.insert(Anomalies::BARE_LF);
    }
    let verdict = match role {
        Role::Client => parse_request_line(message, line.text.clone()),
        Role::Server => parse_status_line(message, line.text.clone()),
    };
    if verdict == Verdict::Http {
        parse_fields(message, line.next);
    }
    verdict
}

/// Reads the field lines of `message.head` from `start` on, leniently: a header section, or a trailer section.
pub(super) fn parse_fields(message: &mut Message, start: usize) {
    let mut at = start;
    while let Some(mut line) = next_line(&message.head, at) {
        // A line that begins with white space continues the one before (RFC 9112 section 5.2), be it blank.
        while let Some(next) = next_line(&message.head, line.next)
            && continues(&message.head, &next)
        {
            message.anomalies.insert(Anomalies::OBS_FOLD);
            message.head[line.text.end..next.text.start].fill(b' ');
            line = TextLine { text: line.text.start..next.text.end, ..next };
        }
        at = line.next;
        match line.end {
            LineEnd::CrLf => {}
            LineEnd::Lf => message.anomalies.insert(Anomalies::BARE_LF),
            LineEnd::Cr | LineEnd::None => message.anomalies.insert(Anomalies::INVALID_FIELD),
        }
        parse_field(message, line.text);
    }
}

/// Whether a line continues the one before it: it begins with white space, or with a stray octet and is no field line.
fn continues(head: &[u8], line: &TextLine) -> bool {
    let text = head.get(line.text.clone()).unwrap_or_default();
    match text.first() {
        Some(b' ' | b'\t') => true,
        Some(byte) => is_stray(*byte) && memchr(b':', text).is_none(),
        None => false,
    }
}

fn parse_field(message: &mut Message, line: Range<usize>) {
    let text = &message.head[line.clone()];
    if text.iter().all(|byte| is_stray(*byte)) {
        if !text.is_empty() {
            message.anomalies.insert(Anomalies::INVALID_FIELD);
        }
        return;
    }
    let Some(colon) = memchr(b':', text) else { return message.anomalies.insert(Anomalies::INVALID_FIELD) };
    let name = trim(text, 0..colon, is_stray);
    // `Name:: value` is read as `Name: value`.
    let mut value = trim(text, colon + 1..text.len(), is_stray);
    while text.get(value.start) == Some(&b':') && !value.is_empty() {
        message.anomalies.insert(Anomalies::INVALID_FIELD);
        value = trim(text, value.start + 1..value.end, is_stray);
    }
    if name.is_empty() {
        return message.anomalies.insert(Anomalies::INVALID_FIELD);
    }
    if message.lines.len() >= MAX_LINES {
        return message.anomalies.insert(Anomalies::HEADER_SECTION_TOO_LARGE);
    }
    let well_formed = name == (0..colon) && text[name.clone()].iter().all(|byte| is_token(*byte));
    let stray_value = text[colon + 1..].iter().any(|byte| matches!(byte, 0..=8 | 0x0b..=0x1f | 0x7f));
    if !well_formed || stray_value {
        message.anomalies.insert(Anomalies::INVALID_FIELD);
    }
    if !well_formed {
        // Receivers that drop stray octets see a name that others do not.
        let cleaned: Vec<u8> = text[name.clone()].iter().copied().filter(|byte| is_token(*byte)).collect();
        let value_text = &message.head[line.start + value.start..line.start + value.end];
        message.facts.note(&cleaned, value_text);
        let (name, value) = (shift(name, line.start), shift(value, line.start));
        message.lines.push(field_line(name, value));
        return;
    }
    message.note(shift(name, line.start), shift(value, line.start));
}

fn shift(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// White space, and control octets that some receivers take for it.
const fn is_stray(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | 0x7f)
}

fn trim(text: &[u8], range: Range<usize>, strip: impl Fn(u8) -> bool) -> Range<usize> {
    let part = &text[range.clone()];
    let Some(first) = part.iter().position(|byte| !strip(*byte)) else { return range.end..range.end };
    let last = part.iter().rposition(|byte| !strip(*byte)).unwrap_or(first);
    range.start + first..range.start + last + 1
}

fn parse_request_line(message: &mut Message, line: Range<usize>) -> Verdict {
    let text = &message.head[line.clone()];
    let mut words = Words { text, at: 0 };
    let method = words.next();
    let target = words.next();
    let version = words.rest();
    let version_text = &text[version.clone()];
    let proper = text.len() == version.end && text[method.clone()].iter().all(|byte| is_token(*byte));
    if version_text.len() > 4 && !has_http_version(version_text) && version_text.contains(&b'/') {
        let name = version_text.split(|byte| *byte == b'/').next().unwrap_or_default();
        // `RTSP/1.0`, `SIP/2.0`: somebody else's request.
        if name.iter().all(u8::is_ascii_uppercase) {
            return Verdict::Other;
        }
    }
    let known = match version_text {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        b"" => Version::Absent,
        _ => Version::Other(shift(version.clone(), line.start)),
    };
    if !proper || version.is_empty() || method.is_empty() {
        message.anomalies.insert(Anomalies::INVALID_START_LINE);
    }
    message.start.method = shift(method, line.start);
    message.start.target = shift(target, line.start);
    message.start.version = known;
    Verdict::Http
}

fn has_http_version(text: &[u8]) -> bool {
    text.len() >= 5 && text.windows(5).any(|window| window.eq_ignore_ascii_case(b"HTTP/"))
}

fn parse_status_line(message: &mut Message, line: Range<usize>) -> Verdict {
    let text = &message.head[line.clone()];
    let mut words = Words { text, at: 0 };
    let version = words.next();
    let status_text = &text[words.rest()];
    let digits = status_text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return Verdict::Other;
    }
    let status = status_text[..digits]
        .iter()
        .fold(0_u16, |status, digit| status.saturating_mul(10).saturating_add(u16::from(digit - b'0')).min(999));
    let known = match &text[version.clone()] {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => Version::Other(shift(version, line.start)),
    };
    if digits != 3 || matches!(known, Version::Other(_)) {
        message.anomalies.insert(Anomalies::INVALID_START_LINE);
    }
    message.start.status = status;
    message.start.version = known;
    Verdict::Http
}

/// The words of a start line.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
}

impl Words<'_> {
    fn skip(&mut self) {
        let blank = self.text[self.at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | 0x0b | 0x0c)).count();
        self.at += blank;
    }

    fn next(&mut self) -> Range<usize> {
        self.skip();
        let start = self.at;
        self.at += self.text[start..].iter().take_while(|byte| !matches!(byte, b' ' | b'\t')).count();
        start..self.at
    }

    fn rest(&mut self) -> Range<usize> {
        self.skip();
        trim(self.text, self.at..self.text.len(), is_stray)
    }
}

/// A line in a head, and where the next begins.
struct TextLine {
    text: Range<usize>,
    end: LineEnd,
    next: usize,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    CrLf,
    Lf,
    /// A bare CR: a line end to some, an octet like others to most.
    Cr,
    /// The octets ended before it did.
    None,
}

/// The line that begins at `start`; `None` behind the last one.
fn next_line(head: &[u8], start: usize) -> Option<TextLine> {
    let rest = head.get(start..).filter(|rest| !rest.is_empty())?;
    let Some(at) = memchr::memchr2(b'\r', b'\n', rest) else {
        return Some(TextLine { text: start..head.len(), end: LineEnd::None, next: head.len() });
    };
    let (end, len) = match (rest[at], rest.get(at + 1)) {
        (b'\r', Some(b'\n')) => (LineEnd::CrLf, 2),
        (b'\r', _) => (LineEnd::Cr, 1),
        _ => (LineEnd::Lf, 1),
    };
    Some(TextLine { text: start..start + at, end, next: start + at + len })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lenient(role: Role, head: &[u8]) -> Option<Message> {
        let mut message = Message { head: head.to_vec(), ..Message::default() };
        (parse_leniently(role, &mut message) == Verdict::Http).then_some(message)
    }

    fn fields(message: &Message) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        message.response().fields.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn section_end(pieces: &[&[u8]]) -> Option<usize> {
        let mut end = SectionEnd::default();
        pieces.iter().find_map(|piece| end.push(piece)).or_else(|| end.at_end())
    }

    #[test]
    fn both_readers_agree_on_well_formed_heads() {
        let head = b"GET /a?b HTTP/1.1\r\nHost: a.example\r\nX:  y \r\nContent-Length: 3\r\n\r\n";
        let mut strict = Message::default();
        assert_eq!(parse(Role::Client, head, &mut strict), Parsed::Whole(head.len()));
        let lenient = lenient(Role::Client, head).unwrap();
        for message in [&strict, &lenient] {
            let request = message.request();
            assert_eq!((request.method, request.target), (&b"GET"[..], &b"/a?b"[..]));
            assert_eq!(request.fields.get("x"), Some(&b"y"[..]));
            assert!(message.anomalies.is_empty());
        }
        assert_eq!(strict.lines, lenient.lines);
    }

    #[test]
    fn line_ends_of_all_kinds() {
        for head in [
            &b"HTTP/1.1 200 ok\nA: b\nC: d\n\n"[..],
            b"HTTP/1.1 200 ok\rA: b\rC: d\r\n\n",
            b"HTTP/1.1 200 ok\n\rA: b\n\rC: d\r\n\r\n",
            b"HTTP/1.1 200 ok\r\nA: b\r\n\r\rC: d\r\n\r\n",
        ] {
            let message = lenient(Role::Server, head).unwrap();
            assert_eq!(message.start.status, 200);
            assert_eq!(fields(&message), [("A".into(), "b".into()), ("C".into(), "d".into())]);
            assert!(!message.anomalies.is_empty());
        }
    }

    #[test]
    fn folds_are_joined() {
        let message =
            lenient(Role::Server, b"HTTP/1.1 200 ok\r\nA: b\r\n  c\r\n\td\r\nE\r\n :f\r\nG:\n\0h\r\n\r\n").unwrap();
        assert_eq!(
            fields(&message),
            [("A".into(), "b    c  \td".into()), ("E".into(), "f".into()), ("G".into(), "h".into())]
        );
        assert!(message.anomalies.contains(Anomalies::OBS_FOLD));
    }

    #[test]
    fn lines_that_are_no_fields_are_passed_over() {
        let head = b"HTTP/1.1 200 ok\r\n: x\r\nnothing here\r\nA\0B : c\r\nD:: e\r\nF:\0g\0\r\n\r\n";
        let message = lenient(Role::Server, head).unwrap();
        assert_eq!(fields(&message), [("A\0B".into(), "c".into()), ("D".into(), "e".into()), ("F".into(), "g".into())]);
        assert!(message.anomalies.contains(Anomalies::INVALID_FIELD));
    }

    #[test]
    fn status_lines() {
        for (line, status) in [
            ("HTTP/1.1 200 ok", Some(200)),
            ("HTTP/1.1  200", Some(200)),
            ("HTTP/1.1\t 200 ok", Some(200)),
            ("HTTP/1\0.1 200 ok", Some(200)),
            ("http/1.0 404", Some(404)),
            ("HTTP/1.1 2xx ok", Some(2)),
            ("HTTP/1.1 99999", Some(999)),
            ("HTTP/1.1", None),
            ("HTTP/1.1 ok", None),
        ] {
            let message = lenient(Role::Server, format!("{line}\r\nA: b\r\n\r\n").as_bytes());
            assert_eq!(message.map(|message| message.start.status), status, "{line}");
        }
    }

    #[test]
    fn request_lines() {
        for (line, method, target) in [
            ("GET /a HTTP/2.7", "GET", "/a"),
            ("GET /a", "GET", "/a"),
            ("GET", "GET", ""),
            ("GET HTTP/1.1", "GET", "HTTP/1.1"),
            ("GET  /a  HTTP/1.1 ", "GET", "/a"),
            ("GET /a http://b.example/c;d HTTP/1.1", "GET", "/a"),
            ("GET /\u{e9} HTTP/1.1", "GET", "/\u{e9}"),
        ] {
            let message = lenient(Role::Client, format!("{line}\r\nHost: b\r\n\r\n").as_bytes()).unwrap();
            let request = message.request();
            assert_eq!((request.method, request.target), (method.as_bytes(), target.as_bytes()), "{line}");
            assert_eq!(request.fields.get("host"), Some(&b"b"[..]));
        }
        assert!(lenient(Role::Client, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n").is_none());
    }

    #[test]
    fn more_lines_than_usual_are_kept_and_too_many_are_not() {
        let mut head = b"GET / HTTP/1.1\r\n".to_vec();
        for n in 0..1100 {
            head.extend(format!("A{n}: b\r\n").bytes());
            if n == 70 {
                let whole = [&head[..], b"\r\n"].concat();
                assert_eq!(parse(Role::Client, &whole, &mut Message::default()), Parsed::NotYet);
                assert_eq!(lenient(Role::Client, &whole).unwrap().lines.len(), 71);
            }
        }
        let message = lenient(Role::Client, &head).unwrap();
        assert_eq!(message.lines.len(), MAX_LINES);
        assert!(message.anomalies.contains(Anomalies::HEADER_SECTION_TOO_LARGE));
    }

    #[test]
    fn sections_end_with_an_empty_line() {
        assert_eq!(section_end(&[b"A\r\nB: c\r\n\r\nbody"]), Some(11));
        assert_eq!(section_end(&[b"A\nB: c\n\nbody"]), Some(8));
        assert_eq!(section_end(&[b"A\nB: c\n\r\nbody"]), Some(9));
        assert_eq!(section_end(&[b"A\r\nB: c\r\n"]), None);
    }

    #[test]
    fn a_blank_line_ends_a_section_unless_it_goes_on() {
        assert_eq!(section_end(&[b"A\r\n \r\n4\r\nbody"]), Some(6));
        assert_eq!(section_end(&[b"A\r\n \r\n\x1f\x8b"]), Some(6));
        assert_eq!(section_end(&[b"A\n\r\r\nX5O!"]), Some(5));
        assert_eq!(section_end(&[b"A\r\n \r\nB: c\r\n\r\nbody"]), Some(14));
        assert_eq!(section_end(&[b"A\r\n \r\n\r\nbody"]), Some(8));
        assert_eq!(section_end(&[b"A\r\n \r\n :b\r\n\r\nbody"]), Some(13));
        assert_eq!(section_end(&[b"A\r\n \r\n"]), Some(6));
    }

    proptest! {
        #[test]
        fn the_end_of_a_section_does_not_depend_on_the_pieces(
            words in prop::collection::vec(prop::sample::select(vec!["A", ":", " ", "\t", "\r", "\n", "\r\n", "\0", "\u{b}", "(", "b"]), 0..24),
            cuts in prop::collection::vec(0_usize..60, 0..6),
        ) {
            let bytes = words.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(section_end(&pieces), section_end(&[&bytes]));
        }

        #[test]
        fn arbitrary_heads_are_read_without_panic(head in prop::collection::vec(any::<u8>(), 0..300)) {
            lenient(Role::Client, &head);
            lenient(Role::Server, &head);
        }

        #[test]
        fn what_httparse_takes_ends_where_the_section_does(
            fields in prop::collection::vec("[A-Za-z-]{1,9}: ?[ -~]{0,12}(\r\n|\n)", 0..8),
            rest in "[ -~\r\n]{0,20}",
        ) {
            let head = format!("GET / HTTP/1.1\r\n{}\r\n{rest}", fields.concat());
            if let Parsed::Whole(len) = parse(Role::Client, head.as_bytes(), &mut Message::default()) {
                prop_assert_eq!(section_end(&[head.as_bytes()]), Some(len));
            }
        }
    }
}
