//! Debug output ends up in panic messages and logs, so what was on the wire must not be in it.

use std::fmt::Debug;

use apitap::capture::{Frame, LinkType};
use apitap::exchange_log::Targets;
use apitap::http::Limits;
use apitap::link::{Address, Checksum, Dissector, Outcome, Socket};
use apitap::tcp::StreamEvent;
use apitap::worker::{Moment, Output, Settings, Worker};

use crate::wire::{NOW, Sender, Sent, give, lay_out};

/// What is planted; its octets are found as text and as a list of numbers.
const PLANTED: &[u8] = b"hunter2-hunter2-hunter2";

#[track_caller]
fn assert_hidden(value: &impl Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        let numbers = text.replace(char::is_whitespace, "");
        assert!(!text.contains("hunter") && !numbers.contains("104,117,110"), "{text}");
    }
}

fn planted(before: &str, after: &str) -> Vec<u8> {
    [before.as_bytes(), PLANTED, after.as_bytes()].concat()
}

/// All there is of a conversation but its end.
fn open(messages: &[(Sender, Vec<u8>)]) -> Vec<Sent> {
    let mut segments = lay_out(messages, || 1460);
    segments.truncate(segments.len() - 3);
    segments
}

#[test]
fn frames_segments_and_events_show_lengths() {
    let bytes = planted("", "");
    let frame =
        Frame { timestamp: NOW, link_type: LinkType(1), interface: 0, original_len: bytes.len() as u32, bytes: &bytes };
    assert_hidden(&frame);
    assert_hidden(&StreamEvent::Data(&bytes));
    assert!(format!("{:?}", StreamEvent::Data(&bytes)).contains("23 octets"));
    let socket = Socket { address: Address::v4([192, 0, 2, 1]), port: 1 };
    let sent = Sent { sender: Sender::Client, seq: 0, ack: 0, flags: 0, payload: bytes.clone() };
    assert_hidden(&sent.segment(socket, socket));
    assert_hidden(&Outcome::Segment(sent.segment(socket, socket)));
}

#[test]
fn a_worker_shows_nothing_of_what_it_holds() {
    let http = Limits { hash_content: true, inspection: 16, ..Limits::default() };
    let settings = Settings { log: Some(Targets::Raw), http, ..Settings::default() };
    let request = planted("GET /", " HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = planted("HTTP/1.1 200 OK\r\nSet-Cookie: ", "\r\nTransfer-Encoding: chunked\r\n");
    let whole_head = [&head[..], b"\r\n"].concat();
    let content = planted("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "");
    for messages in [
        // Unsure, in a head, between request and response.
        vec![(Sender::Client, planted("GET ", ""))],
        vec![(Sender::Client, planted("GET /", " HTTP/1.1\r\nCookie: "))],
        vec![(Sender::Client, request.clone())],
        // In a head, before chunks, in content kept and not kept.
        vec![(Sender::Client, request.clone()), (Sender::Server, head)],
        vec![(Sender::Client, request.clone()), (Sender::Server, [&whole_head[..], b"1234"].concat())],
        vec![(Sender::Client, request.clone()), (Sender::Server, content)],
    ] {
        let worker = give(&open(&messages), &settings);
        assert!(worker.counters().tcp.octets_delivered > 0);
        assert_hidden(&worker);
    }
    // A line of the log, in which the target stands as it was sent, and the visit, in which it does not.
    let mut worker = give(&lay_out(&[(Sender::Client, request)], || 1460), &settings);
    worker.finish(NOW);
    assert_hidden(&worker);
    let outputs = worker.take_outputs();
    assert!(matches!(outputs[..], [Output::Line(..), Output::Visit(_)]));
    assert_hidden(&outputs);
}

#[test]
fn octets_that_wait_are_not_shown() {
    let mut early = open(&[(Sender::Client, b"GET".to_vec()), (Sender::Client, PLANTED.to_vec())]);
    early.remove(3);
    let worker = give(&early, &Settings::default());
    assert_eq!(worker.counters().tcp.octets_held, PLANTED.len() as u64);
    assert_hidden(&worker);
    // The first segment with a wrong checksum waits for the second.
    let sent = Sent { sender: Sender::Client, seq: 0, ack: 0, flags: 0, payload: PLANTED.to_vec() };
    let socket = |port| Socket { address: Address::v4([192, 0, 2, 1]), port };
    let mut segment = sent.segment(socket(1), socket(2));
    segment.checksum = Checksum::Invalid;
    let mut worker = Worker::new(&Settings::default());
    worker.segment(Moment { now: NOW, stamp: NOW, frame: 1 }, &segment);
    assert_eq!(worker.counters().tcp.octets_held, PLANTED.len() as u64);
    assert_hidden(&worker);
}

#[test]
fn fragments_that_wait_are_not_shown() {
    // IPv4 with "more fragments" set, bare (LINKTYPE_RAW).
    let mut packet = b"\x45\0\0\x2c\0\x01\x20\0\x40\x06\0\0\xc0\0\x02\x01\xc0\0\x02\x02".to_vec();
    packet.extend_from_slice(PLANTED);
    packet.push(b'!');
    let frame = Frame { timestamp: NOW, link_type: LinkType(101), interface: 0, original_len: 44, bytes: &packet };
    let mut dissector = Dissector::default();
    assert!(matches!(dissector.dissect(&frame), Outcome::Held));
    assert_hidden(&dissector);
}

#[test]
fn settings_do_not_show_the_key() {
    let detectors = apitap_detectors::inspect::Settings { evidence_key: Some([0xa5; 32]), ..Default::default() };
    let settings = Settings { detectors, ..Settings::default() };
    assert!(!format!("{settings:?}").contains("165"), "{settings:?}");
    assert!(!format!("{:?}", Worker::new(&settings)).contains("165, 165"));
}
