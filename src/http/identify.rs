//! Whether octets begin an HTTP message, and which kind: by content, on any port.
//!
//! A port number says little on a mirror, so a direction is HTTP when it begins with something only HTTP begins with. Other
//! protocols of lines (SMTP, FTP, IRC, RTSP, SIP, an inline Redis command) are told apart by the rest of the line.

use memchr::{memchr, memmem};

/// Who sends the messages of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Sends requests.
    Client,
    /// Sends responses.
    Server,
}

/// What octets at the place of a start line are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// A request line, or the beginning of one.
    Request,
    /// A status line, or the beginning of one.
    Response,
    /// The connection preface of HTTP/2 (RFC 9113 section 3.4).
    Preface,
    /// Not HTTP.
    Other,
    /// Too few octets to tell.
    Unsure,
}

/// The connection preface of HTTP/2 up to the empty line.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// The longest method of a request line; the longest registered one has 18 octets.
const MAX_METHOD: usize = 32;
/// How far a line is read for its version when its beginning alone does not prove HTTP.
const MAX_UNPROVEN_LINE: usize = 8 * 1024;

/// Judges the octets at the place of a start line. `role` is what the direction's sender is known to be.
pub(super) fn start(bytes: &[u8], role: Option<Role>) -> Start {
    let response = if role == Some(Role::Client) { Start::Other } else { response_start(bytes) };
    if response != Start::Other || role == Some(Role::Server) {
        return response;
    }
    request_start(bytes)
}

/// A status line begins with `HTTP/` and a digit; real ones also come in lower case.
fn response_start(bytes: &[u8]) -> Start {
    const NAME: &[u8] = b"HTTP/";
    let seen = bytes.len().min(NAME.len());
    if !bytes[..seen].eq_ignore_ascii_case(&NAME[..seen]) {
        return Start::Other;
    }
    match bytes.get(NAME.len()) {
        None => Start::Unsure,
        Some(digit) if digit.is_ascii_digit() => Start::Response,
        Some(_) => Start::Other,
    }
}

fn request_start(bytes: &[u8]) -> Start {
    let seen = bytes.len().min(PREFACE.len());
    if bytes[..seen] == PREFACE[..seen] {
        return if seen == PREFACE.len() { Start::Preface } else { Start::Unsure };
    }
    let method_len = bytes.iter().take(MAX_METHOD + 1).take_while(|byte| is_token(**byte)).count();
    if method_len == 0 || method_len > MAX_METHOD {
        return Start::Other;
    }
    let (method, rest) = bytes.split_at(method_len);
    match rest.first() {
        None => return Start::Unsure,
        Some(b' ' | b'\t') => {}
        // A method alone on its line is a request without a target, when the method is one nothing else has.
        // (`CONNECT` alone begins a STOMP session.)
        Some(b'\r' | b'\n') if is_common_method(method) && method != b"CONNECT" => return Start::Request,
        Some(_) => return Start::Other,
    }
    let rest = rest.trim_ascii_start();
    if is_known_method(method) && rest.first().is_some_and(|byte| matches!(byte, b'/' | b'*')) {
        return Start::Request;
    }
    // Absolute form, authority form, an unknown method: the version at the end of the line has to prove it.
    let Some(end) = memchr(b'\n', rest) else {
        // All white space up to the line's end was trimmed away: `GET \n`.
        if rest.is_empty() && memchr(b'\n', bytes).is_some() {
            return if is_common_method(method) { Start::Request } else { Start::Other };
        }
        // Prose begins with a word and a space, too; methods of more than one segment's line do not look like it.
        let unproven = bytes.len() < MAX_UNPROVEN_LINE && !method.iter().any(u8::is_ascii_lowercase);
        return if unproven { Start::Unsure } else { Start::Other };
    };
    let line = rest[..end].trim_ascii();
    if memchr(b'\n', &bytes[method_len..bytes.len() - rest.len()]).is_some() {
        return if is_common_method(method) { Start::Request } else { Start::Other };
    }
    let last = line.rsplit(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    if last.len() > 5 && last[..5].eq_ignore_ascii_case(b"HTTP/") {
        return Start::Request;
    }
    if line.first() == Some(&b'/') && last == line { host_follows(&rest[end + 1..]) } else { Start::Other }
}

/// A request without a version and with a method nobody knows is one if its next line is a Host field.
fn host_follows(bytes: &[u8]) -> Start {
    const HOST: &[u8] = b"Host:";
    let seen = bytes.len().min(HOST.len());
    match bytes[..seen].eq_ignore_ascii_case(&HOST[..seen]) {
        true if seen == HOST.len() => Start::Request,
        true => Start::Unsure,
        false => Start::Other,
    }
}

/// Whether a segment begins a message of its own behind octets that did not tell what they begin.
pub(super) fn restarts(unsure: &[u8], segment: &[u8]) -> bool {
    let method_len = segment.iter().take(MAX_METHOD).take_while(|byte| is_token(**byte)).count();
    let definite = is_status_line(segment)
        || (is_known_method(&segment[..method_len]) && start(segment, Some(Role::Client)) == Start::Request);
    // `PROP` and `PATCH / HTTP/1.1` are one method cut in two.
    definite && !KNOWN_METHODS.iter().any(|method| method.starts_with(unsure))
}

/// Where in a piece of a stream, after octets were lost, a message of `role` plausibly begins: at the first octet, or
/// behind a line end. The whole start line has to be there, version and all.
pub(super) fn resume(bytes: &[u8], role: Role) -> Option<usize> {
    // A message seldom holds more than a few mentions of a version; the bound keeps hostile ones from costing more.
    const MAX_MENTIONS: usize = 64;
    for at in memmem::find_iter(bytes, b"HTTP/1.").take(MAX_MENTIONS) {
        match role {
            Role::Server => {
                if (at == 0 || bytes[at - 1] == b'\n') && is_status_line(&bytes[at..]) {
                    return Some(at);
                }
            }
            Role::Client => {
                let window = at.saturating_sub(MAX_UNPROVEN_LINE);
                let line = memchr::memrchr(b'\n', &bytes[window..at]).map_or(window, |end| window + end + 1);
                if line > 0 && bytes[line - 1] != b'\n' {
                    continue;
                }
                if is_request_line(&bytes[line..], at - line) {
                    return Some(line);
                }
            }
        }
    }
    None
}

/// `HTTP/1.` digit SP three digits, then not another digit.
pub(super) fn is_status_line(bytes: &[u8]) -> bool {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor, b' ', a, b, c, rest @ ..] = bytes else { return false };
    [minor, a, b, c].iter().all(|byte| byte.is_ascii_digit()) && !rest.first().is_some_and(u8::is_ascii_digit)
}

/// A method, white space, a target, and the version at `version`.
fn is_request_line(bytes: &[u8], version: usize) -> bool {
    let line = &bytes[..version];
    let method_len = line.iter().take(MAX_METHOD + 1).take_while(|byte| is_token(**byte)).count();
    (1..=MAX_METHOD).contains(&method_len)
        && line[method_len..].starts_with(b" ")
        && line.ends_with(b" ")
        && line.len() > method_len + 2
        && bytes[version + 7..].first().is_none_or(u8::is_ascii_digit)
}

/// Whether a piece of a stream begins a protocol that never turns into HTTP on its connection: TLS records, SSH.
pub(super) fn is_opaque(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SSH-") || matches!(bytes, [0x14..=0x17, 3, 0..=4, _, _, ..])
}

/// A token character (RFC 9110 section 5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'z' | b'|' | b'~' | b'0'..=b'9' | b'A'..=b'Z')
}

/// Methods that prove HTTP even where no version follows.
fn is_common_method(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"PUT" | b"POST" | b"HEAD" | b"PATCH" | b"TRACE" | b"DELETE" | b"OPTIONS" | b"CONNECT")
}

/// The registered methods (RFC 9110 section 16.1) that no other protocol of lines has as a command with a path.
fn is_known_method(method: &[u8]) -> bool {
    is_common_method(method) || KNOWN_METHODS.contains(&method)
}

const KNOWN_METHODS: [&[u8]; 19] = [
    b"ACL",
    b"CONNECT",
    b"DELETE",
    b"GET",
    b"HEAD",
    b"LOCK",
    b"MKCOL",
    b"MOVE",
    b"OPTIONS",
    b"PATCH",
    b"POST",
    b"PROPFIND",
    b"PROPPATCH",
    b"PURGE",
    b"PUT",
    b"QUERY",
    b"REPORT",
    b"TRACE",
    b"UNLOCK",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_known_by_method_and_target() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"GET /",
            b"OPTIONS * HT",
            b"CONNECT a.example:443 HTTP/1.1\r\n",
            b"GET http://a.example/ HTTP/1.0\n",
            b"BREW tea HTTP/1.1\r\n",
            b"get / HTTP/1.1\r\n",
            b"GET \n",
            b"OPTIONS\nHost: a\n\n",
            b"BREW /\nHost: a\n\n",
        ] {
            assert_eq!(start(bytes, None), Start::Request, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn responses_are_known_by_their_version() {
        assert_eq!(start(b"HTTP/1.1 200 OK", None), Start::Response);
        assert_eq!(start(b"http/1.0 200", None), Start::Response);
        assert_eq!(start(b"HTT", None), Start::Unsure);
        assert_eq!(start(b"HTTP/x", None), Start::Other);
        assert_eq!(start(b"HTTP/1.1 200 OK", Some(Role::Client)), Start::Other);
    }

    #[test]
    fn other_protocols_of_lines_are_not_http() {
        for bytes in [
            &b"EHLO mail.example\r\n"[..],
            b"MAIL FROM:<a@b.example>\r\n",
            b"USER anonymous\r\n",
            b"NICK a\r\nUSER a b c :d\r\n",
            b"INVITE sip:a@b.example SIP/2.0\r\n",
            b"DESCRIBE rtsp://a.example/ RTSP/1.0\r\n",
            b"GET key\r\n",
            b"CONNECT\naccept-version:1.2\nhost:a\n\n\0",
            b"DELE /a\r\nQUIT\r\n",
            b"T /a.html\nx",
            b"220 smtp.example ESMTP\r\n",
            b"\x16\x03\x01\x02\x00\x01",
            b"{\"a\":1}\n",
        ] {
            assert_eq!(start(bytes, None), Start::Other, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_preface_of_http_2_is_recognised() {
        assert_eq!(start(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None), Start::Preface);
        assert_eq!(start(b"PRI * H", None), Start::Unsure);
    }

    #[test]
    fn a_long_line_without_proof_is_given_up() {
        let line = [b"FOO ".as_slice(), &[b'a'; MAX_UNPROVEN_LINE]].concat();
        assert_eq!(start(&line[..100], None), Start::Unsure);
        assert_eq!(start(&line, None), Start::Other);
    }

    #[test]
    fn resuming_needs_a_whole_start_line_behind_a_line_end() {
        assert_eq!(resume(b"HTTP/1.1 200 OK\r\n", Role::Server), Some(0));
        assert_eq!(resume(b"xx\r\nHTTP/1.1 404 Not Found\r\n", Role::Server), Some(4));
        assert_eq!(resume(b"see HTTP/1.1 200 OK", Role::Server), None);
        assert_eq!(resume(b"xx\r\nGET /a HTTP/1.1\r\n", Role::Client), Some(4));
        assert_eq!(resume(b"speaks HTTP/1.1", Role::Client), None);
        assert_eq!(resume(b"GET HTTP/1.1\r\n", Role::Client), None);
        assert_eq!(resume(&[0; 64], Role::Client), None);
    }
}
