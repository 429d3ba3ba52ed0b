//! One connection: what its directions are doing, and the calls that drive it.

use std::collections::VecDeque;
use std::fmt;

use apitap_detectors::exchange::{Anomalies, Octets};

use super::chunked::Chunks;
use super::content::Means;
use super::framing::Unchunked;
use super::head::SectionEnd;
use super::identify::{self, Role, Start};
use super::message::{Message, Place};
use super::pairing::Slot;
use super::{Context, ExchangeSink};
use crate::tcp::{Direction, EndReason, StreamEvent};
use crate::time::Timestamp;

/// What one TCP connection carries, as HTTP. Small while nothing is in flight: a million may be idle.
#[derive(Debug, Default)]
pub struct Connection {
    link: Link,
    /// There while a message is being read, or an exchange waits for one.
    pub(super) busy: Option<Box<Busy>>,
}

/// What is known of a connection between messages.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) phases: [Phase; 2],
    /// Who sends the requests, once a message has told.
    pub(super) client: Option<Direction>,
    /// Which directions octets came in.
    pub(super) spoken: [bool; 2],
    /// Which directions have ended.
    pub(super) over: [bool; 2],
    /// What the lower layers saw that belongs to the next message.
    pub(super) marks: [Anomalies; 2],
    /// Octets of the server are missing since its last message: responses may have been among them.
    pub(super) doubtful: bool,
    /// Which request the next response answers is in doubt.
    pub(super) adrift: bool,
    /// Octets are missing in either stream: messages may be, too.
    pub(super) holes: bool,
    /// Up to where each stream was told.
    pub(super) reach: [u64; 2],
    /// Up to where the server's stream belongs to responses that have ended.
    pub(super) answered: u64,
    /// How many requests were let go while their response may still come.
    pub(super) abandoned: u32,
    /// How many responses were let go while their request may still come.
    pub(super) unclaimed: u32,
}

/// What a direction is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// A start line is due.
    #[default]
    Boundary,
    /// In octets that make no sense: after a gap, in the middle of a stream, in another protocol.
    Searching,
    /// In a message.
    Message,
    /// In a protocol that never turns into HTTP.
    Opaque,
    /// Behind an upgrade, in a tunnel, or in HTTP/2.
    Switched,
}

/// The working state of a connection with something in flight.
#[derive(Debug, Default)]
pub(super) struct Busy {
    pub(super) sides: [Side; 2],
    /// Exchanges that have begun, in the order of their requests.
    pub(super) slots: VecDeque<Slot>,
    deadline: Option<Timestamp>,
}

/// The message that a direction is at.
#[derive(Default)]
pub(super) struct Side {
    /// `None` between messages, and in a message whose exchange was let go already.
    pub(super) message: Option<Box<Message>>,
    pub(super) reading: Reading,
    /// When and where octets began that are judged anew.
    pub(super) begun: Option<(Timestamp, Place)>,
    /// Octets that do not suffice yet to tell whether content is chunked.
    pub(super) held: Vec<u8>,
}

/// Shows how many octets are held, and not what they are.
impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, reading, begun, held } = self;
        f.debug_struct("Side")
            .field("message", message)
            .field("reading", reading)
            .field("begun", begun)
            .field("held", &Octets::of(held))
            .finish()
    }
}

/// Where in a message a direction is.
#[derive(Debug, Default)]
pub(super) enum Reading {
    /// In none.
    #[default]
    Nothing,
    /// In octets that do not suffice yet to tell what they begin.
    Unsure,
    /// In a head that did not come in one piece.
    Head { role: Role, end: SectionEnd, exchange: Opened },
    /// At the first octets of content that may be chunked.
    Sniff { otherwise: Unchunked },
    /// In content with so many octets left.
    Length(u64),
    /// In content that ends with the connection.
    UntilClose,
    /// In chunked content.
    Chunked(Chunks),
    /// In chunked content of which a chunk size is missing.
    Lost,
}

/// Whether an exchange was opened for a message before its head was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    No,
    Yes,
}

impl Connection {
    /// Takes the next event of one direction.
    pub fn on_event<S: ExchangeSink>(&mut self, cx: &mut Context<'_, S>, direction: Direction, event: StreamEvent<'_>) {
        let side = direction.index();
        let position = self.link.reach[side];
        self.link.reach[side] += match event {
            StreamEvent::Data(bytes) => bytes.len() as u64,
            StreamEvent::Gap(octets) => octets,
            StreamEvent::End(_) => 0,
        };
        self.link.holes |= matches!(event, StreamEvent::Gap(_));
        if let StreamEvent::Data(bytes) = event {
            cx.shared.counters.octets_in += bytes.len() as u64;
            self.link.spoken[side] = true;
            if self.passes_over(cx, direction, bytes) {
                return;
            }
        }
        self.work(cx, position, |work| match event {
            StreamEvent::Data(bytes) => work.feed(direction, bytes),
            StreamEvent::Gap(octets) => work.gap(direction, octets),
            StreamEvent::End(reason) => work.end(direction, reason),
        });
    }

    /// Marks the message that `direction` is at with something its lower layers saw.
    pub fn mark(&mut self, direction: Direction, anomaly: Anomalies) {
        let side = self.busy.as_mut().map(|busy| &mut busy.sides[direction.index()]);
        match side.and_then(|side| side.message.as_mut()) {
            Some(message) => message.anomalies.insert(anomaly),
            None => self.link.marks[direction.index()].insert(anomaly),
        }
    }

    /// When [`Self::on_deadline`] is to be called next. Data moves it; a call that comes too early does nothing.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.busy.as_ref().and_then(|busy| busy.deadline)
    }

    /// Lets go of what has waited long enough; `cx.at` is the deadline.
    pub fn on_deadline<S: ExchangeSink>(&mut self, cx: &mut Context<'_, S>) {
        if self.busy.is_some() {
            self.work(cx, 0, |work| work.expire());
        }
    }

    /// The connection is over: emits whatever is held.
    pub fn finish<S: ExchangeSink>(&mut self, cx: &mut Context<'_, S>) {
        self.work(cx, 0, |work| {
            for direction in Direction::BOTH {
                work.position = work.link.reach[direction.index()];
                if !work.link.over[direction.index()] {
                    work.end(direction, EndReason::CaptureEnd);
                }
            }
            work.let_go_of_all();
        });
    }

    /// Whether nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.busy.is_none()
    }

    /// How many octets that came in are not counted as anything yet.
    pub fn octets_held(&self) -> u64 {
        let sides = self.busy.iter().flat_map(|busy| &busy.sides);
        sides.map(|side| side.uncounted() as u64).sum()
    }

    /// Whether octets need no working state: those of other protocols, on most connections all there are.
    fn passes_over<S>(&self, cx: &mut Context<'_, S>, direction: Direction, bytes: &[u8]) -> bool {
        match self.link.phases[direction.index()] {
            Phase::Switched => cx.shared.counters.octets_switched += bytes.len() as u64,
            Phase::Opaque => cx.shared.counters.octets_skipped += bytes.len() as u64,
            Phase::Searching
                if self.link.client.is_none()
                    && matches!(identify::start(bytes, None), Start::Other | Start::Unsure) =>
            {
                cx.shared.counters.octets_skipped += bytes.len() as u64;
            }
            Phase::Boundary | Phase::Searching | Phase::Message => return false,
        }
        true
    }

    fn work<'a, S: ExchangeSink>(
        &mut self,
        cx: &mut Context<'a, S>,
        position: u64,
        job: impl FnOnce(&mut Work<'_, 'a, S>),
    ) {
        let mut busy = self.busy.take().unwrap_or_else(|| cx.shared.busy());
        let mut work = Work { link: &mut self.link, busy: &mut busy, cx, position };
        job(&mut work);
        let deadline = work.next_deadline();
        busy.deadline = deadline;
        if busy.is_at_rest() {
            cx.shared.rest(busy);
        } else {
            self.busy = Some(busy);
        }
    }
}

impl Busy {
    fn is_at_rest(&self) -> bool {
        self.slots.is_empty() && self.sides.iter().all(|side| matches!(side.reading, Reading::Nothing))
    }
}

impl Side {
    /// How many octets it keeps that were not counted yet.
    fn uncounted(&self) -> usize {
        let unsure = matches!(self.reading, Reading::Unsure);
        self.held.len() + self.message.as_ref().filter(|_| unsure).map_or(0, |message| message.head.len())
    }
}

/// A connection at work: its state and its surroundings.
pub(super) struct Work<'w, 'a, S> {
    pub(super) link: &'w mut Link,
    pub(super) busy: &'w mut Busy,
    pub(super) cx: &'w mut Context<'a, S>,
    /// Where in its stream the event at hand begins.
    pub(super) position: u64,
}

impl<S> Work<'_, '_, S> {
    pub(super) fn side(&mut self, direction: Direction) -> &mut Side {
        &mut self.busy.sides[direction.index()]
    }

    pub(super) fn phase(&mut self, direction: Direction) -> &mut Phase {
        &mut self.link.phases[direction.index()]
    }

    /// What the sender of `direction` is, once known.
    pub(super) fn role(&self, direction: Direction) -> Option<Role> {
        self.link.client.map(|client| if client == direction { Role::Client } else { Role::Server })
    }

    /// The message of `direction`, and what taking its content needs.
    pub(super) fn message_and_means(&mut self, direction: Direction) -> (Option<&mut Message>, Means<'_>) {
        let message = self.busy.sides[direction.index()].message.as_deref_mut();
        (message, Means { limits: self.cx.limits, scanner: self.cx.scanner, shared: self.cx.shared })
    }

    /// A message whose first octet is in the event at hand.
    pub(super) fn new_message(&mut self, direction: Direction) -> Box<Message> {
        let side = direction.index();
        let here = Place { start: self.position, acknowledged: self.cx.acknowledged };
        let mut message = self.cx.shared.message();
        (message.started, message.place) = self.busy.sides[side].begun.unwrap_or((self.cx.at, here));
        message.ended = self.cx.at;
        message
    }

    /// Takes the message away from its direction.
    pub(super) fn take_message(&mut self, direction: Direction) -> Option<Box<Message>> {
        self.side(direction).message.take()
    }
}
