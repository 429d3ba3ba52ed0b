//! Where in a JSON text an offset is: `$.data[3].customer.email` (RFC 9535, as names and indices).
//!
//! A reader of tokens, not a parser: it follows quotes, brackets and commas, and takes what is malformed as it comes. It
//! runs once over content that has findings, up to the last offset that is asked for.

use std::fmt::Write as _;

use crate::endpoint;

/// How many levels are followed; a path stops there.
const MAX_DEPTH: usize = 32;
/// How long a path may be, in bytes, before its end is left out.
const MAX_LEN: usize = 200;

/// Gives the paths of rising offsets in one content.
pub(crate) struct Paths<'a> {
    content: &'a [u8],
    position: usize,
    /// The arrays and objects around `position`.
    levels: Vec<Level<'a>>,
    /// How many more there are than are followed.
    deeper: usize,
}

enum Level<'a> {
    /// In an object, at the value of this name.
    Object(&'a [u8]),
    /// In an array, at the element of this index.
    Array(usize),
}

/// Whether content begins as JSON does.
pub(crate) fn is_json(content: &[u8]) -> bool {
    matches!(content.trim_ascii_start().first(), Some(b'{' | b'['))
}

impl<'a> Paths<'a> {
    pub(crate) fn new(content: &'a [u8]) -> Self {
        Self { content, position: 0, levels: Vec::new(), deeper: 0 }
    }

    /// The path of the value that holds `offset`, which is none before the last one.
    pub(crate) fn at(&mut self, offset: usize) -> String {
        self.advance(offset);
        self.text()
    }

    fn advance(&mut self, offset: usize) {
        while self.position < offset
            && let Some(byte) = self.content.get(self.position)
        {
            match byte {
                b'"' => {
                    let end = string_end(self.content, self.position + 1);
                    if end > offset {
                        // The offset is in this string; what the string is stays to be seen.
                        return;
                    }
                    self.string(self.position + 1, end);
                    self.position = end;
                }
                b'{' => self.push(Level::Object(b"")),
                b'[' => self.push(Level::Array(0)),
                b'}' | b']' => {
                    if self.deeper > 0 {
                        self.deeper -= 1;
                    } else {
                        self.levels.pop();
                    }
                }
                b',' if self.deeper == 0 => {
                    if let Some(Level::Array(index)) = self.levels.last_mut() {
                        *index += 1;
                    }
                }
                _ => {}
            }
            self.position += 1;
        }
    }

    fn push(&mut self, level: Level<'a>) {
        if self.levels.len() < MAX_DEPTH {
            self.levels.push(level);
        } else {
            self.deeper += 1;
        }
    }

    /// Takes a string that ends with its quote at `end`: a name when a colon follows.
    fn string(&mut self, start: usize, end: usize) {
        let rest = self.content.get(end + 1..).unwrap_or_default();
        if rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
            && self.deeper == 0
            && let Some(Level::Object(name)) = self.levels.last_mut()
        {
            *name = self.content.get(start..end).unwrap_or_default();
        }
    }

    fn text(&self) -> String {
        let mut text = String::from("$");
        for level in &self.levels {
            if text.len() >= MAX_LEN {
                break;
            }
            match level {
                Level::Object(name) => {
                    text.push('.');
                    text.push_str(&endpoint::shown_name(name));
                }
                Level::Array(index) => {
                    let _ = write!(text, "[{index}]");
                }
            }
        }
        if self.deeper > 0 || text.len() >= MAX_LEN {
            text.push_str("..");
        }
        text
    }
}

/// Where the closing quote of a string is whose text starts at `position`; the content's end when there is none.
fn string_end(content: &[u8], mut position: usize) -> usize {
    while let Some(rest) = content.get(position..)
        && let Some(found) = memchr::memchr2(b'"', b'\\', rest)
    {
        position += found;
        if content.get(position) == Some(&b'"') {
            return position;
        }
        position += 2;
    }
    content.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(content: &str, what: &str) -> String {
        Paths::new(content.as_bytes()).at(content.find(what).unwrap())
    }

    #[test]
    fn names_and_indices() {
        let content = r#"{"a":[{"x":1},{"b":{"c":"\"}","d" : "VALUE"}}],"e":[[1,2],[3,NUMBER]]}"#;
        assert_eq!(path(content, "VALUE"), "$.a[1].b.d");
        assert_eq!(path(content, "NUMBER"), "$.e[1][1]");
        assert_eq!(path("[\"VALUE\"]", "VALUE"), "$[0]");
        assert_eq!(path("{\"a\":1}\n{\"b\":\"VALUE\"}", "VALUE"), "$.b");
        assert!(is_json(b" [1]") && !is_json(b"<a>VALUE</a>"));
    }

    #[test]
    fn rising_offsets() {
        let content = r#"{"a":"ONE","b":"TWO"}"#;
        let mut paths = Paths::new(content.as_bytes());
        for (what, path) in [("ONE", "$.a"), ("NE", "$.a"), ("TWO", "$.b")] {
            assert_eq!(paths.at(content.find(what).unwrap()), path);
        }
    }

    #[test]
    fn names_that_are_values_are_masked() {
        assert_eq!(path(r#"{"jane@example.com":{"4111111111111111":"VALUE"}}"#, "VALUE"), "$.{email}.{int}");
    }

    #[test]
    fn deep_and_broken_texts_are_bounded() {
        let deep = format!("{}VALUE", r#"{"name":"#.repeat(10_000));
        let shown = path(&deep, "VALUE");
        assert!(shown.starts_with("$.name.name") && shown.ends_with("..") && shown.len() < 300, "{shown}");
        assert_eq!(path("[[]]}}}}VALUE", "VALUE"), "$");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_text_gives_a_bounded_path(content in "[\\[{}\\]\",:\\\\a1 ]{0,200}", mut offsets in prop::collection::vec(0usize..220, 1..6)) {
            let content = format!("{{{content}");
            let mut paths = Paths::new(content.as_bytes());
            offsets.sort_unstable();
            for offset in offsets {
                let shown = paths.at(offset);
                prop_assert_eq!(&shown, &Paths::new(content.as_bytes()).at(offset));
                prop_assert!(shown.len() < MAX_LEN + 80);
            }
        }
    }
}
