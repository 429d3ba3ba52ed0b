//! Missing authentication: an operation answers without a credential what it answers others only with one.
//!
//! An operation that answers anybody is public, and many are meant to be. Two things tell of a mistake: the operation has
//! refused somebody without a credential, or is about its callers themselves, and now answers one who has none; or its path
//! says that it is for the staff (`admin`, `internal`, `export`), its answer is data rather than a page to log in at, and
//! the same server asks for credentials elsewhere.
//!
//! Sees: credential, path, status, content type. Misses: operations that never refused anybody and have innocent names;
//! credentials in places that are not known (client certificates).
//!
//! Bounds: [`SERVERS`] servers with at most [`EARLY`] answers that wait (2 KB each, 8 MB).

use super::bounded::Bounded;
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::endpoint;
use crate::finding::{Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::observation::ExchangeContext;
use crate::visit::{Hash, Visit};

static DETECTOR: Detector = Detector {
    name: "auth.missing",
    family: Family::Auth,
    title: "An operation answers without a credential",
    description: "An operation that is for the staff, or that answers others only with a credential, answered somebody who \
                  sent none. Whoever finds it needs nothing else.",
    remediation: "Require and check a credential in front of this operation, at the gateway and in the service. See who has \
                  called it without one, and treat what it answered as disclosed.",
    owasp: "API2:2023",
    cwe: "CWE-306",
    attack: "T1190",
};

pub(crate) static MISSING_AUTH: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe,
    state: Some(|settings: &Settings| Box::new(State { limits: Limits::of(settings), servers: Bounded::new(SERVERS) })),
};

knobs! {
    /// What is known before something is told.
    struct Limits {
        /// Principals with a credential before a server counts as one that asks for them.
        principals: usize = 3 "principals", 1 to 50, "auth.missing.principals",
            "One or two may be programs that send a credential wherever they go.";
    }
}

const SERVERS: usize = 4_096;

/// Answers that wait until it is known whether a server asks for credentials.
const EARLY: usize = 8;

/// Callers who were answered about themselves before that says what an operation is for.
const SELVES: u8 = 3;

/// How much an operation's path says that it is not for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restricted {
    /// Internal by its name.
    Internal,
    /// Hands out everything, or acts for anybody.
    Powerful,
}

/// Words of paths. Ones that public interfaces use as well (`config`, `status`, `metrics`, `users`) are not here.
const INTERNAL: [&[u8]; 10] = [
    b"admin",
    b"administrator",
    b"administration",
    b"internal",
    b"backoffice",
    b"ops",
    b"debug",
    b"superuser",
    b"staff",
    b"management",
];
const POWERFUL: [&[u8]; 8] =
    [b"export", b"exports", b"dump", b"backup", b"backups", b"heapdump", b"impersonate", b"env"];

/// Words of paths that are for anybody on purpose.
const PUBLIC: [&[u8]; 9] =
    [b"login", b"health", b"healthz", b"ready", b"livez", b"ping", b"version", b"assets", b"static"];

/// Ends of paths behind which the content says which operation is asked for.
const MULTIPLEXED: [&[u8]; 5] = [b"graphql", b"gql", b"rpc", b"jsonrpc", b"soap"];

/// How much the words of a path say that it is not for everybody.
pub(super) fn restricted(path: &[u8]) -> Option<Restricted> {
    let is = |words: &[&[u8]], word: &[u8]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    words(path).fold(None, |restricted, word| match restricted {
        _ if is(&POWERFUL, word) => Some(Restricted::Powerful),
        None if is(&INTERNAL, word) => Some(Restricted::Internal),
        _ => restricted,
    })
}

/// Whether all operations share this address: what is public and what is not looks like one operation that answers some
/// and others not.
fn is_multiplexed(path: &[u8]) -> bool {
    let last = endpoint::segments(path).last().unwrap_or_default();
    MULTIPLEXED.iter().any(|known| known.eq_ignore_ascii_case(last))
}

fn words(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    endpoint::segments(path).flat_map(|segment| segment.split(|octet| b"-_.".contains(octet)))
}

fn observe(seen: &mut Seen<'_>) {
    if seen.visit.credential.is_some() || !seen.visit.is_served() {
        return;
    }
    let (Some(request), Some(response)) = (&seen.exchange.request, &seen.exchange.response) else { return };
    // What asks for a password, and what confirms without telling anything, is no answer.
    let is_page = response.fields.get("content-type").is_some_and(|kind| kind.starts_with(b"text/html"));
    if is_page || response.content.len < 16 || [&b"OPTIONS"[..], b"HEAD"].contains(&request.method) {
        return;
    }
    // Who logs in has no credential yet.
    if super::login::is_way_in(request.target) {
        return;
    }
    // A credential in the query is one.
    if endpoint::parameters(request.target).any(|(name, _)| super::credential_transport::is_credential_name(name)) {
        return;
    }
    let path = endpoint::path(request.target);
    if is_multiplexed(path) {
        return;
    }
    if words(path).any(|word| PUBLIC.iter().any(|known| known.eq_ignore_ascii_case(word))) {
        return;
    }
    let restricted = restricted(path);
    seen.visit.facts.push(Fact::Unauthenticated(restricted));
}

struct State {
    limits: Limits,
    /// What each server asks for.
    servers: Bounded<Hash, Server>,
}

#[derive(Default)]
struct Server {
    /// Principals that were answered.
    principals: Vec<Hash>,
    /// Restricted operations that answered before it was known that the server asks for credentials.
    early: Vec<(ExchangeContext, Restricted)>,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let before = visit.coverage;
        let enough = self.limits.principals;
        if let Some(principal) = visit.principal.filter(|_| visit.is_served()) {
            let Server { principals, early } = self.servers.entry(visit.server, Server::default);
            if principals.len() < enough && !principals.contains(&principal) {
                principals.push(principal);
            }
            if principals.len() == enough {
                for (context, restricted) in std::mem::take(early) {
                    findings.with_context(visit, context, told_restricted(restricted, enough));
                }
            }
        }
        let restricted = visit.facts.iter().find_map(|fact| match fact {
            Fact::Unauthenticated(restricted) => Some(*restricted),
            _ => None,
        });
        let Some(restricted) = restricted else { return };
        if let Some(restricted) = restricted {
            let server = self.servers.entry(visit.server, Server::default);
            if server.principals.len() >= enough {
                findings.about(visit, told_restricted(restricted, enough));
            } else if server.early.len() < EARLY {
                server.early.push((visit.context.clone(), restricted));
            }
            return;
        }
        if before.keyed > 0 && (before.selves >= SELVES || before.closed > before.open) {
            let selves = match before.selves {
                0 => String::new(),
                selves => format!(", at least {selves} callers about themselves"),
            };
            let because = Some(format!(
                "The operation answered {} times with a credential{selves}, and refused {} without one.",
                before.keyed, before.closed
            ));
            let finding = Finding::new(&DETECTOR, "unlike_others", Subject::Endpoint, Severity::Medium);
            findings.about(visit, Finding { because, ..finding });
        }
    }

    fn footprint(&self) -> usize {
        let early: usize = self.servers.iter().map(|(_, server)| 200 * server.early.capacity()).sum();
        160 * self.servers.len() + early
    }

    fn forgotten(&self) -> u64 {
        self.servers.forgotten()
    }
}

fn told_restricted(restricted: Restricted, principals: usize) -> Finding {
    let severity = if restricted == Restricted::Powerful { Severity::High } else { Severity::Medium };
    Finding {
        because: Some(format!(
            "Its path says that it is not for everybody, and the server answers at least {principals} principals with a credential."
        )),
        ..Finding::new(&DETECTOR, "restricted", Subject::Endpoint, severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{judge, visit};
    use crate::identity::{Credential, CredentialKind};
    use crate::visit::{Object, Outcome};

    fn keyed(who: u64, path: &str, status: u16) -> Visit {
        let mut keyed = visit("10.0.0.1", path, status);
        keyed.principal = Some(Hash(who));
        keyed.credential = Some(Credential { kind: CredentialKind::Jwt, hash: Hash(who) });
        keyed
    }

    fn open(path: &str, restricted: Option<Restricted>) -> Visit {
        let mut open = visit("10.0.0.2", path, 200);
        open.facts.push(Fact::Unauthenticated(restricted));
        open
    }

    #[test]
    fn an_address_of_many_operations_is_no_single_one() {
        assert!([&b"/graphql"[..], b"/api/GraphQL", b"/v1/json/rpc/"].into_iter().all(is_multiplexed));
        assert!(![&b"/graphql/schema"[..], b"/rpc/orders", b"/"].into_iter().any(is_multiplexed));
    }

    #[test]
    fn an_operation_for_the_staff_that_answers_anybody() {
        let crowd = || (0..3).map(|who| keyed(who, "/orders", 200));
        let (observations, _) =
            judge(&MISSING_AUTH, crowd().chain([open("/admin/export", Some(Restricted::Powerful))]));
        assert_eq!(observations.len(), 1);
        assert_eq!(observations[0].findings[0].severity, Severity::High);
        // One that comes before the others is told behind them.
        let early = [open("/admin/export", Some(Restricted::Powerful))];
        assert_eq!(judge(&MISSING_AUTH, early.into_iter().chain(crowd())).0.len(), 1);
        // On a server that asks nobody for anything it is meant to be.
        assert!(judge(&MISSING_AUTH, [open("/admin/export", Some(Restricted::Powerful))]).0.is_empty());
        assert!(judge(&MISSING_AUTH, crowd().chain([open("/products", None)])).0.is_empty());
    }

    #[test]
    fn an_operation_that_sends_others_to_the_login() {
        let sent_on = Visit { outcome: Outcome::SentToLogin, ..visit("10.0.0.3", "/orders", 302) };
        assert_eq!(judge(&MISSING_AUTH, [keyed(1, "/orders", 200), sent_on, open("/orders", None)]).0.len(), 1);
    }

    #[test]
    fn an_operation_that_refused_others() {
        let refused = visit("10.0.0.3", "/orders", 401);
        let (observations, _) = judge(&MISSING_AUTH, [keyed(1, "/orders", 200), refused, open("/orders", None)]);
        assert_eq!(observations.len(), 1);
    }

    #[test]
    fn an_operation_about_its_callers() {
        let about_self = (0..3).map(|who| {
            let mut visit = keyed(who, "/users/7", 200);
            visit.objects.push(Object { hash: Hash(who), ..Object::default() });
            visit
        });
        assert_eq!(judge(&MISSING_AUTH, about_self.chain([open("/users/7", None)])).0.len(), 1);
        let public = (0..50).map(|who| keyed(who, "/products/7", 200));
        assert!(judge(&MISSING_AUTH, public.chain([open("/products/7", None)])).0.is_empty());
    }
}
