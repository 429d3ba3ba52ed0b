//! Tokens of ClickHouse's SQL: enough of its lexer to know what stands inside of quotes, comments and parentheses.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a bare name, and anything that begins with a digit.
    Word,
    /// A name in backticks or double quotes.
    QuotedName,
    /// A string in single quotes, or a heredoc.
    Text,
    /// `(`, `[` or `{`.
    Open,
    /// `)`, `]` or `}`.
    Close,
    /// `.`
    Dot,
    /// `;`
    Semicolon,
    /// A quote or comment that does not end.
    Unended,
    /// Anything else.
    Other,
}

/// A token with its place in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// Its bytes, quotes included.
    pub(super) bytes: &'a [u8],
    /// Where it begins.
    pub(super) start: usize,
    /// How many brackets are open around it. Opening and closing brackets stand outside of what they enclose.
    pub(super) depth: usize,
}

impl Token<'_> {
    /// Whether it is this keyword, whatever the case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.bytes.eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// Where it ends.
    pub(super) fn end(&self) -> usize {
        self.start + self.bytes.len()
    }
}

/// The tokens of a text, without blanks and comments.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Tokens<'a> {
    /// Reads tokens from the beginning of `text`.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = self.rest();
            let blank = blank_or_comment(rest);
            if blank == Some(0) {
                break;
            }
            let Some(blank) = blank else {
                let token = Token { kind: Kind::Unended, bytes: rest, start: self.at, depth: self.depth };
                self.at = self.text.len();
                return Some(token);
            };
            self.at += blank;
        }
        let rest = self.rest();
        let first = *rest.first()?;
        let (kind, length) = token(first, rest);
        if kind == Kind::Close {
            self.depth = self.depth.saturating_sub(1);
        }
        let token = Token { kind, bytes: rest.get(..length).unwrap_or(rest), start: self.at, depth: self.depth };
        if kind == Kind::Open {
            self.depth += 1;
        }
        self.at = token.end();
        Some(token)
    }
}

/// Kind and length of the token at the start of `text`.
fn token(first: u8, text: &[u8]) -> (Kind, usize) {
    match first {
        b'\'' => quoted(text, Kind::Text),
        b'"' | b'`' => quoted(text, Kind::QuotedName),
        b'(' | b'[' | b'{' => (Kind::Open, 1),
        b')' | b']' | b'}' => (Kind::Close, 1),
        b'.' => (Kind::Dot, 1),
        b';' => (Kind::Semicolon, 1),
        b'$' => match heredoc(text) {
            Some(length) => (Kind::Text, length),
            None if text.get(1).copied().is_some_and(is_word) => (Kind::Word, word(text)),
            None => (Kind::Other, 1),
        },
        first if is_word(first) => (Kind::Word, word(text)),
        // Typographic quotes quote as well: ‘text’ and “name”.
        0xe2 if text.starts_with("‘".as_bytes()) => until(text, "’".as_bytes(), Kind::Text),
        0xe2 if text.starts_with("“".as_bytes()) => until(text, "”".as_bytes(), Kind::QuotedName),
        _ => (Kind::Other, 1),
    }
}

fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
}

fn word(text: &[u8]) -> usize {
    text.iter().take_while(|octet| is_word(**octet) || **octet == b'$').count()
}

/// A quoted token: a backslash takes the next octet along, and a doubled quote stands for one.
fn quoted(text: &[u8], kind: Kind) -> (Kind, usize) {
    let quote = text.first().copied().unwrap_or_default();
    let mut at = 1;
    while let Some(octet) = text.get(at) {
        match *octet {
            b'\\' => at += 2,
            octet if octet == quote && text.get(at + 1) == Some(&quote) => at += 2,
            octet if octet == quote => return (kind, at + 1),
            _ => at += 1,
        }
    }
    (Kind::Unended, text.len())
}

fn until(text: &[u8], end: &[u8], kind: Kind) -> (Kind, usize) {
    memchr::memmem::find(text, end).map_or((Kind::Unended, text.len()), |at| (kind, at + end.len()))
}

/// The length of `$tag$...$tag$` at the start of `text`.
fn heredoc(text: &[u8]) -> Option<usize> {
    let name = memchr::memchr(b'$', text.get(1..)?)? + 2;
    let (tag, rest) = text.split_at_checked(name)?;
    memchr::memmem::find(rest, tag).map(|at| name + at + name)
}

/// How much of the start of `text` is blank or one comment; `None` for a comment that does not end.
fn blank_or_comment(text: &[u8]) -> Option<usize> {
    let line = || memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
    match text {
        [b'-', b'-', ..] | [b'#', b' ' | b'!', ..] => Some(line()),
        [b'/', b'*', rest @ ..] => memchr::memmem::find(rest, b"*/").map(|end| end + 4),
        // The no-break space counts as blank.
        [0xc2, 0xa0, ..] => Some(2),
        _ => Some(text.iter().take_while(|octet| matches!(octet, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)).count()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        Tokens::new(text.as_bytes()).map(|token| String::from_utf8_lossy(token.bytes).into_owned()).collect()
    }

    #[test]
    fn quotes_and_comments_hide_what_they_enclose() {
        assert_eq!(words("a 'b; ''c\\' d' \"e\"\"f\" `g\\`h`"), ["a", "'b; ''c\\' d'", "\"e\"\"f\"", "`g\\`h`"]);
        assert_eq!(words("a -- b ; c\nd /* e ; */ f # g\nh #!i\nj"), ["a", "d", "f", "h", "j"]);
        assert_eq!(words("$$ a; $$ b $x$ $$ c; $x$ $ d$e"), ["$$ a; $$", "b", "$x$ $$ c; $x$", "$", "d$e"]);
        assert_eq!(words("‘a;’ “b;” c"), ["‘a;’", "“b;”", "c"]);
    }

    #[test]
    fn what_does_not_end_is_said() {
        for text in ["'a", "`a", "\"a\\\"", "/* a", "‘a"] {
            assert_eq!(Tokens::new(text.as_bytes()).map(|token| token.kind).collect::<Vec<_>>(), [Kind::Unended]);
        }
    }

    #[test]
    fn brackets_count() {
        let depths: Vec<_> = Tokens::new(b"a (b [c] {d}) ) e").map(|token| token.depth).collect();
        assert_eq!(depths, [0, 0, 1, 1, 2, 1, 1, 2, 1, 0, 0, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Any octets: it ends, tokens are in order, and what lies between them is blank or comment.
        #[test]
        fn nothing_is_read_twice(text in prop::collection::vec(prop::sample::select(b"a1'\"`$(){}[];.-*/# \n\\\xe2\x80\x98\xc2\xa0".to_vec()), 0..60)) {
            let mut at = 0;
            for token in Tokens::new(&text) {
                prop_assert!(token.start >= at && !token.bytes.is_empty());
                prop_assert_eq!(&text[token.start..token.end()], token.bytes);
                at = token.end();
            }
            prop_assert!(at <= text.len());
        }
    }
}
