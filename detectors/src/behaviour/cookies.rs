//! Cookies of sessions that any script may read, or that travel unencrypted.
//!
//! Judged from one answer, once for each server. Everything this sensor reads was unencrypted where it was read, which may
//! be behind the machine that ends TLS; so this is for information. There is no state.

use super::{Behaviour, Seen};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::identity;

static DETECTOR: Detector = Detector {
    name: "auth.cookie",
    family: Family::Auth,
    title: "A session's cookie is not protected",
    description: "A cookie that by its name holds a session was set without Secure or without HttpOnly. Then it travels over \
                  plain HTTP as well, or can be read by a script that got into a page.",
    remediation: "Set Secure, HttpOnly and SameSite on every cookie that holds a session.",
    owasp: "API8:2023",
    cwe: "CWE-614",
    attack: "T1539",
};

pub(crate) static COOKIES: Behaviour = Behaviour { detectors: &[&DETECTOR], knobs: &[], observe, state: None };

fn observe(seen: &mut Seen<'_>) {
    let Some(response) = &seen.exchange.response else { return };
    for line in response.fields.get_all("set-cookie") {
        let mut parts = line.split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
        let Some(cookie) = parts.next() else { continue };
        let Some(at) = memchr::memchr(b'=', cookie).filter(|at| cookie.len() > at + 8) else { continue };
        if !identity::is_session_name(cookie.get(..at).unwrap_or_default()) {
            continue;
        }
        let (mut is_secure, mut is_http_only) = (false, false);
        for part in parts {
            is_secure |= part.eq_ignore_ascii_case(b"secure");
            is_http_only |= part.eq_ignore_ascii_case(b"httponly");
        }
        let (rule, what) = match (is_secure, is_http_only) {
            (true, true) => continue,
            (false, false) => ("open", "neither Secure nor HttpOnly"),
            (false, true) => ("not_secure", "HttpOnly, and not Secure"),
            (true, false) => ("not_http_only", "Secure, and not HttpOnly"),
        };
        seen.visit.findings.push(Finding {
            confidence: Confidence::High,
            because: Some(format!("A session's cookie was set with {what}.")),
            ..Finding::new(&DETECTOR, rule, Subject::Server, Severity::Info)
        });
        return;
    }
}
