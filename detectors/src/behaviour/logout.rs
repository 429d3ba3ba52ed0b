//! Acceptance after logout: a credential that was given back still works.
//!
//! Who logs out believes that it is over. Where the server only forgets the cookie in the browser, or cannot take a token
//! back, whoever copied the credential before goes on. So a credential is remembered when an operation that ends sessions
//! took it (words of the path; 2xx, or a redirection), and told when an operation that looks at credentials
//! ([`super::coverage`]) answers it later. Keys and passwords are not given back by a logout and do not count.
//!
//! Innocent: requests that were on the way (`grace`), a second logout, operations that answer anybody, and a log-in that
//! gives the same credential again: the cookie that a response sets anew, or any log-in of the same client where the
//! credential is none that says when it was issued.
//!
//! Sees: path, credential, status, `Set-Cookie`, the token in a revocation (RFC 7009). Misses: logouts whose path does not
//! say so, and those of a single page that only forgets its token. Bounds: [`ENDED`] credentials (72 octets each) and as
//! many clients that logged in (64 octets each): 9 MB.

use std::net::IpAddr;

use super::bounded::Bounded;
use super::login::{self, Verdict};
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::endpoint;
use crate::exchange::Request;
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::identity::{CredentialKind, is_session_name};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::time::{Span, Timestamp};
use crate::visit::{Hash, Hashing, Outcome, Visit};

static DETECTOR: Detector = Detector {
    name: "auth.after_logout",
    family: Family::Auth,
    title: "A session is accepted after its logout",
    description: "A token or session cookie was accepted although its holder had logged out with it. Whoever has copied it \
                  stays logged in, and the holder cannot end it.",
    remediation: "End the session on the server when somebody logs out, and refuse its credential from then on. Give tokens that \
                  cannot be taken back a life of minutes.",
    owasp: "API2:2023",
    cwe: "CWE-613",
    attack: "T1550.001",
};

pub(crate) static LOGOUT: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe,
    state: Some(|settings: &Settings| {
        let (ended, entered) = (Bounded::new(ENDED), Bounded::new(ENDED));
        Box::new(State { limits: Limits::of(settings), ended, entered })
    }),
};

knobs! {
    /// From when on a session should be over.
    struct Limits {
        /// How long after a logout its credential may still be used.
        grace: u32 = 10 "s", 0 to 86_400, "auth.after_logout.grace",
            "Requests of the same page may be on the way, and all machines of the server have to know.";
    }
}

/// How long a logout is remembered. Sessions of the web last for hours.
const MEMORY: Span = Span::from_secs(24 * 3600);

const ENDED: usize = 65_536;

/// The largest body of a revocation that is read: a token and what goes with it.
const BODY: usize = 16 * 1024;

/// What an exchange did to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// The holder of this credential ended it.
    Ended(Hash),
    /// The server gave out a cookie with this value.
    Given(Hash),
    /// Its holder came back from where they logged in.
    Begun,
}

fn observe(seen: &mut Seen<'_>) {
    let (Some(request), Some(response)) = (&seen.exchange.request, &seen.exchange.response) else { return };
    if !matches!(response.status, 200..=303) {
        return;
    }
    for line in response.fields.get_all("set-cookie") {
        let cookie = line.split(|octet| *octet == b';').next().unwrap_or_default();
        let Some((name, value)) = memchr::memchr(b'=', cookie).and_then(|at| cookie.split_at_checked(at)) else {
            continue;
        };
        // The value, behind its `=`; shorter ones take a session away.
        if let Some(value) = value.get(1..).filter(|value| value.len() >= 8)
            && is_session_name(name.trim_ascii())
        {
            seen.visit.facts.push(Fact::Session(Session::Given(seen.hashing.hash(value))));
        }
    }
    if is_return(request) {
        seen.visit.facts.push(Fact::Session(Session::Begun));
    }
    let ended = match ending(request) {
        Some(Ending::Own) => seen.visit.credential.filter(|credential| is_session(credential.kind)).map(|own| own.hash),
        Some(Ending::Named) => named_token(request, seen.hashing),
        None => return,
    };
    seen.visit.facts.extend(ended.map(|ended| Fact::Session(Session::Ended(ended))));
}

/// Whether a credential of this kind stands for a session.
fn is_session(kind: CredentialKind) -> bool {
    matches!(kind, CredentialKind::Jwt | CredentialKind::Bearer | CredentialKind::SessionCookie)
}

/// Which credential a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The one it comes with.
    Own,
    /// One that its content names.
    Named,
}

/// Words for a logout, in small letters without separators.
const LOGOUTS: [&[u8]; 14] = [
    b"logout",
    b"logoff",
    b"signout",
    b"signoff",
    b"endsession",
    b"abmeld",
    b"ausloggen",
    b"deconnexion",
    b"cerrarsesion",
    b"desconectar",
    b"uitloggen",
    b"afmelden",
    b"wyloguj",
    b"loggaut",
];

fn ending(request: &Request<'_>) -> Option<Ending> {
    let path = endpoint::path(request.target);
    // `DELETE /session` ends the own one; `DELETE /sessions/17` ends any.
    if request.method == b"DELETE" {
        let last = endpoint::segments(path).last()?;
        let is_own = [&b"session"[..], b"token", b"current", b"me"].iter().any(|word| last.eq_ignore_ascii_case(word));
        let is_session = login::is_way_in(path);
        return (is_own && is_session).then_some(Ending::Own);
    }
    if !matches!(request.method, b"POST" | b"GET" | b"PUT") {
        return None;
    }
    for segment in endpoint::segments(path) {
        let mut short = [0; 64];
        let Some(word) = login::plain(segment, &mut short) else { continue };
        if LOGOUTS.iter().any(|logout| word.starts_with(logout) || word.ends_with(logout)) {
            return Some(Ending::Own);
        }
        if request.method == b"POST" && (word.starts_with(b"revoke") || word.starts_with(b"revocation")) {
            return Some(Ending::Named);
        }
    }
    None
}

/// Whether a request ends the session of whoever sends it.
pub(crate) fn is_logout(request: &Request<'_>) -> bool {
    ending(request) == Some(Ending::Own)
}

/// Whether somebody comes back with what a log-in elsewhere gave them (RFC 6749 section 4.1.2, SAML 2.0 bindings 3.5).
fn is_return(request: &Request<'_>) -> bool {
    let has = |query: &[u8], name: &[u8]| memchr::memmem::find(query, name).is_some();
    endpoint::query(request.target).is_some_and(|query| has(query, b"code=") && has(query, b"state="))
        || request.content.bytes.starts_with(b"SAMLResponse=")
}

/// The token that a revocation names (RFC 7009 section 2.1), as a credential's hash.
fn named_token(request: &Request<'_>, hashing: &Hashing) -> Option<Hash> {
    let body = request.content.bytes;
    if body.len() > BODY {
        return None;
    }
    let content_type = request.fields.get("content-type").unwrap_or_default();
    login::named(body, content_type, b"token").map(|token| hashing.hash(&token))
}

struct State {
    limits: Limits,
    ended: Bounded<Hash, Ended>,
    /// When each client last logged in at a server.
    entered: Bounded<(IpAddr, Hash), Timestamp>,
}

/// A credential that was given back.
#[derive(Clone, Copy)]
struct Ended {
    /// When the server's answer was there.
    when: Timestamp,
    server: Hash,
    client: IpAddr,
    agent: Hash,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let own = visit.credential.map(|credential| credential.hash);
        let mut is_ending = false;
        for fact in &visit.facts {
            match fact {
                Fact::Session(Session::Ended(hash)) => {
                    is_ending = true;
                    self.end(visit, *hash);
                }
                // A cookie that comes back as it was sent is renewed, and nothing is given out.
                Fact::Session(Session::Given(hash)) if own != Some(*hash) => self.begin(*hash),
                Fact::Session(Session::Begun) => own.into_iter().for_each(|own| self.begin(own)),
                Fact::Login(attempt) if attempt.verdict == Verdict::In => {
                    let now = visit.started;
                    *self.entered.entry((visit.client(), visit.server), || now) = now;
                    own.into_iter().for_each(|own| self.begin(own));
                }
                _ => {}
            }
        }
        if !is_ending {
            self.judge(visit, findings);
        }
    }

    fn footprint(&self) -> usize {
        72 * self.ended.len() + 64 * self.entered.len()
    }

    fn forgotten(&self) -> u64 {
        self.ended.forgotten() + self.entered.forgotten()
    }
}

impl State {
    fn end(&mut self, visit: &Visit, hash: Hash) {
        if visit.outcome != Outcome::Accepted {
            return;
        }
        let (server, client, agent) = (visit.server, visit.client(), visit.agent);
        let now = Ended { when: visit.started + visit.took, server, client, agent };
        let known = self.ended.entry(hash, || now);
        // A second logout is none: what counts is when it was over.
        if known.when == Timestamp::MIN || visit.started.since(known.when) > MEMORY {
            *known = now;
        }
    }

    /// A credential is valid again.
    fn begin(&mut self, hash: Hash) {
        if let Some(ended) = self.ended.get_mut(&hash) {
            ended.when = Timestamp::MIN;
        }
    }

    fn judge(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let Some(credential) = visit.credential.filter(|credential| is_session(credential.kind)) else { return };
        let Some(ended) = self.ended.get(&credential.hash).copied() else { return };
        let operation = visit.coverage;
        let is_about_self = visit.objects.as_slice().iter().any(|object| visit.principal == Some(object.hash));
        let is_checked = operation.open == 0 && (operation.is_guarded() || is_about_self);
        if ended.when == Timestamp::MIN {
            return;
        }
        let since = visit.started.since(ended.when);
        let is_after = visit.started > ended.when + Span::from_secs(self.limits.grace) && since <= MEMORY;
        if !visit.is_served() || visit.server != ended.server || !is_checked || !is_after {
            return;
        }
        // A token that says when it was issued is another one after the next log-in.
        let is_dated = visit.token.as_ref().is_some_and(|token| token.issued.is_some());
        let has_entered = self.entered.get(&(visit.client(), visit.server)).is_some_and(|when| *when >= ended.when);
        if has_entered && !is_dated {
            return;
        }
        let is_other = visit.client() != ended.client && visit.agent != ended.agent;
        let (rule, severity) =
            if is_other { ("other_client", Severity::High) } else { ("after_logout", Severity::Medium) };
        let by = if is_other { ", from another address and with another program" } else { "" };
        let finding = Finding {
            confidence: Confidence::High,
            because: Some(format!(
                "The credential was accepted {:.0} s after it was given back{by}, at an operation that looks at credentials.",
                since.as_secs_f64()
            )),
            ..Finding::new(&DETECTOR, rule, if is_other { Subject::Client } else { Subject::Server }, severity)
        };
        findings.about(visit, finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};
    use crate::exchange::{Content, FieldLine, Fields, Version};
    use crate::identity::Credential;
    use crate::token::Token;

    fn with(seconds: f64, path: &str, status: u16) -> Visit {
        let mut visit = at(seconds, visit("10.0.0.1", path, status));
        visit.credential = Some(Credential { kind: CredentialKind::SessionCookie, hash: Hash(5) });
        visit.principal = Some(Hash(5));
        visit
    }

    fn logout(seconds: f64) -> Visit {
        let mut visit = with(seconds, "/logout", 204);
        visit.facts.push(Fact::Session(Session::Ended(Hash(5))));
        visit
    }

    fn refused() -> Visit {
        visit("10.0.0.9", "/orders", 401)
    }

    fn login(seconds: f64) -> Visit {
        let mut visit = at(seconds, visit("10.0.0.1", "/login", 200));
        let kind = login::AttemptKind::Password;
        let verdict = Verdict::In;
        let attempt = login::Attempt { kind, verdict, account: None, lasting: None, secret: None, answer: Hash(0) };
        visit.facts.push(Fact::Login(attempt));
        visit
    }

    fn rules(visits: impl IntoIterator<Item = Visit>) -> Vec<(&'static str, Severity)> {
        let (observations, _) = judge(&LOGOUT, visits);
        observations.iter().map(|seen| (seen.findings[0].rule, seen.findings[0].severity)).collect()
    }

    #[test]
    fn what_was_given_back_is_accepted() {
        let after = || with(60.0, "/orders", 200);
        assert_eq!(rules([refused(), logout(0.0), after()]), [("after_logout", Severity::Medium)]);
        let mut thief = after();
        thief.context.client = "10.7.7.7:1".parse().unwrap();
        thief.agent = Hash(99);
        assert_eq!(rules([refused(), logout(0.0), thief]), [("other_client", Severity::High)]);
        // A second logout does not make it a new one.
        assert_eq!(rules([refused(), logout(0.0), logout(58.0), after()]).len(), 1);
    }

    #[test]
    fn what_ends_or_goes_on_as_it_should() {
        let after = || with(60.0, "/orders", 200);
        // Refused, on the way, no logout, and an operation that answers anybody.
        assert!(rules([refused(), logout(0.0), with(60.0, "/orders", 401)]).is_empty());
        assert!(rules([refused(), logout(0.0), with(3.0, "/orders", 200)]).is_empty());
        assert!(rules([refused(), after()]).is_empty());
        assert!(rules([visit("10.0.0.9", "/orders", 200), logout(0.0), after()]).is_empty());
        assert!(rules([refused(), logout(0.0), logout(60.0)]).is_empty());
        // A logout that was refused ended nothing.
        let mut failed = logout(0.0);
        failed.outcome = Outcome::Refused;
        assert!(rules([refused(), failed, after()]).is_empty());
    }

    #[test]
    fn a_login_gives_the_same_one_again() {
        let after = || with(60.0, "/orders", 200);
        let mut given = visit("10.0.0.1", "/login", 302);
        given.facts.push(Fact::Session(Session::Given(Hash(5))));
        assert!(rules([refused(), logout(0.0), at(30.0, given), after()]).is_empty());
        assert!(rules([refused(), logout(0.0), login(30.0), after()]).is_empty());
        let mut back = with(30.0, "/callback", 302);
        back.facts.push(Fact::Session(Session::Begun));
        assert!(rules([refused(), logout(0.0), back, after()]).is_empty());
        // A cookie that is only renewed was not given out.
        let mut renewed = after();
        renewed.facts.push(Fact::Session(Session::Given(Hash(5))));
        assert_eq!(rules([refused(), logout(0.0), renewed]).len(), 1);
        // A token that says when it was issued is not given out again.
        let mut dated = after();
        dated.token = Some(Token { issued: Some(0), ..Token::blank() }.into());
        assert_eq!(rules([refused(), logout(0.0), login(30.0), dated]).len(), 1);
    }

    #[test]
    fn operations_that_end_sessions() {
        let of = |method: &'static [u8], target: &'static str| {
            let (version, fields, content) = (Version::Http11, Fields::default(), Content::default());
            ending(&Request { method, target: target.as_bytes(), version, fields, content })
        };
        for own in ["/logout", "/api/v1/auth/log-out", "/users/sign_out?next=/", "/oidc/endsession", "/Abmelden"] {
            assert_eq!(of(b"GET", own), Some(Ending::Own), "{own}");
        }
        assert_eq!(of(b"DELETE", "/v1/session"), Some(Ending::Own));
        assert_eq!(of(b"DELETE", "/sessions/current"), Some(Ending::Own));
        assert_eq!(of(b"POST", "/oauth2/revoke"), Some(Ending::Named));
        for other in ["/login", "/orders/17", "/blog/output", "/catalogue", "/log"] {
            assert_eq!(of(b"GET", other), None, "{other}");
        }
        assert_eq!(of(b"DELETE", "/sessions/17"), None);
        assert_eq!(of(b"DELETE", "/users/me"), None);
    }

    #[test]
    fn a_revocation_names_its_token() {
        let hashing = Hashing::new([1; 32]);
        let content = Content { bytes: b"token=abc.def%2D1&token_type_hint=access_token", ..Content::default() };
        let bytes = b"Content-Typeapplication/x-www-form-urlencoded";
        let lines = [FieldLine { name: 0, name_len: 12, value: 12, value_len: 33 }];
        let (version, fields) = (Version::Http11, Fields::new(bytes, &lines));
        let request = Request { method: b"POST", target: b"/revoke", version, fields, content };
        assert_eq!(named_token(&request, &hashing), Some(hashing.hash(b"abc.def-1")));
    }

    #[test]
    fn state_is_bounded() {
        let many = (0..200_000_u64).map(|n| {
            let mut visit = login(n as f64);
            visit.context.client = std::net::SocketAddr::new(std::net::Ipv4Addr::from(n as u32).into(), 1);
            visit.facts.push(Fact::Session(Session::Ended(Hash(n))));
            visit
        });
        assert!(judge(&LOGOUT, many).1 <= 9 << 20);
    }
}
