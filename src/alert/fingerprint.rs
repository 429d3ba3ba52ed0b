//! Who an alert is: the identity of its cause, and its own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{ExchangeContext, Finding, Subject};
use crate::time::Order;

/// The identity of a cause: the same for the same cause across alerts, restarts and sensors.
///
/// It is a hash of family, detector, rule, server identity, method, endpoint and, for what clients do, the principal or
/// the client's address. The server's identity is the host that was asked for, so that many addresses behind one name are
/// one; its address and port stand in where there is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// The fingerprint of what `finding` is about.
    pub fn of(finding: &Finding, context: &ExchangeContext) -> Self {
        let mut parts = Parts::new("apitap 2025 alert fingerprint");
        parts.rule(finding);
        match &context.host {
            Some(host) => parts.tagged("host", host.as_bytes()),
            None => parts.tagged("server", context.server.to_string().as_bytes()),
        }
        if matches!(finding.subject, Subject::Endpoint | Subject::ClientAtEndpoint) {
            parts.optional("method", context.method.as_deref());
            parts.optional("endpoint", context.endpoint.as_deref());
        }
        match (finding.subject, &context.principal) {
            (Subject::Endpoint | Subject::Server, _) => {}
            (Subject::Client | Subject::ClientAtEndpoint, Some(principal)) => {
                parts.tagged("principal", principal.as_bytes());
            }
            (Subject::Client | Subject::ClientAtEndpoint, None) => {
                parts.tagged("client", context.client.ip().to_string().as_bytes());
            }
        }
        Self(parts.finish())
    }

    /// The fingerprint of the alert that everything of `finding`'s rule goes to when no more alerts may be opened.
    pub fn of_overflow(finding: &Finding) -> Self {
        let mut parts = Parts::new("apitap 2025 overflow fingerprint");
        parts.rule(finding);
        Self(parts.finish())
    }
}

/// The id of one alert, in the form of a UUID of version 8 (RFC 9562 section 5.8).
///
/// It is derived, not drawn, so that a replay of the same traffic makes the same ids and the store holds it once; keyed,
/// so that it tells nothing about what it was derived from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId(u128);

impl AlertId {
    /// The id of the alert that `fingerprint`'s match at `first` opened on this sensor.
    pub fn derive(key: &[u8; 32], sensor: &str, fingerprint: Fingerprint, first: Order) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(&(sensor.len() as u64).to_le_bytes());
        hasher.update(sensor.as_bytes());
        hasher.update(&fingerprint.0.to_be_bytes());
        hasher.update(&first.time.as_nanos().to_le_bytes());
        hasher.update(&first.frame.to_le_bytes());
        let id = truncated(&hasher) & !(0xf << 76 | 0x3 << 62);
        Self(id | 0x8 << 76 | 0x2 << 62)
    }

    /// Its 128 bits, the first octet of the text highest.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The id with these bits.
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }
}

/// A hash over parts that cannot run into each other.
struct Parts(blake3::Hasher);

impl Parts {
    fn new(context: &'static str) -> Self {
        Self(blake3::Hasher::new_derive_key(context))
    }

    fn rule(&mut self, finding: &Finding) {
        self.tagged("family", finding.detector.family.as_str().as_bytes());
        self.tagged("detector", finding.detector.name.as_bytes());
        self.tagged("rule", finding.rule.as_bytes());
    }

    fn optional(&mut self, tag: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.tagged(tag, value.as_bytes());
        }
    }

    fn tagged(&mut self, tag: &'static str, value: &[u8]) {
        for part in [tag.as_bytes(), value] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    fn finish(&self) -> u128 {
        truncated(&self.0)
    }
}

fn truncated(hasher: &blake3::Hasher) -> u128 {
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_be_bytes(bytes)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = [self.0 >> 96, self.0 >> 80 & 0xffff, self.0 >> 64 & 0xffff, self.0 >> 48 & 0xffff];
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{:012x}", self.0 & 0xffff_ffff_ffff)
    }
}

/// A text that is neither a fingerprint nor an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("32 hexadecimal digits were expected")]
pub struct NotHexadecimal;

impl FromStr for Fingerprint {
    type Err = NotHexadecimal;
    fn from_str(text: &str) -> Result<Self, NotHexadecimal> {
        parse(text).map(Self)
    }
}

impl FromStr for AlertId {
    type Err = NotHexadecimal;
    fn from_str(text: &str) -> Result<Self, NotHexadecimal> {
        parse(&text.replace('-', "")).map(Self)
    }
}

fn parse(text: &str) -> Result<u128, NotHexadecimal> {
    // `from_str_radix` takes a sign, too.
    if text.len() != 32 || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return Err(NotHexadecimal);
    }
    u128::from_str_radix(text, 16).map_err(|_| NotHexadecimal)
}

macro_rules! as_text {
    ($($type:ident)*) => { $(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <&str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )* };
}

as_text!(Fingerprint AlertId);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::open::tests::{context, finding};
    use crate::time::Timestamp;

    #[test]
    fn one_cause_has_one_fingerprint() {
        let here = context("10.0.0.1:1000");
        let elsewhere =
            ExchangeContext { server: "10.9.9.9:80".parse().unwrap(), status: Some(500), ..context("10.0.0.7:2") };
        let of = |subject, context: &_| Fingerprint::of(&Finding { subject, ..finding("a", 1) }, context);
        assert_eq!(of(Subject::Endpoint, &here), of(Subject::Endpoint, &elsewhere));
        assert_ne!(of(Subject::ClientAtEndpoint, &here), of(Subject::ClientAtEndpoint, &elsewhere));
        assert_eq!(of(Subject::ClientAtEndpoint, &here), of(Subject::ClientAtEndpoint, &context("10.0.0.1:2000")));

        let known = |client| ExchangeContext { principal: Some("p".into()), ..context(client) };
        assert_eq!(
            of(Subject::ClientAtEndpoint, &known("10.0.0.1:1")),
            of(Subject::ClientAtEndpoint, &known("10.0.0.2:1"))
        );
    }

    #[test]
    fn another_cause_has_another() {
        let here = context("10.0.0.1:1000");
        let base = Fingerprint::of(&finding("a", 1), &here);
        let others = [
            ExchangeContext { host: None, ..here.clone() },
            ExchangeContext { host: Some("b.example".into()), ..here.clone() },
            ExchangeContext { method: None, ..here.clone() },
            ExchangeContext { endpoint: Some("/other".into()), ..here.clone() },
        ];
        for other in others {
            assert_ne!(Fingerprint::of(&finding("a", 1), &other), base, "{other:?}");
        }
        assert_ne!(Fingerprint::of(&finding("b", 1), &here), base);
        assert_ne!(Fingerprint::of_overflow(&finding("a", 1)), base);
    }

    /// Stored alerts are compared with new ones across releases: a change here is a change of every fingerprint.
    #[test]
    fn the_fingerprint_is_stable() {
        let finding = Finding { subject: Subject::ClientAtEndpoint, ..finding("a", 1) };
        let fingerprint = Fingerprint::of(&finding, &context("10.0.0.1:1000"));
        assert_eq!(fingerprint.to_string(), "d69f295f9ab9643cc86fbc4c4e51eeb6");
    }

    #[test]
    fn ids_differ_by_everything_they_are_derived_from_and_read_like_uuids() {
        let fingerprint = Fingerprint(7);
        let first = Order { time: Timestamp::from_nanos(5), frame: 9, ..Order::default() };
        let id = AlertId::derive(&[1; 32], "a", fingerprint, first);
        let others = [
            AlertId::derive(&[2; 32], "a", fingerprint, first),
            AlertId::derive(&[1; 32], "b", fingerprint, first),
            AlertId::derive(&[1; 32], "a", Fingerprint(8), first),
            AlertId::derive(&[1; 32], "a", fingerprint, Order { frame: 10, ..first }),
            AlertId::derive(&[1; 32], "a", fingerprint, Order { time: Timestamp::from_nanos(6), ..first }),
        ];
        assert!(others.iter().all(|other| *other != id));

        let text = id.to_string();
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(&text[14..15], "8", "version");
        assert!("89ab".contains(&text[19..20]), "variant");
        assert_eq!(text.parse(), Ok(id));
        assert_eq!("+".repeat(32).parse::<AlertId>(), Err(NotHexadecimal));
    }
}
