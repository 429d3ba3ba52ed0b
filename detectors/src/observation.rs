//! What is told of an exchange to the stages behind the detectors: findings, and the circumstances that may be told.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::endpoint;
use crate::exchange::{Anomalies, Completeness, Exchange, Request};
use crate::finding::Finding;
use crate::time::Order;

/// Findings, and the exchange that they are about or that completed what they are about.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Where the exchange stands among everything the capture told.
    pub order: Order,
    /// What of the exchange may be told.
    pub context: ExchangeContext,
    /// What the detectors found.
    pub findings: Vec<Finding>,
}

/// The circumstances of an observation: owned, bounded and redacted. Neither the request target nor any field value
/// apart from the host is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeContext {
    /// Who asked.
    pub client: SocketAddr,
    /// Who answered.
    pub server: SocketAddr,
    /// The principal, as a keyed hash in text form, where one is known.
    pub principal: Option<Arc<str>>,
    /// The host that was asked for: in lower case, at most 255 bytes, octets that no host has replaced.
    pub host: Option<Arc<str>>,
    /// The method, at most 24 bytes.
    pub method: Option<Arc<str>>,
    /// The path template: what could be a value is not in it.
    pub endpoint: Option<Arc<str>>,
    /// The status code of the response.
    pub status: Option<u16>,
    /// What was missing of the exchange.
    pub completeness: Completeness,
    /// What was odd about it.
    pub anomalies: Anomalies,
}

impl ExchangeContext {
    /// What may be told of `exchange`.
    pub fn of(exchange: &Exchange<'_>, names: &mut Names) -> Self {
        let request = exchange.request.as_ref();
        Self {
            client: exchange.client,
            server: exchange.server,
            principal: None,
            host: request.and_then(host).map(|host| names.share(&host)),
            method: request.map(|request| names.share(&method(request))),
            endpoint: request.map(|request| names.share(&endpoint::template(request.target))),
            status: exchange.response.as_ref().map(|response| response.status),
            completeness: exchange.completeness,
            anomalies: exchange.anomalies,
        }
    }
}

/// Texts that come again and again, each kept once.
#[derive(Debug, Default)]
pub struct Names(HashSet<Arc<str>>);

/// How many texts are kept; a hostile client can make up more, and then all are forgotten and kept anew.
const NAMES: usize = 16_384;

impl Names {
    /// The text, shared with whoever else asked for it.
    pub fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(name) = self.0.get(text) {
            return name.clone();
        }
        if self.0.len() >= NAMES {
            self.0.clear();
        }
        let name: Arc<str> = text.into();
        self.0.insert(name.clone());
        name
    }
}

/// Longest host kept, in bytes: that of a domain name (RFC 1035 section 2.3.4), so a longer one is none.
const HOST_LIMIT: usize = 255;

/// Longest method kept, in bytes; the longest registered one (UPDATEREDIRECTREF) has 17.
const METHOD_LIMIT: usize = 24;

/// The method of a request, without what is none.
pub fn method(request: &Request<'_>) -> String {
    keep(request.method, METHOD_LIMIT, is_method_octet)
}

/// The host a request asks for: that of an absolute-form target before the Host field's (RFC 9112 section 3.2.2).
pub fn host(request: &Request<'_>) -> Option<String> {
    let authority = authority(request.target).or_else(|| request.fields.get("host"))?;
    // User information is no part of the host, and may be a password (RFC 3986 section 3.2.1).
    let host = authority.rsplit(|octet| *octet == b'@').next().unwrap_or_default();
    let mut host = keep(host, HOST_LIMIT, is_host_octet).to_ascii_lowercase();
    mask_numbers(&mut host);
    // One host, one identity: without the default port, without the root's dot.
    for ending in [":80", "."] {
        if let Some(rest) = host.strip_suffix(ending) {
            host.truncate(rest.len());
        }
    }
    (!host.is_empty()).then_some(host)
}

/// The authority of a target in absolute form.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let rest = [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })?;
    rest.split(|octet| matches!(octet, b'/' | b'?' | b'#')).next()
}

/// At most `limit` octets as text, with `_` for those that are not to be kept.
fn keep(octets: &[u8], limit: usize, kept: impl Fn(u8) -> bool) -> String {
    octets.iter().take(limit).map(|octet| if kept(*octet) { char::from(*octet) } else { '_' }).collect()
}

fn is_host_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b':' | b'[' | b']')
}

/// Methods are words (the registry has none with a digit); a number in their place is a value.
fn is_method_octet(octet: u8) -> bool {
    octet.is_ascii_alphabetic() || octet == b'-'
}

/// Masks runs of digits that are longer than those of addresses and ports: they could be a value.
fn mask_numbers(text: &mut String) {
    const LONGEST: usize = 5;
    let digits = |octet: &u8| octet.is_ascii_digit();
    let mut masked = String::with_capacity(text.len());
    for run in text.as_bytes().chunk_by(|a, b| digits(a) == digits(b)) {
        let is_number = run.len() > LONGEST && run.iter().all(digits);
        masked.extend(run.iter().map(|octet| if is_number { '*' } else { char::from(*octet) }));
    }
    *text = masked;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Content, FieldLine, Fields, Version};
    use crate::time::{Order, Timestamp};

    fn context(method: &[u8], target: &[u8], host: &[u8]) -> ExchangeContext {
        let bytes = [&b"Host"[..], host].concat();
        let lines = [FieldLine { name: 0, name_len: 4, value: 4, value_len: host.len() as u32 }];
        let request = Request {
            method,
            target,
            version: Version::Http11,
            fields: Fields::new(&bytes, if host.is_empty() { &[] } else { &lines }),
            content: Content::default(),
        };
        let exchange = Exchange {
            order: Order::default(),
            started: Timestamp::default(),
            ended: Timestamp::default(),
            client: "10.0.0.1:50000".parse().unwrap(),
            server: "10.0.0.2:80".parse().unwrap(),
            request: Some(request),
            response: None,
            completeness: Completeness::NO_RESPONSE,
            anomalies: Anomalies::none(),
        };
        ExchangeContext::of(&exchange, &mut Names::default())
    }

    fn host_of(target: &[u8], field: &[u8]) -> Option<Arc<str>> {
        context(b"GET", target, field).host
    }

    #[test]
    fn a_number_in_the_place_of_a_name_is_masked() {
        assert_eq!(
            host_of(b"/", b"4111111111111111.a.example:8080").as_deref(),
            Some("****************.a.example:8080")
        );
        assert_eq!(host_of(b"/", b"10.0.0.1:65535").as_deref(), Some("10.0.0.1:65535"));
        assert_eq!(context(b"4111111111111111", b"/", b"").method.as_deref(), Some("________________"));
    }

    #[test]
    fn one_host_has_one_name() {
        for field in [&b"api.example"[..], b"API.example", b"api.example:80", b"api.example.", b"api.example.:80"] {
            assert_eq!(host_of(b"/", field).as_deref(), Some("api.example"));
        }
        assert_eq!(host_of(b"/", b"api.example:8080").as_deref(), Some("api.example:8080"));
        assert_eq!(host_of(b"/", b"[2001:db8::1]:8080").as_deref(), Some("[2001:db8::1]:8080"));
        assert_eq!(host_of(b"/", b""), None);
        assert_eq!(host_of(b"/", b":80"), None);
    }

    #[test]
    fn absolute_form_goes_before_the_field() {
        assert_eq!(host_of(b"HTTP://one.example?q", b"two.example").as_deref(), Some("one.example"));
        assert_eq!(host_of(b"http:/one.example", b"two.example").as_deref(), Some("two.example"));
    }

    #[test]
    fn a_host_holds_no_password_and_no_control_octet() {
        assert_eq!(host_of(b"http://u:secret@one.example/x", b"").as_deref(), Some("one.example"));
        assert_eq!(host_of(b"/", b"a\x1b[2J\xff/b").as_deref(), Some("a_[2j__b"));
        assert_eq!(host_of(b"/", &[b'a'; 9000]).map(|host| host.len()), Some(HOST_LIMIT));
    }

    #[test]
    fn methods_are_bounded_and_the_target_goes_through_the_template() {
        let context = context(b"GE\nT", b"/users/7", b"");
        assert_eq!(context.method.as_deref(), Some("GE_T"));
        assert_eq!(context.endpoint.as_deref(), Some("/users/{int}"));
        assert_eq!(context.status, None);
    }
}
