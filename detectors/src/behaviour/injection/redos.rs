//! Patterns that take long (ReDoS): a client makes an operation take many times its usual time with inputs that are one
//! character again and again.
//!
//! What tells it from a slow server: the operation answers others, and the same client's other inputs, as quickly as ever.
//! Seen: the longest run in a request's values, the time an exchange took. Missed: input that is not a run, an operation that
//! is always slow.

use std::net::IpAddr;

use crate::behaviour::bounded::Bounded;
use crate::behaviour::{Fact, Findings, Judge};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::knob::knobs;
use crate::visit::{Hash, Visit};

pub(super) static DETECTOR: Detector = Detector {
    name: "injection.redos",
    family: Family::Injection,
    title: "Crafted input makes an operation take long",
    description: "Inputs that are one character repeated took many times as long as the operation usually does. Patterns that \
                  backtrack need time that grows without bound with such inputs, and a few of them stop a server.",
    remediation: "Replace the pattern by one that runs in linear time, or by a parser. Limit the length of the input and the \
                  time of the check.",
    owasp: "API4:2023",
    cwe: "CWE-1333",
    attack: "T1499.004",
};

/// The shortest run that is noted: names, words and grouped numbers have shorter ones.
pub(super) const RUN: usize = 10;

knobs! {
    /// When an operation takes long.
    pub(super) struct Limits {
        /// Slow exchanges of one client before it is told of.
        inputs: u32 = 2 "exchanges", 1 to 100, "injection.redos.inputs", "One may be a pause of the server.";
        /// The least time that an exchange has to take.
        slow: u64 = 150 "ms", 10 to 60_000, "injection.redos.slow", "A server that answers in less goes on serving others.";
        /// How many times as long as usual an exchange has to take.
        times: u64 = 10 "times", 2 to 1_000, "injection.redos.times",
            "Load makes answers a few times slower; patterns that backtrack know no such bound.";
    }
}

/// Endpoints and clients at endpoints that are remembered, at about 400 and 100 octets: 6 MB together.
const ENDPOINTS: usize = 10_000;
const CLIENTS: usize = 20_000;

/// The longest run of one octet, or of one to three octets again and again.
pub(super) fn run(text: &[u8]) -> usize {
    (1..=3)
        .filter_map(|period| {
            let mut longest = 0;
            let mut current = 0;
            for (a, b) in text.iter().zip(text.get(period..)?) {
                current = if a == b { current + 1 } else { 0 };
                longest = longest.max(current);
            }
            Some(if longest == 0 { 0 } else { longest + period })
        })
        .max()
        .unwrap_or(0)
}

#[derive(Debug)]
pub(super) struct State {
    limits: Limits,
    endpoints: Bounded<Hash, Times>,
    clients: Bounded<(IpAddr, Hash), u32>,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, endpoints: Bounded::new(ENDPOINTS), clients: Bounded::new(CLIENTS) }
    }
}

/// How many exchanges took how long, by powers of two of a microsecond.
#[derive(Debug, Default)]
struct Times {
    counts: [u32; 32],
    total: u32,
}

impl Times {
    fn add(&mut self, nanos: u64) {
        let bucket = (nanos / 1_000).max(1).ilog2().min(31) as usize;
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
    }

    /// The time that a quarter of the exchanges stay below, at most, in nanoseconds: slow ones do not raise it.
    fn usual(&self) -> Option<u64> {
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen * 4 >= u64::from(self.total)
        })?;
        (self.total >= 2).then(|| 2_000 << bucket)
    }
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        if visit.context.status.is_none() {
            return;
        }
        let key = visit.operation;
        let took = visit.took.as_nanos().unsigned_abs();
        let times = self.endpoints.entry(key, Times::default);
        let usual = times.usual();
        times.add(took);
        let run = visit.facts.iter().find_map(|fact| if let Fact::Run(run) = fact { Some(*run) } else { None });
        let (Some(run), Some(usual)) = (run, usual) else { return };
        let Limits { inputs, slow: least, times } = self.limits;
        if took < least * 1_000_000 || took < usual.saturating_mul(times) {
            return;
        }
        let slow = self.clients.entry((visit.client(), key), || 0);
        *slow = slow.saturating_add(1);
        if *slow >= inputs {
            let because = format!(
                "{slow} inputs with runs of {RUN} or more equal characters took {times} times the usual time or more; the last, \
                 with a run of {run}, {:.1} s where {:.3} s is usual.",
                took as f64 / 1e9,
                usual as f64 / 1e9
            );
            let finding = Finding::new(&DETECTOR, "repeated_input", Subject::ClientAtEndpoint, Severity::Medium);
            findings.about(visit, Finding { because: Some(because), confidence: Confidence::Medium, ..finding });
        }
    }

    fn footprint(&self) -> usize {
        self.endpoints.len() * 400 + self.clients.len() * 100
    }

    fn forgotten(&self) -> u64 {
        self.endpoints.forgotten() + self.clients.forgotten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};
    use crate::time::Span;

    #[test]
    fn runs_of_characters() {
        assert_eq!(run(b"aaaaaaaaaaaa!"), 12);
        assert_eq!(run(b"abababababab"), 12);
        assert!(run(b"Mississippi") < RUN && run(b"1000000") < RUN && run(b"") == 0);
    }

    #[test]
    fn slow_runs_are_told_and_slow_others_are_not() {
        let of = |client: &str, took: u32, run: Option<u32>| {
            let mut visit = visit(client, "/check", 200);
            visit.took = Span::from_millis(took);
            visit.facts.extend(run.map(Fact::Run));
            visit
        };
        let mut visits: Vec<_> = (0..10).map(|n| at(f64::from(n), of("10.0.0.1", 4, None))).collect();
        visits.extend([
            of("10.0.0.2", 300, Some(20)),
            of("10.0.0.2", 900, Some(22)),
            of("10.0.0.3", 900, None),
            of("10.0.0.4", 900, Some(20)),
        ]);
        let (observations, _) = judge(&crate::behaviour::injection::INJECTION, visits);
        assert_eq!(observations.len(), 1);
        assert_eq!(observations[0].context.client.ip().to_string(), "10.0.0.2");
    }
}
