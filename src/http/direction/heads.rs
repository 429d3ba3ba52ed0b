//! Heads that come in pieces, break off, or turn out to be none; and where a message begins once its head was read.

use std::mem;

use apitap_detectors::exchange::Anomalies;
use memchr::{memchr, memrchr};

use super::{Edge, Seen};
use crate::http::ExchangeSink;
use crate::http::connection::{Opened, Phase, Reading, Work};
use crate::http::framing::{self, Framing};
use crate::http::head::{self, MAX_SECTION, Parsed, SectionEnd, Verdict};
use crate::http::identify::{self, Role, Start};
use crate::http::message::Message;
use crate::tcp::Direction;

/// How long a header section is followed to its end, in bytes; of a longer one the end is searched for as after a gap.
const MAX_FOLLOWED_SECTION: usize = 1 << 20;
/// In so many first octets of an unsure direction each piece is judged; later only pieces with a line end.
const EAGER: usize = 64;

/// Whether a message broke off in its head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    No,
    InHead,
}

impl<S: ExchangeSink> Work<'_, '_, S> {
    pub(super) fn begin_head(&mut self, direction: Direction, role: Role, bytes: &[u8]) -> usize {
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

    /// In octets that do not suffice yet to tell what they begin.
    pub(super) fn in_unsure(&mut self, direction: Direction, bytes: &[u8]) -> usize {
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
        } else if !self.is_head_affordable(direction) {
            self.drop_unsure(direction);
            *self.phase(direction) = Phase::Searching;
        }
        bytes.len()
    }

    /// In a head that did not come in one piece.
    pub(super) fn in_head(&mut self, direction: Direction, bytes: &[u8]) -> usize {
        let side = self.side(direction);
        let Reading::Head { end, .. } = &mut side.reading else { return 0 };
        let before = end.seen();
        let found = end.push(bytes);
        let Some(message) = &mut side.message else { return bytes.len() };
        let Some(found) = found else {
            let room = (MAX_SECTION + 1).saturating_sub(message.head.len());
            message.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.cx.shared.counters.octets_head += bytes.len() as u64;
            let affordable = self.is_head_affordable(direction);
            if !affordable || before + bytes.len() > MAX_FOLLOWED_SECTION {
                self.end_head_early(direction, Seen::Partly);
                *self.phase(direction) = Phase::Searching;
            }
            if !affordable {
                self.relieve();
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

    /// Charges the head that `direction` is at to the budget; counts it when that is spent.
    fn is_head_affordable(&mut self, direction: Direction) -> bool {
        let (Some(message), means) = self.message_and_means(direction) else { return true };
        let cost = message.cost();
        let affordable = means.shared.budget.charge_head(&mut message.charged, cost);
        means.shared.counters.heads_cut_budget += u64::from(!affordable);
        affordable
    }

    /// A head ended before the last of the octets that were taken for it.
    pub(super) fn finish_head_at(&mut self, direction: Direction, end: usize) {
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
    pub(super) fn end_head_early(&mut self, direction: Direction, seen: Seen) {
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
    pub(super) fn open_pending_request(&mut self, client: Direction) {
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
            // It is none whatever follows; so it is not read again each time the server sends something.
            if let Some(message) = side.message.take() {
                self.drop_head(client, message);
            }
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
        if *self.link.client.get_or_insert(client) != client {
            // It began before a head of the other direction told who asks here.
            return self.drop_head(direction, message);
        }
        message.judge_fields(role);
        let cost = message.cost();
        self.cx.shared.budget.overdraw(&mut message.charged, cost);
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
}
