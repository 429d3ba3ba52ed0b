//! XML that names entities of its own, or asks for other files (XXE).

use super::{Kind, Payload, Text};

/// What a value or content makes an XML parser do.
pub(super) fn payload(text: &Text<'_>) -> Option<Payload> {
    memchr::memchr(b'<', text.lower)?;
    let declares = text.has(b"<!entity")
        || text.has(b"<!doctype") && (text.has(b" system ") || text.has(b" system\"")) && !text.has(b"about:legacy");
    let includes =
        text.has(b"xi:include") && text.has(b"href") || text.has(b"xsl:value-of") && text.has(b"system-property");
    (declares || includes).then(|| Payload::sure(Kind::Xxe)).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::super::{Kind, Weight};

    #[test]
    fn entities_and_inclusions() {
        for text in [
            "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
            "<xi:include href=\"file:///x\"/>",
            "<!DOCTYPE a SYSTEM \"http://x/y.dtd\"><a/>",
        ] {
            assert_eq!(kind(text), Some((Kind::Xxe, Weight::Sure)), "{text}");
        }
        assert_eq!(kind("<!DOCTYPE html><p>x</p>"), None);
    }
}
