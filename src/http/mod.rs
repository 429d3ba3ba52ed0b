//! HTTP/1.x: from the octets of a connection to exchanges (RFC 9110, RFC 9112).

use std::net::SocketAddr;

use apitap_detectors::exchange::{Anomalies, Exchange};
use apitap_detectors::scan::Scanner;

use crate::tcp::{Direction, StreamEvent};
use crate::time::{Order, Timestamp};

/// Limits on what one connection may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How much decoded content of a message is kept for inspection, in bytes.
    pub inspection: usize,
    /// Whether decoded content is hashed (SHA-256).
    pub hash_content: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { inspection: 1 << 20, hash_content: false }
    }
}

/// What a connection needs from its surroundings during a call.
#[derive(Debug)]
pub struct Context<'a, S> {
    /// The limits in force.
    pub limits: &'a Limits,
    /// Scans content past the inspection limit.
    pub scanner: &'a Scanner,
    /// Both ends of the connection: who sends in `Forward`, who sends in `Reverse`.
    pub ends: [SocketAddr; 2],
    /// Time stamp of the frame at hand, or the deadline that has come.
    pub at: Timestamp,
    /// Where what comes out now stands; the connection counts `ordinal` up for each exchange.
    pub order: Order,
    /// Who takes the exchanges.
    pub sink: &'a mut S,
}

/// Takes exchanges as they are completed.
pub trait ExchangeSink {
    /// Called once for each exchange, in the order in which they end.
    fn exchange(&mut self, exchange: &Exchange<'_>);
}

/// What one TCP connection carries, as HTTP.
#[derive(Debug, Default)]
pub struct Connection {}

impl Connection {
    /// Takes the next event of one direction.
    pub fn on_event<S: ExchangeSink>(
        &mut self,
        _cx: &mut Context<'_, S>,
        _direction: Direction,
        _event: StreamEvent<'_>,
    ) {
    }

    /// Marks the message that `direction` is at with something its lower layers saw.
    pub fn mark(&mut self, _direction: Direction, _anomaly: Anomalies) {}

    /// When [`Self::on_deadline`] is to be called next.
    pub fn deadline(&self) -> Option<Timestamp> {
        None
    }

    /// Lets go of what has waited long enough; `cx.at` is the deadline.
    pub fn on_deadline<S: ExchangeSink>(&mut self, _cx: &mut Context<'_, S>) {}

    /// The connection is over: emits whatever is held.
    pub fn finish<S: ExchangeSink>(&mut self, _cx: &mut Context<'_, S>) {}
}

/// x
#[derive(Debug, Default)]
pub struct Shared {
    limits: Limits,
    scanner: Scanner,
}
/// x
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub struct Counters {}
impl Counters {
    /// x
    pub fn merge(&mut self, _o: &Self) {}
}
impl Shared {
    /// x
    pub fn new(l: &Limits) -> Self {
        Self { limits: l.clone(), scanner: Scanner::default() }
    }
    /// x
    pub fn counters(&self) -> Counters {
        Counters {}
    }
    /// x
    pub fn context<'a, S>(
        &'a mut self,
        ends: [SocketAddr; 2],
        at: Timestamp,
        order: Order,
        sink: &'a mut S,
    ) -> Context<'a, S> {
        Context { limits: &self.limits, scanner: &self.scanner, ends, at, order, sink }
    }
}
