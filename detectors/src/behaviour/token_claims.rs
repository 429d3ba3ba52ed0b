//! Personal data in tokens: a JSON Web Token is signed and not encrypted, so whoever holds it can read it.
//!
//! A token is sent with every request, and is kept in browsers, logs and caches. What it says of its holder is in all of
//! these. The e-mail address alone is how most accounts are called, and is only noted; a name, a telephone number, a date
//! of birth or the number in a register has no use for the server that checks the token.
//!
//! Sees: claims of tokens that requests are accepted with, by their names and the form of their values. Misses: encrypted
//! tokens, and claims with names of the application's own. The claims are read once for each token ([`crate::claims`]).
//!
//! Bounds: [`TOKENS`] tokens, 48 octets each (800 KB). Each is told once; the alert is one for each server.

use super::bounded::Bounded;
use super::{Behaviour, Findings, Judge, Seen};
use crate::claims::Personal;
use crate::finding::{Confidence, Detector, Evidence, Family, Finding, Location, Severity, Subject};
use crate::inspect::Settings;
use crate::visit::{Hash, Visit};

static DETECTOR: Detector = Detector {
    name: "auth.token_personal_data",
    family: Family::Auth,
    title: "Tokens hold personal data",
    description: "A JSON Web Token that requests are sent with says who its holder is. It is not encrypted, and everybody who \
                  sees it, in a log or a browser's history, can read it.",
    remediation: "Put an opaque subject into tokens, and let services ask for the rest. Where a claim is needed, encrypt the \
                  token (JWE) or keep its content at the gateway.",
    owasp: "API3:2023",
    cwe: "CWE-359",
    attack: "T1589",
};

pub(crate) static TOKEN_CLAIMS: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|_: &Settings| Box::new(State { told: Bounded::new(TOKENS) })),
};

const TOKENS: usize = 16_384;

struct State {
    /// Server and payload of the tokens that were told.
    told: Bounded<(Hash, Hash), ()>,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let Some(token) = visit.token.as_deref().filter(|token| !token.personal.is_empty()) else { return };
        if !visit.is_served() {
            return;
        }
        let mut is_new = false;
        self.told.entry((visit.server, token.payload), || is_new = true);
        if !is_new {
            return;
        }
        let is_name_alone = token.personal.iter().all(|claim| claim.what == Personal::Email);
        let (rule, severity) =
            if is_name_alone { ("email", Severity::Info) } else { ("personal_claims", Severity::Low) };
        let mut kinds: Vec<_> = token.personal.iter().map(|claim| claim.what).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let kinds: Vec<_> = kinds.into_iter().map(|kind| kind.as_str().replace('_', " ")).collect();
        let evidence = token.personal.iter().map(|claim| Evidence {
            kind: claim.what.as_str().to_owned(),
            location: Location { part: "request.token".to_owned(), path: Some(claim.path.to_string()), offset: 0 },
            masked: claim.masked.to_string(),
            value_hash: None,
        });
        let finding = Finding {
            confidence: Confidence::High,
            items: u32::try_from(token.personal.len()).unwrap_or(u32::MAX),
            because: Some(format!("{} claims of the token are personal: {}.", token.personal.len(), kinds.join(", "))),
            evidence: evidence.collect(),
            ..Finding::new(&DETECTOR, rule, Subject::Server, severity)
        };
        findings.about(visit, finding);
    }

    fn footprint(&self) -> usize {
        48 * self.told.len()
    }

    fn forgotten(&self) -> u64 {
        self.told.forgotten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{judge, visit};
    use crate::claims::PersonalClaim;
    use crate::token::Token;

    fn sent(payload: u64, claims: &[Personal], status: u16) -> Visit {
        let mut visit = visit("10.0.0.1", "/orders", status);
        let claim = |what: &Personal| PersonalClaim { what: *what, path: "$.x".into(), masked: "***".into() };
        let personal = claims.iter().map(claim).collect();
        visit.token = Some(Token { payload: Hash(payload), personal, ..Token::blank() }.into());
        visit
    }

    fn told(visits: impl IntoIterator<Item = Visit>) -> Vec<(&'static str, Severity, Option<String>)> {
        let (observations, _) = judge(&TOKEN_CLAIMS, visits);
        let line = |finding: &Finding| (finding.rule, finding.severity, finding.because.clone());
        observations.iter().map(|seen| line(&seen.findings[0])).collect()
    }

    #[test]
    fn each_token_is_told_once() {
        let claims = [Personal::Phone, Personal::Name, Personal::Name];
        let because = "3 claims of the token are personal: person name, phone.".to_owned();
        let once = told([sent(1, &claims, 200), sent(1, &claims, 200)]);
        assert_eq!(once, [("personal_claims", Severity::Low, Some(because))]);
        assert_eq!(told([sent(1, &claims, 200), sent(2, &claims, 200)]).len(), 2);
    }

    #[test]
    fn an_address_alone_is_noted_and_what_is_refused_is_nobodys_token() {
        assert_eq!(told([sent(1, &[Personal::Email], 200)])[0].1, Severity::Info);
        assert_eq!(told([sent(1, &[], 200), sent(2, &[Personal::Phone], 401)]), []);
    }
}
