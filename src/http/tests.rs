//! Whole connections: what goes in as octets comes out as exchanges.

use std::net::SocketAddr;

use apitap_detectors::exchange::{Anomalies, Completeness, Exchange, Version};
use apitap_detectors::scan::Scanner;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::{Connection, Context, ExchangeSink, Limits, Shared};
use crate::tcp::Direction::{self, Forward, Reverse};
use crate::tcp::{EndReason, StreamEvent};
use crate::time::{Order, Span, Timestamp};

/// An exchange, in types that outlive the call.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    method: Option<String>,
    target: Option<String>,
    status: Option<u16>,
    request_content: Vec<u8>,
    content: Vec<u8>,
    sha256: Option<[u8; 32]>,
    completeness: Completeness,
    anomalies: Anomalies,
    client: SocketAddr,
    ordinal: u32,
    fields: Vec<(String, String)>,
    bare: bool,
}

impl Seen {
    /// `GET / 200`, with `-` for what is not there.
    fn line(&self) -> String {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let status = self.status.map_or_else(|| "-".into(), |status| status.to_string());
        format!("{} {} {status}", or_dash(&self.method), or_dash(&self.target))
    }
}

#[derive(Debug, Default)]
struct Recorder(Vec<Seen>);

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
enum Acknowledged {
    /// All that was told.
    Told,
    /// More than that.
    More,
    /// Up to there.
    UpTo(u64),
    Unknown,
}

/// Drives a connection.
struct Rig {
    connection: Connection,
    shared: Shared,
    limits: Limits,
    at: Timestamp,
    acknowledged: Acknowledged,
    told: [u64; 2],
    seen: Recorder,
    octets: u64,
    frame: u64,
}

const CLIENT: &str = "192.0.2.1:40000";
const SERVER: &str = "192.0.2.2:80";

impl Rig {
    fn new() -> Self {
        Self::with(Limits { hash_content: true, ..Limits::default() })
    }

    fn with(limits: Limits) -> Self {
        Self {
            connection: Connection::default(),
            shared: Shared::new(&limits),
            limits,
            at: Timestamp::from_parts(1_000, 0),
            acknowledged: Acknowledged::Told,
            told: [0; 2],
            seen: Recorder::default(),
            octets: 0,
            frame: 0,
        }
    }

    fn with_context(&mut self, acknowledged: Option<u64>, call: impl FnOnce(&mut Connection, &mut Context<'_, Recorder>)) -> &mut Self {
        let mut cx = Context {
            limits: &self.limits,
            shared: &mut self.shared,
            scanner: &Scanner::default(),
            ends: [CLIENT.parse().unwrap(), SERVER.parse().unwrap()],
            at: self.at,
            order: Order { frame: self.frame, ..Order::default() },
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
        assert_eq!(counters.octets_in, counted + self.connection.octets_held(), "{counters:?}");
        self
    }

    fn event(&mut self, direction: Direction, event: StreamEvent<'_>) -> &mut Self {
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

    fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.event(Forward, StreamEvent::Data(bytes))
    }

    fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.event(Reverse, StreamEvent::Data(bytes))
    }

    fn fin(&mut self, direction: Direction) -> &mut Self {
        self.event(direction, StreamEvent::End(EndReason::Fin))
    }

    fn gap(&mut self, direction: Direction, octets: u64) -> &mut Self {
        self.event(direction, StreamEvent::Gap(octets))
    }

    fn wait(&mut self, seconds: u32) -> &mut Self {
        self.at = self.at + Span::from_secs(seconds);
        while let Some(deadline) = self.connection.deadline().filter(|deadline| *deadline <= self.at) {
            let now = std::mem::replace(&mut self.at, deadline);
            self.with_context(None, |connection, cx| connection.on_deadline(cx));
            self.at = now;
        }
        self
    }

    fn finish(&mut self) -> Vec<Seen> {
        self.with_context(None, |connection, cx| connection.finish(cx));
        assert_eq!(self.connection.octets_held(), 0);
        assert_eq!(self.shared.content_held(), 0);
        std::mem::take(&mut self.seen.0)
    }

    fn lines(&self) -> Vec<String> {
        self.seen.0.iter().map(Seen::line).collect()
    }
}

fn lines(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(Seen::line).collect()
}

/// One request and what the server answers, then FIN.
fn exchange(request: &[u8], response: &[u8]) -> Vec<Seen> {
    let mut rig = Rig::new();
    rig.client(request).server(response).fin(Reverse).fin(Forward);
    rig.finish()
}

fn only(seen: Vec<Seen>) -> Seen {
    assert_eq!(seen.len(), 1, "{:?}", lines(&seen));
    seen.into_iter().next().unwrap()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn content_of_a_known_length() {
    let seen = only(exchange(GET, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"));
    assert_eq!(seen.line(), "GET / 200");
    assert_eq!(seen.content, b"hello");
    assert_eq!(seen.sha256, Some(Sha256::digest(b"hello").into()));
    assert_eq!(seen.client, CLIENT.parse().unwrap());
    assert!(seen.completeness.is_complete() && seen.anomalies.is_empty(), "{seen:?}");
    assert_eq!(seen.fields, [("Content-Length".into(), "5".into()), ("X".into(), "y".into())]);
}

#[test]
fn an_exchange_is_told_when_its_response_ends() {
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
    assert!(rig.lines().is_empty());
    rig.server(b"o");
    assert_eq!(rig.lines(), ["GET / 200"]);
    assert!(rig.connection.deadline().is_none());
}

#[test]
fn chunked_content_with_trailers() {
    let seen = only(exchange(
        GET,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nDigest: d\r\n\r\n",
    ));
    assert_eq!(seen.content, b"hello");
    assert_eq!(seen.fields.last(), Some(&("Digest".into(), "d".into())));
    assert!(seen.completeness.is_complete() && seen.anomalies.is_empty(), "{seen:?}");
}

#[test]
fn content_that_ends_with_the_connection() {
    let seen = only(exchange(GET, b"HTTP/1.0 200 OK\r\n\r\nhello"));
    assert_eq!(seen.content, b"hello");
    assert!(seen.completeness.is_complete());
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.0 200 OK\r\n\r\nhello");
    let seen = only(rig.finish());
    assert_eq!(seen.completeness, Completeness::RESPONSE_CUT);
    assert_eq!(seen.sha256, None);
}

#[test]
fn requests_have_content_too() {
    let mut rig = Rig::new();
    rig.client(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    rig.server(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let seen = rig.finish();
    assert_eq!(lines(&seen), ["POST /a 201", "GET /b 404"]);
    assert_eq!(seen[0].request_content, b"abc");
    assert_eq!((seen[0].ordinal, seen[1].ordinal), (0, 1));
}

#[test]
fn interim_responses_are_passed_over() {
    let seen = only(exchange(
        b"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ));
    assert_eq!(seen.line(), "PUT /a 204");
}

#[test]
fn head_and_304_have_no_content() {
    let mut rig = Rig::new();
    rig.client(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").server(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    rig.client(GET).server(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n");
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(rig.lines(), ["HEAD / 200", "GET / 304", "GET / 200"]);
}

#[test]
fn an_upgrade_ends_http() {
    let mut rig = Rig::new();
    rig.client(b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    rig.server(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello");
    assert_eq!(rig.lines(), ["GET /ws 101"]);
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(lines(&rig.finish()), ["GET /ws 101"]);
    assert_eq!(rig.shared.counters().octets_switched, 7 + GET.len() as u64 + 19);
}

#[test]
fn a_tunnel_ends_http_and_a_refused_one_does_not() {
    let mut rig = Rig::new();
    rig.client(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    rig.server(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno");
    rig.client(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n").server(b"HTTP/1.1 200 OK\r\n\r\n");
    rig.client(GET);
    assert_eq!(lines(&rig.finish()), ["CONNECT a:443 407", "CONNECT a:443 200"]);
}

#[test]
fn http_2_is_left_alone() {
    let mut rig = Rig::new();
    rig.client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").server(b"\0\0\0\x04\0\0\0\0\0");
    assert!(rig.finish().is_empty());
    assert_eq!(rig.shared.counters().http2_connections, 1);
}

#[test]
fn an_http_09_request_is_answered_by_content_alone() {
    let seen = only(exchange(b"GET /a\r\n", b"<html>hello</html>"));
    assert_eq!((seen.method.as_deref(), seen.target.as_deref()), (Some("GET"), Some("/a")));
    assert!(seen.bare);
    assert_eq!(seen.content, b"<html>hello</html>");
}

#[test]
fn a_request_without_a_version_may_have_fields() {
    let seen = only(exchange(b"GET HTTP/1.1\nHost: a\n\n", b"HTTP/1.0 400 Bad Request\r\n\r\nno"));
    assert_eq!(seen.line(), "GET HTTP/1.1 400");
    let seen = only(exchange(b"OPTIONS\nHost: a\n\n", b"HTTP/1.0 400 Bad Request\r\n\r\nno"));
    assert_eq!(seen.line(), "OPTIONS  400");
}

#[test]
fn other_protocols_are_no_exchanges() {
    for (client, server) in [
        (&b"EHLO a\r\n"[..], &b"220 mail.example ESMTP\r\n"[..]),
        (b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x03\x00\x05hello"),
        (b"SSH-2.0-x\r\n", b"SSH-2.0-y\r\n"),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"),
        (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"),
        (b"GET", b"HTT"),
    ] {
        assert_eq!(lines(&exchange(client, server)), [""; 0], "{}", client.escape_ascii());
    }
}

#[test]
fn the_first_sender_may_be_the_server() {
    let mut rig = Rig::new();
    rig.server(GET).client(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let seen = only(rig.finish());
    assert_eq!(seen.client, SERVER.parse().unwrap());
}

#[test]
fn one_sided_captures() {
    let mut rig = Rig::new();
    rig.client(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    rig.wait(60).client(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").wait(9);
    assert!(rig.lines().is_empty());
    rig.wait(1);
    assert_eq!(rig.lines(), ["GET /1 -"]);
    let seen = rig.finish();
    assert_eq!(lines(&seen), ["GET /1 -", "GET /2 -"]);
    assert_eq!(seen[1].completeness, Completeness::NO_RESPONSE);

    let mut rig = Rig::new();
    rig.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(rig.lines(), ["- - 200", "- - 404"]);
}

#[test]
fn a_late_response_does_not_answer_the_wrong_request() {
    let mut rig = Rig::new();
    rig.client(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").client(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").wait(10);
    rig.server(b"HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(rig.lines(), ["GET /1 -", "- - 201", "GET /2 202"]);
}

#[test]
fn requests_in_flight_are_bounded() {
    let mut rig = Rig::new();
    for n in 0..300 {
        rig.client(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    }
    assert_eq!(rig.lines().len(), 300 - 256);
    assert_eq!(rig.shared.counters().requests_abandoned, 300 - 256);
    assert_eq!(rig.finish().len(), 300);
}

#[test]
fn a_response_captured_before_its_request() {
    let mut rig = Rig::new();
    rig.acknowledged = Acknowledged::More;
    rig.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert!(rig.lines().is_empty());
    rig.acknowledged = Acknowledged::Told;
    rig.client(GET);
    assert_eq!(rig.lines(), ["GET / 200"]);
    // Without the sign that a request is on its way, it answers one from before the capture.
    let mut rig = Rig::new();
    rig.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").client(GET);
    assert_eq!(lines(&rig.finish()), ["- - 200", "GET / -"]);
}

#[test]
fn a_response_whose_request_never_comes() {
    let mut rig = Rig::new();
    rig.acknowledged = Acknowledged::More;
    rig.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").wait(10);
    assert_eq!(rig.lines(), ["- - 200"]);
    let mut rig = Rig::new();
    rig.acknowledged = Acknowledged::More;
    rig.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").client(GET).gap(Forward, 30);
    rig.server(b"HTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\nok").client(GET);
    let seen = rig.finish();
    assert_eq!(lines(&seen), ["GET / 200", "- - 201", "GET / -"]);
    assert!(seen[1].completeness.contains(Completeness::REQUEST_GAP));
}

#[test]
fn heads_that_never_end() {
    let mut rig = Rig::new();
    rig.client(b"GET /a HTTP/1.1\r\nHost: a\r\nX: y");
    let seen = only(rig.finish());
    assert_eq!(seen.line(), "GET /a -");
    assert_eq!(seen.completeness, Completeness::NO_RESPONSE.union(Completeness::REQUEST_CUT));
    let mut rig = Rig::new();
    rig.client(b"GET /a HTTP/1.1\r\nHost: a\r\n").server(b"HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n");
    let seen = only(rig.finish());
    assert_eq!(seen.line(), "GET /a 408");
    assert!(seen.anomalies.contains(Anomalies::EARLY_RESPONSE));
    let mut rig = Rig::new();
    rig.client(b"GET /a HTT");
    assert!(rig.finish().is_empty());
}

#[test]
fn an_early_response_waits_for_its_request() {
    let mut rig = Rig::new();
    rig.client(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    rig.server(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    assert!(rig.lines().is_empty());
    rig.client(b"def");
    let seen = only(rig.finish());
    assert_eq!((seen.line(), &seen.request_content[..]), ("POST / 413".into(), &b"abcdef"[..]));
    assert!(seen.completeness.is_complete());
    let mut rig = Rig::new();
    rig.client(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    rig.server(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").wait(10);
    assert_eq!(rig.seen.0[0].completeness, Completeness::REQUEST_CUT);
    rig.client(b"defGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(lines(&rig.finish()), ["POST / 413", "GET /b -"]);
}

#[test]
fn gaps_in_content_are_counted() {
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab").gap(Reverse, 6).server(b"yz");
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab").gap(Reverse, 8);
    rig.client(GET).server(b"HTTP/1.1 204 No Content\r\n\r\n");
    let seen = rig.finish();
    assert_eq!(lines(&seen), ["GET / 200", "GET / 200", "GET / 204"]);
    assert_eq!(seen[0].content, b"abyz");
    assert_eq!((seen[0].completeness, seen[0].sha256), (Completeness::RESPONSE_GAP, None));
    assert!(seen[2].completeness.is_complete());
}

#[test]
fn a_gap_beyond_the_content_loses_the_next_response() {
    let mut rig = Rig::new();
    rig.client(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
    rig.client(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").gap(Reverse, 50).server(b"rest of it");
    rig.client(b"GET /3 HTTP/1.1\r\nHost: a\r\n\r\n").server(b"HTTP/1.1 203 OK\r\nContent-Length: 0\r\n\r\n");
    let seen = rig.finish();
    assert_eq!(lines(&seen), ["GET /1 200", "GET /2 -", "GET /3 203"]);
    assert!(seen[1].completeness.contains(Completeness::RESPONSE_GAP));
}

#[test]
fn gaps_in_chunked_content() {
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nab").gap(Reverse, 6);
    rig.server(b"yz\r\n0\r\n\r\n").client(GET);
    rig.server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nab").gap(Reverse, 600);
    rig.server(b"0\r\n\r\n").client(GET).server(b"HTTP/1.1 204 No Content\r\n\r\n");
    let seen = rig.finish();
    assert_eq!(lines(&seen), ["GET / 200", "GET / 200", "GET / 204"]);
    assert_eq!(seen[0].content, b"abyz");
    assert!(seen[1].completeness.contains(Completeness::RESPONSE_GAP));
}

#[test]
fn gaps_in_and_between_heads() {
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Len").gap(Reverse, 9).server(b"xx");
    rig.client(b"GET /2 HTTP/1.1\r\nHo").gap(Forward, 9);
    rig.server(b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n");
    rig.client(GET).server(b"HTTP/1.1 203 OK\r\nContent-Length: 0\r\n\r\n");
    rig.gap(Forward, 40).client(b"GET /4 HTTP/1.1\r\nHost: a\r\n\r\n");
    rig.server(b"HTTP/1.1 204 OK\r\n\r\nHTTP/1.1 205 OK\r\nContent-Length: 0\r\n\r\n");
    let seen = rig.finish();
    assert_eq!(lines(&seen), ["GET / 200", "GET /2 202", "GET / 203", "- - 204", "GET /4 205"]);
    assert!(seen[0].completeness.contains(Completeness::RESPONSE_GAP));
    assert!(seen[1].completeness.contains(Completeness::REQUEST_GAP));
    assert!(seen[3].completeness.contains(Completeness::REQUEST_GAP));
}

#[test]
fn a_stream_picked_up_in_the_middle() {
    let mut rig = Rig::new();
    rig.server(b"rest of some content").server(b"more of it");
    rig.client(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(rig.lines(), ["GET /2 200"]);
}

#[test]
fn nonsense_between_messages_is_passed_over() {
    let mut rig = Rig::new();
    rig.client(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcdef").server(b"foobar\r\n");
    rig.server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").client(GET);
    rig.server(b"HTTP/1.1 204 OK\r\nContent-Length: 4\r\n\r\nabcd").client(GET).server(b"HTTP/1.1 204 OK\r\n\r\n");
    let seen = rig.finish();
    assert_eq!(lines(&seen), ["POST / 200", "GET / 204", "GET / 204"]);
    assert!(seen[0].anomalies.contains(Anomalies::UNEXPECTED_BYTES));
}

#[test]
fn a_status_line_without_a_status_answers_nothing() {
    let seen = only(exchange(GET, b"HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"));
    assert_eq!(seen.line(), "GET / -");
    assert!(seen.anomalies.contains(Anomalies::INVALID_START_LINE));
}

#[test]
fn chunked_in_name_only() {
    let seen = only(exchange(GET, b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nX5O!P%@AP"));
    assert_eq!(seen.content, b"X5O!P%@AP");
    assert!(seen.anomalies.contains(Anomalies::INVALID_CHUNK));
    let seen = only(exchange(GET, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
    assert_eq!(seen.content, b"abc");
}

#[test]
fn lengths_that_contradict_each_other_leave_the_end_to_the_connection() {
    let seen = only(exchange(GET, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nHello, World"));
    assert_eq!(seen.content, b"Hello, World");
    assert!(seen.anomalies.contains(Anomalies::CONFLICTING_CONTENT_LENGTH));
}

#[test]
fn a_server_that_goes_on_without_a_length() {
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\n\r\n").client(GET);
    rig.server(b"HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(rig.lines(), ["GET / 200", "GET / 201"]);
}

#[test]
fn a_response_that_stays_open_is_told() {
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    rig.wait(20).server(b"data: 2\n\n").wait(9);
    assert!(rig.lines().is_empty());
    rig.wait(1);
    assert_eq!(rig.lines(), ["GET / 200"]);
    assert_eq!(rig.seen.0[0].completeness, Completeness::OPEN);
    rig.server(b"data: 3\n\n");
    assert_eq!(rig.finish().len(), 1);
    assert!(rig.shared.counters().octets_content > 20);
}

#[test]
fn a_blank_line_that_some_take_for_the_end_of_the_head() {
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n \r").server(b"\n").server(b"a").server(b"bc");
    assert_eq!(only(rig.finish()).content, b"abc");
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\n \r\nContent-Len").server(b"gth: 3\r\n\r\nabc");
    assert_eq!(only(rig.finish()).content, b"abc");
}

#[test]
fn heads_past_the_limit() {
    let mut head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n".to_vec();
    while head.len() < 80 * 1024 {
        head.extend(b"X: 0123456789012345678901234567890123456789\r\n");
    }
    head.extend(b"\r\nok");
    for size in [1 << 20, 1448] {
        let mut rig = Rig::new();
        rig.client(GET);
        for piece in head.chunks(size) {
            rig.server(piece);
        }
        let seen = only(rig.finish());
        assert_eq!((seen.line(), &seen.content[..]), ("GET / 200".into(), &b"ok"[..]));
        assert!(seen.anomalies.contains(Anomalies::HEADER_SECTION_TOO_LARGE));
    }
}

#[test]
fn content_past_the_limit_and_the_budget_is_not_kept() {
    let response = [&b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"[..], &[b'x'; 1000]].concat();
    for limits in [Limits { inspection: 100, ..Limits::default() }, Limits { content_budget: 0, ..Limits::default() }] {
        let mut rig = Rig::with(limits);
        rig.client(GET).server(&response);
        let seen = only(rig.finish());
        assert!(seen.content.len() <= 100);
        assert_eq!(seen.completeness, Completeness::SCANNED_ONLY);
    }
}

#[test]
fn marks_go_to_the_message_at_hand_or_the_next() {
    let mut rig = Rig::new();
    rig.connection.mark(Reverse, Anomalies::OVERLAP_CONFLICT);
    rig.client(GET).server(b"HTTP/1.1 204 OK\r\n\r\n");
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
    rig.connection.mark(Reverse, Anomalies::OVERLAP_CONFLICT);
    rig.server(b"k").client(GET).server(b"HTTP/1.1 204 OK\r\n\r\n");
    let marked: Vec<bool> = rig.finish().iter().map(|seen| !seen.anomalies.is_empty()).collect();
    assert_eq!(marked, [true, true, false]);
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Connection>() <= 64, "{}", size_of::<Connection>());
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 204 OK\r\n\r\n");
    assert!(rig.connection.is_idle());
}

/// A message of a conversation, and how it is sent.
#[derive(Clone, Debug)]
struct Talk {
    request: Vec<u8>,
    response: Vec<u8>,
    line: String,
    content: Vec<u8>,
}

prop_compose! {
    fn talk()(
        target in "/[a-z]{0,9}",
        post in prop::option::of(prop::collection::vec(any::<u8>(), 0..30)),
        status in prop::sample::select(vec![200_u16, 201, 204, 304, 404, 500]),
        content in prop::collection::vec(any::<u8>(), 0..80),
        interim in any::<bool>(),
        chunk in prop::option::of(1_usize..20),
        head in any::<bool>(),
    ) -> Talk {
        let method = match (&post, head) { (Some(_), _) => "POST", (_, true) => "HEAD", _ => "GET" };
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\n").into_bytes();
        if let Some(post) = &post {
            request.extend(format!("Content-Length: {}\r\n", post.len()).bytes());
        }
        request.extend(b"\r\n");
        request.extend(post.unwrap_or_default());
        let mut response = if interim { b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".to_vec() } else { vec![] };
        response.extend(format!("HTTP/1.1 {status} x\r\n").bytes());
        let content = if matches!(status, 204 | 304) || method == "HEAD" { vec![] } else { content };
        if method == "HEAD" {
            response.extend(b"Content-Length: 77\r\n\r\n");
        } else if matches!(status, 204 | 304) {
            response.extend(b"\r\n");
        } else if let Some(size) = chunk {
            response.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in content.chunks(size) {
                response.extend(format!("{:x}\r\n", chunk.len()).bytes());
                response.extend(chunk);
                response.extend(b"\r\n");
            }
            response.extend(b"0\r\n\r\n");
        } else {
            response.extend(format!("Content-Length: {}\r\n\r\n", content.len()).bytes());
            response.extend(&content);
        }
        Talk { request, response, line: format!("{method} {target} {status}"), content }
    }
}

/// Plays both directions in pieces, in any interleaving, the way the layer below would: the server has acknowledged all requests.
fn play(talks: &[Talk], pieces: &[(bool, usize)]) -> Vec<Seen> {
    let mut rig = Rig::new();
    let streams: [Vec<u8>; 2] = [
        talks.iter().flat_map(|talk| talk.request.clone()).collect(),
        talks.iter().flat_map(|talk| talk.response.clone()).collect(),
    ];
    let mut sent = [0_usize; 2];
    let rest = [(true, usize::MAX / 2), (false, usize::MAX / 2)];
    for (from_client, size) in pieces.iter().chain(&rest) {
        let (direction, side) = if *from_client { (Forward, 0) } else { (Reverse, 1) };
        let end = (sent[side] + size).min(streams[side].len());
        rig.acknowledged =
            if side == 1 { Acknowledged::UpTo(streams[0].len() as u64) } else { Acknowledged::Unknown };
        rig.event(direction, StreamEvent::Data(&streams[side][sent[side]..end]));
        sent[side] = end;
    }
    let mut seen = rig.finish();
    // Numbers tell apart what one frame gave; here the frames differ.
    seen.iter_mut().for_each(|seen| seen.ordinal = 0);
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn pieces_of_any_size_give_the_same_exchanges(
        talks in prop::collection::vec(talk(), 1..5),
        sizes in prop::collection::vec(1_usize..60, 0..40),
    ) {
        // Requests first, so that only the pieces differ.
        let whole = play(&talks, &[]);
        prop_assert_eq!(lines(&whole), talks.iter().map(|talk| talk.line.clone()).collect::<Vec<_>>());
        for (seen, talk) in whole.iter().zip(&talks) {
            prop_assert_eq!(&seen.content, &talk.content);
            prop_assert!(seen.completeness.is_complete());
        }
        let client = sizes.iter().map(|size| (true, *size)).chain([(true, usize::MAX / 2)]);
        let server = sizes.iter().map(|size| (false, *size));
        let pieces: Vec<(bool, usize)> = client.chain(server).collect();
        prop_assert_eq!(play(&talks, &pieces), whole);
    }

    #[test]
    fn any_interleaving_gives_the_same_pairs(
        talks in prop::collection::vec(talk().prop_filter("a response to HEAD needs its request", |talk| !talk.line.starts_with("HEAD")), 1..5),
        pieces in prop::collection::vec((any::<bool>(), 1_usize..90), 0..40),
    ) {
        let seen = play(&talks, &pieces);
        prop_assert_eq!(lines(&seen), talks.iter().map(|talk| talk.line.clone()).collect::<Vec<_>>());
        for (seen, talk) in seen.iter().zip(&talks) {
            prop_assert_eq!(&seen.content, &talk.content);
        }
    }

    #[test]
    fn a_lost_segment_costs_only_what_was_in_it(
        talks in prop::collection::vec(talk(), 2..6),
        at in 0_usize..6,
        from in 0.0..1.0_f64,
        len in 1_usize..60,
    ) {
        // A client that waits for each response; in one of them octets are missing.
        let mut rig = Rig::new();
        let damaged = at % talks.len();
        for (n, talk) in talks.iter().enumerate() {
            rig.wait(1).client(&talk.request);
            if n == damaged {
                let from = (from * talk.response.len() as f64) as usize;
                let to = (from + len).min(talk.response.len());
                rig.server(&talk.response[..from]).gap(Reverse, (to - from) as u64).server(&talk.response[to..]);
            } else {
                rig.server(&talk.response);
            }
        }
        let seen = rig.finish();
        prop_assert!(seen.len() <= talks.len(), "{:?}", lines(&seen));
        for (n, (seen, talk)) in seen.iter().zip(&talks).enumerate() {
            if n < damaged {
                prop_assert_eq!(seen.line(), talk.line.clone());
            }
            prop_assert!(!seen.completeness.is_complete() || seen.line() == talk.line);
        }
    }

    #[test]
    fn arbitrary_events_are_survived(
        events in prop::collection::vec((any::<bool>(), 0_u8..12, prop::collection::vec(any::<u8>(), 0..40)), 0..40),
    ) {
        let mut rig = Rig::new();
        for (forward, kind, noise) in &events {
            let direction = if *forward { Forward } else { Reverse };
            rig.acknowledged = match noise.len() % 4 {
                0 => Acknowledged::More,
                1 => Acknowledged::UpTo(noise.len() as u64 * 9),
                2 => Acknowledged::Told,
                _ => Acknowledged::Unknown,
            };
            let known: &[u8] = match kind {
                0 => GET,
                1 => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                2 => b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n",
                3 => b"5\r\nhello\r\n0\r\n\r\n",
                4 => b"GET /x\r\n",
                5 => b"POST / HTTP/1.1\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n",
                6 => b"\r\n \r\n",
                7 => b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate, br\r\n\r\n",
                _ => noise,
            };
            match kind {
                8 => rig.gap(direction, noise.len() as u64 + 1),
                9 if noise.len() > 35 => rig.fin(direction),
                10 => rig.wait(noise.len() as u32),
                _ => rig.event(direction, StreamEvent::Data(known)),
            };
        }
        rig.finish();
    }
}
