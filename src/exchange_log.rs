//! The exchange log: one JSON object a line for each exchange, written by hand into a reused buffer.
//!
//! This is the one export that holds request targets as they were sent; see ARCHITECTURE.md, privacy.

use apitap_detectors::endpoint;
use apitap_detectors::exchange::{Exchange, Version};

use crate::time::{Rfc3339, Timestamp};
use apitap_detectors::observation;

/// How request targets are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Targets {
    /// As on the wire.
    #[default]
    Raw,
    /// With what could be data masked: path segments, query values, numbers in the place of names.
    Masked,
}

/// Appends the line for `exchange`, newline included.
pub fn write_line(line: &mut Vec<u8>, exchange: &Exchange<'_>, targets: Targets) {
    let mut object = Object::open(line);
    object.key("ts").time(exchange.started);
    object.key("src").address(exchange.client.ip());
    object.key("sport").number(exchange.client.port().into());
    object.key("dst").address(exchange.server.ip());
    object.key("dport").number(exchange.server.port().into());
    let request = exchange.request.as_ref();
    let version = request.map(|request| request.version);
    match (targets, request) {
        (Targets::Masked, Some(request)) => {
            object.key("method").text(Some(observation::method(request).as_bytes()));
            object.key("host").text(observation::host(request).as_ref().map(String::as_bytes));
            object.key("target").text(Some(endpoint::redacted_target(request.target).as_bytes()));
        }
        _ => {
            object.key("method").text(request.map(|request| request.method));
            object.key("host").text(request.and_then(|request| request.fields.get("host")));
            object.key("target").text(request.map(|request| request.target));
        }
    }
    let response = exchange.response.as_ref();
    let version = version.or_else(|| response.map(|response| response.version));
    object.key("version").text(version.and_then(|version| version_text(version, targets)));
    // A response to a request without a version has no status line.
    let status = response.map(|response| response.status).filter(|status| *status != 0);
    object.key("status").optional(status.map(u64::from));
    object.key("request_body_len").optional(request.map(|request| request.content.len));
    object.key("response_body_len").optional(response.map(|response| response.content.len));
    let content_type = response.and_then(|response| response.fields.get("content-type"));
    object.key("response_content_type").text(content_type.filter(|_| targets == Targets::Raw));
    if let Some(digest) = response.and_then(|response| response.content.sha256.filter(|_| response.content.len > 0)) {
        object.key("response_body_sha256").hex(&digest);
    }
    object.key("complete").literal(if exchange.completeness.is_complete() { "true" } else { "false" });
    object.key("missing").names(exchange.completeness.names());
    object.key("anomalies").names(exchange.anomalies.names());
    object.close();
}

/// A version other than HTTP's can be anything, so it is not told when masking.
fn version_text(version: Version<'_>, targets: Targets) -> Option<&[u8]> {
    match version {
        Version::Http09 => None,
        Version::Http10 => Some(b"1.0"),
        Version::Http11 => Some(b"1.1"),
        Version::Other(text) => (targets == Targets::Raw).then_some(text),
    }
}

/// Writes one JSON object.
struct Object<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out }
    }

    fn key(&mut self, key: &str) -> &mut Self {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self
    }

    fn literal(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn optional(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.number(number),
            None => self.literal("null"),
        }
    }

    fn address(&mut self, address: std::net::IpAddr) {
        use std::io::Write;
        // Writing into a Vec cannot fail.
        let _ = write!(self.out, "\"{address}\"");
    }

    fn time(&mut self, time: Timestamp) {
        use std::io::Write;
        let _ = write!(self.out, "\"{}\"", Rfc3339(time));
    }

    fn hex(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        for byte in bytes {
            self.out.extend_from_slice(&hex_digits(*byte));
        }
        self.out.push(b'"');
    }

    fn names<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        self.out.push(b'[');
        for (n, name) in names.enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            self.out.push(b'"');
            self.out.extend_from_slice(name.as_bytes());
            self.out.push(b'"');
        }
        self.out.push(b']');
    }

    /// A JSON string of octets that may be anything: control octets, and in what is not UTF-8 all octets from 0x80, are
    /// written `\xHH`, with the backslash escaped.
    fn text(&mut self, octets: Option<&[u8]>) {
        let Some(octets) = octets else { return self.literal("null") };
        self.out.push(b'"');
        let is_utf8 = std::str::from_utf8(octets).is_ok();
        for &octet in octets {
            match octet {
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', octet]),
                0..0x20 | 0x7f => self.escape(octet),
                0x80.. if !is_utf8 => self.escape(octet),
                _ => self.out.push(octet),
            }
        }
        self.out.push(b'"');
    }

    fn escape(&mut self, octet: u8) {
        self.out.extend_from_slice(b"\\\\x");
        self.out.extend_from_slice(&hex_digits(octet));
    }

    fn close(self) {
        self.out.extend_from_slice(b"}\n");
    }
}

fn hex_digits(octet: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(octets: &[u8]) -> String {
        let mut line = Vec::new();
        let mut object = Object::open(&mut line);
        object.key("k").text(Some(octets));
        object.close();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn octets_become_json_whatever_they_are() {
        assert_eq!(text(b"/a\"b\\c"), "{\"k\":\"/a\\\"b\\\\c\"}\n");
        assert_eq!(text(b"/\x00\xe9"), "{\"k\":\"/\\\\x00\\\\xe9\"}\n");
        assert_eq!(text("/\u{e9}".as_bytes()), "{\"k\":\"/\u{e9}\"}\n");
    }
}
