//! Lookups of logging libraries: `${jndi:ldap://...}`, also nested and hidden as `${${lower:j}ndi:...}`.

use super::{Kind, Payload, Text};

/// What lookups begin with: the names that Log4j, Commons Text and Commons Configuration know.
const NAMES: [&[u8]; 16] = [
    b"jndi:",
    b"env:",
    b"sys:",
    b"java:",
    b"lower:",
    b"upper:",
    b"ctx:",
    b"main:",
    b"date:",
    b"script:",
    b"dns:",
    b"url:",
    b"file:",
    b"bundle:",
    b"base64decoder:",
    b"const:",
];

/// What a value tries in a logging library.
pub(super) fn payload(text: &Text<'_>) -> Option<Payload> {
    memchr::memmem::find(text.lower, b"${")?;
    let is_lookup = memchr::memmem::find_iter(text.lower, b"${").take(16).any(|at| {
        let inside = text.lower.get(at + 2..).unwrap_or_default();
        // `${::-j}`: the default of a lookup without a name.
        inside.starts_with(b"::-")
            || inside.starts_with(b"${") && memchr::memchr(b':', inside).is_some()
            || NAMES.iter().any(|name| inside.starts_with(name)) && (inside.starts_with(b"jndi:") || !text.is_document)
    });
    is_lookup.then(|| Payload::sure(Kind::Lookup)).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::super::{Kind, Weight};

    #[test]
    fn hidden_lookups_are_lookups() {
        for text in [
            "${jndi:ldap://a/b}",
            "${${lower:j}ndi:dns://x}",
            "${${::-j}${::-n}di:rmi://x}",
            "${env:HOME}",
            "${JNDI:x}",
        ] {
            assert_eq!(kind(text), Some((Kind::Lookup, Weight::Sure)), "{text}");
        }
    }
}
