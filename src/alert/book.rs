//! The open alerts, and when what of them is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::incident::Incidents;
use super::open::{Kind, OpenAlert};
use super::suppress::{Applied, Fate, Suppression, Suppressions};
use super::{AlertId, ExchangeContext, Finding, Fingerprint, Observation, Revision, State};
use crate::counters::counters;
use crate::time::{Order, Span, Timestamp};

/// What an [`AlertBook`] goes by.
#[derive(Clone)]
pub struct Settings {
    /// Name of the sensor, part of every id.
    pub sensor: String,
    /// Key of the ids: [`Keys::id`](crate::keys::Keys::id).
    pub id_key: [u8; 32],
    /// Which states of an alert are written.
    pub emit: Emit,
    /// How many alerts may be open, at about 6 KB each at worst. What would open a further one goes to one overflow alert
    /// for each rule.
    pub open_limit: usize,
    /// How long after its last match an alert closes.
    pub close_after: Span,
    /// The least time between two revisions of a growing alert.
    pub revise_after: Span,
    /// Findings that are not to be told.
    pub suppressions: Vec<Suppression>,
}

impl std::fmt::Debug for Settings {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("sensor", &self.sensor).field("emit", &self.emit).finish_non_exhaustive()
    }
}

impl Settings {
    /// The settings of the design: 10,000 open alerts, an hour, a minute.
    pub fn new(sensor: impl Into<String>, id_key: [u8; 32], emit: Emit) -> Self {
        Self {
            sensor: sensor.into(),
            id_key,
            emit,
            open_limit: 10_000,
            close_after: Span::from_secs(3600),
            revise_after: Span::from_secs(60),
            suppressions: Vec::new(),
        }
    }
}

/// Which states of an alert are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    /// A revision when it opens, while it grows, and when it closes; in the order of their times.
    Revisions,
    /// One revision, when it has closed; in the order in which the alerts opened.
    EndStates,
}

counters! {
    /// What went in and what became of it: `findings = suppressed + merged + folded + alerts_opened -
    /// overflow_alerts_opened`, and `alerts_opened = alerts_closed + open`.
    pub struct Counters {
        /// Findings taken.
        pub findings,
        /// Of these, how many a suppression kept back.
        pub suppressed,
        /// Of these, how many fit a suppression that has expired, and went on.
        pub suppression_expired,
        /// Of these, how many joined an open alert of the same cause.
        pub merged,
        /// Of these, how many went to an overflow alert.
        pub folded,
        /// Alerts opened, overflow alerts among them.
        pub alerts_opened,
        /// Overflow alerts opened.
        pub overflow_alerts_opened,
        /// Alerts closed.
        pub alerts_closed,
        /// Revisions written.
        pub revisions,
        /// Incidents: actors with alerts of several families.
        pub incidents,
        /// How often a behaviour detector started anew after a panic: a defect of the sensor.
        pub detectors_restarted,
        /// Entries of detectors' state that made room for others: from then on something may be missed.
        pub detectors_forgot,
    }
}

/// Closed alerts that are kept for an incident, at about 6 KB each at worst: 12 MB. Past that the oldest stays as it was
/// written.
const CLOSED_KEPT: usize = 2_000;

/// The alerts that are open. See the [module](super) for what it promises.
#[derive(Debug)]
pub struct AlertBook {
    settings: Settings,
    now: Timestamp,
    /// Numbers alerts in the order in which they opened.
    opened: u64,
    open: BTreeMap<u64, OpenAlert>,
    /// Never iterated.
    by_fingerprint: HashMap<Fingerprint, u64>,
    /// `due` of each open alert.
    deadlines: BTreeSet<(Timestamp, u64)>,
    /// Overflow alerts among the open ones; they do not count against the limit, and there is one for each rule.
    overflows: usize,
    /// End states that wait for alerts that opened before them.
    ended: BTreeMap<u64, Revision>,
    /// What was written last of closed alerts that may come to belong to an incident: at most [`CLOSED_KEPT`].
    closed: BTreeMap<u64, Revision>,
    suppressions: Suppressions,
    incidents: Incidents,
    counters: Counters,
}

impl AlertBook {
    /// An empty book.
    pub fn new(settings: Settings) -> Self {
        Self {
            suppressions: Suppressions::new(&settings.suppressions),
            incidents: Incidents::default(),
            settings,
            now: Timestamp::MIN,
            opened: 0,
            open: BTreeMap::new(),
            by_fingerprint: HashMap::new(),
            deadlines: BTreeSet::new(),
            overflows: 0,
            ended: BTreeMap::new(),
            closed: BTreeMap::new(),
            counters: Counters::default(),
        }
    }

    /// Takes the findings about one exchange. Observations come in [`Order`].
    pub fn observe(&mut self, observation: Observation, emit: &mut dyn FnMut(Revision)) {
        let Observation { order, context, findings } = observation;
        self.advance(order.time, emit);
        for finding in findings {
            self.take(order, &context, finding, emit);
        }
    }

    /// It is `now`: writes what has become due.
    pub fn advance(&mut self, now: Timestamp, emit: &mut dyn FnMut(Revision)) {
        self.now = self.now.max(now);
        while let Some(&(deadline, number)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= self.now) {
            if deadline >= self.closing_time(number) {
                self.close(number, deadline, emit);
            } else {
                self.write(number, deadline, emit);
            }
        }
    }

    /// The capture has ended, and with it every alert.
    ///
    /// No clock goes on past the end, so each is stamped with what is known of it last.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Revision)) {
        while let Some((&number, alert)) = self.open.first_key_value() {
            let last = alert.written.map_or(alert.last_seen, |written| written.max(alert.last_seen));
            self.close(number, last, emit);
        }
    }

    /// What went in and what became of it so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What suppressions did so far, in the order in which they were given.
    pub fn suppressions(&self) -> &[Applied] {
        self.suppressions.applied()
    }

    /// How many alerts are open.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn take(&mut self, order: Order, context: &ExchangeContext, finding: Finding, emit: &mut dyn FnMut(Revision)) {
        self.counters.findings += 1;
        match self.suppressions.take(&finding, context, self.now) {
            Fate::Suppressed => {
                self.counters.suppressed += 1;
                return;
            }
            Fate::Expired => self.counters.suppression_expired += 1,
            Fate::Told => {}
        }
        let mut fingerprint = Fingerprint::of(&finding, context);
        let mut kind = Kind::Cause;
        if !self.by_fingerprint.contains_key(&fingerprint) && self.is_full() {
            fingerprint = Fingerprint::of_overflow(&finding);
            kind = Kind::Overflow;
            self.counters.folded += 1;
        }
        let number = match self.by_fingerprint.get(&fingerprint) {
            Some(number) => {
                self.counters.merged += u64::from(kind == Kind::Cause);
                *number
            }
            None => self.open_alert(order, fingerprint, kind, context, &finding),
        };
        self.join(order, fingerprint, number, context, &finding, emit);
        let Some(alert) = self.open.get_mut(&number) else { return };
        alert.grow(finding, context, self.now, &self.settings.id_key);
        let rested = alert.written.is_none_or(|written| written + self.settings.revise_after <= self.now);
        if rested && self.settings.emit == Emit::Revisions {
            self.write(number, self.now, emit);
        } else {
            self.rearm(number);
        }
    }

    /// Gives the alerts of an actor that did several kinds of things the id of the incident.
    fn join(
        &mut self,
        order: Order,
        fingerprint: Fingerprint,
        number: u64,
        context: &ExchangeContext,
        finding: &Finding,
        emit: &mut dyn FnMut(Revision),
    ) {
        let may_join = Incidents::counts(finding);
        if let Some(alert) = self.open.get_mut(&number).filter(|_| may_join) {
            alert.may_join = true;
        }
        let Settings { id_key, sensor, .. } = &self.settings;
        let first = Order { time: self.now, ..order };
        let id = || AlertId::derive(&blake3::derive_key("apitap 2026 incident", id_key), sensor, fingerprint, first);
        let Some(joined) = self.incidents.take(finding, context, number, self.now, id) else { return };
        self.counters.incidents += u64::from(joined.is_new);
        for other in joined.alerts {
            if let Some(alert) = self.open.get_mut(&other).filter(|alert| alert.incident.is_none()) {
                alert.incident = Some(joined.id);
                alert.grown = true;
                self.rearm(other);
            } else if let Some(revision) = self.ended.get_mut(&other) {
                revision.incident.get_or_insert_with(|| joined.id.to_string());
            } else if let Some(mut revision) = self.closed.remove(&other) {
                revision.incident = Some(joined.id.to_string());
                revision.revision = revision.revision.saturating_add(1);
                revision.ts = self.now;
                self.counters.revisions += 1;
                emit(revision);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.open.len() - self.overflows >= self.settings.open_limit
    }

    fn open_alert(
        &mut self,
        order: Order,
        fingerprint: Fingerprint,
        kind: Kind,
        context: &ExchangeContext,
        finding: &Finding,
    ) -> u64 {
        let number = self.opened;
        self.opened += 1;
        self.counters.alerts_opened += 1;
        if kind == Kind::Overflow {
            self.overflows += 1;
            self.counters.overflow_alerts_opened += 1;
        }
        let sensor = &self.settings.sensor;
        let id = AlertId::derive(&self.settings.id_key, sensor, fingerprint, Order { time: self.now, ..order });
        let alert = OpenAlert::new(id, fingerprint, sensor, kind, finding, context.clone(), self.now);
        self.by_fingerprint.insert(fingerprint, number);
        self.deadlines.insert((alert.due, number));
        self.open.insert(number, alert);
        number
    }

    /// When an alert closes, unless it grows.
    fn closing_time(&self, number: u64) -> Timestamp {
        self.open.get(&number).map_or(Timestamp::MIN, |alert| alert.last_seen + self.settings.close_after)
    }

    /// Sets when an alert is looked at next: when its growth may be written, else when it closes.
    fn rearm(&mut self, number: u64) {
        let Some(alert) = self.open.get_mut(&number) else { return };
        let closes = alert.last_seen + self.settings.close_after;
        let due = match alert.written {
            Some(written) if alert.grown => closes.min(written + self.settings.revise_after),
            _ => closes,
        };
        if due != alert.due {
            self.deadlines.remove(&(alert.due, number));
            self.deadlines.insert((due, number));
            alert.due = due;
        }
    }

    /// Writes the state of an open alert.
    fn write(&mut self, number: u64, at: Timestamp, emit: &mut dyn FnMut(Revision)) {
        if let Some(alert) = self.open.get_mut(&number) {
            self.counters.revisions += 1;
            emit(alert.revise(at, State::Open));
        }
        self.rearm(number);
    }

    fn close(&mut self, number: u64, at: Timestamp, emit: &mut dyn FnMut(Revision)) {
        let Some(mut alert) = self.open.remove(&number) else { return };
        self.deadlines.remove(&(alert.due, number));
        self.by_fingerprint.remove(&alert.fingerprint);
        self.overflows -= usize::from(alert.kind == Kind::Overflow);
        self.counters.alerts_closed += 1;
        self.counters.revisions += 1;
        let revision = alert.revise(at, State::Closed);
        match self.settings.emit {
            Emit::Revisions => {
                if alert.may_join && alert.incident.is_none() {
                    self.closed.insert(number, revision.clone());
                    if self.closed.len() > CLOSED_KEPT {
                        self.closed.pop_first();
                    }
                }
                emit(revision);
            }
            Emit::EndStates => {
                self.ended.insert(number, revision);
                self.release(emit);
            }
        }
    }

    /// Lets go of the end states before which nothing is open any more; of the oldest in any case when too many wait.
    fn release(&mut self, emit: &mut dyn FnMut(Revision)) {
        let oldest_open = self.open.first_key_value().map_or(u64::MAX, |(number, _)| *number);
        while let Some(entry) = self.ended.first_entry() {
            if *entry.key() > oldest_open && self.ended.len() <= self.settings.open_limit {
                break;
            }
            if let Some((_, revision)) = self.ended.pop_first() {
                emit(revision);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use apitap_detectors::finding::{Detector, Family};
    use proptest::prelude::*;

    use super::*;
    use crate::alert::Subject;
    use crate::alert::open::tests::{context, finding};

    const SECOND: i64 = 1_000_000_000;

    fn settings(emit: Emit) -> Settings {
        Settings::new("test", [7; 32], emit)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * SECOND)
    }

    fn observation(seconds: i64, frame: u64, rule: &'static str, client: &str) -> Observation {
        Observation {
            order: Order { time: at(seconds), frame, ..Order::default() },
            context: context(client),
            findings: vec![finding(rule, 2)],
        }
    }

    /// Which rule, revision, time, state and count each revision has.
    fn outline(revisions: &[Revision]) -> Vec<(&str, u32, i64, State, u64)> {
        let line = |r: &Revision| (r.rule.clone(), r.revision, r.ts.as_nanos() / SECOND, r.state, r.count);
        revisions
            .iter()
            .map(line)
            .map(|(rule, n, ts, state, count)| {
                let std::borrow::Cow::Borrowed(rule) = rule else { unreachable!("rules are static") };
                (rule, n, ts, state, count)
            })
            .collect()
    }

    fn run(settings: Settings, observations: Vec<Observation>) -> (Vec<Revision>, Counters) {
        let mut book = AlertBook::new(settings);
        let mut revisions = Vec::new();
        for observation in observations {
            book.observe(observation, &mut |revision| revisions.push(revision));
        }
        book.finish(&mut |revision| revisions.push(revision));
        assert_eq!(book.open(), 0);
        (revisions, book.counters())
    }

    #[test]
    fn a_growing_alert_is_written_at_most_once_a_minute() {
        let observations = [0, 1, 2, 59, 61, 62, 300].map(|t| observation(t, 1, "a", "10.0.0.1:1")).to_vec();
        let (revisions, counters) = run(settings(Emit::Revisions), observations);
        use State::{Closed, Open};
        assert_eq!(
            outline(&revisions),
            [
                ("a", 1, 0, Open, 1),
                ("a", 2, 60, Open, 4),
                ("a", 3, 120, Open, 6),
                ("a", 4, 300, Open, 7),
                ("a", 5, 300, Closed, 7)
            ]
        );
        assert_eq!((counters.findings, counters.merged, counters.alerts_opened, counters.revisions), (7, 6, 1, 5));
    }

    #[test]
    fn an_alert_closes_an_hour_after_its_last_match_and_the_next_is_another() {
        let observations = vec![
            observation(0, 1, "a", "10.0.0.1:1"),
            observation(3599, 2, "a", "10.0.0.1:1"),
            observation(3599 + 3600, 3, "a", "10.0.0.1:1"),
        ];
        let (revisions, _) = run(settings(Emit::EndStates), observations);
        use State::Closed;
        assert_eq!(outline(&revisions), [("a", 1, 7199, Closed, 2), ("a", 1, 7199, Closed, 1)]);
        assert_eq!(revisions[0].fingerprint, revisions[1].fingerprint);
        assert_ne!(revisions[0].id, revisions[1].id);
    }

    #[test]
    fn end_states_come_in_the_order_of_opening() {
        let observations = vec![
            observation(0, 1, "first", "10.0.0.1:1"),
            observation(1, 2, "second", "10.0.0.1:1"),
            observation(3000, 3, "first", "10.0.0.1:1"),
            observation(5000, 4, "third", "10.0.0.1:1"),
        ];
        let (revisions, _) = run(settings(Emit::EndStates), observations);
        let rules: Vec<_> = revisions.iter().map(|revision| &*revision.rule).collect();
        assert_eq!(rules, ["first", "second", "third"], "the second closes before the first");
    }

    #[test]
    fn past_the_limit_one_alert_for_each_rule_takes_the_rest() {
        let settings = Settings { open_limit: 2, ..settings(Emit::EndStates) };
        let mut observations: Vec<_> =
            (0..10).map(|n| observation(n, 1, if n % 2 == 0 { "a" } else { "b" }, "10.0.0.1:1")).collect();
        for (n, observation) in observations.iter_mut().enumerate() {
            observation.context.endpoint = Some(format!("/{n}").into());
        }
        let (revisions, counters) = run(settings, observations);
        let folded: Vec<_> =
            revisions.iter().filter(|r| r.visibility.iter().any(|v| v == "open_alerts_limit")).collect();
        assert_eq!(revisions.len(), 4);
        assert_eq!(
            folded.iter().map(|r| (&*r.rule, r.count, &r.endpoint)).collect::<Vec<_>>(),
            [("a", 4, &None), ("b", 4, &None)]
        );
        assert_eq!((counters.merged, counters.folded, counters.overflow_alerts_opened), (0, 8, 2));
    }

    #[test]
    fn an_alert_that_closed_makes_room() {
        let settings = Settings { open_limit: 1, ..settings(Emit::EndStates) };
        let observations = vec![observation(0, 1, "a", "10.0.0.1:1"), observation(3600, 2, "b", "10.0.0.1:1")];
        let (revisions, counters) = run(settings, observations);
        assert_eq!((revisions.len(), counters.folded), (2, 0));
    }

    #[test]
    fn what_is_suppressed_is_counted_and_not_told() {
        let rule = r#"{"rule":"a","reason":"known","expires":"1970-01-01T00:00:05Z"}"#;
        let suppressions = vec![serde_json::from_str(rule).unwrap()];
        let observations =
            [(0, "a"), (1, "b"), (4, "a"), (5, "a")].map(|(t, rule)| observation(t, 1, rule, "10.0.0.1:1"));
        let (revisions, counters) = run(Settings { suppressions, ..settings(Emit::EndStates) }, observations.to_vec());
        assert_eq!(
            outline(&revisions).iter().map(|(rule, .., count)| (*rule, *count)).collect::<Vec<_>>(),
            [("b", 1), ("a", 1)]
        );
        assert_eq!((counters.findings, counters.suppressed, counters.suppression_expired), (4, 2, 1));
    }

    static SCAN: Detector = Detector {
        name: "scan.test",
        family: Family::Scan,
        title: "",
        description: "",
        remediation: "",
        owasp: "",
        cwe: "",
        attack: "",
    };

    /// What a client does itself, of another family where a detector says so.
    fn deed(seconds: i64, rule: &'static str, client: &str, detector: Option<&'static Detector>) -> Observation {
        let mut observation = observation(seconds, 1, rule, client);
        observation.findings[0].subject = Subject::Client;
        observation.findings[0].detector = detector.unwrap_or(observation.findings[0].detector);
        observation
    }

    #[test]
    fn alerts_of_one_actor_join_one_incident() {
        for emit in [Emit::EndStates, Emit::Revisions] {
            let observations = vec![
                deed(0, "walk", "10.0.0.1:1", Some(&SCAN)),
                deed(1, "walk", "10.0.0.2:1", Some(&SCAN)),
                deed(90, "data", "10.0.0.1:1", None),
            ];
            let (revisions, counters) = run(settings(emit), observations);
            let of = |rule: &str, client: &str| {
                let last = revisions.iter().rev().find(|r| r.rule == rule && r.client.to_string() == client);
                last.unwrap().incident.clone()
            };
            assert!(of("walk", "10.0.0.1").is_some(), "{emit:?}");
            assert_eq!(of("walk", "10.0.0.1"), of("data", "10.0.0.1"));
            assert_eq!((of("walk", "10.0.0.2"), counters.incidents), (None, 1));
        }
    }

    #[test]
    fn an_alert_that_closed_before_its_incident_joins_it() {
        // An hour and more after the scan, when its alert has closed.
        let observations = |older: &[i64]| -> Vec<Observation> {
            let older = older.iter().map(|seconds| observation(*seconds, 1, "older", "10.0.0.9:1"));
            let mut all: Vec<_> = older
                .chain([deed(1, "walk", "10.0.0.1:1", Some(&SCAN)), deed(5_000, "data", "10.0.0.1:1", None)])
                .collect();
            all.sort_by_key(|observation| observation.order.time);
            all
        };
        let of = |revisions: &[Revision], rule: &str| -> Vec<_> {
            let of = revisions.iter().filter(|revision| revision.rule == rule);
            of.map(|revision| (revision.revision, revision.state, revision.incident.is_some())).collect()
        };
        use State::{Closed, Open};
        let (revisions, counters) = run(settings(Emit::Revisions), observations(&[]));
        assert_eq!(of(&revisions, "walk"), [(1, Open, false), (2, Closed, false), (3, Closed, true)]);
        let late = revisions.iter().rfind(|revision| revision.rule == "walk").unwrap();
        assert_eq!((late.ts, late.last_seen, late.count), (at(5_000), at(1), 1));
        assert_eq!(late.incident, revisions.iter().rfind(|revision| revision.rule == "data").unwrap().incident);
        assert_eq!(counters.revisions as usize, revisions.len());
        // Where each alert is written once, an end state that still waits joins, and one that is out does not.
        let (revisions, _) = run(settings(Emit::EndStates), observations(&[0, 3_000, 6_000]));
        assert_eq!(of(&revisions, "walk"), [(1, Closed, true)]);
        let (revisions, _) = run(settings(Emit::EndStates), observations(&[]));
        assert_eq!(of(&revisions, "walk"), [(1, Closed, false)]);
    }

    #[test]
    fn closed_alerts_that_are_kept_are_bounded() {
        let mut book = AlertBook::new(settings(Emit::Revisions));
        for n in 0..CLOSED_KEPT as u32 + 500 {
            let client = format!("{}:1", std::net::Ipv4Addr::from(n));
            book.observe(deed(i64::from(n) * 10, "walk", &client, Some(&SCAN)), &mut |_| {});
        }
        book.finish(&mut |_| {});
        assert_eq!(book.closed.len(), CLOSED_KEPT);
    }

    fn observations() -> impl Strategy<Value = Vec<Observation>> {
        let one = (0..2000_i64, prop::sample::select(&["a", "b", "c"][..]), 0..3_u8, 0..4_u8);
        prop::collection::vec(one, 1..60).prop_map(|steps| {
            let mut now = 0;
            let observe = |(frame, (step, rule, endpoint, client)): (usize, (i64, &'static str, u8, u8))| {
                // Mostly close together, at times across the minute and the hour.
                now += if step > 1900 { step * 2 } else { step / 40 };
                let mut observation = observation(now, frame as u64, rule, &format!("10.0.0.{client}:1"));
                observation.context.endpoint = Some(format!("/{endpoint}").into());
                observation.findings[0].subject =
                    if endpoint == 0 { Subject::ClientAtEndpoint } else { Subject::Endpoint };
                observation
            };
            steps.into_iter().enumerate().map(observe).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However often the book is told the time in between, the revisions are the same.
        #[test]
        fn the_same_observations_give_the_same_revisions(
            observations in observations(),
            ticks in prop::collection::vec(0..2000_i64, 0..60),
            ends in any::<bool>(),
            open_limit in 1..12_usize,
        ) {
            let settings = Settings { open_limit, ..settings(if ends { Emit::EndStates } else { Emit::Revisions }) };
            let (expected, _) = run(settings.clone(), observations.clone());

            let mut book = AlertBook::new(settings);
            let mut revisions = Vec::new();
            let mut now = 0;
            for (observation, tick) in observations.into_iter().zip(ticks.into_iter().chain(std::iter::repeat(0))) {
                let next = observation.order.time.as_nanos() / SECOND;
                now = (now + tick).min(next);
                book.advance(at(now), &mut |revision| revisions.push(revision));
                book.observe(observation, &mut |revision| revisions.push(revision));
            }
            book.finish(&mut |revision| revisions.push(revision));
            prop_assert_eq!(revisions, expected);
        }

        /// Nothing is lost and nothing counted twice, and the alerts are those that a naive grouping gives.
        #[test]
        fn every_finding_is_in_one_alert(observations in observations(), open_limit in 1..12_usize) {
            let total = observations.len() as u64;
            let mut last: HashMap<Fingerprint, Timestamp> = HashMap::new();
            let mut expected = 0_u64;
            for o in &observations {
                let fingerprint = Fingerprint::of(&o.findings[0], &o.context);
                let before = last.insert(fingerprint, o.order.time);
                expected += u64::from(before.is_none_or(|before| before + Span::from_secs(3600) <= o.order.time));
            }

            let (bounded, counters) = run(Settings { open_limit, ..settings(Emit::EndStates) }, observations.clone());
            prop_assert_eq!(bounded.iter().map(|revision| revision.count).sum::<u64>(), total);
            prop_assert_eq!(counters.findings, total);
            prop_assert_eq!(
                counters.findings,
                counters.merged + counters.folded + counters.alerts_opened - counters.overflow_alerts_opened
            );
            prop_assert_eq!(counters.alerts_opened, counters.alerts_closed);

            let (unbounded, _) = run(settings(Emit::EndStates), observations);
            prop_assert_eq!(unbounded.len() as u64, expected);
            prop_assert!(unbounded.is_sorted_by_key(|revision| revision.first_seen));
        }

        /// What is written last of an alert is the same whether or not its growth was written.
        #[test]
        fn revisions_end_in_the_end_state(observations in observations()) {
            let (ends, _) = run(settings(Emit::EndStates), observations.clone());
            let (revisions, _) = run(settings(Emit::Revisions), observations);
            for end in ends {
                let of: Vec<_> = revisions.iter().filter(|revision| revision.id == end.id).collect();
                prop_assert!(of.iter().zip(1_u32..).all(|(revision, number)| revision.revision == number));
                prop_assert!(of.is_sorted_by_key(|revision| (revision.ts, revision.count)));
                let last = of[of.len() - 1];
                prop_assert_eq!(last, &Revision { revision: last.revision, ts: last.ts, ..end });
            }
        }
    }
}
