//! What is wrong with JSON Web Tokens that a server accepts (RFC 7519, RFC 8725).
//!
//! An algorithm of `none`; a life that has ended, has no end, or ends too late; a signature or a payload that was changed;
//! header parameters that tell the server where to find the key; a secret that is in every word list. Acceptance is what
//! matters, and it only means something where the server looks at tokens at all: an operation that answers anybody answers
//! a bad token too. So an operation counts when it has refused somebody, or answers callers about themselves
//! ([`super::coverage`]), and has never answered without a credential.
//!
//! Sees: the token of the Authorization field or of a session's cookie, status. Misses: encrypted tokens (five parts), and
//! weak secrets that are in no list of ours. What happens to a token after its logout is told by [`super::logout`].
//!
//! Bounds: [`TOKENS`] signatures and as many payloads (150 octets each), [`SIGNERS`] signers; at most [`TRIES`] tokens of
//! each signer an hour are tried against [`super::weak_secrets`], half a millisecond each. 20 MB.

use super::bounded::Bounded;
use super::weak_secrets;
use super::{Behaviour, Findings, Judge, Seen};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::time::Timestamp;
use crate::token::{Algorithm, Token, Trick};
use crate::visit::{Hash, Outcome, Visit};

static DETECTOR: Detector = Detector {
    name: "auth.jwt",
    family: Family::Auth,
    title: "Tokens are not checked as they should be",
    description: "A server accepted a JSON Web Token that it should have refused, or signs tokens in a way that others can \
                  imitate. Whoever notices can be any user they like, or stay one for good.",
    remediation: "Accept one algorithm with one known key, check signature and expiry on every request, and take nothing \
                  from the token's header but the key's id. Replace weak secrets by random ones of 32 octets.",
    owasp: "API2:2023",
    cwe: "CWE-347",
    attack: "T1606.001",
};

pub(crate) static JWT: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|settings: &Settings| {
        Box::new(State {
            limits: Limits::of(settings),
            payloads: Bounded::new(TOKENS),
            signatures: Bounded::new(TOKENS),
            signers: Bounded::new(SIGNERS),
        })
    }),
};

/// Seconds that clocks may differ by.
const SKEW: i64 = 60;

knobs! {
    /// What is too long.
    struct Limits {
        /// The longest life of an access token.
        days: i64 = 30 "days", 1 to 3_650, "auth.jwt.days", "What lives longer than a month is a password.";
    }
}

/// Tokens of one signer that are tried within an hour.
const TRIES: u32 = 2;

/// Answers with a credential, and none without, that say that an operation is not for anybody.
const KEYED: u32 = 10;

const TOKENS: usize = 65_536;
const SIGNERS: usize = 4_096;

/// Capture time as tokens count it.
pub(super) fn seconds(time: Timestamp) -> i64 {
    time.as_nanos().div_euclid(1_000_000_000)
}

struct State {
    limits: Limits,
    /// The signature with which each payload was accepted.
    payloads: Bounded<Hash, Hash>,
    /// The payload with which each signature was accepted.
    signatures: Bounded<Hash, Hash>,
    /// By server, issuer and key id.
    signers: Bounded<(Hash, Hash), Signer>,
}

#[derive(Default)]
struct Signer {
    hour: i64,
    tried: u32,
    last: Hash,
}

/// Whether an operation that answered looks at tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    /// It refuses some, or answers callers about themselves.
    Surely,
    /// It answered many with a credential and nobody without.
    Probably,
    Unknown,
}

/// A rule that fired.
struct Told {
    rule: &'static str,
    severity: Severity,
    subject: Subject,
    why: String,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let operation = visit.coverage;
        let Some(token) = visit.token.as_deref() else { return };
        // What the visit itself says counts as well: it asks about its own subject.
        let is_about_self = visit.objects.as_slice().iter().any(|object| visit.principal == Some(object.hash));
        let is_guarded = operation.open == 0 && (operation.is_guarded() || is_about_self);
        let is_accepted = visit.is_served();
        let mut told = Vec::new();
        let looks = match () {
            () if !is_accepted || operation.open > 0 => Looks::Unknown,
            () if is_guarded => Looks::Surely,
            () if operation.keyed >= KEYED => Looks::Probably,
            () => Looks::Unknown,
        };
        if is_accepted && operation.open == 0 {
            told.extend(self.accepted(visit, token, looks));
        }
        told.extend(attempt(visit, token, looks));
        if is_accepted {
            told.extend(lifetime(token, self.limits.days));
            told.extend(self.weak(visit, token));
        }
        for Told { rule, severity, subject, why } in told {
            let because = Some(why);
            let finding =
                Finding { confidence: Confidence::High, because, ..Finding::new(&DETECTOR, rule, subject, severity) };
            findings.about(visit, finding);
        }
    }

    fn footprint(&self) -> usize {
        64 * (self.payloads.len() + self.signatures.len()) + 80 * self.signers.len()
    }

    fn forgotten(&self) -> u64 {
        self.payloads.forgotten() + self.signatures.forgotten() + self.signers.forgotten()
    }
}

impl State {
    /// What acceptance says, at an operation that has not answered without a token.
    fn accepted(&mut self, visit: &Visit, token: &Token, looks: Looks) -> Option<Told> {
        if token.algorithm == Algorithm::None {
            return None;
        }
        let (severity, subject) = (Severity::High, Subject::Endpoint);
        let late = token.expires.map(|expires| seconds(visit.started) - expires).filter(|late| *late > SKEW);
        if looks == Looks::Surely
            && let Some(late) = late
        {
            let why = format!("The token had ended {late} s before it was accepted.");
            return Some(Told { rule: "expired", severity, subject, why });
        }
        let payload = *self.payloads.entry(token.payload, || token.signature);
        let signature = *self.signatures.entry(token.signature, || token.payload);
        if signature != token.payload {
            // No program does this by mistake, whether or not the operation looks.
            let severity = if looks == Looks::Surely { Severity::High } else { Severity::Medium };
            let why = "A signature was accepted under a payload that it does not belong to.".to_owned();
            return Some(Told { rule: "payload_changed", severity, subject, why });
        }
        if looks == Looks::Surely && payload != token.signature && token.algorithm == Algorithm::Fixed {
            let why = "One payload was accepted under two signatures, where there can only be one.".to_owned();
            return Some(Told { rule: "signature_changed", severity, subject, why });
        }
        None
    }

    /// Whether the secret is one that everybody knows.
    fn weak(&mut self, visit: &Visit, token: &Token) -> Option<Told> {
        let signed = token.signed.as_ref()?;
        let signer = self.signers.entry((visit.server, token.signer), Signer::default);
        let hour = seconds(visit.started).div_euclid(3_600);
        if signer.hour != hour {
            *signer = Signer { hour, ..Signer::default() };
        }
        if signer.tried >= TRIES || signer.last == token.signature {
            return None;
        }
        signer.tried += 1;
        signer.last = token.signature;
        weak_secrets::is_weak(signed.mac, &signed.input, &signed.signature).then(|| Told {
            rule: "weak_secret",
            severity: Severity::High,
            subject: Subject::Server,
            why: format!("The secret that signs these tokens is among {} common ones.", weak_secrets::count()),
        })
    }
}

/// Tokens that nobody sends by mistake.
fn attempt(visit: &Visit, token: &Token, looks: Looks) -> Option<Told> {
    let (rule, what) = match (token.algorithm, token.trick) {
        (Algorithm::None, _) => ("unsigned", "The token is not signed"),
        (_, Some(Trick::Reference)) => ("key_from_elsewhere", "The token says where its key is to be fetched"),
        (_, Some(Trick::Embedded)) => ("key_inside", "The token brings its own key"),
        (_, Some(Trick::Syntax)) => ("key_id_with_syntax", "The token's key id is a path or a piece of a query"),
        _ => return None,
    };
    // Some issuers do name the place of their keys: acceptance alone says little there.
    let severity = match (looks, rule) {
        (Looks::Surely, "key_from_elsewhere") => Severity::Medium,
        (Looks::Surely, _) => Severity::High,
        (Looks::Probably, "unsigned") => Severity::Medium,
        _ => Severity::Low,
    };
    let answer = match (looks, visit.outcome) {
        (Looks::Surely, _) => "was accepted",
        (Looks::Probably, _) => "was answered by an operation that nobody was seen to use without a token",
        (Looks::Unknown, Outcome::Accepted) => "was sent to an operation that may answer anybody",
        (Looks::Unknown, _) => "was refused",
    };
    let subject = if looks == Looks::Surely { Subject::Endpoint } else { Subject::Client };
    Some(Told { rule, severity, subject, why: format!("{what}, and {answer}.") })
}

fn lifetime(token: &Token, longest: i64) -> Option<Told> {
    let (severity, subject) = (Severity::Low, Subject::Server);
    let Some(expires) = token.expires else {
        let why = "The token has no expiry.".to_owned();
        return Some(Told { rule: "no_expiry", severity, subject, why });
    };
    let life = expires.saturating_sub(token.issued?);
    (life > longest * 86_400).then(|| Told {
        rule: "far_expiry",
        severity,
        subject,
        why: format!("The token lives {} days; more than {longest} make it a password.", life / 86_400),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};
    use crate::behaviour::weak_secrets::Mac;
    use crate::identity::{Credential, CredentialKind};
    use crate::token::Signed;

    fn token() -> Token {
        Token { expires: Some(1_000), issued: Some(0), ..Token::blank() }
    }

    fn sent(token: Token, seconds: f64, status: u16) -> Visit {
        let mut visit = at(seconds, visit("10.0.0.1", "/orders", status));
        visit.credential = Some(Credential { kind: CredentialKind::Jwt, hash: Hash(1) });
        visit.principal = Some(Hash(70));
        visit.token = Some(token.into());
        visit
    }

    fn rules(visits: impl IntoIterator<Item = Visit>) -> Vec<(&'static str, Severity)> {
        let (observations, _) = judge(&JWT, visits);
        observations.iter().map(|seen| (seen.findings[0].rule, seen.findings[0].severity)).collect()
    }

    fn refused() -> Visit {
        visit("10.0.0.9", "/orders", 401)
    }

    #[test]
    fn an_ended_token_counts_where_tokens_are_looked_at() {
        let late = || sent(token(), 1_061.0, 200);
        assert_eq!(rules([refused(), late()]), [("expired", Severity::High)]);
        assert!(rules([late()]).is_empty());
        assert!(rules([refused(), sent(token(), 1_059.0, 200), sent(token(), 2_000.0, 401)]).is_empty());
        // An operation that answers anybody does not look.
        assert!(rules([visit("10.0.0.9", "/orders", 200), refused(), late()]).is_empty());
    }

    #[test]
    fn changed_tokens() {
        let payload = Token { payload: Hash(20), ..token() };
        assert_eq!(
            rules([refused(), sent(token(), 1.0, 200), sent(payload, 1.0, 200)]),
            [("payload_changed", Severity::High)]
        );
        let payload = Token { payload: Hash(20), ..token() };
        assert_eq!(
            rules([sent(token(), 1.0, 200), sent(payload.clone(), 1.0, 200)]),
            [("payload_changed", Severity::Medium)]
        );
        assert!(rules([sent(token(), 1.0, 200), sent(payload, 1.0, 401)]).is_empty());
        let signature = Token { signature: Hash(30), ..token() };
        let twice = [refused(), sent(token(), 1.0, 200), sent(signature.clone(), 1.0, 200)];
        assert_eq!(rules(twice), [("signature_changed", Severity::High)]);
        let random = Token { algorithm: Algorithm::Random, ..signature };
        assert!(rules([refused(), sent(token(), 1.0, 200), sent(random, 1.0, 200)]).is_empty());
    }

    #[test]
    fn unsigned_tokens_and_tricks() {
        let unsigned = || Token { algorithm: Algorithm::None, ..token() };
        assert_eq!(rules([refused(), sent(unsigned(), 1.0, 200)]), [("unsigned", Severity::High)]);
        assert_eq!(rules([sent(unsigned(), 1.0, 401)]), [("unsigned", Severity::Low)]);
        // Nobody was refused, and nobody came without a token.
        let others = || {
            (0..10).map(|_| {
                let mut visit = sent(token(), 1.0, 200);
                visit.token = None;
                visit
            })
        };
        assert_eq!(rules(others().chain([sent(unsigned(), 1.0, 200)])), [("unsigned", Severity::Medium)]);
        let open = visit("10.0.0.9", "/orders", 200);
        assert_eq!(
            rules([open].into_iter().chain(others()).chain([sent(unsigned(), 1.0, 200)])),
            [("unsigned", Severity::Low)]
        );
        let path = Token { trick: Some(Trick::Syntax), ..token() };
        assert_eq!(rules([sent(path, 1.0, 401)]), [("key_id_with_syntax", Severity::Low)]);
    }

    #[test]
    fn lives_without_end_are_told_quietly() {
        assert_eq!(rules([sent(Token { expires: None, ..token() }, 1.0, 200)]), [("no_expiry", Severity::Low)]);
        let far = Token { expires: Some(30 * 86_400 + 1), ..token() };
        assert_eq!(rules([sent(far, 1.0, 200)]), [("far_expiry", Severity::Low)]);
    }

    #[test]
    fn a_signer_is_tried_twice_an_hour() {
        let strong = Signed { mac: Mac::Sha256, input: (*b"a.b").into(), signature: (*b"AAAA").into() };
        let mut state = JWT.state.unwrap()(&Settings::default());
        let mut told = 0;
        for number in 0..4 {
            let signed = match number {
                0 | 1 => strong.clone(),
                _ => Signed {
                    signature: weak_secrets::sign(Mac::Sha256, b"secret", b"a.b").into_bytes().into(),
                    ..strong.clone()
                },
            };
            let token = Token { signed: Some(signed), signature: Hash(100 + number), ..token() };
            let seconds = if number == 3 { 3_600.0 } else { 0.0 };
            let visit = sent(Token { expires: Some(9_000), ..token }, seconds, 200);
            state.apply(&visit, &mut Findings { emit: &mut |_| told += 1 });
        }
        assert_eq!(told, 1);
    }
}
