//! An exchange: a request with its response, as it was seen on the wire.
//!
//! Everything here borrows from the buffers of the connection that carried it and lives for one call. Nothing here can be
//! serialised: what leaves the sensor are findings and redacted records, never an exchange (ARCHITECTURE.md, privacy).
//! For the same reason `Debug` is written by hand, and shows how much there is of what was sent, not what it is.
//! Words are those of RFC 9110 and RFC 9112.

use std::fmt;
use std::net::SocketAddr;

use crate::scan::Tally;
use crate::time::{Order, Timestamp};

/// A request with its response. Either may be missing: half the connections on a mirror start in the middle or have one
/// direction.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Where this exchange stands among everything the capture told.
    pub order: Order,
    /// When the first byte of the request was seen, or of the response when there is no request.
    pub started: Timestamp,
    /// When the last byte that belongs to it was seen.
    pub ended: Timestamp,
    /// Who sent the request, inside any tunnel.
    pub client: SocketAddr,
    /// Who answered.
    pub server: SocketAddr,
    /// The request, as far as it was seen.
    pub request: Option<Request<'a>>,
    /// The final response, as far as it was seen; interim (1xx) ones are passed over, apart from 101.
    pub response: Option<Response<'a>>,
    /// What is missing.
    pub completeness: Completeness,
    /// What was odd about how it was sent.
    pub anomalies: Anomalies,
}

/// A request message.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method, case as sent.
    pub method: &'a [u8],
    /// The request target as on the wire, neither decoded nor normalised.
    pub target: &'a [u8],
    /// The protocol version of the request line.
    pub version: Version<'a>,
    /// The header section, then the trailer section.
    pub fields: Fields<'a>,
    /// The content, content codings removed.
    pub content: Content<'a>,
}

/// A response message.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    /// The status code as sent, 0 to 999.
    pub status: u16,
    /// The protocol version of the status line.
    pub version: Version<'a>,
    /// The header section, then the trailer section.
    pub fields: Fields<'a>,
    /// The content, content codings removed.
    pub content: Content<'a>,
}

/// A protocol version as a start line gave it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Version<'a> {
    /// A request line without a version, answered without a header section.
    Http09,
    /// `HTTP/1.0`
    Http10,
    /// `HTTP/1.1`
    Http11,
    /// Whatever else followed `HTTP/`, or stood in its place.
    Other(&'a [u8]),
}

/// The fields of a message: a header section, and the trailer section behind it.
#[derive(Clone, Copy, Default)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    lines: &'a [FieldLine],
}

/// Where one field line's name and value stand in the message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldLine {
    /// Offset of the name.
    pub name: u32,
    /// Length of the name in bytes.
    pub name_len: u16,
    /// Offset of the value, surrounding whitespace removed.
    pub value: u32,
    /// Length of the value in bytes.
    pub value_len: u32,
}

impl<'a> Fields<'a> {
    /// Fields whose lines point into `bytes`; a line that points outside of them reads as empty.
    pub fn new(bytes: &'a [u8], lines: &'a [FieldLine]) -> Self {
        Self { bytes, lines }
    }

    /// Name and value of each field line, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.lines.iter().map(move |line| {
            (slice(bytes, line.name, u32::from(line.name_len)), slice(bytes, line.value, line.value_len))
        })
    }

    /// The first value of the named field; names compare without case (RFC 9110 section 5.1).
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// Every value of the named field, in the order sent.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let bytes = self.bytes;
        self.lines
            .iter()
            .filter(move |line| {
                usize::from(line.name_len) == name.len()
                    && slice(bytes, line.name, u32::from(line.name_len)).eq_ignore_ascii_case(name.as_bytes())
            })
            .map(move |line| slice(bytes, line.value, line.value_len))
    }

    /// How many field lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no field line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

fn slice(bytes: &[u8], start: u32, len: u32) -> &[u8] {
    let start = start as usize;
    bytes.get(start..start + len as usize).unwrap_or_default()
}

/// The content of a message (RFC 9110 section 6.4), transfer and content codings removed.
#[derive(Clone, Copy, Default)]
pub struct Content<'a> {
    /// The decoded content up to the inspection limit.
    pub bytes: &'a [u8],
    /// How many octets the decoded content has in all, as far as it was seen.
    pub len: u64,
    /// How many octets of content were on the wire, before content codings were removed.
    pub wire_len: u64,
    /// Whether octets of this content were seen but not decoded (unknown coding, a cap reached, content after a gap):
    /// `bytes` and `len` then describe what could be read.
    pub undecoded: bool,
    /// What the scan counted past the inspection limit.
    pub beyond: Option<&'a Tally>,
    /// SHA-256 of the decoded content, when asked for and when it was seen whole.
    pub sha256: Option<[u8; 32]>,
}

/// What is missing of an exchange, or was not looked at in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completeness(u16);

/// What was odd about how an exchange was sent or captured. Malformed traffic is data: it is counted and told, and the
/// stream goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(u32);

macro_rules! flags {
    ($type:ident: $repr:ty { $($(#[$doc:meta])* $name:ident = $bit:literal $text:literal,)* }) => {
        impl $type {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            /// Every flag with its name, in a fixed order.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $text),)*];

            /// No flag.
            pub const fn none() -> Self {
                Self(0)
            }

            /// Whether no flag is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether every flag of `other` is set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Sets every flag of `other`.
            pub fn insert(&mut self, other: Self) {
                self.0 |= other.0;
            }

            /// The flags of both.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The names of the flags that are set, in the order of [`Self::ALL`].
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::ALL.iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| *name)
            }
        }
    };
}

flags!(Completeness: u16 {
    /// No request was seen for the response.
    NO_REQUEST = 0 "no_request",
    /// No response was seen for the request.
    NO_RESPONSE = 1 "no_response",
    /// Octets of the request are missing from the capture.
    REQUEST_GAP = 2 "request_gap",
    /// Octets of the response are missing from the capture.
    RESPONSE_GAP = 3 "response_gap",
    /// The request had not ended when the capture, the connection or the wait for it did.
    REQUEST_CUT = 4 "request_cut",
    /// The response had not ended when the capture, the connection or the wait for it did.
    RESPONSE_CUT = 5 "response_cut",
    /// The response is still being sent (an event stream, a long poll); what follows counts on the flow only.
    OPEN = 6 "open",
    /// Content went past the inspection limit or budget: scanned for patterns, its structure not looked at.
    SCANNED_ONLY = 7 "scanned_only",
    /// Content could not be decoded, or not to its end.
    UNDECODED = 8 "undecoded",
});

impl Completeness {
    /// Whether all of the request and the response was in the capture. That content was large or could not be decoded
    /// does not make an exchange incomplete.
    pub const fn is_complete(self) -> bool {
        self.0 & !(Self::SCANNED_ONLY.0 | Self::UNDECODED.0) == 0
    }
}

flags!(Anomalies: u32 {
    /// Both Transfer-Encoding and Content-Length (RFC 9112 section 6.3): a request smuggling shape.
    TRANSFER_ENCODING_WITH_CONTENT_LENGTH = 0 "transfer_encoding_with_content_length",
    /// Several Content-Length values that differ.
    CONFLICTING_CONTENT_LENGTH = 1 "conflicting_content_length",
    /// A Content-Length that is no number or does not fit.
    INVALID_CONTENT_LENGTH = 2 "invalid_content_length",
    /// A Transfer-Encoding that is unknown, repeated, or does not end in chunked.
    INVALID_TRANSFER_ENCODING = 3 "invalid_transfer_encoding",
    /// A chunk size, extension or end that breaks RFC 9112 section 7.1.
    INVALID_CHUNK = 4 "invalid_chunk",
    /// A field value continued on the next line (RFC 9112 section 5.2).
    OBS_FOLD = 5 "obs_fold",
    /// A line that ended in LF alone (RFC 9112 section 2.2).
    BARE_LF = 6 "bare_lf",
    /// A field line that is none: no colon, whitespace before it, or control octets.
    INVALID_FIELD = 7 "invalid_field",
    /// A start line that breaks the grammar but could be told apart.
    INVALID_START_LINE = 8 "invalid_start_line",
    /// A header section past the limit in octets or field lines: its rest was not read.
    HEADER_SECTION_TOO_LARGE = 9 "header_section_too_large",
    /// A request without Host in HTTP/1.1, or with several.
    INVALID_HOST = 10 "invalid_host",
    /// Octets between messages that belong to none.
    UNEXPECTED_BYTES = 11 "unexpected_bytes",
    /// The response began before its request had ended.
    EARLY_RESPONSE = 12 "early_response",
    /// Content coding named and content do not agree.
    MISLABELLED_CODING = 13 "mislabelled_coding",
    /// Decoding stopped at the cap on output or ratio.
    DECOMPRESSION_LIMIT = 14 "decompression_limit",
    /// Coded content that breaks off or is corrupt.
    CORRUPT_CODING = 15 "corrupt_coding",
    /// Content where the semantics allow none, or a length that did not hold (HEAD, 204, 304).
    UNEXPECTED_CONTENT = 16 "unexpected_content",
    /// Two segments gave different octets for the same place in the stream.
    OVERLAP_CONFLICT = 17 "overlap_conflict",
    /// A version other than 1.0 and 1.1 in the start line.
    UNUSUAL_VERSION = 18 "unusual_version",
});

/// Stands for octets from the wire in `Debug` output: shows how many there are, and never what they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Octets(pub usize);

impl Octets {
    /// As many as `octets` has.
    pub const fn of(octets: &[u8]) -> Self {
        Self(octets.len())
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.0)
    }
}

/// A method or a field name in `Debug` output: as it is when it looks like one. What is malformed may be anything.
struct Name<'a>(&'a [u8]);

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;
        let plain = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'-';
        match std::str::from_utf8(self.0) {
            Ok(name) if name.len() <= LONGEST && self.0.iter().all(plain) => f.write_str(name),
            _ => Octets::of(self.0).fmt(f),
        }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, version, fields, content } = self;
        f.debug_struct("Request")
            .field("method", &Name(method))
            .field("target", &Octets::of(target))
            .field("version", version)
            .field("fields", fields)
            .field("content", content)
            .finish()
    }
}

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, version, fields, content } = self;
        f.debug_struct("Response")
            .field("status", status)
            .field("version", version)
            .field("fields", fields)
            .field("content", content)
            .finish()
    }
}

impl fmt::Debug for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http09 => f.write_str("Http09"),
            Self::Http10 => f.write_str("Http10"),
            Self::Http11 => f.write_str("Http11"),
            Self::Other(text) => f.debug_tuple("Other").field(&Octets::of(text)).finish(),
        }
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (Name(name), Octets::of(value)))).finish()
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, len, wire_len, undecoded, beyond, sha256 } = self;
        f.debug_struct("Content")
            .field("bytes", &Octets::of(bytes))
            .field("len", len)
            .field("wire_len", wire_len)
            .field("undecoded", undecoded)
            .field("beyond", beyond)
            // Without a key, a hash tells what was hashed to whoever can guess it.
            .field("sha256", &sha256.map(|digest| Octets::of(&digest)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_tells_names_and_lengths_and_nothing_else() {
        let head = b"X-Token: hunter2\r\nhunter2@example.com: 1\r\n";
        let lines = [
            FieldLine { name: 0, name_len: 7, value: 9, value_len: 7 },
            FieldLine { name: 18, name_len: 19, value: 39, value_len: 1 },
        ];
        let fields = Fields::new(head, &lines);
        let content = Content { bytes: b"hunter2", len: 7, wire_len: 7, sha256: Some([165; 32]), ..Content::default() };
        let version = Version::Other(b"hunter2");
        let exchange = Exchange {
            order: Order::default(),
            started: Timestamp::default(),
            ended: Timestamp::default(),
            client: SocketAddr::from(([192, 0, 2, 1], 40_000)),
            server: SocketAddr::from(([192, 0, 2, 2], 80)),
            request: Some(Request { method: b"POST", target: b"/hunter2", version, fields, content }),
            response: Some(Response { status: 200, version, fields, content }),
            completeness: Completeness::none(),
            anomalies: Anomalies::none(),
        };
        let (text, pretty) = (format!("{exchange:?}"), format!("{exchange:#?}"));
        assert!(text.contains("method: POST, target: 8 octets"), "{text}");
        assert!(text.contains("fields: {X-Token: 7 octets, 19 octets: 1 octets}"), "{text}");
        for text in [&text, &pretty] {
            // As text, as a list of numbers, as a hash.
            assert!(!text.contains("hunter") && !text.contains("104, 117") && !text.contains("165"), "{text}");
            assert!(!text.replace(char::is_whitespace, "").contains("104,117"), "{text}");
        }
        let odd = Request { method: b"hunter2", target: b"", version, fields, content };
        assert!(format!("{odd:?}").contains("method: 7 octets"));
    }

    #[test]
    fn fields_compare_without_case_and_never_read_outside() {
        let bytes = b"Host: a\r\nhOST: b\r\n";
        let lines = [
            FieldLine { name: 0, name_len: 4, value: 6, value_len: 1 },
            FieldLine { name: 9, name_len: 4, value: 15, value_len: 1 },
            FieldLine { name: 17, name_len: 400, value: u32::MAX, value_len: u32::MAX },
        ];
        let fields = Fields::new(bytes, &lines);
        assert_eq!(fields.get("host"), Some(&b"a"[..]));
        assert_eq!(fields.get_all("Host").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(fields.iter().last(), Some((&b""[..], &b""[..])));
    }

    #[test]
    fn large_or_undecodable_content_is_complete_all_the_same() {
        assert!(Completeness::SCANNED_ONLY.union(Completeness::UNDECODED).is_complete());
        assert!(!Completeness::RESPONSE_GAP.is_complete());
    }

    #[test]
    fn flags_have_names_in_order() {
        let flags = Anomalies::BARE_LF.union(Anomalies::OBS_FOLD);
        assert_eq!(flags.names().collect::<Vec<_>>(), ["obs_fold", "bare_lf"]);
    }
}
