//! Fuzzing: a client sends what no program that knows the interface would, to see what breaks.
//!
//! What tells it from a program with a fault: a faulty program is refused for the same thing at the same operation again and
//! again. A fuzzer is refused at many operations, and for many different reasons: methods that are not there (405), content
//! of another type (415), content that breaks the schema (400, 422), targets that are too long (414), and now and then the
//! server breaks (5xx). Rate plays no part.
//!
//! A User-Agent that names a tool makes it surer, and is no reason by itself: tools say what they like.
//!
//! Sees: method, endpoint, status, User-Agent. Misses: who fuzzes a single operation; what a server answers with 200.

use std::net::IpAddr;

use super::bounded::Bounded;
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::observation::ExchangeContext;
use crate::time::{Span, Timestamp};
use crate::visit::{Hash, Visit};

static DETECTOR: Detector = Detector {
    name: "scan.fuzzing",
    family: Family::Scan,
    title: "A client sends malformed requests to many operations",
    description: "One client sends requests that the interface does not know, of many kinds and to many operations. It is how \
                  faults are looked for that can be used later.",
    remediation: "See which of the client's requests the server failed at (5xx) or accepted, and mend what they found. Refuse \
                  who sends mostly what is malformed.",
    owasp: "API8:2023",
    cwe: "CWE-20",
    attack: "T1595.002",
};

pub(crate) static FUZZING: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe,
    state: Some(|settings: &Settings| Box::new(State { limits: Limits::of(settings), clients: Bounded::new(CLIENTS) })),
};

knobs! {
    /// When a client is told of.
    struct Limits {
        /// Different operations among a client's refusals, at least.
        operations: usize = 6 "operations", 1 to 32, "scan.fuzzing.operations",
            "A program with a fault is refused at the one operation that it gets wrong, or at a few.";
        /// Different reasons (status codes) among a client's refusals, at least.
        reasons: u32 = 3 "status codes", 1 to 8, "scan.fuzzing.reasons",
            "A program with a fault is refused for one.";
        /// Different refusals (operation and status) before a client is told of.
        refusals: usize = 15 "refusals", 2 to 32, "scan.fuzzing.refusals",
            "A program with a fault has one or two, and one that is being written a handful.";
        /// The least share of a client's requests that were refused.
        share: u32 = 30 "%", 1 to 100, "scan.fuzzing.share",
            "Programs are refused now and then, fuzzers mostly.";
    }
}

/// How long a client may be quiet until it starts anew.
const QUIET: Span = Span::from_secs(6 * 3600);

/// Clients that are remembered, at most about 700 octets each: 21 MB.
const CLIENTS: usize = 30_000;

/// Different refusals that are told apart for each client.
const TOLD_APART: usize = 32;

/// Parts of the User-Agent of tools that look for faults, in small letters.
const TOOLS: [&[u8]; 20] = [
    b"schemathesis",
    b"sqlmap",
    b"nikto",
    b"nuclei",
    b"gobuster",
    b"feroxbuster",
    b"dirbuster",
    b"dirsearch",
    b"wfuzz",
    b"fuzz faster",
    b"ffuf",
    b"wpscan",
    b"arachni",
    b"burp",
    b"owasp",
    b"zap/",
    b"restler",
    b"masscan",
    b"nmap",
    b"hydra",
];

struct State {
    limits: Limits,
    clients: Bounded<(IpAddr, Hash), Client>,
}

#[derive(Default)]
struct Client {
    first: Timestamp,
    last: Timestamp,
    requests: u32,
    refused: u32,
    failed: u32,
    has_tool: bool,
    /// Operation and status.
    refusals: Vec<(Hash, u16)>,
}

/// Notes a User-Agent that names a tool, where a request was refused.
fn observe(seen: &mut Seen<'_>) {
    let Some(status) = seen.visit.context.status.filter(|status| *status >= 400) else { return };
    let Some(request) = &seen.exchange.request else { return };
    let agent = request.fields.get("user-agent").unwrap_or_default();
    let agent = agent.get(..200).unwrap_or(agent).to_ascii_lowercase();
    if status != 404 && TOOLS.iter().any(|tool| memchr::memmem::find(&agent, tool).is_some()) {
        seen.visit.facts.push(Fact::Tool);
    }
}

/// Whether a status says that the request itself was wrong, rather than who sent it.
fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 405 | 406 | 411..=417 | 422 | 431 | 500..=599)
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let Some(status) = visit.context.status else { return };
        let key = (visit.client(), visit.server);
        // Who was refused nothing yet needs no place.
        if !is_refusal(status) && self.clients.get(&key).is_none() {
            return;
        }
        let client = self.clients.entry(key, Client::default);
        if client.requests == 0 || visit.started.since(client.last) > QUIET {
            *client = Client { first: visit.started, ..Client::default() };
        }
        client.last = visit.started;
        client.requests = client.requests.saturating_add(1);
        client.has_tool |= visit.facts.contains(&Fact::Tool);
        if !is_refusal(status) {
            return;
        }
        client.refused = client.refused.saturating_add(1);
        client.failed = client.failed.saturating_add(u32::from(status >= 500));
        let refusal = (visit.operation, status);
        if client.refusals.len() < TOLD_APART && !client.refusals.contains(&refusal) {
            client.refusals.push(refusal);
        }
        let (operations, reasons) = client.variety();
        let limits = self.limits;
        let is_fuzzing = client.refusals.len() >= limits.refusals
            && operations >= limits.operations
            && reasons >= limits.reasons
            && client.refused as u64 * 100 >= u64::from(limits.share) * u64::from(client.requests);
        if is_fuzzing {
            let finding = Finding {
                confidence: if client.has_tool { Confidence::High } else { Confidence::Medium },
                because: Some(format!(
                    "{} of {} requests were refused for {reasons} different reasons at {operations} operations in {:.0} s, and \
                     the server failed at {}; a program with a fault is refused for one.",
                    client.refused,
                    client.requests,
                    visit.started.since(client.first).as_secs_f64(),
                    client.failed
                )),
                ..Finding::new(&DETECTOR, "malformed_requests", Subject::Client, Severity::Medium)
            };
            findings.with_context(visit, ExchangeContext { principal: None, ..visit.context.clone() }, finding);
        }
    }

    fn footprint(&self) -> usize {
        let refusals = |client: &Client| client.refusals.capacity() * size_of::<(Hash, u16)>();
        self.clients.iter().map(|(_, client)| 64 + size_of::<Client>() + refusals(client)).sum()
    }

    fn forgotten(&self) -> u64 {
        self.clients.forgotten()
    }
}

impl Client {
    /// How many different operations and reasons there are.
    fn variety(&self) -> (usize, u32) {
        let first = |at: usize, same: fn(&(Hash, u16), &(Hash, u16)) -> bool| {
            let (before, rest) = self.refusals.split_at(at);
            rest.first().is_some_and(|one| !before.iter().any(|other| same(one, other)))
        };
        let all = 0..self.refusals.len();
        let operations = all.clone().filter(|at| first(*at, |one, other| one.0 == other.0)).count();
        let reasons = all.filter(|at| first(*at, |one, other| one.1 == other.1)).count();
        (operations, u32::try_from(reasons).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};

    #[test]
    fn refused_for_many_reasons_at_many_operations() {
        let fuzzer = (0..60_u32).map(|n| {
            let status = [405, 422, 400, 200, 500][n as usize % 5];
            at(
                f64::from(n),
                visit("10.0.0.1", &format!("/{}", ["a", "b", "c", "d", "e", "f", "g"][n as usize % 7]), status),
            )
        });
        let (observations, _) = judge(&FUZZING, fuzzer);
        assert!(!observations.is_empty());
        assert_eq!(
            observations[0].findings[0].because.as_deref(),
            Some(
                "15 of 18 requests were refused for 4 different reasons at 7 operations in 17 s, and the server failed at 3; a \
                 program with a fault is refused for one."
            )
        );
    }

    #[test]
    fn a_program_with_a_fault_is_none() {
        let faulty = (0..500_u32).map(|n| at(f64::from(n), visit("10.0.0.1", "/a", [400, 422, 500][n as usize % 3])));
        assert!(judge(&FUZZING, faulty).0.is_empty());
        let outage = (0..500_u32).map(|n| {
            at(
                f64::from(n),
                visit("10.0.0.1", &format!("/{}", ["a", "b", "c", "d", "e", "f", "g"][n as usize % 7]), 503),
            )
        });
        assert!(judge(&FUZZING, outage).0.is_empty());
    }

    #[test]
    fn state_is_bounded() {
        let crowd = (0..200_000_u32).map(|n| visit(&std::net::Ipv4Addr::from(0x1400_0000 + n).to_string(), "/a", 400));
        assert!(judge(&FUZZING, crowd).1 < 21 << 20);
    }
}
