//! Events of both directions of a connection, with acknowledgments and time.

use apitap::http::{Connection, Context, ExchangeSink, Limits, Shared};
use apitap::tcp::{Direction, EndReason, StreamEvent};
use apitap::time::{Order, Span, Timestamp};
use apitap_detectors::exchange::{Anomalies, Exchange};
use apitap_detectors::scan::Scanner;

use super::choices::{Choices, WORDS};

/// Feeds a connection: octets are conserved, limits hold, nothing is held after the end, and what is handed on is sound.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let limits = Limits {
        inspection: choices.pick(&[1 << 20, 0, 64, 4096]),
        content_budget: choices.pick(&[64 << 20, 0, 4000, 64 << 10]),
        hash_content: choices.byte().is_multiple_of(2),
    };
    let mut rig = Rig {
        connection: Connection::default(),
        shared: Shared::new(&limits),
        scanner: Scanner::default(),
        sink: Sink { inspection: limits.inspection, exchanges: 0 },
        limits,
        at: Timestamp::from_parts(1_000, 0),
        frame: 0,
        octets: 0,
        told: [0; 2],
        over: [false; 2],
    };
    while !choices.is_over() {
        rig.step(&mut choices);
    }
    rig.call(None, |connection, cx| connection.finish(cx));
    assert_eq!((rig.connection.octets_held(), rig.shared.bytes_held()), (0, 0));
    assert!(rig.connection.is_idle() && rig.connection.deadline().is_none());
    assert_eq!(rig.shared.counters().exchanges, rig.sink.exchanges);
}

struct Rig {
    connection: Connection,
    shared: Shared,
    scanner: Scanner,
    limits: Limits,
    sink: Sink,
    at: Timestamp,
    frame: u64,
    octets: u64,
    told: [u64; 2],
    over: [bool; 2],
}

impl Rig {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let op = choices.byte();
        let direction = Direction::BOTH[usize::from(op & 1)];
        let acknowledged = match op >> 1 & 3 {
            0 => Some(self.told[direction.opposite().index()]),
            1 => None,
            2 => Some(self.told[direction.opposite().index()] + u64::from(choices.byte())),
            _ => Some(u64::from(choices.number())),
        };
        match op >> 3 & 15 {
            0 => self.event(direction, acknowledged, StreamEvent::Gap(u64::from(choices.number()) + 1)),
            1 => self.event(direction, acknowledged, StreamEvent::Gap(u64::from(choices.byte() / 16) + 1)),
            2 => {
                let reason = choices.pick(&[EndReason::Fin, EndReason::Reset, EndReason::Idle, EndReason::Evicted]);
                self.event(direction, acknowledged, StreamEvent::End(reason));
            }
            3 => self.connection.mark(direction, Anomalies::OVERLAP_CONFLICT),
            4 => self.wait(choices.byte()),
            5..=10 => {
                let word = choices.pick(&WORDS);
                self.event(direction, acknowledged, StreamEvent::Data(word));
            }
            11 => {
                let word = choices.pick(&WORDS);
                let (front, back) = word.split_at(usize::from(choices.byte()) % word.len());
                self.event(direction, acknowledged, StreamEvent::Data(front));
                self.event(direction, acknowledged, StreamEvent::Data(back));
            }
            12 => {
                let word = choices.pick(&WORDS);
                let many = word.repeat(usize::from(choices.byte()));
                self.event(direction, acknowledged, StreamEvent::Data(&many));
            }
            _ => self.event(direction, acknowledged, StreamEvent::Data(choices.text())),
        }
    }

    fn event(&mut self, direction: Direction, acknowledged: Option<u64>, event: StreamEvent<'_>) {
        let side = direction.index();
        // The layer below tells nothing behind an end, and no empty data.
        if self.over[side] || event == StreamEvent::Data(b"") {
            return;
        }
        self.frame += 1;
        match event {
            StreamEvent::Data(octets) => {
                self.octets += octets.len() as u64;
                self.told[side] += octets.len() as u64;
            }
            StreamEvent::Gap(octets) => self.told[side] += octets,
            StreamEvent::End(_) => self.over[side] = true,
        }
        self.call(acknowledged, |connection, cx| connection.on_event(cx, direction, event));
    }

    fn wait(&mut self, seconds: u8) {
        let until = self.at + Span::from_secs(u32::from(seconds) * 4);
        let mut calls = 0;
        while let Some(deadline) = self.connection.deadline().filter(|deadline| *deadline <= until) {
            self.at = self.at.max(deadline);
            self.call(None, |connection, cx| connection.on_deadline(cx));
            calls += 1;
            assert!(calls < 1_000, "deadlines go nowhere");
        }
        self.at = until;
    }

    fn call(&mut self, acknowledged: Option<u64>, call: impl FnOnce(&mut Connection, &mut Context<'_, Sink>)) {
        let mut cx = Context {
            limits: &self.limits,
            shared: &mut self.shared,
            scanner: &self.scanner,
            ends: [([192, 0, 2, 1], 40_000).into(), ([192, 0, 2, 2], 80).into()],
            at: self.at,
            order: Order { frame: self.frame, ..Order::default() },
            acknowledged,
            sink: &mut self.sink,
        };
        call(&mut self.connection, &mut cx);
        let counters = self.shared.counters();
        let counted = counters.octets_head
            + counters.octets_content
            + counters.octets_framing
            + counters.octets_skipped
            + counters.octets_switched;
        assert_eq!(counters.octets_in, self.octets);
        assert_eq!(counters.octets_in, counted + self.connection.octets_held(), "{counters:?}");
        assert!(counters.exchanges <= counters.octets_in);
    }
}

/// Looks at all there is of an exchange.
struct Sink {
    inspection: usize,
    exchanges: u64,
}

impl ExchangeSink for Sink {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        self.exchanges += 1;
        assert!(exchange.request.is_some() || exchange.response.is_some());
        let request = exchange.request.iter().map(|request| (request.fields, request.content));
        let response = exchange.response.iter().map(|response| (response.fields, response.content));
        for (fields, content) in request.chain(response) {
            assert!(fields.len() <= 1024);
            assert!(content.bytes.len() <= self.inspection && content.bytes.len() as u64 <= content.len);
            assert!(content.beyond.is_some() || content.bytes.len() as u64 == content.len);
            assert_eq!(fields.iter().count(), fields.len());
        }
    }
}
