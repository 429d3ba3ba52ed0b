//! Under which name a value stands.
//!
//! The name is looked for from the value backwards, by what stands before it and not by a parser: `"name": value`,
//! `name=value`, `<name>value`, a cell beside its label, a table's column, the words of a sentence. So the same rules
//! serve JSON, forms, markup and text, one inside the other too, whole or from the middle on. Where the next name is
//! neutral (`"ssn": {"value": ...}`, an element of an array) the parent's counts.
//!
//! This is done for values whose form has been found right, or where the form says too little without a name.

use super::meaning::Meaning;
use super::near::Near;

/// How far back the words of a sentence count.
const SENTENCE: usize = 48;
/// How long a name may be.
const MAX_NAME: usize = 64;
/// How many enclosing values are asked for their name, and how far back they are looked for.
const MAX_PARENTS: usize = 3;
const PARENTS: usize = 512;
/// How many tags and labels before a value are looked at.
const MAX_TAGS: usize = 6;
/// How long a tag may be.
const MAX_TAG: usize = 256;

/// What the name of the value that starts at `start` says, and its parents' where it says nothing.
pub(crate) fn meaning(near: &Near<'_>, start: usize) -> Meaning {
    let mut floor = 0;
    if let Some(delimiter) = near.layout().delimiter() {
        let Some(cell) = cell(near, start, delimiter) else { return Meaning::default() };
        let column = near.layout().column(cell.number);
        if !column.is_neutral() {
            return column;
        }
        floor = cell.start;
    }
    let mut finder = Finder { near, floor };
    finder.before(start)
}

/// The name that stands directly before the value at `start`, for showing where it was. Empty when there is none.
pub(crate) fn name<'a>(near: &Near<'a>, start: usize) -> &'a [u8] {
    let finder = Finder { near, floor: 0 };
    let position = finder.skip_opening(start).position;
    match near.back(position, 1) {
        Some(b':' | b'=') => finder.name_before(position - 1).0,
        Some(b'>') => {
            let tag = finder.tag_before(position).map(|(_, tag)| tag).unwrap_or_default();
            let end = tag.iter().position(|byte| matches!(byte, b' ' | b'/' | b'\n' | b'\t')).unwrap_or(tag.len());
            &tag[..end]
        }
        _ => b"",
    }
}

/// A cell of a table's row.
pub(crate) struct Cell {
    /// Which column it stands in, from 0.
    pub(crate) number: usize,
    /// Where it starts.
    pub(crate) start: usize,
}

/// The cell that holds `position`, if the start of its row is in sight.
pub(crate) fn cell(near: &Near<'_>, position: usize, delimiter: u8) -> Option<Cell> {
    let before = near.slice(0, position);
    let row = memchr::memrchr(b'\n', before)? + 1;
    let mut cell = Cell { number: 0, start: row };
    let mut quoted = false;
    for at in memchr::memchr2_iter(delimiter, b'"', &before[row..]) {
        if before[row + at] == b'"' {
            quoted = !quoted;
        } else if !quoted {
            cell = Cell { number: cell.number + 1, start: row + at + 1 };
        }
    }
    Some(cell)
}

/// The words of running text before `position`, when that is what stands there: behind a sign, a value has a name.
pub(super) fn words_before<'a>(near: &Near<'a>, position: usize) -> Option<&'a [u8]> {
    let mut start = position;
    while position - start < SENTENCE && near.back(start, 1).is_some_and(|byte| !b"\n\r\"<>{}[]&=".contains(&byte)) {
        start -= 1;
    }
    let text = near.slice(start, position);
    let named = matches!(text.trim_ascii_end().last(), None | Some(b':' | b','));
    (!named).then_some(text)
}

/// Looks for names, from a value backwards.
pub(super) struct Finder<'n, 'a> {
    pub(super) near: &'n Near<'a>,
    /// Where to stop: the start of a table's cell.
    pub(super) floor: usize,
}

/// Where the opening punctuation before a value begins, and whether it holds a line end.
struct Opening {
    position: usize,
    line_end: bool,
}

impl<'a> Finder<'_, 'a> {
    fn of_name(&self, name: &[u8]) -> Meaning {
        Meaning::of_name_in(name, self.near.layout().vocabulary())
    }

    fn of_text(&self, text: &[u8]) -> Meaning {
        Meaning::of_text_in(text, self.near.layout().vocabulary())
    }

    fn back(&self, position: usize) -> Option<u8> {
        if position <= self.floor { None } else { self.near.back(position, 1) }
    }

    fn before(&mut self, start: usize) -> Meaning {
        let Opening { position, line_end } = self.skip_opening(start);
        match self.back(position) {
            Some(b':' | b'=') => self.named(position - 1),
            Some(b'>') => self.markup(position),
            Some(b',' | b'[' | b'{') => self.parents(position, Meaning::default()),
            Some(_) if !line_end => self.sentence(position),
            _ => Meaning::default(),
        }
    }

    fn skip_opening(&self, mut position: usize) -> Opening {
        let mut line_end = false;
        while let Some(byte) = self.back(position) {
            match byte {
                b' ' | b'\t' | b'"' | b'\'' | b'\\' | b'(' => {}
                b'\r' | b'\n' => line_end = true,
                b'+' if self.near.layout().is_form() => {}
                _ => break,
            }
            position -= 1;
        }
        Opening { position, line_end }
    }

    /// Behind a colon or equals sign at `sign`.
    fn named(&mut self, sign: usize) -> Meaning {
        let (name, start) = self.name_before(sign);
        let meaning = if name.contains(&b' ') { self.of_text(name) } else { self.of_name(name) };
        // A name that says something decides; of a generic one the parent knows more.
        if meaning.is_neutral() && meaning.says(Meaning::GENERIC) { self.parents(start, meaning) } else { meaning }
    }

    /// The name before a colon or equals sign, and where it starts with its quotes. In quotes anything but a quote belongs to it; without,
    /// what names are spelt with, and the spaces of a label ("SSN on file: ").
    fn name_before(&self, sign: usize) -> (&'a [u8], usize) {
        let mut end = sign;
        while self.back(end).is_some_and(|byte| byte == b' ') {
            end -= 1;
        }
        let quoted = matches!(self.back(end), Some(b'"' | b'\''));
        while self.back(end).is_some_and(|byte| matches!(byte, b'"' | b'\'' | b'\\')) {
            end -= 1;
        }
        let mut start = end;
        while end - start < MAX_NAME
            && self.back(start).is_some_and(|byte| match byte {
                b'"' | b'\'' | b'\\' | b'\n' | b'\r' => false,
                _ if quoted => true,
                _ => byte.is_ascii_alphanumeric() || b" _-.$@".contains(&byte) || byte >= 0x80,
            })
        {
            start -= 1;
        }
        let name = self.near.slice(start, end);
        while quoted && self.back(start).is_some_and(|byte| matches!(byte, b'"' | b'\'' | b'\\')) {
            start -= 1;
        }
        (name, start)
    }

    /// Within running text that ends at `end`: its last words, then the name the text stands under.
    fn sentence(&mut self, end: usize) -> Meaning {
        let mut start = end;
        while end - start < SENTENCE && self.back(start).is_some_and(|byte| !b"\n\r\"<>{}[]&=".contains(&byte)) {
            start -= 1;
        }
        let meaning = self.of_text(self.near.slice(start, end));
        if !meaning.is_neutral() {
            return meaning;
        }
        // On to where the text begins.
        while end - start < PARENTS && self.back(start).is_some_and(|byte| !b"\n\r\"<>{}&=".contains(&byte)) {
            start -= 1;
        }
        match self.back(start) {
            Some(b'"') => {
                let opening = self.skip_opening(start).position;
                match self.back(opening) {
                    Some(b':') => self.named(opening - 1),
                    _ => Meaning::default(),
                }
            }
            Some(b'=') => self.named(start - 1),
            Some(b'>') => self.markup(start),
            _ => Meaning::default(),
        }
    }

    /// Behind a tag that ends at `end`: the element's name, its attributes, the label in the element before, the parent.
    pub(super) fn markup(&mut self, mut end: usize) -> Meaning {
        let mut may_be_label = false;
        for _ in 0..MAX_TAGS {
            let Some((start, tag)) = self.tag_before(end) else { return Meaning::default() };
            let name_len = tag.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b":_-".contains(byte));
            let (name, attributes) = tag.split_at(name_len.unwrap_or(tag.len()));
            if tag.first() == Some(&b'/') {
                // A label stands in an element of its own before the value's; any other neighbour is another value.
                if !may_be_label {
                    return Meaning::default();
                }
            } else {
                may_be_label = is_layout_tag(name);
                let meaning = if may_be_label {
                    self.of_text(attributes)
                } else {
                    self.of_name(name.rsplit(|byte| *byte == b':').next().unwrap_or(name))
                };
                if !meaning.is_neutral() {
                    return meaning;
                }
            }
            end = start;
            while self.back(end).is_some_and(|byte| byte.is_ascii_whitespace()) {
                end -= 1;
            }
            if self.back(end) != Some(b'>') {
                let text = self.text_before(end);
                let named = self.of_name(text);
                return if named.is_neutral() && text.contains(&b' ') { self.of_text(text) } else { named };
            }
        }
        Meaning::default()
    }

    /// The tag that ends before `end`, without its brackets, and where it starts.
    pub(super) fn tag_before(&self, end: usize) -> Option<(usize, &'a [u8])> {
        let close = end.checked_sub(1)?;
        let mut open = close;
        while self.back(open)? != b'<' {
            open -= 1;
            if close - open > MAX_TAG {
                return None;
            }
        }
        Some((open - 1, self.near.slice(open, close)))
    }

    fn text_before(&self, end: usize) -> &'a [u8] {
        let mut start = end;
        while end - start < SENTENCE && self.back(start).is_some_and(|byte| !b"\n\r<>".contains(&byte)) {
            start -= 1;
        }
        self.near.slice(start, end)
    }

    /// Outwards from `position` in JSON: the names of the arrays and objects around it. `nearest` is what the value's own
    /// name says, which is neutral.
    pub(super) fn parents(&mut self, mut position: usize, nearest: Meaning) -> Meaning {
        let (mut depth, mut parents) = (0u32, 0);
        let reach = position.saturating_sub(PARENTS);
        while position > reach
            && let Some(byte) = self.back(position)
        {
            position -= 1;
            match byte {
                b'"' => position = self.string_start(position),
                b'}' | b']' => depth += 1,
                b'{' | b'[' if depth > 0 => depth -= 1,
                b'{' | b'[' => {
                    let opening = self.skip_opening(position).position;
                    if self.back(opening) != Some(b':') {
                        continue;
                    }
                    let (name, start) = self.name_before(opening - 1);
                    let meaning = self.of_name(name);
                    // "order": {"number": 1} numbers the order; "order": {"value": 1} need not.
                    let inherits = !meaning.says(Meaning::NUMBERED)
                        || nearest.says(Meaning::NUMBER_OF)
                        || nearest == Meaning::default();
                    if !meaning.is_neutral() && inherits {
                        return meaning;
                    }
                    parents += 1;
                    if parents == MAX_PARENTS {
                        break;
                    }
                    position = start;
                }
                _ => {}
            }
        }
        Meaning::default()
    }

    /// Whether the object around a name that starts at `position`, or the element around a tag, is called after somebody.
    pub(super) fn parent_is_person(&self, position: usize) -> bool {
        let (mut at, mut depth) = (position, 0u32);
        let reach = position.saturating_sub(PARENTS / 2);
        while at > reach
            && let Some(byte) = self.back(at)
        {
            at -= 1;
            match byte {
                b'}' | b']' => depth += 1,
                b'{' | b'[' if depth > 0 => depth -= 1,
                b'{' | b'[' => {
                    let opening = self.skip_opening(at).position;
                    if self.back(opening) == Some(b':') {
                        let (name, _) = self.name_before(opening - 1);
                        return self.of_name(name).says(Meaning::PERSON);
                    }
                }
                b'>' => {
                    let Some((open, tag)) = self.tag_before(at + 1) else { return false };
                    if tag.first() == Some(&b'/') {
                        depth += 1;
                    } else if depth > 0 {
                        depth -= 1;
                    } else {
                        let len = tag.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
                        return self
                            .of_name(tag.get(..len.unwrap_or(tag.len())).unwrap_or_default())
                            .says(Meaning::PERSON);
                    }
                    at = open;
                }
                _ => {}
            }
        }
        false
    }

    /// Where the string begins whose closing quote is at `quote`, as far back as parents are looked for.
    fn string_start(&self, quote: usize) -> usize {
        let mut position = quote;
        while quote - position < PARENTS
            && let Some(byte) = self.back(position)
        {
            position -= 1;
            // An escaped quote belongs to the string.
            if byte == b'"' && self.back(position) != Some(b'\\') {
                break;
            }
        }
        position
    }
}

/// Elements of HTML that say how something is laid out and not what it is.
pub(super) fn is_layout_tag(name: &[u8]) -> bool {
    matches!(
        name,
        b"a" | b"b"
            | b"code"
            | b"dd"
            | b"div"
            | b"dt"
            | b"em"
            | b"font"
            | b"i"
            | b"input"
            | b"label"
            | b"li"
            | b"p"
            | b"pre"
            | b"small"
            | b"span"
            | b"strong"
            | b"td"
            | b"th"
            | b"tr"
            | b"ul"
    )
}

#[cfg(test)]
mod tests {
    use super::super::layout::Layout;
    use super::super::vocabulary::Vocabulary;
    use super::*;

    /// What the name of the first `#` in `content` says.
    fn said(content: &str) -> Meaning {
        let layout = Layout::of(content.as_bytes(), Vocabulary::built_in());
        let start = content.find('#').unwrap();
        let (near, from) = Near::new(content.as_bytes(), start, &layout);
        meaning(&near, start - from).without(Meaning::GENERIC.and(Meaning::NUMBER_OF))
    }

    #[test]
    fn names_in_json() {
        assert_eq!(said(r##"{"order_id":1,"ssn":"#"}"##), Meaning::SSN);
        assert_eq!(said(r##"{"ssn" : #}"##), Meaning::SSN);
        assert_eq!(said("{\n  \"phones\": [\n    \"1\",\n    \"#\"\n"), Meaning::PHONE);
        assert_eq!(said(r##"{"phones":[{"type":"a{\"b","number":"#"}]}"##), Meaning::PHONE);
        assert_eq!(said(r##"{"ssn":{"kind":{"a":[1]},"value":"#"}}"##), Meaning::SSN);
        assert_eq!(said(r##"{"order":{"number":"#"}}"##), Meaning::NUMBERED);
        assert_eq!(said(r##"{"order":{"value":"#"}}"##), Meaning::default());
        assert_eq!(said(r##"{"order":{"ref":"#"}}"##), Meaning::default());
        assert_eq!(said(r##"{"phone":{"a":1},"x":["#"]}"##), Meaning::default());
        assert_eq!(said(r##"{"log":"{\"ssn\":\"#\"}"}"##), Meaning::SSN);
    }

    #[test]
    fn names_in_forms_and_markup() {
        assert_eq!(said("a=1&card=#"), Meaning::CARD);
        assert_eq!(said("a=1&note=my+card+is+#"), Meaning::CARD);
        assert_eq!(said("<person><ssn>#</ssn>"), Meaning::SSN);
        assert_eq!(said("<ns:ssn type='x'>\n  #"), Meaning::SSN);
        assert_eq!(said("<phone><number>#"), Meaning::PHONE);
        assert_eq!(said("<order><item>7</item><ref>#"), Meaning::default());
        assert_eq!(said("<person ssn=\"#\""), Meaning::SSN);
        assert_eq!(said("<tr><th>order_id</th><td>1</td></tr><tr><th>SSN</th><td>#</td>"), Meaning::SSN);
        assert_eq!(said("<tr><th>order_id</th><td>#</td>"), Meaning::NUMBERED);
        assert_eq!(said("<dt>Phone</dt>\n<dd class='x'><b>#</b>"), Meaning::PHONE);
        assert_eq!(said("<span class=\"customer-phone\">#"), Meaning::PHONE);
        assert_eq!(said("<p>Phone: <b>#"), Meaning::PHONE);
    }

    #[test]
    fn names_in_tables_and_text() {
        assert_eq!(said("id,ssn,note\n1,2,3\n4,#,5\n"), Meaning::SSN);
        assert_eq!(said("id,ssn,note\n1,\"2,3\",#\n"), Meaning::default());
        assert_eq!(said("id,ssn,note\n1,2,phone #\n"), Meaning::PHONE);
        assert_eq!(said("SSN on file: #"), Meaning::SSN);
        assert_eq!(said("card # declined"), Meaning::CARD);
        assert_eq!(said("{\"ssn\":\"it is #\"}"), Meaning::SSN);
        assert_eq!(said("phone\n#"), Meaning::default());
        assert_eq!(said("#"), Meaning::default());
    }

    #[test]
    fn names_for_showing() {
        let show = |content: &str| {
            let layout = Layout::of(content.as_bytes(), Vocabulary::built_in());
            let start = content.find('#').unwrap();
            let (near, from) = Near::new(content.as_bytes(), start, &layout);
            String::from_utf8(name(&near, start - from).to_vec()).unwrap()
        };
        assert_eq!(show("<a><mail x=\"y\">#"), "mail");
        assert_eq!(show("a=1&mail=#"), "mail");
        assert_eq!(show("words #"), "");
    }
}
