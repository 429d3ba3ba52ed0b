//! Runs every exchange detector over an exchange.

use std::fmt;
use std::sync::Arc;

use crate::behaviour::login;
use crate::behaviour::volume::Volume;
use crate::class::{self, Classes};
use crate::endpoint;
use crate::evidence::Scene;
use crate::exchange::{Content, Exchange, Octets};
use crate::finding::{Detector, Family, Finding, Severity, Subject};
use crate::identity;
use crate::kind::{SEVERAL, Told};
use crate::knob::Thresholds;
use crate::openapi::OpenApi;
use crate::registry::{EntityType, KINDS, detectors};
use crate::scan::{Found, More, Scanner, Tally};
use crate::sketch::Sketch;
use crate::visit::Hashing;

/// Which detectors run, and how.
#[derive(Clone, Default)]
pub struct Settings {
    /// Key for value hashes in evidence; `None` prints no value hashes.
    pub evidence_key: Option<[u8; 32]>,
    /// Key for what principals are called; `None` numbers them.
    pub principal_key: Option<[u8; 32]>,
    /// Names of detectors or families to run; `None` runs all.
    pub only: Option<Vec<String>>,
    /// What the interface is documented to offer, where that is known.
    pub openapi: Option<Arc<OpenApi>>,
    /// Thresholds that are not the defaults.
    pub thresholds: Thresholds,
    /// Classes of data that are looked for beside the built-in kinds.
    pub classes: Classes,
}

impl Settings {
    /// Reads a list of detectors and families separated by commas: `pii.email,pii.iban`, `pii`; `all` and `none` stand
    /// alone. Detectors of classes are known to `is_class`. The result belongs in [`Settings::only`].
    pub fn parse_only(list: &str, is_class: impl Fn(&str) -> bool) -> Result<Option<Vec<String>>, UnknownDetector> {
        match list.trim() {
            "all" => return Ok(None),
            "none" => return Ok(Some(Vec::new())),
            _ => {}
        }
        let names = list.split(',').map(str::trim);
        let only = names.map(|name| {
            let known =
                is_class(name) || detectors().any(|detector| detector.name == name || detector.family.as_str() == name);
            if known { Ok(name.to_owned()) } else { Err(UnknownDetector { name: name.to_owned() }) }
        });
        only.collect::<Result<_, _>>().map(Some)
    }

    /// How values become hashes, in all workers and behind them: keyed, where there is a key.
    pub fn hashing(&self) -> Hashing {
        Hashing::new(blake3::derive_key("apitap 2026 hashes in memory", &self.principal_key.unwrap_or_default()))
    }

    pub(crate) fn runs(&self, name: &str, family: Family) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name || wanted == family.as_str()))
    }
}

/// Shows whether there is a key, and not the key.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.evidence_key.map(|key| Octets::of(&key));
        f.debug_struct("Settings")
            .field("evidence_key", &key)
            .field("has_principal_key", &self.principal_key.is_some())
            .field("only", &self.only)
            .field("has_openapi", &self.openapi.is_some())
            .field("thresholds", &self.thresholds)
            .field("classes", &self.classes)
            .finish()
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
        write!(f, "unknown detector '{}'; ", self.name)?;
        let named = Family::ALL.iter().find(|family| self.name.split('.').next() == Some(family.as_str()));
        match named {
            Some(family) => {
                let own = detectors().filter(|detector| detector.family == *family).map(|detector| detector.name);
                write!(f, "of this family there are {}", own.collect::<Vec<_>>().join(", "))
            }
            None => {
                let families = Family::ALL.iter().map(|family| family.as_str());
                write!(f, "known are all, none, and the families {}", families.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl std::error::Error for UnknownDetector {}

/// What [`Inspector::classify`] says of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The type: `payment_card`.
    pub kind: &'static str,
    /// The first value with all but a few characters masked.
    pub masked: String,
    /// How many there are.
    pub count: u32,
}

/// The exchange detectors of one worker, with their scratch memory.
#[derive(Debug)]
pub struct Inspector {
    scanner: Scanner,
    /// Looks for [`KEYS`] alone, and for secrets that a class tells by their prefix.
    keys: Scanner,
    /// The length of the shortest of them.
    shortest_key: usize,
    settings: Settings,
    found: Found,
}

impl Inspector {
    /// An inspector for one worker.
    pub fn new(scanner: Scanner, settings: Settings) -> Self {
        let classes = settings.classes;
        let is_wanted = |entity: EntityType| {
            let is_known = (entity as usize) < KINDS.len() || classes.types().any(|class| class == entity);
            let Detector { name, family, .. } = classes.kind(entity).detector;
            is_known && settings.runs(name, family)
        };
        let scanner = scanner.with(classes).only(is_wanted);
        let is_own_key = |entity: &EntityType| {
            let kind = classes.kind(*entity);
            kind.detector.family == Family::Secret && matches!(kind.told, Told::Prefix(_))
        };
        let keys = scanner.only(|entity| (KEYS.contains(&entity) || is_own_key(&entity)) && is_wanted(entity));
        let shortest_key =
            if classes.types().any(|entity| is_own_key(&entity)) { class::SHORTEST } else { SHORTEST_KEY };
        Self { scanner, keys, shortest_key, settings, found: Found::default() }
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
        self.look_for_keys(exchange, findings);
        let Some(response) = &exchange.response else { return Tally::default() };
        let first = findings.len();
        let tally = self.inspect_content("response.content", &response.content, findings);
        for finding in findings.get_mut(first..).unwrap_or_default() {
            finding.severity = in_circumstances(finding, exchange);
        }
        tally
    }

    /// Looks for keys of known form where none should be sent: in the request target, which ends up in logs and
    /// histories, and in the fields of the response.
    fn look_for_keys(&mut self, exchange: &Exchange<'_>, findings: &mut Vec<Finding>) {
        if self.keys.is_idle() {
            return;
        }
        if let Some(request) = &exchange.request {
            self.keys_in("request.target", None, request.target, findings);
        }
        let Some(response) = &exchange.response else { return };
        for (name, value) in response.fields.iter() {
            if value.len() >= self.shortest_key && !name.eq_ignore_ascii_case(b"set-cookie") {
                self.keys_in("response.field", Some(name), value, findings);
            }
        }
    }

    fn keys_in(&mut self, part: &'static str, name: Option<&[u8]>, bytes: &[u8], findings: &mut Vec<Finding>) {
        if bytes.len() < self.shortest_key {
            return;
        }
        let layout = self.keys.plain();
        self.found.clear();
        self.keys.scan_kept(bytes, More::Nothing, &layout, &mut self.found);
        let tally = self.found.tally;
        if tally.is_empty() {
            return;
        }
        let classes = self.settings.classes;
        let scene = Scene { content: bytes, layout: &layout, part, key: self.settings.evidence_key.as_ref(), classes };
        for entity in KEYS.iter().copied().chain(classes.types()).filter(|entity| tally.count(*entity) > 0) {
            let hits = self.found.hits.iter().filter(|hit| hit.entity == entity);
            let mut shown = scene.show(entity, hits);
            for evidence in &mut shown.evidence {
                evidence.location.path =
                    name.map(|name| endpoint::shown_name(name).into_owned()).or_else(|| evidence.location.path.take());
            }
            findings.push(Finding {
                detector: &classes.kind(entity).detector,
                rule: if name.is_some() { "response_field" } else { "request_target" },
                subject: Subject::Endpoint,
                because: None,
                severity: if name.is_some() { Severity::High } else { Severity::Medium },
                confidence: shown.confidence,
                items: tally.count(entity),
                evidence: shown.evidence,
            });
        }
    }

    /// What a piece of content holds, by type: how many, and the first one masked.
    pub fn classify(&mut self, bytes: &[u8]) -> Vec<Classified> {
        let mut findings = Vec::new();
        self.inspect_content("content", &Content { bytes, ..Content::default() }, &mut findings);
        let classified = findings.into_iter().map(|finding| {
            let masked = finding.evidence.into_iter().next().map(|evidence| evidence.masked);
            let (_, kind) = finding.detector.name.split_once('.').unwrap_or_default();
            Classified { kind, masked: masked.unwrap_or_default(), count: finding.items }
        });
        classified.collect()
    }

    /// How many different values the content holds that was inspected last, by type: for a response whose tally is
    /// `tally`. Values past the inspection limit are not told apart.
    pub fn volumes<'a>(
        &'a self,
        exchange: &'a Exchange<'_>,
        tally: &'a Tally,
        hashing: &'a Hashing,
    ) -> impl Iterator<Item = Volume> + 'a {
        let content = exchange.response.map_or(&b""[..], |response| response.content.bytes);
        let kinds = EntityType::ALL.iter().copied().filter(|entity| tally.count(*entity) > 0);
        kinds.map(move |entity| {
            let mut values = Sketch::default();
            for hit in self.found.hits.iter().filter(|hit| hit.entity == entity) {
                values.insert(hashing.hash(content.get(hit.start..hit.end).unwrap_or_default()));
            }
            Volume { entity, values }
        })
    }

    fn inspect_content(&mut self, part: &'static str, content: &Content<'_>, findings: &mut Vec<Finding>) -> Tally {
        if self.scanner.is_idle() {
            return Tally::default();
        }
        let layout = self.scanner.layout(content.bytes);
        let more = if content.beyond.is_some() { More::Follows } else { More::Nothing };
        self.found.clear();
        self.scanner.scan_kept(content.bytes, more, &layout, &mut self.found);
        let mut tally = self.found.tally;
        if let Some(beyond) = content.beyond {
            tally.merge(beyond);
        }
        if !tally.is_empty() {
            let key = self.settings.evidence_key.as_ref();
            let scene = Scene { content: content.bytes, layout: &layout, part, key, classes: self.settings.classes };
            let first = findings.len();
            for entity in EntityType::ALL.iter().copied().filter(|entity| tally.count(*entity) > 0) {
                let kind = self.settings.classes.kind(entity);
                let hits = self.found.hits.iter().filter(|hit| hit.entity == entity);
                let shown = scene.show(entity, hits);
                // Values that were not kept are taken for different ones.
                let beyond = content.beyond.map_or(0, |beyond| beyond.count(entity));
                findings.push(Finding {
                    detector: &kind.detector,
                    rule: "response_content",
                    subject: Subject::Endpoint,
                    severity: kind.severity(shown.evidence.len().saturating_add(beyond as usize)),
                    confidence: shown.confidence,
                    items: tally.count(entity),
                    because: None,
                    evidence: shown.evidence,
                });
            }
            let found = findings.get_mut(first..).unwrap_or_default();
            scene.locate(found.iter_mut().flat_map(|finding| &mut finding.evidence));
        }
        tally
    }
}

/// Keys whose form alone says what they are, and which belong in no target and no field.
const KEYS: &[EntityType] = &[
    EntityType::AwsAccessKey,
    EntityType::GithubToken,
    EntityType::GoogleApiKey,
    EntityType::PrivateKey,
    EntityType::SlackToken,
    EntityType::StripeKey,
];
/// The length of the shortest of these.
const SHORTEST_KEY: usize = 20;

/// How bad a finding in a response is, given who asked and what for. People read their own profile all the time: few
/// common values for somebody who said who they are belong into an inventory, and are no alert. A token in the answer of a
/// login is what a login is for.
fn in_circumstances(finding: &Finding, exchange: &Exchange<'_>) -> Severity {
    let Some(request) = &exchange.request else { return finding.severity };
    let is_token = finding.detector.name == EntityType::Jwt.kind().detector.name;
    if is_token && finding.evidence.len() < SEVERAL && login::is_way_in(request.target) {
        return Severity::Info;
    }
    let few = finding.evidence.len() < SEVERAL && finding.items < MANY;
    if few && finding.detector.family == Family::Pii && identity::is_given(request) {
        // A number that harms alone is still better not sent whole.
        let most = if finding.severity <= Severity::Low { Severity::Info } else { Severity::Low };
        return finding.severity.min(most);
    }
    finding.severity
}

/// How many items are more than a profile that repeats its owner's address.
const MANY: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Anomalies, Completeness, FieldLine, Fields, Request, Response, Version};
    use crate::finding::Confidence;
    use crate::scan::WindowScan;
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
        let (findings, tally) = inspect(Settings { evidence_key: Some([7; 32]), ..Settings::default() }, body);
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
            let (findings, _) = inspect(Settings { evidence_key: key, ..Settings::default() }, body.as_bytes());
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
        let only =
            |list: &str| Settings { only: Settings::parse_only(list, |_| false).unwrap(), ..Settings::default() };
        let (findings, tally) = inspect(only("pii.us_ssn"), body);
        assert_eq!((findings.len(), tally.count(EntityType::Email), tally.count(EntityType::UsSsn)), (1, 0, 1));
        assert_eq!(inspect(only("pii"), body).0.len(), 2);
        assert_eq!(inspect(only("all"), body).0.len(), 2);
        assert!(inspect(only("none"), body).1.is_empty());
    }

    #[test]
    fn unknown_detectors_are_refused_with_the_known_ones() {
        let error = Settings::parse_only("pii.email, pii.mail", |_| false).unwrap_err();
        assert_eq!(error.name, "pii.mail");
        assert!(error.to_string().contains("of this family there are pii.au_medicare, "), "{error}");
        let error = Settings::parse_only("mail", |_| false).unwrap_err();
        assert!(error.to_string().contains("known are all, none, and the families pii, "), "{error}");
    }

    #[test]
    fn what_lies_beyond_the_limit_counts_once() {
        let body =
            format!("{}{}", "x".repeat(5_000), r#"{"ssn":"123-45-6789","email":"jane@corp.example"}"#.repeat(20));
        for limit in [0, 5_000, 5_011, 5_300, 5_900] {
            let (kept, rest) = body.as_bytes().split_at(limit);
            let mut inspector = inspector(Settings::default());
            let mut windows = WindowScan::after(inspector.scanner(), kept);
            windows.push(inspector.scanner(), rest);
            windows.finish(inspector.scanner());
            let content = Content { bytes: kept, beyond: Some(windows.tally()), ..Content::default() };
            let mut findings = Vec::new();
            let tally = inspector.inspect(&exchange(content), &mut findings);
            assert_eq!((tally.count(EntityType::UsSsn), tally.count(EntityType::Email)), (20, 20), "limit {limit}");
            assert_eq!(findings.iter().map(|finding| finding.items).sum::<u32>(), 40);
        }
    }

    /// The findings about an exchange of this request and response content.
    fn of_exchange(target: &str, field: &str, content: &str) -> Vec<Finding> {
        let lines = [FieldLine { name: 0, name_len: field.len() as u16, value: field.len() as u32, value_len: 0 }];
        let fields = Fields::new(field.as_bytes(), &lines);
        let request = Request {
            method: b"GET",
            target: target.as_bytes(),
            version: Version::Http11,
            fields,
            content: Content::default(),
        };
        let content = Content { bytes: content.as_bytes(), ..Content::default() };
        let mut findings = Vec::new();
        let exchange = Exchange { request: Some(request), ..exchange(content) };
        inspector(Settings::default()).inspect(&exchange, &mut findings);
        findings
    }

    #[test]
    fn a_profile_of_ones_own_is_no_alarm() {
        let profile = r#"{"email":"jane@corp.example","iban":"DE89370400440532013000","bsn":"137938378"}"#;
        let severities = |field| {
            let findings = of_exchange("/me", field, profile);
            findings.iter().map(|finding| finding.severity).collect::<Vec<_>>()
        };
        assert_eq!(severities("Authorization"), [Severity::Info, Severity::Low, Severity::Low]);
        assert_eq!(severities("Accept"), [Severity::Low, Severity::High, Severity::High]);
        let many = (0..9).map(|n| format!("u{n}@corp.example ")).collect::<String>();
        assert_eq!(of_exchange("/users", "Authorization", &many)[0].severity, Severity::Medium);
        let secret = r#"{"password_hash":"$2y$10$AnlIaNm7X/YNGbkhpTYrzDWq2MuHq/XEp9473qoEM2l4Q0DwpEn1U"}"#;
        assert_eq!(of_exchange("/me", "Authorization", secret)[0].severity, Severity::High);
    }

    #[test]
    fn a_login_answers_with_a_token() {
        let token = r#"{"t":"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jV"}"#;
        assert_eq!(of_exchange("/api/login?x=1", "Accept", token)[0].severity, Severity::Info);
        assert_eq!(of_exchange("/api/users", "Accept", token)[0].severity, Severity::Low);
    }

    #[test]
    fn keys_in_targets() {
        let findings = of_exchange("/map?size=1&key=AIza1ELehlMaqUzHln_NGN6FGQ4iSU7qllnktI4", "Accept", "");
        let [finding] = findings.as_slice() else { panic!("one finding") };
        assert_eq!((finding.detector.name, finding.severity), ("secret.google_api_key", Severity::Medium));
        let location = &finding.evidence[0].location;
        assert_eq!((location.part.as_str(), location.path.as_deref()), ("request.target", Some("key")));
        assert!(!format!("{finding:?}").contains("1ELeh"));
        assert!(of_exchange("/users/jane@corp.example?ssn=123-45-6789", "Accept", "").is_empty());
    }

    #[test]
    fn nothing_found_gives_nothing() {
        let (findings, tally) = inspect(Settings::default(), b"{\"id\":1}");
        assert!(findings.is_empty() && tally.is_empty());
        assert!(inspect(Settings::default(), b"").1.is_empty());
    }
}
