//! Octets that are missing, and octets that do not follow.

use std::mem;

use memchr::memchr;

use super::{Edge, Seen};
use crate::http::ExchangeSink;
use crate::http::chunked::AfterGap;
use crate::http::connection::{Phase, Reading, Work};
use crate::http::identify::Role;
use crate::tcp::{Direction, EndReason};

impl<S: ExchangeSink> Work<'_, '_, S> {
    /// Octets are missing.
    pub(in crate::http) fn gap(&mut self, direction: Direction, octets: u64) {
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
    pub(super) fn drop_unsure(&mut self, direction: Direction) {
        if let Some(message) = self.take_message(direction) {
            self.cx.shared.counters.octets_skipped += message.head.len() as u64;
            self.cx.shared.counters.heads_dropped += 1;
            self.cx.shared.recycle(message);
        }
        self.side(direction).reading = Reading::Nothing;
        *self.phase(direction) = Phase::Boundary;
    }

    /// No more octets come in this direction.
    pub(in crate::http) fn end(&mut self, direction: Direction, reason: EndReason) {
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
