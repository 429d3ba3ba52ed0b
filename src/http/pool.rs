//! What the connections of a worker share: buffers that are used again, decoders, budgets, counters.

use super::Limits;
use super::budget::Budget;
use super::coding::Coders;
use super::connection::Busy;
use super::message::Message;
use crate::counters::counters;

/// What the connections of one worker share.
#[derive(Debug)]
pub struct Shared {
    pub(super) pool: Pool,
    pub(super) coders: Coders,
    pub(super) budget: Budget,
    pub(super) counters: Counters,
}

impl Shared {
    /// For one worker.
    pub fn new(limits: &Limits) -> Self {
        Self {
            pool: Pool::default(),
            coders: Coders::default(),
            budget: Budget::new(limits.content_budget),
            counters: Counters::default(),
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        Counters { content_budget_refused: self.budget.content_refused, ..self.counters }
    }

    /// How many bytes of messages, heads and decoded content, are held now.
    pub fn bytes_held(&self) -> usize {
        self.budget.held()
    }

    /// An empty message.
    pub(super) fn message(&mut self) -> Box<Message> {
        self.pool.messages.pop().unwrap_or_default()
    }

    /// Takes back a message.
    pub(super) fn recycle(&mut self, mut message: Box<Message>) {
        message.reset(self);
        if self.pool.messages.len() < Pool::MAX_IDLE {
            self.pool.messages.push(message);
        }
    }

    /// The working state of a connection that is at work.
    pub(super) fn busy(&mut self) -> Box<Busy> {
        self.pool.busy.pop().unwrap_or_default()
    }

    /// Takes back the working state of a connection with nothing in flight.
    pub(super) fn rest(&mut self, busy: Box<Busy>) {
        if self.pool.busy.len() < Pool::MAX_IDLE {
            self.pool.busy.push(busy);
        }
    }
}

/// Idle objects with their memory.
#[derive(Debug, Default)]
pub(super) struct Pool {
    #[expect(clippy::vec_box, reason = "connections hold them boxed, and they move to and fro without being copied")]
    messages: Vec<Box<Message>>,
    #[expect(clippy::vec_box, reason = "as above")]
    busy: Vec<Box<Busy>>,
}

impl Pool {
    /// How many of each kind are kept; a message holds at most 256 KiB.
    const MAX_IDLE: usize = 128;
}

counters! {
    /// What was counted. `octets_in` is the sum of the other octets but `octets_missing`, and of what connections hold.
    pub struct Counters {
        /// Octets of streams taken in.
        pub octets_in,
        /// Octets of start lines, header sections and trailer sections.
        pub octets_head,
        /// Octets of content as sent, transfer coding removed.
        pub octets_content,
        /// Octets that frame chunks, and empty lines between messages.
        pub octets_framing,
        /// Octets that belong to no message that could be told.
        pub octets_skipped,
        /// Octets after an upgrade, in a tunnel, or of HTTP/2.
        pub octets_switched,
        /// Octets that were missing.
        pub octets_missing,
        /// Exchanges handed to the sink.
        pub exchanges,
        /// Those of them with nothing missing.
        pub exchanges_complete,
        /// Interim responses passed over.
        pub interim_responses,
        /// Connections that turned out to be HTTP/2.
        pub http2_connections,
        /// Connections that became a tunnel or were upgraded.
        pub switched_connections,
        /// Requests let go without a response because they waited too long or were too many.
        pub requests_abandoned,
        /// Heads that were not kept because they never became a message.
        pub heads_dropped,
        /// Heads cut short because the content budget was spent before their end came.
        pub heads_cut_budget,
        /// Times content was not kept because the content budget was spent.
        pub content_budget_refused,
    }
}
