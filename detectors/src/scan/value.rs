//! The value that stands under a name, read without a copy of the content: where it ends, and its text with encodings
//! undone.
//!
//! How a value ends follows from how it begins and from what stands before it: a quote ends with a quote of its own
//! level (`\"` within JSON within JSON), an element with the next tag, a form's field with `&`.

use super::near::Near;

/// How many bytes of a value's text are read. Longer ones are no name, address or number.
const LONGEST: usize = 200;

/// What a value's end is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The quote it began with, behind as many backslashes.
    Quote(u8, usize),
    /// The next tag.
    Tag,
    /// `&`, or the end of a form.
    Field,
    /// Whatever cannot be in a bare word: a number in JSON, a field of a log line.
    Word,
    /// The end of the line, or of the string or element that the line is in.
    Line,
    /// The delimiter of a table, or the end of the row.
    Cell(u8),
}

/// A value under a name.
pub(crate) struct Value<'n> {
    text: [u8; LONGEST],
    len: usize,
    /// Offset of its first byte, as seen by the [`Near`] it was read from.
    pub(crate) start: usize,
    /// Offset behind its last byte.
    pub(crate) end: usize,
    /// Whether all of it was read.
    whole: bool,
    /// Whether it was in quotes, or text where all is.
    pub(crate) is_text: bool,
    /// Where it stands.
    pub(crate) near: &'n Near<'n>,
}

impl<'n> Value<'n> {
    /// Reads the value that starts at `start`.
    pub(crate) fn read(near: &'n Near<'n>, start: usize, ending: Ending) -> Self {
        let is_text = !matches!(ending, Ending::Word);
        let mut value = Self { text: [0; LONGEST], len: 0, start, end: start, whole: false, is_text, near };
        let mut position = start;
        loop {
            let Some((character, len)) = character(near, position) else {
                // What is visible ends; so does the value only where the content does.
                value.whole = near.is_last(position);
                break;
            };
            if len == 1 && ends(near, position, character, ending) {
                value.whole = true;
                break;
            }
            if ending == Ending::Line && character == '\n' {
                value.whole = true;
                break;
            }
            if !value.push(character) {
                break;
            }
            position += len;
        }
        value.end = position;
        if let (Ending::Quote(_, backslashes), true) = (ending, value.whole) {
            for _ in 0..backslashes.min(value.len) {
                value.len -= 1;
                value.end -= 1;
            }
        }
        value.trim();
        value
    }

    /// Its text; empty when it is not UTF-8, or was not seen whole.
    pub(crate) fn text(&self) -> &str {
        let bytes = self.text.get(..self.len).filter(|_| self.whole).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn push(&mut self, character: char) -> bool {
        // Bytes of UTF-8 come one by one, as characters below U+0100; encoded ones as what they are.
        let mut buffer = [0; 4];
        let bytes: &[u8] = if (character as u32) < 0x100 {
            buffer[0] = character as u8;
            &buffer[..1]
        } else {
            character.encode_utf8(&mut buffer).as_bytes()
        };
        let Some(place) = self.text.get_mut(self.len..self.len + bytes.len()) else { return false };
        place.copy_from_slice(bytes);
        self.len += bytes.len();
        true
    }

    fn trim(&mut self) {
        while self.len > 0 && self.text[self.len - 1].is_ascii_whitespace() {
            self.len -= 1;
        }
        while self.end > self.start && self.near.back(self.end, 1).is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.end -= 1;
        }
    }
}

fn ends(near: &Near<'_>, position: usize, character: char, ending: Ending) -> bool {
    match ending {
        Ending::Quote(quote, backslashes) => {
            character as u32 == u32::from(quote) && slashes_before(near, position) == backslashes
        }
        Ending::Tag => character == '<',
        Ending::Field => matches!(character, '&' | '\r' | '\n' | '"' | '<'),
        Ending::Word => {
            character.is_ascii_whitespace() || matches!(character, ',' | '}' | ']' | '&' | '"' | '<' | ';' | ')')
        }
        Ending::Line => matches!(character, '\n' | '\r' | '<' | '"'),
        Ending::Cell(delimiter) => character as u32 == u32::from(delimiter) || matches!(character, '\n' | '\r'),
    }
}

/// How many backslashes stand before a position.
pub(crate) fn slashes_before(near: &Near<'_>, position: usize) -> usize {
    (1..=8).take_while(|distance| near.back(position, *distance) == Some(b'\\')).count()
}

/// The character at a position, and the bytes it takes. Bytes of UTF-8 and percent-encoded ones are given one by one, as
/// characters below U+0100.
pub(crate) fn character(near: &Near<'_>, position: usize) -> Option<(char, usize)> {
    let byte = near.get(position)?;
    match byte {
        b'\\' => {
            let mut at = position + 1;
            while near.get(at) == Some(b'\\') && at - position < 8 {
                at += 1;
            }
            let taken = |len: usize| at + len - position;
            match near.get(at) {
                Some(b'u') => match hex4(near, at + 1) {
                    Some(code) => Some((scalar(near, at + 5, code), taken(if is_high(code) { 11 } else { 5 }))),
                    None => Some(('\\', 1)),
                },
                Some(b'n' | b'r') => Some(('\n', taken(1))),
                Some(b't') => Some((' ', taken(1))),
                Some(b'/') => Some(('/', taken(1))),
                // An escaped quote ends what an escaped quote began: it is for the ending to judge.
                Some(b'"') => Some(('\\', at - position)),
                _ => Some(('\\', 1)),
            }
        }
        b'&' => entity(near, position).or(Some(('&', 1))),
        b'%' | b'+' => near.unit(position).map(|(byte, len)| (char::from(byte), len)),
        _ => Some((char::from(byte), 1)),
    }
}

fn hex4(near: &Near<'_>, position: usize) -> Option<u32> {
    let digits = near.slice(position, position + 4);
    let text = std::str::from_utf8(digits).ok().filter(|text| text.len() == 4)?;
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(text, 16).ok())?
}

fn is_high(code: u32) -> bool {
    (0xd800..0xdc00).contains(&code)
}

/// The character of an escaped code, with the low surrogate behind a high one; an unencodable one is replaced.
fn scalar(near: &Near<'_>, next: usize, code: u32) -> char {
    let code = if is_high(code) {
        let low = hex4(near, next + 2).unwrap_or_default();
        0x10000 + ((code - 0xd800) << 10) + low.wrapping_sub(0xdc00).min(0x3ff)
    } else {
        code
    };
    // Below U+0100 characters stand for bytes: letters with accents take the two bytes of a look-alike that is none.
    match char::from_u32(code) {
        Some(character) if !(0x80..0x100).contains(&code) => character,
        Some(_) => '\u{100}',
        None => '\u{fffd}',
    }
}

/// A character reference of HTML and XML, those that occur in names.
fn entity(near: &Near<'_>, position: usize) -> Option<(char, usize)> {
    let text = near.slice(position, position + 8);
    let end = text.iter().position(|byte| *byte == b';')?;
    let character = match text.get(1..end)? {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" | b"#39" | b"#x27" => '\'',
        b"nbsp" => ' ',
        [b'#', b'0'..=b'9' | b'x', ..] => '\u{100}',
        _ => return None,
    };
    Some((character, end + 1))
}
