//! Behaviour: what many exchanges say together and none says alone.
//!
//! Each detector here is two functions in one file. `observe` runs in the worker, sees an exchange and notes facts about it:
//! hashes and numbers, no value. `apply` runs behind the workers, where the [`Visit`]s of all of them come together in one
//! order, and keeps the state. State is bounded in entries and octets, and each file says what bounds it.

pub(crate) mod bounded;
pub(crate) mod bulk;
pub(crate) mod cookies;
pub mod coverage;
pub(crate) mod credential_transport;
mod disclosure;
mod endpoints;
pub(crate) mod error_leak;
pub(crate) mod exposure;
pub(crate) mod extra_fields;
pub(crate) mod forced_browsing;
pub(crate) mod function_level;
pub(crate) mod fuzzing;
pub(crate) mod injection;
pub(crate) mod inventory;
pub(crate) mod jwt;
mod ledger;
pub mod login;
pub mod logout;
pub(crate) mod missing_auth;
pub(crate) mod new_fields;
pub(crate) mod object_walk;
pub(crate) mod refusals;
pub(crate) mod stuffing;
pub(crate) mod token_claims;
pub(crate) mod token_reuse;
pub(crate) mod user_names;
pub mod volume;
pub(crate) mod weak_secrets;

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use coverage::Operations;
use endpoints::Endpoints;

use crate::exchange::Exchange;
use crate::finding::{Detector, Finding};
use crate::inspect::Settings;
use crate::knob::Knob;
use crate::observation::{ExchangeContext, Observation};
use crate::openapi::OpenApi;
use crate::registry::BEHAVIOURS;
use crate::scan::Scanner;
use crate::scan::marks::Marks;
use crate::visit::{Hash, Hashing, Visit};

/// A behaviour detector: what it is, and its two functions.
pub(crate) struct Behaviour {
    /// What its findings are about, sorted by name.
    pub(crate) detectors: &'static [&'static Detector],
    /// Its thresholds that can be set, sorted by name, in as many parts as it has.
    pub(crate) knobs: &'static [&'static [Knob]],
    /// Notes facts about an exchange, in the worker, or findings where the exchange alone is enough.
    pub(crate) observe: fn(&mut Seen<'_>),
    /// The state of the detector, with nothing seen; `None` where each exchange is judged alone.
    pub(crate) state: Option<MakeState>,
}

/// Makes the state of a behaviour detector.
pub(crate) type MakeState = fn(&Settings) -> Box<dyn Judge>;

/// An exchange and what is noted about it.
pub(crate) struct Seen<'a> {
    /// The exchange.
    pub(crate) exchange: &'a Exchange<'a>,
    /// What is noted already; facts are added here.
    pub(crate) visit: &'a mut Visit,
    /// How values become hashes.
    pub(crate) hashing: &'a Hashing,
    /// What the interface is documented to offer.
    pub(crate) openapi: Option<&'a OpenApi>,
    /// What the worker keeps from one exchange to the next.
    pub(crate) kept: &'a mut Kept,
}

/// What a worker keeps from one exchange to the next.
pub(crate) struct Kept {
    /// Values that were read before.
    pub(crate) harmless: injection::Harmless,
    /// What is too much in one answer.
    pub(crate) exposure: exposure::Limits,
    /// Finds what stands where in content.
    pub(crate) scanner: Scanner,
    /// Room for what it finds.
    pub(crate) marks: Marks,
    /// Room for the ids of a response.
    pub(crate) ids: Vec<Hash>,
}

impl Kept {
    /// Nothing seen.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            harmless: injection::Harmless::default(),
            exposure: exposure::Limits::of(settings),
            scanner: Scanner::default(),
            marks: Marks::default(),
            ids: Vec::new(),
        }
    }
}

/// The state of a behaviour detector.
pub(crate) trait Judge: Send {
    /// Takes a visit, and says what it completes. Visits come in the order of the capture.
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>);

    /// The capture has ended: says what only its end tells.
    fn finish(&mut self, _findings: &mut Findings<'_>) {}

    /// Octets that the state takes, roughly.
    fn footprint(&self) -> usize;

    /// How many entries of the state made room for others.
    fn forgotten(&self) -> u64;
}

/// What a detector notes in the worker for its judgement later.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A member that only the server should set, and that it took.
    Assigned(exposure::Assigned),
    /// What the OpenAPI document says of it.
    Documented(inventory::Documented),
    /// Somebody tried to get in.
    Login(login::Attempt),
    /// Values that parse as code of an interpreter.
    Payloads(Box<[injection::Payload]>),
    /// The path is one that is tried in the hope that it was forgotten.
    Probe,
    /// The response is made of records, and large.
    Records,
    /// The longest run of equal characters among a request's values.
    Run(u32),
    /// A session ended, or a cookie for one was given out.
    Session(logout::Session),
    /// Ids that the response showed, and whose the thing is.
    Shown(Box<disclosure::Shown>),
    /// The User-Agent names a tool that looks for faults.
    Tool,
    /// Data were answered to a request without a credential.
    Unauthenticated(Option<missing_auth::Restricted>),
    /// Different values of one type in the response's content.
    Volume(Box<volume::Volume>),
}

/// Takes findings of behaviour detectors.
pub(crate) struct Findings<'a> {
    emit: &'a mut dyn FnMut(Observation),
}

impl Findings<'_> {
    /// A finding that `visit` completes.
    pub(crate) fn about(&mut self, visit: &Visit, finding: Finding) {
        self.with_context(visit, visit.context.clone(), finding);
    }

    /// A finding that `visit` completes, about other circumstances than the visit's own.
    pub(crate) fn with_context(&mut self, visit: &Visit, context: ExchangeContext, finding: Finding) {
        (self.emit)(Observation { order: visit.order, context, findings: vec![finding] });
    }
}

/// The behaviour detectors of one worker: what they note.
pub struct Observer {
    behaviours: Vec<&'static Behaviour>,
    openapi: Option<Arc<OpenApi>>,
    kept: Kept,
}

impl Observer {
    /// The detectors that run.
    pub fn new(settings: &Settings) -> Self {
        Self { behaviours: running(settings), openapi: settings.openapi.clone(), kept: Kept::new(settings) }
    }

    /// Whether no behaviour detector runs.
    pub fn is_idle(&self) -> bool {
        self.behaviours.is_empty()
    }

    /// Notes facts about `exchange` in its `visit`.
    pub fn observe(&mut self, exchange: &Exchange<'_>, visit: &mut Visit, hashing: &Hashing) {
        let Self { behaviours, openapi, kept } = self;
        let mut seen = Seen { exchange, visit, hashing, openapi: openapi.as_deref(), kept };
        // Several detectors go by it, whichever of them run.
        login::observe(&mut seen);
        for behaviour in behaviours {
            (behaviour.observe)(&mut seen);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.behaviours.iter().flat_map(|behaviour| behaviour.detectors).map(|detector| detector.name);
        f.debug_list().entries(names).finish()
    }
}

fn running(settings: &Settings) -> Vec<&'static Behaviour> {
    let runs = |detector: &&Detector| settings.runs(detector.name, detector.family);
    BEHAVIOURS.iter().copied().filter(|behaviour| behaviour.detectors.iter().any(runs)).collect()
}

/// The behaviour stage: visits of all workers in, in the order of the capture; observations out.
pub struct Stage {
    endpoints: Endpoints,
    operations: Operations,
    principals: Principals,
    hashing: Hashing,
    settings: Settings,
    judges: Vec<Running>,
    restarts: u64,
}

/// A detector and its state.
struct Running {
    make: MakeState,
    judge: Box<dyn Judge>,
}

impl Stage {
    /// A stage that has seen nothing.
    pub fn new(settings: &Settings) -> Self {
        Self {
            endpoints: Endpoints::default(),
            operations: Operations::default(),
            principals: Principals::new(settings.principal_key),
            hashing: settings.hashing(),
            judges: running(settings)
                .into_iter()
                .filter_map(|behaviour| behaviour.state)
                .map(|make| Running { make, judge: make(settings) })
                .collect(),
            settings: settings.clone(),
            restarts: 0,
        }
    }

    /// Takes a visit; what detectors found in it, and what it completes, is emitted.
    pub fn visit(&mut self, mut visit: Visit, emit: &mut dyn FnMut(Observation)) {
        self.endpoints.settle(&mut visit, &self.hashing);
        visit.settle(&self.hashing);
        visit.coverage = self.operations.learn(&visit);
        visit.context.principal = visit.lasting.or(visit.principal).map(|principal| self.principals.name(principal));
        let findings = std::mem::take(&mut visit.findings);
        if !findings.is_empty() {
            emit(Observation { order: visit.order, context: visit.context.clone(), findings });
        }
        self.each(&mut |judge| judge.apply(&visit, &mut Findings { emit }));
    }

    /// The capture has ended.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Observation)) {
        self.each(&mut |judge| judge.finish(&mut Findings { emit }));
    }

    /// Lets every detector do something. One that panics starts anew, and the others go on: a defect of the sensor costs
    /// what one detector knew, not the sensor.
    fn each(&mut self, act: &mut dyn FnMut(&mut dyn Judge)) {
        for Running { make, judge } in &mut self.judges {
            if catch_unwind(AssertUnwindSafe(|| act(judge.as_mut()))).is_err() {
                *judge = make(&self.settings);
                self.restarts += 1;
            }
        }
    }

    /// How often a detector started anew after a panic: a defect of the sensor.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// How many entries of all state made room for others: from then on something may be missed.
    pub fn forgotten(&self) -> u64 {
        self.operations.forgotten() + self.judges.iter().map(|running| running.judge.forgotten()).sum::<u64>()
    }

    /// Octets that the state of all detectors takes, roughly.
    pub fn footprint(&self) -> usize {
        self.operations.footprint() + self.judges.iter().map(|running| running.judge.footprint()).sum::<usize>()
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("judges", &self.judges.len()).field("footprint", &self.footprint()).finish()
    }
}

/// What principals are called in alerts: with the installation's key a keyed hash, which is the same tomorrow. Without
/// one, a hash would be the name to whoever tries all names, so they are numbered as they come.
struct Principals {
    key: Option<[u8; 32]>,
    named: HashMap<Hash, Arc<str>>,
    numbered: u64,
}

/// How many principals are remembered by name; then all are forgotten, and numbers go on.
const PRINCIPALS: usize = 100_000;

impl Principals {
    fn new(key: Option<[u8; 32]>) -> Self {
        Self { key, named: HashMap::new(), numbered: 0 }
    }

    fn name(&mut self, principal: Hash) -> Arc<str> {
        if let Some(name) = self.named.get(&principal) {
            return name.clone();
        }
        if self.named.len() >= PRINCIPALS {
            self.named.clear();
        }
        self.numbered += 1;
        let name: Arc<str> = match &self.key {
            Some(key) => blake3::keyed_hash(key, &principal.0.to_le_bytes()).to_hex()[..16].into(),
            None => format!("#{}", self.numbered).into(),
        };
        self.named.insert(principal, name.clone());
        name
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::behaviour::coverage::Coverage;
    use crate::exchange::{Anomalies, Completeness};
    use crate::time::{Order, Span, Timestamp};
    use crate::visit::{Objects, Outcome};

    /// A GET of `path` that was answered with `status`.
    pub(crate) fn visit(client: &str, path: &str, status: u16) -> Visit {
        Visit {
            order: Order::default(),
            started: Timestamp::default(),
            took: Span::from_millis(5),
            context: ExchangeContext {
                client: format!("{client}:50000").parse().unwrap(),
                server: "10.9.9.9:80".parse().unwrap(),
                principal: None,
                host: Some("api.example".into()),
                method: Some("GET".into()),
                endpoint: Some(crate::endpoint::template(path.as_bytes()).into()),
                status: Some(status),
                completeness: Completeness::none(),
                anomalies: Anomalies::none(),
            },
            server: Hash(9),
            endpoint: Hash::default(),
            operation: Hash::default(),
            coverage: Coverage::default(),
            outcome: Outcome::of(status),
            credential: None,
            principal: None,
            lasting: None,
            token: None,
            path: Hashing::new([1; 32]).hash(path.as_bytes()),
            objects: Objects::default(),
            agent: Hash(1),
            shape: Hash(1),
            request_len: 0,
            response_len: 100,
            facts: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// `visit` at a time, in seconds.
    pub(crate) fn at(seconds: f64, mut visit: Visit) -> Visit {
        visit.started = Timestamp::from_nanos((seconds * 1e9) as i64);
        visit.order.time = visit.started + visit.took;
        visit
    }

    /// What a detector finds in visits, and how large its state became.
    pub(crate) fn judge(behaviour: &Behaviour, visits: impl IntoIterator<Item = Visit>) -> (Vec<Observation>, usize) {
        judge_with(&Settings::default(), behaviour, visits)
    }

    /// The same, with other settings.
    pub(crate) fn judge_with(
        settings: &Settings,
        behaviour: &Behaviour,
        visits: impl IntoIterator<Item = Visit>,
    ) -> (Vec<Observation>, usize) {
        let mut judge = behaviour.state.expect("it has a state")(settings);
        let mut observations = Vec::new();
        let mut operations = Operations::default();
        for mut visit in visits {
            visit.settle(&Hashing::new([1; 32]));
            visit.coverage = operations.learn(&visit);
            judge.apply(&visit, &mut Findings { emit: &mut |observation| observations.push(observation) });
        }
        judge.finish(&mut Findings { emit: &mut |observation| observations.push(observation) });
        (observations, judge.footprint())
    }

    #[test]
    fn principals_have_numbers_without_a_key_and_hashes_with_one() {
        let mut numbered = Principals::new(None);
        assert_eq!([7, 9, 7].map(|hash| numbered.name(Hash(hash))), ["#1".into(), "#2".into(), "#1".into()]);
        let mut hashed = Principals::new(Some([3; 32]));
        let name = hashed.name(Hash(7));
        assert_eq!((name.len(), &name), (16, &Principals::new(Some([3; 32])).name(Hash(7))));
    }
}
