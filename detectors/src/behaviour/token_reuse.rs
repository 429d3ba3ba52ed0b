//! Token reuse: one token is used from two networks at once.
//!
//! A telephone that leaves the house changes its network, and its token with it: once, and not back within a minute. A
//! stolen token is used by its owner and by the thief in turn. So what counts is how often a token *changes* networks
//! within minutes; when the program changes with it, fewer changes are enough. Keys are meant for several machines
//! and are left out.
//!
//! Sees: address, credential, user agent and order of fields. Misses: thieves in the network of their victim.
//! Bounds: [`TOKENS`] tokens, 300 octets each (20 MB).

use std::net::IpAddr;

use super::bounded::Bounded;
use super::{Behaviour, Findings, Judge, Seen};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::identity::CredentialKind;
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::time::{Span, Timestamp};
use crate::visit::{Hash, Visit};

static DETECTOR: Detector = Detector {
    name: "auth.token_reuse",
    family: Family::Auth,
    title: "One token is used in two networks at once",
    description: "Requests with one token came from different networks in turn, faster than anybody travels. Whoever has \
                  copied a token is its owner for the server.",
    remediation: "Revoke the token and ask its owner to log in again. Bind tokens to a key or to their client, and keep \
                  their lives short.",
    owasp: "API2:2023",
    cwe: "CWE-294",
    attack: "T1550.001",
};

pub(crate) static TOKEN_REUSE: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|settings: &Settings| Box::new(State { limits: Limits::of(settings), tokens: Bounded::new(TOKENS) })),
};

knobs! {
    /// What is more than travelling.
    struct Limits {
        /// Changes between networks within the window when the program changes too.
        changes: usize = 3 "changes", 1 to 16, "auth.token_reuse.changes",
            "There, back, and there again: who travels changes once.";
        /// Changes when the program stays the same.
        changes_of_one: usize = 8 "changes", 2 to 16, "auth.token_reuse.changes_of_one_program",
            "Some carriers send one telephone through several networks.";
        /// How far back changes count.
        window: u32 = 300 "s", 10 to 3_600, "auth.token_reuse.window",
            "Nobody travels to and fro in five minutes.";
    }
}

const TOKENS: usize = 65_536;

struct State {
    limits: Limits,
    tokens: Bounded<Hash, Token>,
}

struct Token {
    network: u64,
    program: Hash,
    /// The last changes of network: when, and whether the program changed too.
    changes: Vec<(Timestamp, bool)>,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let Some(credential) = visit.credential.filter(|_| visit.is_served()) else { return };
        if !matches!(credential.kind, CredentialKind::Jwt | CredentialKind::Bearer | CredentialKind::SessionCookie) {
            return;
        }
        let Limits { changes, changes_of_one, window } = self.limits;
        let network = network(visit.client());
        let program = visit.agent;
        let token = self.tokens.entry(credential.hash, || Token { network, program, changes: Vec::new() });
        if token.network == network {
            return;
        }
        if token.changes.len() == changes_of_one {
            token.changes.remove(0);
        }
        token.changes.push((visit.started, token.program != program));
        (token.network, token.program) = (network, program);
        token.changes.retain(|(when, _)| visit.started.since(*when) <= Span::from_secs(window));
        let others = token.changes.iter().filter(|(_, is_other)| *is_other).count();
        if others < changes && token.changes.len() < changes_of_one {
            return;
        }
        let first = token.changes.first().map_or(visit.started, |(when, _)| *when);
        findings.about(
            visit,
            Finding {
                confidence: if others >= changes { Confidence::High } else { Confidence::Medium },
                because: Some(format!(
                    "{} changes between networks in {:.0} s, {others} of them with another program; who travels changes once.",
                    token.changes.len(),
                    visit.started.since(first).as_secs_f64()
                )),
                ..Finding::new(&DETECTOR, "two_networks", Subject::Client, Severity::High)
            },
        );
    }

    fn footprint(&self) -> usize {
        self.tokens.iter().map(|(_, token)| 80 + 24 * token.changes.capacity()).sum()
    }

    fn forgotten(&self) -> u64 {
        self.tokens.forgotten()
    }
}

/// The part of an address that the machines of one place share: /16, or /48 (RFC 6177).
fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 16),
        IpAddr::V6(address) => (address.to_bits() >> 80) as u64 | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};
    use crate::identity::Credential;

    fn from(client: &str, agent: u64, seconds: f64) -> Visit {
        let mut visit = at(seconds, visit(client, "/x", 200));
        visit.agent = Hash(agent);
        visit.credential = Some(Credential { kind: CredentialKind::Jwt, hash: Hash(5) });
        visit
    }

    #[test]
    fn two_programs_in_turn() {
        let turns = (0..6).map(|n| from(if n % 2 == 0 { "10.1.0.1" } else { "10.2.0.1" }, n % 2, n as f64 * 10.0));
        let (observations, _) = judge(&TOKEN_REUSE, turns);
        assert_eq!(observations.len(), 3);
        let slow = (0..6).map(|n| from(if n % 2 == 0 { "10.1.0.1" } else { "10.2.0.1" }, n % 2, n as f64 * 1_000.0));
        assert!(judge(&TOKEN_REUSE, slow).0.is_empty());
    }

    #[test]
    fn who_travels_and_who_has_two_machines_in_one_place() {
        let travels = [from("10.1.0.1", 1, 0.0), from("10.2.0.1", 1, 60.0), from("10.1.0.1", 1, 120.0)];
        assert!(judge(&TOKEN_REUSE, travels).0.is_empty());
        let two = (0..50).map(|n| from(&format!("10.1.0.{}", n % 2), n % 2, n as f64));
        assert!(judge(&TOKEN_REUSE, two).0.is_empty());
    }
}
