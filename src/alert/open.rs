//! An open alert, and how it grows.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use apitap_detectors::exchange::{Anomalies, Completeness};
use apitap_detectors::finding::Detector;

use super::clients::Clients;
use super::{AlertId, Confidence, Evidence, ExchangeContext, Finding, Fingerprint, Revision, Severity, State, Subject};
use crate::time::Timestamp;

/// How many pieces of evidence an alert holds.
const EVIDENCE_LIMIT: usize = 10;

/// An alert that may still grow. At most about 6 KB, most of it evidence and the named clients.
#[derive(Debug)]
pub(super) struct OpenAlert {
    pub(super) fingerprint: Fingerprint,
    pub(super) kind: Kind,
    pub(super) last_seen: Timestamp,
    /// When the book looks at it next.
    pub(super) due: Timestamp,
    /// When the latest revision was written.
    pub(super) written: Option<Timestamp>,
    /// Whether it grew since.
    pub(super) grown: bool,
    /// The incident it belongs to.
    pub(super) incident: Option<AlertId>,
    /// Whether it is a deed that may come to belong to an incident.
    pub(super) may_join: bool,
    id: AlertId,
    sensor: String,
    detector: &'static Detector,
    rule: &'static str,
    subject: Subject,
    /// The circumstances of the first match.
    context: ExchangeContext,
    first_seen: Timestamp,
    count: u64,
    items: u64,
    severity: Severity,
    confidence: Confidence,
    clients: Clients,
    status: Option<u16>,
    evidence: Vec<Evidence>,
    completeness: Completeness,
    anomalies: Anomalies,
    /// The numbers of the latest match that had any.
    because: Option<String>,
    revisions: u32,
}

/// What an alert stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One cause.
    Cause,
    /// All causes of one rule that found no place.
    Overflow,
}

impl OpenAlert {
    /// An alert without a match yet; [`Self::grow`] adds the first.
    pub(super) fn new(
        id: AlertId,
        fingerprint: Fingerprint,
        sensor: &str,
        kind: Kind,
        finding: &Finding,
        context: ExchangeContext,
        at: Timestamp,
    ) -> Self {
        Self {
            fingerprint,
            kind,
            last_seen: at,
            due: Timestamp::MAX,
            written: None,
            grown: false,
            incident: None,
            may_join: false,
            id,
            sensor: sensor.to_owned(),
            detector: finding.detector,
            rule: finding.rule,
            subject: finding.subject,
            first_seen: at,
            count: 0,
            items: 0,
            severity: finding.severity,
            confidence: finding.confidence,
            clients: Clients::default(),
            status: None,
            evidence: Vec::new(),
            completeness: Completeness::none(),
            anomalies: Anomalies::none(),
            because: None,
            revisions: 0,
            context,
        }
    }

    /// Takes a match in.
    pub(super) fn grow(&mut self, finding: Finding, context: &ExchangeContext, at: Timestamp, client_key: &[u8; 32]) {
        self.last_seen = self.last_seen.max(at);
        self.grown = true;
        self.count = self.count.saturating_add(1);
        self.items = self.items.saturating_add(u64::from(finding.items));
        self.severity = self.severity.max(finding.severity);
        self.confidence = self.confidence.max(finding.confidence);
        self.clients.add(context.client.ip(), client_key);
        self.status = context.status.or(self.status);
        self.completeness.insert(context.completeness);
        self.anomalies.insert(context.anomalies);
        self.because = finding.because.or_else(|| self.because.take());
        for evidence in finding.evidence {
            if self.evidence.len() < EVIDENCE_LIMIT && !self.evidence.iter().any(|known| is_same(known, &evidence)) {
                self.evidence.push(evidence);
            }
        }
    }

    /// The alert as it stands, as its next revision.
    pub(super) fn revise(&mut self, at: Timestamp, state: State) -> Revision {
        self.revisions = self.revisions.saturating_add(1);
        self.written = Some(at);
        self.grown = false;
        let is_of_endpoint = matches!(self.subject, Subject::Endpoint | Subject::ClientAtEndpoint);
        // What holds of one cause does not hold of an overflow: it has many.
        let cause = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned).filter(|_| self.kind == Kind::Cause);
        Revision {
            id: self.id,
            revision: self.revisions,
            fingerprint: self.fingerprint,
            sensor: self.sensor.clone(),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            ts: at,
            state,
            count: self.count,
            items: self.items,
            family: self.detector.family,
            detector: Cow::Borrowed(self.detector.name),
            rule: Cow::Borrowed(self.rule),
            severity: self.severity,
            confidence: self.confidence,
            title: Cow::Borrowed(self.detector.title),
            description: self.description(),
            remediation: Cow::Borrowed(self.detector.remediation),
            client: self.context.client.ip(),
            clients: self.clients.named().to_vec(),
            client_count: self.clients.count(),
            principal: cause(&self.context.principal),
            server: self.context.server,
            host: cause(&self.context.host),
            method: cause(&self.context.method).filter(|_| is_of_endpoint),
            endpoint: cause(&self.context.endpoint).filter(|_| is_of_endpoint),
            status: self.status,
            incident: self.incident.map(|id| id.to_string()),
            owasp: Cow::Borrowed(self.detector.owasp),
            cwe: Cow::Borrowed(self.detector.cwe),
            attack: Cow::Borrowed(self.detector.attack),
            evidence: self.evidence.clone(),
            visibility: self.visibility(),
        }
    }

    /// Why it matters, then the numbers.
    fn description(&self) -> String {
        let mut text = self.detector.description.to_owned();
        if let Some(because) = &self.because {
            text.push(' ');
            text.push_str(because);
        }
        let number = |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let about = if self.clients.is_estimated() { "about " } else { "" };
        let clients = number(self.clients.count(), "client");
        // Writing to a string cannot fail.
        let _ = write!(text, " Seen in {}", number(self.count, "exchange"));
        if self.items > 0 {
            let _ = write!(text, " with {}", number(self.items, "item"));
        }
        let _ = write!(text, ", {about}{clients}.");
        if self.kind == Kind::Overflow {
            text.push_str(" Too many alerts were open: this one stands for all further causes of its rule.");
        }
        text
    }

    fn visibility(&self) -> Vec<Cow<'static, str>> {
        let mut names: Vec<_> = self.completeness.names().chain(self.anomalies.names()).map(Cow::Borrowed).collect();
        if self.clients.is_estimated() {
            names.push(Cow::Borrowed("client_count_estimated"));
        }
        if self.kind == Kind::Overflow {
            names.push(Cow::Borrowed("open_alerts_limit"));
        }
        names
    }
}

/// Whether two pieces of evidence show the same thing: one value, in places of the same name.
fn is_same(one: &Evidence, other: &Evidence) -> bool {
    one.kind == other.kind
        && one.masked == other.masked
        && one.value_hash == other.value_hash
        && one.location.part == other.location.part
        && one.location.path == other.location.path
}

#[cfg(test)]
pub(super) mod tests {
    use apitap_detectors::finding::{Family, Location};

    use super::*;
    use crate::time::Order;

    pub(in crate::alert) static DETECTOR: Detector = Detector {
        name: "pii.test",
        family: Family::Pii,
        title: "Something in a response",
        description: "It should not be there.",
        remediation: "Remove it.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "",
    };

    pub(in crate::alert) fn finding(rule: &'static str, items: u32) -> Finding {
        let evidence = |n: u32| Evidence {
            kind: "thing".into(),
            location: Location { part: "response.content".into(), path: Some("$.a".into()), offset: u64::from(n) },
            masked: format!("{n}***"),
            value_hash: None,
        };
        Finding {
            detector: &DETECTOR,
            rule,
            subject: Subject::Endpoint,
            because: None,
            severity: Severity::Medium,
            confidence: Confidence::Medium,
            items,
            evidence: (0..items.min(4)).map(evidence).collect(),
        }
    }

    pub(in crate::alert) fn context(client: &str) -> ExchangeContext {
        ExchangeContext {
            client: client.parse().unwrap(),
            server: "10.0.0.2:8080".parse().unwrap(),
            principal: None,
            host: Some("a.example".into()),
            method: Some("GET".into()),
            endpoint: Some("/users/{id}".into()),
            status: Some(200),
            completeness: Completeness::none(),
            anomalies: Anomalies::none(),
        }
    }

    pub(in crate::alert) fn alert(finding: &Finding, context: &ExchangeContext, nanos: i64) -> OpenAlert {
        let at = Timestamp::from_nanos(nanos);
        let fingerprint = Fingerprint::of(finding, context);
        let id = AlertId::derive(&[1; 32], "test", fingerprint, Order { time: at, frame: 5, ..Order::default() });
        let mut alert = OpenAlert::new(id, fingerprint, "test", Kind::Cause, finding, context.clone(), at);
        alert.grow(finding.clone(), context, at, &[2; 32]);
        alert
    }

    #[test]
    fn growing_takes_the_worst_and_sums_the_numbers() {
        let mut alert = alert(&finding("a", 2), &context("10.0.0.1:1"), 0);
        let worse = Finding { severity: Severity::Critical, confidence: Confidence::Low, ..finding("a", 5) };
        let cut = ExchangeContext { completeness: Completeness::RESPONSE_CUT, status: None, ..context("10.0.0.9:1") };
        alert.grow(worse, &cut, Timestamp::from_nanos(9), &[2; 32]);
        let revision = alert.revise(Timestamp::from_nanos(9), State::Open);
        assert_eq!((revision.count, revision.items, revision.client_count), (2, 7, 2));
        assert_eq!((revision.severity, revision.confidence), (Severity::Critical, Confidence::Medium));
        assert_eq!(revision.description, "It should not be there. Seen in 2 exchanges with 7 items, 2 clients.");
        assert_eq!(revision.status, Some(200));
        assert_eq!(revision.visibility, ["response_cut"]);
        assert_eq!(revision.evidence.len(), 4, "two of the second match's four were known");
    }

    #[test]
    fn evidence_is_bounded() {
        let mut alert = alert(&finding("a", 1), &context("10.0.0.1:1"), 0);
        for n in 0..100 {
            let mut more = finding("a", 1);
            more.evidence[0].masked = format!("{n}###");
            alert.grow(more, &context("10.0.0.1:1"), Timestamp::from_nanos(n), &[2; 32]);
        }
        assert_eq!(alert.revise(Timestamp::default(), State::Open).evidence.len(), EVIDENCE_LIMIT);
    }
}
