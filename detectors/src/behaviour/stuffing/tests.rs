use super::*;
use crate::behaviour::tests::{at, judge, visit};
use crate::observation::Observation;
use Verdict::{In, Out};

/// An attempt of a client on an account with a password.
fn attempt(client: &str, account: u64, secret: u64, verdict: Verdict) -> Visit {
    kind(client, account, secret, verdict, AttemptKind::Password)
}

fn kind(client: &str, account: u64, secret: u64, verdict: Verdict, kind: AttemptKind) -> Visit {
    let mut visit = visit(client, "/login", if verdict == Out { 401 } else { 200 });
    let (account, secret) = (Some(Hash(account)), Some(Hash(secret)));
    visit.facts.push(Fact::Login(Attempt { account, lasting: account, secret, kind, verdict, answer: Hash(0) }));
    visit
}

fn found(visits: impl IntoIterator<Item = Visit>) -> Vec<Observation> {
    judge(&STUFFING, visits).0
}

fn names(observations: &[Observation]) -> Vec<(&'static str, Severity)> {
    let mut names: Vec<_> = observations
        .iter()
        .flat_map(|observation| &observation.findings)
        .map(|finding| (finding.detector.name, finding.severity))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn a_list_of_names_and_passwords() {
    let list = (0..60).map(|n| at(n as f64, attempt("10.0.0.1", n, 1_000 + n, if n == 50 { In } else { Out })));
    let observations = found(list);
    assert_eq!(
        names(&observations),
        [
            ("credential_stuffing.compromised_account", Severity::Critical),
            ("credential_stuffing.many_accounts", Severity::Medium),
            ("credential_stuffing.many_accounts", Severity::High),
            ("credential_stuffing.missing_control", Severity::Medium),
        ]
    );
    assert_eq!(
        observations[0].findings[0].because.as_deref(),
        Some("10 accounts did not let it in and 0 did in 9 s; behind the address of an office fewer than 10 fail.")
    );
}

#[test]
fn guessing_one_account_by_password_and_by_pin() {
    let guesses = (0..12).map(|n| at(n as f64 * 900.0, attempt("10.0.0.1", 7, n, Out)));
    assert_eq!(names(&found(guesses)), [("credential_stuffing.brute_force", Severity::Medium)]);
    let pins = (0..20).map(|n| at(n as f64, kind("10.0.0.1", 7, n, Out, AttemptKind::Code)));
    assert_eq!(names(&found(pins)).last(), Some(&("credential_stuffing.brute_force", Severity::High)));
    let hit = (0..20).map(|n| at(n as f64, attempt("10.0.0.1", 7, n, if n == 19 { In } else { Out })));
    assert!(names(&found(hit)).contains(&("credential_stuffing.compromised_account", Severity::Critical)));
    let shared = (0..20).map(|n| at(n as f64, attempt(&format!("10.0.{n}.1"), 7, n, Out)));
    assert!(names(&found(shared)).contains(&("credential_stuffing.distributed", Severity::High)));
}

#[test]
fn one_password_over_a_day() {
    let spray = (0..24).map(|n| at(n as f64 * 3_000.0, attempt(&format!("10.0.{n}.1"), n, 5, Out)));
    assert_eq!(names(&found(spray)).last(), Some(&("credential_stuffing.spraying", Severity::High)));
}

#[test]
fn people_are_no_attack() {
    // Mistyping twice, each then gets in, hundreds of them behind one address.
    let office = (0..300_u64).flat_map(|n| {
        let try_at = |after: f64, secret, verdict| at(n as f64 * 30.0 + after, attempt("10.0.0.1", n, secret, verdict));
        [try_at(0.0, 3 * n, Out), try_at(6.0, 3 * n + 1, Out), try_at(12.0, 3 * n + 2, In)]
    });
    assert!(found(office).is_empty());
    // A program with a stale password.
    let stale = (0..500).map(|n| at(n as f64 * 60.0, attempt("10.0.0.1", 7, 7, Out)));
    assert!(found(stale).is_empty());
    // Somebody who forgot the password.
    let forgot = (0..7).map(|n| at(n as f64 * 20.0, attempt("10.0.0.1", 7, n, Out)));
    assert!(found(forgot).is_empty());
    // Sessions that run out after a deployment.
    let storm =
        (0..500).map(|n| at(0.1 * n as f64, kind(&format!("10.0.0.{}", n % 250), n, n, Out, AttemptKind::Refresh)));
    assert!(found(storm).is_empty());
}

/// People who log in, some mistyping first, and clients that fail once each.
fn crowd(attackers: u64, make: impl Fn(u64) -> Visit) -> Vec<Visit> {
    let people = (0..40_u64).flat_map(|n| {
        let address = format!("10.1.{n}.9");
        let late = n as f64 * 5.0;
        let typo = (n % 5 == 0).then(|| at(late, attempt(&address, n, n, Out)));
        typo.into_iter().chain([at(late + 8.0, attempt(&address, n, n + 500, In))])
    });
    let mut visits: Vec<_> = people.chain((0..attackers).map(|n| at(n as f64 * 2.0, make(n)))).collect();
    visits.sort_by_key(|visit| visit.started);
    visits
}

#[test]
fn clients_that_try_once_each_are_told_by_what_they_have_in_common() {
    let by_block = crowd(60, |n| attempt(&format!("10.66.4.{n}"), 900 + n, 9_000 + n, Out));
    let by_fields =
        crowd(60, |n| Visit { shape: Hash(77), ..attempt(&format!("10.{}.4.1", 100 + n), 900 + n, 9_000 + n, Out) });
    for visits in [by_block, by_fields] {
        let observations = found(visits);
        assert_eq!(observations.len(), 60);
        assert_eq!(names(&observations), [("credential_stuffing.distributed", Severity::High)]);
        assert!(
            observations.iter().all(|observation| !observation.context.client.ip().to_string().starts_with("10.1."))
        );
    }
}

#[test]
fn a_server_that_lets_nobody_in_accuses_nobody() {
    let fault = (0..200).map(|n| at(n as f64 * 3.0, attempt(&format!("10.66.4.{n}"), n, n, Out)));
    assert!(found(fault).is_empty());
    let both = crowd(60, |n| attempt(&format!("10.66.4.{n}"), 900 + n, 9_000 + n, if n % 3 == 0 { In } else { Out }));
    assert!(found(both).is_empty());
}

#[test]
fn more_failures_than_before_without_anything_in_common() {
    let early = (0..100).map(|n| at(n as f64, attempt(&format!("10.1.{n}.1"), n, n, In)));
    let late = (0..100_u64).map(|n| {
        let verdict = if n % 2 == 0 { In } else { Out };
        let mut visit = attempt(&format!("10.2.{n}.1"), 500 + n, 500 + n, verdict);
        // Browsers of all kinds, among those who fail and those who do not.
        (visit.agent, visit.shape) = (Hash(n / 2 % 5), Hash(n / 2 % 3));
        at(5_000.0 + n as f64 * 5.0, visit)
    });
    let visits = early.chain(late).map(|mut visit| {
        let last = visit.context.client.to_string();
        // A /16 for each, so that no block stands out.
        let number: u16 = last.split('.').nth(2).and_then(|octet| octet.parse().ok()).unwrap_or(0);
        visit.context.client =
            format!("{}.{number}.1.1:5", last.split('.').nth(1).map_or(1, |_| 20 + number % 100)).parse().unwrap();
        visit
    });
    let observations = found(visits);
    assert!(!observations.is_empty());
    assert!(observations.iter().all(|observation| observation.findings[0].rule == "share"));
}

#[test]
fn limits_and_growing_waits_are_controls() {
    let slowed = (0..60_u64).map(|n| {
        let mut visit = at(n as f64 * 40.0, attempt("10.0.0.1", n, n, Out));
        visit.took = Span::from_millis(if n < 5 { 20 } else { 30_000 });
        visit
    });
    assert!(!names(&found(slowed)).iter().any(|(name, _)| name.ends_with("missing_control")));
    let limited =
        (0..200_u64).map(|n| at(n as f64, attempt("10.0.0.1", n, n, if n % 10 == 9 { Verdict::Limited } else { Out })));
    assert!(!names(&found(limited)).iter().any(|(name, _)| name.ends_with("missing_control")));
}

#[test]
fn who_goes_on_past_a_limit_is_no_less_of_a_guesser() {
    let verdict = |n: u64| if n < 5 { Out } else { Verdict::Limited };
    let list = found((0..30).map(|n| at(n as f64, attempt("10.0.0.1", n, n, verdict(n)))));
    assert!(names(&list).contains(&("credential_stuffing.many_accounts", Severity::Medium)));
    let guesses = found((0..30).map(|n| at(n as f64, attempt("10.0.0.1", 1, n, verdict(n)))));
    assert!(names(&guesses).contains(&("credential_stuffing.brute_force", Severity::Medium)));
    // An office: some mistype and some get in, until what the address may try is used up.
    let office = (0..30).map(|n| {
        let verdict = match n {
            0..10 if n % 2 == 0 => Out,
            0..10 => In,
            _ => Verdict::Limited,
        };
        at(n as f64, attempt("10.0.0.1", n, n, verdict))
    });
    assert!(found(office).is_empty());
    // A limit for everybody.
    assert!(found((0..30).map(|n| at(n as f64, attempt("10.0.0.1", n, n, Verdict::Limited)))).is_empty());
}

#[test]
fn state_is_bounded_and_attacks_are_found_among_a_million_clients_and_accounts() {
    let crowd = (0..1_000_000_u32).map(|n| {
        let address = std::net::Ipv4Addr::from(0x1400_0000 + n).to_string();
        let verdict = if n % 4 == 0 { Out } else { In };
        at(f64::from(n) * 0.01, attempt(&address, u64::from(n), u64::from(n), verdict))
    });
    // A list from one client and guesses at one account, a try for each hundred of other people's.
    let mixed = crowd.enumerate().flat_map(|(n, person)| {
        let n = n as u64;
        let when = person.started;
        let attack = (n > 900_000 && n.is_multiple_of(100)).then(|| {
            let mut list = attempt("192.0.2.1", 5_000_000 + n, 5_000_000 + n, Out);
            let mut guess = attempt("192.0.2.2", 4_000_000, 6_000_000 + n, Out);
            (list.started, guess.started) = (when, when);
            [list, guess]
        });
        std::iter::once(person).chain(attack.into_iter().flatten())
    });
    let (observations, footprint) = judge(&STUFFING, mixed);
    assert!(footprint < 80 << 20, "{footprint}");
    let told = names(&observations);
    for name in ["credential_stuffing.brute_force", "credential_stuffing.many_accounts"] {
        assert!(told.contains(&(name, Severity::High)), "{told:?}");
    }
    assert!(observations.iter().all(|observation| observation.context.client.ip().to_string().starts_with("192.0.2.")));
}

/// How the accounts are called that a list entered, with and without a key.
fn entered(principal_key: Option<[u8; 32]>) -> Vec<(String, Option<String>)> {
    let mut state = State::new(&Settings { principal_key, ..Settings::default() });
    let mut named = Vec::new();
    for n in 0..60 {
        let visit = at(n as f64, attempt("10.0.0.1", n, 1_000 + n, if n >= 58 { In } else { Out }));
        let mut take = |observation: Observation| {
            let evidence = observation.findings.into_iter().flat_map(|finding| finding.evidence);
            named.extend(evidence.map(|evidence| (evidence.masked, evidence.value_hash)));
        };
        state.apply(&visit, &mut Findings { emit: &mut take });
    }
    named
}

#[test]
fn entered_accounts_have_numbers_without_a_key_and_hashes_with_one() {
    assert_eq!(entered(None), [("account #1".to_owned(), None), ("account #2".to_owned(), None)]);
    let hashed = entered(Some([3; 32]));
    let of = |account| Principals::new(Some([3; 32])).name(Hash(account)).to_string();
    let expected = [58, 59].map(|account| (format!("account {}", of(account)), Some(of(account))));
    assert_eq!(hashed, expected);
}

#[test]
fn many_failures_at_an_hour_at_which_nobody_fails() {
    const HOUR: f64 = 3_600.0;
    let mut clients = 0_u32;
    let mut logins = |when: f64, count: u32, failing: u32| -> Vec<Visit> {
        let one = |n: u32| {
            clients += 1;
            let mut visit = attempt(
                &std::net::Ipv4Addr::from(0x0a00_0000 + clients * 0x0001_0100).to_string(),
                u64::from(clients),
                u64::from(clients),
                if n < failing { Out } else { In },
            );
            (visit.agent, visit.shape) = (Hash(u64::from(clients)), Hash(u64::from(clients)));
            at(when + f64::from(n), visit)
        };
        (0..count).map(one).collect()
    };
    // By day half of them mistype and give up; at night few come, and get in.
    let days = |logins: &mut dyn FnMut(f64, u32, u32) -> Vec<Visit>, nights: u32| -> Vec<Visit> {
        (0..3)
            .flat_map(|day| {
                let night = logins(f64::from(day) * 24.0 * HOUR + 3.0 * HOUR, nights, 0);
                let noon = logins(f64::from(day) * 24.0 * HOUR + 12.0 * HOUR, 100, 50);
                night.into_iter().chain(noon)
            })
            .collect()
    };
    let attack = |logins: &mut dyn FnMut(f64, u32, u32) -> Vec<Visit>| logins(75.0 * HOUR, 50, 38);
    let known = days(&mut logins, 15).into_iter().chain(attack(&mut logins));
    let told = found(known);
    assert!(!told.is_empty());
    let because = told[0].findings[0].because.clone().unwrap();
    assert!(because.ends_with("of 45 at this hour of earlier days 0 did not."), "{because}");
    let unknown = days(&mut logins, 0).into_iter().chain(attack(&mut logins));
    assert!(found(unknown).is_empty());
}
