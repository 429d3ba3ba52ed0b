//! Content: of a known length, in chunks, up to the end of the connection.

use std::mem;

use apitap_detectors::exchange::Anomalies;

use super::{Edge, Seen};
use crate::http::ExchangeSink;
use crate::http::chunked::{self, Chunk, Chunks};
use crate::http::connection::{Phase, Reading, Work};
use crate::http::content::Means;
use crate::http::framing::{Framing, Unchunked};
use crate::http::head::{self, MAX_SECTION};
use crate::http::message::Message;
use crate::tcp::Direction;

impl<S: ExchangeSink> Work<'_, '_, S> {
    pub(super) fn begin_content(&mut self, direction: Direction, message: Box<Message>, framing: Framing) {
        let codings = message.facts.codings;
        let side = self.side(direction);
        side.message = Some(message);
        side.reading = match framing {
            Framing::None | Framing::Switched => Reading::Nothing,
            Framing::Length(length) => Reading::Length(length),
            Framing::UntilClose => Reading::UntilClose,
            Framing::Chunked { otherwise } => Reading::Sniff { otherwise },
        };
        *self.phase(direction) = Phase::Message;
        match framing {
            Framing::None => self.end_message(direction, Seen::Whole),
            Framing::Switched => {
                self.end_message(direction, Seen::Whole);
                self.switch();
            }
            Framing::Length(_) | Framing::UntilClose | Framing::Chunked { .. } => {
                if let (Some(message), mut means) = self.message_and_means(direction) {
                    message.content.begin(&mut means, &codings);
                }
            }
        }
    }

    /// The content of a response to a request without a version: there is no status line.
    pub(super) fn begin_bare_response(&mut self, direction: Direction) -> usize {
        let mut message = self.new_message(direction);
        message.anomalies.insert(mem::take(&mut self.link.marks[direction.index()]));
        let cost = message.cost();
        self.cx.shared.budget.overdraw(&mut message.charged, cost);
        self.open_response_slot(message.place);
        self.begin_content(direction, message, Framing::UntilClose);
        0
    }

    /// Both directions carry something else from here on.
    fn switch(&mut self) {
        self.cx.shared.counters.switched_connections += 1;
        for direction in Direction::BOTH {
            self.abort_message(direction);
        }
        self.link.phases = [Phase::Switched; 2];
    }

    /// At the first octets of content that may be chunked.
    pub(super) fn in_sniff(&mut self, direction: Direction, otherwise: Unchunked, bytes: &[u8]) -> usize {
        let side = self.side(direction);
        let first = side.held.is_empty();
        if !first {
            side.held.extend_from_slice(bytes);
        }
        let verdict = chunked::begins(if first { bytes } else { &side.held });
        let Some(is_chunked) = verdict else {
            if first {
                side.held.extend_from_slice(bytes);
            }
            return bytes.len();
        };
        self.settle_framing(direction, otherwise, is_chunked);
        if first {
            return 0;
        }
        let held = mem::take(&mut self.side(direction).held);
        self.run(direction, &held, Edge::Within);
        bytes.len()
    }

    pub(super) fn settle_framing(&mut self, direction: Direction, otherwise: Unchunked, is_chunked: bool) {
        if is_chunked {
            self.side(direction).reading = Reading::Chunked(Chunks::new());
            return;
        }
        self.note(direction, Anomalies::INVALID_CHUNK);
        match otherwise {
            Unchunked::Length(0) => self.end_message(direction, Seen::Whole),
            Unchunked::Length(length) => self.side(direction).reading = Reading::Length(length),
            Unchunked::UntilClose => self.side(direction).reading = Reading::UntilClose,
        }
    }

    pub(super) fn in_chunks(&mut self, direction: Direction, mut chunks: Chunks, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match chunks.next(rest) {
                Chunk::Data(len) => {
                    self.push_content(direction, &rest[..len]);
                    at += len;
                }
                Chunk::Framing(len) => {
                    self.cx.shared.counters.octets_framing += len as u64;
                    at += len;
                }
                Chunk::Trailer(len) => {
                    self.push_trailer(direction, &rest[..len]);
                    at += len;
                }
                Chunk::End(len) => {
                    self.push_trailer(direction, &rest[..len]);
                    self.finish_chunks(direction, chunks);
                    return at + len;
                }
                Chunk::Broken => {
                    if let Some(message) = &mut self.side(direction).message {
                        message.cut = true;
                    }
                    self.finish_chunks(direction, chunks);
                    *self.phase(direction) = Phase::Searching;
                    return at;
                }
            }
        }
        self.side(direction).reading = Reading::Chunked(chunks);
        at
    }

    fn push_trailer(&mut self, direction: Direction, bytes: &[u8]) {
        self.cx.shared.counters.octets_head += bytes.len() as u64;
        let (Some(message), means) = self.message_and_means(direction) else { return };
        if message.anomalies.contains(Anomalies::HEADER_SECTION_TOO_LARGE) {
            return;
        }
        let start = *message.trailer.get_or_insert(message.head.len());
        let fits = message.head.len() - start + bytes.len() <= MAX_SECTION;
        let cost = message.cost() + bytes.len();
        if !fits || !means.shared.budget.charge_head(&mut message.charged, cost) {
            message.anomalies.insert(Anomalies::HEADER_SECTION_TOO_LARGE);
            return;
        }
        message.head.extend_from_slice(bytes);
    }

    /// Chunked content is over.
    pub(super) fn finish_chunks(&mut self, direction: Direction, chunks: Chunks) {
        if chunks.odd {
            self.note(direction, Anomalies::INVALID_CHUNK);
        }
        if let Some(message) = &mut self.side(direction).message
            && let Some(start) = message.trailer
        {
            // What a trailer section says does not frame the message any more.
            let facts = message.facts;
            head::parse_fields(message, start);
            message.facts = facts;
        }
        self.end_message(direction, Seen::Whole);
    }

    pub(super) fn push_content(&mut self, direction: Direction, bytes: &[u8]) {
        self.cx.shared.counters.octets_content += bytes.len() as u64;
        if let (Some(message), mut means) = self.message_and_means(direction) {
            message.content.push(&mut means, bytes);
        }
    }

    /// A message has ended, as far as `direction` is concerned.
    pub(super) fn end_message(&mut self, direction: Direction, seen: Seen) {
        self.side(direction).reading = Reading::Nothing;
        *self.phase(direction) = Phase::Boundary;
        let Some(mut message) = self.take_message(direction) else { return };
        message.gap |= seen == Seen::Partly;
        let whole = !message.gap && seen == Seen::Whole;
        let mut means = Means { limits: self.cx.limits, scanner: self.cx.scanner, shared: self.cx.shared };
        message.content.finish(&mut means, whole);
        self.file(direction, message);
    }
}
