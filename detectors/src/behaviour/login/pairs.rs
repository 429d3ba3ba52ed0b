//! Names and values in a small body, whatever its format: JSON, forms, multipart forms, XML, GraphQL arguments.
//!
//! One pass without allocation. A body that breaks off gives what it has up to there; values stay as they were sent, except
//! that form values lose their percent-encoding when they are compared (see [`same_text`]).

use std::borrow::Cow;

/// A value beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A text, as it was sent.
    Text(&'a [u8]),
    /// A number.
    Number(&'a [u8]),
    /// `true` or `false`.
    Flag(bool),
    /// `null`, an empty object or an empty list.
    Nothing,
    /// An object or a list that holds something.
    Inner,
}

impl<'a> Value<'a> {
    /// The text or number that was sent.
    pub(crate) fn text(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) | Self::Number(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON, by its first octet.
    Json,
    /// `application/x-www-form-urlencoded`.
    Urlencoded,
    /// `multipart/form-data`.
    Multipart,
    /// XML.
    Xml,
}

impl Form {
    /// The form of `body` of the media type `content_type`.
    pub(crate) fn of(body: &[u8], content_type: &[u8]) -> Option<Self> {
        let first = body.trim_ascii_start().first()?;
        let is = |word: &[u8]| memchr::memmem::find(content_type, word).is_some();
        match first {
            b'{' | b'[' => Some(Self::Json),
            b'<' => Some(Self::Xml),
            b'-' if is(b"multipart") => Some(Self::Multipart),
            _ if is(b"form-urlencoded") => Some(Self::Urlencoded),
            _ => None,
        }
    }
}

/// Calls `each` with the names and values of `body`, at most `limit` times.
pub(crate) fn pairs<'a>(form: Form, body: &'a [u8], limit: usize, mut each: impl FnMut(&'a [u8], Value<'a>)) {
    match form {
        Form::Json => json(body, limit, &mut each),
        Form::Urlencoded => urlencoded(body).take(limit).for_each(|(name, value)| each(name, value)),
        Form::Multipart => multipart(body, limit, &mut each),
        Form::Xml => xml(body, limit, &mut each),
    }
}

/// Names and values of a query or a form.
pub(crate) fn urlencoded(text: &[u8]) -> impl Iterator<Item = (&[u8], Value<'_>)> {
    text.split(|octet| *octet == b'&').filter_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        Some((&pair[..at], Value::Text(pair[at + 1..].trim_ascii_end())))
    })
}

fn json<'a>(body: &'a [u8], limit: usize, each: &mut impl FnMut(&'a [u8], Value<'a>)) {
    let mut at = 0;
    let mut left = limit;
    while left > 0 {
        let Some(open) = memchr::memchr(b'"', body.get(at..).unwrap_or_default()) else { return };
        let start = at + open + 1;
        let Some(end) = string_end(body, start) else { return };
        at = end + 1;
        let after = skip_space(body, at);
        if body.get(after) != Some(&b':') {
            continue;
        }
        let value = skip_space(body, after + 1);
        let rest = body.get(value..).unwrap_or_default();
        let name = &body[start..end];
        let found = match rest.first() {
            Some(b'"') => match string_end(body, value + 1) {
                Some(end) => {
                    at = end + 1;
                    Value::Text(&body[value + 1..end])
                }
                None => return,
            },
            Some(b'{' | b'[') => {
                at = value + 1;
                let inside = body.get(skip_space(body, at));
                if matches!(inside, Some(b'}' | b']')) { Value::Nothing } else { Value::Inner }
            }
            Some(b't') => Value::Flag(true),
            Some(b'f') => Value::Flag(false),
            Some(b'n') | None => Value::Nothing,
            Some(_) => {
                let len = rest.iter().position(|octet| matches!(octet, b',' | b'}' | b']')).unwrap_or(rest.len());
                Value::Number(rest[..len].trim_ascii_end())
            }
        };
        each(name, found);
        left -= 1;
    }
}

/// Where the string that begins at `start` ends: its closing quotation mark.
fn string_end(body: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr::memchr2(b'"', b'\\', body.get(at..)?)?;
        if body.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

fn skip_space(body: &[u8], at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|octet| octet.is_ascii_whitespace()).count()
}

fn multipart<'a>(body: &'a [u8], limit: usize, each: &mut impl FnMut(&'a [u8], Value<'a>)) {
    let mut rest = body;
    for _ in 0..limit {
        let Some(start) = memchr::memmem::find(rest, b" name=\"") else { return };
        rest = &rest[start + 7..];
        let Some(end) = memchr::memchr(b'"', rest) else { return };
        let name = &rest[..end];
        let Some(content) = memchr::memmem::find(rest, b"\r\n\r\n") else { return };
        rest = &rest[content + 4..];
        let len = memchr::memmem::find(rest, b"\r\n--").unwrap_or(rest.len());
        each(name, Value::Text(&rest[..len]));
        rest = &rest[len..];
    }
}

fn xml<'a>(body: &'a [u8], limit: usize, each: &mut impl FnMut(&'a [u8], Value<'a>)) {
    let mut rest = body;
    for _ in 0..limit {
        let Some(open) = memchr::memchr(b'<', rest) else { return };
        rest = &rest[open + 1..];
        let Some(close) = memchr::memchr(b'>', rest) else { return };
        let tag = rest[..close].split(u8::is_ascii_whitespace).next().unwrap_or_default();
        rest = &rest[close + 1..];
        let name = tag.rsplit(|octet| *octet == b':').next().unwrap_or_default();
        let len = memchr::memchr(b'<', rest).unwrap_or(rest.len());
        let text = rest[..len].trim_ascii();
        if !text.is_empty() && !name.starts_with(b"/") {
            each(name, Value::Text(text));
        }
    }
}

/// Arguments that stand in the text of a GraphQL document: `login(email: \"…\", password: \"…\")`. The quotation marks are
/// escaped, as the document is a JSON string itself.
pub(crate) fn arguments<'a>(document: &'a [u8], limit: usize, each: &mut impl FnMut(&'a [u8], Value<'a>)) {
    let mut at = 0;
    for _ in 0..limit {
        let Some(colon) = memchr::memchr(b':', document.get(at..).unwrap_or_default()) else { return };
        let colon = at + colon;
        at = colon + 1;
        let before = document[..colon].trim_ascii_end();
        let letters = before.iter().rev().take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'_').count();
        let name = &before[before.len() - letters..];
        let value = document.get(skip_space(document, colon + 1)..).unwrap_or_default();
        if let Some(text) = value.strip_prefix(b"\\\"")
            && let Some(end) = memchr::memmem::find(text, b"\\\"")
            && !name.is_empty()
        {
            each(name, Value::Text(&text[..end]));
        }
    }
}

/// A text in the form in which it is compared: percent-encoding undone, letters of ASCII small, no space around it.
pub(crate) fn same_text(text: &[u8]) -> Cow<'_, [u8]> {
    undone(text.trim_ascii(), |octet| octet.to_ascii_lowercase())
}

/// A text with its percent-encoding undone.
pub(crate) fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    undone(text, |octet| octet)
}

fn undone(text: &[u8], form: fn(u8) -> u8) -> Cow<'_, [u8]> {
    if !text.iter().any(|octet| *octet == b'%' || form(*octet) != *octet) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let encoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match encoded.filter(|_| *first == b'%') {
            Some(octet) => {
                out.push(form(octet));
                rest = &behind[2..];
            }
            None => {
                out.push(form(*first));
                rest = behind;
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(form: Form, body: &str) -> Vec<(String, String)> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let mut found = Vec::new();
        pairs(form, body.as_bytes(), 32, |name, value| {
            found.push((text(name), value.text().map_or_else(|| format!("{value:?}"), text)));
        });
        found
    }

    fn expect(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn names_and_values_of_each_format() {
        let json = r#"{"user": {"e-mail" : "a\"b", "n":-1.5 }, "l":["x","y"], "t":true, "z":null, "e":[]}"#;
        assert_eq!(
            of(Form::Json, json),
            expect(&[
                ("user", "Inner"),
                ("e-mail", "a\\\"b"),
                ("n", "-1.5"),
                ("l", "Inner"),
                ("t", "Flag(true)"),
                ("z", "Nothing"),
                ("e", "Nothing")
            ])
        );
        assert_eq!(of(Form::Urlencoded, "a=1&b&c=x%20y"), expect(&[("a", "1"), ("c", "x%20y")]));
        let parts = "--x\r\nContent-Disposition: form-data; name=\"pw\"\r\n\r\nabc\r\n--x--\r\n";
        assert_eq!(of(Form::Multipart, parts), expect(&[("pw", "abc")]));
        assert_eq!(
            of(Form::Xml, "<s:Body><w:user a='1'>ann</w:user><pw>x</pw></s:Body>"),
            expect(&[("user", "ann"), ("pw", "x")])
        );
        let mut found = Vec::new();
        arguments(br#"mutation { login(email: \"a@b\", password:\"p\") { token } }"#, 9, &mut |name, value| {
            found.push((name, value));
        });
        assert_eq!(found, [(&b"email"[..], Value::Text(b"a@b")), (b"password", Value::Text(b"p"))]);
    }

    #[test]
    fn one_text_however_it_was_sent() {
        assert_eq!(same_text(b" Ann%40Example.COM "), same_text(b"ann@example.com"));
        assert_eq!(&*same_text(b"50%"), b"50%");
    }

    proptest! {
        #[test]
        fn any_octets_are_taken(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for form in [Form::Json, Form::Urlencoded, Form::Multipart, Form::Xml] {
                pairs(form, &body, 64, |_, _| {});
            }
            arguments(&body, 64, &mut |_, _| {});
            let _ = same_text(&body);
        }
    }
}
