//! One direction of a connection: octets, gaps and ends to messages.
//!
//! Here it is told what comes next; [`heads`] and [`content`] read the parts of a message, [`ends`] says what becomes of it
//! where octets are missing or none follow.

mod content;
mod ends;
mod heads;

use apitap_detectors::exchange::Anomalies;
use memchr::memchr;

use super::ExchangeSink;
use super::connection::{Phase, Reading, Work};
use super::identify::{self, Role, Start};
use crate::tcp::Direction;

/// Where in a segment octets begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    SegmentStart,
    Within,
}

/// How much of a message was seen when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// All that was sent.
    Whole,
    /// Octets are missing in it.
    Partly,
    /// What comes after is not seen.
    Cut,
}

impl<S: ExchangeSink> Work<'_, '_, S> {
    /// Takes the octets of a segment.
    pub(super) fn feed(&mut self, direction: Direction, bytes: &[u8]) {
        self.run(direction, bytes, Edge::SegmentStart);
    }

    fn run(&mut self, direction: Direction, mut bytes: &[u8], mut edge: Edge) {
        while !bytes.is_empty() {
            let taken = match *self.phase(direction) {
                Phase::Boundary => self.boundary(direction, bytes),
                Phase::Searching => self.search(direction, bytes, edge),
                Phase::Message => self.in_message(direction, bytes, edge),
                Phase::Opaque => {
                    self.cx.shared.counters.octets_skipped += bytes.len() as u64;
                    bytes.len()
                }
                Phase::Switched => {
                    self.cx.shared.counters.octets_switched += bytes.len() as u64;
                    bytes.len()
                }
            };
            bytes = bytes.get(taken..).unwrap_or_default();
            if taken > 0 {
                edge = Edge::Within;
            }
        }
    }

    /// At the place of a start line.
    fn boundary(&mut self, direction: Direction, bytes: &[u8]) -> usize {
        if self.role(direction) != Some(Role::Client) {
            self.open_pending_request(direction.opposite());
        }
        let role = self.role(direction);
        if role == Some(Role::Server) && self.awaits_bare_content() && identify::start(bytes, role) == Start::Other {
            return self.begin_bare_response(direction);
        }
        // RFC 9112 section 2.2: empty lines before a message are passed over; so is white space.
        let blank = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if blank > 0 {
            self.cx.shared.counters.octets_framing += blank as u64;
            return blank;
        }
        match identify::start(bytes, role) {
            Start::Request => self.begin_head(direction, Role::Client, bytes),
            Start::Response => self.begin_head(direction, Role::Server, bytes),
            Start::Unsure => {
                let message = self.new_message(direction);
                let side = self.side(direction);
                side.message = Some(message);
                side.reading = Reading::Unsure;
                *self.phase(direction) = Phase::Message;
                0
            }
            // A connection that has carried HTTP/1.1 does not turn into HTTP/2 by what one side says.
            Start::Preface if self.link.client.is_some() => self.begin_head(direction, Role::Client, bytes),
            Start::Preface => {
                self.cx.shared.counters.http2_connections += 1;
                self.link.phases = [Phase::Switched; 2];
                0
            }
            Start::Other => self.begin_nonsense(direction, bytes),
        }
    }

    /// At octets that are no start line where one is due.
    fn begin_nonsense(&mut self, direction: Direction, bytes: &[u8]) -> usize {
        if identify::is_opaque(bytes) {
            *self.phase(direction) = Phase::Opaque;
            return 0;
        }
        if self.role(direction).is_some() {
            self.mark_nearest(direction, Anomalies::UNEXPECTED_BYTES);
        }
        *self.phase(direction) = Phase::Searching;
        self.cx.shared.counters.octets_skipped += 1;
        1
    }

    /// In octets that make no sense, looks for the next message.
    fn search(&mut self, direction: Direction, bytes: &[u8], edge: Edge) -> usize {
        let found = match self.role(direction) {
            Some(role) => identify::resume(bytes, role),
            None if edge == Edge::SegmentStart => {
                // What a whole connection of some other protocol mentions is not searched.
                matches!(identify::start(bytes, None), Start::Request | Start::Response).then_some(0)
            }
            None => None,
        };
        // A start line that goes on in the next segment.
        let found = found.or_else(|| {
            let role = self.role(direction);
            let begins = edge == Edge::SegmentStart
                && memchr(b'\n', bytes).is_none()
                && matches!(identify::start(bytes, role), Start::Request | Start::Response);
            begins.then_some(0)
        });
        let skipped = found.unwrap_or(bytes.len());
        self.cx.shared.counters.octets_skipped += skipped as u64;
        if found.is_some() {
            *self.phase(direction) = Phase::Boundary;
        }
        skipped
    }

    fn in_message(&mut self, direction: Direction, bytes: &[u8], edge: Edge) -> usize {
        let at = self.cx.at;
        let side = self.side(direction);
        if let Some(message) = &mut side.message {
            message.ended = at;
        }
        match &mut side.reading {
            Reading::Nothing => {
                *self.phase(direction) = Phase::Boundary;
                0
            }
            Reading::Unsure => {
                let restarts = edge == Edge::SegmentStart
                    && side.message.as_ref().is_some_and(|message| identify::restarts(&message.head, bytes));
                if restarts {
                    self.drop_unsure(direction);
                    return 0;
                }
                self.in_unsure(direction, bytes)
            }
            Reading::Head { .. } => self.in_head(direction, bytes),
            Reading::Sniff { otherwise } => {
                let otherwise = *otherwise;
                self.in_sniff(direction, otherwise, bytes)
            }
            Reading::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                let over = *left == 0;
                self.push_content(direction, &bytes[..taken]);
                if over {
                    self.end_message(direction, Seen::Whole);
                }
                taken
            }
            Reading::UntilClose => {
                if edge == Edge::SegmentStart && self.is_answered_anew(direction, bytes) {
                    // The server keeps the connection open after all, and answers the next request.
                    self.note(direction, Anomalies::INVALID_CONTENT_LENGTH);
                    self.end_message(direction, Seen::Whole);
                    return 0;
                }
                self.push_content(direction, bytes);
                bytes.len()
            }
            Reading::Chunked(chunks) => {
                let chunks = *chunks;
                self.in_chunks(direction, chunks, bytes)
            }
            Reading::Lost => {
                let role = self.role(direction).unwrap_or(Role::Server);
                let found = identify::resume(bytes, role);
                let lost = found.unwrap_or(bytes.len());
                self.cx.shared.counters.octets_content += lost as u64;
                if let Some(message) = &mut self.side(direction).message {
                    message.content.lose(lost);
                }
                if found.is_some() {
                    self.end_message(direction, Seen::Partly);
                }
                lost
            }
        }
    }

    /// Attaches an anomaly to the message that `direction` is at.
    fn note(&mut self, direction: Direction, anomaly: Anomalies) {
        if let Some(message) = &mut self.side(direction).message {
            message.anomalies.insert(anomaly);
        }
    }
}
