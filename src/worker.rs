//! One worker: segments in, exchanges inspected, observations and log lines out. Single-threaded, without I/O and with no
//! clock but the capture's, so that tests, benches, replay and the live sensor drive the same code.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use apitap_detectors::behaviour::{Fact, Observer};
use apitap_detectors::exchange::{Anomalies, Exchange, Octets};
use apitap_detectors::finding::Finding;
use apitap_detectors::inspect::Inspector;
use apitap_detectors::scan::{EntityType, Scanner};
use apitap_detectors::visit::{Usher, Visit};

use crate::counters::counters;
use crate::exchange_log::{self, Targets};
use crate::flow::{FlowId, FlowKey, FlowTable};
use crate::http::{self, ExchangeSink};
use crate::link::{ChecksumPolicy, Segment, Socket};
use crate::tcp::connection::{self, Progress, Verdict};
use crate::tcp::{self, Direction, EndReason, HoldBudget, SeqNumber, StreamEvent, StreamSink};
use crate::time::{Order, Span, Timestamp};

/// How long a connection may be silent before it is over.
const IDLE_ESTABLISHED: Span = Span::from_secs(300);
/// The same, when only one side has spoken: a SYN that nobody answers, a capture of one direction.
const IDLE_ONE_SIDED: Span = Span::from_secs(120);
/// The same, before anything was said.
const IDLE_OPENING: Span = Span::from_secs(30);
/// How long a closed connection's addresses are remembered, so that late copies of its segments open no new one.
const LINGER: Span = Span::from_secs(30);
/// How far behind the end of a closed connection a segment may lie to be a late copy.
const LATE: i32 = 16 << 20;

/// What a worker does and how much it may use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How wrong TCP checksums are dealt with.
    pub checksums: ChecksumPolicy,
    /// Limits on HTTP messages.
    pub http: http::Limits,
    /// Which detectors run, and how.
    pub detectors: apitap_detectors::inspect::Settings,
    /// Whether each exchange gives a log line, and how.
    pub log: Option<Targets>,
    /// Memory for connections and what is held for them, in bytes, of one worker.
    pub memory: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            checksums: ChecksumPolicy::default(),
            http: http::Limits::default(),
            detectors: apitap_detectors::inspect::Settings::default(),
            log: None,
            memory: 512 << 20,
        }
    }
}

/// When and where a segment was captured.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The capture's clock: never runs backwards.
    pub now: Timestamp,
    /// The frame's own time stamp.
    pub stamp: Timestamp,
    /// The frame's number in the capture, from 1.
    pub frame: u64,
}

/// What leaves a worker.
pub enum Output {
    /// The log line of an exchange.
    Line(Order, Box<[u8]>),
    /// What the behaviour stage goes by of an exchange, and what was found in it.
    Visit(Box<Visit>),
}

/// Shows how long a log line is, and not the line: a raw request target may be in it.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(order, line) => f.debug_tuple("Line").field(order).field(&Octets::of(line)).finish(),
            Self::Visit(visit) => f.debug_tuple("Visit").field(visit).finish(),
        }
    }
}

impl Output {
    /// Where it stands among everything the capture told.
    pub fn order(&self) -> Order {
        match self {
            Self::Line(order, _) => *order,
            Self::Visit(visit) => visit.order,
        }
    }
}

counters! {
    /// What happened to segments between link and TCP. `segments_received = segments_tracked + segments_passed_over (each)`.
    pub struct FlowCounters {
        /// Segments taken in.
        pub segments_received,
        /// Segments handed to a connection.
        pub segments_tracked,
        /// Segments without a connection that carry nothing: the rest of one that began before the capture.
        pub segments_passed_over_empty,
        /// Segments of a connection that is closed, late copies for the most part.
        pub segments_passed_over_closed,
        /// Segments lost to a panic: a defect of the sensor.
        pub segments_lost_panic,
        /// Connections seen.
        pub flows_opened,
        /// Connections that ended by FIN or RST.
        pub flows_closed,
        /// Connections that were silent for too long.
        pub flows_expired_idle,
        /// Connections whose sockets were taken by a new one.
        pub flows_replaced,
        /// Connections that made room for others: the memory budget was reached.
        pub flows_evicted_budget,
        /// Connections still open at the end of the capture.
        pub flows_ended_capture,
        /// Connections dropped after a panic: a defect of the sensor.
        pub flows_dropped_panic,
    }
}

counters! {
    /// What came of exchanges.
    pub struct ExchangeCounters {
        /// Exchanges of which everything was in the capture.
        pub complete,
        /// Exchanges of which something is missing.
        pub incomplete,
        /// Exchanges without a request, among the incomplete ones.
        pub without_request,
        /// Exchanges without a response, among the incomplete ones.
        pub without_response,
        /// Exchanges with content past the inspection limit: scanned, but without its structure.
        pub scanned_only,
        /// Exchanges with content that could not be decoded.
        pub undecoded,
        /// Exchanges with an anomaly.
        pub anomalous,
        /// Findings.
        pub findings,
    }
}

counters! {
    /// How often an entity was seen, before any alert policy.
    pub struct EntityCounters {
        /// Responses that hold at least one.
        pub responses,
        /// How many there were.
        pub items,
    }
}

/// Entities by type, in the order of [`EntityType::ALL`].
#[derive(Clone, Copy, Debug)]
pub struct Entities(pub [EntityCounters; EntityType::ALL.len()]);

impl Default for Entities {
    fn default() -> Self {
        Self(std::array::from_fn(|_| EntityCounters::default()))
    }
}

/// Everything a worker counts.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Connections.
    pub flow: FlowCounters,
    /// Segments and octets.
    pub tcp: tcp::Counters,
    /// Messages.
    pub http: http::Counters,
    /// Exchanges.
    pub exchanges: ExchangeCounters,
    /// Entities, in the order of [`EntityType::ALL`].
    pub entities: Entities,
}

impl Counters {
    /// Adds what another worker counted.
    pub fn merge(&mut self, other: &Self) {
        self.flow.merge(&other.flow);
        self.tcp.merge(&other.tcp);
        self.http.merge(&other.http);
        self.exchanges.merge(&other.exchanges);
        for (ours, theirs) in self.entities.0.iter_mut().zip(&other.entities.0) {
            ours.merge(theirs);
        }
    }
}

/// The stages from flow to exchange detectors, composed.
#[derive(Debug)]
pub struct Worker {
    flows: FlowTable<Flow>,
    flow_limit: usize,
    stages: Stages,
}

/// What a worker tracks of a connection.
#[derive(Debug)]
struct Flow {
    /// The number of the frame that opened it.
    first_frame: u64,
    /// Who sent that frame, and to whom.
    ends: [Socket; 2],
    last_seen: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    Live(Box<Live>),
    /// Over; where each direction stood, and whether an RST ended it: that could be forged, so what goes on is looked at.
    Closed {
        ends: [Option<SeqNumber>; 2],
        by_reset: bool,
    },
}

#[derive(Debug, Default)]
struct Live {
    tcp: connection::Connection,
    http: http::Connection,
}

impl Live {
    fn closed(&self) -> State {
        State::Closed { ends: self.tcp.ends(), by_reset: self.tcp.was_reset() }
    }
}

/// What is to become of a flow.
enum Next {
    /// It is looked at again at that time, or with its next segment.
    At(Timestamp),
    /// It is forgotten.
    Gone,
}

/// What a connection is roughly taken to need, in bytes, to turn a memory budget into a number of connections.
const FLOW_COST: usize = 2048;

impl Worker {
    /// A worker that has seen nothing.
    pub fn new(settings: &Settings) -> Self {
        // A quarter each for connections, held octets and content; the rest is for what does not grow with traffic.
        let quarter = settings.memory / 4;
        let inspector = Inspector::new(Scanner::default(), settings.detectors.clone());
        Self {
            flows: FlowTable::default(),
            flow_limit: (quarter / FLOW_COST).max(64),
            stages: Stages {
                checksums: settings.checksums,
                hold: HoldBudget { total: quarter, ..HoldBudget::default() },
                flow: FlowCounters::default(),
                tcp: tcp::Counters::default(),
                http: Http {
                    limits: http::Limits { content_budget: quarter, ..settings.http.clone() },
                    shared: http::Shared::new(&http::Limits { content_budget: quarter, ..settings.http.clone() }),
                    scanner: *inspector.scanner(),
                },
                inspection: Inspection {
                    inspector,
                    usher: Usher::new(settings.detectors.hashing()),
                    observer: Observer::new(&settings.detectors),
                    log: settings.log,
                    findings: Vec::new(),
                    outputs: Vec::new(),
                    exchanges: ExchangeCounters::default(),
                    entities: Default::default(),
                },
            },
        }
    }

    /// Takes a segment. Deadlines up to `moment.now` come first.
    pub fn segment(&mut self, moment: Moment, segment: &Segment<'_>) {
        if self.flows.is_due(moment.now) {
            self.advance(moment.now);
        }
        self.stages.flow.segments_received += 1;
        let key = FlowKey::of(segment);
        let id = match self.flows.find(&key) {
            Some(id) => id,
            None if segment.sequence_len() == 0 || segment.flags.rst() => {
                self.stages.flow.segments_passed_over_empty += 1;
                return;
            }
            None => {
                if self.flows.len() >= self.flow_limit {
                    self.evict(moment);
                }
                self.stages.flow.flows_opened += 1;
                self.flows.insert(key, Flow::open(moment, segment))
            }
        };
        let stages = &mut self.stages;
        let Some(flow) = self.flows.get_mut(id) else { return };
        match catch_unwind(AssertUnwindSafe(|| stages.track(flow, moment, segment))) {
            Ok(next) => self.settle(id, &next),
            Err(_) => {
                self.stages.flow.segments_lost_panic += 1;
                self.drop_after_panic(id);
            }
        }
    }

    /// Lets everything happen whose time has come by `now`.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some((id, deadline)) = self.flows.pop_due(now) {
            let stages = &mut self.stages;
            let Some(flow) = self.flows.get_mut(id) else { continue };
            match catch_unwind(AssertUnwindSafe(|| stages.on_deadline(flow, deadline))) {
                Ok(next) => self.settle(id, &next),
                Err(_) => self.drop_after_panic(id),
            }
        }
    }

    /// The capture is over: ends every connection, oldest first.
    pub fn finish(&mut self, now: Timestamp) {
        self.advance(now);
        let mut ids = self.flows.ids();
        ids.sort_by_cached_key(|id| self.flows.get_mut(*id).map_or(0, |flow| flow.first_frame));
        for id in ids {
            if self.end(id, now, u64::MAX, EndReason::CaptureEnd) {
                self.stages.flow.flows_ended_capture += 1;
            }
        }
    }

    /// What has come out since the last call.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.stages.inspection.outputs)
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        Counters {
            flow: self.stages.flow,
            tcp: self.stages.tcp,
            http: self.stages.http.shared.counters(),
            exchanges: self.stages.inspection.exchanges,
            entities: self.stages.inspection.entities,
        }
    }

    /// How many connections are tracked, closed ones that are remembered included.
    pub fn flow_count(&self) -> usize {
        self.flows.len()
    }

    fn settle(&mut self, id: FlowId, next: &Next) {
        match next {
            Next::At(deadline) => self.flows.arm(id, *deadline),
            Next::Gone => drop(self.flows.remove(id)),
        }
    }

    /// Makes room: ends the connection that has been idle for the largest part of its time.
    fn evict(&mut self, moment: Moment) {
        // What looked oldest may have been used since; a few such are put back before one of them has to go all the same.
        for attempt in 0..8 {
            let Some((id, deadline)) = self.flows.pop_due(Timestamp::MAX) else { return };
            let Some(flow) = self.flows.get_mut(id) else { continue };
            if attempt < 7 && flow.expiry() > deadline {
                let next = flow.next();
                self.settle(id, &next);
                continue;
            }
            if self.end(id, moment.now, moment.frame, EndReason::Evicted) {
                self.stages.flow.flows_evicted_budget += 1;
            }
            return;
        }
    }

    /// Ends a connection and forgets it; tells whether it was open.
    fn end(&mut self, id: FlowId, now: Timestamp, frame: u64, reason: EndReason) -> bool {
        let Some(mut flow) = self.flows.remove(id) else { return false };
        let stages = &mut self.stages;
        catch_unwind(AssertUnwindSafe(|| stages.end(&mut flow, now, frame, reason))).unwrap_or_else(|_| {
            self.stages.flow.flows_dropped_panic += 1;
            false
        })
    }

    fn drop_after_panic(&mut self, id: FlowId) {
        self.stages.flow.flows_dropped_panic += 1;
        self.flows.remove(id);
    }
}

impl Flow {
    fn open(moment: Moment, segment: &Segment<'_>) -> Self {
        Self {
            first_frame: moment.frame,
            ends: [segment.src, segment.dst],
            last_seen: moment.now,
            state: State::Live(Box::default()),
        }
    }

    /// When it is over if nothing more comes.
    fn expiry(&self) -> Timestamp {
        self.last_seen
            + match &self.state {
                State::Closed { .. } => LINGER,
                State::Live(live) => match live.tcp.progress() {
                    Progress::Opening => IDLE_OPENING,
                    Progress::OneSide => IDLE_ONE_SIDED,
                    Progress::BothSides => IDLE_ESTABLISHED,
                },
            }
    }

    fn next(&self) -> Next {
        let expiry = self.expiry();
        Next::At(match &self.state {
            State::Closed { .. } => expiry,
            State::Live(live) => {
                [live.tcp.deadline(), live.http.deadline()].into_iter().flatten().fold(expiry, Timestamp::min)
            }
        })
    }
}

/// Everything behind the flow table.
#[derive(Debug)]
struct Stages {
    checksums: ChecksumPolicy,
    hold: HoldBudget,
    flow: FlowCounters,
    tcp: tcp::Counters,
    http: Http,
    inspection: Inspection,
}

impl Stages {
    fn track(&mut self, flow: &mut Flow, moment: Moment, segment: &Segment<'_>) -> Next {
        if let State::Closed { ends, by_reset } = flow.state {
            if !Self::opens_anew(ends, by_reset, flow, segment) {
                self.flow.segments_passed_over_closed += 1;
                return Next::At(flow.expiry());
            }
            *flow = Flow::open(moment, segment);
            self.flow.flows_opened += 1;
        }
        if self.feed(flow, moment, segment) == Verdict::Reused {
            self.end(flow, moment.now, moment.frame, EndReason::Evicted);
            self.flow.flows_replaced += 1;
            *flow = Flow::open(moment, segment);
            self.flow.flows_opened += 1;
            let _ = self.feed(flow, moment, segment);
        }
        self.flow.segments_tracked += 1;
        flow.last_seen = moment.now;
        flow.next()
    }

    /// Gives a segment to the connection, and closes the flow when that ends it.
    fn feed(&mut self, flow: &mut Flow, moment: Moment, segment: &Segment<'_>) -> Verdict {
        let State::Live(live) = &mut flow.state else { return Verdict::Closed };
        let order = Order { time: moment.now, frame: moment.frame, flow: flow.first_frame, ordinal: 0 };
        let direction = if segment.src == flow.ends[0] { Direction::Forward } else { Direction::Reverse };
        let mut to_http = ToHttp {
            http: &mut live.http,
            cx: self.http.context(flow.ends, moment.stamp, order, &mut self.inspection),
        };
        let mut cx = connection::Context {
            now: moment.now,
            checksums: self.checksums,
            budget: &mut self.hold,
            counters: &mut self.tcp,
            sink: &mut to_http,
        };
        let verdict = live.tcp.segment(&mut cx, direction, segment);
        if verdict == Verdict::Closed {
            to_http.finish();
            self.flow.flows_closed += 1;
            flow.state = live.closed();
        }
        verdict
    }

    fn on_deadline(&mut self, flow: &mut Flow, deadline: Timestamp) -> Next {
        if flow.expiry() <= deadline {
            if self.end(flow, deadline, 0, EndReason::Idle) {
                self.flow.flows_expired_idle += 1;
            }
            return Next::Gone;
        }
        let State::Live(live) = &mut flow.state else { return Next::At(flow.expiry()) };
        let order = Order { time: deadline, frame: 0, flow: flow.first_frame, ordinal: 0 };
        let mut to_http =
            ToHttp { http: &mut live.http, cx: self.http.context(flow.ends, deadline, order, &mut self.inspection) };
        let mut verdict = Verdict::Open;
        if live.tcp.deadline().is_some_and(|at| at <= deadline) {
            let mut cx = connection::Context {
                now: deadline,
                checksums: self.checksums,
                budget: &mut self.hold,
                counters: &mut self.tcp,
                sink: &mut to_http,
            };
            verdict = live.tcp.on_deadline(&mut cx);
        }
        if to_http.http.deadline().is_some_and(|at| at <= deadline) {
            to_http.http.on_deadline(&mut to_http.cx);
        }
        if verdict == Verdict::Closed {
            to_http.finish();
            self.flow.flows_closed += 1;
            flow.state = live.closed();
        }
        flow.next()
    }

    /// Ends a connection for a reason of ours; tells whether it was open.
    fn end(&mut self, flow: &mut Flow, now: Timestamp, frame: u64, reason: EndReason) -> bool {
        let State::Live(live) = &mut flow.state else { return false };
        let order = Order { time: now, frame, flow: flow.first_frame, ordinal: 0 };
        let mut to_http = ToHttp {
            http: &mut live.http,
            cx: self.http.context(flow.ends, flow.last_seen, order, &mut self.inspection),
        };
        let mut cx = connection::Context {
            now,
            checksums: self.checksums,
            budget: &mut self.hold,
            counters: &mut self.tcp,
            sink: &mut to_http,
        };
        live.tcp.finish(&mut cx, reason);
        to_http.finish();
        flow.state = live.closed();
        true
    }

    /// Whether a segment between the sockets of a closed connection belongs to a new one.
    fn opens_anew(ends: [Option<SeqNumber>; 2], by_reset: bool, flow: &Flow, segment: &Segment<'_>) -> bool {
        if segment.flags.rst() || segment.sequence_len() == 0 {
            return false;
        }
        let [forward, reverse] = ends;
        let end = if segment.src == flow.ends[0] { forward } else { reverse };
        segment.flags.syn()
            || end.is_none_or(|end| {
                let distance = segment.seq.distance_from(end);
                !(-LATE..=LATE).contains(&distance) || (by_reset && distance >= 0 && segment.payload_len() > 0)
            })
    }
}

/// What all connections' HTTP shares.
#[derive(Debug)]
struct Http {
    limits: http::Limits,
    shared: http::Shared,
    scanner: Scanner,
}

impl Http {
    fn context<'a>(
        &'a mut self,
        ends: [Socket; 2],
        at: Timestamp,
        order: Order,
        sink: &'a mut Inspection,
    ) -> http::Context<'a, Inspection> {
        http::Context {
            limits: &self.limits,
            shared: &mut self.shared,
            scanner: &self.scanner,
            ends: ends.map(Socket::to_std),
            at,
            order,
            acknowledged: None,
            sink,
        }
    }
}

/// Hands a connection's stream events to its HTTP.
struct ToHttp<'a> {
    http: &'a mut http::Connection,
    cx: http::Context<'a, Inspection>,
}

impl ToHttp<'_> {
    fn finish(&mut self) {
        self.http.finish(&mut self.cx);
    }
}

impl StreamSink for ToHttp<'_> {
    fn event(&mut self, direction: Direction, event: StreamEvent<'_>, acknowledged: Option<u64>) {
        self.cx.acknowledged = acknowledged;
        self.http.on_event(&mut self.cx, direction, event);
    }

    fn conflict(&mut self, direction: Direction) {
        self.http.mark(direction, Anomalies::OVERLAP_CONFLICT);
    }
}

/// Takes exchanges, asks the detectors, and keeps what they say.
#[derive(Debug)]
struct Inspection {
    inspector: Inspector,
    usher: Usher,
    observer: Observer,
    log: Option<Targets>,
    findings: Vec<Finding>,
    outputs: Vec<Output>,
    exchanges: ExchangeCounters,
    entities: Entities,
}

impl ExchangeSink for Inspection {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        self.count(exchange);
        let tally = self.inspector.inspect(exchange, &mut self.findings);
        if !tally.is_empty() {
            for (counters, entity) in self.entities.0.iter_mut().zip(EntityType::ALL) {
                let items = tally.count(*entity);
                counters.items += u64::from(items);
                counters.responses += u64::from(items > 0);
            }
        }
        if let Some(targets) = self.log {
            let mut line = Vec::with_capacity(512);
            exchange_log::write_line(&mut line, exchange, targets);
            self.outputs.push(Output::Line(exchange.order, line.into()));
        }
        // Without a request nobody is known to have done anything.
        let is_judged = !self.observer.is_idle() && exchange.request.is_some();
        if is_judged || !self.findings.is_empty() {
            self.exchanges.findings += self.findings.len() as u64;
            let mut visit = self.usher.visit(exchange);
            visit.findings = std::mem::take(&mut self.findings);
            if is_judged {
                self.observer.observe(exchange, &mut visit, self.usher.hashing());
                if !tally.is_empty() {
                    let volumes = self.inspector.volumes(exchange, &tally, self.usher.hashing());
                    visit.facts.extend(volumes.map(|volume| Fact::Volume(Box::new(volume))));
                }
            }
            self.outputs.push(Output::Visit(Box::new(visit)));
        }
    }
}

impl Inspection {
    fn count(&mut self, exchange: &Exchange<'_>) {
        use apitap_detectors::exchange::Completeness;
        let counters = &mut self.exchanges;
        let missing = exchange.completeness;
        if missing.is_complete() {
            counters.complete += 1;
        } else {
            counters.incomplete += 1;
        }
        counters.without_request += u64::from(exchange.request.is_none());
        counters.without_response += u64::from(exchange.response.is_none());
        counters.scanned_only += u64::from(missing.contains(Completeness::SCANNED_ONLY));
        counters.undecoded += u64::from(missing.contains(Completeness::UNDECODED));
        counters.anomalous += u64::from(!exchange.anomalies.is_empty());
    }
}
