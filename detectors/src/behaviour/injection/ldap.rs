//! LDAP filters (RFC 4515): does a value close the filter it stands in and open another?

use super::{Kind, Payload, Text};

/// What a value tries in a filter.
pub(super) fn payload(text: &Text<'_>) -> Option<Payload> {
    let mut depth = 0_i32;
    for (at, octet) in text.lower.iter().enumerate() {
        match octet {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => continue,
        }
        if depth < 0 {
            return is_filter(text.lower.get(at + 1..).unwrap_or_default().trim_ascii_start())
                .then(|| Payload::sure(Kind::Ldap))
                .flatten();
        }
    }
    None
}

/// `(|`, `(&`, `(!`, `(attribute=`, and more closing parentheses before them.
fn is_filter(text: &[u8]) -> bool {
    let closed = text.iter().take_while(|octet| matches!(octet, b')' | b' ')).count();
    let Some([b'(', inside @ ..]) = text.get(closed..) else { return false };
    let name = inside
        .iter()
        .take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b';' | b':'))
        .count();
    matches!(inside, [b'&' | b'|' | b'!', b'(' | b')', ..] | [b'&' | b'|' | b'!'])
        || name > 0 && matches!(inside.get(name..), Some([b'=', ..] | [b'~' | b'<' | b'>', b'=', ..]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::super::{Kind, Weight};

    #[test]
    fn filters_that_are_closed_early() {
        for text in ["*)(uid=*", "admin)(&)", "x)(|(cn=*", "*))(|(objectClass=*"] {
            assert_eq!(kind(text), Some((Kind::Ldap, Weight::Sure)), "{text}");
        }
        for text in ["a) b (c)", "smile :) (not)", "(a)(b=c)", ":) (see x=y)"] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
