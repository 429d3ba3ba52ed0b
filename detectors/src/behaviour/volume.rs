//! Volume: how many people's data went to one client.
//!
//! One answer with one address is a profile. Hundreds of different ones for one client are an export, whether they come in
//! one answer or one by one over a day. What is usual differs between interfaces, so a client is compared with the others of
//! the same server: a shop's staff may see thousands, and its customers see one.
//!
//! Counts different values (a [`Sketch`] of keyed hashes of each type), so that who reads the own profile a thousand
//! times has read one. Sees the content kept for inspection, up to 4,096 values of an answer. Misses: content past the
//! inspection limit; a client that takes less than the thresholds in a day.

use super::bounded::Bounded;
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::class::Classes;
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::scan::EntityType;
use crate::sketch::Sketch;
use crate::time::{Span, Timestamp};
use crate::visit::{Actor, Hash, Outcome, Visit};

static DETECTOR: Detector = Detector {
    name: "pii.volume",
    family: Family::Pii,
    title: "One client receives personal data of many people",
    description: "The number of different personal values that one client received is far beyond what others receive. It is \
                  what an export looks like, whoever makes it.",
    remediation: "Ask who the client is and what it needs the data for. Limit how many records a client may read in a day, and \
                  give lists without the fields that are not needed.",
    owasp: "API6:2023",
    cwe: "CWE-359",
    attack: "T1530",
};

pub(crate) static VOLUME: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|settings: &Settings| {
        let limits = Limits::of(settings);
        Box::new(State {
            limits,
            classes: settings.classes,
            actors: Bounded::new(ACTORS),
            populations: Bounded::new(POPULATIONS),
        })
    }),
};

/// Different values of one type in an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Of which type.
    pub entity: EntityType,
    /// How many.
    pub values: Sketch,
}

knobs! {
    /// From when on it is an export.
    struct Limits {
        /// Different values of what people give away, such as addresses and names.
        common: u64 = 200 "values", 10 to 1_000_000, "pii.volume.common", "Lists of contacts have a hundred.";
        /// Different values of what does harm one by one, such as card numbers.
        grave: u64 = 60 "values", 2 to 1_000_000, "pii.volume.grave", "Nobody has many of them.";
        /// Others to compare with; where there are fewer, it takes four times as many values.
        others: u32 = 10 "clients", 1 to 10_000, "pii.volume.others", "What few others receive says little of what is usual.";
        /// How many times as much as 99 % of the others received.
        times: u64 = 8 "times", 1 to 1_000, "pii.volume.times",
            "Clients of one kind differ by less; a client of another kind, such as the staff's, has its like among the others.";
    }
}

/// How long a client may receive nothing until it starts anew.
const QUIET: Span = Span::from_secs(24 * 3600);

/// Clients that are remembered, at most about 2.5 KB each: 50 MB.
const ACTORS: usize = 20_000;
/// Types that are counted for each of them.
const TYPES: usize = 8;
/// Servers and types of which it is known what is usual, at about 200 octets each.
const POPULATIONS: usize = 4_096;

struct State {
    limits: Limits,
    classes: Classes,
    actors: Bounded<(Actor, Hash), Received>,
    populations: Bounded<(Hash, EntityType), Usual>,
}

/// What a client received.
#[derive(Default)]
struct Received {
    first: Timestamp,
    last: Timestamp,
    values: Vec<(EntityType, Box<Sketch>, u64)>,
}

/// Clients by the order of magnitude of what they received: at n those with less than 2ⁿ.
#[derive(Default)]
pub(super) struct Usual([u32; MAGNITUDES]);

const MAGNITUDES: usize = 24;

impl Usual {
    fn place(&mut self, count: u64) -> Option<&mut u32> {
        self.0.get_mut((64 - count.leading_zeros() as usize).min(MAGNITUDES - 1))
    }

    /// A client that had received `from` has received `to` now.
    pub(super) fn moves(&mut self, from: u64, to: u64) {
        if let Some(place) = self.place(from).filter(|_| from > 0) {
            *place = place.saturating_sub(1);
        }
        if let Some(place) = self.place(to) {
            *place = place.saturating_add(1);
        }
    }

    /// How many others there are than one with `own`, and what 99 % of them stay below.
    pub(super) fn others(&self, own: u64) -> (u32, u64) {
        let at = (64 - own.leading_zeros() as usize).min(MAGNITUDES - 1);
        let counts = self.0.iter().enumerate().map(|(n, count)| count.saturating_sub(u32::from(n == at)));
        let all: u32 = counts.clone().fold(0, u32::saturating_add);
        let mut left = all - all / 100;
        for (n, count) in counts.enumerate() {
            left = left.saturating_sub(count);
            if left == 0 {
                return (all, 1 << n);
            }
        }
        (all, u64::MAX)
    }
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        if visit.outcome != Outcome::Accepted {
            return;
        }
        for fact in &visit.facts {
            if let Fact::Volume(volume) = fact {
                self.received(visit, volume, findings);
            }
        }
    }

    fn footprint(&self) -> usize {
        let values = |received: &Received| received.values.len() * (size_of::<Sketch>() + 16 + 24);
        self.actors.iter().map(|(_, received)| 128 + size_of::<Received>() + values(received)).sum::<usize>()
            + self.populations.len() * (size_of::<Usual>() + 64)
    }

    fn forgotten(&self) -> u64 {
        self.actors.forgotten() + self.populations.forgotten()
    }
}

impl State {
    fn received(&mut self, visit: &Visit, volume: &Volume, findings: &mut Findings<'_>) {
        let received = self.actors.entry((visit.actor(), visit.server), Received::default);
        if received.values.is_empty() || visit.started.since(received.last) > QUIET {
            *received = Received { first: visit.started, ..Received::default() };
        }
        received.last = visit.started;
        let at = match received.values.iter().position(|(entity, ..)| *entity == volume.entity) {
            Some(at) => at,
            None if received.values.len() < TYPES => {
                received.values.push((volume.entity, Box::default(), 0));
                received.values.len() - 1
            }
            None => return,
        };
        let Some((entity, sketch, count)) = received.values.get_mut(at) else { return };
        sketch.merge(&volume.values);
        let before = std::mem::replace(count, sketch.estimate());
        let usual = self.populations.entry((visit.server, *entity), Usual::default);
        if *count != before {
            usual.moves(before, *count);
        }
        let limits = self.limits;
        let limit = if is_grave(*entity) { limits.grave } else { limits.common };
        if *count < limit || *count == before {
            return;
        }
        let (others, most) = usual.others(*count);
        let is_beyond = match others >= limits.others {
            true => *count >= limits.times.saturating_mul(most),
            false => *count >= 4 * limit,
        };
        if is_beyond {
            let severity = if *count >= 10 * limit { Severity::High } else { Severity::Medium };
            let noun = self.classes.name_of(*entity).replace('_', " ");
            let minutes = visit.started.since(received.first).as_secs_f64() / 60.0;
            let compared = match others {
                0 => "nobody else received any".to_owned(),
                _ => format!("99 % of {others} others received fewer than {most}"),
            };
            let finding = Finding {
                confidence: Confidence::High,
                because: Some(format!(
                    "About {count} different values of type {noun} in {minutes:.0} min; {compared}."
                )),
                items: u32::try_from(*count).unwrap_or(u32::MAX),
                ..Finding::new(&DETECTOR, "distinct_values", Subject::Client, severity)
            };
            findings.about(visit, finding);
        }
    }
}

/// Whether one value is enough to harm its owner.
fn is_grave(entity: EntityType) -> bool {
    ["card", "ssn", "iban", "passport", "licence", "password", "key", "national"]
        .iter()
        .any(|word| entity.name().contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};
    use crate::visit::Hashing;

    /// An answer with e-mail addresses of people with these numbers.
    fn answer(client: &str, people: std::ops::Range<u32>) -> Visit {
        let hashing = Hashing::new([3; 32]);
        let mut values = Sketch::default();
        people.for_each(|person| values.insert(hashing.hash(&person.to_le_bytes())));
        let mut visit = visit(client, "/people", 200);
        visit.facts.push(Fact::Volume(Box::new(Volume { entity: EntityType::Email, values })));
        visit
    }

    fn customers() -> impl Iterator<Item = Visit> {
        (0..100_u32).map(|n| at(f64::from(n), answer(&format!("10.1.0.{n}"), n..n + 2)))
    }

    #[test]
    fn an_export_in_one_answer_and_one_by_one() {
        let at_once = customers().chain([at(200.0, answer("10.0.0.1", 0..3_000))]);
        let (observations, _) = judge(&VOLUME, at_once);
        assert_eq!(observations.len(), 1);
        assert_eq!(observations[0].findings[0].severity, Severity::High);
        assert!(observations[0].findings[0].items >= 2_000);
        let because = observations[0].findings[0].because.clone().unwrap();
        assert!(
            because.ends_with("values of type email in 0 min; 99 % of 100 others received fewer than 4."),
            "{because}"
        );
        let walk = customers().chain((0..400).map(|n| at(200.0 + f64::from(n) * 60.0, answer("10.0.0.1", n..n + 1))));
        let (observations, _) = judge(&VOLUME, walk);
        assert!(observations.iter().all(|observation| observation.context.client.ip().to_string() == "10.0.0.1"));
        assert!(!observations.is_empty());
    }

    #[test]
    fn what_everyone_reads_and_the_own_profile_are_none() {
        let own = customers().chain((0..5_000).map(|n| at(f64::from(n), answer("10.0.0.1", 7..8))));
        assert!(judge(&VOLUME, own).0.is_empty());
        let directory = (0..200_u32).map(|n| at(f64::from(n), answer(&format!("10.1.{n}.1"), 0..300)));
        assert!(judge(&VOLUME, directory).0.is_empty());
    }

    #[test]
    fn state_is_bounded_and_an_export_is_found_among_many() {
        let crowd = |from: u32| {
            (from..from + 100_000).map(|n| answer(&std::net::Ipv4Addr::from(0x1400_0000 + n).to_string(), n..n + 1))
        };
        let (observations, footprint) =
            judge(&VOLUME, crowd(0).chain([answer("10.0.0.1", 0..900)]).chain(crowd(200_000)));
        assert!(footprint < 50 << 20, "{footprint}");
        assert_eq!(observations.len(), 1);
    }
}
