//! Object walks: somebody uses ids that nobody gave them, one after another.
//!
//! Broken object-level authorisation is invisible in a single request: it is well formed and answered. What gives it away
//! is whose ids they are. A *ledger* keeps which ids a response has shown to whom ([`super::ledger`]); an id that was
//! shown to the one who uses it, that they made, or that is their own subject, is theirs. What is left is *foreign*, and
//! walks are made of foreign ids. People have some, from bookmarks and from before the capture began; so a foreign id is
//! no sign by itself, and a walk is told when there are many different ones, more than others at the same resource have,
//! and something says that they were not theirs to know: they run through numbers, many are not there or refused, their
//! owners differ, or they were shown to somebody else only. Time plays no part, so slowness hides nothing; the token's
//! subject is the walker, so changing addresses hides nothing.
//!
//! Not told: objects that are served to anyone without a credential (a catalogue). A program with a key, where no people have
//! one, is told with low severity at most, as long as it finds what it asks for.
//!
//! Also here, because it needs the same ledger: a *change* to a foreign object, at a resource where everybody else keeps
//! to their own (function-level authorisation). One is enough.
//!
//! Sees: target, credential, status, ids in answers. Misses: ids in request content; walks over ids that an oversharing
//! list has just shown to the walker; walkers without a credential who change addresses.
//!
//! Bounds: [`WALKS`] walks of at most [`DISTINCT`] objects (2 KB each), the ledger's 6 MiB, and [`RESOURCES`] resources
//! (300 octets each): 48 MB when all are full.

use std::net::IpAddr;

use super::bounded::Bounded;
use super::disclosure::{self, Shown};
use super::ledger::{Holder, Ledger};
use super::{Behaviour, Fact, Findings, Judge};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::identity::CredentialKind;
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::observation::ExchangeContext;
use crate::time::Timestamp;
use crate::visit::{Actor, Hash, Hashing, Object, Outcome, Place, Visit};

static WALK: Detector = Detector {
    name: "enumeration.object_walk",
    family: Family::Enumeration,
    title: "Somebody walks through objects of others",
    description: "One principal or client used many object ids that no answer had shown to it. Where the server answers, \
                  data of other people is read one object at a time; where it refuses, somebody is looking for such a place.",
    remediation: "Check on the server, for every object, that it belongs to the caller before it is answered. Then see which \
                  of these objects were answered, and treat them as disclosed.",
    owasp: "API1:2023",
    cwe: "CWE-639",
    attack: "T1087",
};

static FOREIGN_CHANGE: Detector = Detector {
    name: "auth.foreign_change",
    family: Family::Auth,
    title: "Somebody changed an object that is not theirs",
    description: "A state-changing request succeeded on an object that was never shown to its sender, at a resource where \
                  everybody else keeps to their own. With such a request accounts are taken over and records falsified.",
    remediation: "Check on the server that the caller may change this very object, not only that it is logged in. See \
                  whether the change was wanted, and undo it if not.",
    owasp: "API5:2023",
    cwe: "CWE-285",
    attack: "T1098",
};

pub(crate) static OBJECT_WALK: Behaviour = Behaviour {
    detectors: &[&FOREIGN_CHANGE, &WALK],
    knobs: &[&Limits::KNOBS],
    observe: disclosure::observe,
    state: Some(|settings: &Settings| Box::new(State::new(Limits::of(settings), settings.hashing()))),
};

knobs! {
    /// From when on it is told.
    struct Limits {
        /// Principals that keep to their own before a resource counts as one where that is the rule.
        keepers: usize = 3 "principals", 1 to 15, "auth.foreign_change.principals",
            "One or two say little of what the others would do.";
        /// Foreign objects before a walk is told where the ids are those of the callers themselves.
        accounts: usize = 5 "objects", 2 to 64, "enumeration.object_walk.accounts", "A family's accounts are fewer.";
        /// Foreign objects that were refused or not there before that alone is told.
        denied: u32 = 15 "objects", 2 to 128, "enumeration.object_walk.denied",
            "Dead links of one person are a handful.";
        /// Foreign objects before a walk with a pattern is told; twice as many where it is not known what others do.
        objects: usize = 10 "objects", 3 to 64, "enumeration.object_walk.objects",
            "Lists that people open whole have about this many entries, and theirs are shown to them first; from caches and bookmarks come a handful.";
    }
}

/// Different owners of foreign objects before that alone is told.
const OWNERS: usize = 5;

/// Foreign objects that were shown to somebody else only, before that alone is told.
const OTHERS: u32 = 8;

/// Accesses to own objects for each one to a foreign object, where that is the rule.
const RULE: u32 = 8;

/// Different objects that are told apart for each walk: as many as decide.
const DISTINCT: usize = 128;

/// Changes that wait until it is known what is the rule at a resource: where more come, keeping to one's own is not.
const CHANGES: usize = 2;

const WALKS: usize = 16_384;
const RESOURCES: usize = 16_384;

struct State {
    limits: Limits,
    hashing: Hashing,
    walks: Bounded<(Actor, Hash), Walk>,
    ledger: Ledger,
    /// Who was shown more than was read.
    blind: Bounded<Actor, ()>,
    resources: Bounded<(Hash, Option<CredentialKind>), Resource>,
    /// Operations that are answered without a credential.
    public: Bounded<Hash, ()>,
}

#[derive(Default)]
struct Walk {
    first: Timestamp,
    objects: Vec<Hash>,
    numbers: Vec<u64>,
    owners: Vec<Hash>,
    accepted: u32,
    refused: u32,
    missing: u32,
    /// Shown to somebody else only.
    others: u32,
    /// Shown to several others.
    shared: u32,
}

/// What others with the same kind of credential do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Norm {
    /// There are none, or too few.
    Unknown,
    /// They keep to what they were shown.
    Peers,
    /// They use their own subject as the id.
    OwnSubject,
    /// There are none, and it has the key of a program: that may read everybody's, and has its ids from somewhere.
    Program,
}

/// What is usual at a resource, for one kind of credential.
#[derive(Default)]
struct Resource {
    own: u32,
    foreign: u32,
    keepers: Vec<Hash>,
    /// Principals that used their own subject as the id.
    selves: Vec<Hash>,
    /// Changes of foreign objects before it was known what is the rule here.
    changes: Vec<(Actor, ExchangeContext)>,
    accepted: u32,
    refused: u32,
    /// The longest walks, longest first.
    walkers: Vec<(Actor, usize)>,
}

impl State {
    fn new(limits: Limits, hashing: Hashing) -> Self {
        Self {
            limits,
            ledger: Ledger::new(hashing.clone()),
            hashing,
            walks: Bounded::new(WALKS),
            blind: Bounded::new(WALKS),
            resources: Bounded::new(RESOURCES),
            public: Bounded::new(RESOURCES),
        }
    }

    /// One hash for whoever may be shown something.
    fn who(&self, actor: Actor) -> Hash {
        match actor {
            Actor::Principal(principal) => principal,
            Actor::Client(IpAddr::V4(address)) => self.hashing.hash(&address.octets()),
            Actor::Client(IpAddr::V6(address)) => self.hashing.hash(&address.octets()),
        }
    }

    /// Whether `id` is the visitor's to use: shown to the principal, or to its address before it was known who it is.
    fn is_own(&self, visit: &Visit, id: Hash) -> bool {
        let is_shown = |actor| self.ledger.was_shown(self.who(actor), id);
        visit.principal == Some(id) || is_shown(visit.actor()) || is_shown(Actor::Client(visit.client()))
    }

    fn judge(&mut self, visit: &Visit, operation: Hash, object: Object, findings: &mut Findings<'_>) {
        let limits = self.limits;
        let (actor, kind) = (visit.actor(), visit.credential.map(|credential| credential.kind));
        let resource = (resource(visit, object.place, &self.hashing), kind);
        let owner = shown(visit).and_then(|shown| shown.owner);
        let is_own = self.is_own(visit, object.hash) || owner.is_some() && owner == visit.principal;
        let is_made = visit.context.status == Some(201);
        let is_accepted = visit.outcome == Outcome::Accepted;
        let holder = self.ledger.holder(object.hash);
        let who = self.who(actor);
        let usual = self.resources.entry(resource, Resource::default);
        match visit.outcome {
            Outcome::Accepted => usual.accepted += 1,
            Outcome::Refused => usual.refused += 1,
            _ => {}
        }
        if is_own || is_made {
            if is_accepted {
                usual.keep(visit, object);
                if usual.is_rule(limits) {
                    let told = foreign_change(usual);
                    for (_, context) in std::mem::take(&mut usual.changes) {
                        findings.with_context(visit, context, told.clone());
                    }
                }
            }
            return;
        }
        let walk = self.walks.entry((actor, self.hashing.hash_all([resource.0, operation])), Walk::default);
        if walk.objects.is_empty() {
            walk.first = visit.started;
        }
        let is_new = !walk.objects.contains(&object.hash);
        if is_new && walk.objects.len() < DISTINCT {
            walk.note(visit.outcome, object, owner);
            walk.others += u32::from(holder.is_some_and(|holder| holder.is_only() && !holder.is(who)));
            walk.shared += u32::from(holder.is_some_and(Holder::is_one_of_several));
        }
        let is_rule = usual.is_rule(limits);
        let others = usual.others(actor, walk.objects.len());
        if is_accepted {
            usual.foreign = usual.foreign.saturating_add(u32::from(is_new));
        }
        // What several people were shown is nobody's own.
        let is_public = self.public.get(&operation).is_some() || walk.shared * 2 > walk.objects.len() as u32;
        if is_new && is_change(visit) && visit.credential.is_some() && !is_public {
            if is_rule {
                findings.about(visit, foreign_change(usual));
            } else if usual.changes.len() < CHANGES {
                usual.changes.push((actor, visit.context.clone()));
            }
        }
        let cautious = self.blind.get(&actor).is_some() || !is_rule;
        let is_by_subject = usual.is_by_subject(limits);
        let least = (2 * others).max(match (cautious, is_by_subject) {
            (_, true) => limits.accounts,
            (true, false) => 2 * limits.objects,
            (false, false) => limits.objects,
        });
        let is_known = usual.accepted > 0 || usual.refused > 0;
        if (is_new || walk.objects.len() == DISTINCT) && walk.objects.len() >= least && is_known {
            let norm = match () {
                () if is_by_subject => Norm::OwnSubject,
                () if is_rule || usual.keepers.len() >= limits.keepers => Norm::Peers,
                () if kind == Some(CredentialKind::ApiKey) => Norm::Program,
                () => Norm::Unknown,
            };
            if let Some((severity, why)) = walk.sign(limits, is_public, norm) {
                findings.about(visit, told(walk, visit, severity, &why, others));
            }
        }
    }
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        // Whoever has no valid token asks for nothing yet: that is a refusal of the token, not of the object.
        let is_unknown = visit.context.status == Some(401) || visit.outcome == Outcome::SentToLogin;
        // A redirection says neither: it may lead to the object or to a log-in.
        let is_answer = matches!(visit.context.status, Some(200..=299 | 304))
            || matches!(visit.outcome, Outcome::Refused | Outcome::NotFound);
        if is_answer && !is_unknown && !visit.objects.as_slice().is_empty() {
            let operation = visit.operation;
            if visit.is_served() && visit.credential.is_none() {
                self.public.entry(operation, || ());
            }
            for object in visit.objects.as_slice() {
                self.judge(visit, operation, *object, findings);
            }
            if visit.is_served() && visit.context.status == Some(201) {
                let who = self.who(visit.actor());
                visit.objects.as_slice().iter().for_each(|object| self.ledger.disclose(who, &[object.hash]));
            }
        }
        if let Some(shown) = shown(visit) {
            let who = self.who(visit.actor());
            self.ledger.disclose(who, &shown.ids);
            if !shown.is_all {
                self.blind.entry(visit.actor(), || ());
            }
        }
    }

    fn footprint(&self) -> usize {
        let walk = |walk: &Walk| 200 + 8 * (walk.objects.capacity() + walk.numbers.capacity() + walk.owners.capacity());
        let small = 300 * self.resources.len() + 48 * (self.public.len() + self.blind.len());
        self.walks.iter().map(|(_, entry)| walk(entry)).sum::<usize>() + self.ledger.footprint() + small
    }

    fn forgotten(&self) -> u64 {
        self.walks.forgotten()
            + self.ledger.forgotten()
            + self.blind.forgotten()
            + self.resources.forgotten()
            + self.public.forgotten()
    }
}

impl Walk {
    fn note(&mut self, outcome: Outcome, object: Object, owner: Option<Hash>) {
        self.objects.push(object.hash);
        self.numbers.extend(object.number);
        if let Some(owner) = owner
            && self.owners.len() < 64
            && !self.owners.contains(&owner)
        {
            self.owners.push(owner);
        }
        match outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::Refused => self.refused += 1,
            _ => self.missing += 1,
        }
    }

    /// What says that these were not theirs to know, and how bad it is.
    fn sign(&self, limits: Limits, is_public: bool, norm: Norm) -> Option<(Severity, String)> {
        let denied = self.refused + self.missing;
        let all = self.accepted + denied;
        let runs = self.runs();
        if denied >= limits.denied && denied * 2 >= all && (runs.is_some() || !is_public) {
            return Some((Severity::Medium, format!("{} were refused and {} not there", self.refused, self.missing)));
        }
        if is_public || self.accepted < 3 {
            return None;
        }
        if denied * 5 >= all {
            return Some((Severity::High, format!("{denied} were refused or not there")));
        }
        let why = if norm == Norm::OwnSubject && self.accepted as usize >= limits.accounts {
            "everybody else used their own subject as the id".to_owned()
        } else if self.owners.len() >= OWNERS {
            format!("they belong to {} different owners", self.owners.len())
        } else if self.others >= OTHERS {
            format!("{} had been shown to somebody else only", self.others)
        } else {
            runs.filter(|_| norm == Norm::Peers)?
        };
        Some((if norm == Norm::Program { Severity::Low } else { Severity::High }, why))
    }

    /// How the numbers lie when they were walked through rather than met: in one direction by small steps, or, in any
    /// order, close together.
    fn runs(&self) -> Option<String> {
        const SMALL: u64 = 16;
        let steps = self.numbers.len().checked_sub(1).filter(|steps| *steps >= 7)?;
        let pairs = || self.numbers.iter().zip(self.numbers.iter().skip(1));
        let up = pairs().filter(|(a, b)| b > a && *b - *a <= SMALL).count();
        let down = pairs().filter(|(a, b)| a > b && *a - *b <= SMALL).count();
        if up.max(down) * 5 >= steps * 4 {
            return Some(format!("{} of {steps} steps went on to a number nearby", up.max(down)));
        }
        let (least, most) = (self.numbers.iter().min()?, self.numbers.iter().max()?);
        let share = self.numbers.len() as u64 * 100 / (most - least).saturating_add(1);
        (share >= 15).then(|| format!("{share} % of all numbers between the least and the greatest were asked for"))
    }
}

impl Resource {
    /// Takes an access to an own object.
    fn keep(&mut self, visit: &Visit, object: Object) {
        self.own = self.own.saturating_add(1);
        let Some(principal) = visit.principal else { return };
        let note = |principals: &mut Vec<Hash>| {
            if principals.len() < 16 && !principals.contains(&principal) {
                principals.push(principal);
            }
        };
        note(&mut self.keepers);
        if object.hash == principal {
            note(&mut self.selves);
        }
    }

    /// Whether people keep to their own here. Where the id is the caller's own subject, fewer accesses say so. The longest
    /// walk is not asked.
    fn is_rule(&self, limits: Limits) -> bool {
        let foreign = self.foreign.saturating_sub(self.longest());
        self.is_by_subject(limits) || self.keepers.len() >= limits.keepers && self.own >= RULE * foreign.max(1)
    }

    /// Whether the ids are those of the callers, and everybody uses their own.
    fn is_by_subject(&self, limits: Limits) -> bool {
        self.selves.len() > limits.keepers && self.foreign <= self.longest()
    }

    fn longest(&self) -> u32 {
        self.walkers.first().map_or(0, |(_, len)| *len as u32)
    }

    /// Takes the length of an actor's walk, and says how far others go: the third longest walk of somebody else, so that
    /// two who walk at once do not excuse each other.
    fn others(&mut self, actor: Actor, len: usize) -> usize {
        match self.walkers.iter_mut().find(|(walker, _)| *walker == actor) {
            Some((_, known)) => *known = len.max(*known),
            None => self.walkers.push((actor, len)),
        }
        self.walkers.sort_by_key(|(_, len)| std::cmp::Reverse(*len));
        self.walkers.truncate(8);
        self.walkers.iter().filter(|(walker, _)| *walker != actor).nth(2).map_or(0, |(_, len)| *len)
    }
}

fn told(walk: &Walk, visit: &Visit, severity: Severity, why: &str, others: usize) -> Finding {
    let len = walk.objects.len();
    let more = if len == DISTINCT { "at least " } else { "" };
    let span = visit.started.since(walk.first).as_secs_f64();
    Finding {
        confidence: Confidence::High,
        items: u32::try_from(len).unwrap_or(u32::MAX),
        because: Some(format!(
            "{more}{len} different objects in {span:.0} s that no answer had shown to it, {} of them answered; {why}; others \
             have {others}.",
            walk.accepted
        )),
        ..Finding::new(
            &WALK,
            if severity == Severity::High { "answered" } else { "denied" },
            Subject::ClientAtEndpoint,
            severity,
        )
    }
}

fn foreign_change(usual: &Resource) -> Finding {
    Finding {
        because: Some(format!(
            "The object was never shown to its sender; {} principals or more made {} accesses here to their own.",
            usual.keepers.len(),
            usual.own
        )),
        ..Finding::new(&FOREIGN_CHANGE, "foreign_object", Subject::ClientAtEndpoint, Severity::High)
    }
}

fn shown(visit: &Visit) -> Option<&Shown> {
    visit.facts.iter().find_map(|fact| match fact {
        Fact::Shown(shown) => Some(&**shown),
        _ => None,
    })
}

/// Methods that change what is there. POST is left out: what it acts on is often not what the path names.
fn is_change(visit: &Visit) -> bool {
    visit.is_served() && matches!(visit.context.method.as_deref(), Some("PUT" | "PATCH" | "DELETE"))
}

/// What an object is one of: the path as far as it names it. All that hangs below belongs to it.
fn resource(visit: &Visit, place: Place, hashing: &Hashing) -> Hash {
    match place {
        Place::Segment(number) => {
            let endpoint = visit.context.endpoint.as_deref().unwrap_or_default();
            let end = endpoint.match_indices('/').nth(usize::from(number) + 1).map_or(endpoint.len(), |(at, _)| at);
            hashing.hash_all([visit.server, hashing.hash(endpoint.get(..end).unwrap_or_default().as_bytes())])
        }
        Place::Parameter(name) => hashing.hash_all([visit.endpoint, name]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};
    use crate::identity::Credential;
    use crate::visit::Objects;

    fn asks(principal: u64, template: &str, number: u64, status: u16) -> Visit {
        let mut asks = visit("10.0.0.1", template, status);
        let mut objects = Objects::default();
        objects.push(Object { hash: Hash(number), number: Some(number), place: Place::Segment(1) });
        asks.objects = objects;
        asks.principal = Some(Hash(principal));
        asks.credential = Some(Credential { kind: CredentialKind::Jwt, hash: Hash(principal) });
        asks
    }

    fn shows(mut visit: Visit, ids: impl IntoIterator<Item = u64>, owner: Option<u64>) -> Visit {
        let shown = Shown { ids: ids.into_iter().map(Hash).collect(), owner: owner.map(Hash), is_all: true };
        visit.facts.push(Fact::Shown(Box::new(shown)));
        visit
    }

    /// Eight people who list and open their own.
    fn crowd() -> impl Iterator<Item = Visit> {
        (0..8).flat_map(|who| {
            let ids = 1_000 + who * 10..1_004 + who * 10;
            let mut list = asks(100 + who, "/orders", 0, 200);
            list.objects = Objects::default();
            let opened: Vec<_> = ids.clone().map(move |id| asks(100 + who, "/orders/7", id, 200)).collect();
            std::iter::once(shows(list, ids, None)).chain(opened)
        })
    }

    fn severities(visits: impl IntoIterator<Item = Visit>) -> Vec<Severity> {
        judge(&OBJECT_WALK, visits).0.iter().map(|observation| observation.findings[0].severity).collect()
    }

    #[test]
    fn a_slow_walk_over_numbers_is_told() {
        let walk = (0..30).map(|n| at(n as f64 * 3_000.0, asks(7, "/orders/7", 1_000 + n, 200)));
        let (observations, _) = judge(&OBJECT_WALK, crowd().chain(walk));
        assert_eq!(observations.len(), 21);
        assert_eq!(observations[0].findings[0].severity, Severity::High);
        let why = observations[0].findings[0].because.as_deref().unwrap();
        assert!(why.starts_with("10 different objects in 27000 s"), "{why}");
    }

    #[test]
    fn a_walk_in_any_order_is_told_by_its_owners() {
        let walk = (0..12).map(|n| shows(asks(7, "/orders/7", (n * 7_919) % 100_003, 200), [], Some(500 + n)));
        assert_eq!(severities(crowd().chain(walk)), [Severity::High; 3]);
    }

    #[test]
    fn a_refused_walk_is_of_medium_severity() {
        let walk = (0..20).map(|n| asks(7, "/orders/7", n * 3, if n % 2 == 0 { 403 } else { 404 }));
        let severities = severities(crowd().chain(walk));
        assert!(!severities.is_empty() && severities.iter().all(|severity| *severity == Severity::Medium));
    }

    #[test]
    fn lists_own_objects_and_catalogues_are_no_walk() {
        let list = shows(asks(7, "/x/7", 7, 200), 2_000..2_100, None);
        let opened = (2_000..2_100).map(|id| asks(7, "/orders/7", id, 200));
        assert!(severities(crowd().chain([list]).chain(opened)).is_empty());
        let own = (0..200).map(|id| shows(asks(7, "/orders/7", id, 200), [], Some(7)));
        assert!(severities(crowd().chain(own)).is_empty());
        let catalogue = (0..200).map(|id| {
            let mut anyone = asks(7, "/products/7", id, 200);
            (anyone.principal, anyone.credential) = (None, None);
            anyone
        });
        assert!(severities(crowd().chain(catalogue)).is_empty());
    }

    #[test]
    fn a_few_are_enough_where_the_ids_are_those_of_the_callers() {
        let selves = || (1..6).map(|who| asks(who, "/users/7", who, 200));
        let few = (0..5).map(|n| asks(7, "/users/7", 100 + n * 1_000, 200));
        assert_eq!(severities(selves().chain(few)), [Severity::High]);
        let family = (0..4).map(|n| asks(7, "/users/7", 100 + n, 200));
        assert!(severities(selves().chain(family)).is_empty());
    }

    #[test]
    fn redirections_to_a_login_are_no_answers() {
        let walk = (0..60).map(|n| asks(7, "/orders/7", n, 302));
        assert!(severities(crowd().chain(walk)).is_empty());
    }

    #[test]
    fn what_several_were_shown_is_nobodys_own() {
        let lists = (50..53).map(|who| {
            let mut list = asks(who, "/things", 0, 200);
            list.objects = Objects::default();
            shows(list, 3_000..3_100, None)
        });
        let walk = (3_000..3_100).map(|id| asks(7, "/orders/7", id, if id % 4 == 0 { 404 } else { 200 }));
        assert!(severities(crowd().chain(lists).chain(walk)).iter().all(|severity| *severity < Severity::High));
    }

    #[test]
    fn what_its_owner_and_the_staff_were_shown_is_still_the_owners() {
        let mut list = asks(50, "/all", 0, 200);
        list.objects = Objects::default();
        let staff = shows(list, 1_000..1_090, None);
        let foreign: Vec<u64> = (0..8).flat_map(|who| 1_000 + who * 10..1_004 + who * 10).collect();
        let walk =
            foreign.into_iter().map(|id| shows(asks(7, "/orders/7", id, 200), [], Some(100 + (id - 1_000) / 10)));
        assert!(severities(crowd().chain([staff]).chain(walk)).contains(&Severity::High));
    }

    #[test]
    fn a_job_that_alone_has_its_kind_of_key_and_finds_everything_is_no_walk() {
        let job = (0..200).map(|id| {
            let mut asks = asks(7, "/orders/7", id, 200);
            asks.credential = Some(Credential { kind: CredentialKind::ApiKey, hash: Hash(7) });
            asks
        });
        assert!(severities(crowd().chain(job.clone())).is_empty());
        // It reads what belongs to people, and was shown to them; that is noted.
        let of_people = job.clone().map(|asks| shows(asks, [], Some(500)));
        assert!(severities(crowd().chain(of_people)).is_empty());
        let of_many = job.clone().enumerate().map(|(n, asks)| shows(asks, [], Some(500 + n as u64)));
        assert!(severities(crowd().chain(of_many)).iter().all(|severity| *severity == Severity::Low));
        let guesses = job.enumerate().map(|(n, mut asks)| {
            if n % 3 == 0 {
                (asks.context.status, asks.outcome) = (Some(404), Outcome::NotFound);
            }
            asks
        });
        assert!(severities(crowd().chain(guesses)).contains(&Severity::High));
    }

    #[test]
    fn one_change_to_a_foreign_object_is_told_where_others_keep_to_their_own() {
        let change = |who, id| {
            let mut change = asks(who, "/orders/7", id, 200);
            change.context.method = Some("PATCH".into());
            change
        };
        let (observations, _) = judge(&OBJECT_WALK, crowd().chain([change(100, 1_001), change(7, 1_001)]));
        assert_eq!(observations.len(), 1);
        assert_eq!(observations[0].findings[0].detector.name, "auth.foreign_change");
        // One that comes before it is known is told when it is.
        let (observations, _) = judge(&OBJECT_WALK, [change(7, 1_001)].into_iter().chain(crowd()));
        assert_eq!(observations.len(), 1);
        // Where everybody changes everything, nothing is said.
        let wiki = (0..20).map(|who| change(100 + who, who));
        assert!(severities(wiki).is_empty());
    }

    #[test]
    fn state_is_bounded_and_a_walk_is_found_among_a_million_principals() {
        let many = |from: u64| (from..from + 500_000).map(|who| shows(asks(who, "/orders/7", who, 200), [who], None));
        let walk = (0..30).map(|n| asks(7, "/orders/7", 10 + n, 200));
        let (observations, footprint) =
            judge(&OBJECT_WALK, crowd().chain(many(1 << 30)).chain(walk).chain(many(1 << 32)));
        // In this crowd the ids are those of the callers, so five are enough.
        assert_eq!(observations.len(), 26);
        assert!(footprint < 48 << 20, "{footprint}");
    }
}
