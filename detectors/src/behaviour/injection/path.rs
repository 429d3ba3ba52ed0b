//! Paths and lines: values that climb out of a folder, name a file of the system, or end a line of the protocol.

use super::{Kind, Payload, Place, Text};
use crate::exchange::Request;
use crate::observation;
use crate::visit::Hashing;

/// Files that are asked for to see whether files can be read at all.
const FILES: [&[u8]; 16] = [
    b"/etc/passwd",
    b"/etc/shadow",
    b"/etc/hosts",
    b"/etc/group",
    b"/etc/issue",
    b"/proc/self",
    b"/proc/version",
    b"/proc/cpuinfo",
    b"/proc/interrupts",
    b"win.ini",
    b"boot.ini",
    b"system32",
    b"web-inf/",
    b"id_rsa",
    b"/.aws/credentials",
    b"/.ssh/",
];

/// What a value tries with files and lines.
pub(super) fn payload(text: &Text<'_>) -> Option<Payload> {
    if matches!(text.place, Place::Query | Place::Path) && splits_line(text.lower) {
        return Payload::sure(Kind::Header);
    }
    let lower = text.lower;
    let steps = steps(lower);
    let names_file = FILES.iter().any(|file| memchr::memmem::find(lower, file).is_some());
    let has_nul = memchr::memchr(0, lower).is_some();
    // One step up is what relative links do; a path that still has it went past what clients normalise.
    let enough = if text.place == Place::Path { 1 } else { 2 };
    if steps >= enough
        || steps > 0 && (names_file || has_nul)
        || names_file && lower.len() < 80 && !lower.contains(&b' ') && text.place != Place::Field
    {
        return Payload::sure(Kind::PathTraversal);
    }
    None
}

/// Steps up: `../`, `..\`, with what filters leave of `....//`, and the overlong encodings that some servers undo.
fn steps(lower: &[u8]) -> usize {
    // The slash as Unicode should not be written, and as hexadecimal digits that another layer undoes.
    const HIDDEN: [&[u8]; 6] = [b"\xc0\xaf", b"\xc1\x9c", b"0x2f", b"0x5c", b"/", b"\\"];
    let dots = memchr::memmem::find_iter(lower, b"..").chain(memchr::memmem::find_iter(lower, b"0x2e."));
    let climbs = |at: usize| {
        let rest = lower.get(at + 2..).unwrap_or_default();
        let skipped = rest.iter().take_while(|octet| matches!(octet, b'.' | 0 | b';' | b'e')).count();
        let rest = rest.get(skipped..).unwrap_or_default();
        let is_start = at == 0
            || lower
                .get(at - 1)
                .is_some_and(|before| !before.is_ascii_alphanumeric() && *before != b'.' || *before == b'c');
        is_start && HIDDEN.iter().any(|slash| rest.starts_with(slash))
    };
    dots.take(64).filter(|at| climbs(*at)).count()
}

/// A line end, and what is a line of HTTP or of mail behind it.
fn splits_line(lower: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', b'\n', lower).take(8).any(|at| {
        let line = lower.get(at + 1..).unwrap_or_default().trim_ascii_start();
        let name = line.iter().take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'-').count();
        let command = line.get(..name).unwrap_or_default();
        let commands: [&[u8]; 14] = [
            b"helo", b"ehlo", b"mail", b"rcpt", b"data", b"quit", b"help", b"vrfy", b"expn", b"noop", b"rset", b"http",
            b"retr", b"list",
        ];
        name > 1 && line.get(name) == Some(&b':') && line.get(name + 1).is_some()
            || commands.contains(&command)
            || line.starts_with(b"<")
    })
}

/// A session that somebody else chose: a link from another site that brings the id of a session along.
pub(super) fn fixation(request: &Request<'_>, hashing: &Hashing) -> Option<Payload> {
    let referer = request.fields.get("referer")?;
    let rest = [&b"http://"[..], b"https://"].iter().find_map(|scheme| referer.strip_prefix(*scheme))?;
    let from = rest.split(|octet| matches!(octet, b'/' | b':' | b'?')).next()?.to_ascii_lowercase();
    let host = observation::host(request)?;
    let host = host.split(':').next()?.as_bytes();
    if from.is_empty() || from == host || from.ends_with(host) || host.ends_with(&from) || same_domain(&from, host) {
        return None;
    }
    let mut parameters = crate::endpoint::parameters(request.target);
    let (name, value) = parameters.find(|(name, _)| is_session_name(&name.to_ascii_lowercase()))?;
    let mut payload = Payload::sure(Kind::SessionFixation)?;
    payload.value = hashing.hash(value);
    payload.part = Place::Query.part();
    payload.name = Some(crate::endpoint::shown_name(name).into_owned().into());
    Some(payload)
}

/// Whether the last two labels agree.
fn same_domain(a: &[u8], b: &[u8]) -> bool {
    let last_two = |host: &[u8]| {
        let mut labels = host.rsplit(|octet| *octet == b'.');
        Some((labels.next()?.to_vec(), labels.next()?.to_vec()))
    };
    last_two(a).is_some() && last_two(a) == last_two(b)
}

/// What frameworks call the id of a session. `session_id` and `session_state` are what payment and sign-on providers send
/// people back with.
fn is_session_name(name: &[u8]) -> bool {
    let is_brought_back =
        matches!(name, b"session_id" | b"session_state") || memchr::memmem::find(name, b"checkout").is_some();
    let ends = [
        &b"sessionid"[..],
        b"sessid",
        b"session-id",
        b"_session",
        b".sess",
        b".sid",
        b"session-token",
        b"jservsession",
    ];
    let whole: [&[u8]; 4] = [b"cfid", b"cftoken", b"cfsid", b"phpsession"];
    !is_brought_back
        && (ends.iter().any(|end| name.ends_with(end)) || whole.contains(&name) || name.starts_with(b"aspsessionid"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::super::{Kind, Weight};

    #[test]
    fn paths_and_lines() {
        for text in [
            "../../../etc/passwd",
            "..\\..\\windows\\win.ini",
            "....//....//etc/passwd",
            "/etc/passwd",
            "c:\\boot.ini",
            "../x\0.png",
        ] {
            assert_eq!(kind(text), Some((Kind::PathTraversal, Weight::Sure)), "{text}");
        }
        for text in ["x\r\nSet-Cookie: a=b", "2026-10\r\nX-Injected: 1", "a\r\nRCPT TO"] {
            assert_eq!(kind(text), Some((Kind::Header, Weight::Sure)), "{text}");
        }
        for text in [
            "../images/logo.png",
            "and so on...",
            "a.../b",
            "wait... / what?",
            "first line\nsecond line",
            "1..5",
            "v1.0..v2.0",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
