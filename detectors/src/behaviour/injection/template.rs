//! Templates: expressions that a template engine would work out (`{{7*7}}`, `${T(java.lang.Runtime)}`, `<%= 7*7 %>`).
//!
//! Placeholders (`{{name}}`, `${name}`, `{{ price | currency }}`) are what people write into texts of their own; an expression
//! that calculates, or reaches for the engine's insides, is not.

use super::{Kind, Payload, Text, Weight};

/// What opens and closes an expression. Longer ones first.
const BRACKETS: [(&[u8], &[u8]); 9] = [
    (b"{{", b"}}"),
    (b"${", b"}"),
    (b"#{", b"}"),
    (b"*{", b"}"),
    (b"@{", b"}"),
    (b"@(", b")"),
    (b"<%", b"%>"),
    (b"{%", b"%}"),
    (b"[[", b"]]"),
];

/// Expressions of one value that are looked at.
const EXPRESSIONS: usize = 8;

/// What a value tries in a template engine.
pub(super) fn payload(text: &Text<'_>) -> Option<Payload> {
    for (open, close) in BRACKETS {
        for at in memchr::memmem::find_iter(text.lower, open).take(EXPRESSIONS) {
            let inside = text.lower.get(at + open.len()..).unwrap_or_default();
            let end = memchr::memmem::find(inside, close);
            let expression = inside.get(..end.unwrap_or(inside.len())).unwrap_or_default();
            let expression = expression.strip_prefix(b"=").unwrap_or(expression).trim_ascii();
            if end.is_some()
                && let Some(result) = arithmetic(expression)
            {
                return Some(Payload { result: Some(result), ..Payload::new(Kind::Template, Weight::Sure) });
            }
            let is_perl = open == b"@{" && expression.starts_with(b"[") && end.is_some();
            if reaches_inside(expression) || is_perl && expression.len() > 2 {
                return Payload::sure(Kind::Template);
            }
            if open == b"<%" && end.is_some() {
                return Payload::sure(Kind::Template);
            }
        }
    }
    let engines: [&[u8]; 7] =
        [b"<#assign", b"?new()", b"#set(", b"#set (", b"{php}", b"{% debug %}", b"freemarker.template."];
    engines.iter().any(|part| text.has(part)).then(|| Payload::new(Kind::Template, Weight::Sure))
}

/// The result of a product, sum or difference of numbers that people would not write into a text: at least one operator.
fn arithmetic(expression: &[u8]) -> Option<u64> {
    let at = expression.iter().position(|octet| matches!(octet, b'*' | b'+' | b'-'))?;
    let number = |digits: &[u8]| {
        let digits = digits.trim_ascii();
        let digits = digits.strip_prefix(b"'").and_then(|digits| digits.strip_suffix(b"'")).unwrap_or(digits);
        (digits.len() < 10).then(|| std::str::from_utf8(digits).ok()?.parse::<u64>().ok()).flatten()
    };
    let (a, b) = (number(expression.get(..at)?)?, number(expression.get(at + 1..)?)?);
    match expression.get(at)? {
        b'*' => a.checked_mul(b),
        b'+' => a.checked_add(b),
        _ => a.checked_sub(b).or(Some(0)),
    }
}

/// Whether an expression names what only the engine's own objects have.
fn reaches_inside(expression: &[u8]) -> bool {
    const INSIDES: [&[u8]; 26] = [
        b"__class__",
        b"__mro__",
        b"__subclasses__",
        b"__globals__",
        b"__builtins__",
        b"__init__",
        b"__import__",
        b".constructor",
        b"getclass",
        b"forname(",
        b"getruntime",
        b"runtime",
        b"processbuilder",
        b"t(java",
        b"request.application",
        b"config.items",
        b"self._",
        b"lipsum",
        b"cycler",
        b"_self.env",
        b"system(",
        b"exec(",
        b"eval(",
        b"popen(",
        b"`",
        b"new java",
    ];
    const WHOLE: [&[u8]; 4] = [b"config", b"self", b"settings.secret_key", b"dump(app)"];
    INSIDES.iter().any(|part| memchr::memmem::find(expression, part).is_some()) || WHOLE.contains(&expression)
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::super::{Kind, Weight};
    use super::*;

    #[test]
    fn expressions_are_told_from_placeholders() {
        for text in [
            "{{7*7}}",
            "${7*7}",
            "<%= 7 * 7 %>",
            "#{7*7}",
            "{{''.__class__.__mro__}}",
            "${T(java.lang.Runtime).getRuntime()}",
            "@{[system 'id']}",
            "{{config}}",
        ] {
            assert_eq!(kind(text), Some((Kind::Template, Weight::Sure)), "{text}");
        }
        assert_eq!(arithmetic(b"7 * '7'"), Some(49));
        for text in ["{{name}}", "${first} ${last}", "{{ price | currency }}", "{{ 7 }}", "#{tag}", "[[link]]"] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
