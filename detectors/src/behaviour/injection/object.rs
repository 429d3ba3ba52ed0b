//! Serialised objects: values that a library turns into objects of any class, and so into code.

use super::{Kind, Payload, Text};

/// How the formats begin, in base64 where they are binary: Java's streams, .NET's, Python's pickles, functions of Node.
const BEGINNINGS: [&[u8]; 9] = [
    b"rO0AB",
    b"aced0005",
    b"ACED0005",
    b"AAEAAAD/////",
    b"gASV",
    b"\xac\xed\x00\x05",
    b"_$$ND_FUNC$$_",
    b"XyQkTkRfRlVOQyQk",
    b"H4sIAAAAAAAAAFvzloG",
];

/// Tags of YAML and members of JSON that name a class.
const TAGS: [&[u8]; 8] = [
    b"!!python/",
    b"!!javax.",
    b"!!java.",
    b"!ruby/object",
    b"!!com.sun.",
    b"\"@type\":\"java",
    b"_$$nd_func$$_",
    b"cposix\nsystem",
];

/// What a value makes of itself when it is deserialised.
pub(super) fn payload(text: &Text<'_>) -> Option<Payload> {
    let is_stream = BEGINNINGS.iter().any(|beginning| text.raw.starts_with(beginning));
    let is_tagged = TAGS.iter().any(|tag| text.has(tag));
    (is_stream || is_tagged || is_php(text.lower)).then(|| Payload::sure(Kind::Deserialization)).flatten()
}

/// `O:4:"User":1:{`: an object as PHP's `serialize` writes it.
fn is_php(lower: &[u8]) -> bool {
    memchr::memmem::find_iter(lower, b"o:").take(8).any(|at| {
        let rest = lower.get(at + 2..).unwrap_or_default();
        let rest = rest.strip_prefix(b"+").unwrap_or(rest);
        let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        let is_start = at == 0 || lower.get(at - 1).is_some_and(|before| !before.is_ascii_alphanumeric());
        is_start && digits > 0 && rest.get(digits..).is_some_and(|rest| rest.starts_with(b":\""))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::super::{Kind, Weight};

    #[test]
    fn objects_of_several_libraries() {
        for text in [
            "O:4:\"User\":1:{s:4:\"name\";s:1:\"x\";}",
            "rO0ABXNyABFqYXZh=",
            "!!python/object/apply:os.system",
            "!!javax.script.ScriptEngineManager [x]",
        ] {
            assert_eq!(kind(text), Some((Kind::Deserialization, Weight::Sure)), "{text}");
        }
    }
}
