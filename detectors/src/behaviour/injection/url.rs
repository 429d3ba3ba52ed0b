//! URLs that make the server ask something inside of its own network, or a wrapper that reads and runs (SSRF, file inclusion).
//!
//! A URL in a parameter is normal. One that leads to the server itself, to the metadata of a cloud, or to a scheme that only
//! the server's own libraries know is not. Where people are sent back after signing in may be their own machine.

use super::{Kind, Payload, Place, Text, Weight};

/// Schemes that servers' libraries act on, and pages never use.
const SCHEMES: [&[u8]; 15] = [
    b"file",
    b"gopher",
    b"dict",
    b"php",
    b"phar",
    b"expect",
    b"zip",
    b"glob",
    b"ogg",
    b"ssh2",
    b"zlib",
    b"compress.zlib",
    b"netdoc",
    b"jar",
    b"ldap",
];

/// Parameters that say where a browser goes next.
const NEXT: [&[u8]; 8] =
    [b"redirect", b"return", b"callback", b"next", b"origin", b"referer", b"referrer", b"continue"];

/// What a value makes the server ask for.
pub(super) fn payload(text: &Text<'_>) -> Option<Payload> {
    let lower = text.lower;
    let name = text.name.to_ascii_lowercase();
    if NEXT.iter().any(|next| memchr::memmem::find(&name, next).is_some()) {
        return None;
    }
    let from = if text.place == Place::Path { 1 } else { 0 };
    let lower = lower.get(from..).unwrap_or_default();
    let Some(colon) = memchr::memmem::find(lower, b":/") else {
        // A host alone, as the target of something.
        let is_target = memchr::memmem::find(&name, b"url").is_some() || memchr::memmem::find(&name, b"host").is_some();
        return (is_target && lower.contains(&b'/') && is_inside(lower)).then(|| Payload::sure(Kind::Ssrf)).flatten();
    };
    let before = lower.get(..colon)?;
    let scheme_len = before.iter().rev().take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'.').count();
    let scheme = before.get(before.len() - scheme_len..)?;
    let is_whole = before
        .get(..before.len() - scheme_len)?
        .iter()
        .all(|octet| matches!(octet, b'/' | b' ' | b'@' | b'=' | b':') || octet.is_ascii_alphabetic());
    if SCHEMES.contains(&scheme) && lower.get(colon + 1..)?.starts_with(b"//") && is_whole {
        return Payload::sure(Kind::Ssrf);
    }
    if !matches!(scheme, b"http" | b"https" | b"ftp" | b"ftps" | b"ws") || !is_whole || text.place == Place::Field {
        return None;
    }
    let rest = lower.get(colon + 1..)?.trim_ascii_start();
    let slashes = rest.iter().take_while(|octet| matches!(octet, b'/' | b'\\')).count();
    let authority = rest.get(slashes..)?.split(|octet| matches!(octet, b'/' | b'?' | b'#' | b'\\')).next()?;
    let path = rest.get(slashes + authority.len()..).unwrap_or_default();
    if is_inside(authority) {
        return Payload::sure(Kind::Ssrf);
    }
    // A page that is to be included, from an address without a name.
    let is_page = [&b".php"[..], b".txt", b".asp", b".jsp", b"?"].iter().any(|end| path.ends_with(end));
    if is_address(authority) || text.place == Place::Path && from == 1 {
        return Some(Payload::new(
            Kind::Ssrf,
            if is_page || text.place == Place::Path { Weight::Sure } else { Weight::Weak },
        ));
    }
    None
}

/// Whether a host is the server itself, its cloud's metadata, or an address written so that filters miss it.
fn is_inside(authority: &[u8]) -> bool {
    let host = authority.rsplit(|octet| *octet == b'@').next().unwrap_or_default();
    let host = host.split(|octet| *octet == b'/').next().unwrap_or_default();
    if host.starts_with(b"[") {
        return [&b"[::1]"[..], b"[::]", b"[::ffff:127.", b"[::ffff:7f", b"[fd00:ec2", b"[0:0:0:0:0:"]
            .iter()
            .any(|start| host.starts_with(start));
    }
    let name = host.split(|octet| *octet == b':').next().unwrap_or_default();
    let names: [&[u8]; 9] = [
        b"localhost",
        b"metadata",
        b"metadata.google.internal",
        b"instance-data",
        b"host.docker.internal",
        b"gateway.docker.internal",
        b"kubernetes.default.svc",
        b"host.containers.internal",
        b"localhost.localdomain",
    ];
    let rebinding: [&[u8]; 4] = [b".nip.io", b".sslip.io", b".xip.io", b".localtest.me"];
    if names.contains(&name) || rebinding.iter().any(|end| name.ends_with(end)) {
        return true;
    }
    let parts = || name.split(|octet| *octet == b'.');
    let numeric = |part: &[u8]| {
        !part.is_empty()
            && (part.iter().all(u8::is_ascii_digit)
                || part.starts_with(b"0x") && part.iter().skip(2).all(u8::is_ascii_hexdigit))
    };
    if name.is_empty() || !parts().all(numeric) {
        return false;
    }
    // One number, hexadecimal or octal parts: forms that only programs read.
    let is_odd = parts().count() != 4 && name.len() > 6 || parts().any(|part| part.len() > 1 && part.starts_with(b"0"));
    is_odd
        || name.starts_with(b"127.")
        || name.starts_with(b"169.254.")
        || name == b"0.0.0.0"
        || name == b"100.100.100.200"
}

fn is_address(authority: &[u8]) -> bool {
    let host = authority.split(|octet| *octet == b':').next().unwrap_or_default();
    authority.starts_with(b"[")
        || host
            .split(|octet| *octet == b'.')
            .filter(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
            .count()
            == 4
        || memchr::memchr_iter(b':', authority).count() > 2
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::super::{Kind, Weight};

    #[test]
    fn urls_that_lead_inside() {
        for text in [
            "http://169.254.169.254/latest/meta-data/",
            "http://localhost:8080/admin",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://[::1]/",
            "file:///etc/passwd",
            "gopher://a:25/_x",
            "php://filter/convert.base64-encode/resource=x",
            "http://a@127.0.0.1/",
        ] {
            let found = kind(text).map(|(kind, weight)| (kind == Kind::Ssrf || kind == Kind::PathTraversal, weight));
            assert_eq!(found, Some((true, Weight::Sure)), "{text}");
        }
        for text in ["https://example.com/a", "see http://example.com: good", "ftp://files.example/x", "time 12:/30"] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
