//! Bursts of refusals: one client is told "no" again and again, with one made-up credential after another.
//!
//! Refusals are everyday: tokens run out, and programs send them a few times more. Those were accepted once, or say
//! themselves that they have run out; they count for nothing. What counts are refusals of credentials that never worked,
//! and of requests without one, when the credentials or the paths keep changing. Log-ins are judged elsewhere.
//!
//! Sees: status, credential, expiry of tokens. Misses: who changes addresses, and who is slower than a burst in its
//! window. Bounds: [`CLIENTS`] clients (600 octets each, 1.7 KB where a burst is set to the most it can be), [`WORKED`]
//! credentials (40 octets each): 33 MB.

use super::bounded::Bounded;
use super::{Behaviour, Findings, Judge, Seen, jwt};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::time::{Span, Timestamp};
use crate::visit::{Actor, Hash, Outcome, Visit};

static DETECTOR: Detector = Detector {
    name: "auth.refusals",
    family: Family::Auth,
    title: "One client is refused again and again",
    description: "Within minutes a client was refused many times with credentials that never worked, or without any. That \
                  is somebody who tries tokens or looks for operations that forget to check.",
    remediation: "See whether anything the client asked for was answered, and limit the refusals that one client may cause. \
                  If it is one of your own programs, its credential is wrong.",
    owasp: "API2:2023",
    cwe: "CWE-307",
    attack: "T1110",
};

pub(crate) static REFUSALS: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|settings: &Settings| {
        let limits = Limits::of(settings);
        Box::new(State { limits, clients: Bounded::new(CLIENTS), worked: Bounded::new(WORKED) })
    }),
};

knobs! {
    /// What makes a burst.
    struct Limits {
        /// Refusals that make a burst.
        burst: usize = 20 "refusals", 3 to 60, "auth.refusals.burst",
            "An app that does not give up sends four a minute.";
        /// Different credentials, or paths asked for without one, among a burst's refusals; at most all of them.
        different: usize = 10 "credentials or paths", 1 to 60, "auth.refusals.different",
            "An app repeats the one token that it has.";
        /// A burst's length.
        window: u32 = 120 "s", 10 to 3_600, "auth.refusals.window",
            "Tools send many more in two minutes, apps that begin anew each time fewer.";
    }
}

const CLIENTS: usize = 32_768;
const WORKED: usize = 1 << 18;

struct State {
    limits: Limits,
    clients: Bounded<(Actor, Hash), Client>,
    /// Credentials that were accepted once.
    worked: Bounded<Hash, ()>,
}

#[derive(Default)]
struct Client {
    /// The last refusals: when, and of what.
    refused: Vec<(Timestamp, Hash)>,
    answered: Vec<Timestamp>,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let key = (Actor::Client(visit.client()), visit.server);
        if visit.outcome == Outcome::Accepted {
            if let Some(credential) = visit.credential {
                self.worked.entry(credential.hash, || ());
            }
            if let Some(client) = self.clients.get_mut(&key) {
                keep(&mut client.answered, visit.started, self.limits.burst);
            }
            return;
        }
        if !is_refused(visit) || is_login(visit) || self.is_stale(visit) {
            return;
        }
        let Limits { burst, different: least, window } = self.limits;
        let window = Span::from_secs(window);
        let client = self.clients.entry(key, Client::default);
        client.refused.retain(|(when, _)| visit.started.since(*when) <= window);
        client.answered.retain(|when| visit.started.since(*when) <= window);
        if client.refused.len() == burst {
            client.refused.remove(0);
        }
        client.refused.push((visit.started, visit.credential.map_or(visit.path, |credential| credential.hash)));
        if client.refused.len() < burst || client.answered.len() > client.refused.len() / 4 {
            return;
        }
        let mut different: Vec<_> = client.refused.iter().map(|(_, of)| *of).collect();
        different.sort_unstable();
        different.dedup();
        let first = client.refused.first().map_or(visit.started, |(when, _)| *when);
        if different.len() >= least.min(burst) {
            findings.about(
                visit,
                Finding {
                    confidence: Confidence::High,
                    because: Some(format!(
                        "{burst} refusals in {:.0} s, of {} different credentials or paths that never worked, and {} answers; \
                         programs with a stale token stay below 5 in a minute.",
                        visit.started.since(first).as_secs_f64(),
                        different.len(),
                        client.answered.len()
                    )),
                    ..Finding::new(&DETECTOR, "burst", Subject::Client, Severity::Medium)
                },
            );
        }
    }

    fn footprint(&self) -> usize {
        let client = |client: &Client| 120 + 16 * client.refused.capacity() + 8 * client.answered.capacity();
        self.clients.iter().map(|(_, entry)| client(entry)).sum::<usize>() + 40 * self.worked.len()
    }

    fn forgotten(&self) -> u64 {
        self.clients.forgotten() + self.worked.forgotten()
    }
}

impl State {
    /// Whether the credential is an old one rather than a made-up one.
    fn is_stale(&self, visit: &Visit) -> bool {
        let expires = visit.token.as_ref().and_then(|token| token.expires);
        let has_run_out = expires.is_some_and(|expires| jwt::seconds(visit.started) >= expires);
        has_run_out || visit.credential.is_some_and(|credential| self.worked.get(&credential.hash).is_some())
    }
}

fn keep(times: &mut Vec<Timestamp>, time: Timestamp, most: usize) {
    if times.len() == most {
        times.remove(0);
    }
    times.push(time);
}

/// A page that sends whoever comes without a session to the login does what it is for: only credentials are refused so.
fn is_refused(visit: &Visit) -> bool {
    visit.outcome == Outcome::Refused || visit.outcome == Outcome::SentToLogin && visit.credential.is_some()
}

/// Whether this asks for a credential rather than uses one.
fn is_login(visit: &Visit) -> bool {
    visit.credential.is_none() && visit.context.method.as_deref() == Some("POST")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};
    use crate::identity::{Credential, CredentialKind};

    fn with(credential: u64, seconds: f64, status: u16) -> Visit {
        let mut visit = at(seconds, visit("10.0.0.1", "/orders", status));
        visit.credential = Some(Credential { kind: CredentialKind::Jwt, hash: Hash(credential) });
        visit
    }

    #[test]
    fn one_made_up_token_after_another() {
        let burst = (0..40).map(|n| with(n, n as f64, 401));
        assert_eq!(judge(&REFUSALS, burst).0.len(), 21);
        let slow = (0..40).map(|n| with(n, n as f64 * 10.0, 401));
        assert!(judge(&REFUSALS, slow).0.is_empty());
        // Made-up sessions that are sent to the login each time.
        let sent_on = (0..40).map(|n| Visit { outcome: Outcome::SentToLogin, ..with(n, n as f64, 302) });
        assert_eq!(judge(&REFUSALS, sent_on).0.len(), 21);
    }

    #[test]
    fn stale_tokens_of_an_office_and_one_bad_program_are_no_burst() {
        let worked = (0..60).map(|n| with(n, 0.0, 200));
        let stale = (0..180).map(|n| with(n % 60, 500.0 + n as f64 / 10.0, 401));
        assert!(judge(&REFUSALS, worked.chain(stale)).0.is_empty());
        // A crawler without a session is sent to the login from everywhere.
        let crawler = (0..100).map(|n| {
            let mut visit = at(n as f64, visit("10.0.0.1", &format!("/page{n}"), 302));
            visit.outcome = Outcome::SentToLogin;
            visit
        });
        assert!(judge(&REFUSALS, crawler).0.is_empty());
        let program = (0..500).map(|n| with(7, n as f64, 401));
        assert!(judge(&REFUSALS, program).0.is_empty());
    }
}
