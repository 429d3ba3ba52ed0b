//! User enumeration: a login, a reset or a registration that answers differently for names that exist.
//!
//! One client sends many account names, and the answers are of two kinds that are not success and failure of a person: for
//! a log-in two kinds of *failure*, for a reset or a registration any two. Typing errors of an office behind one address
//! give two kinds as well, for a handful of names and among log-ins that succeed.
//!
//! The kind of an answer is its status and the words of its content; numbers, ids and the name itself play no part.
//!
//! Sees: what [`super::login`] notes. Misses: answers that differ in
//! time only; names asked for from many addresses. Bounds: [`CLIENTS`] clients, 1.2 KB each (20 MB).

use super::bounded::Bounded;
use super::login::{AttemptKind, Verdict};
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::time::{Span, Timestamp};
use crate::visit::{Actor, Hash, Outcome, Visit};

static DETECTOR: Detector = Detector {
    name: "enumeration.user_names",
    family: Family::Enumeration,
    title: "Somebody finds out which accounts exist",
    description: "One client sent many account names to an operation whose answer tells known names from unknown ones. The \
                  names that exist are what guessing and stuffing of passwords begin with.",
    remediation: "Answer the same, in status, content and time, whether the account exists or not. Limit how many names one \
                  client may try.",
    owasp: "API2:2023",
    cwe: "CWE-204",
    attack: "T1589.001",
};

pub(crate) static USER_NAMES: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|settings: &Settings| Box::new(State { limits: Limits::of(settings), clients: Bounded::new(CLIENTS) })),
};

knobs! {
    /// When a client is told of.
    struct Limits {
        /// Different names before a client is told of.
        names: usize = 15 "names", 3 to 64, "enumeration.user_names.names",
            "An office behind one address mistypes fewer in a morning.";
        /// Names with the rarer kind of answer among a client's names, at least.
        rarer: usize = 2 "names", 1 to 32, "enumeration.user_names.rarer", "One may be a limit or a failure.";
    }
}

/// Names that are told apart for each client and operation.
const KEPT: usize = 64;

/// How long a client may be quiet until it starts anew.
const QUIET: Span = Span::from_secs(6 * 3600);

const CLIENTS: usize = 16_384;

struct State {
    limits: Limits,
    clients: Bounded<(Actor, Hash), Client>,
}

#[derive(Default)]
struct Client {
    first: Timestamp,
    last: Timestamp,
    names: Vec<(Hash, Hash)>,
    succeeded: usize,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        // Neither a limit nor a broken server says anything about a name.
        let says_nothing = matches!(visit.outcome, Outcome::Limited | Outcome::Failed | Outcome::Unknown);
        let attempt = visit.facts.iter().find_map(|fact| match fact {
            Fact::Login(attempt) => Some(*attempt),
            _ => None,
        });
        let Some((attempt, name)) = attempt.and_then(|attempt| Some((attempt, attempt.account?))) else { return };
        if says_nothing || matches!(attempt.kind, AttemptKind::Basic | AttemptKind::Client | AttemptKind::Refresh) {
            return;
        }
        let key = (Actor::Client(visit.client()), visit.endpoint);
        let client = self.clients.entry(key, Client::default);
        if client.first == Timestamp::default() || visit.started.since(client.last) > QUIET {
            *client = Client { first: visit.started, ..Client::default() };
        }
        client.last = visit.started;
        let is_log_in = matches!(attempt.kind, AttemptKind::Password | AttemptKind::Code);
        if is_log_in && attempt.verdict == Verdict::In {
            client.succeeded += 1;
            return;
        }
        if client.names.len() >= KEPT || client.names.iter().any(|(known, _)| *known == name) {
            return;
        }
        client.names.push((name, attempt.answer));
        let names = client.names.len();
        let Some(most) = client.names.iter().map(|(_, answer)| count(&client.names, *answer)).max() else { return };
        let second = client.names.iter().map(|(_, answer)| count(&client.names, *answer)).filter(|n| *n < most).max();
        let rarer = second.unwrap_or(if most * 2 <= names { most } else { 0 });
        if names >= self.limits.names && rarer >= self.limits.rarer && client.succeeded * 2 < names {
            findings.about(
                visit,
                Finding {
                    confidence: Confidence::High,
                    items: u32::try_from(names).unwrap_or(u32::MAX),
                    because: Some(format!(
                        "{names} different account names in {:.0} s, {most} answered in one way and {rarer} in another.",
                        visit.started.since(client.first).as_secs_f64()
                    )),
                    ..Finding::new(&DETECTOR, "two_answers", Subject::ClientAtEndpoint, Severity::Medium)
                },
            );
        }
    }

    fn footprint(&self) -> usize {
        self.clients.iter().map(|(_, client)| 150 + 16 * client.names.capacity()).sum()
    }

    fn forgotten(&self) -> u64 {
        self.clients.forgotten()
    }
}

fn count(names: &[(Hash, Hash)], answer: Hash) -> usize {
    names.iter().filter(|(_, known)| *known == answer).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::login::Attempt;
    use crate::behaviour::tests::{at, judge, visit};

    fn asked(number: u64, answer: u64, kind: AttemptKind, verdict: Verdict) -> Visit {
        let mut visit = at(number as f64, visit("10.0.0.1", "/login", 401));
        let account = Some(Hash(number));
        visit.facts.push(Fact::Login(Attempt {
            account,
            lasting: account,
            secret: None,
            kind,
            verdict,
            answer: Hash(answer),
        }));
        visit
    }

    fn reset(number: u64, answer: u64) -> Visit {
        asked(number, answer, AttemptKind::Reset, Verdict::Out)
    }

    #[test]
    fn many_names_and_two_kinds_of_answer() {
        let walk = (1..40).map(|n| reset(n, 1 + u64::from(n % 7 == 0)));
        assert_eq!(judge(&USER_NAMES, walk).0.len(), 25);
        let halves = (1..40).map(|n| reset(n, 1 + n % 2));
        assert!(!judge(&USER_NAMES, halves).0.is_empty());
        let same = (1..40).map(|n| reset(n, 1));
        assert!(judge(&USER_NAMES, same).0.is_empty());
    }

    #[test]
    fn an_office_that_mistypes_is_none() {
        let office = (1..60).map(|n| {
            let verdict = if n % 4 == 0 { Verdict::Out } else { Verdict::In };
            asked(n, 1 + n % 8, AttemptKind::Password, verdict)
        });
        assert!(judge(&USER_NAMES, office).0.is_empty());
    }
}
