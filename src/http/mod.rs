//! HTTP/1.x: from the octets of a connection to exchanges (RFC 9110, RFC 9112).
//!
//! A [`Connection`] takes what the two directions of a TCP connection tell, as captured, and hands an
//! [`Exchange`] to the sink when it has ended. Which direction asks and which answers is known by content, on any port.
//!
//! The way of the octets: `identify` judges what stands at the place of a start line, `head` reads start line and
//! fields, `framing` says how long the content is, `chunked` and `coding` take it out of its codings, `content`
//! keeps, scans and hashes it; `direction` drives all this for one direction, `pairing` puts requests and responses
//! together. Nothing here fails: what is malformed becomes an anomaly of the exchange, and the stream goes on. Octets are
//! conserved: each one that comes in is counted as head, content, framing, skipped or switched ([`Counters`]), or is held.

use std::net::SocketAddr;

use apitap_detectors::exchange::Exchange;
use apitap_detectors::scan::Scanner;

use crate::time::{Order, Timestamp};

mod budget;
mod chunked;
mod coding;
mod connection;
mod content;
mod direction;
mod framing;
mod head;
mod identify;
mod message;
mod pairing;
mod pool;
#[cfg(test)]
mod tests;

pub use connection::Connection;
pub use pool::{Counters, Shared};

/// Limits on what connections may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How much decoded content of a message is kept for inspection, in bytes.
    pub inspection: usize,
    /// How much the messages of a worker's connections may hold together, in bytes: heads, decoders, decoded content. Past
    /// it content is scanned only, heads that come in pieces are cut short, and connections have one exchange in flight.
    pub content_budget: usize,
    /// Whether a response that stays open is told before it ends.
    pub open_responses: OpenResponses,
    /// Whether decoded content is hashed (SHA-256).
    pub hash_content: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inspection: 1 << 20,
            content_budget: 256 << 20,
            open_responses: OpenResponses::default(),
            hash_content: false,
        }
    }
}

/// What becomes of a response that stays open: an event stream, a long poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenResponses {
    /// It is waited for: a capture has an end.
    #[default]
    Await,
    /// It is told as it is after a while; what follows is counted only.
    Tell,
}

/// What a connection needs from its surroundings during a call.
#[derive(Debug)]
pub struct Context<'a, S> {
    /// The limits in force.
    pub limits: &'a Limits,
    /// What the connections of a worker share: buffers, decoders, counters.
    pub shared: &'a mut Shared,
    /// Scans content past the inspection limit.
    pub scanner: &'a Scanner,
    /// Both ends of the connection: who sends in `Forward`, who sends in `Reverse`.
    pub ends: [SocketAddr; 2],
    /// Time stamp of the frame at hand, or the deadline that has come.
    pub at: Timestamp,
    /// Where what comes out now stands; the connection counts `ordinal` up for each exchange.
    pub order: Order,
    /// How many octets of the other direction the sender of the event at hand had acknowledged, gaps included; it may be
    /// more than was told of them so far. See [`pairing`] for what it tells.
    pub acknowledged: Option<u64>,
    /// Who takes the exchanges.
    pub sink: &'a mut S,
}

/// Takes exchanges as they are completed.
pub trait ExchangeSink {
    /// Called once for each exchange, in the order in which they end.
    fn exchange(&mut self, exchange: &Exchange<'_>);
}
