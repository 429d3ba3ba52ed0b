//! Forced browsing: a client asks for paths that are not there, one after another, to find those that are.
//!
//! What tells it from people: they meet dead links one at a time, and the same ones again. A client that walks a list of words
//! asks for many *different* paths, and most of its paths are not there. Rate plays no part: a slow walk asks for as many.
//!
//! Paths that nobody links, such as `/.git/HEAD` or `/backup.sql`, count sooner than others.
//!
//! Sees: path (as a hash, and whether it is such a one), status. Misses: who walks with many addresses and without a credential, each below the
//! threshold; servers that answer 200 to everything.

use super::bounded::Bounded;
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::endpoint;
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
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
    knobs: &[&Limits::KNOBS],
    observe,
    state: Some(|settings: &Settings| Box::new(State { limits: Limits::of(settings), clients: Bounded::new(CLIENTS) })),
};

knobs! {
    /// When a client is told of.
    struct Limits {
        /// Different paths that are not there before a client is told of.
        paths: usize = 20 "paths", 2 to 64, "scan.forced_browsing.paths",
            "Dead links, a missing icon and old bookmarks of one person stay below ten in a day.";
        /// Different paths that are not there before a client is told of, when enough of them are probes.
        paths_with_probes: usize = 10 "paths", 2 to 64, "scan.forced_browsing.paths_with_probes",
            "What one person meets by accident is fewer, and seldom of this kind.";
        /// Probes that are enough: paths that are tried in the hope that they were forgotten.
        probes: usize = 6 "paths", 1 to 64, "scan.forced_browsing.probes",
            "A person meets an icon for some program, an old console, the description of the interface.";
        /// The least share of paths that were not there, among the different ones that a client asked for.
        share: usize = 50 "%", 1 to 100, "scan.forced_browsing.share",
            "A crawler that follows links finds most of them.";
    }
}

/// How long a client may be quiet until it starts anew.
const QUIET: Span = Span::from_secs(6 * 3600);

/// Clients that are remembered, at about 700 octets each: 35 MB.
const CLIENTS: usize = 50_000;

/// Different paths that are told apart for each client. Past that the older half of those found and of those missing is
/// forgotten, so that the share is that of late.
const PATHS: usize = 64;

struct State {
    limits: Limits,
    clients: Bounded<(Actor, Hash), Client>,
}

#[derive(Default)]
struct Client {
    last: Timestamp,
    first: Timestamp,
    missing: Vec<Hash>,
    found: Vec<Hash>,
    /// Different paths that were not there and are forgotten.
    forgotten: usize,
    /// Among all that were not there, those that are probed for.
    probes: usize,
    requests: u64,
}

/// Notes a path that is probed for, when it was not there.
fn observe(seen: &mut Seen<'_>) {
    if matches!(seen.visit.outcome, Outcome::NotFound | Outcome::Refused)
        && let Some(request) = &seen.exchange.request
        && endpoint::segments(endpoint::path(request.target)).any(is_probed)
    {
        seen.visit.facts.push(Fact::Probe);
    }
}

/// Whether a segment names what servers have lying about: hidden files, backups, scripts of other systems, consoles.
fn is_probed(segment: &[u8]) -> bool {
    const ENDINGS: [&[u8]; 19] = [
        b"php", b"asp", b"aspx", b"jsp", b"cgi", b"sql", b"bak", b"old", b"orig", b"swp", b"zip", b"gz", b"tar",
        b"rar", b"env", b"ini", b"log", b"conf", b"yml",
    ];
    const WORDS: [&[u8]; 24] = [
        b"admin",
        b"administrator",
        b"actuator",
        b"backup",
        b"backups",
        b"cgi-bin",
        b"config",
        b"console",
        b"dashboard",
        b"debug",
        b"dump",
        b"heapdump",
        b"internal",
        b"jenkins",
        b"manager",
        b"metrics",
        b"phpmyadmin",
        b"pprof",
        b"server-status",
        b"solr",
        b"swagger",
        b"test",
        b"wp-admin",
        b"wp-login",
    ];
    let is = |list: &[&[u8]], word: &[u8]| list.iter().any(|known| known.eq_ignore_ascii_case(word));
    if segment.first() == Some(&b'.') {
        return !segment.eq_ignore_ascii_case(b".well-known");
    }
    let ending = segment.rsplit(|octet| *octet == b'.').next().unwrap_or_default();
    is(&WORDS, segment) || (ending.len() < segment.len() && is(&ENDINGS, ending))
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let is_probe = visit.facts.contains(&Fact::Probe);
        let is_missing = visit.outcome == Outcome::NotFound || is_probe;
        if !is_missing && visit.outcome != Outcome::Accepted {
            return;
        }
        let key = (visit.actor(), visit.server);
        // Who has missed nothing yet needs no place.
        if !is_missing && self.clients.get(&key).is_none() {
            return;
        }
        let client = self.clients.entry(key, Client::default);
        if visit.started.since(client.last) > QUIET || client.requests == 0 {
            *client = Client { first: visit.started, ..Client::default() };
        }
        client.last = visit.started;
        client.requests += 1;
        let known = if is_missing { &mut client.missing } else { &mut client.found };
        if known.contains(&visit.path) {
            return;
        }
        known.push(visit.path);
        client.probes += usize::from(is_probe);
        if known.len() > PATHS {
            client.forgotten += client.missing.len() / 2;
            client.missing.drain(..client.missing.len() / 2);
            client.found.drain(..client.found.len() / 2);
        }
        if is_missing && client.is_walk(self.limits) {
            let span = visit.started.since(client.first).as_secs_f64();
            let missing = client.missing.len() + client.forgotten;
            findings.about(
                visit,
                Finding {
                    confidence: Confidence::High,
                    because: Some(format!(
                        "{missing} different paths were not there in {span:.0} s, {} of them such as are probed for, beside {} \
                         that were there; people meet fewer than {}.",
                        client.probes,
                        client.found.len(),
                        self.limits.paths
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

    fn forgotten(&self) -> u64 {
        self.clients.forgotten()
    }
}

impl Client {
    fn is_walk(&self, limits: Limits) -> bool {
        let (missing, found) = (self.missing.len(), self.found.len());
        let is_many = missing >= limits.paths || (missing >= limits.paths_with_probes && self.probes >= limits.probes);
        is_many && missing * 100 >= limits.share * (missing + found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, judge_with, visit};

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
            Some(
                "20 different paths were not there in 21 s, 0 of them such as are probed for, beside 2 that were there; people \
                 meet fewer than 20."
            )
        );
    }

    #[test]
    fn paths_that_nobody_links_count_sooner() {
        for probed in ["/.git/HEAD", "/backup.sql", "/wp-admin/", "/index.php"] {
            assert!(endpoint::segments(probed.as_bytes()).any(is_probed), "{probed}");
        }
        for plain in ["/.well-known/jwks.json", "/orders/latest", "/catalog"] {
            assert!(!endpoint::segments(plain.as_bytes()).any(is_probed), "{plain}");
        }
        let walk = |probes| {
            (0..12_usize).map(move |n| {
                let mut visit =
                    at(n as f64 * 60.0, visit("10.0.0.1", &format!("/a{n}"), if n < 3 { 403 } else { 404 }));
                if n < probes {
                    visit.facts.push(Fact::Probe);
                }
                visit
            })
        };
        assert!(!judge(&FORCED_BROWSING, walk(8)).0.is_empty());
        assert!(judge(&FORCED_BROWSING, walk(4)).0.is_empty());
    }

    #[test]
    fn the_configured_number_of_paths_is_what_counts() {
        let told_with = |paths: i64| {
            let mut settings = Settings::default();
            settings.thresholds.set(&Limits::KNOBS[0], paths).unwrap();
            let walk = (0..12).map(|n| at(f64::from(n), visit("10.0.0.1", &format!("/a{n}"), 404)));
            judge_with(&settings, &FORCED_BROWSING, walk).0
        };
        let told = told_with(12);
        let [observation] = told.as_slice() else { panic!("{told:?}") };
        assert!(observation.findings[0].because.as_deref().unwrap().ends_with("people meet fewer than 12."));
        assert!(told_with(13).is_empty());
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
