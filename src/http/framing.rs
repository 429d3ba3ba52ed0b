//! How long a message is: RFC 9112 section 6.3 as one function per role, and what it needs to know of the fields.

use apitap_detectors::exchange::Anomalies;

use super::coding::Codings;
use super::identify::is_token;

/// What the fields of a header section say that the parser itself has to know.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// Content-Length.
    pub(super) length: Length,
    /// Transfer-Encoding.
    pub(super) transfer: Transfer,
    /// Content-Encoding.
    pub(super) codings: Codings,
    /// How many Host fields there are.
    pub(super) hosts: u16,
    /// The content is a stream of events that goes on for as long as somebody listens.
    pub(super) event_stream: bool,
}

/// What the Content-Length fields say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Length {
    /// There is none.
    #[default]
    Absent,
    /// One value, perhaps repeated.
    Is(u64),
    /// Values that differ; the first of them.
    Conflicting(u64),
    /// Not a number.
    Invalid,
}

/// What the Transfer-Encoding fields say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Transfer {
    /// There is none.
    #[default]
    Absent,
    /// `chunked`, and nothing else.
    Chunked,
    /// Chunked is mentioned, but not the way the RFC has it: misspelt, repeated, not last.
    Mentioned,
    /// Something else.
    Other,
}

/// Where the content of a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no content.
    None,
    /// After so many octets.
    Length(u64),
    /// With the last chunk, if the content does begin with a chunk; else as `otherwise` says. Receivers differ in which
    /// spellings of `chunked` they take for it, and attackers know: the content itself tells.
    Chunked {
        /// The framing without the Transfer-Encoding field.
        otherwise: Unchunked,
    },
    /// With the connection.
    UntilClose,
    /// What follows is not HTTP/1 any more: a tunnel, or an upgraded connection.
    Switched,
}

/// A framing other than chunked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unchunked {
    /// After so many octets.
    Length(u64),
    /// With the connection.
    UntilClose,
}

impl From<Unchunked> for Framing {
    fn from(unchunked: Unchunked) -> Self {
        match unchunked {
            Unchunked::Length(0) => Self::None,
            Unchunked::Length(length) => Self::Length(length),
            Unchunked::UntilClose => Self::UntilClose,
        }
    }
}

impl Facts {
    /// Takes note of a field line. `name` may hold stray octets that lenient receivers pass over.
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts = self.hosts.saturating_add(1),
            12 if name.eq_ignore_ascii_case(b"content-type") => {
                const EVENTS: &[u8] = b"text/event-stream";
                self.event_stream = value.len() >= EVENTS.len() && value[..EVENTS.len()].eq_ignore_ascii_case(EVENTS);
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.note_length(value),
            16 if name.eq_ignore_ascii_case(b"content-encoding") => self.codings.note(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.note_transfer(value),
            _ => {}
        }
    }

    /// A list of equal numbers counts as one of them (RFC 9112 section 6.3, item 5).
    fn note_length(&mut self, value: &[u8]) {
        for item in value.split(|byte| *byte == b',') {
            self.length = match (self.length, parse_length(item.trim_ascii())) {
                (_, None) | (Length::Invalid, _) => Length::Invalid,
                (Length::Absent, Some(length)) => Length::Is(length),
                (Length::Is(first), Some(length)) if first == length => Length::Is(first),
                (Length::Is(first) | Length::Conflicting(first), Some(_)) => Length::Conflicting(first),
            };
        }
    }

    fn note_transfer(&mut self, value: &[u8]) {
        let now = if value.eq_ignore_ascii_case(b"chunked") {
            Transfer::Chunked
        } else if mentions(value, b"chunked") {
            Transfer::Mentioned
        } else {
            Transfer::Other
        };
        self.transfer = match (self.transfer, now) {
            (Transfer::Absent, now) => now,
            (Transfer::Other, Transfer::Other) => Transfer::Other,
            _ => Transfer::Mentioned,
        };
    }

    /// What is wrong with the fields that frame the message.
    fn anomalies(&self) -> Anomalies {
        let mut anomalies = Anomalies::none();
        match self.length {
            Length::Conflicting(_) => anomalies.insert(Anomalies::CONFLICTING_CONTENT_LENGTH),
            Length::Invalid => anomalies.insert(Anomalies::INVALID_CONTENT_LENGTH),
            Length::Absent | Length::Is(_) => {}
        }
        if self.transfer != Transfer::Absent && self.length != Length::Absent {
            anomalies.insert(Anomalies::TRANSFER_ENCODING_WITH_CONTENT_LENGTH);
        }
        if matches!(self.transfer, Transfer::Mentioned | Transfer::Other) {
            anomalies.insert(Anomalies::INVALID_TRANSFER_ENCODING);
        }
        anomalies
    }
}

/// The framing of a request, and what is wrong with it.
pub(super) fn of_request(facts: &Facts) -> (Framing, Anomalies) {
    // A server that goes on in spite of a length it cannot read takes the first number, or none.
    let otherwise = match facts.length {
        Length::Is(length) | Length::Conflicting(length) => Unchunked::Length(length),
        Length::Absent | Length::Invalid => Unchunked::Length(0),
    };
    (frame(facts.transfer, otherwise), facts.anomalies())
}

/// The framing of a response with `status` to a request with `method` (`None` where the request was not seen), and what
/// is wrong with it.
pub(super) fn of_response(facts: &Facts, status: u16, method: Option<&[u8]>) -> (Framing, Anomalies) {
    let mut anomalies = facts.anomalies();
    if status == 204 && (facts.transfer != Transfer::Absent || !matches!(facts.length, Length::Absent | Length::Is(0)))
    {
        // Unlike with HEAD and 304, there is nothing that the length could be the length of.
        anomalies.insert(Anomalies::UNEXPECTED_CONTENT);
    }
    if status == 101 || (method == Some(b"CONNECT") && (200..300).contains(&status)) {
        return (Framing::Switched, anomalies);
    }
    if method == Some(b"HEAD") || matches!(status, 100..=199 | 204 | 304) {
        return (Framing::None, anomalies);
    }
    // A length that is none, or several, tells nothing: then only the connection's end does (item 8). So it is with a
    // Transfer-Encoding other than chunked (item 4), whatever Content-Length says.
    let otherwise = match (facts.transfer, facts.length) {
        (Transfer::Other, _) => Unchunked::UntilClose,
        (_, Length::Is(length)) => Unchunked::Length(length),
        (_, Length::Absent | Length::Conflicting(_) | Length::Invalid) => Unchunked::UntilClose,
    };
    (frame(facts.transfer, otherwise), anomalies)
}

fn frame(transfer: Transfer, otherwise: Unchunked) -> Framing {
    match transfer {
        Transfer::Chunked | Transfer::Mentioned => Framing::Chunked { otherwise },
        Transfer::Absent | Transfer::Other => otherwise.into(),
    }
}

fn parse_length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Whether `word` stands anywhere in `value`, without regard to case and to octets that belong in no value.
pub(super) fn mentions(value: &[u8], word: &[u8]) -> bool {
    let cleaned = value.iter().filter(|byte| is_token(**byte) || matches!(byte, b' ' | b',' | b';'));
    let mut matched = 0;
    for byte in cleaned {
        // The words looked for never repeat their first letter before a mismatch, so no backtracking is needed.
        if byte.eq_ignore_ascii_case(&word[matched]) {
            matched += 1;
        } else {
            matched = usize::from(byte.eq_ignore_ascii_case(&word[0]));
        }
        if matched == word.len() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(fields: &[(&str, &str)]) -> Facts {
        let mut facts = Facts::default();
        for (name, value) in fields {
            facts.note(name.as_bytes(), value.as_bytes());
        }
        facts
    }

    fn request(fields: &[(&str, &str)]) -> Framing {
        of_request(&facts(fields)).0
    }

    fn response(status: u16, method: &str, fields: &[(&str, &str)]) -> Framing {
        of_response(&facts(fields), status, Some(method.as_bytes())).0
    }

    #[test]
    fn content_length() {
        assert_eq!(request(&[("Content-Length", "12")]), Framing::Length(12));
        assert_eq!(request(&[("content-length", "0")]), Framing::None);
        assert_eq!(request(&[("Content-Length", "5, 5"), ("Content-Length", "5")]), Framing::Length(5));
        assert_eq!(request(&[]), Framing::None);
        assert_eq!(response(200, "GET", &[]), Framing::UntilClose);
    }

    #[test]
    fn a_length_that_cannot_be_trusted() {
        for value in ["68;", ",68", "68A", "34 68", "-1", "+5", "18446744073709551616", ""] {
            let fields = [("Content-Length", value)];
            assert_eq!(response(200, "GET", &fields), Framing::UntilClose, "{value}");
            assert_eq!(request(&fields), Framing::None, "{value}");
            assert!(of_request(&facts(&fields)).1.contains(Anomalies::INVALID_CONTENT_LENGTH), "{value}");
        }
        let fields = [("Content-Length", "11"), ("Content-Length", "93")];
        assert_eq!(request(&fields), Framing::Length(11));
        assert_eq!(response(200, "GET", &fields), Framing::UntilClose);
        assert_eq!(of_request(&facts(&fields)).1, Anomalies::CONFLICTING_CONTENT_LENGTH);
    }

    #[test]
    fn transfer_encoding_overrides_content_length() {
        let fields = [("Transfer-Encoding", "chunked"), ("Content-Length", "4")];
        assert_eq!(request(&fields), Framing::Chunked { otherwise: Unchunked::Length(4) });
        assert_eq!(of_request(&facts(&fields)).1, Anomalies::TRANSFER_ENCODING_WITH_CONTENT_LENGTH);
        let fields = [("Transfer-Encoding", "gzip"), ("Content-Length", "4")];
        assert_eq!(response(200, "GET", &fields), Framing::UntilClose);
        assert_eq!(request(&fields), Framing::Length(4));
    }

    #[test]
    fn chunked_in_disguise_is_left_to_the_content() {
        for value in
            ["xchunked", "chunked;", "x chunked", "Chun\0ked", "\u{b}chunked", "chunked, chunked", "gzip, chunked"]
        {
            let fields = [("Transfer-Encoding", value)];
            assert_eq!(response(200, "GET", &fields), Framing::Chunked { otherwise: Unchunked::UntilClose }, "{value}");
            assert_eq!(of_request(&facts(&fields)).1, Anomalies::INVALID_TRANSFER_ENCODING, "{value}");
        }
    }

    #[test]
    fn responses_without_content() {
        let fields = [("Content-Length", "7"), ("Transfer-Encoding", "chunked")];
        assert_eq!(response(200, "HEAD", &fields), Framing::None);
        assert_eq!(response(204, "GET", &fields), Framing::None);
        assert_eq!(response(304, "GET", &fields), Framing::None);
        assert!(of_response(&facts(&fields[..1]), 204, None).1.contains(Anomalies::UNEXPECTED_CONTENT));
        assert!(of_response(&facts(&fields[..1]), 304, None).1.is_empty());
        assert_eq!(response(100, "GET", &fields), Framing::None);
    }

    #[test]
    fn tunnels_and_upgrades() {
        assert_eq!(response(200, "CONNECT", &[("Content-Length", "7")]), Framing::Switched);
        assert_eq!(response(407, "CONNECT", &[("Content-Length", "7")]), Framing::Length(7));
        assert_eq!(response(101, "GET", &[]), Framing::Switched);
        assert_eq!(of_response(&facts(&[]), 101, None).0, Framing::Switched);
    }
}
