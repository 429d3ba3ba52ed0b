//! What a connection may cost.

use apitap_detectors::exchange::{Anomalies, Completeness};

use super::rig::{GET, Rig, only};
use crate::http::{Connection, Limits};

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
fn an_idle_connection_is_small() {
    assert!(size_of::<Connection>() <= 64, "{}", size_of::<Connection>());
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 204 OK\r\n\r\n");
    assert!(rig.connection.is_idle());
}
