//! Forced browsing: a client asks for paths that are not there, one after another, to find those that are.
//!
//! What tells it from people: they meet dead links one at a time, and the same ones again. A client that walks a list of words
//! asks for many *different* paths, and most of its paths are not there. Rate plays no part: a slow walk asks for as many.
//!
//! Sees: method, path (as a hash), status. Misses: who walks with many addresses and without a credential, each below the
//! threshold; servers that answer 200 to everything.

use super::bounded::Bounded;
use super::{Behaviour, Findings, Judge, Seen};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::time::{Span, Timestamp};
use crate::visit::{Actor, Hash, Outcome, Visit};

static DETECTOR: Detector = Detector {
    name: "scan.forced_browsing",
    family: Family::Scan,
    title: "A client looks for paths that are not linked",
    description: "One client asks for many different paths that do not exist, which people and programs that know the \
                  interface do not. It is how forgotten files, consoles and undocumented operations are found.",
    remediation: "See which of the client's requests were answered, below the same client and time, and whether they should \
                  have been. Limit how many unknown paths a client may ask for.",
    owasp: "API9:2023",
    cwe: "CWE-425",
    attack: "T1595.003",
};

pub(crate) static FORCED_BROWSING: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|_: &Settings| Box::new(State { clients: Bounded::new(CLIENTS) })),
};

/// Different paths that are not there before a client is told of: dead links, a missing icon and old bookmarks of one
/// person stay below ten in a day.
const MISSING: usize = 20;

/// The least share of different paths that were not there, in percent. A crawler that follows links finds most of them.
const SHARE: usize = 50;

/// How long a client may be quiet until it starts anew.
const QUIET: Span = Span::from_secs(6 * 3600);

/// Clients that are remembered, at about 700 octets each: 35 MB.
const CLIENTS: usize = 50_000;

/// Different paths that are told apart for each client: as many as decide.
const PATHS: usize = 64;

struct State {
    clients: Bounded<(Actor, Hash), Client>,
}

#[derive(Default)]
struct Client {
    last: Timestamp,
    first: Timestamp,
    missing: Vec<Hash>,
    found: Vec<Hash>,
    requests: u64,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        if !matches!(visit.outcome, Outcome::NotFound | Outcome::Accepted) {
            return;
        }
        let key = (visit.actor(), visit.server);
        // Who has missed nothing yet needs no place.
        if visit.outcome == Outcome::Accepted && self.clients.get(&key).is_none() {
            return;
        }
        let client = self.clients.entry(key, Client::default);
        if visit.started.since(client.last) > QUIET || client.requests == 0 {
            *client = Client { first: visit.started, ..Client::default() };
        }
        client.last = visit.started;
        client.requests += 1;
        let known = if visit.outcome == Outcome::NotFound { &mut client.missing } else { &mut client.found };
        let is_new = !known.contains(&visit.path);
        if is_new && known.len() < PATHS {
            known.push(visit.path);
        }
        let (missing, found) = (client.missing.len(), client.found.len());
        let is_walk = missing >= MISSING && missing * 100 >= SHARE * (missing + found);
        if is_walk && visit.outcome == Outcome::NotFound && (is_new || missing == PATHS) {
            let more = if missing == PATHS { "more than " } else { "" };
            let span = visit.started.since(client.first).as_secs_f64();
            findings.about(
                visit,
                Finding {
                    confidence: Confidence::High,
                    because: Some(format!(
                        "{more}{missing} different paths were not there in {span:.0} s, {found} were; people meet fewer than \
                         {MISSING}."
                    )),
                    ..Finding::new(&DETECTOR, "unknown_paths", Subject::Client, Severity::Medium)
                },
            );
        }
    }

    fn footprint(&self) -> usize {
        let paths = |client: &Client| (client.missing.capacity() + client.found.capacity()) * size_of::<Hash>();
        self.clients.iter().map(|(_, client)| 200 + paths(client)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};

    #[test]
    fn a_walk_over_a_list_is_told_once_it_is_one() {
        let walk =
            (0..40).map(|n| at(f64::from(n), visit("10.0.0.1", &format!("/a{n}"), if n % 9 == 8 { 200 } else { 404 })));
        let (observations, _) = judge(&FORCED_BROWSING, walk);
        assert_eq!(observations.len(), 17);
        let finding = &observations[0].findings[0];
        assert_eq!((finding.severity, finding.subject), (Severity::Medium, Subject::Client));
        assert_eq!(
            finding.because.as_deref(),
            Some("20 different paths were not there in 21 s, 2 were; people meet fewer than 20.")
        );
    }

    #[test]
    fn slowness_does_not_hide_a_walk() {
        let walk = (0..40).map(|n| at(f64::from(n) * 3_600.0, visit("10.0.0.1", &format!("/a{n}"), 404)));
        assert!(!judge(&FORCED_BROWSING, walk).0.is_empty());
    }

    #[test]
    fn dead_links_and_crawlers_are_no_walk() {
        // The same dead link again and again.
        let dead = (0..500).map(|n| at(f64::from(n), visit("10.0.0.1", "/favicon.ico", 404)));
        assert!(judge(&FORCED_BROWSING, dead).0.is_empty());
        // A crawler of a catalogue in which every fifth thing is gone.
        let crawl = (0..500)
            .map(|n| at(f64::from(n), visit("10.0.0.1", &format!("/p{n}"), if n % 5 == 1 { 404 } else { 200 })));
        assert!(judge(&FORCED_BROWSING, crawl).0.is_empty());
        // Many people behind one address, days apart.
        let office = (0..60).map(|n| at(f64::from(n) * 30_000.0, visit("10.0.0.1", &format!("/a{n}"), 404)));
        assert!(judge(&FORCED_BROWSING, office).0.is_empty());
    }

    #[test]
    fn state_is_bounded_and_a_walk_is_found_among_a_million_clients() {
        let crowd =
            |from: u32| (from..from + 500_000).map(|n| visit(&std::net::Ipv4Addr::from(n).to_string(), "/x", 404));
        let walk = (0..40).map(|n| visit("192.0.2.1", &format!("/a{n}"), 404));
        let (observations, footprint) = judge(&FORCED_BROWSING, crowd(1 << 24).chain(walk).chain(crowd(1 << 26)));
        assert!(footprint < 35 << 20, "{footprint}");
        assert!(observations.iter().all(|observation| observation.context.client.ip().to_string() == "192.0.2.1"));
        assert!(!observations.is_empty());
    }
}
