//! Undoing what lies between a program's text and the wire: percent-encoding, escapes, character references.
//!
//! Each function reads its input once and writes at most as much as it reads. What is no encoding stays as it is: `50% off`
//! is text.

/// How many octets of one value are looked at.
pub(super) const VALUE_LIMIT: usize = 16 * 1024;

/// Writes `raw` with percent-encoding undone (also `%uXXXX`), and `+` as a space where `form` says so.
pub(super) fn percent(raw: &[u8], form: Plus, out: &mut Vec<u8>) {
    out.clear();
    let mut rest = raw.get(..raw.len().min(VALUE_LIMIT)).unwrap_or_default();
    while let Some((plain, octet, after)) = memchr::memchr2(b'%', b'+', rest).and_then(|at| cut(rest, at)) {
        out.extend_from_slice(plain);
        rest = after;
        match (octet, after) {
            (b'%', [b'u' | b'U', a, b, c, d, tail @ ..]) if hex4([*a, *b, *c, *d]).is_some() => {
                push_char(hex4([*a, *b, *c, *d]).unwrap_or_default(), out);
                rest = tail;
            }
            (b'%', [high, low, tail @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push((high << 4 | low) as u8);
                    rest = tail;
                }
                _ => out.push(b'%'),
            },
            (b'+', _) if form == Plus::IsSpace => out.push(b' '),
            _ => out.push(octet),
        }
    }
    out.extend_from_slice(rest);
}

/// What stands before `at`, there, and behind it.
fn cut(text: &[u8], at: usize) -> Option<(&[u8], u8, &[u8])> {
    let (before, rest) = text.split_at_checked(at)?;
    let (octet, after) = rest.split_first()?;
    Some((before, *octet, after))
}

/// What `+` stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    /// A space, as in queries and forms.
    IsSpace,
    /// Itself.
    IsPlus,
}

/// Whether something in `text` is percent-encoded.
pub(super) fn has_percent(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text).any(|at| match text.get(at + 1..) {
        Some([b'u' | b'U', a, b, c, d, ..]) => hex4([*a, *b, *c, *d]).is_some(),
        Some([high, low, ..]) => digit(*high).is_some() && digit(*low).is_some(),
        _ => false,
    })
}

/// Writes the inside of a JSON string, or any text with `\n`, `\xHH` and `\uXXXX`, with these undone.
pub(super) fn escapes(raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = raw.get(..raw.len().min(VALUE_LIMIT)).unwrap_or_default();
    while let Some((plain, octet, after)) = memchr::memchr(b'\\', rest).and_then(|at| cut(rest, at)) {
        out.extend_from_slice(plain);
        rest = after;
        match (octet, after) {
            (b'\\', [b'u', a, b, c, d, tail @ ..]) if hex4([*a, *b, *c, *d]).is_some() => {
                push_char(hex4([*a, *b, *c, *d]).unwrap_or_default(), out);
                rest = tail;
            }
            (b'\\', [b'x', high, low, tail @ ..]) if digit(*high).is_some() && digit(*low).is_some() => {
                out.push((digit(*high).unwrap_or_default() << 4 | digit(*low).unwrap_or_default()) as u8);
                rest = tail;
            }
            (b'\\', [escaped, tail @ ..]) => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'f' => 12,
                    other => *other,
                });
                rest = tail;
            }
            _ => out.push(octet),
        }
    }
    out.extend_from_slice(rest);
}

/// The references that hide punctuation of markup, by name.
const REFERENCES: [(&[u8], u8); 12] = [
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"amp", b'&'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"colon", b':'),
    (b"tab", b'\t'),
    (b"newline", b'\n'),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"sol", b'/'),
    (b"equals", b'='),
];

/// Writes `text` with character references undone (`&lt;`, `&#60;`, `&#x3c;`).
pub(super) fn references(text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = text;
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        match reference(*octet, after) {
            Some((code, len)) => {
                push_char(code, out);
                rest = after.get(len..).unwrap_or_default();
            }
            None => out.push(*octet),
        }
    }
}

/// The character a reference stands for, and its length behind the `&`.
fn reference(octet: u8, after: &[u8]) -> Option<(u32, usize)> {
    const LONGEST: usize = 10;
    if octet != b'&' {
        return None;
    }
    let near = after.get(..after.len().min(LONGEST))?;
    if let [b'#', digits @ ..] = near {
        let (radix, digits, mark) = match digits {
            [b'x' | b'X', digits @ ..] => (16, digits, 2),
            _ => (10, digits, 1),
        };
        let len = digits.iter().take_while(|octet| char::from(**octet).is_digit(radix)).count();
        let code = u32::from_str_radix(std::str::from_utf8(digits.get(..len)?).ok()?, radix).ok()?;
        let closing = usize::from(digits.get(len) == Some(&b';'));
        return Some((code, mark + len + closing));
    }
    let len = memchr::memchr(b';', near)?;
    let name = near.get(..len)?;
    let (_, code) = REFERENCES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
    Some((u32::from(*code), len + 1))
}

/// A character as UTF-8; the full-width forms of ASCII, which many programs fold, as what they fold to.
fn push_char(code: u32, out: &mut Vec<u8>) {
    let code = if (0xff01..=0xff5e).contains(&code) { code - 0xfee0 } else { code };
    let Some(character) = char::from_u32(code) else { return };
    let mut buffer = [0; 4];
    out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
}

fn digit(octet: u8) -> Option<u32> {
    char::from(octet).to_digit(16)
}

fn hex4(digits: [u8; 4]) -> Option<u32> {
    digits.into_iter().try_fold(0, |code, octet| Some(code << 4 | digit(octet)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(decode: impl Fn(&[u8], &mut Vec<u8>), text: &str) -> String {
        let mut out = Vec::new();
        decode(text.as_bytes(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn what_is_encoded_is_decoded_and_the_rest_stays() {
        let form = |raw: &[u8], out: &mut Vec<u8>| percent(raw, Plus::IsSpace, out);
        assert_eq!(run(form, "a+b%20c%2"), "a b c%2");
        assert_eq!(run(form, "50% off%zz%u003c%uff1e"), "50% off%zz<>");
        assert_eq!(run(escapes, r#"a\u003cb\n\"\x41\q\"#), "a<b\n\"Aq\\");
        assert_eq!(run(references, "&lt;&#60;&#x3C;a & b &colon;&bogus;"), "<<<a & b :&bogus;");
        assert!(has_percent(b"%2e") && has_percent(b"%u002e") && !has_percent(b"50% off"));
    }
}
