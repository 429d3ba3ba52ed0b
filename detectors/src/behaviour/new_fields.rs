//! New sensitive fields: an operation that has answered for long begins to answer with a kind of personal data or a secret
//! that it never had.
//!
//! A release adds a member to a record, a join brings more columns along, somebody turns on a debugging view: nothing
//! fails, and every client gets it from then on. An operation is known when it was asked often, by several clients, over
//! some time. A type is a new *field* when about half of the answers since have it, for several clients: an address that
//! somebody typed into a comment is in one of them.
//!
//! Sees: types of values in answers with 2xx, as [`crate::inspect`] finds them; names and the like are in every list and
//! do not count. Misses: data that no type is made for, and fields that an operation had before the capture began. Told once
//! for each operation and type. Bounds: [`OPERATIONS`] operations (400 octets each at most, 6 MB).

use super::bounded::Bounded;
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::class::Classes;
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::kind::Weight;
use crate::knob::knobs;
use crate::registry::EntityType;
use crate::time::{Span, Timestamp};
use crate::visit::{Actor, Hash, Visit};

static DETECTOR: Detector = Detector {
    name: "exposure.new_sensitive_field",
    family: Family::Exposure,
    title: "An endpoint begins to answer with sensitive data",
    description: "An operation that was called many times answers with a kind of personal data or a secret that it never \
                  had before. A change has exposed it, and every client gets it now.",
    remediation: "See whether the field was meant to be added, and who needs it. Serve responses from a list of fields rather \
                  than whole records.",
    owasp: "API3:2023",
    cwe: "CWE-213",
    attack: "T1530",
};

pub(crate) static NEW_FIELDS: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|settings: &Settings| {
        Box::new(State {
            limits: Limits::of(settings),
            classes: settings.classes,
            operations: Bounded::new(OPERATIONS),
        })
    }),
};

knobs! {
    /// From when on it is known what an operation answers with.
    struct Limits {
        /// Answers of the operation before.
        answers: u32 = 100 "answers", 10 to 1_000_000, "exposure.new_sensitive_field.answers",
            "What is in one of thirty answers is missed by a hundred once in thirty.";
        /// Over how long.
        known: u32 = 3_600 "s", 60 to 2_592_000, "exposure.new_sensitive_field.known",
            "Not one busy client alone makes an operation known.";
    }
}

/// Clients whose answers those are, at least.
const CLIENTS: usize = 3;

/// Answers with the new type before it is told, and clients that got it.
const ANSWERS_WITH: u32 = 5;
const CLIENTS_WITH: usize = 2;

/// Answers since the first with the type after which it is clear that it is no field.
const PATIENCE: u32 = 200;

const OPERATIONS: usize = 16_384;

struct State {
    limits: Limits,
    classes: Classes,
    operations: Bounded<Hash, Operation>,
}

#[derive(Default)]
struct Operation {
    first: Timestamp,
    answers: u32,
    clients: Vec<Actor>,
    /// At most one for each type.
    known: Vec<EntityType>,
    new: Vec<New>,
}

/// A type that came when the operation was known.
struct New {
    entity: EntityType,
    /// How many answers there had been.
    at: u32,
    answers: u32,
    clients: Vec<Actor>,
}

fn add(clients: &mut Vec<Actor>, client: Actor, limit: usize) {
    if clients.len() < limit && !clients.contains(&client) {
        clients.push(client);
    }
}

/// How bad it is that answers have values of a type; `None` for what is everywhere.
pub(super) fn severity(entity: EntityType, classes: Classes) -> Option<Severity> {
    match classes.kind(entity).weight {
        // A class is described because its values matter; how much they do, the answers themselves are told with.
        Weight::Given(severity) => Some(severity.min(Severity::Medium)),
        Weight::Alone | Weight::Session => Some(Severity::Medium),
        Weight::InNumbers => Some(Severity::Low),
        Weight::Context => None,
    }
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        if !visit.is_served() || visit.response_len == 0 {
            return;
        }
        let operation = self.operations.entry(visit.operation, Operation::default);
        if operation.answers == 0 {
            operation.first = visit.started;
        }
        let is_known = operation.answers >= self.limits.answers
            && operation.clients.len() >= CLIENTS
            && visit.started.since(operation.first) >= Span::from_secs(self.limits.known);
        operation.answers = operation.answers.saturating_add(1);
        add(&mut operation.clients, visit.actor(), CLIENTS);
        for fact in &visit.facts {
            if let Fact::Volume(volume) = fact
                && let Some(severity) = severity(volume.entity, self.classes)
                && let Some(because) = operation.take(volume.entity, is_known, visit, self.classes)
            {
                let finding = Finding::new(&DETECTOR, "new_type", Subject::Endpoint, severity);
                findings.about(visit, Finding { confidence: Confidence::Medium, because: Some(because), ..finding });
            }
        }
    }

    fn footprint(&self) -> usize {
        let operation = |operation: &Operation| {
            let new = |new: &New| size_of::<New>() + size_of::<Actor>() * new.clients.capacity();
            64 + size_of::<Operation>()
                + size_of::<Actor>() * operation.clients.capacity()
                + operation.known.capacity()
                + operation.new.iter().map(new).sum::<usize>()
        };
        self.operations.iter().map(|(_, entry)| operation(entry)).sum()
    }

    fn forgotten(&self) -> u64 {
        self.operations.forgotten()
    }
}

impl Operation {
    /// Takes a type that an answer has, and says why it is a new field, if it is one.
    fn take(&mut self, entity: EntityType, is_known: bool, visit: &Visit, classes: Classes) -> Option<String> {
        if self.known.contains(&entity) {
            return None;
        }
        let at = self.new.iter().position(|new| new.entity == entity);
        let at = match at {
            Some(at) => at,
            None if is_known => {
                self.new.push(New { entity, at: self.answers - 1, answers: 0, clients: Vec::new() });
                self.new.len() - 1
            }
            None => {
                self.known.push(entity);
                return None;
            }
        };
        let new = self.new.get_mut(at)?;
        new.answers = new.answers.saturating_add(1);
        add(&mut new.clients, visit.actor(), CLIENTS_WITH);
        let since = self.answers - new.at;
        let is_often = new.answers >= since.div_ceil(2);
        let is_field = is_often && new.answers >= ANSWERS_WITH && new.clients.len() >= CLIENTS_WITH;
        if !is_field && since <= PATIENCE {
            return None;
        }
        let because = format!(
            "{} of the last {since} answers have values of type {}; none of {} before had.",
            new.answers,
            classes.name_of(entity).replace('_', " "),
            new.at
        );
        self.known.push(entity);
        self.new.swap_remove(at);
        is_field.then_some(because)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};
    use crate::behaviour::volume::Volume;
    use crate::sketch::Sketch;

    /// The answer number `n`, one each minute, to one of ten clients.
    fn answer(n: u32, entity: Option<EntityType>) -> Visit {
        let mut visit = at(f64::from(n) * 60.0, visit(&format!("10.0.0.{}", n % 10), "/orders", 200));
        let fact = |entity| Fact::Volume(Box::new(Volume { entity, values: Sketch::default() }));
        visit.facts.extend(entity.map(fact));
        visit
    }

    fn told(visits: impl IntoIterator<Item = Visit>) -> Vec<(Severity, Option<String>)> {
        let (observations, _) = judge(&NEW_FIELDS, visits);
        observations.iter().map(|seen| (seen.findings[0].severity, seen.findings[0].because.clone())).collect()
    }

    fn with(entity: EntityType, from: u32, every: u32) -> impl Iterator<Item = Visit> {
        (0..600).map(move |n| answer(n, (n >= from && n % every == 0).then_some(entity)))
    }

    #[test]
    fn a_release_adds_a_field() {
        let because = "5 of the last 5 answers have values of type us ssn; none of 300 before had.".to_owned();
        assert_eq!(told(with(EntityType::UsSsn, 300, 1)), [(Severity::Medium, Some(because))]);
        assert_eq!(told(with(EntityType::Email, 300, 1))[0].0, Severity::Low);
        assert_eq!(told(with(EntityType::UsSsn, 300, 2)).len(), 1);
    }

    #[test]
    fn what_was_there_and_what_somebody_typed() {
        // From the start, once in a while, and what every list has.
        assert_eq!(told(with(EntityType::UsSsn, 0, 20)), []);
        assert_eq!(told(with(EntityType::Email, 150, 7)), []);
        assert_eq!(told(with(EntityType::PersonName, 300, 1)), []);
        // Too early to know the operation.
        assert_eq!(told(with(EntityType::UsSsn, 50, 1)), []);
        let hasty = (0..600).map(|n| at(f64::from(n), answer(n, (n > 300).then_some(EntityType::UsSsn))));
        assert_eq!(told(hasty), []);
        // One client alone may see more than others.
        let staff = (0..600).map(|n| answer(n, (n > 300 && n % 10 == 3).then_some(EntityType::UsSsn)));
        assert_eq!(told(staff), []);
        let refused = with(EntityType::UsSsn, 300, 1).map(|mut visit| {
            visit.outcome = crate::visit::Outcome::Refused;
            visit
        });
        assert_eq!(told(refused), []);
    }

    #[test]
    fn state_is_bounded() {
        let many = (0..200_000_u32).map(|n| {
            let mut visit = answer(n, EntityType::ALL.get(n as usize % EntityType::ALL.len()).copied());
            visit.context.endpoint = Some(format!("/a{}", n % 40_000).into());
            visit
        });
        assert!(judge(&NEW_FIELDS, many).1 <= 7 << 20);
    }
}
