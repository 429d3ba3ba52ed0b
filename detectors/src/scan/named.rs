//! Values that are told by the name they stand under.
//!
//! The scan marks the signs between names and values: `"name":`, `name=`, `<name>`, `name: `. Here the name before a sign
//! is looked up, and where it says something that a name decides, the value behind it is read. Most names say nothing,
//! and the same few come again and again in one content, so that what was said of a name is remembered.
//!
//! The other half are identifiers in running text ("NI number AB 12 34 56 C"): there a number asks which words stand
//! before it.

use std::sync::LazyLock;

use memchr::memmem;

use super::context::{self, Finder};
use super::layout::Layout;
use super::meaning::Meaning;
use super::near::Near;
use super::value::{Ending, Value, character, slashes_before};
use super::vocabulary::Vocabulary;
use super::{EntityType, Hit};
use crate::kind::Told;

/// What stands beside the name of somebody, and seldom beside that of a thing.
static NEIGHBOURS: LazyLock<[memmem::Finder<'static>; 5]> =
    LazyLock::new(|| ["mail", "phone", "irth", "passport", "gender"].map(memmem::Finder::new));

/// How long a name may be.
const MAX_NAME: usize = 64;
/// How many elements of an array are read for the name it stands under.
const MAX_ELEMENTS: usize = 8;

/// What was said of the names seen last, by their hashes. Nobody knows the key, so no name can be made to pass for another.
#[derive(Clone, Default)]
pub(crate) struct Remembered {
    names: Box<[(u64, Meaning)]>,
    hashing: ahash::RandomState,
}

const REMEMBERED: usize = 1 << 10;

/// Shows nothing of the names: a hostile one may be a value.
impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remembered").finish_non_exhaustive()
    }
}

impl Remembered {
    fn meaning(&mut self, name: &[u8], vocabulary: &Vocabulary) -> Meaning {
        if self.names.is_empty() {
            self.names = vec![(0, Meaning::default()); REMEMBERED].into();
        }
        // Never that of an empty slot.
        let hash = self.hashing.hash_one(name) | 1;
        let Some(slot) = self.names.get_mut((hash >> 54) as usize) else { return Meaning::default() };
        if slot.0 != hash {
            *slot = (hash, Meaning::of_name_in(name, vocabulary));
        }
        slot.1
    }
}

/// Where values are read, and what for.
pub(super) struct Reader<'r, 'a> {
    pub(super) near: &'r Near<'a>,
    pub(super) remembered: &'r mut Remembered,
}

impl<'a> Reader<'_, 'a> {
    /// Reads from the sign that the candidate is: `:`, `=`, `>`, or the space behind a label's colon.
    #[inline(never)]
    pub(super) fn at_sign(&mut self, found: &mut impl FnMut(Hit)) {
        let at = self.near.at();
        match self.near.get(at) {
            Some(b':') => self.json(at, found),
            Some(b'=') => self.equals(at, found),
            Some(b'>') => self.element(at, found),
            Some(b' ') => self.label(at, found),
            _ => {}
        }
    }

    fn vocabulary(&self) -> &'static Vocabulary {
        self.near.layout().vocabulary()
    }

    /// What of a name's meaning is decided by names.
    fn wanted(&self, meaning: Meaning) -> Meaning {
        meaning.within(self.vocabulary().by_name().and(self.vocabulary().by_digits()))
    }

    /// `"name": value` at the colon.
    fn json(&mut self, colon: usize, found: &mut impl FnMut(Hit)) {
        let near = self.near;
        let mut start = colon + 1;
        while start - colon < 24 && near.get(start).is_some_and(|byte| byte.is_ascii_whitespace()) {
            start += 1;
        }
        // Objects have names of their own; `true`, `false` and `null` are nothing.
        if matches!(near.get(start), None | Some(b'{' | b't' | b'f' | b'n')) {
            return;
        }
        let mut end = colon;
        while near.back(end, 1) == Some(b' ') {
            end -= 1;
        }
        end -= 1;
        while near.back(end, 1) == Some(b'\\') {
            end -= 1;
        }
        let before = near.slice(end.saturating_sub(MAX_NAME), end);
        let Some(quote) = memchr::memrchr(b'"', before) else { return };
        let name = before.get(quote + 1..).unwrap_or_default();
        let mut meaning = self.remembered.meaning(name, self.vocabulary());
        if meaning.is_neutral() && meaning.says(Meaning::GENERIC) && !meaning.says(Meaning::NAME) {
            let parents = Finder { near: self.near, floor: 0 }.parents(end - name.len() - 1, meaning);
            // `"address": {"value": ...}`; what a number in it is says the shape.
            meaning = parents;
        }
        if meaning.says(Meaning::NAME)
            && !meaning.says(Meaning::PERSON)
            && self.may_be_a_name(start)
            && self.is_of_a_person(end - name.len())
        {
            meaning = meaning.and(Meaning::of_type(EntityType::PersonName));
        }
        let wanted = self.wanted(meaning);
        if wanted == Meaning::default() {
            return;
        }
        if near.get(start) != Some(b'[') {
            self.scalar(start, wanted, found);
            return;
        }
        let mut position = start + 1;
        for _ in 0..MAX_ELEMENTS {
            while near.get(position).is_some_and(|byte| byte.is_ascii_whitespace() || byte == b',') {
                position += 1;
            }
            if matches!(near.get(position), None | Some(b']' | b'{' | b'[')) {
                return;
            }
            position = self.scalar(position, wanted, found) + 1;
        }
    }

    /// A string or number of JSON; returns where it ends.
    fn scalar(&mut self, start: usize, wanted: Meaning, found: &mut impl FnMut(Hit)) -> usize {
        let near = self.near;
        let mut open = start;
        while near.get(open) == Some(b'\\') && open - start < 8 {
            open += 1;
        }
        let (start, ending) = match near.get(open) {
            Some(b'"') => (open + 1, Ending::Quote(b'"', open - start)),
            _ => (start, Ending::Word),
        };
        self.judge(start, ending, wanted, found)
    }

    /// Reads the value at `start` as what `wanted` says; returns where it ends.
    fn judge(&mut self, start: usize, ending: Ending, wanted: Meaning, found: &mut impl FnMut(Hit)) -> usize {
        let near = self.near;
        let value = Value::read(near, start, ending);
        if let Some((entity, end)) = told(&value, wanted, ending == Ending::Line) {
            found(Hit { entity, start, end });
        }
        value.end
    }

    /// Whether the string at `start` begins as names of people do: a capital, or a script that has none, and a letter.
    fn may_be_a_name(&self, start: usize) -> bool {
        const SEEN: usize = 32;
        let text = self.near.slice(start, start + SEEN);
        let mut text = text.iter().skip_while(|byte| matches!(byte, b'"' | b'\\'));
        text.next().is_some_and(|byte| byte.is_ascii_uppercase() || *byte >= 0x80 || *byte == b'u')
            && !text
                .take_while(|byte| !matches!(byte, b'"'))
                .any(|byte| matches!(byte, b'/' | b':' | b'_' | b'@' | b'&'))
    }

    /// Whether the object in which a name stands that starts at `name` is somebody: by its own name, or by what else is
    /// in it.
    fn is_of_a_person(&self, name: usize) -> bool {
        const AROUND: usize = 160;
        let around = self.near.slice(name.saturating_sub(AROUND), name + AROUND);
        NEIGHBOURS.iter().any(|neighbour| neighbour.find(around).is_some())
            || Finder { near: self.near, floor: 0 }.parent_is_person(name)
    }

    /// `name=value`, `name="value"`, at the equals sign.
    fn equals(&mut self, sign: usize, found: &mut impl FnMut(Hit)) {
        let near = self.near;
        let start = sign + 1;
        let (start, ending) = match near.get(start) {
            None | Some(b'=' | b'&' | b' ' | b'>' | b'\n' | b'\r') => return,
            Some(quote @ (b'"' | b'\'')) => {
                // What opened the string that this stands in cannot open another.
                if quote == b'"' && slashes_before(near, start) > 0 {
                    return;
                }
                (start + 1, Ending::Quote(quote, 0))
            }
            Some(b'\\') if near.get(start + 1) == Some(b'"') => (start + 2, Ending::Quote(b'"', 1)),
            Some(_) if near.layout().is_form() => (start, Ending::Field),
            Some(_) => (start, Ending::Word),
        };
        let mut begin = sign;
        while sign - begin < MAX_NAME && near.back(begin, 1).is_some_and(is_name_byte) {
            begin -= 1;
        }
        let name = near.slice(begin, sign);
        if name.is_empty() {
            return;
        }
        let mut meaning = self.remembered.meaning(name, self.vocabulary());
        if matches!(ending, Ending::Quote(..)) {
            match name {
                b"value" | b"content" => meaning = self.attributes(begin, start),
                b"name" => return self.part(begin, start, found),
                _ => {}
            }
        }
        let wanted = self.wanted(meaning);
        if wanted != Meaning::default() {
            self.judge(start, ending, wanted, found);
        }
    }

    /// What the other attributes of a tag say its value is: `<input name="iban" value="...">`, `<meta name=...>`.
    fn attributes(&mut self, before: usize, value: usize) -> Meaning {
        let near = self.near;
        let open = memchr::memrchr(b'<', near.slice(before.saturating_sub(256), before));
        let Some(open) = open.map(|at| before.saturating_sub(256) + at) else { return Meaning::default() };
        let rest = near.slice(value, value + 256);
        let close = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        let tag = near.slice(open, value + close);
        for attribute in [b" name=".as_slice(), b" property=", b" itemprop=", b" id=", b" autocomplete="] {
            let Some(at) = memmem::find(tag, attribute) else { continue };
            let from = tag.get(at + attribute.len()..).unwrap_or_default();
            let Some((quote @ (b'"' | b'\''), text)) = from.split_first() else { continue };
            let name = text.split(|byte| byte == quote).next().unwrap_or_default();
            let name = name.strip_prefix(b"og:").or_else(|| name.strip_prefix(b"profile:")).unwrap_or(name);
            let meaning = self.remembered.meaning(name, self.vocabulary());
            if self.wanted(meaning) != Meaning::default() {
                return meaning;
            }
        }
        Meaning::default()
    }

    /// `Content-Disposition: form-data; name="..."`, and the part's content behind its header section (RFC 7578).
    fn part(&mut self, begin: usize, start: usize, found: &mut impl FnMut(Hit)) {
        let near = self.near;
        if !near.slice(begin.saturating_sub(11), begin).eq_ignore_ascii_case(b"form-data; ") {
            return;
        }
        let rest = near.slice(start, start + 256);
        let Some(quote) = memchr::memchr(b'"', rest) else { return };
        let Some(blank) = memmem::find(rest, b"\r\n\r\n") else { return };
        let meaning = self.remembered.meaning(rest.get(..quote).unwrap_or_default(), self.vocabulary());
        let wanted = self.wanted(meaning);
        if quote < blank && wanted != Meaning::default() {
            self.judge(start + blank + 4, Ending::Line, wanted, found);
        }
    }

    /// `<name>value`, at the bracket; the cell beside a label too.
    fn element(&mut self, bracket: usize, found: &mut impl FnMut(Hit)) {
        let near = self.near;
        let mut start = bracket + 1;
        while start - bracket < 24 && near.get(start).is_some_and(|byte| byte.is_ascii_whitespace()) {
            start += 1;
        }
        if near.has(start, b"<![CDATA[") {
            start += 9;
        } else if matches!(near.get(start), None | Some(b'<')) {
            return;
        }
        let finder = Finder { near: self.near, floor: 0 };
        let Some((open, tag)) = finder.tag_before(bracket + 1) else { return };
        if !tag.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80) {
            return;
        }
        let len = tag.iter().position(|byte| !is_name_byte(*byte) && *byte != b':').unwrap_or(tag.len());
        let name = tag.get(..len).unwrap_or_default();
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
        let mut meaning = if context::is_layout_tag(name) {
            Finder { near: self.near, floor: 0 }.markup(bracket + 1)
        } else {
            self.remembered.meaning(local, self.vocabulary())
        };
        if meaning.is_neutral() && meaning.says(Meaning::GENERIC) {
            meaning = Finder { near: self.near, floor: 0 }.markup(bracket + 1);
        }
        if meaning.says(Meaning::NAME) && !meaning.says(Meaning::PERSON) && self.is_of_a_person(open) {
            meaning = meaning.and(Meaning::of_type(EntityType::PersonName));
        }
        let wanted = self.wanted(meaning);
        if wanted != Meaning::default() {
            self.judge(start, Ending::Tag, wanted, found);
        }
    }

    /// `Label: value` at the space: text, and objects of scripts.
    fn label(&mut self, space: usize, found: &mut impl FnMut(Hit)) {
        let near = self.near;
        let start = space + 1;
        let colon = space - 1;
        let mut begin = colon;
        while colon - begin < MAX_NAME
            && near.back(begin, 1).is_some_and(|byte| is_name_byte(byte) || matches!(byte, b' ' | b'/' | b'(' | b')'))
        {
            begin -= 1;
        }
        // The `n` of an escaped line end is no part of the label.
        if near.back(begin, 1) == Some(b'\\') && matches!(near.get(begin), Some(b'n' | b't' | b'r')) {
            begin += 1;
        }
        let name = near.slice(begin, colon).trim_ascii();
        let meaning = self.remembered.meaning(name, self.vocabulary());
        let said = if self.wanted(meaning).says(self.vocabulary().by_digits()) || !name.contains(&b' ') {
            meaning
        } else {
            // The label ends a sentence, perhaps: its last words say what comes.
            meaning.and(Meaning::of_text_in(name, self.vocabulary()))
        };
        let mut wanted = self.wanted(said);
        // A name within a sentence is not the name of a field: a label begins its line, and is short.
        let begins_line = near.unit_before(begin).is_none_or(|(byte, _)| !byte.is_ascii_alphanumeric() && byte != b',')
            && name.iter().filter(|byte| **byte == b' ').count() < 4;
        if !begins_line {
            wanted = wanted.without(self.vocabulary().by_name());
        }
        if wanted == Meaning::default() {
            return;
        }
        match near.get(start) {
            Some(quote @ (b'"' | b'\'')) if slashes_before(near, start) == 0 => {
                self.judge(start + 1, Ending::Quote(quote, 0), wanted, found);
            }
            _ => {
                self.judge(start, Ending::Line, wanted, found);
            }
        }
    }

    /// A number within running text, at its first digit: an identifier when the words before it say so.
    #[inline(never)]
    pub(super) fn in_text(&mut self, found: &mut impl FnMut(Hit)) {
        let near = self.near;
        let at = near.at();
        // Letters that belong to it stand directly before, or as a group of one or two.
        let mut start = at;
        while at - start < 6 && near.back(start, 1).is_some_and(|byte| byte.is_ascii_uppercase()) {
            start -= 1;
        }
        let spaced = |position: usize| {
            let letters = (1..=2)
                .take_while(|distance| near.back(position, 1 + distance).is_some_and(|b| b.is_ascii_uppercase()));
            let letters = letters.count();
            (letters > 0 && matches!(near.back(position, 1), Some(b' ' | b'+'))).then(|| position - 1 - letters)
        };
        let mut starts = [Some(start), None];
        if start == at {
            starts[1] = spaced(start);
        }
        let is_word_start =
            |start: &usize| near.unit_before(*start).is_none_or(|(byte, _)| matches!(byte, b' ' | b'(' | b'#' | b'\n'));
        for start in starts.into_iter().flatten().filter(is_word_start) {
            if near
                .layout()
                .delimiter()
                .is_some_and(|delimiter| context::cell(near, start, delimiter).is_none_or(|cell| cell.start == start))
            {
                continue;
            }
            let Some(text) = context::words_before(near, start) else { continue };
            let wanted = Meaning::of_text_in(text, self.vocabulary()).within(self.vocabulary().by_digits());
            if wanted == Meaning::default() {
                continue;
            }
            let value = Value::read(near, start, Ending::Line);
            if let Some((entity, end)) = told(&value, wanted, true) {
                found(Hit { entity, start, end });
                return;
            }
        }
    }
}

/// Reads the cells of a table's columns that names decide, those that start in `range`.
pub(super) fn cells(content: &[u8], range: std::ops::Range<usize>, layout: &Layout, found: &mut impl FnMut(Hit)) {
    let vocabulary = layout.vocabulary();
    let wanted_of = |meaning: Meaning| meaning.within(vocabulary.by_name().and(vocabulary.by_digits()));
    let Some(delimiter) = layout.delimiter() else { return };
    if !layout.may_say(vocabulary.by_name().and(vocabulary.by_digits()).and(Meaning::NAME)) {
        return;
    }
    let is_about_people = layout.may_say(
        Meaning::of_type(EntityType::Email).and(Meaning::PHONE).and(Meaning::of_type(EntityType::DateOfBirth)),
    );
    // A row's start within sight of its cells gives them their columns, however the content is cut.
    let sight = range.start.saturating_sub(super::near::LOOK_BACK);
    let before = content.get(sight..range.start).unwrap_or_default();
    let Some(body) = content.get(..range.end) else { return };
    let mut row = memchr::memrchr(b'\n', before).map(|at| sight + at + 1);
    let (mut column, mut quoted) = (0usize, false);
    let mut position = row.unwrap_or(range.start);
    let mut at_start = row.is_some();
    loop {
        if at_start {
            let seen = row.is_some_and(|row| position - row < super::near::LOOK_BACK);
            let mut meaning = if seen { layout.column(column) } else { Meaning::default() };
            if meaning.says(Meaning::NAME) && is_about_people {
                meaning = meaning.and(Meaning::of_type(EntityType::PersonName));
            }
            let wanted = wanted_of(meaning);
            if range.contains(&position) && wanted != Meaning::default() {
                let (near, from) = Near::new(content, position, layout);
                let (start, ending) = match near.get(near.at()) {
                    Some(b'"') => (near.at() + 1, Ending::Quote(b'"', 0)),
                    _ => (near.at(), Ending::Cell(delimiter)),
                };
                let value = Value::read(&near, start, ending);
                if let Some((entity, end)) = told(&value, wanted, false) {
                    found(Hit { entity, start: from + start, end: from + end });
                }
            }
        }
        let Some(next) = memchr::memchr3(delimiter, b'"', b'\n', body.get(position..).unwrap_or_default()) else {
            return;
        };
        let byte = body.get(position + next).copied();
        position += next + 1;
        at_start = false;
        match byte {
            Some(b'\n') => (row, column, quoted, at_start) = (Some(position), 0, false, true),
            Some(b'"') => quoted = !quoted,
            _ if !quoted => (column, at_start) = (column + 1, true),
            _ => {}
        }
    }
}

/// Which of the kinds that `wanted` says the value is one of, and where it ends. In running text other words may follow
/// an identifier. What the configuration says of a name goes before what is built in.
fn told(value: &Value<'_>, wanted: Meaning, in_text: bool) -> Option<(EntityType, usize)> {
    let vocabulary = value.near.layout().vocabulary();
    let mut kinds = wanted.within(Meaning::CLASS).kinds().chain(wanted.without(Meaning::CLASS).kinds());
    kinds.find_map(|number| {
        let entity = *EntityType::ALL.get(number)?;
        match vocabulary.kind(number)?.told {
            Told::NameAndForm(form) => form.end_of(value, in_text).map(|end| (entity, end)),
            Told::NameAndDigits(is) => identifier(value, is, in_text).map(|end| (entity, end)),
            Told::Name(is) => (!value.text().is_empty() && is(value)).then_some((entity, value.end)),
            Told::Form | Told::Prefix(_) => None,
        }
    })
}

/// How many groups an identifier is written in, and how many letters and digits it has, at most.
const MAX_GROUPS: usize = 8;
const MAX_IDENTIFIER: usize = 24;

/// Where the identifier ends that a value begins with, or is.
fn identifier(value: &Value<'_>, is: fn(&[u8]) -> bool, in_text: bool) -> Option<usize> {
    let near = value.near;
    let (mut compact, mut len) = ([0u8; MAX_IDENTIFIER], 0);
    let mut ends = [(0, 0); MAX_GROUPS];
    let mut groups = 0;
    let mut position = value.start;
    while position < value.end {
        let (character, taken) = character(near, position)?;
        if character.is_ascii_alphanumeric() {
            let Some(place) = compact.get_mut(len) else { break };
            *place = (character as u8).to_ascii_uppercase();
            len += 1;
        } else if matches!(character, ' ' | '-' | '.' | '/' | '+') {
            if let Some(end) = ends.get_mut(groups) {
                *end = (len, position);
                groups += 1;
            } else {
                break;
            }
        } else {
            break;
        }
        position += taken;
    }
    if (position >= value.end || in_text) && is(compact.get(..len)?) {
        return Some(position);
    }
    if !in_text {
        return None;
    }
    ends.get(..groups)?.iter().rev().find(|(len, _)| compact.get(..*len).is_some_and(is)).map(|(_, end)| *end)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$' | b'@' | b'[' | b']') || byte >= 0x80
}
