//! What a verifier sees of the content: the bytes around a candidate, and no more.
//!
//! The bounds are a law of their own. As no verdict can depend on anything outside of them, content gives the same
//! verdicts however it is cut into windows that overlap by as much; and as no verifier can read further, hostile content
//! costs at most so much for each of its bytes.

use super::layout::Layout;

/// How many bytes before a candidate a verifier sees: room for the row of a table, one with a long token in it too.
pub(crate) const LOOK_BACK: usize = 2_048;
/// How many bytes from a candidate on a verifier sees: a domain name of 253 (RFC 1035), escapes in it, and what follows.
pub(crate) const LOOK_AHEAD: usize = 320;

/// The surroundings of a candidate. Positions are counted from the start of what is visible.
#[derive(Clone, Copy)]
pub(crate) struct Near<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether the content ends where what is visible does.
    is_end: bool,
    layout: &'a Layout,
}

impl<'a> Near<'a> {
    /// What can be seen around `content[at]`, and how far into the content that begins.
    pub(crate) fn new(content: &'a [u8], at: usize, layout: &'a Layout) -> (Self, usize) {
        let start = at.saturating_sub(LOOK_BACK);
        let is_end = content.len() < at.saturating_add(LOOK_AHEAD);
        let end = at.saturating_add(LOOK_AHEAD).min(content.len());
        let bytes = content.get(start..end).unwrap_or_default();
        (Self { bytes, at: at - start, is_end, layout }, start)
    }

    /// Where the candidate's shape ends: its last byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The same surroundings, seen from another place in them.
    pub(crate) fn from(&self, at: usize) -> Self {
        Self { at, ..*self }
    }

    /// Whether the content ends at a position.
    pub(crate) fn is_last(&self, position: usize) -> bool {
        self.is_end && position >= self.bytes.len()
    }

    /// What kind of content this is part of.
    pub(crate) fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// The byte at a position, if it is visible.
    #[inline(always)]
    pub(crate) fn get(&self, position: usize) -> Option<u8> {
        #[cfg(test)]
        work::count(1);
        self.bytes.get(position).copied()
    }

    /// The byte `distance` before a position.
    #[inline(always)]
    pub(crate) fn back(&self, position: usize, distance: usize) -> Option<u8> {
        self.get(position.checked_sub(distance)?)
    }

    /// The bytes from `start` to `end`, those that are visible.
    pub(crate) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        let slice = self.bytes.get(start..end.min(self.bytes.len())).unwrap_or_default();
        #[cfg(test)]
        work::count(slice.len());
        slice
    }

    /// Whether `text` stands at a position.
    pub(crate) fn has(&self, position: usize, text: &[u8]) -> bool {
        self.slice(position, position.saturating_add(text.len())) == text
    }

    /// The character at a position with percent-encoding, JSON's `\u00XX` and a form's `+` undone, and the bytes it
    /// takes.
    pub(crate) fn unit(&self, position: usize) -> Option<(u8, usize)> {
        let byte = self.get(position)?;
        match byte {
            b'%' => match self.hex(position + 1) {
                Some(decoded) => Some((decoded, 3)),
                None => Some((byte, 1)),
            },
            b'\\' if self.has(position + 1, b"u00") => match self.hex(position + 4) {
                Some(decoded) => Some((decoded, 6)),
                None => Some((byte, 1)),
            },
            b'+' if self.layout.is_form() => Some((b' ', 1)),
            _ => Some((byte, 1)),
        }
    }

    /// The character that ends before a position, encodings undone as [`Self::unit`] does, short escapes such as `\n`
    /// too, and the bytes it takes.
    pub(crate) fn unit_before(&self, position: usize) -> Option<(u8, usize)> {
        let byte = self.back(position, 1)?;
        if byte.is_ascii_hexdigit() {
            if self.back(position, 3) == Some(b'%')
                && let Some(decoded) = self.hex(position - 2)
            {
                return Some((decoded, 3));
            }
            if self.back(position, 6) == Some(b'\\')
                && self.has(position - 5, b"u00")
                && let Some(decoded) = self.hex(position - 2)
            {
                return Some((decoded, 6));
            }
        }
        if matches!(byte, b'n' | b'r' | b't' | b'b' | b'f') && self.back(position, 2) == Some(b'\\') {
            return Some((b'\n', 2));
        }
        if byte == b'+' && self.layout.is_form() {
            return Some((b' ', 1));
        }
        Some((byte, 1))
    }

    fn hex(&self, position: usize) -> Option<u8> {
        let digit = |position| char::from(self.get(position)?).to_digit(16);
        u8::try_from(digit(position)? << 4 | digit(position + 1)?).ok()
    }

    /// The number in a run of digits that starts at `run`: digits that belong to an encoded character are not part of
    /// it.
    pub(crate) fn after_escape(&self, run: usize) -> usize {
        match self.back(run, 1) {
            Some(b'%') => run + 2,
            Some(b'u') if self.back(run, 2) == Some(b'\\') && self.has(run, b"00") => run + 4,
            _ => run,
        }
    }

    /// How many digits stand from a position on, counting to `limit`.
    pub(crate) fn run_len(&self, position: usize, limit: usize) -> usize {
        self.slice(position, position + limit).iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// Whether a number may start at a position: what stands before is not part of a longer word, number or path.
    #[inline]
    pub(crate) fn opens(&self, position: usize) -> bool {
        matches!(self.back(position, 1), None | Some(b'"' | b' ' | b':' | b',' | b'=' | b'>'))
            || self.opens_rarely(position)
    }

    #[cold]
    fn opens_rarely(&self, position: usize) -> bool {
        self.unit_before(position)
            .is_none_or(|(before, _)| !(before.is_ascii_alphanumeric() || b"_.-+/#@*~^\\".contains(&before)))
    }

    /// Whether a number may end at a position.
    #[inline]
    pub(crate) fn closes(&self, position: usize) -> bool {
        matches!(self.get(position), None | Some(b'"' | b' ' | b',' | b'}' | b']' | b'<' | b'&'))
            || self.closes_rarely(position)
    }

    #[cold]
    fn closes_rarely(&self, position: usize) -> bool {
        let Some((after, len)) = self.unit(position) else { return true };
        match after {
            // The end of a sentence, or a dash between words.
            b'.' | b'-' => !self.unit(position + len).is_some_and(|(next, _)| next.is_ascii_alphanumeric()),
            b'_' | b'@' | b'*' => false,
            _ => !after.is_ascii_alphanumeric(),
        }
    }
}

/// Counts the bytes that verifiers read, so that tests can tell linear work from quadratic without a clock.
#[cfg(test)]
pub(crate) mod work {
    use std::cell::Cell;

    thread_local! {
        static READ: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn count(bytes: usize) {
        READ.set(READ.get() + bytes as u64);
    }

    /// How many bytes this thread read since it was last asked.
    pub(crate) fn take() -> u64 {
        READ.replace(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::Vocabulary;
    use super::*;

    fn near<'a>(content: &'a [u8], layout: &'a Layout) -> Near<'a> {
        Near::new(content, 0, layout).0
    }

    #[test]
    fn encodings_are_undone_in_both_directions() {
        let layout = Layout::plain(Vocabulary::built_in());
        let content = br"a%40b\u002Bc\nd%4";
        let near = near(content, &layout);
        assert_eq!(near.unit(1), Some((b'@', 3)));
        assert_eq!(near.unit_before(4), Some((b'@', 3)));
        assert_eq!(near.unit(5), Some((b'+', 6)));
        assert_eq!(near.unit_before(11), Some((b'+', 6)));
        assert_eq!(near.unit_before(14), Some((b'\n', 2)));
        assert_eq!(near.unit(15), Some((b'%', 1)));
        assert_eq!(near.unit(17), None);
        assert_eq!(near.unit_before(0), None);
    }

    #[test]
    fn runs_leave_out_encoded_characters() {
        let layout = Layout::plain(Vocabulary::built_in());
        assert_eq!(near(b"%2212345", &layout).after_escape(1), 3);
        assert_eq!(near(br"\u002212345", &layout).after_escape(2), 6);
        assert_eq!(near(b"u12345", &layout).after_escape(1), 1);
        assert_eq!(near(b"12345x", &layout).run_len(0, 9), 5);
    }

    #[test]
    fn only_the_surroundings_are_visible() {
        let layout = Layout::plain(Vocabulary::built_in());
        let content = vec![b'x'; 4_000];
        let (near, start) = Near::new(&content, 3_000, &layout);
        assert_eq!((start, near.at()), (3_000 - LOOK_BACK, LOOK_BACK));
        assert_eq!(near.slice(0, usize::MAX).len(), LOOK_BACK + LOOK_AHEAD);
        assert_eq!(near.get(LOOK_BACK + LOOK_AHEAD), None);
    }
}
