//! Puts conversations on the wire as segments, for tests that drive a worker without a capture file.

use apitap::link::{Address, Checksum, Overlay, Segment, Socket, TcpFlags};
use apitap::tcp::SeqNumber;
use apitap::time::Timestamp;
use apitap::worker::{Moment, Output, Settings, Worker};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

/// A segment that owns its payload.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) sender: Sender,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

impl Sent {
    /// The segment from `src` to `dst`.
    pub(crate) fn segment(&self, src: Socket, dst: Socket) -> Segment<'_> {
        let flags = TcpFlags(self.flags);
        Segment {
            overlay: Overlay::NONE,
            src,
            dst,
            seq: SeqNumber(self.seq),
            ack: flags.ack().then_some(SeqNumber(self.ack)),
            flags,
            payload: &self.payload,
            snapped: 0,
            checksum: Checksum::Valid,
        }
    }
}

/// Initial sequence numbers; the client's wraps soon.
const CLIENT_START: u32 = u32::MAX - 700;
const SERVER_START: u32 = 5_000;

/// Lays messages out as segments: a handshake, each message cut into pieces of `size(n)` octets, the end of both sides.
pub(crate) fn lay_out(messages: &[(Sender, Vec<u8>)], mut size: impl FnMut() -> usize) -> Vec<Sent> {
    let mut next = [CLIENT_START, SERVER_START];
    let mut sent = Vec::new();
    let mut send = |next: &mut [u32; 2], sender: Sender, flags: u8, payload: &[u8]| {
        let (own, other) = if sender == Sender::Client { (0, 1) } else { (1, 0) };
        sent.push(Sent { sender, seq: next[own], ack: next[other], flags, payload: payload.to_vec() });
        let occupies_one = flags & (TcpFlags::SYN | TcpFlags::FIN) != 0;
        next[own] = next[own].wrapping_add(payload.len() as u32 + u32::from(occupies_one));
    };
    send(&mut next, Sender::Client, TcpFlags::SYN, b"");
    send(&mut next, Sender::Server, TcpFlags::SYN | TcpFlags::ACK, b"");
    send(&mut next, Sender::Client, TcpFlags::ACK, b"");
    for (sender, octets) in messages {
        let mut rest = octets.as_slice();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(size().clamp(1, rest.len()));
            send(&mut next, *sender, TcpFlags::ACK, piece);
            rest = more;
        }
    }
    send(&mut next, Sender::Server, TcpFlags::FIN | TcpFlags::ACK, b"");
    send(&mut next, Sender::Client, TcpFlags::FIN | TcpFlags::ACK, b"");
    send(&mut next, Sender::Server, TcpFlags::ACK, b"");
    sent
}

/// What a worker told of a connection: log lines and observations, and its counters.
pub(crate) struct Seen {
    pub(crate) lines: Vec<String>,
    pub(crate) observations: Vec<String>,
    pub(crate) counters: apitap::worker::Counters,
}

/// The time stamp of all segments: order is all that can differ.
pub(crate) const NOW: Timestamp = Timestamp::from_parts(1_700_000_000, 0);

/// A worker that the segments were given to.
pub(crate) fn give(segments: &[Sent], settings: &Settings) -> Worker {
    let client = Socket { address: Address::v4([192, 0, 2, 1]), port: 49_152 };
    let server = Socket { address: Address::v4([192, 0, 2, 80]), port: 80 };
    let mut worker = Worker::new(settings);
    for (number, sent) in segments.iter().enumerate() {
        let (src, dst) = if sent.sender == Sender::Client { (client, server) } else { (server, client) };
        let segment = sent.segment(src, dst);
        worker.segment(Moment { now: NOW, stamp: NOW, frame: number as u64 + 1 }, &segment);
    }
    worker
}

/// Gives segments to a worker, and tells what it saw.
pub(crate) fn observe(segments: &[Sent], settings: &Settings) -> Seen {
    let mut worker = give(segments, settings);
    worker.finish(NOW);
    let mut seen = Seen { lines: Vec::new(), observations: Vec::new(), counters: worker.counters() };
    for output in worker.take_outputs() {
        match output {
            Output::Line(_, line) => seen.lines.push(String::from_utf8(line.into()).expect("a line is UTF-8")),
            Output::Visit(visit) if !visit.findings.is_empty() => {
                seen.observations.push(format!("{:?} {:?}", visit.context, visit.findings));
            }
            Output::Visit(_) => {}
        }
    }
    seen
}
