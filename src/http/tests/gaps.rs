//! Octets that are missing from the capture.

use apitap_detectors::exchange::Completeness;

use super::rig::{GET, Rig, lines};
use crate::tcp::Direction::{Forward, Reverse};

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
