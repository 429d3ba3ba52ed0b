//! One direction of a connection: octets, gaps and ends to messages.

use std::mem;

use apitap_detectors::exchange::Anomalies;
use memchr::{memchr, memrchr};

use super::ExchangeSink;
use super::chunked::{self, AfterGap, Chunk, Chunks};
use super::connection::{Opened, Phase, Reading, Work};
use super::framing::{self, Framing, Unchunked};
use super::head::{self, MAX_SECTION, Parsed, SectionEnd, Verdict};
use super::identify::{self, Role, Start};
use super::message::Message;
use crate::tcp::{Direction, EndReason};

/// How long a header section is followed to its end, in bytes; of a longer one the end is searched for as after a gap.
const MAX_FOLLOWED_SECTION: usize = 1 << 20;
/// In so many first octets of an unsure direction each piece is judged; later only pieces with a line end.
const EAGER: usize = 64;

/// Where in a segment octets begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    SegmentStart,
    Within,
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

    fn begin_head(&mut self, direction: Direction, role: Role, bytes: &[u8]) -> usize {
        let mut message = self.new_message(direction);
        if let Parsed::Whole(len) = head::parse(role, bytes, &mut message) {
            self.cx.shared.counters.octets_head += len as u64;
            self.begin_message(direction, role, message, Opened::No);
            return len;
        }
        let side = self.side(direction);
        side.message = Some(message);
        side.reading = Reading::Head { role, end: SectionEnd::default(), exchange: Opened::No };
        *self.phase(direction) = Phase::Message;
        0
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

    /// In octets that do not suffice yet to tell what they begin.
    fn in_unsure(&mut self, direction: Direction, bytes: &[u8]) -> usize {
        let role = self.role(direction);
        let side = self.side(direction);
        let Some(message) = &mut side.message else { return bytes.len() };
        let eager = message.head.len() < EAGER || memchr(b'\n', bytes).is_some();
        message.head.extend_from_slice(bytes);
        if (eager || message.head.len() > MAX_SECTION / 8)
            && identify::start(&message.head, role) != Start::Unsure
            && let Some(mut message) = side.message.take()
        {
            // Now that it can be told, it is judged anew from its beginning.
            let gathered = mem::take(&mut message.head);
            side.reading = Reading::Nothing;
            side.begun = Some((message.started, message.place));
            self.cx.shared.recycle(message);
            *self.phase(direction) = Phase::Boundary;
            self.run(direction, &gathered, Edge::Within);
            self.side(direction).begun = None;
        }
        bytes.len()
    }

    /// In a head that did not come in one piece.
    fn in_head(&mut self, direction: Direction, bytes: &[u8]) -> usize {
        let side = self.side(direction);
        let Reading::Head { end, .. } = &mut side.reading else { return 0 };
        let before = end.seen();
        let found = end.push(bytes);
        let Some(message) = &mut side.message else { return bytes.len() };
        let Some(found) = found else {
            let room = (MAX_SECTION + 1).saturating_sub(message.head.len());
            message.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.cx.shared.counters.octets_head += bytes.len() as u64;
            if before + bytes.len() > MAX_FOLLOWED_SECTION {
                self.end_head_early(direction, Seen::Partly);
                *self.phase(direction) = Phase::Searching;
            }
            return bytes.len();
        };
        let taken = found.saturating_sub(before);
        let room = (MAX_SECTION + 1).saturating_sub(message.head.len());
        message.head.extend_from_slice(&bytes[..taken.min(room)]);
        self.cx.shared.counters.octets_head += taken as u64;
        if found < before {
            self.finish_head_at(direction, found);
        } else {
            self.finish_head(direction);
        }
        taken
    }

    /// A head ended before the last of the octets that were taken for it.
    fn finish_head_at(&mut self, direction: Direction, end: usize) {
        let Some(message) = &mut self.side(direction).message else { return };
        let rest = if end < message.head.len() { message.head.split_off(end) } else { Vec::new() };
        self.cx.shared.counters.octets_head -= rest.len() as u64;
        self.finish_head(direction);
        self.run(direction, &rest, Edge::Within);
    }

    /// All of a head is there.
    fn finish_head(&mut self, direction: Direction) {
        let side = self.side(direction);
        let Reading::Head { role, exchange, .. } = mem::take(&mut side.reading) else { return };
        let Some(mut message) = side.message.take() else { return };
        match head::parse_leniently(role, &mut message) {
            Verdict::Http => self.begin_message(direction, role, message, exchange),
            Verdict::Other => self.drop_head(direction, message),
        }
    }

    /// What looked like a head is none.
    fn drop_head(&mut self, direction: Direction, message: Box<Message>) {
        self.cx.shared.counters.heads_dropped += 1;
        self.cx.shared.recycle(message);
        if self.role(direction).is_some() {
            self.mark_nearest(direction, Anomalies::INVALID_START_LINE);
        }
        self.side(direction).reading = Reading::Nothing;
        *self.phase(direction) = Phase::Searching;
    }

    /// A head breaks off: what there is of it becomes a message, if its start line is complete.
    fn end_head_early(&mut self, direction: Direction, seen: Seen) {
        let side = self.side(direction);
        let Reading::Head { role, exchange, .. } = mem::take(&mut side.reading) else { return };
        let Some(mut message) = side.message.take() else { return };
        let Some(last_line_end) = memrchr(b'\n', &message.head) else {
            return self.drop_head(direction, message);
        };
        // A request line alone, without a version, is all of an HTTP/0.9 request.
        let line_alone = memchr(b'\n', &message.head) == Some(message.head.len() - 1);
        message.head.truncate(last_line_end + 1);
        if head::parse_leniently(role, &mut message) == Verdict::Other {
            return self.drop_head(direction, message);
        }
        message.gap |= seen == Seen::Partly;
        message.cut |= !(line_alone && role == Role::Client && message.is_versionless() && seen == Seen::Whole);
        self.begin_message_as(direction, role, message, exchange, Cut::InHead);
    }

    /// A request whose start line alone is there is one all the same once the server answers.
    fn open_pending_request(&mut self, client: Direction) {
        if self.awaits_response() || self.is_behind(client, self.cx.acknowledged) {
            return;
        }
        let side = self.side(client);
        let Reading::Head { role: Role::Client, exchange, .. } = &mut side.reading else { return };
        let Some(message) = &mut side.message else { return };
        if *exchange == Opened::Yes || memchr(b'\n', &message.head).is_none() {
            return;
        }
        if head::parse_leniently(Role::Client, message) == Verdict::Other {
            return;
        }
        *exchange = Opened::Yes;
        let line_alone = memchr(b'\n', &message.head) == Some(message.head.len() - 1);
        let over = line_alone && message.is_versionless();
        let place = message.place;
        self.link.client.get_or_insert(client);
        self.open_request_slot(place);
        if over {
            self.end_head_early(client, Seen::Whole);
        }
    }

    fn begin_message(&mut self, direction: Direction, role: Role, message: Box<Message>, exchange: Opened) {
        self.begin_message_as(direction, role, message, exchange, Cut::No);
    }

    /// The head of a message has been read.
    fn begin_message_as(
        &mut self,
        direction: Direction,
        role: Role,
        mut message: Box<Message>,
        exchange: Opened,
        cut: Cut,
    ) {
        let client = if role == Role::Client { direction } else { direction.opposite() };
        self.link.client.get_or_insert(client);
        message.judge_fields(role);
        message.anomalies.insert(mem::take(&mut self.link.marks[direction.index()]));
        let framing = match role {
            Role::Client => {
                let (framing, anomalies) = framing::of_request(&message.facts);
                message.anomalies.insert(anomalies);
                if exchange == Opened::No {
                    self.open_request_slot(message.place);
                }
                framing
            }
            Role::Server => {
                if matches!(message.start.status, 100..=199) && message.start.status != 101 {
                    self.cx.shared.counters.interim_responses += 1;
                    self.cx.shared.recycle(message);
                    *self.phase(direction) = Phase::Boundary;
                    return;
                }
                let slot = self.open_response_slot(message.place);
                let (framing, anomalies) = self.frame_response(slot, &message);
                message.anomalies.insert(anomalies);
                framing
            }
        };
        let framing = if cut == Cut::InHead { Framing::None } else { framing };
        self.begin_content(direction, message, framing);
    }

    fn begin_content(&mut self, direction: Direction, message: Box<Message>, framing: Framing) {
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
    fn begin_bare_response(&mut self, direction: Direction) -> usize {
        let mut message = self.new_message(direction);
        message.anomalies.insert(mem::take(&mut self.link.marks[direction.index()]));
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
    fn in_sniff(&mut self, direction: Direction, otherwise: Unchunked, bytes: &[u8]) -> usize {
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

    fn settle_framing(&mut self, direction: Direction, otherwise: Unchunked, is_chunked: bool) {
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

    fn in_chunks(&mut self, direction: Direction, mut chunks: Chunks, bytes: &[u8]) -> usize {
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
        let Some(message) = &mut self.side(direction).message else { return };
        let start = *message.trailer.get_or_insert(message.head.len());
        let room = MAX_SECTION.saturating_sub(message.head.len() - start);
        message.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if room < bytes.len() {
            message.anomalies.insert(Anomalies::HEADER_SECTION_TOO_LARGE);
        }
    }

    /// Chunked content is over.
    fn finish_chunks(&mut self, direction: Direction, chunks: Chunks) {
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

    fn push_content(&mut self, direction: Direction, bytes: &[u8]) {
        self.cx.shared.counters.octets_content += bytes.len() as u64;
        if let (Some(message), mut means) = self.message_and_means(direction) {
            message.content.push(&mut means, bytes);
        }
    }

    /// Attaches an anomaly to the message that `direction` is at.
    fn note(&mut self, direction: Direction, anomaly: Anomalies) {
        if let Some(message) = &mut self.side(direction).message {
            message.anomalies.insert(anomaly);
        }
    }

    /// A message has ended, as far as `direction` is concerned.
    fn end_message(&mut self, direction: Direction, seen: Seen) {
        self.side(direction).reading = Reading::Nothing;
        *self.phase(direction) = Phase::Boundary;
        let Some(mut message) = self.take_message(direction) else { return };
        message.gap |= seen == Seen::Partly;
        let whole = !message.gap && seen == Seen::Whole;
        let mut means =
            super::content::Means { limits: self.cx.limits, scanner: self.cx.scanner, shared: self.cx.shared };
        message.content.finish(&mut means, whole);
        self.file(direction, message);
    }

    /// Octets are missing.
    pub(super) fn gap(&mut self, direction: Direction, octets: u64) {
        self.cx.shared.counters.octets_missing += octets;
        match *self.phase(direction) {
            Phase::Opaque | Phase::Switched | Phase::Searching => {}
            Phase::Boundary => self.gap_at_boundary(direction),
            Phase::Message => self.gap_in_message(direction, octets),
        }
        let placeless =
            *self.phase(direction) == Phase::Searching || matches!(self.side(direction).reading, Reading::Lost);
        if placeless && self.role(direction) == Some(Role::Server) {
            self.link.doubtful = true;
        }
    }

    /// At least the beginning of a message is missing.
    fn gap_at_boundary(&mut self, direction: Direction) {
        match self.role(direction) {
            Some(Role::Client) => self.lose_request(),
            Some(Role::Server) => self.lose_response(),
            None => {}
        }
        *self.phase(direction) = Phase::Searching;
    }

    fn gap_in_message(&mut self, direction: Direction, octets: u64) {
        let side = self.side(direction);
        match &mut side.reading {
            Reading::Nothing => self.gap_at_boundary(direction),
            Reading::Unsure => {
                self.drop_unsure(direction);
                self.gap_at_boundary(direction);
            }
            Reading::Head { .. } => {
                let begun = side.message.as_ref().is_some_and(|message| memchr(b'\n', &message.head).is_some());
                self.end_head_early(direction, Seen::Partly);
                if !begun {
                    self.gap_at_boundary(direction);
                }
                *self.phase(direction) = Phase::Searching;
            }
            Reading::Length(left) if octets < *left => {
                *left -= octets;
                self.hole(direction);
            }
            Reading::Length(left) => {
                let beyond = octets - *left;
                self.hole(direction);
                self.end_message(direction, Seen::Partly);
                if beyond > 0 {
                    self.gap_at_boundary(direction);
                }
            }
            Reading::UntilClose => self.hole(direction),
            Reading::Chunked(chunks) => {
                if chunks.gap(octets) == AfterGap::Lost {
                    side.reading = Reading::Lost;
                }
                self.hole(direction);
            }
            Reading::Sniff { .. } => {
                let held = mem::take(&mut side.held);
                side.reading = Reading::Lost;
                self.push_content(direction, &held);
                self.hole(direction);
            }
            Reading::Lost => {}
        }
    }

    fn hole(&mut self, direction: Direction) {
        if let Some(message) = &mut self.side(direction).message {
            message.gap = true;
            message.content.gap();
        }
    }

    /// Gives up octets that never told what they begin.
    fn drop_unsure(&mut self, direction: Direction) {
        if let Some(message) = self.take_message(direction) {
            self.cx.shared.counters.octets_skipped += message.head.len() as u64;
            self.cx.shared.counters.heads_dropped += 1;
            self.cx.shared.recycle(message);
        }
        self.side(direction).reading = Reading::Nothing;
        *self.phase(direction) = Phase::Boundary;
    }

    /// No more octets come in this direction.
    pub(super) fn end(&mut self, direction: Direction, reason: EndReason) {
        self.end_reading(direction, reason);
        self.close(direction);
    }

    fn end_reading(&mut self, direction: Direction, reason: EndReason) {
        if let Reading::Head { end, .. } = &self.side(direction).reading
            && let Some(end) = end.at_end()
        {
            self.finish_head_at(direction, end);
        }
        if let Reading::Sniff { otherwise } = &self.side(direction).reading {
            let otherwise = *otherwise;
            self.settle_framing(direction, otherwise, false);
            let held = mem::take(&mut self.side(direction).held);
            self.run(direction, &held, Edge::Within);
        }
        // A message that the sender ended too early was seen whole all the same.
        let seen = if reason == EndReason::Fin { Seen::Whole } else { Seen::Cut };
        match &self.side(direction).reading {
            Reading::Nothing => {}
            Reading::Unsure => self.drop_unsure(direction),
            Reading::Head { .. } => self.end_head_early(direction, Seen::Whole),
            Reading::UntilClose if reason == EndReason::Fin => self.end_message(direction, Seen::Whole),
            Reading::Chunked(chunks) if chunks.last_seen() => {
                let mut chunks = *chunks;
                chunks.odd = true;
                self.finish_chunks(direction, chunks);
            }
            Reading::Length(_) | Reading::UntilClose | Reading::Chunked(_) | Reading::Lost | Reading::Sniff { .. } => {
                if let Some(message) = &mut self.side(direction).message {
                    message.cut = true;
                }
                self.end_message(direction, seen);
            }
        }
    }
}

/// How much of a message was seen when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// All that was sent.
    Whole,
    /// Octets are missing in it.
    Partly,
    /// What comes after is not seen.
    Cut,
}

/// Whether a message broke off in its head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    No,
    InHead,
}
