//! Segments and frames of some connections.

use apitap::capture::{Frame, LinkType};
use apitap::exchange_log::Targets;
use apitap::http::Limits;
use apitap::link::{Address, Checksum, ChecksumPolicy, Dissector, Outcome, Overlay, Segment, Socket, TcpFlags};
use apitap::tcp::SeqNumber;
use apitap::time::{Span, Timestamp};
use apitap::worker::{Moment, Output, Settings, Worker};

use super::choices::{Choices, WORDS};

/// Plays the same twice: what comes out must be the same, everything must be accounted for, and nothing may panic.
pub fn run(bytes: &[u8]) {
    let once = play(bytes);
    let twice = play(bytes);
    assert_eq!(once, twice);
}

/// A connection as its ends see it.
#[derive(Clone, Copy)]
struct Talk {
    sockets: [Socket; 2],
    next: [u32; 2],
}

struct Stage {
    worker: Worker,
    dissector: Dissector,
    time: Timestamp,
    frame: u64,
    flow_limit: usize,
}

fn play(bytes: &[u8]) -> Vec<String> {
    let mut choices = Choices::new(bytes);
    let http = Limits { inspection: choices.pick(&[1 << 20, 64]), hash_content: true, ..Limits::default() };
    let memory = choices.pick(&[64 << 20, 0, 64 << 10]);
    let checksums = choices.pick(&[ChecksumPolicy::Auto, ChecksumPolicy::Verify, ChecksumPolicy::Ignore]);
    let settings = Settings { checksums, http, memory, log: Some(Targets::Raw), ..Settings::default() };
    let mut stage = Stage {
        worker: Worker::new(&settings),
        dissector: Dissector::default(),
        time: Timestamp::from_parts(1_700_000_000, 0),
        frame: 0,
        flow_limit: (memory / 4 / 2048).max(64),
    };
    let socket = |host, port| Socket { address: Address::v4([192, 0, 2, host]), port };
    let mut talks = [1, 2, 3, 4].map(|host| Talk {
        sockets: [socket(host, 40_000), socket(80, 80)],
        next: [u32::MAX - 100 * u32::from(host), 1_000],
    });
    while !choices.is_over() {
        let op = choices.byte();
        let talk = &mut talks[usize::from(op & 3)];
        stage.step(&mut choices, talk, usize::from(op >> 2 & 1), op >> 3);
    }
    stage.worker.finish(stage.time);
    stage.check();
    assert_eq!(stage.worker.counters().tcp.octets_held, 0);
    assert_eq!(stage.worker.flow_count(), 0);
    let mut behaviour = apitap_detectors::behaviour::Stage::new(&settings.detectors);
    let mut told = Vec::new();
    for output in stage.worker.take_outputs() {
        match output {
            Output::Line(order, line) => {
                told.push(format!("{order:?} {}", String::from_utf8(line.into()).expect("it is UTF-8")));
            }
            Output::Visit(visit) => {
                told.push(format!("{visit:?}"));
                behaviour.visit(*visit, &mut |observation| told.push(format!("{observation:?}")));
            }
        }
    }
    behaviour.finish(&mut |observation| told.push(format!("{observation:?}")));
    assert_eq!(behaviour.restarts(), 0, "a detector panicked");
    told
}

impl Stage {
    fn step(&mut self, choices: &mut Choices<'_>, talk: &mut Talk, from: usize, kind: u8) {
        const ACK: u8 = TcpFlags::ACK;
        match kind {
            0 => self.sequenced(talk, from, TcpFlags::SYN, b""),
            1 => self.sequenced(talk, from, TcpFlags::SYN | ACK, b""),
            2 => self.sequenced(talk, from, TcpFlags::FIN | ACK, b""),
            3 => self.segment(talk, from, TcpFlags::RST, 0, b"", 0, Checksum::Valid),
            4 => self.segment(talk, from, ACK, 0, b"", 0, Checksum::Valid),
            5 => self.time = self.time + Span::from_secs(choices.byte().into()),
            6 => self.time = self.time + Span::from_millis(choices.byte().into()),
            // Octets that were not captured.
            7 => talk.next[from] = talk.next[from].wrapping_add(choices.number().into()),
            8 => {
                let offset = i32::from(choices.number() as i16);
                self.segment(talk, from, ACK, offset, choices.text(), 0, Checksum::Valid);
            }
            9 => {
                let word = choices.pick(&WORDS);
                self.segment(talk, from, ACK, i32::from(choices.byte() as i8), word, 0, Checksum::Valid);
            }
            10 => {
                let word = choices.pick(&WORDS);
                self.segment(talk, from, ACK, 0, word, 0, Checksum::Invalid);
                talk.next[from] = talk.next[from].wrapping_add(word.len() as u32);
            }
            11 => {
                let snapped = u32::from(choices.number());
                let word = choices.text();
                self.segment(talk, from, ACK, 0, word, snapped, Checksum::Unknown);
                talk.next[from] = talk.next[from].wrapping_add(word.len() as u32 + snapped);
            }
            12 => talk.next[from] = u32::from(choices.number()) << 16,
            13 => {
                // A flood of connections that go no further.
                for port in 0..choices.number() % 200 {
                    let mut other = *talk;
                    other.sockets[0].port = port;
                    self.sequenced(&mut other, 0, TcpFlags::SYN, b"");
                }
            }
            14 | 15 => {
                let link_type = LinkType(choices.pick(&[101, 1, 113, 276]));
                let bytes = choices.text();
                self.frame += 1;
                let original_len = bytes.len() as u32;
                let frame = Frame { timestamp: self.time, link_type, interface: 0, original_len, bytes };
                if let Outcome::Segment(segment) = self.dissector.dissect(&frame) {
                    self.worker.segment(Moment { now: self.time, stamp: self.time, frame: self.frame }, &segment);
                }
            }
            16..=19 => self.sequenced(talk, from, ACK, choices.text()),
            20 => {
                let word = choices.pick(&WORDS);
                self.sequenced(talk, from, TcpFlags::FIN | ACK, word);
            }
            _ => {
                let word = choices.pick(&WORDS);
                self.sequenced(talk, from, ACK, word);
            }
        }
        self.check();
    }

    /// Sends what comes next.
    fn sequenced(&mut self, talk: &mut Talk, from: usize, flags: u8, payload: &[u8]) {
        self.segment(talk, from, flags, 0, payload, 0, Checksum::Valid);
        let one = u32::from(flags & (TcpFlags::SYN | TcpFlags::FIN) != 0);
        talk.next[from] = talk.next[from].wrapping_add(payload.len() as u32 + one);
    }

    #[expect(clippy::too_many_arguments, reason = "a segment has many fields")]
    fn segment(
        &mut self,
        talk: &Talk,
        from: usize,
        flags: u8,
        offset: i32,
        payload: &[u8],
        snapped: u32,
        checksum: Checksum,
    ) {
        self.frame += 1;
        let flags = TcpFlags(flags);
        let segment = Segment {
            overlay: Overlay::NONE,
            src: talk.sockets[from],
            dst: talk.sockets[1 - from],
            seq: SeqNumber(talk.next[from].wrapping_add_signed(offset)),
            ack: flags.ack().then_some(SeqNumber(talk.next[1 - from])),
            flags,
            payload,
            snapped,
            checksum,
        };
        self.worker.segment(Moment { now: self.time, stamp: self.time, frame: self.frame }, &segment);
    }

    fn check(&self) {
        let counters = self.worker.counters();
        let (flow, tcp, http) = (&counters.flow, &counters.tcp, &counters.http);
        assert_eq!(flow.segments_lost_panic + flow.flows_dropped_panic, 0);
        let passed_over = flow.segments_passed_over_empty + flow.segments_passed_over_closed;
        assert_eq!(flow.segments_received, flow.segments_tracked + passed_over);
        assert_eq!(
            tcp.octets_received,
            tcp.octets_delivered
                + tcp.octets_retransmitted
                + tcp.octets_dropped_checksum
                + tcp.octets_dropped_out_of_window
                + tcp.octets_dropped_after_end
                + tcp.octets_held
        );
        assert_eq!(tcp.octets_delivered, http.octets_in);
        assert_eq!(counters.exchanges.complete + counters.exchanges.incomplete, http.exchanges);
        assert!(self.worker.flow_count() <= self.flow_limit);
        let gone = flow.flows_closed
            + flow.flows_expired_idle
            + flow.flows_replaced
            + flow.flows_evicted_budget
            + flow.flows_ended_capture;
        assert!(gone <= flow.flows_opened && flow.flows_opened <= gone + self.flow_limit as u64);
    }
}
