//! Traffic that was made to hurt: what is held and done stays within its bounds, what could not be kept is counted, and
//! whoever talks honestly beside it is still seen. Counted is work: octets, pieces, exchanges. Never time.

use std::io::Write;

use apitap::capture::{Frame, LinkType};
use apitap::exchange_log::Targets;
use apitap::http::Limits;
use apitap::link::{Address, Checksum, Dissector, Outcome, Overlay, Segment, Socket, TcpFlags};
use apitap::tcp::SeqNumber;
use apitap::time::Timestamp;
use apitap::worker::{Counters, Moment, Output, Settings, Worker};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::wire::{NOW, Sender, Sent, lay_out, observe};

const GET: &[u8] = b"GET /items HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// A worker with many connections.
struct Network {
    worker: Worker,
    time: Timestamp,
    frame: u64,
}

/// A connection as its ends see it.
struct Talk {
    client: Socket,
    next: [u32; 2],
}

const SERVER: Socket = Socket { address: Address::v4([192, 0, 2, 80]), port: 80 };

impl Network {
    fn new(memory: usize) -> Self {
        let settings = Settings { memory, log: Some(Targets::Raw), ..Settings::default() };
        Self { worker: Worker::new(&settings), time: NOW, frame: 0 }
    }

    /// Captures a segment from the client or the server of a connection, `ahead` octets behind what is due next.
    fn send(&mut self, talk: &Talk, sender: Sender, flags: u8, ahead: u32, payload: &[u8]) {
        let (own, other) = if sender == Sender::Client { (0, 1) } else { (1, 0) };
        let ends = [talk.client, SERVER];
        self.frame += 1;
        self.time = Timestamp::from_nanos(self.time.as_nanos() + 1_000);
        let flags = TcpFlags(flags);
        let segment = Segment {
            overlay: Overlay::NONE,
            src: ends[own],
            dst: ends[other],
            seq: SeqNumber(talk.next[own].wrapping_add(ahead)),
            ack: flags.ack().then_some(SeqNumber(talk.next[other])),
            flags,
            payload,
            snapped: 0,
            checksum: Checksum::Valid,
        };
        self.worker.segment(Moment { now: self.time, stamp: self.time, frame: self.frame }, &segment);
    }

    /// Captures what is due next.
    fn say(&mut self, talk: &mut Talk, sender: Sender, payload: &[u8]) {
        for piece in payload.chunks(1460) {
            self.send(talk, sender, TcpFlags::ACK, 0, piece);
            let own = usize::from(sender == Sender::Server);
            talk.next[own] = talk.next[own].wrapping_add(piece.len() as u32);
        }
    }

    /// Opens the connection number `number`.
    fn connect(&mut self, number: u32) -> Talk {
        let mut talk = self.knock(number);
        talk.next[0] += 1;
        self.send(&talk, Sender::Server, TcpFlags::SYN | TcpFlags::ACK, 0, b"");
        talk.next[1] += 1;
        talk
    }

    /// A SYN, and nothing more.
    fn knock(&mut self, number: u32) -> Talk {
        let [a, b, c, d] = number.to_be_bytes();
        let talk =
            Talk { client: Socket { address: Address::v4([10 + a, b, c, d]), port: 40_000 }, next: [1_000, 5_000] };
        self.send(&talk, Sender::Client, TcpFlags::SYN, 0, b"");
        talk
    }

    /// Ends the capture; gives the log's lines.
    fn finish(mut self) -> (Vec<String>, Counters) {
        self.worker.finish(self.time);
        let lines = self.worker.take_outputs().into_iter().filter_map(|output| match output {
            Output::Line(_, line) => Some(String::from_utf8(line.into()).expect("a line is UTF-8")),
            Output::Visit(_) => None,
        });
        let lines = lines.collect();
        let counters = self.worker.counters();
        assert_eq!(counters.flow.segments_lost_panic + counters.flow.flows_dropped_panic, 0);
        assert_eq!(counters.tcp.octets_held, 0);
        (lines, counters)
    }
}

/// A flood of connections that go no further than their SYN takes the place of each other, not of those that talk.
#[test]
fn a_syn_flood_does_not_hide_who_talks() {
    const FLOOD: u32 = 200_000;
    let mut network = Network::new(8 << 20);
    // A quarter of the memory, at 2 KiB for each connection.
    let limit = 1024;
    let mut before = network.connect(FLOOD + 1);
    network.say(&mut before, Sender::Client, GET);
    let mut amid = None;
    for number in 0..FLOOD {
        network.knock(number);
        assert!(network.worker.flow_count() <= limit);
        if number == FLOOD / 2 {
            let mut talk = network.connect(FLOOD + 2);
            network.say(&mut talk, Sender::Client, GET);
            amid = Some(talk);
        }
    }
    for mut talk in [Some(before), amid].into_iter().flatten() {
        network.say(&mut talk, Sender::Server, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    }
    let (lines, counters) = network.finish();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.contains("\"complete\":true")), "{lines:?}");
    let flow = counters.flow;
    assert_eq!(flow.flows_opened, u64::from(FLOOD) + 2);
    assert_eq!(flow.flows_evicted_budget + flow.flows_ended_capture, flow.flows_opened, "{flow:?}");
    assert_eq!(flow.flows_ended_capture, limit as u64);
}

/// Segments of one octet each cost a segment each, and nothing is held for them.
#[test]
fn one_octet_segments() {
    let content = b"{\"email\":\"jane@example.com\"}".repeat(1_000);
    let coded = gzip(&content);
    let mut response =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", coded.len()).into_bytes();
    response.extend_from_slice(&coded);
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    content.iter().for_each(|octet| chunked.extend_from_slice(&[b'1', b'\r', b'\n', *octet, b'\r', b'\n']));
    chunked.extend_from_slice(b"0\r\n\r\n");
    let http = Limits { hash_content: true, inspection: 10_000, ..Limits::default() };
    let settings = Settings { log: Some(Targets::Raw), http, ..Settings::default() };
    let messages = [GET.to_vec(), response, GET.to_vec(), chunked];
    let messages: Vec<_> =
        [Sender::Client, Sender::Server, Sender::Client, Sender::Server].into_iter().zip(messages).collect();
    let (whole, single) =
        (observe(&lay_out(&messages, || 1460), &settings), observe(&lay_out(&messages, || 1), &settings));
    assert_eq!(single.lines.len(), 2);
    assert_eq!((&single.lines, &single.observations), (&whole.lines, &whole.observations));
    assert_eq!(single.counters.tcp.octets_delivered, single.counters.tcp.octets_received);
    assert_eq!(single.counters.http.octets_in, whole.counters.http.octets_in);
}

/// Ten thousand holes in one direction: what waits behind them stays within the budget, and each becomes a gap.
#[test]
fn ten_thousand_holes() {
    const HOLES: u32 = 10_000;
    let mut network = Network::new(64 << 20);
    let mut talk = network.connect(1);
    network.say(&mut talk, Sender::Client, GET);
    network.say(&mut talk, Sender::Server, b"HTTP/1.1 200 OK\r\n\r\n");
    let mut most = 0;
    // From the far end towards the near one, and then in between again.
    for number in (1..=HOLES).rev().chain(1..=HOLES) {
        network.send(&talk, Sender::Server, TcpFlags::ACK, number * 20, b"0123456789");
        most = most.max(network.worker.counters().tcp.octets_held);
    }
    assert!(most <= 8192 * 10, "{most}");
    let (lines, counters) = network.finish();
    let tcp = counters.tcp;
    assert_eq!((lines.len(), counters.exchanges.incomplete), (1, 1));
    assert!(tcp.gaps_forced_budget > 0 && tcp.gaps_found <= u64::from(HOLES) + 1, "{tcp:?}");
    assert_eq!(tcp.octets_received, tcp.octets_delivered + tcp.octets_retransmitted, "{tcp:?}");
}

/// Octets that wait in many connections at once share one budget.
#[test]
fn early_octets_in_many_connections() {
    const MEMORY: usize = 16 << 20;
    let mut network = Network::new(MEMORY);
    let mut talks: Vec<Talk> = (0..200).map(|number| network.connect(number)).collect();
    for round in 0..100 {
        for talk in &talks {
            network.send(talk, Sender::Client, TcpFlags::ACK, 100 + round * 1400, &[b'x'; 1400]);
            assert!(network.worker.counters().tcp.octets_held <= MEMORY as u64 / 4);
        }
    }
    assert!(network.worker.counters().tcp.gaps_forced_budget > 0);
    // Somebody whose segments come in order is not concerned.
    let mut honest = network.connect(1_000);
    network.say(&mut honest, Sender::Client, GET);
    network.say(&mut honest, Sender::Server, b"HTTP/1.1 204 No Content\r\n\r\n");
    talks.clear();
    let (lines, counters) = network.finish();
    assert_eq!((lines.len(), counters.exchanges.complete), (1, 1));
    assert_eq!(counters.tcp.octets_received, counters.tcp.octets_delivered);
}

/// First fragments whose others never come are held up to a limit.
#[test]
fn fragments_that_never_become_whole() {
    let mut dissector = Dissector::default();
    for number in 0..20_000_u16 {
        // IPv4, "more fragments", TCP, 8 octets.
        let mut packet =
            b"\x45\0\0\x1c\0\0\x20\0\x40\x06\0\0\xc0\0\x02\x01\xc0\0\x02\x02\x9c\x40\0\x50\0\0\0\0".to_vec();
        packet[4..6].copy_from_slice(&number.to_be_bytes());
        let frame = Frame { timestamp: NOW, link_type: LinkType(101), interface: 0, original_len: 28, bytes: &packet };
        assert!(matches!(dissector.dissect(&frame), Outcome::Held));
        assert!(dissector.counters().fragments.frames_held <= 1024);
    }
    let counters = dissector.counters();
    assert!(counters.is_balanced());
    assert_eq!(counters.fragments.frames_dropped_fragment_evicted, 20_000 - counters.fragments.frames_held);
}

/// One request, one response, and a second exchange behind them, which must be seen whatever the first was.
fn around(response: Vec<u8>) -> crate::wire::Seen {
    let settings = Settings { log: Some(Targets::Raw), ..Settings::default() };
    let then = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
    let asked = b"GET /then HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let messages =
        [(Sender::Client, GET.to_vec()), (Sender::Server, response), (Sender::Client, asked), (Sender::Server, then)];
    let seen = observe(&lay_out(&messages, || 1460), &settings);
    assert_eq!(seen.lines.len(), 2, "{:?}", seen.lines);
    assert!(
        seen.lines[1].contains("\"target\":\"/then\"") && seen.lines[1].contains("\"status\":204"),
        "{:?}",
        seen.lines
    );
    seen
}

#[test]
fn huge_header_sections() {
    let head = |field: &[u8], len: usize| {
        let mut head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_vec();
        while head.len() < len {
            head.extend_from_slice(field);
        }
        head.extend_from_slice(b"\r\n");
        head
    };
    let long = [&b"X: "[..], &[b'x'; 200_000], b"\r\n"].concat();
    let folded = [&b"X: y\r\n"[..], &b" z\r\n".repeat(15_000)].concat();
    // Many fields, short ones and long, one that goes on and on, blank ones; up to what is followed to its end, and past it.
    for (field, len) in [
        (&b"X: y\r\n"[..], 60_000),
        (b"a:\n", 60_000),
        (b"X: 0123456789012345678901234567890123456789\r\n", 800_000),
        (b":::\r\n", 60_000),
        (&folded, 60_000),
        (&long, 300_000),
        (b"X: 0123456789012345678901234567890123456789\r\n", 4_000_000),
    ] {
        let response = head(field, len);
        let octets = response.len() as u64;
        let seen = around(response);
        let counters = seen.counters.http;
        // An octet is read as part of the head, or passed over; nothing of it is content.
        assert_eq!(counters.octets_content, 0);
        assert!(counters.octets_head + counters.octets_skipped >= octets, "{counters:?}");
        if len > 65_536 {
            assert!(seen.lines[0].contains("header_section_too_large"), "{}", seen.lines[0]);
        }
        assert!(seen.lines[0].len() < 1_000);
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(content, 19).expect("memory takes everything")
}

/// 64 MiB of zeros as an encoder of the reference library codes them: 106 octets.
const BROTLI_BOMB: &[u8] =
    b"\xcb\xff\xff\x3f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x8f\xff\xff\x7f\xf0\x4f\x00\xc4\x61\x11\x80\xee\xfd\x1f\xff\
    \xff\xff\xe0\x9f\x00\x88\xc3\x02\x00\xdd\xfb\x3f\xfe\xff\xff\xc1\x3f\x01\x10\x87\x05\x00\xba\xf7\x7f\xfc\xff\xff\
    \x83\x7f\x02\x20\x0e\x0b\x00\x74\xef\xff\xf8\xff\xff\x07\xff\x04\x40\x1c\x16\x00\xe8\xde\xff\xf1\xff\xff\x0f\xfe\
    \x09\x80\x38\x2c\x00\xd0\xbd\xff\xcb\xff\xff\x3f\xfc\x13\x00\x71\x58\x00\xa0\x7b\xff\x07";

/// Bombs go off up to a cap on output that is the same for all codings, and what was sent behind them is seen.
#[test]
fn decompression_bombs() {
    // Free of the cap on the ratio are 8 MiB; a step of a decoder may go past it.
    const FREE: u64 = (8 << 20) + (64 << 10);
    const RATIO: u64 = 200;
    let zeros = vec![0; 64 << 20];
    let stacked = gzip(&gzip(&zeros));
    for (coding, coded) in [
        ("gzip", gzip(&zeros)),
        ("zstd", zstd(&zeros)),
        ("br", BROTLI_BOMB.to_vec()),
        ("gzip, gzip", stacked.clone()),
        ("gzip, br, zstd", zstd(&zeros)),
        ("gzip, gzip, gzip, gzip", gzip(&gzip(&stacked))),
        ("gzip, gzip, gzip, gzip, gzip, gzip", gzip(&gzip(&gzip(&gzip(&stacked))))),
        // Members of nothing, one after another.
        ("gzip", gzip(b"").repeat(50_000)),
        ("zstd", zstd(b"").repeat(100_000)),
    ] {
        let len = coded.len() as u64;
        let mut response =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len}\r\n\r\n").into_bytes();
        response.extend_from_slice(&coded);
        let seen = around(response);
        let decoded = number(&seen.lines[0], "response_body_len");
        assert!(decoded <= FREE.max(len * RATIO), "{coding}: {decoded} of {len}");
        assert_eq!(seen.counters.http.octets_content, len);
        if !coded.is_empty() && decoded > 1 << 20 {
            assert!(seen.lines[0].contains("decompression_limit"), "{coding}: {}", seen.lines[0]);
        }
    }
}

/// The number behind a key of a log line.
fn number(line: &str, key: &str) -> u64 {
    let (_, rest) = line.split_once(&format!("\"{key}\":")).expect("the line has the key");
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().expect("it is a number")
}

/// Content of nothing but what makes a scanner look: it is counted right, and told in bounded form.
#[test]
fn content_made_of_candidates() {
    for (piece, items) in [
        ("@", 0),
        ("1", 0),
        ("4111111111111111", 0),
        ("a@b.", 0),
        ("+1", 0),
        ("jane@example.com ", 64 * 1024 / 17),
        ("4111111111111111,", 64 * 1024 / 17),
    ] {
        let content = piece.repeat(64 * 1024 / piece.len());
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len());
        let seen = around(response.into_bytes());
        let found: u64 = seen.counters.entities.0.iter().map(|entity| entity.items).sum();
        assert_eq!(found, items as u64, "{piece}");
        assert!(seen.observations.len() <= 1);
        assert!(seen.observations.iter().all(|observation| observation.len() < 10_000), "{piece}");
    }
}

/// Requests that nobody answers: those in flight are bounded, and every one is told.
#[test]
fn requests_without_end() {
    const REQUESTS: usize = 100_000;
    let mut network = Network::new(64 << 20);
    let mut talk = network.connect(1);
    for _ in 0..REQUESTS {
        network.say(&mut talk, Sender::Client, GET);
    }
    let told = network.worker.counters().http.exchanges;
    assert!(told >= REQUESTS as u64 - 256, "{told}");
    let (lines, counters) = network.finish();
    assert_eq!((lines.len(), counters.exchanges.without_response), (REQUESTS, REQUESTS as u64));
}

/// A conversation of other people's octets: an attacker who guesses sequence numbers changes nothing of what was seen first.
#[test]
fn forged_copies_change_nothing() {
    let messages = [
        (Sender::Client, GET.to_vec()),
        (Sender::Server, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec()),
    ];
    let settings = Settings { log: Some(Targets::Raw), ..Settings::default() };
    let honest = lay_out(&messages, || 20);
    let forged = honest.iter().flat_map(|sent| {
        let copy = Sent { payload: vec![b'X'; sent.payload.len()], ..sent.clone() };
        [Some(sent.clone()), (!copy.payload.is_empty()).then_some(copy)].into_iter().flatten()
    });
    let (plain, seen) = (observe(&honest, &settings), observe(&forged.collect::<Vec<_>>(), &settings));
    assert_eq!(plain.lines, seen.lines);
    assert_eq!(seen.counters.tcp.octets_retransmitted, plain.counters.tcp.octets_received);
}
