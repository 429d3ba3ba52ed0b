//! Messages as the wire carries them: how content is framed, and starts and fields that lenient receivers take.

use apitap_detectors::exchange::{Anomalies, Completeness};
use sha2::{Digest, Sha256};

use super::rig::{CLIENT, GET, Rig, exchange, lines, only};
use crate::tcp::Direction::Reverse;

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
fn a_blank_line_that_some_take_for_the_end_of_the_head() {
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n \r").server(b"\n").server(b"a").server(b"bc");
    assert_eq!(only(rig.finish()).content, b"abc");
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\n \r\nContent-Len").server(b"gth: 3\r\n\r\nabc");
    assert_eq!(only(rig.finish()).content, b"abc");
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
