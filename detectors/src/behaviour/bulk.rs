//! Bulk export: one client gets from an operation an answer that is many times larger than anybody else's.
//!
//! Lists are served in pages, and a page has about the same size for everyone. Who asks for all of it at once, by a limit
//! that nobody checks or a filter that is left out, gets an answer of another order of magnitude. So what counts is the
//! *largest* answer of each client, compared with those of the operation's other clients by their order; how often a client
//! asks plays no part, so one that polls is like the others. Pages read one after another are told by their values
//! ([`super::volume`]).
//!
//! Sees: octets of the decoded content, its media type (records: JSON, CSV, XML; a picture or a document may be of any size).
//! Misses: operations with few other clients, and clients that export page by page what is no personal
//! data. Bounds: [`ACTORS`] clients of an operation (80 octets each) and [`OPERATIONS`] operations (170 octets each): 8 MB.

use super::bounded::Bounded;
use super::volume::Usual;
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::visit::{Actor, Hash, Visit};

static DETECTOR: Detector = Detector {
    name: "exposure.bulk_client",
    family: Family::Exposure,
    title: "One client gets far more from an operation than others",
    description: "An answer to this client was many times larger than the largest that nearly all others got from the same \
                  operation. That is what it looks like when a list is asked for whole.",
    remediation: "Limit on the server how many records one answer has, whatever the client asks for. See what the client asked \
                  for, and whether it should have all of it.",
    owasp: "API4:2023",
    cwe: "CWE-770",
    attack: "T1530",
};

pub(crate) static BULK: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe,
    state: Some(|settings: &Settings| {
        let (actors, usual) = (Bounded::new(ACTORS), Bounded::new(OPERATIONS));
        Box::new(State { limits: Limits::of(settings), actors, usual })
    }),
};

/// The smallest answer that is an export, in octets: a thousand records of a usual size.
const EXPORT: u64 = 256 * 1024;

/// How many times the largest answers of nearly all others are beyond any doubt.
const TIMES_GRAVE: u64 = 64;

/// And how many others.
const OTHERS_GRAVE: u32 = 30;

const ACTORS: usize = 65_536;
const OPERATIONS: usize = 16_384;

fn observe(seen: &mut Seen<'_>) {
    let Some(response) = &seen.exchange.response else { return };
    if response.content.len < EXPORT || !matches!(response.status, 200..=299) {
        return;
    }
    let kind = response.fields.get("content-type").unwrap_or_default();
    let is = |word: &&[u8]| memchr::memmem::find(kind, word).is_some();
    if [&b"json"[..], b"csv", b"xml", b"tab-separated"].iter().any(is) && !is(&&b"html"[..]) && !is(&&b"svg"[..]) {
        seen.visit.facts.push(Fact::Records);
    }
}

knobs! {
    /// From when on an answer is an export.
    struct Limits {
        /// Other clients of the operation to compare with.
        others: u32 = 12 "clients", 2 to 1_000, "exposure.bulk_client.others",
            "99 % of fewer is all of them, and one unusual client among a handful says little.";
        /// How many times the largest answers of nearly all others.
        times: u64 = 16 "times", 2 to 10_000, "exposure.bulk_client.times",
            "A customer of many years has ten times the orders of most.";
    }
}

struct State {
    limits: Limits,
    /// The largest answer of each client of an operation.
    actors: Bounded<(Actor, Hash), u64>,
    usual: Bounded<Hash, Usual>,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        if !visit.is_served() || visit.response_len == 0 {
            return;
        }
        let largest = self.actors.entry((visit.actor(), visit.operation), || 0);
        if visit.response_len <= *largest {
            return;
        }
        let before = std::mem::replace(largest, visit.response_len);
        let usual = self.usual.entry(visit.operation, Usual::default);
        usual.moves(before, visit.response_len);
        if !visit.facts.contains(&Fact::Records) {
            return;
        }
        let (others, most) = usual.others(visit.response_len);
        let times = visit.response_len / most.max(1);
        if others < self.limits.others || times < self.limits.times {
            return;
        }
        let is_grave = times >= TIMES_GRAVE && others >= OTHERS_GRAVE;
        let severity = if is_grave { Severity::Medium } else { Severity::Low };
        let because = format!(
            "An answer of {} octets; 99 % of {others} other clients got fewer than {most} at once from this operation.",
            visit.response_len
        );
        let finding = Finding::new(&DETECTOR, "largest_answer", Subject::ClientAtEndpoint, severity);
        findings.about(visit, Finding { confidence: Confidence::Medium, because: Some(because), ..finding });
    }

    fn footprint(&self) -> usize {
        80 * self.actors.len() + (size_of::<Usual>() + 74) * self.usual.len()
    }

    fn forgotten(&self) -> u64 {
        self.actors.forgotten() + self.usual.forgotten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{judge, visit};

    fn answer(client: u32, len: u64) -> Visit {
        let mut visit = visit(&std::net::Ipv4Addr::from(0x0a00_0000 + client).to_string(), "/orders", 200);
        visit.response_len = len;
        if len >= EXPORT {
            visit.facts.push(Fact::Records);
        }
        visit
    }

    fn crowd(count: u32, len: u64) -> impl Iterator<Item = Visit> {
        (1..=count).map(move |client| answer(client, len + u64::from(client)))
    }

    fn severities(visits: impl IntoIterator<Item = Visit>) -> Vec<Severity> {
        judge(&BULK, visits).0.iter().map(|seen| seen.findings[0].severity).collect()
    }

    #[test]
    fn a_list_that_is_asked_for_whole() {
        assert_eq!(severities(crowd(40, 3_000).chain([answer(99, 5 << 20)])), [Severity::Medium]);
        assert_eq!(severities(crowd(40, 10_000).chain([answer(99, 300 << 10)])), [Severity::Low]);
        assert_eq!(severities(crowd(12, 3_000).chain([answer(99, 5 << 20)])), [Severity::Low]);
        // The same answer again is no news.
        assert_eq!(severities(crowd(40, 3_000).chain([answer(99, 5 << 20), answer(99, 5 << 20)])).len(), 1);
    }

    #[test]
    fn large_answers_for_everybody_and_frequent_ones() {
        assert!(severities(crowd(40, 5 << 20).chain([answer(99, 20 << 20)])).is_empty());
        assert!(severities(crowd(5, 3_000).chain([answer(99, 5 << 20)])).is_empty());
        let polls = (0..10_000).map(|_| answer(99, 3_000));
        assert!(severities(crowd(40, 3_000).chain(polls)).is_empty());
        // A document, which may be of any size.
        let document = Visit { facts: Vec::new(), ..answer(99, 5 << 20) };
        assert!(severities(crowd(40, 3_000).chain([document])).is_empty());
    }

    #[test]
    fn state_is_bounded() {
        let many = (0..300_000_u32).map(|n| {
            let mut visit = answer(n, 100);
            visit.context.endpoint = Some(format!("/a{}", n % 40_000).into());
            visit
        });
        assert!(judge(&BULK, many).1 <= 9 << 20);
    }
}
