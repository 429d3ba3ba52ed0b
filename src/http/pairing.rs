//! Requests and responses put together to exchanges, and exchanges handed on.
//!
//! A slot is an exchange that has begun. Responses come in the order of their requests (RFC 9112 section 9.3.2), so a
//! response belongs to the first slot that lacks one, unless octets are missing, and with them whole messages. Then what the
//! senders had acknowledged tells, whatever the order of capture:
//!
//! - A response whose sender had nothing of a request answers an earlier one.
//! - Where a client had received octets of the server between two requests, and they belong to no response that was seen,
//!   they were the response to the first of the two.
//!
//! Either half may be missing for good, or come late; what is known about that stands in the slot, not in flags about it.

use apitap_detectors::exchange::{Anomalies, Completeness, Exchange};

use super::connection::{Opened, Phase, Reading, Work};
use super::framing::{self, Framing};
use super::identify;
use super::message::{Message, Place};
use super::{ExchangeSink, OpenResponses};
use crate::tcp::Direction;
use crate::time::{Span, Timestamp};

/// How many exchanges of a connection may be in flight; clients that pipeline send a few dozen requests at most.
const MAX_IN_FLIGHT: usize = 256;
/// How many there is room for on a connection that once had more.
const USUALLY_IN_FLIGHT: usize = 16;
/// How long one half of an exchange is waited for where waiting is in doubt.
const GRACE: Span = Span::from_secs(10);
/// How long an event stream may go on before it is told as open.
const OPEN_STREAM: Span = Span::from_secs(30);
/// How long any other response without a known length may go on before it is told as open.
const OPEN_OTHER: Span = Span::from_secs(600);

/// An exchange that has begun.
#[derive(Debug)]
pub(super) struct Slot {
    request: Part,
    response: Part,
    /// Where the request stands, once it has begun.
    asked: Option<Place>,
    /// Where the response stands, once it has begun.
    answered: Option<Place>,
    /// When it began, on the capture's clock; timers go by that, since frames may bear earlier stamps.
    since: Timestamp,
    /// When its response began, and when it ended.
    response_since: Timestamp,
    response_until: Timestamp,
    anomalies: Anomalies,
    /// What is missing that neither half knows of.
    shortfall: Completeness,
}

/// One half of an exchange.
#[derive(Debug)]
enum Part {
    /// May still come.
    Awaited,
    /// Does not come.
    Absent(Why),
    /// Is being read; the direction holds it.
    Reading,
    /// Was seen, as far as it goes.
    Done(Box<Message>),
}

/// Why a half does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It was sent before the capture began, in a direction that is not captured, or not at all.
    Unseen,
    /// It was sent, but octets of it are missing.
    Lost,
}

impl Part {
    fn is_settled(&self) -> bool {
        matches!(self, Self::Absent(_) | Self::Done(_))
    }
}

impl<S: ExchangeSink> Work<'_, '_, S> {
    /// A request has begun at `place`: gives it a slot.
    pub(super) fn open_request_slot(&mut self, place: Place) {
        // Responses that were captured before their requests.
        let whole = !self.link.holes;
        let answers = |slot: &Slot| whole || slot.answered.is_none_or(|answered| answered.may_answer(place));
        for slot in self.busy.slots.iter_mut().filter(|slot| matches!(slot.request, Part::Awaited)) {
            if answers(slot) {
                slot.request = Part::Reading;
                slot.asked = Some(place);
                return self.settle();
            }
            slot.request = Part::Absent(Why::Lost);
        }
        self.settle();
        let response = if self.link.unclaimed > 0 {
            self.link.unclaimed -= 1;
            Part::Absent(Why::Unseen)
        } else if self.server().is_some_and(|server| self.link.over[server.index()]) {
            Part::Absent(Why::Unseen)
        } else {
            Part::Awaited
        };
        self.push_slot(Slot { asked: Some(place), ..self.slot(Part::Reading, response) });
    }

    /// A response has begun at `place`: gives it a slot, and says which.
    pub(super) fn open_response_slot(&mut self, place: Place) -> usize {
        let slot = |request, work: &Self| Slot { answered: Some(place), ..work.slot(request, Part::Reading) };
        if self.link.abandoned > 0 {
            // Its request was let go before it came.
            self.link.abandoned -= 1;
            let slot = slot(Part::Absent(Why::Unseen), self);
            self.busy.slots.push_front(slot);
            return 0;
        }
        let missing = std::mem::take(&mut self.link.doubtful);
        self.link.adrift |= missing;
        let mut doubt = self.lose_answered(place);
        if self.link.adrift {
            doubt = doubt.union(self.find_bearings(place));
        }
        if let Some(at) = self.first_awaiting_response() {
            let first = &mut self.busy.slots[at];
            if !self.link.holes || first.asked.is_none_or(|asked| place.may_answer(asked)) {
                first.response = Part::Reading;
                first.answered = Some(place);
                first.response_since = self.cx.order.time;
                first.shortfall.insert(doubt);
                return at;
            }
            let slot = slot(Part::Absent(Why::Lost), self);
            self.busy.slots.insert(at, slot);
            return at;
        }
        let may_come = self
            .link
            .client
            .is_some_and(|client| !self.link.over[client.index()] && self.is_behind(client, place.acknowledged));
        let request = if may_come { Part::Awaited } else { Part::Absent(Why::Unseen) };
        let mut slot = slot(request, self);
        if self.link.adrift && may_come {
            // Which of the requests to come it answers cannot be told before they have all come.
            slot.shortfall = Completeness::RESPONSE_GAP;
        }
        self.push_slot(slot);
        self.busy.slots.len() - 1
    }

    /// Which request the response at `place` answers is in doubt since responses may have been lost. Takes it to be the last
    /// one that it can answer, as it is for a client that does not pipeline, and gives up those before. The doubt ends when
    /// there is but one.
    fn find_bearings(&mut self, place: Place) -> Completeness {
        let can_answer = |asked: &Place| {
            place.may_answer(*asked) && asked.acknowledged.is_none_or(|acknowledged| acknowledged <= place.start)
        };
        let unanswered = |slot: &Slot| matches!(slot.response, Part::Awaited);
        let last =
            self.busy.slots.iter().rposition(|slot| unanswered(slot) && slot.asked.as_ref().is_some_and(can_answer));
        let first = self.first_awaiting_response();
        let is_only = last == first || last.is_none();
        let more_to_come = self.link.client.is_some_and(|client| self.is_behind(client, place.acknowledged));
        for slot in self.busy.slots.iter_mut().take(last.unwrap_or(0)) {
            if matches!(slot.response, Part::Awaited) {
                slot.response = Part::Absent(Why::Lost);
            }
        }
        self.settle();
        self.link.adrift = !is_only || more_to_come;
        if self.link.adrift { Completeness::RESPONSE_GAP } else { Completeness::none() }
    }

    /// Gives up responses that the client had before the one that begins at `place`. What is left in doubt, in the response
    /// that is first now, is returned.
    fn lose_answered(&mut self, place: Place) -> Completeness {
        let mut doubt = Completeness::none();
        let mut from = self.link.answered;
        while let Some(at) = self.first_awaiting_response() {
            let mut later = self.busy.slots.iter().skip(at);
            let before = later.next().and_then(|slot| slot.asked?.acknowledged);
            from = from.max(before.unwrap_or(0));
            let had = |slot: &Slot| slot.asked?.acknowledged.filter(|had| *had > from && *had <= place.start);
            let next = later.next().and_then(had);
            if next.is_none() && !later.any(|slot| had(slot).is_some()) {
                break;
            }
            match next {
                Some(had) => from = had,
                // Sent without waiting for a response, so how many of them were answered is not known.
                None => doubt = Completeness::RESPONSE_GAP,
            }
            self.busy.slots[at].response = Part::Absent(Why::Lost);
        }
        self.settle();
        doubt
    }

    /// Whether a sender had acknowledged octets of `direction` that were not told yet.
    pub(super) fn is_behind(&self, direction: Direction, acknowledged: Option<u64>) -> bool {
        acknowledged.is_some_and(|acknowledged| acknowledged > self.link.reach[direction.index()])
    }

    /// How long the content of a response in the given slot is.
    pub(super) fn frame_response(&mut self, slot: usize, message: &Message) -> (Framing, Anomalies) {
        let client = self.link.client.map_or(0, Direction::index);
        let request = self.busy.slots.get(slot).and_then(|slot| match &slot.request {
            Part::Done(request) => Some(&**request),
            Part::Reading => self.busy.sides[client].message.as_deref(),
            Part::Awaited | Part::Absent(_) => None,
        });
        // Of a request that is captured late, the sender may well have had the end.
        let early = self.busy.slots.get(slot).is_some_and(|slot| matches!(slot.request, Part::Reading))
            && !self.link.client.is_some_and(|client| self.is_behind(client, message.place.acknowledged));
        let (framing, mut anomalies) =
            framing::of_response(&message.facts, message.start.status, request.map(Message::method));
        if early {
            anomalies.insert(Anomalies::EARLY_RESPONSE);
        }
        (framing, anomalies)
    }

    fn slot(&self, request: Part, response: Part) -> Slot {
        Slot {
            request,
            response,
            asked: None,
            answered: None,
            since: self.cx.order.time,
            response_since: self.cx.order.time,
            response_until: self.cx.order.time,
            anomalies: Anomalies::none(),
            shortfall: Completeness::none(),
        }
    }

    fn push_slot(&mut self, slot: Slot) {
        if self.busy.slots.len() >= MAX_IN_FLIGHT {
            self.abandon_first();
        }
        self.relieve();
        self.busy.slots.push_back(slot);
    }

    /// Lets go of what is in flight as far as the budget is overdrawn.
    pub(super) fn relieve(&mut self) {
        while self.cx.shared.budget.is_overdrawn() && !self.busy.slots.is_empty() {
            self.abandon_first();
        }
    }

    fn server(&self) -> Option<Direction> {
        self.link.client.map(Direction::opposite)
    }

    fn first_awaiting_response(&self) -> Option<usize> {
        self.busy.slots.iter().position(|slot| matches!(slot.response, Part::Awaited))
    }

    /// Whether a request waits for its response.
    pub(super) fn awaits_response(&self) -> bool {
        self.first_awaiting_response().is_some()
    }

    /// Whether the request that waits for a response has no version, so that content may come without a head.
    pub(super) fn awaits_bare_content(&self) -> bool {
        let first = self.first_awaiting_response().and_then(|at| self.busy.slots.get(at));
        matches!(first, Some(Slot { request: Part::Done(request), .. }) if request.is_versionless())
    }

    /// Whether octets that follow content without a known length answer the next request.
    pub(super) fn is_answered_anew(&self, direction: Direction, bytes: &[u8]) -> bool {
        self.server() == Some(direction) && identify::is_status_line(bytes) && self.awaits_response()
    }

    /// Attaches an anomaly to the exchange that `direction` is nearest to, or to its next message.
    pub(super) fn mark_nearest(&mut self, direction: Direction, anomaly: Anomalies) {
        match self.busy.slots.front_mut() {
            Some(slot) => slot.anomalies.insert(anomaly),
            None => self.link.marks[direction.index()].insert(anomaly),
        }
    }

    /// The request that is due is missing.
    pub(super) fn lose_request(&mut self) {
        if let Some(slot) = self.busy.slots.iter_mut().find(|slot| matches!(slot.request, Part::Awaited)) {
            slot.request = Part::Absent(Why::Lost);
            return self.settle();
        }
        let asked = Some(Place { start: self.position, acknowledged: None });
        self.push_slot(Slot { asked, ..self.slot(Part::Absent(Why::Lost), Part::Awaited) });
        self.settle();
    }

    /// At least the beginning of what the server sends next is missing.
    pub(super) fn lose_response(&mut self) {
        self.link.abandoned = self.link.abandoned.saturating_sub(1);
    }

    /// Puts a message that has ended in its place.
    pub(super) fn file(&mut self, direction: Direction, message: Box<Message>) {
        let mut slots = self.busy.slots.iter_mut();
        let part = if self.link.client == Some(direction) {
            slots.find(|slot| matches!(slot.request, Part::Reading)).map(|slot| &mut slot.request)
        } else {
            self.link.answered = self.link.reach[direction.index()];
            let now = self.cx.order.time;
            slots.find(|slot| matches!(slot.response, Part::Reading)).map(|slot| {
                slot.response_until = now;
                &mut slot.response
            })
        };
        match part {
            Some(part) => *part = Part::Done(message),
            None => self.cx.shared.recycle(message),
        }
        self.settle();
    }

    /// A direction has ended: what was awaited from it does not come.
    pub(super) fn close(&mut self, direction: Direction) {
        self.link.over[direction.index()] = true;
        let Some(client) = self.link.client else { return };
        let why = if client != direction && self.link.doubtful { Why::Lost } else { Why::Unseen };
        for slot in &mut self.busy.slots {
            let part = if client == direction { &mut slot.request } else { &mut slot.response };
            if matches!(part, Part::Awaited) {
                *part = Part::Absent(why);
            }
        }
        self.settle();
    }

    /// Hands on what is complete, in order.
    fn settle(&mut self) {
        while self.busy.slots.front().is_some_and(|slot| slot.request.is_settled() && slot.response.is_settled()) {
            self.emit_first(Completeness::none());
        }
    }

    /// Lets go of the first exchange though its response may still come.
    fn abandon_first(&mut self) {
        if matches!(self.busy.slots.front(), Some(Slot { response: Part::Awaited, .. })) {
            self.link.abandoned += 1;
            self.cx.shared.counters.requests_abandoned += 1;
        }
        self.emit_first(Completeness::none());
    }

    /// Lets go of everything.
    pub(super) fn let_go_of_all(&mut self) {
        while !self.busy.slots.is_empty() {
            self.emit_first(Completeness::none());
        }
        for direction in Direction::BOTH {
            self.abort_message(direction);
        }
    }

    /// Drops the message that a direction is at.
    pub(super) fn abort_message(&mut self, direction: Direction) {
        let side = self.side(direction);
        let unsure = matches!(side.reading, Reading::Unsure);
        side.reading = Reading::Nothing;
        let held = std::mem::take(&mut side.held).len();
        let message = side.message.take();
        let counters = &mut self.cx.shared.counters;
        counters.octets_skipped += held as u64;
        if let Some(message) = message {
            if unsure {
                counters.octets_skipped += message.head.len() as u64;
            }
            self.cx.shared.recycle(message);
        }
    }

    /// Hands on the first exchange as it is.
    fn emit_first(&mut self, extra: Completeness) {
        let Some(slot) = self.busy.slots.pop_front() else { return };
        let slots = &mut self.busy.slots;
        if slots.capacity() > USUALLY_IN_FLIGHT && slots.len() < slots.capacity() / 8 {
            slots.shrink_to(USUALLY_IN_FLIGHT);
        }
        let Some(client) = self.link.client else { return };
        let request_lost = matches!(slot.request, Part::Absent(Why::Lost));
        let response_lost = matches!(slot.response, Part::Absent(Why::Lost));
        let request = self.take_part(slot.request, client);
        let response = self.take_part(slot.response, client.opposite());
        if request.is_some() || response.is_some() {
            let mut completeness = extra.union(slot.shortfall);
            let (no, gap, cut) = (Completeness::NO_REQUEST, Completeness::REQUEST_GAP, Completeness::REQUEST_CUT);
            completeness.insert(shortfall(request.as_deref(), request_lost, no, gap, cut));
            let (no, gap, cut) = (Completeness::NO_RESPONSE, Completeness::RESPONSE_GAP, Completeness::RESPONSE_CUT);
            let cut = if extra.contains(Completeness::OPEN) { Completeness::none() } else { cut };
            completeness.insert(shortfall(response.as_deref(), response_lost, no, gap, cut));
            self.hand_on(client, slot.anomalies, completeness, request.as_deref(), response.as_deref());
        }
        for message in [request, response].into_iter().flatten() {
            self.cx.shared.recycle(message);
        }
    }

    fn hand_on(
        &mut self,
        client: Direction,
        anomalies: Anomalies,
        completeness: Completeness,
        request: Option<&Message>,
        response: Option<&Message>,
    ) {
        let both = || [request, response].into_iter().flatten();
        let exchange = Exchange {
            order: self.cx.order,
            started: both().map(|message| message.started).next().unwrap_or(self.cx.at),
            ended: both().map(|message| message.ended).max().unwrap_or(self.cx.at),
            client: self.cx.ends[client.index()],
            server: self.cx.ends[client.opposite().index()],
            request: request.map(Message::request),
            response: response.map(Message::response),
            completeness,
            anomalies: both().fold(anomalies, |anomalies, message| anomalies.union(message.all_anomalies())),
        };
        self.cx.shared.counters.exchanges += 1;
        self.cx.shared.counters.exchanges_complete += u64::from(completeness.is_complete());
        self.cx.order.ordinal = self.cx.order.ordinal.saturating_add(1);
        self.cx.sink.exchange(&exchange);
    }

    /// The message of one half. If it is still being read, what follows of it is read without it.
    fn take_part(&mut self, part: Part, direction: Direction) -> Option<Box<Message>> {
        match part {
            Part::Done(message) => Some(message),
            Part::Reading => {
                let mut message = self.take_message(direction)?;
                message.cut = true;
                if let Reading::Head { exchange: Opened::Yes, .. } = self.side(direction).reading {
                    self.side(direction).reading = Reading::Nothing;
                    *self.phase(direction) = Phase::Searching;
                }
                let mut means =
                    super::content::Means { limits: self.cx.limits, scanner: self.cx.scanner, shared: self.cx.shared };
                message.content.finish(&mut means, false);
                Some(message)
            }
            Part::Awaited | Part::Absent(_) => None,
        }
    }

    /// Lets go of what has waited long enough.
    pub(super) fn expire(&mut self) {
        while self.next_deadline().is_some_and(|deadline| deadline <= self.cx.order.time) {
            match self.busy.slots.front().map(|slot| (&slot.request, &slot.response)) {
                Some((_, Part::Awaited)) => self.abandon_first(),
                Some((Part::Awaited, _)) => {
                    self.link.unclaimed += 1;
                    self.emit_first(Completeness::none());
                }
                Some((_, Part::Reading)) => self.emit_first(Completeness::OPEN),
                _ => self.emit_first(Completeness::none()),
            }
            self.settle();
        }
    }

    /// When something has waited long enough.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let first = self.busy.slots.front()?;
        match (&first.request, &first.response) {
            (Part::Done(_), Part::Awaited) => {
                // A direction that never spoke is not captured. One that did answers late, but in order.
                let silent = self.server().is_some_and(|server| !self.link.spoken[server.index()]);
                let next = self.busy.slots.get(1).filter(|_| silent)?;
                Some(next.since + GRACE)
            }
            (Part::Awaited | Part::Reading, Part::Done(_)) => Some(first.response_until + GRACE),
            (_, Part::Reading) if self.cx.limits.open_responses == OpenResponses::Tell => {
                let server = self.server()?;
                let side = &self.busy.sides[server.index()];
                let response = side.message.as_ref()?;
                match side.reading {
                    Reading::UntilClose | Reading::Chunked(_) | Reading::Lost => {
                        let patience = if response.facts.event_stream { OPEN_STREAM } else { OPEN_OTHER };
                        Some(first.response_since + patience)
                    }
                    Reading::Nothing
                    | Reading::Unsure
                    | Reading::Head { .. }
                    | Reading::Sniff { .. }
                    | Reading::Length(_) => None,
                }
            }
            _ => None,
        }
    }
}

impl Place {
    /// Whether a response at this place may answer a request at that one: its sender had some of it.
    fn may_answer(self, request: Self) -> bool {
        self.acknowledged.is_none_or(|acknowledged| acknowledged > request.start)
    }
}

/// What is missing of one half of an exchange.
fn shortfall(
    message: Option<&Message>,
    lost: bool,
    no: Completeness,
    gap: Completeness,
    cut: Completeness,
) -> Completeness {
    let mut shortfall = Completeness::none();
    match message {
        None => {
            shortfall.insert(no);
            if lost {
                shortfall.insert(gap);
            }
        }
        Some(message) => {
            shortfall.insert(message.content.shortfall());
            if message.gap {
                shortfall.insert(gap);
            }
            if message.cut {
                shortfall.insert(cut);
            }
        }
    }
    shortfall
}
