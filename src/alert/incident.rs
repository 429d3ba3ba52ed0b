//! Incidents: what one actor does in several ways within a day, as one thing to look at.
//!
//! Who scans for paths, then replays passwords, then walks over the accounts with the token that was got, raises an alert of
//! each family. They are held together by who did it: the client's address or the principal, and whoever was seen with both
//! joins them. An incident exists once two families are involved; the actor's earlier alerts get its id, too. One that has
//! closed by then is written once more, with the incident and nothing else changed. Where an alert is written only once
//! (`read`), that holds for those whose end state still waits for older alerts.
//!
//! Only findings of medium severity or above count: what everyone's traffic raises does not make an incident.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use apitap_detectors::finding::Family;

use super::{AlertId, ExchangeContext, Finding, Severity, Subject};
use crate::time::{Span, Timestamp};

/// How long an actor may do nothing until it is another incident.
const QUIET: Span = Span::from_secs(24 * 3600);

/// Actors that are watched, at most about 1 KB each: 10 MB. Past that the one that began first is forgotten.
const ACTORS: usize = 10_000;

/// Alerts that are kept for each of them until there is an incident, and names it is known by.
const KEPT: usize = 64;

/// The actors, and what they did.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    begun: u64,
    cases: BTreeMap<u64, Case>,
    /// Never iterated.
    by_actor: HashMap<Actor, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Actor {
    Client(IpAddr),
    Principal(Arc<str>),
}

/// What one actor did.
#[derive(Debug)]
struct Case {
    id: AlertId,
    last: Timestamp,
    actors: Vec<Actor>,
    families: Vec<Family>,
    /// Numbers of alerts that wait for the incident to exist.
    waiting: Vec<u64>,
}

/// What became of a finding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joined {
    /// The incident.
    pub(super) id: AlertId,
    /// The alerts that belong to it from now on.
    pub(super) alerts: Vec<u64>,
    /// Whether it came into being with this.
    pub(super) is_new: bool,
}

impl Incidents {
    /// Takes a match of the alert `number`; says which incident that belongs to, if it is part of one.
    ///
    /// `id` makes the id, should this be the first of its actor.
    pub(super) fn take(
        &mut self,
        finding: &Finding,
        context: &ExchangeContext,
        number: u64,
        now: Timestamp,
        id: impl FnOnce() -> AlertId,
    ) -> Option<Joined> {
        if !Self::counts(finding) {
            return None;
        }
        let actors = [Some(Actor::Client(context.client.ip())), context.principal.clone().map(Actor::Principal)];
        let actors: Vec<Actor> = actors.into_iter().flatten().collect();
        let case_number = self.case(&actors, now).unwrap_or_else(|| self.begin(id()));
        let case = self.cases.get_mut(&case_number)?;
        case.last = case.last.max(now);
        for actor in actors {
            if !case.actors.contains(&actor) && case.actors.len() < KEPT {
                case.actors.push(actor.clone());
                self.by_actor.insert(actor, case_number);
            }
        }
        let was_one = case.families.len() >= 2;
        if !case.families.contains(&finding.detector.family) {
            case.families.push(finding.detector.family);
        }
        if !case.waiting.contains(&number) && case.waiting.len() < KEPT {
            case.waiting.push(number);
        }
        let is_one = case.families.len() >= 2;
        is_one.then(|| Joined { id: case.id, alerts: std::mem::take(&mut case.waiting), is_new: !was_one })
    }

    /// Whether a finding is a deed that an incident may be made of.
    pub(super) fn counts(finding: &Finding) -> bool {
        // The state of an endpoint is nobody's doing, unless it is attacked.
        let is_deed = matches!(finding.subject, Subject::Client | Subject::ClientAtEndpoint)
            || matches!(finding.detector.family, Family::CredentialStuffing | Family::Injection | Family::Scan);
        finding.severity >= Severity::Medium && is_deed
    }

    /// The case of one of these actors that goes on: the earliest.
    fn case(&self, actors: &[Actor], now: Timestamp) -> Option<u64> {
        let cases = actors.iter().filter_map(|actor| self.by_actor.get(actor).copied());
        cases.filter(|number| self.cases.get(number).is_some_and(|case| now.since(case.last) < QUIET)).min()
    }

    fn begin(&mut self, id: AlertId) -> u64 {
        if self.cases.len() >= ACTORS
            && let Some((oldest, case)) = self.cases.pop_first()
        {
            for actor in case.actors {
                if self.by_actor.get(&actor) == Some(&oldest) {
                    self.by_actor.remove(&actor);
                }
            }
        }
        let number = self.begun;
        self.begun += 1;
        let case = Case { id, last: Timestamp::MIN, actors: Vec::new(), families: Vec::new(), waiting: Vec::new() };
        self.cases.insert(number, case);
        number
    }
}

#[cfg(test)]
mod tests {
    use apitap_detectors::finding::Detector;

    use super::*;
    use crate::alert::open::tests::{DETECTOR, context, finding};

    static SCAN: Detector = Detector { name: "scan.test", family: Family::Scan, ..DETECTOR_COPY };
    static STUFFING: Detector =
        Detector { name: "credential_stuffing.test", family: Family::CredentialStuffing, ..DETECTOR_COPY };
    const DETECTOR_COPY: Detector = Detector {
        name: "",
        family: Family::Pii,
        title: "",
        description: "",
        remediation: "",
        owasp: "",
        cwe: "",
        attack: "",
    };

    fn deed(detector: &'static Detector) -> Finding {
        Finding { detector, subject: Subject::Client, severity: Severity::Medium, ..finding("a", 1) }
    }

    fn take(
        incidents: &mut Incidents,
        finding: &Finding,
        context: &ExchangeContext,
        number: u64,
        hour: i64,
    ) -> Option<Joined> {
        let now = Timestamp::from_nanos(hour * 3_600_000_000_000);
        incidents.take(finding, context, number, now, || AlertId::from_u128(u128::from(number)))
    }

    #[test]
    fn two_families_of_one_client_are_an_incident() {
        let (mut incidents, client) = (Incidents::default(), context("10.0.0.1:1"));
        assert_eq!(take(&mut incidents, &deed(&SCAN), &client, 1, 0), None);
        assert_eq!(take(&mut incidents, &deed(&SCAN), &context("10.0.0.2:1"), 2, 0), None);
        let id = AlertId::from_u128(1);
        assert_eq!(
            take(&mut incidents, &deed(&STUFFING), &client, 3, 1),
            Some(Joined { id, alerts: vec![1, 3], is_new: true })
        );
        assert_eq!(
            take(&mut incidents, &deed(&STUFFING), &client, 4, 1),
            Some(Joined { id, alerts: vec![4], is_new: false })
        );
    }

    #[test]
    fn a_principal_goes_on_from_another_address() {
        let mut incidents = Incidents::default();
        let with_token = |client| ExchangeContext { principal: Some("p".into()), ..context(client) };
        take(&mut incidents, &deed(&SCAN), &context("10.0.0.1:1"), 1, 0);
        take(&mut incidents, &deed(&STUFFING), &with_token("10.0.0.1:1"), 2, 0);
        let joined = take(&mut incidents, &deed(&STUFFING), &with_token("10.0.0.9:1"), 3, 2).unwrap();
        assert_eq!((joined.id, joined.alerts), (AlertId::from_u128(1), vec![3]));
    }

    #[test]
    fn a_day_later_and_what_everyone_raises_are_another_matter() {
        let (mut incidents, client) = (Incidents::default(), context("10.0.0.1:1"));
        take(&mut incidents, &deed(&SCAN), &client, 1, 0);
        let mild = Finding { severity: Severity::Low, ..deed(&STUFFING) };
        assert_eq!(take(&mut incidents, &mild, &client, 2, 0), None);
        let everyones = Finding { subject: Subject::Endpoint, ..deed(&DETECTOR) };
        assert_eq!(take(&mut incidents, &everyones, &client, 3, 0), None);
        assert_eq!(take(&mut incidents, &deed(&STUFFING), &client, 4, 25), None);
    }

    #[test]
    fn actors_are_bounded() {
        let mut incidents = Incidents::default();
        for number in 0..3 * ACTORS as u32 {
            let client = context(&format!("{}:1", std::net::Ipv4Addr::from(number)));
            take(&mut incidents, &deed(&SCAN), &client, u64::from(number), 0);
        }
        assert_eq!((incidents.cases.len(), incidents.by_actor.len()), (ACTORS, ACTORS));
    }
}
