//! Which response answers which request, and how long either is waited for.

use apitap_detectors::exchange::Completeness;

use super::rig::{Acknowledged, GET, Rig, SERVER, lines, only};
use crate::http::{Limits, OpenResponses};
use crate::tcp::Direction::{Forward, Reverse};

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
fn a_response_that_stays_open_is_told() {
    let mut waiting = Rig::new();
    waiting.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").wait(200);
    assert!(waiting.lines().is_empty());
    let mut rig = Rig::with(Limits { open_responses: OpenResponses::Tell, ..Limits::default() });
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
fn both_ends_ask() {
    let mut rig = Rig::new();
    rig.acknowledged = Acknowledged::More;
    rig.server(b"FOO /x\r\nHost: a\r\n").client(GET).gap(Reverse, 5);
    rig.acknowledged = Acknowledged::Told;
    rig.server(b"HTTP/1.1 204 No Content\r\n\r\n").client(b"GET ").wait(400);
    // The one whose head was whole first is the client. What the other one began is no request of its own.
    assert_eq!(lines(&rig.finish()), ["GET / 204"]);
    assert_eq!(rig.shared.counters().heads_dropped, 2);
}
