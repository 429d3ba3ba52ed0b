//! What a connection may cost.

use apitap_detectors::exchange::{Anomalies, Completeness};

use super::rig::{GET, Rig, lines, only};
use crate::http::{Connection, Limits};

/// Plays `call` on many connections of one worker, a piece on each of them in turn, and ends them all.
fn on_connections(rig: &mut Rig, count: usize, rounds: usize, mut call: impl FnMut(&mut Rig, usize)) {
    let mut connections: Vec<Connection> = (0..count).map(|_| Connection::default()).collect();
    for round in 0..rounds {
        for connection in &mut connections {
            rig.swap(connection);
            call(rig, round);
            rig.swap(connection);
        }
    }
    for connection in &mut connections {
        rig.swap(connection);
        rig.end();
    }
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
fn an_idle_connection_is_small() {
    assert!(size_of::<Connection>() <= 64, "{}", size_of::<Connection>());
    let mut rig = Rig::new();
    rig.client(GET).server(b"HTTP/1.1 204 OK\r\n\r\n");
    assert!(rig.connection.is_idle());
}

#[test]
fn slow_heads_stay_within_the_budget() {
    const BUDGET: usize = 4 << 20;
    let field = [&b"X-Slow: "[..], &[b'x'; 1400], b"\r\n"].concat();
    let mut rig = Rig::with(Limits { content_budget: BUDGET, ..Limits::default() });
    on_connections(&mut rig, 10_000, 12, |rig, round| {
        rig.client(if round == 0 { b"GET /slow HTTP/1.1\r\nHost: a\r\n" } else { &field });
        assert!(rig.shared.bytes_held() <= BUDGET);
    });
    let counters = rig.shared.counters();
    assert!(counters.heads_cut_budget > 5_000, "{counters:?}");
    assert_eq!(counters.octets_head + counters.octets_skipped, counters.octets_in);
    assert_eq!((rig.seen.0.len(), rig.shared.bytes_held()), (10_000, 0));
    assert!(rig.seen.0.iter().all(|seen| seen.line() == "GET /slow -"));
    // With room again, what comes next is whole.
    rig.swap(&mut Connection::default());
    rig.client(GET).server(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert!(rig.seen.0.last().is_some_and(|seen| seen.line() == "GET / 204" && seen.completeness.is_complete()));
}

#[test]
fn octets_that_never_tell_what_they_are_stay_within_the_budget() {
    const BUDGET: usize = 1 << 20;
    let mut rig = Rig::with(Limits { content_budget: BUDGET, ..Limits::default() });
    on_connections(&mut rig, 10_000, 5, |rig, round| {
        rig.client(if round == 0 { b"GET " } else { &[b'x'; 1000] });
        assert!(rig.shared.bytes_held() <= BUDGET);
    });
    let counters = rig.shared.counters();
    assert!(counters.heads_cut_budget > 5_000, "{counters:?}");
    assert_eq!((counters.octets_skipped, rig.shared.bytes_held()), (counters.octets_in, 0));
}

#[test]
fn trailers_stay_within_the_budget() {
    const BUDGET: usize = 4 << 20;
    let field = [&b"X-Slow: "[..], &[b'x'; 1400], b"\r\n"].concat();
    let mut rig = Rig::with(Limits { content_budget: BUDGET, ..Limits::default() });
    on_connections(&mut rig, 1_000, 12, |rig, round| match round {
        0 => drop(rig.client(GET).server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")),
        _ => {
            rig.server(&field);
            assert!(rig.shared.bytes_held() <= BUDGET);
        }
    });
    let cut = rig.seen.0.iter().filter(|seen| seen.anomalies.contains(Anomalies::HEADER_SECTION_TOO_LARGE));
    assert!(cut.count() > 500);
    assert_eq!(rig.seen.0.len(), 1_000);
}

#[test]
fn a_spent_budget_leaves_each_connection_one_exchange_in_flight() {
    const BUDGET: usize = 1 << 20;
    let mut rig = Rig::with(Limits { content_budget: BUDGET, ..Limits::default() });
    on_connections(&mut rig, 1_000, 30, |rig, round| {
        rig.client(format!("GET /{round} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert!(rig.shared.bytes_held() <= BUDGET + 1_000 * 1024);
    });
    assert!(rig.shared.counters().requests_abandoned > 20_000, "{:?}", rig.shared.counters());
    assert_eq!(rig.seen.0.len(), 30_000);
}

#[test]
fn content_leaves_room_for_heads() {
    let mut rig = Rig::with(Limits { content_budget: 64 << 10, ..Limits::default() });
    rig.client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    rig.server(&[b'x'; 100]).server(&[b'x'; 60_000]);
    assert_eq!(rig.shared.counters().content_budget_refused, 1);
    let mut other = Connection::default();
    rig.swap(&mut other);
    for piece in [&b"GET /2 HTTP/1.1\r\nHost: a\r\nX: "[..], &[b'x'; 8_000], b"\r\n\r\n"] {
        rig.client(piece);
    }
    rig.server(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!((rig.lines(), rig.shared.counters().heads_cut_budget), (vec!["GET /2 204".to_owned()], 0));
    rig.swap(&mut other);
    assert_eq!(lines(&rig.finish()), ["GET /2 204", "GET / 200"]);
}

#[test]
fn a_connection_that_had_much_in_flight_is_small_again() {
    let mut rig = Rig::new();
    for _ in 0..200 {
        rig.client(GET);
    }
    for _ in 0..199 {
        rig.server(b"HTTP/1.1 204 No Content\r\n\r\n");
    }
    let busy = rig.connection.busy.as_ref().expect("a request waits");
    assert_eq!(busy.slots.len(), 1);
    assert!(busy.slots.capacity() <= 32, "{}", busy.slots.capacity());
    rig.server(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(rig.lines().len(), 200);
}
