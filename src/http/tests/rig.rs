//! Drives a connection, and keeps what it tells.

use std::net::SocketAddr;

use apitap_detectors::exchange::{Anomalies, Completeness, Exchange, Version};
use apitap_detectors::scan::Scanner;

use crate::http::{Connection, Context, ExchangeSink, Limits, Shared};
use crate::tcp::Direction::{self, Forward, Reverse};
use crate::tcp::{EndReason, StreamEvent};
use crate::time::{Order, Span, Timestamp};

/// An exchange, in types that outlive the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: Option<String>,
    pub(super) target: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) request_content: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) completeness: Completeness,
    pub(super) anomalies: Anomalies,
    pub(super) client: SocketAddr,
    pub(super) ordinal: u32,
    pub(super) fields: Vec<(String, String)>,
    pub(super) bare: bool,
}

impl Seen {
    /// `GET / 200`, with `-` for what is not there.
    pub(super) fn line(&self) -> String {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let status = self.status.map_or_else(|| "-".into(), |status| status.to_string());
        format!("{} {} {status}", or_dash(&self.method), or_dash(&self.target))
    }
}

#[derive(Debug, Default)]
pub(super) struct Recorder(pub(super) Vec<Seen>);

impl ExchangeSink for Recorder {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (request, response) = (exchange.request, exchange.response);
        self.0.push(Seen {
            method: request.map(|request| text(request.method)),
            target: request.map(|request| text(request.target)),
            status: response.map(|response| response.status),
            request_content: request.map_or_else(Vec::new, |request| request.content.bytes.to_vec()),
            content: response.map_or_else(Vec::new, |response| response.content.bytes.to_vec()),
            sha256: response.and_then(|response| response.content.sha256),
            completeness: exchange.completeness,
            anomalies: exchange.anomalies,
            client: exchange.client,
            ordinal: exchange.order.ordinal,
            fields: response.map_or_else(Vec::new, |response| {
                response.fields.iter().map(|(name, value)| (text(name), text(value))).collect()
            }),
            bare: response.is_some_and(|response| response.version == Version::Http09),
        });
    }
}

/// How much of the other direction a sender has acknowledged.
#[derive(Clone, Copy)]
pub(super) enum Acknowledged {
    /// All that was told.
    Told,
    /// More than that.
    More,
    /// Up to there.
    UpTo(u64),
    Unknown,
}

/// Drives a connection.
pub(super) struct Rig {
    pub(super) connection: Connection,
    pub(super) shared: Shared,
    pub(super) limits: Limits,
    pub(super) at: Timestamp,
    pub(super) acknowledged: Acknowledged,
    pub(super) told: [u64; 2],
    pub(super) seen: Recorder,
    pub(super) octets: u64,
    /// Octets held by connections that are not at hand.
    pub(super) held_elsewhere: u64,
    pub(super) frame: u64,
}

pub(super) const CLIENT: &str = "192.0.2.1:40000";
pub(super) const SERVER: &str = "192.0.2.2:80";

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(Limits { hash_content: true, ..Limits::default() })
    }

    pub(super) fn with(limits: Limits) -> Self {
        Self {
            connection: Connection::default(),
            shared: Shared::new(&limits),
            limits,
            at: Timestamp::from_parts(1_000, 0),
            acknowledged: Acknowledged::Told,
            told: [0; 2],
            seen: Recorder::default(),
            octets: 0,
            held_elsewhere: 0,
            frame: 0,
        }
    }

    pub(super) fn with_context(
        &mut self,
        acknowledged: Option<u64>,
        call: impl FnOnce(&mut Connection, &mut Context<'_, Recorder>),
    ) -> &mut Self {
        let mut cx = Context {
            limits: &self.limits,
            shared: &mut self.shared,
            scanner: &Scanner::default(),
            ends: [CLIENT.parse().unwrap(), SERVER.parse().unwrap()],
            at: self.at,
            order: Order { time: self.at, frame: self.frame, ..Order::default() },
            acknowledged,
            sink: &mut self.seen,
        };
        call(&mut self.connection, &mut cx);
        let counters = self.shared.counters();
        let counted = counters.octets_head
            + counters.octets_content
            + counters.octets_framing
            + counters.octets_skipped
            + counters.octets_switched;
        assert_eq!(counters.octets_in, self.octets, "{counters:?}");
        assert_eq!(counters.octets_in, counted + self.held_elsewhere + self.connection.octets_held(), "{counters:?}");
        self
    }

    pub(super) fn event(&mut self, direction: Direction, event: StreamEvent<'_>) -> &mut Self {
        self.frame += 1;
        self.told[direction.index()] += match event {
            StreamEvent::Data(bytes) => bytes.len() as u64,
            StreamEvent::Gap(octets) => octets,
            StreamEvent::End(_) => 0,
        };
        if let StreamEvent::Data(bytes) = event {
            self.octets += bytes.len() as u64;
        }
        let told = self.told[direction.opposite().index()];
        let acknowledged = match self.acknowledged {
            Acknowledged::Told => Some(told),
            Acknowledged::More => Some(told + 10_000),
            Acknowledged::UpTo(octets) => Some(octets),
            Acknowledged::Unknown => None,
        };
        self.with_context(acknowledged, |connection, cx| connection.on_event(cx, direction, event))
    }

    pub(super) fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.event(Forward, StreamEvent::Data(bytes))
    }

    pub(super) fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.event(Reverse, StreamEvent::Data(bytes))
    }

    pub(super) fn fin(&mut self, direction: Direction) -> &mut Self {
        self.event(direction, StreamEvent::End(EndReason::Fin))
    }

    pub(super) fn gap(&mut self, direction: Direction, octets: u64) -> &mut Self {
        self.event(direction, StreamEvent::Gap(octets))
    }

    pub(super) fn wait(&mut self, seconds: u32) -> &mut Self {
        self.at = self.at + Span::from_secs(seconds);
        while let Some(deadline) = self.connection.deadline().filter(|deadline| *deadline <= self.at) {
            let now = std::mem::replace(&mut self.at, deadline);
            self.with_context(None, |connection, cx| connection.on_deadline(cx));
            self.at = now;
        }
        self
    }

    /// Turns to another connection of the same worker.
    pub(super) fn swap(&mut self, other: &mut Connection) {
        self.held_elsewhere += self.connection.octets_held();
        std::mem::swap(&mut self.connection, other);
        self.held_elsewhere -= self.connection.octets_held();
        self.told = [0; 2];
    }

    /// Ends the connection.
    pub(super) fn end(&mut self) {
        self.with_context(None, |connection, cx| connection.finish(cx));
        assert_eq!(self.connection.octets_held(), 0);
    }

    /// The same, of the only connection.
    pub(super) fn finish(&mut self) -> Vec<Seen> {
        self.end();
        assert_eq!(self.shared.bytes_held(), 0);
        std::mem::take(&mut self.seen.0)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.seen.0.iter().map(Seen::line).collect()
    }
}

pub(super) fn lines(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(Seen::line).collect()
}

/// One request and what the server answers, then FIN.
pub(super) fn exchange(request: &[u8], response: &[u8]) -> Vec<Seen> {
    let mut rig = Rig::new();
    rig.client(request).server(response).fin(Reverse).fin(Forward);
    rig.finish()
}

pub(super) fn only(seen: Vec<Seen>) -> Seen {
    assert_eq!(seen.len(), 1, "{:?}", lines(&seen));
    seen.into_iter().next().unwrap()
}

pub(super) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
