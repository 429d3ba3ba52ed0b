//! E-mail addresses (RFC 5321 section 4.1.2, the forms in use).
//!
//! *Why*: an address names a person, is the user name at most services, and lists of them feed phishing and credential
//! stuffing.
//!
//! *Must match*: a dot-string and a domain name of at least two labels whose last can be a top-level domain, at
//! example.com too; with the `@` or other characters encoded as JSON (`\u0040`) and forms (`%40`) do.
//!
//! *Must not match*: what else has an `@` between words: `git@host:path`, `logo@2x.png`, `pkg@1.2.3`, `@scope/pkg`,
//! user names in URLs. Quoted local parts and address literals are not looked for; nobody has one.

use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight};
use crate::scan::near::Near;

pub(crate) static EMAIL: Kind = Kind {
    detector: Detector {
        name: "pii.email",
        family: Family::Pii,
        title: "E-mail addresses in a response",
        description: "A response holds e-mail addresses. Those of several people in one answer can be harvested for \
                      phishing and credential stuffing.",
        remediation: "Return only the fields the caller needs, and addresses only to their owners and to those who \
                      work with them.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1589.002",
    },
    weight: Weight::InNumbers,
    names: &[
        "email",
        "emails",
        "mail",
        "mails",
        "email address",
        "mail address",
        "mailto",
        "correo",
        "correo electronico",
        "courriel",
        "e mail",
        "emailadresse",
        "epost",
        "e post",
        "adres email",
        "direccion correo",
    ],
    told: Told::Form,
    confidence: Confidence::Medium,
    normalise: |letter| Some(letter.to_ascii_lowercase()).filter(char::is_ascii_graphic),
    mask,
};

fn mask(value: &str) -> String {
    let (local, domain) = value.split_once('@').unwrap_or((value, ""));
    let (name, top) = domain.rsplit_once('.').unwrap_or((domain, ""));
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    format!("{}***@{}***.{top}", first(local), first(name))
}

/// Octets in a local part (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// Octets in a domain (RFC 5321 section 4.5.3.1.2, RFC 1035 section 2.3.4).
const MAX_DOMAIN: usize = 253;
/// Octets in a label of a domain.
const MAX_LABEL: usize = 63;

/// Reads around an `@` that takes the bytes from `at` to `after`: where the address starts and ends.
#[inline(never)]
pub(crate) fn around_at(near: &Near<'_>, at: usize, after: usize) -> Option<(usize, usize)> {
    let start = local_start(near, at)?;
    let end = domain_end(near, after)?;
    let local = near.slice(start, at);
    (!is_in_authority(near, start) && !is_remote_path(near, local, end) && !is_scaled_image(near.slice(after, end)))
        .then_some((start, end))
}

/// Where the local part starts.
fn local_start(near: &Near<'_>, at: usize) -> Option<usize> {
    // Where `@` is percent-encoded a plus sign of the address is too, and a bare one is a space.
    let form = near.get(at) == Some(b'%');
    let (mut position, mut octets) = (at, 0);
    let mut start = None;
    let mut after = b'@';
    loop {
        let before = near.unit_before(position);
        match before {
            Some((byte, len)) if is_atext(byte) && !(form && len == 1 && byte == b'+') => {
                octets += 1;
                // Past an empty atom no dot-string reaches.
                if octets > MAX_LOCAL || byte == b'.' && matches!(after, b'.' | b'@') {
                    break;
                }
                position -= len;
                // Dashes, dots and quotes before it are punctuation.
                if byte.is_ascii_alphanumeric() || byte == b'_' {
                    start = Some(position);
                }
                after = byte;
            }
            // A second `@`: this is no address list, it is noise.
            Some((b'@', _)) => return None,
            _ => break,
        }
    }
    if octets > MAX_LOCAL { None } else { start }
}

/// Characters of atoms (RFC 5322 section 3.2.3) that occur, and the dot between them.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'\'')
}

/// Where the domain ends that starts at `start`.
fn domain_end(near: &Near<'_>, start: usize) -> Option<usize> {
    let (mut position, mut label_start, mut labels, mut numeric) = (start, start, 0usize, 0usize);
    let mut end = None;
    loop {
        let byte = near.get(position);
        let in_label = byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if in_label && position - start < MAX_DOMAIN {
            position += 1;
            continue;
        }
        let label = near.slice(label_start, position);
        if label.is_empty() || label.len() > MAX_LABEL || label.starts_with(b"-") || label.ends_with(b"-") {
            break;
        }
        labels += 1;
        numeric += usize::from(labels <= 2 && label.iter().all(u8::is_ascii_digit));
        if labels > 1 && is_top_level(label) {
            end = Some(position);
        } else if labels > 1 && end.is_some() && byte != Some(b'.') {
            // The last label cannot end a name. A capital begins the next sentence; anything else was not an address.
            if !label.first().is_some_and(u8::is_ascii_uppercase) {
                end = None;
            }
        }
        if byte != Some(b'.') {
            break;
        }
        position += 1;
        label_start = position;
    }
    // `pkg@1.2.3-rc.one` is a version.
    if numeric > 1 {
        return None;
    }
    let end = end?;
    let unfinished = near.unit(end).is_some_and(|(after, _)| matches!(after, b'@' | b'_'));
    (!unfinished).then_some(end)
}

/// Whether a label can be a top-level domain: letters of one case, or an encoded one, and not what files end with.
fn is_top_level(label: &[u8]) -> bool {
    let one_case = label.iter().all(u8::is_ascii_lowercase) || label.iter().all(u8::is_ascii_uppercase);
    let encoded = label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"xn--"));
    (2..=24).contains(&label.len()) && one_case && !is_extension(label) || encoded
}

/// File extensions that are no top-level domains.
fn is_extension(label: &[u8]) -> bool {
    matches!(
        label,
        b"avif"
            | b"bmp"
            | b"conf"
            | b"css"
            | b"csv"
            | b"exe"
            | b"gif"
            | b"gz"
            | b"htm"
            | b"html"
            | b"ico"
            | b"jar"
            | b"java"
            | b"jpeg"
            | b"jpg"
            | b"js"
            | b"json"
            | b"jsx"
            | b"less"
            | b"log"
            | b"map"
            | b"mjs"
            | b"pdf"
            | b"php"
            | b"png"
            | b"scss"
            | b"sql"
            | b"svg"
            | b"tar"
            | b"tgz"
            | b"tiff"
            | b"tsx"
            | b"txt"
            | b"wasm"
            | b"webm"
            | b"webp"
            | b"woff"
            | b"xml"
            | b"yaml"
            | b"yml"
    )
}

/// Whether the local part is the user information of a URL (RFC 3986 section 3.2.1): `//user@`, `//user:password@`.
fn is_in_authority(near: &Near<'_>, start: usize) -> bool {
    let mut position = start;
    while start - position < MAX_LOCAL
        && let Some((byte, len)) = near.unit_before(position)
        && (byte.is_ascii_alphanumeric() || b"-._~:!$&'()*+,;=".contains(&byte))
    {
        position -= len;
    }
    let slash =
        |position: usize| near.unit_before(position).filter(|(byte, _)| *byte == b'/').map(|(_, len)| position - len);
    slash(position).and_then(slash).is_some()
}

/// Whether a path on the host follows, as `scp` and git write it: `git@host:group/name.git`.
fn is_remote_path(near: &Near<'_>, local: &[u8], end: usize) -> bool {
    let Some((b':', len)) = near.unit(end) else { return false };
    let mut position = end + len;
    let first = near.unit(position).map(|(byte, _)| byte);
    if local == b"git" && first.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'/')) {
        return true;
    }
    while position - end < MAX_LOCAL
        && let Some((byte, len)) = near.unit(position)
    {
        match byte {
            b'/' => return true,
            _ if byte.is_ascii_alphanumeric() || b"._-~".contains(&byte) => position += len,
            _ => break,
        }
    }
    false
}

/// Whether the domain is the density of an image: `logo@2x.png`, whatever the extension.
fn is_scaled_image(domain: &[u8]) -> bool {
    matches!(domain, [b'1'..=b'9', b'x', b'.', ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::tests::{found, must_match, must_not_match};
    use crate::scan::EntityType;
    use proptest::prelude::*;

    const MAIL: EntityType = EntityType::Email;

    #[test]
    fn addresses() {
        for address in [
            "jane@example.com",
            "jane.doe+news@mail.corp.example",
            "O'Neil@x-y.co.uk",
            "j_d-1@163.com",
            "a@b.museum",
            "info@xn--bcher-kva.xn--p1ai",
            "ROOT@CORP.LOCAL",
        ] {
            for content in [format!("{{\"x\":\"{address}\"}}"), address.to_owned(), format!("<td>{address}</td>")] {
                must_match(MAIL, &[(&content, address)]);
            }
        }
    }

    #[test]
    fn punctuation_around() {
        must_match(
            MAIL,
            &[
                ("write to jane@example.com.", "jane@example.com"),
                ("jane@example.com.Then call", "jane@example.com"),
                ("(jane@example.com)", "jane@example.com"),
                ("'jane@example.com'", "jane@example.com"),
                ("Jane <jane@example.com>,", "jane@example.com"),
                ("mailto:jane@example.com?subject=x", "jane@example.com"),
                ("jane@example.com:secret", "jane@example.com"),
                (r#""x\njane@example.com""#, "jane@example.com"),
                (r#""\u003cjane@example.com\u003e""#, "jane@example.com"),
                ("/users/jane@example.com/posts", "jane@example.com"),
            ],
        );
    }

    #[test]
    fn encoded() {
        must_match(
            MAIL,
            &[
                ("mail=jane%40example.com&x=1", "jane%40example.com"),
                ("mail=jane%2Bnews%40example.com", "jane%2Bnews%40example.com"),
                ("note=write+to+jane%40example.com+now", "jane%40example.com"),
                (r#"{"mail":"jane\u0040example.com"}"#, r"jane\u0040example.com"),
                (r#"{"mail":"jane\u002bx@example.com"}"#, r"jane\u002bx@example.com"),
            ],
        );
    }

    #[test]
    fn other_uses_of_the_sign() {
        must_not_match(
            MAIL,
            &[
                "git@github.com:acme/web.git",
                "repo=git%40github.com%3Aacme%2Fapi.git",
                "deploy@host.example:/srv/app",
                "logo@2x.png",
                "icon@3x.webp",
                "icon=logo%402x.png",
                "lodash@4.17.21",
                "@types/node@20.14.2",
                "pkg@1.2.3-beta.next",
                "@scope/pkg",
                r#"{"@type":"a.b"}"#,
                "@media(max-width:640px)",
                "https://user:word@host.example/",
                "ssh://git@host.example/x",
                "a@b",
                "a@b.c",
                "a@b.Co",
                "a@@b.com",
                "x@y@b.com",
                ".@b.com",
                "a.@b.com",
                "a@-b.com",
                "a@b-.com",
                "a@b..com",
                "a@b.com@c",
                "Tf99qnvQi@Ts9u",
            ],
        );
    }

    #[test]
    fn lengths() {
        let local = "a".repeat(MAX_LOCAL);
        assert_eq!(found(MAIL, &format!(" {local}@b.com ")).len(), 1);
        assert_eq!(found(MAIL, &format!(" a{local}@b.com ")).len(), 0);
        let label = "b".repeat(MAX_LABEL);
        assert_eq!(found(MAIL, &format!(" a@{label}.com ")).len(), 1);
        assert_eq!(found(MAIL, &format!(" a@b{label}.com ")).len(), 0);
    }

    #[test]
    fn initials_and_the_top_level_are_shown() {
        assert_eq!((EMAIL.mask)("jane@mail.example.com"), "j***@m***.com");
        assert_eq!((EMAIL.mask)("jane"), "j***@***.");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn each_of_a_list_is_counted(count in 1usize..30, separator in prop::sample::select(vec![",", ";", " ", "\n", "\",\"", "|"])) {
            let list = (0..count).map(|n| format!("user{n}@corp{n}.example")).collect::<Vec<_>>().join(separator);
            prop_assert_eq!(found(MAIL, &list).len(), count);
        }
    }
}
