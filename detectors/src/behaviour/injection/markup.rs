//! Markup that runs (cross-site scripting): a tag or an attribute that holds script, a URL that is script, or a value that
//! ends a string of a script and goes on.
//!
//! `<b>`, links and pictures are what people write. Handlers, scripts and frames are not.

use super::{Kind, Payload, Place, Text, Weight, decode};

/// Tags of one value that are looked at.
const TAGS: usize = 16;

/// What a value tries in a page.
pub(super) fn payload(text: &Text<'_>, references: &mut Vec<u8>) -> Option<Payload> {
    if let Some(weight) = weight(text.lower, text.place) {
        return Some(Payload::new(Kind::Xss, weight));
    }
    if memchr::memchr(b'&', text.lower).is_some() {
        decode::references(text.lower, references);
        if *references != text.lower {
            return weight(references, text.place).map(|weight| Payload::new(Kind::Xss, weight));
        }
    }
    None
}

fn weight(lower: &[u8], place: Place) -> Option<Weight> {
    let mut best = None;
    for at in memchr::memchr_iter(b'<', lower).take(TAGS) {
        match tag(lower.get(at + 1..).unwrap_or_default(), place) {
            Some(Weight::Sure) => return Some(Weight::Sure),
            weight => best = best.max(weight),
        }
    }
    // UTF-7 of `<`.
    if is_script_url(lower)
        || leaves_attribute(lower)
        || leaves_string(lower)
        || only_punctuation(lower)
        || memchr::memmem::find(lower, b"+adw-").is_some()
    {
        return Some(Weight::Sure);
    }
    for call in [
        &b"document.cookie"[..],
        b"document.write(",
        b"document.domain",
        b"window.location=",
        b".fromcharcode(",
        b".innerhtml",
    ] {
        if memchr::memmem::find(lower, call).is_some() {
            return Some(Weight::Sure);
        }
    }
    best
}

/// What a tag is worth; `inside` begins behind the `<`.
fn tag(inside: &[u8], place: Place) -> Option<Weight> {
    let inside = inside.strip_prefix(b"/").unwrap_or(inside);
    let name_len = inside.iter().take_while(|octet| octet.is_ascii_alphanumeric()).count();
    let name = inside.get(..name_len)?;
    if !inside.first()?.is_ascii_alphabetic() {
        return None;
    }
    let end = memchr::memchr(b'>', inside).map_or(inside.len(), |end| end);
    let attributes = inside.get(name_len..end).unwrap_or_default();
    // `<script`, `<x:script`, `<svg/onload=`, `<a href=javascript:`
    let is_tag = attributes
        .first()
        .is_none_or(|octet| octet.is_ascii_whitespace() || matches!(octet, b'/' | b':' | b'"' | b'\'' | b'<' | 0x0c));
    if !is_tag {
        return None;
    }
    if handler(attributes) || attributes_run(attributes) {
        return Some(Weight::Sure);
    }
    match name {
        b"script" | b"applet" | b"embed" | b"object" | b"style" | b"base" | b"bgsound" | b"frameset" | b"isindex"
        | b"xss" | b"import" => Some(
            if place == Place::Content && matches!(name, b"style" | b"object" | b"embed") && attributes.is_empty() {
                Weight::Weak
            } else {
                Weight::Sure
            },
        ),
        b"iframe" | b"frame" | b"meta" | b"link" | b"form" | b"svg" | b"math" | b"body" | b"html" | b"layer"
        | b"marquee" | b"xml"
            if place != Place::Content =>
        {
            Some(Weight::Sure)
        }
        b"iframe" | b"meta" | b"link" | b"form" | b"body" => Some(Weight::Weak),
        _ => None,
    }
}

/// `onload=`, behind a space, a slash or a quote.
fn handler(attributes: &[u8]) -> bool {
    memchr::memmem::find_iter(attributes, b"on").take(TAGS).any(|at| {
        let is_start = at == 0
            || attributes
                .get(at - 1)
                .is_some_and(|octet| !octet.is_ascii_alphanumeric() && !matches!(octet, b'-' | b'_'));
        let name = attributes.get(at + 2..).unwrap_or_default();
        let len = name.iter().take_while(|octet| octet.is_ascii_alphabetic()).count();
        let rest = name.get(len..).unwrap_or_default().trim_ascii_start();
        is_start && (3..=20).contains(&len) && rest.first() == Some(&b'=') && rest.len() > 1
    })
}

/// Attributes whose value is script or another page.
fn attributes_run(attributes: &[u8]) -> bool {
    [&b"javascript:"[..], b"vbscript:", b"srcdoc", b"data:text/html", b"formaction", b"xlink:href", b"expression("]
        .iter()
        .any(|part| memchr::memmem::find(attributes, part).is_some())
}

/// `javascript:` and its like; browsers pass over white space and control octets in a scheme.
fn is_script_url(lower: &[u8]) -> bool {
    const SCHEMES: [&[u8]; 4] = [b"javascript:", b"vbscript:", b"livescript:", b"data:text/html"];
    let begins = |text: &[u8]| {
        SCHEMES.iter().any(|scheme| {
            let mut wanted = scheme.iter().peekable();
            for octet in text {
                if *octet <= b' ' {
                    continue;
                }
                match wanted.next_if(|wanted| *wanted == octet) {
                    // `JavaScript: the good parts` is a title.
                    Some(_) if wanted.peek().is_none() => {
                        return text.iter().any(|octet| matches!(octet, b'(' | b'=' | b'`' | b'/' | b'[' | b','));
                    }
                    Some(_) => {}
                    None => return false,
                }
            }
            false
        })
    };
    // At the start, behind a quote, or as what `url(` holds.
    begins(lower)
        || memchr::memchr3_iter(b'"', b'\'', b'(', lower)
            .take(TAGS)
            .any(|at| begins(lower.get(at + 1..).unwrap_or_default()))
}

/// `" onmouseover=alert(1)`: a quote, then a handler.
fn leaves_attribute(lower: &[u8]) -> bool {
    memchr::memchr2_iter(b'"', b'\'', lower).take(TAGS).any(|at| {
        let rest = lower.get(at + 1..).unwrap_or_default();
        let blank =
            rest.iter().take_while(|octet| octet.is_ascii_whitespace() || matches!(octet, b'/' | b'>' | b'"')).count();
        let rest = rest.get(blank..).unwrap_or_default();
        rest.starts_with(b"on") && handler(rest) && rest.iter().take(24).any(|octet| *octet == b'=')
    })
}

/// `';alert(1)//`, `"-confirm(1)-"`: a quote, an operator, and a call.
fn leaves_string(lower: &[u8]) -> bool {
    memchr::memchr3_iter(b'\'', b'"', b'`', lower).take(TAGS).any(|at| {
        let quote = lower.get(at).copied().unwrap_or_default();
        let rest = lower.get(at + 1..).unwrap_or_default();
        let operators = rest
            .iter()
            .take_while(|octet| matches!(octet, b'-' | b'+' | b';' | b')' | b'}' | b',' | b' ' | b']'))
            .count();
        let call = rest.get(operators..).unwrap_or_default();
        let name =
            call.iter().take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_')).count();
        let known: [&[u8]; 6] = [b"alert", b"confirm", b"prompt", b"eval", b"fetch", b"settimeout"];
        let called = call.get(..name).unwrap_or_default();
        let ends = lower.ends_with(b"//") || lower.last() == Some(&quote);
        operators > 0
            && call.get(name) == Some(&b'(')
            && (known.contains(&called) || name > 2 && ends && memchr::memchr(b'.', called).is_some())
    })
}

/// Script written with six characters.
fn only_punctuation(lower: &[u8]) -> bool {
    const SHORTEST: usize = 20;
    lower.len() >= SHORTEST && lower.iter().all(|octet| matches!(octet, b'[' | b']' | b'(' | b')' | b'!' | b'+' | b' '))
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::super::{Kind, Weight};

    #[test]
    fn markup_that_runs() {
        for text in [
            "<script>alert(1)</script>",
            "\"><svg/onload=confirm(1)>",
            "<img src=x onerror=fetch(1)>",
            "javascript:alert(1)",
            "java\tscript:alert(1)",
            "java&Tab;script&colon;alert(1)",
            "\" onmouseover='prompt(1)'",
            "';alert(1)//",
            "&lt;script&gt;",
            "<a href=\"javascript:x\">",
            "[][(![]+[])[+[]]+([![]]+[][[]])]",
        ] {
            assert_eq!(kind(text), Some((Kind::Xss, Weight::Sure)), "{text}");
        }
        for text in [
            "<b>bold</b>",
            "<a href=\"https://a.example\">x</a>",
            "on time = yes",
            "\"quoted\" one = two",
            "JavaScript: the good parts",
            "x<y",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
