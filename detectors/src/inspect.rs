//! Runs every exchange detector over an exchange.

use std::fmt;

use crate::evidence::Scene;
use crate::exchange::{Content, Exchange, Octets};
use crate::finding::{Family, Finding};
use crate::path::Paths;
use crate::registry::{KINDS, detectors};
use crate::scan::layout::Layout;
use crate::scan::{Found, More, Scanner, Tally};

/// Which detectors run, and how.
#[derive(Clone, Default)]
pub struct Settings {
    /// Key for value hashes in evidence; `None` prints no value hashes.
    pub evidence_key: Option<[u8; 32]>,
    /// Names of detectors or families to run; `None` runs all.
    pub only: Option<Vec<String>>,
}

impl Settings {
    /// Reads a list of detectors and families separated by commas: `pii.email,pii.iban`, `pii`; `all` and `none` stand
    /// alone. The result belongs in [`Settings::only`].
    pub fn parse_only(list: &str) -> Result<Option<Vec<String>>, UnknownDetector> {
        match list.trim() {
            "all" => return Ok(None),
            "none" => return Ok(Some(Vec::new())),
            _ => {}
        }
        let names = list.split(',').map(str::trim);
        let only = names.map(|name| {
            let known = detectors().any(|detector| detector.name == name || detector.family.as_str() == name);
            if known { Ok(name.to_owned()) } else { Err(UnknownDetector { name: name.to_owned() }) }
        });
        only.collect::<Result<_, _>>().map(Some)
    }

    fn runs(&self, name: &str, family: Family) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name || wanted == family.as_str()))
    }
}

/// Shows whether there is a key, and not the key.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.evidence_key.map(|key| Octets::of(&key));
        f.debug_struct("Settings").field("evidence_key", &key).field("only", &self.only).finish()
    }
}

/// A name in a list of detectors that is neither a detector nor a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDetector {
    /// The name as it was given.
    pub name: String,
}

impl fmt::Display for UnknownDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown detector '{}'; known are: all, none", self.name)?;
        let mut family = None;
        for detector in detectors() {
            if family != Some(detector.family) {
                family = Some(detector.family);
                write!(f, ", {}", detector.family)?;
            }
            write!(f, ", {}", detector.name)?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownDetector {}

/// The exchange detectors of one worker, with their scratch memory.
#[derive(Debug)]
pub struct Inspector {
    scanner: Scanner,
    settings: Settings,
    found: Found,
}

impl Inspector {
    /// An inspector for one worker.
    pub fn new(scanner: Scanner, settings: Settings) -> Self {
        let scanner = scanner.only(|entity| {
            let mut kinds = KINDS.iter().filter(|kind| kind.entity == entity);
            kinds.any(|kind| settings.runs(kind.detector.name, kind.detector.family))
        });
        Self { scanner, settings, found: Found::default() }
    }

    /// The scanner that content past the inspection limit goes through: it looks for what this inspector looks for.
    pub fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    /// Appends the findings about `exchange`, and returns what its response content holds, counted before any policy.
    ///
    /// Only types whose detectors run are counted. Content past the inspection limit counts too, but gives no evidence.
    /// Content that its first bytes prove to be an image, a font, an archive or the like is not searched: what it holds
    /// is compressed, and what a search finds in it is chance.
    pub fn inspect(&mut self, exchange: &Exchange<'_>, findings: &mut Vec<Finding>) -> Tally {
        let Some(response) = &exchange.response else { return Tally::default() };
        self.inspect_content("response.content", &response.content, findings)
    }

    fn inspect_content(&mut self, part: &'static str, content: &Content<'_>, findings: &mut Vec<Finding>) -> Tally {
        if self.scanner.is_idle() {
            return Tally::default();
        }
        let layout = Layout::of(content.bytes);
        let more = if content.beyond.is_some() { More::Follows } else { More::Nothing };
        self.found.clear();
        self.scanner.scan_kept(content.bytes, more, &layout, &mut self.found);
        let mut tally = self.found.tally;
        if let Some(beyond) = content.beyond {
            tally.merge(beyond);
        }
        if !tally.is_empty() {
            let key = self.settings.evidence_key.as_ref();
            let scene = Scene { content: content.bytes, layout: &layout, part, key };
            let mut paths = Paths::new(content.bytes);
            for kind in KINDS.iter().filter(|kind| tally.count(kind.entity) > 0) {
                let hits = self.found.hits.iter().filter(|hit| hit.entity == kind.entity);
                let shown = scene.show(kind, hits, &mut paths);
                // Values that were not kept are taken for different ones.
                let beyond = content.beyond.map_or(0, |beyond| beyond.count(kind.entity));
                findings.push(Finding {
                    detector: &kind.detector,
                    rule: "response_content",
                    severity: kind.severity(shown.evidence.len().saturating_add(beyond as usize)),
                    confidence: shown.confidence,
                    items: tally.count(kind.entity),
                    evidence: shown.evidence,
                });
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Anomalies, Completeness, Fields, Response, Version};
    use crate::finding::{Confidence, Severity};
    use crate::scan::{EntityType, WindowScan};
    use crate::time::{Order, Timestamp};

    fn exchange(content: Content<'_>) -> Exchange<'_> {
        Exchange {
            order: Order::default(),
            started: Timestamp::MIN,
            ended: Timestamp::MIN,
            client: "192.0.2.1:1000".parse().unwrap(),
            server: "192.0.2.2:80".parse().unwrap(),
            request: None,
            response: Some(Response { status: 200, version: Version::Http11, fields: Fields::default(), content }),
            completeness: Completeness::default(),
            anomalies: Anomalies::default(),
        }
    }

    fn inspector(settings: Settings) -> Inspector {
        Inspector::new(Scanner::default(), settings)
    }

    fn inspect(settings: Settings, bytes: &[u8]) -> (Vec<Finding>, Tally) {
        let mut findings = Vec::new();
        let tally = inspector(settings).inspect(&exchange(Content { bytes, ..Content::default() }), &mut findings);
        (findings, tally)
    }

    #[test]
    fn a_finding_for_each_type_with_masked_evidence() {
        let body = br#"{"data":[{"email":"jane@example.com"},{"cardNumber":"4111111111111111","ssn":"123-45-6789"}]}"#;
        let (findings, tally) = inspect(Settings { evidence_key: Some([7; 32]), only: None }, body);
        let names: Vec<_> = findings.iter().map(|finding| finding.detector.name).collect();
        assert_eq!(names, ["pii.email", "pii.payment_card", "pii.us_ssn"]);
        assert_eq!(tally.count(EntityType::PaymentCard), 1);
        let card = &findings[1];
        assert_eq!((card.severity, card.confidence, card.items), (Severity::High, Confidence::High, 1));
        let evidence = &card.evidence[0];
        assert_eq!(evidence.masked, "**** **** **** 1111");
        assert_eq!(evidence.location.part, "response.content");
        assert_eq!(evidence.location.path.as_deref(), Some("$.data[1].cardNumber"));
        assert_eq!(&body[evidence.location.offset as usize..][..4], b"4111");
        assert_eq!(evidence.value_hash.as_ref().map(String::len), Some(16));
        let shown = format!("{findings:?}");
        assert!(!shown.contains("4111") && !shown.contains("jane") && !shown.contains("123-45"), "{shown}");
    }

    #[test]
    fn value_hashes_tell_values_apart_by_their_digits() {
        let hash = |key, body: &str| {
            let (findings, _) = inspect(Settings { evidence_key: key, only: None }, body.as_bytes());
            findings[0].evidence[0].value_hash.clone()
        };
        let plain = hash(Some([1; 32]), "card 4111111111111111");
        assert_eq!(hash(Some([1; 32]), "card 4111 1111 1111 1111"), plain);
        assert_ne!(hash(Some([2; 32]), "card 4111111111111111"), plain);
        assert_ne!(hash(Some([1; 32]), "card 5555555555554444"), plain);
        assert_eq!(hash(None, "card 4111111111111111"), None);
    }

    #[test]
    fn evidence_shows_different_values_first() {
        let many = (0..20).map(|n| format!("user{}@corp.example", n / 4)).collect::<Vec<_>>().join(",");
        let (findings, tally) = inspect(Settings::default(), many.as_bytes());
        assert_eq!((findings[0].evidence.len(), findings[0].items), (5, 20));
        assert_eq!(tally.count(EntityType::Email), 20);
        assert_eq!(findings[0].severity, Severity::Medium);
        let (findings, _) = inspect(Settings::default(), b"jane@corp.example jane@corp.example");
        assert_eq!((findings[0].evidence.len(), findings[0].severity), (1, Severity::Low));
    }

    #[test]
    fn names_in_other_content() {
        let path = |body: &str| inspect(Settings::default(), body.as_bytes()).0[0].evidence[0].location.path.clone();
        assert_eq!(path("id,mail\r\n1,jane@corp.example\r\n").as_deref(), Some("mail"));
        assert_eq!(path("<p><mail>jane@corp.example</mail>").as_deref(), Some("mail"));
        assert_eq!(path("a=1&mail=jane%40corp.example").as_deref(), Some("mail"));
        assert_eq!(path("write to jane@corp.example"), None);
    }

    #[test]
    fn only_what_is_asked_for_is_counted() {
        let body = b"{\"email\":\"jane@example.com\",\"ssn\":\"123-45-6789\"}";
        let only = |list: &str| Settings { evidence_key: None, only: Settings::parse_only(list).unwrap() };
        let (findings, tally) = inspect(only("pii.us_ssn"), body);
        assert_eq!((findings.len(), tally.count(EntityType::Email), tally.count(EntityType::UsSsn)), (1, 0, 1));
        assert_eq!(inspect(only("pii"), body).0.len(), 2);
        assert_eq!(inspect(only("all"), body).0.len(), 2);
        assert!(inspect(only("none"), body).1.is_empty());
    }

    #[test]
    fn unknown_detectors_are_refused_with_the_known_ones() {
        let error = Settings::parse_only("pii.email, pii.mail").unwrap_err();
        assert_eq!(error.name, "pii.mail");
        assert!(error.to_string().contains("pii, pii.email, pii.iban"), "{error}");
    }

    #[test]
    fn what_lies_beyond_the_limit_counts_once() {
        let body =
            format!("{}{}", "x".repeat(5_000), r#"{"ssn":"123-45-6789","email":"jane@corp.example"}"#.repeat(20));
        for limit in [0, 5_000, 5_011, 5_300, 5_900] {
            let (kept, rest) = body.as_bytes().split_at(limit);
            let mut inspector = inspector(Settings::default());
            let mut windows = WindowScan::after(kept);
            windows.push(inspector.scanner(), rest);
            windows.finish(inspector.scanner());
            let content = Content { bytes: kept, beyond: Some(windows.tally()), ..Content::default() };
            let mut findings = Vec::new();
            let tally = inspector.inspect(&exchange(content), &mut findings);
            assert_eq!((tally.count(EntityType::UsSsn), tally.count(EntityType::Email)), (20, 20), "limit {limit}");
            assert_eq!(findings.iter().map(|finding| finding.items).sum::<u32>(), 40);
        }
    }

    #[test]
    fn nothing_found_gives_nothing() {
        let (findings, tally) = inspect(Settings::default(), b"{\"id\":1}");
        assert!(findings.is_empty() && tally.is_empty());
        assert!(inspect(Settings::default(), b"").1.is_empty());
    }
}
