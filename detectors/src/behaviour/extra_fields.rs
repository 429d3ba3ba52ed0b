//! Fields that nobody else gets: an operation answers one client with a kind of personal data or a secret that none of many
//! others gets from it.
//!
//! Servers that build answers from whole records hold fields back by who asks. A parameter that asks for more
//! (`fields=*`, `expand=`), a role that was raised, or a view that was meant for the inside shows them to one client. Which
//! fields there are is told by the types of values found in answers, so the body is not read again for it. It takes many
//! others to say that a type is not for everybody, and several answers to say that it is a field of this client's. The staff
//! sees more by its role: it is only noted with low severity, as is a single person's data, which may be an optional field
//! that one client filled in.
//!
//! Sees: types of values in answers with 2xx, roles of tokens. Misses: fields whose values no type is made for (flags,
//! salaries), and a second client that gets them too. Bounds: [`OPERATIONS`] operations, each with [`CLIENTS`] clients and
//! [`TYPES`] types (3 KB at most): 25 MB.

use super::bounded::Bounded;
use super::new_fields::severity;
use super::volume::Volume;
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::class::Classes;
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::kind::SEVERAL;
use crate::registry::EntityType;
use crate::sketch::Sketch;
use crate::visit::{Actor, Hash, Visit};

static DETECTOR: Detector = Detector {
    name: "exposure.extra_fields",
    family: Family::Exposure,
    title: "One client gets sensitive fields that others do not",
    description: "An operation answers this client with a kind of personal data or a secret that none of many other clients \
                  gets from it. Either its role allows it, or it has found a way to ask for more.",
    remediation: "See what in the client's requests differs from those of others. Choose the fields of a response on the \
                  server, by the role of the caller, and not by parameters.",
    owasp: "API3:2023",
    cwe: "CWE-213",
    attack: "T1530",
};

pub(crate) static EXTRA_FIELDS: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|settings: &Settings| {
        Box::new(State { classes: settings.classes, operations: Bounded::new(OPERATIONS) })
    }),
};

/// Other clients that were answered without it. Of an optional field that one in ten filled in, twenty have none once in
/// eight times; hence the low severity of what may be one's own.
const OTHERS: usize = 20;

/// Answers to the client with it: one may be a text that somebody typed.
const ANSWERS: u32 = 3;

const OPERATIONS: usize = 8_192;
/// Clients of an operation that are told apart.
const CLIENTS: usize = 32;
/// Types of an operation: those that are in the answers of several clients take a few octets each.
const TYPES: usize = 8;

struct State {
    classes: Classes,
    operations: Bounded<Hash, Operation>,
}

#[derive(Default)]
struct Operation {
    clients: Vec<(Actor, Option<Hash>)>,
    types: Vec<(EntityType, Holders)>,
}

/// Who gets values of a type from an operation.
enum Holders {
    One(Box<Holder>),
    Several,
}

struct Holder {
    who: Actor,
    answers: u32,
    values: Sketch,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        if !visit.is_served() || visit.response_len == 0 {
            return;
        }
        let operation = self.operations.entry(visit.operation, Operation::default);
        let own = (visit.actor(), visit.token.as_deref().and_then(|token| token.roles));
        if operation.clients.len() < CLIENTS && operation.clients.iter().all(|(who, _)| *who != own.0) {
            operation.clients.push(own);
        }
        for fact in &visit.facts {
            if let Fact::Volume(volume) = fact
                && let Some(most) = severity(volume.entity, self.classes)
                && let Some((severity, because)) = operation.take(volume, own, most, self.classes)
            {
                let finding = Finding::new(&DETECTOR, "type_of_one", Subject::ClientAtEndpoint, severity);
                findings.about(visit, Finding { confidence: Confidence::Medium, because: Some(because), ..finding });
            }
        }
    }

    fn footprint(&self) -> usize {
        let operation = |operation: &Operation| {
            let holders = operation.types.iter().filter(|(_, holders)| matches!(holders, Holders::One(_))).count();
            64 + size_of::<(Actor, Option<Hash>)>() * operation.clients.capacity()
                + 16 * operation.types.capacity()
                + size_of::<Holder>() * holders
        };
        self.operations.iter().map(|(_, entry)| operation(entry)).sum()
    }

    fn forgotten(&self) -> u64 {
        self.operations.forgotten()
    }
}

impl Operation {
    /// Takes a type that an answer to `own` has; how bad it is and why, if nobody else gets it.
    fn take(
        &mut self,
        volume: &Volume,
        own: (Actor, Option<Hash>),
        most: Severity,
        classes: Classes,
    ) -> Option<(Severity, String)> {
        let at = match self.types.iter().position(|(entity, _)| *entity == volume.entity) {
            Some(at) => at,
            None if self.types.len() < TYPES => {
                let holder = Holder { who: own.0, answers: 0, values: Sketch::default() };
                self.types.push((volume.entity, Holders::One(Box::new(holder))));
                self.types.len() - 1
            }
            None => return None,
        };
        let (_, holders) = self.types.get_mut(at)?;
        let Holders::One(holder) = holders else { return None };
        if holder.who != own.0 {
            *holders = Holders::Several;
            return None;
        }
        holder.answers = holder.answers.saturating_add(1);
        holder.values.merge(&volume.values);
        let others = self.clients.iter().filter(|(who, _)| *who != own.0);
        let alike = others.clone().filter(|(_, roles)| *roles == own.1).count();
        let others = others.count();
        if holder.answers < ANSWERS || others < OTHERS {
            return None;
        }
        let distinct = holder.values.estimate();
        let is_of_many = distinct >= SEVERAL as u64;
        // The others may have lesser roles.
        let severity = if is_of_many && alike >= OTHERS / 2 { most } else { Severity::Low.min(most) };
        let because = format!(
            "{} answers to this client have values of type {}, {distinct} different ones; none to {others} others has, of whom \
             {alike} have the same roles.",
            holder.answers,
            classes.name_of(volume.entity).replace('_', " ")
        );
        Some((severity, because))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{judge, visit};
    use crate::token::Token;
    use crate::visit::Hashing;

    /// An answer to a client with values of a type of people with these numbers.
    fn answer(client: u32, entity: EntityType, people: std::ops::Range<u32>) -> Visit {
        let mut visit = visit(&std::net::Ipv4Addr::from(0x0a00_0000 + client).to_string(), "/customers", 200);
        let (hashing, mut values) = (Hashing::new([3; 32]), Sketch::default());
        let is_some = !people.is_empty();
        people.for_each(|person| values.insert(hashing.hash(&person.to_le_bytes())));
        visit.facts.extend(is_some.then(|| Fact::Volume(Box::new(Volume { entity, values }))));
        visit
    }

    fn crowd(count: u32) -> impl Iterator<Item = Visit> {
        (1..=count).map(|client| answer(client, EntityType::UsSsn, 0..0))
    }

    fn told(visits: impl IntoIterator<Item = Visit>) -> Vec<Severity> {
        judge(&EXTRA_FIELDS, visits).0.iter().map(|seen| seen.findings[0].severity).collect()
    }

    fn asks(entity: EntityType, people: u32) -> impl Iterator<Item = Visit> {
        (0..4).map(move |_| answer(99, entity, 0..people))
    }

    #[test]
    fn numbers_that_one_client_alone_gets() {
        assert_eq!(told(crowd(24).chain(asks(EntityType::UsSsn, 9))), [Severity::Medium, Severity::Medium]);
        assert_eq!(told(crowd(24).chain(asks(EntityType::Email, 9))), [Severity::Low, Severity::Low]);
        // One's own number, and another role than the others'.
        assert_eq!(told(crowd(24).chain(asks(EntityType::UsSsn, 1))), [Severity::Low, Severity::Low]);
        let staff = asks(EntityType::UsSsn, 9).map(|mut visit| {
            visit.token = Some(Token { roles: Some(Hash(1)), ..Token::blank() }.into());
            visit
        });
        assert_eq!(told(crowd(24).chain(staff)), [Severity::Low, Severity::Low]);
    }

    #[test]
    fn what_others_get_too_and_what_was_typed() {
        assert_eq!(told(crowd(8).chain(asks(EntityType::UsSsn, 9))), []);
        let another = [answer(50, EntityType::UsSsn, 0..1)];
        assert_eq!(told(another.into_iter().chain(crowd(24)).chain(asks(EntityType::UsSsn, 9))), []);
        assert_eq!(told(crowd(24).chain(asks(EntityType::UsSsn, 9).take(2))), []);
        assert_eq!(told(crowd(24).chain(asks(EntityType::PersonName, 9))), []);
        let refused = |visit: Visit| Visit { outcome: crate::visit::Outcome::Refused, ..visit };
        assert_eq!(told(crowd(24).chain(asks(EntityType::UsSsn, 9)).map(refused)), []);
    }

    #[test]
    fn state_is_bounded() {
        let many = (0..400_000_u32).map(|n| {
            let entity = EntityType::ALL.get(n as usize % EntityType::ALL.len()).copied().unwrap();
            let mut visit = answer(n % 50, entity, 0..1);
            visit.context.endpoint = Some(format!("/a{}", n % 9_000).into());
            visit
        });
        let (_, footprint) = judge(&EXTRA_FIELDS, many);
        assert!(footprint < 25 << 20, "{footprint}");
    }
}
