//! Text that fits a terminal, whatever was on the wire.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` without anything that a terminal would act upon: control characters, and the format characters that reorder or
/// hide what follows them, are written as escapes.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

fn is_hidden(c: char) -> bool {
    // U+2028 and U+2029 end lines, U+061C and U+200E to U+2069 change the direction of writing (Unicode annex 9).
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// How many columns `text` takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `columns`, with an ellipsis for what had to go.
pub(super) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let (start, _) = split(text, columns.saturating_sub(1));
    Cow::Owned(if columns == 0 { String::new() } else { format!("{start}…") })
}

/// `text` in lines of at most `columns`: broken between words, and within a word that is longer than a line.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    // A wide character takes two columns; with fewer there would be no end.
    let columns = columns.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for mut word in text.split_whitespace() {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        while width(word) > columns {
            let (start, rest) = split(word, columns);
            lines.push(start.to_owned());
            word = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Splits `text` behind the last character that fits into `columns`.
fn split(text: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return text.split_at(at);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_act_upon() {
        assert_eq!(visible("plain ümläut 日本"), "plain ümläut 日本");
        assert_eq!(visible("\x1b]0;owned\x07"), "\\u{1b}]0;owned\\u{7}");
        assert_eq!(visible("a\nb\r\u{9b}31m"), "a\\u{a}b\\u{d}\\u{9b}31m");
        assert_eq!(visible("txt.\u{202e}exe"), "txt.\\u{202e}exe");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn lines_break_between_words_where_they_can() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a abcdefgh b", 3), ["a", "abc", "def", "gh", "b"]);
        assert!(wrap("  ", 3).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn everything_fits_and_nothing_is_lost(text in any::<String>(), columns in 2..40_usize) {
            let text = visible(&text);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert!(width(&cut(&text, columns)) <= columns);
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns));
            let without_space = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(without_space(&lines.concat()), without_space(&text));
        }
    }
}
