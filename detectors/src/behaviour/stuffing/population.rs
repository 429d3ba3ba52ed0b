//! Many clients that fail, each a few times: what they have in common, and others do not.
//!
//! Clients of a login are sorted into slices: those of one program (User-Agent), of one order of fields, of one address
//! block. Where nearly all clients of a slice fail to get in while those outside of it succeed, far beyond chance, the
//! slice's clients are told, and nobody else. A fault of the server, or of everyone's app, fails inside and outside alike.
//! Without a slice that stands out, the clients of five minutes are compared with those of all other times, and with those of
//! the same hour on earlier days: at night few people mistype, and many at nine. The hour is a comparison and no slice of its
//! own, since everybody whom the window holds came in the same one. Who was told is no part of what is usual then.
//!
//! A client counts as failing while it failed and did not get in. Judgement waits [`PATIENCE`], so that people who mistype
//! are no part of it.
//!
//! Misses: clients that differ in all of these, on an endpoint that was not seen before. Mistakes: an app whose new version
//! cannot log in looks the same, if its users give up.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::super::bounded::Bounded;
use super::{DISTRIBUTED, lasting};
use crate::behaviour::Findings;
use crate::behaviour::login::{Attempt, Verdict};
use crate::finding::{Confidence, Finding, Severity, Subject};
use crate::observation::{ExchangeContext, Observation};
use crate::time::{Order, Span, Timestamp};
use crate::visit::{Hash, Visit};

/// How far back clients are compared.
const WINDOW: Span = Span::from_secs(3600);
/// In nanoseconds.
const FIVE_MINUTES: i64 = 300_000_000_000;
/// How long a client may take to get in after all.
const PATIENCE: Span = Span::from_secs(120);
/// Their share among the clients of the slice, in percent, at least.
const SHARE: u32 = 80;
/// Clients outside of the slice that got in, at least: otherwise it may be the server that fails.
const OTHERS: u32 = 5;
/// How many times the odds of failing are those of others, at least, at the lower end of 99 % of chance.
const ODDS: f64 = 4.0;
/// Failing clients of an endpoint that are many without anything in common, at least.
const FAILING_ALIKE: u32 = 30;
/// Clients of other times, at least, to know what is usual.
const USUAL: u32 = 12;
/// Logins that are watched, and clients of each, at about 400 octets each with their slices: 26 MB.
const ENDPOINTS: usize = 32;
const CLIENTS: usize = 2_048;

/// The logins of all servers.
pub(super) struct Population {
    /// Failing clients in a slice, at least.
    failing: u32,
    logins: Bounded<Hash, Login>,
    /// Failures that wait for their client to get in after all, in the order of time.
    waiting: VecDeque<(Timestamp, Hash, IpAddr)>,
    order: Order,
}

/// Failures that wait at most; what finds no place is not told.
const WAITING: usize = ENDPOINTS * CLIENTS;

/// One login operation and its clients.
#[derive(Default)]
struct Login {
    clients: HashMap<IpAddr, Client>,
    /// In the order in which they came.
    arrivals: VecDeque<(Timestamp, IpAddr)>,
    slices: HashMap<Slice, Tally>,
    all: Tally,
    /// Clients that came before the window.
    before: Tally,
    /// The same by the hour of the day (UTC), without those who were told.
    hours: [Tally; HOURS],
}

const HOURS: usize = 24;

/// The hour of the day of a time that is counted in five minutes.
fn hour(five_minutes: i64) -> usize {
    usize::try_from(five_minutes.div_euclid(12).rem_euclid(HOURS as i64)).unwrap_or(0)
}

struct Client {
    slices: [Slice; SLICES],
    has_failed: bool,
    has_entered: bool,
    is_told: bool,
    /// Its latest failure, and when the first was.
    failure: Option<Box<ExchangeContext>>,
    failed_at: Timestamp,
}

const SLICES: usize = 5;

/// What some clients have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Slice {
    Agent(Hash),
    Fields(Hash),
    Block(IpAddr),
    WideBlock(IpAddr),
    /// Came in the same five minutes.
    Time(i64),
}

impl Slice {
    fn noun(self) -> &'static str {
        match self {
            Self::Agent(_) => "of one program",
            Self::Fields(_) => "that order their fields alike",
            Self::Block(_) | Self::WideBlock(_) => "in one address block",
            Self::Time(_) => "that came within five minutes",
        }
    }
}

/// Clients, and how many of them failed and did not get in.
#[derive(Clone, Copy, Default)]
struct Tally {
    clients: u32,
    failing: u32,
}

impl Tally {
    fn without(self, other: Self) -> Self {
        Self {
            clients: self.clients.saturating_sub(other.clients),
            failing: self.failing.saturating_sub(other.failing),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            clients: self.clients.saturating_add(other.clients),
            failing: self.failing.saturating_add(other.failing),
        }
    }

    fn entering(self) -> u32 {
        self.clients.saturating_sub(self.failing)
    }

    /// Whether the odds of failing are far above those of `others`: the odds ratio's lower bound (Woolf's logarithm).
    fn stands_out(self, others: Self) -> bool {
        let cells = [self.failing, self.entering(), others.failing, others.entering()].map(|n| f64::from(n) + 0.5);
        let [a, b, c, d] = cells;
        let error: f64 = cells.iter().map(|n| 1.0 / n).sum::<f64>().sqrt();
        (a * d / (b * c)).ln() - 2.58 * error > ODDS.ln()
    }
}

impl Population {
    /// That of no login yet, where so many failing clients are no chance.
    pub(super) fn new(failing: u32) -> Self {
        Self { failing, logins: Bounded::new(ENDPOINTS), waiting: VecDeque::new(), order: Order::default() }
    }

    /// Takes an attempt.
    pub(super) fn attempt(&mut self, visit: &Visit, attempt: &Attempt) {
        let has_failed = match attempt.verdict {
            Verdict::Out => true,
            Verdict::In => false,
            Verdict::Limited | Verdict::None => return,
        };
        let key = visit.endpoint;
        let login = self.logins.entry(key, Login::default);
        login.expire(visit.started);
        login.count(visit, has_failed);
        if has_failed && self.waiting.len() < WAITING {
            self.waiting.push_back((visit.started + PATIENCE, key, visit.client()));
        }
    }

    /// Time goes on with `visit`: tells the clients whose time to get in has run out.
    pub(super) fn pass(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        self.order = visit.order;
        while let Some((_, key, client)) = self.waiting.front().copied().filter(|(due, ..)| *due <= visit.started) {
            self.waiting.pop_front();
            self.judge(key, client, visit.started, findings);
        }
    }

    /// The capture has ended.
    pub(super) fn finish(&mut self, findings: &mut Findings<'_>) {
        while let Some((due, key, client)) = self.waiting.pop_front() {
            self.judge(key, client, due, findings);
        }
    }

    pub(super) fn footprint(&self) -> usize {
        let login = |login: &Login| {
            login.clients.len() * (size_of::<Client>() + size_of::<ExchangeContext>() + 32)
                + login.arrivals.capacity() * size_of::<(Timestamp, IpAddr)>()
                + login.slices.len() * (size_of::<(Slice, Tally)>() + 8)
        };
        self.logins.iter().map(|(_, value)| login(value)).sum::<usize>() + self.waiting.capacity() * 48
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.logins.forgotten()
    }

    fn judge(&mut self, key: Hash, address: IpAddr, now: Timestamp, findings: &mut Findings<'_>) {
        let Some(login) = self.logins.get_mut(&key) else { return };
        let Some(client) = login.clients.get(&address) else { return };
        if !client.is_failing() || client.is_told {
            return;
        }
        let Some((slice, severity, because)) = login.reason(client, self.failing) else { return };
        let rule = if matches!(slice, Slice::Time(_)) { "share" } else { "slice" };
        // Those of the slice that were waited for before it stood out belong to it as well.
        let peers: Vec<IpAddr> = login.arrivals.iter().map(|(_, address)| *address).collect();
        for address in peers {
            let Some(peer) = login.clients.get_mut(&address) else { continue };
            let is_meant = peer.slices.contains(&slice);
            if peer.is_failing() && !peer.is_told && is_meant && now.since(peer.failed_at) >= PATIENCE {
                peer.is_told = true;
                let Some(context) = peer.failure.take() else { continue };
                let finding = Finding {
                    confidence: Confidence::Medium,
                    because: Some(because.clone()),
                    ..Finding::new(&DISTRIBUTED, rule, Subject::Endpoint, severity)
                };
                (findings.emit)(Observation { order: self.order, context: *context, findings: vec![finding] });
            }
        }
    }
}

impl Login {
    /// Why a failing client is no accident, if it is none.
    fn reason(&self, client: &Client, failing: u32) -> Option<(Slice, Severity, String)> {
        for slice in client.slices.into_iter().filter(|slice| !matches!(slice, Slice::Time(_))) {
            let Some(inside) = self.slices.get(&slice).copied() else { continue };
            let outside = self.all.without(inside);
            let is_many = inside.failing >= failing && inside.failing * 100 >= SHARE * inside.clients;
            if is_many && outside.entering() >= OTHERS && inside.stands_out(outside) {
                let because = format!(
                    "Of {} clients {} {} did not get in within {}; of the {} others {} did not.",
                    inside.clients,
                    slice.noun(),
                    inside.failing,
                    lasting(WINDOW),
                    outside.clients,
                    outside.failing
                );
                return Some((slice, Severity::High, because));
            }
        }
        let slice = client.slices.into_iter().find(|slice| matches!(slice, Slice::Time(_)))?;
        let inside = self.slices.get(&slice).copied()?;
        // An attack that goes on for longer is in the other times, too, and not in those before the window.
        let Slice::Time(time) = slice else { return None };
        let at_this_hour = self.hours.get(hour(time)).copied().unwrap_or_default();
        let others = [
            (self.all.without(inside).and(self.before), "at other times"),
            (self.before, "at other times"),
            (at_this_hour, "at this hour of earlier days"),
        ];
        let (usual, when) =
            others.into_iter().find(|(usual, _)| usual.clients >= USUAL && inside.stands_out(*usual))?;
        // Others get in at the same time: it is not the server that fails.
        let is_many = inside.failing >= FAILING_ALIKE.max(failing) && inside.entering() >= OTHERS;
        is_many.then(|| {
            let because = format!(
                "Of {} clients {} {} did not get in; of {} {when} {} did not.",
                inside.clients,
                slice.noun(),
                inside.failing,
                usual.clients,
                usual.failing
            );
            (slice, Severity::Medium, because)
        })
    }

    fn count(&mut self, visit: &Visit, has_failed: bool) {
        let address = visit.client();
        if !self.clients.contains_key(&address) {
            if self.clients.len() >= CLIENTS {
                self.drop_oldest();
            }
            self.arrivals.push_back((visit.started, address));
            self.clients.insert(address, Client::new(visit));
            if let Some(client) = self.clients.get(&address) {
                Self::add(&mut self.slices, &mut self.all, &client.slices, |tally| tally.clients += 1);
            }
        }
        let Some(client) = self.clients.get_mut(&address) else { return };
        let was_failing = client.is_failing();
        if has_failed {
            if !was_failing {
                client.failed_at = visit.started;
            }
            client.has_failed = true;
            client.failure = Some(Box::new(ExchangeContext { principal: None, ..visit.context.clone() }));
        } else {
            client.has_entered = true;
            client.failure = None;
        }
        let slices = client.slices;
        match (was_failing, client.is_failing()) {
            (false, true) => Self::add(&mut self.slices, &mut self.all, &slices, |tally| tally.failing += 1),
            (true, false) => Self::add(&mut self.slices, &mut self.all, &slices, |tally| {
                tally.failing = tally.failing.saturating_sub(1);
            }),
            _ => {}
        }
    }

    fn add(slices: &mut HashMap<Slice, Tally>, all: &mut Tally, of: &[Slice; SLICES], change: impl Fn(&mut Tally)) {
        change(all);
        for slice in of {
            change(slices.entry(*slice).or_default());
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while self.arrivals.front().is_some_and(|(arrived, _)| now.since(*arrived) > WINDOW) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((arrived, address)) = self.arrivals.pop_front() else { return };
        let Some(client) = self.clients.remove(&address) else { return };
        let failing = u32::from(client.is_failing());
        self.before.clients = self.before.clients.saturating_add(1);
        self.before.failing = self.before.failing.saturating_add(failing);
        let at_this_hour = self.hours.get_mut(hour(arrived.as_nanos() / FIVE_MINUTES)).filter(|_| !client.is_told);
        if let Some(usual) = at_this_hour {
            *usual = usual.and(Tally { clients: 1, failing });
        }
        Self::add(&mut self.slices, &mut self.all, &client.slices, |tally| {
            *tally = tally.without(Tally { clients: 1, failing });
        });
        for slice in client.slices {
            if self.slices.get(&slice).is_some_and(|tally| tally.clients == 0) {
                self.slices.remove(&slice);
            }
        }
    }
}

impl Client {
    fn new(visit: &Visit) -> Self {
        let (block, wide_block) = blocks(visit.client());
        Self {
            slices: [
                Slice::Block(block),
                Slice::WideBlock(wide_block),
                Slice::Fields(visit.shape),
                Slice::Agent(visit.agent),
                Slice::Time(visit.started.as_nanos() / FIVE_MINUTES),
            ],
            has_failed: false,
            has_entered: false,
            is_told: false,
            failure: None,
            failed_at: visit.started,
        }
    }

    fn is_failing(&self) -> bool {
        self.has_failed && !self.has_entered
    }
}

/// The address blocks of a client: /24 and /16, or /48 and /32.
fn blocks(address: IpAddr) -> (IpAddr, IpAddr) {
    let v4 = |address: std::net::Ipv4Addr, bits: u32| {
        IpAddr::from((address.to_bits() & u32::MAX << (32 - bits)).to_be_bytes())
    };
    match address {
        IpAddr::V4(address) => (v4(address, 24), v4(address, 16)),
        IpAddr::V6(address) => {
            let v6 = |bits: u32| IpAddr::from((address.to_bits() & u128::MAX << (128 - bits)).to_be_bytes());
            (v6(48), v6(32))
        }
    }
}
