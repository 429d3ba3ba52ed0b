//! Suppression: findings that somebody looked at and does not want to be told of again, for a reason and for a time.
//!
//! A rule names what it is about by what alerts show: family, detector, rule, endpoint, host, the client's network. All that
//! it names has to fit. What is suppressed is counted, rule by rule. After its last day a rule no longer applies, and what it
//! would have suppressed is counted as well, so that it is seen to have run out.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use apitap_detectors::class::is_detector_name;
use apitap_detectors::finding::Family;
use apitap_detectors::registry::detectors;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{ExchangeContext, Finding};
use crate::nearest::nearest;
use crate::time::Timestamp;

/// A rule: findings that fit everything it names are not told until it expires.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Suppression {
    family: Option<Family>,
    detector: Option<String>,
    rule: Option<String>,
    endpoint: Option<String>,
    host: Option<String>,
    client: Option<Network>,
    reason: String,
    expires: Timestamp,
}

/// A rule as it was written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Unchecked {
    family: Option<Family>,
    detector: Option<String>,
    rule: Option<String>,
    endpoint: Option<String>,
    host: Option<String>,
    client: Option<Network>,
    reason: String,
    expires: String,
}

/// What is wrong with a rule, and how it is mended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It would suppress everything.
    #[error("a suppression names none of family, detector, rule, endpoint, host, client: name at least one")]
    Everything,
    /// It names a detector that there is not.
    #[error("a suppression names the unknown detector '{name}'{}", meant(name))]
    Detector {
        /// The name as it was written.
        name: String,
    },
    /// Nobody would know why.
    #[error("a suppression has no reason: say in 'reason' why it is there")]
    NoReason,
    /// It would hold for ever, or nobody knows how long.
    #[error(
        "a suppression's 'expires' is '{0}': give its last day as in 2027-01-31, or a time as in 2027-01-31T12:00:00Z"
    )]
    Expires(String),
    /// It names no network.
    #[error("'{0}' is no network: write an address, or one with a prefix length as in 192.0.2.0/24")]
    Network(String),
}

impl TryFrom<Unchecked> for Suppression {
    type Error = Fault;

    fn try_from(written: Unchecked) -> Result<Self, Fault> {
        let Unchecked { family, detector, rule, endpoint, host, client, reason, expires } = written;
        let names = [&detector, &rule, &endpoint, &host];
        if family.is_none() && client.is_none() && names.iter().all(|name| name.is_none()) {
            return Err(Fault::Everything);
        }
        if let Some(name) = &detector
            && !detectors().any(|known| known.name == name)
            // Which classes there are knows who read all of the configuration.
            && !is_detector_name(name)
        {
            return Err(Fault::Detector { name: name.clone() });
        }
        if reason.trim().is_empty() {
            return Err(Fault::NoReason);
        }
        let host = host.map(|host| host.to_ascii_lowercase());
        let expires = end_of(&expires).ok_or(Fault::Expires(expires))?;
        Ok(Self { family, detector, rule, endpoint, host, client, reason, expires })
    }
}

fn meant(name: &str) -> String {
    match nearest(name, detectors().map(|known| known.name)) {
        Some(near) => format!("; did you mean '{near}'?"),
        None => "; docs/detectors.md has them all, and 'family' stands for all of a family".to_owned(),
    }
}

/// The moment a rule ends that is written as a day, which it includes, or as a time.
fn end_of(text: &str) -> Option<Timestamp> {
    let nanos = match text.parse::<jiff::civil::Date>() {
        Ok(day) if !text.contains(['T', ' ']) => {
            format!("{}T00:00:00Z", day.tomorrow().ok()?).parse::<jiff::Timestamp>().ok()?.as_nanosecond()
        }
        _ => text.parse::<jiff::Timestamp>().ok()?.as_nanosecond(),
    };
    i64::try_from(nanos).ok().map(Timestamp::from_nanos)
}

impl Suppression {
    /// What a rule may say.
    pub const KEYS: [&str; 8] = ["family", "detector", "rule", "endpoint", "host", "client", "reason", "expires"];

    /// Why it is there.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// When it ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The detector that it names.
    pub fn detector(&self) -> Option<&str> {
        self.detector.as_deref()
    }

    fn fits(&self, finding: &Finding, context: &ExchangeContext) -> bool {
        fn is(wanted: Option<&str>, found: Option<&str>) -> bool {
            wanted.is_none_or(|wanted| found == Some(wanted))
        }
        self.family.is_none_or(|family| family == finding.detector.family)
            && is(self.detector.as_deref(), Some(finding.detector.name))
            && is(self.rule.as_deref(), Some(finding.rule))
            && is(self.endpoint.as_deref(), context.endpoint.as_deref())
            && is(self.host.as_deref(), context.host.as_deref())
            && self.client.is_none_or(|network| network.contains(context.client.ip()))
    }
}

/// As it is told, for statistics.
impl Serialize for Suppression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Shows what it is about, as it is told in a summary: `family=pii host=a.example`.
impl fmt::Display for Suppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = self.client.map(|network| network.to_string());
        let parts = [
            ("family", self.family.map(Family::as_str)),
            ("detector", self.detector.as_deref()),
            ("rule", self.rule.as_deref()),
            ("endpoint", self.endpoint.as_deref()),
            ("host", self.host.as_deref()),
            ("client", client.as_deref()),
        ];
        let mut separator = "";
        for (name, value) in parts {
            if let Some(value) = value {
                write!(f, "{separator}{name}={value}")?;
                separator = " ";
            }
        }
        Ok(())
    }
}

/// An address, or a block of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address lies in it. An IPv4 address within IPv6 (RFC 4291 section 2.5.5.2) is the IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = || Fault::Network(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |prefix| prefix.parse().map_err(|_| fault()))?;
        if prefix > longest { Err(fault()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What a rule did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// The rule.
    pub rule: Suppression,
    /// Findings that it suppressed.
    pub suppressed: u64,
    /// Findings that it would have suppressed, had it not expired.
    pub expired: u64,
}

/// What is to become of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// No rule fits.
    Told,
    /// Rules fit that have expired: it is told.
    Expired,
    /// A rule fits: it is not told.
    Suppressed,
}

/// The rules, and what they did.
#[derive(Debug, Default)]
pub(super) struct Suppressions(Vec<Applied>);

impl Suppressions {
    pub(super) fn new(rules: &[Suppression]) -> Self {
        Self(rules.iter().map(|rule| Applied { rule: rule.clone(), suppressed: 0, expired: 0 }).collect())
    }

    /// What is to become of a finding. The first rule that fits and holds counts it, and each before it that fits and
    /// expired.
    pub(super) fn take(&mut self, finding: &Finding, context: &ExchangeContext, now: Timestamp) -> Fate {
        let mut fate = Fate::Told;
        for applied in self.0.iter_mut().filter(|applied| applied.rule.fits(finding, context)) {
            if now < applied.rule.expires {
                applied.suppressed += 1;
                return Fate::Suppressed;
            }
            applied.expired += 1;
            fate = Fate::Expired;
        }
        fate
    }

    pub(super) fn applied(&self) -> &[Applied] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::open::tests::{context, finding};

    fn rule(json: &str) -> Result<Suppression, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rule_fits_what_it_names_until_its_last_day_is_over() {
        let rule = rule(
            r#"{"family":"pii","client":"10.0.0.0/8","host":"A.example","reason":"test data","expires":"2027-01-31"}"#,
        )
        .unwrap();
        assert_eq!(rule.to_string(), "family=pii host=a.example client=10.0.0.0/8");
        let mut rules = Suppressions::new(&[rule]);
        let at = |text: &str| Timestamp::from_nanos(text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64);
        let mut take = |client, when: &str| rules.take(&finding("a", 1), &context(client), at(when));
        assert_eq!(take("10.9.9.9:1", "2027-01-31T23:59:59Z"), Fate::Suppressed);
        assert_eq!(take("[::ffff:10.9.9.9]:1", "2026-01-31T23:59:59Z"), Fate::Suppressed);
        assert_eq!(take("11.0.0.1:1", "2027-01-31T23:59:59Z"), Fate::Told);
        assert_eq!(take("10.9.9.9:1", "2027-02-01T00:00:00Z"), Fate::Expired);
        let [applied] = rules.applied() else { panic!("there is one") };
        assert_eq!((applied.suppressed, applied.expired), (2, 1));
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said() {
        for (json, part) in [
            (r#"{"reason":"x","expires":"2027-01-31"}"#, "name at least one"),
            (r#"{"family":"pii","expires":"2027-01-31"}"#, "say in 'reason'"),
            (r#"{"family":"pii","reason":"x"}"#, "give its last day"),
            (r#"{"family":"pii","reason":"x","expires":"soon"}"#, "'soon'"),
            (
                r#"{"detector":"pii.emial","reason":"x","expires":"2027-01-31"}"#,
                "unknown detector 'pii.emial'; did you mean 'pii.email'?",
            ),
            (r#"{"detector":"nonsense","reason":"x","expires":"2027-01-31"}"#, "docs/detectors.md"),
            (r#"{"family":"peter","reason":"x","expires":"2027-01-31"}"#, "unknown variant"),
            (r#"{"client":"10.0.0.0/33","reason":"x","expires":"2027-01-31"}"#, "is no network"),
            (r#"{"famly":"pii","reason":"x","expires":"2027-01-31"}"#, "unknown field"),
        ] {
            let error = rule(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn networks_of_every_length() {
        let is_in =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(is_in("0.0.0.0/0", "255.1.1.1") && is_in("::/0", "2001:db8::1"));
        assert!(is_in("192.0.2.7", "192.0.2.7") && !is_in("192.0.2.7", "192.0.2.6"));
        assert!(is_in("2001:db8::/32", "2001:db8:1::1") && !is_in("2001:db8::/32", "2001:db9::1"));
        assert!(!is_in("0.0.0.0/0", "2001:db8::1"));
    }
}
