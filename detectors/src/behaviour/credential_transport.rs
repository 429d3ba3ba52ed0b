//! How credentials travel: in the target, where logs and referrers keep them, or readable to whoever listens.
//!
//! A query parameter is a credential when its name says so and its value has the form of one: a token, a key, anything
//! of 16 octets or more without a space that has digits and letters; a password of any form. Links that are sent by mail
//! (reset, confirmation, invitation) carry tokens by design, and are left out. What this sensor reads was readable, so a
//! password or key that was accepted here could have been read by others on the same path.
//!
//! Each exchange is judged alone; there is no state.

use super::{Behaviour, Seen};
use crate::endpoint;
use crate::exchange::Request;
use crate::finding::{Confidence, Detector, Evidence, Family, Finding, Location, Severity, Subject};
use crate::identity::CredentialKind;
use crate::token;
use crate::visit::Outcome;

static IN_CLEAR: Detector = Detector {
    name: "auth.credential_in_clear",
    family: Family::Auth,
    title: "A lasting credential travels unencrypted",
    description: "A password (Basic) or an API key was accepted over plain HTTP. It is the same in every request, so that \
                  one glance at the traffic is enough to use it until it is changed.",
    remediation: "Serve this interface over TLS only, and change the credential. Prefer short-lived tokens to passwords in \
                  each request.",
    owasp: "API2:2023",
    cwe: "CWE-319",
    attack: "T1040",
};

static IN_URL: Detector = Detector {
    name: "auth.credential_in_url",
    family: Family::Auth,
    title: "A credential stands in a URL",
    description: "A token, key or password was sent as a query parameter. URLs are kept in access logs, browser histories \
                  and referrers, where whoever reads them can use it.",
    remediation: "Take the credential from the Authorization field only, and refuse it in the query. Revoke those that were \
                  sent this way.",
    owasp: "API2:2023",
    cwe: "CWE-598",
    attack: "T1552",
};

pub(crate) static CREDENTIAL_TRANSPORT: Behaviour =
    Behaviour { detectors: &[&IN_CLEAR, &IN_URL], knobs: &[], observe, state: None };

fn observe(seen: &mut Seen<'_>) {
    let Some(request) = &seen.exchange.request else { return };
    if let Some((name, offset)) = credential_in(request) {
        let severity = if seen.visit.outcome == Outcome::Accepted { Severity::Medium } else { Severity::Low };
        let evidence = Evidence {
            kind: "credential".to_owned(),
            location: Location {
                part: "request.target".to_owned(),
                path: Some(endpoint::shown_name(name).into_owned()),
                offset,
            },
            masked: "****".to_owned(),
            value_hash: None,
        };
        seen.visit.findings.push(Finding {
            confidence: Confidence::High,
            because: Some("A parameter is named for a credential, and its value has the form of one.".to_owned()),
            evidence: vec![evidence],
            ..Finding::new(&IN_URL, "query", Subject::Endpoint, severity)
        });
    }
    let is_served = matches!(seen.visit.context.status, Some(200..=299));
    let (rule, severity, what) = match seen.visit.credential.map(|credential| credential.kind) {
        Some(CredentialKind::Basic) => ("basic", Severity::Medium, "A user name and a password were"),
        Some(CredentialKind::ApiKey) => ("api_key", Severity::Info, "A key in a field of its own was"),
        _ => return,
    };
    if is_served {
        seen.visit.findings.push(Finding {
            confidence: Confidence::High,
            because: Some(format!("{what} sent in clear and accepted.")),
            ..Finding::new(&IN_CLEAR, rule, Subject::Server, severity)
        });
    }
}

/// The first parameter that holds a credential: its name, and where its value starts.
fn credential_in<'a>(request: &Request<'a>) -> Option<(&'a [u8], u64)> {
    memchr::memchr(b'?', request.target)?;
    const MAILED: [&[u8]; 9] =
        [b"reset", b"confirm", b"verify", b"invit", b"activat", b"unsubscribe", b"callback", b"download", b"share"];
    let path = endpoint::path(request.target).to_ascii_lowercase();
    let (name, value) = endpoint::parameters(request.target).find(|(name, value)| {
        is_credential_name(name) && if is_password_name(name) { value.len() >= 4 } else { is_token(value) }
    })?;
    if !is_password_name(name) && MAILED.iter().any(|word| memchr::memmem::find(&path, word).is_some()) {
        return None;
    }
    let offset = value.as_ptr() as usize - request.target.as_ptr() as usize;
    Some((name, offset as u64))
}

/// Whether a query parameter is named for a credential.
pub(super) fn is_credential_name(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 21] = [
        b"authkey",
        b"accesskey",
        b"sessionkey",
        b"userkey",
        b"accesstoken",
        b"token",
        b"authtoken",
        b"idtoken",
        b"refreshtoken",
        b"sessiontoken",
        b"apikey",
        b"apitoken",
        b"jwt",
        b"bearer",
        b"authorization",
        b"auth",
        b"clientsecret",
        b"secret",
        b"sessionid",
        b"xapikey",
        b"sid",
    ];
    let mut plain = [0; 16];
    let mut len = 0;
    for octet in name.iter().filter(|octet| octet.is_ascii_alphanumeric()) {
        let Some(place) = plain.get_mut(len) else { return false };
        *place = octet.to_ascii_lowercase();
        len += 1;
    }
    NAMES.contains(&plain.get(..len).unwrap_or_default()) || is_password_name(name)
}

fn is_password_name(name: &[u8]) -> bool {
    [&b"password"[..], b"passwd", b"pwd", b"passphrase"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_token(value: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    token::bearer_token(value).is_some()
        || value.len() >= 16
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_alphabetic)
            && value.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_.~+/=%".contains(octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Content, Fields, Version};

    fn found(target: &str) -> Option<(String, u64)> {
        let request = Request {
            method: b"GET",
            target: target.as_bytes(),
            version: Version::Http11,
            fields: Fields::default(),
            content: Content::default(),
        };
        credential_in(&request).map(|(name, offset)| (String::from_utf8_lossy(name).into_owned(), offset))
    }

    #[test]
    fn tokens_keys_and_passwords_in_the_query() {
        assert_eq!(found("/a?x=1&access_token=0123456789abcdef0"), Some(("access_token".into(), 20)));
        assert_eq!(found("/a?api-key=sk0123456789abcdef"), Some(("api-key".into(), 11)));
        assert_eq!(found("/a?auth_key=0123456789abcdef0"), Some(("auth_key".into(), 12)));
        assert_eq!(
            found("/a?token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln").map(|(name, _)| name),
            Some("token".into())
        );
        assert_eq!(found("/a?user=ann&password=tulip").map(|(name, _)| name), Some("password".into()));
    }

    #[test]
    fn cursors_short_codes_and_links_from_mail_are_none() {
        for target in [
            "/a?page_token=0123456789abcdef0",
            "/a?token=next",
            "/a?token=12345678901234567890",
            "/password/reset?token=0123456789abcdef0",
            "/a/access_token=0123456789abcdef0",
            "/a?q=access_token",
            "/a?password=",
        ] {
            assert_eq!(found(target), None, "{target}");
        }
    }
}
