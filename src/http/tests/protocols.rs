//! What is no HTTP/1.x, or is none any more.

use super::rig::{GET, Rig, exchange, lines};

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
fn a_start_line_of_another_protocol_is_dropped_once() {
    let mut rig = Rig::new();
    rig.client(b"GET /a RTSP/1.0\r\nCSeq: 1\r\n").server(b"\n");
    assert_eq!(rig.shared.counters().heads_dropped, 1);
    rig.server(b"\n").client(b"CSeq: 2\r\n\r\n");
    assert!(rig.finish().is_empty());
    assert_eq!(rig.shared.counters().heads_dropped, 1);
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
