//! Laws of the packet path: how the same octets are cut, ordered or repeated on the wire does not change what is seen.

use apitap::exchange_log::Targets;
use apitap::http::Limits;
use apitap::worker::{Counters, Settings};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

use crate::wire::{Sender, Sent, lay_out, observe};

fn settings() -> Settings {
    let http = Limits { hash_content: true, inspection: 4096, ..Limits::default() };
    Settings { log: Some(Targets::Raw), http, ..Settings::default() }
}

#[derive(Clone, Debug)]
enum Framing {
    Length,
    Chunked(usize),
    ChunkedGzip(usize),
    None,
}

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        Just(Framing::Length),
        (1usize..300).prop_map(Framing::Chunked),
        (1usize..300).prop_map(Framing::ChunkedGzip),
        Just(Framing::None),
    ]
}

/// JSON of some records, now and then with personal data in it.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((any::<u32>(), 0u8..12), 0..60).prop_map(|records| {
        let record = |(number, kind): &(u32, u8)| match kind {
            0 => format!("{{\"id\":{number},\"email\":\"user{number}@mail.example.org\"}}"),
            1 => format!("{{\"id\":{number},\"cardNumber\":\"4111 1111 1111 1111\"}}"),
            _ => format!("{{\"id\":{number},\"note\":\"nothing of interest\",\"at\":17350000{number:05}}}"),
        };
        format!("[{}]", records.iter().map(record).collect::<Vec<_>>().join(",")).into_bytes()
    })
}

fn conversation() -> impl Strategy<Value = Vec<(Sender, Vec<u8>)>> {
    let exchange = (any::<bool>(), framing(), content(), content());
    prop::collection::vec(exchange, 1..5).prop_map(|exchanges| {
        let mut messages = Vec::new();
        for (n, (post, framing, asked, answered)) in exchanges.into_iter().enumerate() {
            let mut request = if post {
                format!("POST /items/{n} HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n", asked.len())
            } else {
                format!("GET /items/{n} HTTP/1.1\r\nHost: a.example\r\n\r\n")
            }
            .into_bytes();
            if post {
                request.extend_from_slice(&asked);
            }
            messages.push((Sender::Client, request));
            messages.push((Sender::Server, response(&framing, &answered)));
        }
        messages
    })
}

fn response(framing: &Framing, content: &[u8]) -> Vec<u8> {
    let head = |rest: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{rest}\r\n").into_bytes();
    match framing {
        Framing::None => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        Framing::Length => [head(&format!("Content-Length: {}\r\n", content.len())), content.to_vec()].concat(),
        Framing::Chunked(size) => [head("Transfer-Encoding: chunked\r\n"), chunks(content, *size)].concat(),
        Framing::ChunkedGzip(size) => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).expect("memory takes everything");
            let coded = encoder.finish().expect("memory takes everything");
            [head("Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"), chunks(&coded, *size)].concat()
        }
    }
}

fn chunks(content: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in content.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Numbers that a test case draws on for its choices, one after another.
struct Dice(Vec<u16>, usize);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.1 += 1;
        usize::from(self.0[self.1 % self.0.len()]) % below.max(1)
    }
}

/// Moves segments up to three places and sends some twice; what opens the connection stays in front.
fn disturb(mut segments: Vec<Sent>, dice: &mut Dice) -> Vec<Sent> {
    for at in 3..segments.len() {
        match dice.roll(8) {
            0 => {
                let to = (at + 1 + dice.roll(3)).min(segments.len() - 1);
                let moved = segments.remove(at);
                segments.insert(to, moved);
            }
            1 => {
                let to = at + 1 + dice.roll(4);
                let copy = segments[at].clone();
                segments.insert(to.min(segments.len()), copy);
            }
            _ => {}
        }
    }
    segments
}

pub(crate) fn assert_balanced(counters: &Counters) {
    let (flow, tcp) = (&counters.flow, &counters.tcp);
    assert_eq!(
        flow.segments_received,
        flow.segments_tracked
            + flow.segments_passed_over_empty
            + flow.segments_passed_over_closed
            + flow.segments_lost_panic
    );
    assert_eq!(
        tcp.octets_received,
        tcp.octets_delivered
            + tcp.octets_retransmitted
            + tcp.octets_dropped_checksum
            + tcp.octets_dropped_out_of_window
            + tcp.octets_dropped_after_end
            + tcp.octets_dropped_unaccepted
            + tcp.octets_held
    );
    assert_eq!(tcp.octets_held, 0, "nothing is held after the end");
    assert_eq!(flow.segments_lost_panic + flow.flows_dropped_panic, 0);
    assert_eq!(
        flow.flows_opened,
        flow.flows_closed + flow.flows_ended_capture + flow.flows_expired_idle + flow.flows_replaced
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    /// Cutting, reordering and repeating the same octets gives the same exchanges and findings.
    #[test]
    fn the_wire_does_not_show(messages in conversation(), dice in prop::collection::vec(any::<u16>(), 64..256)) {
        let plain = observe(&lay_out(&messages, || 1460), &settings());
        prop_assert_eq!(plain.lines.len(), messages.len() / 2);
        prop_assert!(plain.lines.iter().all(|line| line.contains("\"complete\":true")), "{:?}", plain.lines);
        let mut dice = Dice(dice, 0);
        let cut = lay_out(&messages, || 1 + dice.roll(700));
        let disturbed = observe(&disturb(cut, &mut dice), &settings());
        prop_assert_eq!(&disturbed.lines, &plain.lines);
        prop_assert_eq!(&disturbed.observations, &plain.observations);
        assert_balanced(&plain.counters);
        assert_balanced(&disturbed.counters);
    }

    /// An octet at a time is as good as all at once.
    #[test]
    fn single_octets_are_enough(messages in conversation()) {
        let plain = observe(&lay_out(&messages, || 1460), &settings());
        let crumbs = observe(&lay_out(&messages, || 1), &settings());
        prop_assert_eq!(&crumbs.lines, &plain.lines);
    }

    /// With segments of one direction missing, every exchange equals one of the whole capture or is marked incomplete, and
    /// none is invented. (With both directions damaged in the same place, what belongs together cannot always be known.)
    #[test]
    fn loss_is_marked(
        messages in conversation(),
        from_client in any::<bool>(),
        dice in prop::collection::vec(any::<u16>(), 64..256),
    ) {
        let damaged = if from_client { Sender::Client } else { Sender::Server };
        let whole = observe(&lay_out(&messages, || 200), &settings());
        let mut dice = Dice(dice, 0);
        let mut segments = lay_out(&messages, || 200);
        segments.retain(|sent| sent.sender != damaged || dice.roll(12) > 0);
        let lossy = observe(&segments, &settings());
        prop_assert!(lossy.lines.len() <= whole.lines.len() + messages.len() / 2);
        for line in &lossy.lines {
            prop_assert!(line.contains("\"complete\":false") || whole.lines.contains(line), "{line}");
        }
        assert_balanced(&lossy.counters);
    }
}
