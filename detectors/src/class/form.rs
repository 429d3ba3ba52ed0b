//! The form of a class's values, and the prefix that they begin with.

use memchr::memmem;

use super::Check;
use crate::scan::near::Near;
use crate::scan::value::{Value, character};

/// The shape of a value: what may stand at each place.
#[derive(Debug)]
pub(crate) struct Form {
    places: Box<[Place]>,
    check: Option<Check>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Digit,
    Letter,
    Either,
    This(char),
}

impl Place {
    fn of(written: char) -> Self {
        match written {
            '#' => Self::Digit,
            '@' => Self::Letter,
            '*' => Self::Either,
            _ => Self::This(written),
        }
    }

    fn takes(self, character: char) -> bool {
        match self {
            Self::Digit => character.is_ascii_digit(),
            Self::Letter => character.is_ascii_alphabetic(),
            Self::Either => character.is_ascii_alphanumeric(),
            Self::This(only) => character == only,
        }
    }
}

impl Form {
    /// Whether a text describes a form: printable, with places that tell values apart.
    pub(super) fn is_one(format: &str) -> bool {
        let is_printable = |character: char| character.is_ascii_graphic() || character == ' ';
        let open = format.chars().filter(|written| !matches!(Place::of(*written), Place::This(_))).count();
        format.chars().all(is_printable) && open >= 3
    }

    pub(super) fn of(format: &str, check: Option<Check>) -> Self {
        Self { places: format.chars().map(Place::of).collect(), check }
    }

    /// Where the text ends that has this form and starts at `start`, if its check holds.
    fn end(&self, near: &Near<'_>, start: usize) -> Option<usize> {
        let (mut compact, mut len) = ([0; super::MAX_TEXT], 0);
        let mut position = start;
        for place in &self.places {
            let (character, taken) = character(near, position)?;
            if !place.takes(character) {
                return None;
            }
            if character.is_ascii_alphanumeric()
                && let Some(byte) = compact.get_mut(len)
            {
                *byte = (character as u8).to_ascii_uppercase();
                len += 1;
            }
            position += taken;
        }
        let holds = self.check.is_none_or(|check| compact.get(..len).is_some_and(|compact| check.holds(compact)));
        holds.then_some(position)
    }

    /// Where the value ends that has this form: all of it, or within running text its beginning.
    pub(crate) fn end_of(&self, value: &Value<'_>, in_text: bool) -> Option<usize> {
        let near = value.near;
        let mut start = value.start;
        while start < value.end && near.get(start).is_some_and(|byte| byte.is_ascii_whitespace()) {
            start += 1;
        }
        let end = self.end(near, start)?;
        let is_all = end == value.end && !value.text().is_empty();
        (is_all || in_text && end <= value.end && near.closes(end)).then_some(end)
    }
}

/// What values begin with, and how they go on.
#[derive(Debug)]
pub(crate) struct Prefix {
    finder: memmem::Finder<'static>,
    form: Option<Form>,
    check: Option<Check>,
}

/// How many bytes follow a prefix at least, where no form says so: fewer are a word or a placeholder.
const SHORTEST_REST: usize = 8;
/// How many bytes of what follows are looked at.
const LONGEST_REST: usize = 200;

impl Prefix {
    pub(super) fn of(prefix: &str, form: Option<Form>, check: Option<Check>) -> Self {
        Self { finder: memmem::Finder::new(prefix).into_owned(), form, check }
    }

    fn len(&self) -> usize {
        self.finder.needle().len()
    }

    /// Calls `candidate` with each place in `content[range]` at which the prefix starts, overlapping ones too: which they
    /// are must not hang on where the range begins.
    pub(crate) fn each(&self, content: &[u8], range: &std::ops::Range<usize>, mut candidate: impl FnMut(usize)) {
        let end = range.end.saturating_add(self.len() - 1).min(content.len());
        let Some(content) = content.get(..end) else { return };
        let mut from = range.start;
        while let Some(at) = content.get(from..).and_then(|rest| self.finder.find(rest)) {
            candidate(from + at);
            from += at + 1;
        }
    }

    /// Where the value ends that starts with the prefix at a position.
    pub(crate) fn end_at(&self, near: &Near<'_>, start: usize) -> Option<usize> {
        // Part of a longer word is no beginning.
        if near.unit_before(start).is_some_and(|(byte, _)| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        {
            return None;
        }
        let rest = start + self.len();
        if let Some(form) = &self.form {
            return form.end(near, rest).filter(|end| near.closes(*end));
        }
        let text = near.slice(rest, rest + LONGEST_REST);
        let run = text.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(text.len());
        let mut text = text.get(..run)?;
        // The end of a sentence is not of the token.
        while let Some((b'.' | b'-', shorter)) = text.split_last() {
            text = shorter;
        }
        let is_varied = text.windows(2).any(|pair| pair.first() != pair.last());
        let holds = |check: Check| {
            let (mut compact, mut len) = ([0; super::MAX_TEXT], 0);
            for byte in text.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
                *compact.get_mut(len)? = byte.to_ascii_uppercase();
                len += 1;
            }
            Some(check.holds(compact.get(..len)?))
        };
        (text.len() >= SHORTEST_REST && is_varied && self.check.is_none_or(|check| holds(check) == Some(true)))
            .then_some(rest + text.len())
    }
}

/// What tokens are made of.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}
