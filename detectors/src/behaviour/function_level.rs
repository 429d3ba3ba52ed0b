//! Function-level authorisation: somebody uses an operation that is not for their kind.
//!
//! Who may do what is seldom written down, but the traffic shows it: tokens say what roles their holder has, and an
//! operation answers some kinds of holders and refuses others. A *kind* are the principals whose tokens have the same
//! roles. Two things tell that an operation is not for a kind. It has *refused* several of them (403) and answered only
//! others: then the role decides, and an answer to one of the kind is a gap in the check. Or it was *never called* by a
//! kind that has many principals here, and only by a few of another: if everybody might, chance would have sent one of the
//! many there first.
//!
//! Innocent: the first who uses a new endpoint (nobody else was answered there), a new role (its principals are too few),
//! what all kinds share (one of each is enough), refusals that are about the object (where the target names one, more are
//! needed), and a grant: when [`SUSPECTS`] of a kind were answered, the operation is for them.
//!
//! Sees: roles in JSON Web Tokens, status. Misses: sessions and keys, which do not say what roles their holder has; roles
//! that are kept at the server alone; operations that were open to everybody from the start.
//!
//! Bounds: [`OPERATIONS`] operations of [`KINDS`] kinds (1.2 KB each, 10 MB), [`MEMBERS`] principals (60 octets each, 4 MB).

use super::bounded::Bounded;
use super::missing_auth::restricted;
use super::{Behaviour, Findings, Judge, Seen};
use crate::finding::{Confidence, Detector, Family, Finding, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::visit::{Hash, Visit};

static DETECTOR: Detector = Detector {
    name: "auth.function_level",
    family: Family::Auth,
    title: "Somebody uses an operation that is not for their role",
    description: "An operation that refuses holders of a role, or that only holders of another one use, answered a holder \
                  of this role. Where the check of the role has a gap, a customer does what only the staff should.",
    remediation: "Check the role on the server for every operation and method, and refuse by default. See what the caller did \
                  there, and whether the role was granted on purpose.",
    owasp: "API5:2023",
    cwe: "CWE-285",
    attack: "T1548",
};

pub(crate) static FUNCTION_LEVEL: Behaviour = Behaviour {
    detectors: &[&DETECTOR],
    knobs: &[&Limits::KNOBS],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|settings: &Settings| {
        Box::new(State {
            limits: Limits::of(settings),
            operations: Bounded::new(OPERATIONS),
            members: Bounded::new(MEMBERS),
            populations: Bounded::new(POPULATIONS),
        })
    }),
};

/// How many more have to be refused where the target names an object: a refusal may be about the object rather than about
/// the operation.
const MORE_AT_OBJECTS: usize = 2;

/// Answers to others before an operation is known to be theirs.
const ANSWERS: u32 = 3;

knobs! {
    /// From when on a role says who may.
    struct Limits {
        /// Principals with the same roles at the server before it says something that none of them uses the operation.
        population: u32 = 5 "principals", 2 to 10_000, "auth.function_level.population",
            "Of fewer it may be that none cared to.";
        /// Other principals with the same roles that the operation refused.
        refused: usize = 3 "principals", 1 to 6, "auth.function_level.refused",
            "One may be blocked, and two share a tenant.";
    }
}

/// Principals of other kinds that used it alone.
const USERS: usize = 2;

/// How likely that may be if everybody could.
const CHANCE: f64 = 0.001;

/// The same where the path says that it is not for everybody: then one user is enough.
const CHANCE_RESTRICTED: f64 = 0.05;

/// Principals of a kind that are answered before the operation is for them after all.
const SUSPECTS: usize = 3;

const OPERATIONS: usize = 8_192;
/// Kinds that are told apart for each operation, and principals of each.
const KINDS: usize = 8;
const PRINCIPALS: usize = 8;
const MEMBERS: usize = 65_536;
const POPULATIONS: usize = 4_096;

/// What the tokens of some principals have in common: the hash of their roles.
type Roles = Option<Hash>;

struct State {
    limits: Limits,
    operations: Bounded<Hash, Operation>,
    /// The roles with which each principal was answered at a server last.
    members: Bounded<(Hash, Hash), Roles>,
    /// How many principals of each kind a server has.
    populations: Bounded<Hash, Vec<(Roles, u32)>>,
}

#[derive(Default)]
struct Operation {
    kinds: Vec<Kind>,
}

/// What an operation did with principals of one kind.
#[derive(Default)]
struct Kind {
    roles: Roles,
    answers: u32,
    answered: Vec<Hash>,
    refused: Vec<Hash>,
    /// Answered although it is not for their kind.
    suspects: Vec<Hash>,
}

/// Why somebody should not have been answered.
struct Reason {
    rule: &'static str,
    severity: Severity,
    because: String,
}

fn add(principals: &mut Vec<Hash>, principal: Hash) {
    if principals.len() < PRINCIPALS && !principals.contains(&principal) {
        principals.push(principal);
    }
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let (Some(token), Some(principal)) = (visit.token.as_deref(), visit.principal) else { return };
        let is_served = visit.is_served();
        let is_refused = visit.context.status == Some(403);
        if !(is_served || is_refused) || visit.coverage.open > 0 {
            return;
        }
        let roles = token.roles;
        if is_served {
            self.join(visit.server, principal, roles);
        }
        let operation = self.operations.entry(visit.operation, Operation::default);
        let Some(at) = operation.place(roles) else { return };
        if is_refused {
            if let Some(kind) = operation.kinds.get_mut(at) {
                add(&mut kind.refused, principal);
            }
            return;
        }
        let populations = self.populations.get(&visit.server).map_or(&[][..], Vec::as_slice);
        let reason = operation.reason(at, visit, principal, populations, self.limits);
        let Some(kind) = operation.kinds.get_mut(at) else { return };
        match reason {
            Some(Reason { rule, severity, because }) => {
                add(&mut kind.suspects, principal);
                let finding = Finding::new(&DETECTOR, rule, Subject::ClientAtEndpoint, severity);
                findings.about(visit, Finding { confidence: Confidence::Medium, because: Some(because), ..finding });
            }
            None => {
                kind.answers = kind.answers.saturating_add(1);
                add(&mut kind.answered, principal);
            }
        }
    }

    fn footprint(&self) -> usize {
        let lists = |kind: &Kind| {
            size_of::<Kind>() + 8 * (kind.answered.capacity() + kind.refused.capacity() + kind.suspects.capacity())
        };
        let operation = |operation: &Operation| 64 + operation.kinds.iter().map(lists).sum::<usize>();
        self.operations.iter().map(|(_, entry)| operation(entry)).sum::<usize>()
            + 60 * self.members.len()
            + self.populations.iter().map(|(_, kinds)| 64 + 24 * kinds.capacity()).sum::<usize>()
    }

    fn forgotten(&self) -> u64 {
        self.operations.forgotten() + self.members.forgotten() + self.populations.forgotten()
    }
}

impl State {
    /// Counts a principal among its kind. Who is given other roles changes kinds.
    fn join(&mut self, server: Hash, principal: Hash, roles: Roles) {
        let mut before = None;
        let mut is_new = false;
        let member = self.members.entry((server, principal), || {
            is_new = true;
            roles
        });
        if !is_new {
            if *member == roles {
                return;
            }
            before = Some(std::mem::replace(member, roles));
        }
        let kinds = self.populations.entry(server, Vec::new);
        if let Some((_, count)) = kinds.iter_mut().find(|(known, _)| Some(*known) == before) {
            *count = count.saturating_sub(1);
        }
        if let Some((_, count)) = kinds.iter_mut().find(|(known, _)| *known == roles) {
            *count = count.saturating_add(1);
        } else if kinds.len() < 8 * KINDS {
            kinds.push((roles, 1));
        }
    }
}

impl Operation {
    /// Where the kind with these roles is; `None` when there is no place for it.
    fn place(&mut self, roles: Roles) -> Option<usize> {
        if let Some(at) = self.kinds.iter().position(|kind| kind.roles == roles) {
            return Some(at);
        }
        if self.kinds.len() == KINDS {
            return None;
        }
        self.kinds.push(Kind { roles, ..Kind::default() });
        Some(self.kinds.len() - 1)
    }

    /// Why the kind at `at` should not have been answered, if it should not.
    fn reason(
        &self,
        at: usize,
        visit: &Visit,
        principal: Hash,
        populations: &[(Roles, u32)],
        limits: Limits,
    ) -> Option<Reason> {
        let own = self.kinds.get(at)?;
        let is_for_them =
            !own.answered.is_empty() || own.suspects.len() >= SUSPECTS && !own.suspects.contains(&principal);
        // What is about the caller is the caller's.
        if is_for_them || visit.objects.as_slice().iter().any(|object| object.hash == principal) {
            return None;
        }
        let others = || self.kinds.iter().filter(|kind| kind.roles != own.roles && !kind.answered.is_empty());
        let users: usize = others().map(|kind| kind.answered.len()).sum();
        let answers = others().map(|kind| kind.answers).fold(0, u32::saturating_add);
        // Kinds that say nothing of roles do not show that a role decides.
        if answers < ANSWERS || others().any(|kind| kind.roles.is_none()) {
            return None;
        }
        let changes = !matches!(visit.context.method.as_deref(), Some("GET" | "HEAD" | "OPTIONS"));
        let refused = own.refused.iter().filter(|refused| **refused != principal).count();
        let limit = if visit.objects.as_slice().is_empty() { limits.refused } else { limits.refused + MORE_AT_OBJECTS };
        if refused >= limit {
            let severity = if changes { Severity::High } else { Severity::Medium };
            let because = format!(
                "The operation refused {refused} other principals with the same roles and answered none of them; it \
                 answered {users} with other roles {answers} times."
            );
            return Some(Reason { rule: "refused_role", severity, because });
        }
        let path = visit.context.endpoint.as_deref().unwrap_or_default();
        let is_restricted = restricted(path.as_bytes()).is_some();
        let count = |roles: Roles| populations.iter().find(|(known, _)| *known == roles).map_or(0, |(_, count)| *count);
        let all = populations.iter().map(|(_, count)| *count).fold(0, u32::saturating_add);
        let those = others().map(|kind| count(kind.roles)).fold(0, u32::saturating_add);
        let peers = count(own.roles);
        if peers < limits.population || users < if is_restricted { 1 } else { USERS } {
            return None;
        }
        let chance = (f64::from(those) / f64::from(all.max(1))).powi(i32::try_from(users).unwrap_or(i32::MAX));
        if chance > if is_restricted { CHANCE_RESTRICTED } else { CHANCE } {
            return None;
        }
        // Nobody was refused, so it may be that nobody cared to call it.
        let is_grave = is_restricted || users > USERS && changes;
        let severity = if is_grave { Severity::Medium } else { Severity::Low };
        let because = format!(
            "{users} principals with roles that {those} of {all} have were the only ones to use the operation, {answers} \
             times; none of {peers} with this caller's roles had."
        );
        Some(Reason { rule: "other_role", severity, because })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{judge, visit};
    use crate::identity::{Credential, CredentialKind};
    use crate::token::Token;
    use crate::visit::{Object, Objects};

    const ADMIN: u64 = 1;
    const USER: u64 = 2;

    fn by(who: u64, roles: u64, path: &str, status: u16) -> Visit {
        let mut visit = visit("10.0.0.1", path, status);
        visit.principal = Some(Hash(who));
        visit.credential = Some(Credential { kind: CredentialKind::Jwt, hash: Hash(who) });
        visit.token = Some(Token { roles: (roles > 0).then_some(Hash(roles)), ..Token::blank() }.into());
        visit
    }

    fn rules(visits: impl IntoIterator<Item = Visit>) -> Vec<(&'static str, Severity)> {
        let (observations, _) = judge(&FUNCTION_LEVEL, visits);
        observations.iter().map(|seen| (seen.findings[0].rule, seen.findings[0].severity)).collect()
    }

    fn posted(mut visit: Visit) -> Visit {
        visit.context.method = Some("POST".into());
        visit
    }

    /// Forty users who read orders.
    fn crowd() -> impl Iterator<Item = Visit> {
        (100..140).map(|who| by(who, USER, "/orders", 200))
    }

    #[test]
    fn a_role_that_is_refused_elsewhere_gets_in() {
        let admins = || (0..4).map(|n| by(n % 2, ADMIN, "/refunds", 200));
        let refused = |count: u64| (100..100 + count).map(|who| by(who, USER, "/refunds", 403));
        let attack = || by(150, USER, "/refunds", 200);
        assert_eq!(rules(admins().chain(refused(3)).chain([attack()])), [("refused_role", Severity::Medium)]);
        let posts = admins().chain(refused(3)).chain([attack()]).map(posted);
        assert_eq!(rules(posts), [("refused_role", Severity::High)]);
        // Too few refusals, a role that was let in before, and one's own earlier refusals.
        assert!(rules(admins().chain(refused(2)).chain([attack()])).is_empty());
        assert!(rules([attack()].into_iter().chain(admins()).chain(refused(3)).chain([attack()])).is_empty());
        let own = [150, 150, 150, 150].map(|who| by(who, USER, "/refunds", 403));
        assert!(rules(admins().chain(own).chain([attack()])).is_empty());
        // Nobody else is answered: nothing says that a role decides.
        assert!(rules(refused(3).chain([attack()])).is_empty());
    }

    #[test]
    fn refusals_of_objects_are_about_the_object() {
        let at_object = |mut visit: Visit| {
            visit.objects.push(Object { hash: Hash(77), ..Object::default() });
            visit
        };
        let refused = |count: u64| (100..100 + count).map(|who| by(who, USER, "/orders/7", 403));
        let staff = || (0..4).map(|n| by(n, ADMIN, "/orders/7", 200));
        let of =
            |count: u64| rules(staff().chain(refused(count)).chain([by(150, USER, "/orders/7", 200)]).map(at_object));
        assert!(of(3).is_empty());
        assert_eq!(of(5).len(), 1);
        let own = |mut visit: Visit| {
            visit.objects = Objects::default();
            visit.objects.push(Object { hash: Hash(150), ..Object::default() });
            visit
        };
        assert!(rules(staff().chain(refused(5)).chain([by(150, USER, "/orders/7", 200)]).map(own)).is_empty());
    }

    #[test]
    fn an_operation_that_only_the_few_use() {
        let admins = |path: &'static str, count: u64| (0..6).map(move |n| by(n % count, ADMIN, path, 200));
        let attack = |path| by(150, USER, path, 200);
        let on = |path: &'static str, count: u64| rules(crowd().chain(admins(path, count)).chain([attack(path)]));
        assert_eq!(on("/admin/report", 1), [("other_role", Severity::Medium)]);
        assert_eq!(on("/report", 3), [("other_role", Severity::Low)]);
        // One user of an innocent path may be the first to find it.
        assert!(on("/report", 1).is_empty());
        // A role that is as common as the other says nothing.
        let equals = (200..240).map(|who| by(who, ADMIN, "/orders", 200));
        assert!(rules(equals.chain(crowd()).chain(admins("/report", 3)).chain([attack("/report")])).is_empty());
    }

    #[test]
    fn new_endpoints_new_roles_and_shared_ones() {
        // The first users of a new endpoint.
        assert!(rules(crowd().chain((100..110).map(|who| by(who, USER, "/beta", 200)))).is_empty());
        // A role that nobody had before.
        let admins = (0..6).map(|n| by(n % 3, ADMIN, "/report", 200));
        assert!(rules(crowd().chain(admins).chain([by(150, 3, "/report", 200)])).is_empty());
        // Shared from the start.
        let mixed = (0..50).map(|n| by(100 + n % 40, USER, "/report", 200));
        let admins = (0..6).map(|n| by(n % 3, ADMIN, "/report", 200));
        assert!(rules(crowd().chain(mixed).chain(admins)).is_empty());
        // Granted to the role: told for the first few and not for all.
        let admins = (0..6).map(|n| by(n % 3, ADMIN, "/report", 200));
        let granted = (100..140).map(|who| by(who, USER, "/report", 200));
        assert_eq!(rules(crowd().chain(admins).chain(granted)).len(), SUSPECTS);
        // Tokens that say nothing of roles.
        let plain = |n: u64| by(n, 0, "/report", 200);
        assert!(rules(crowd().chain((0..6).map(plain)).chain([by(150, USER, "/report", 200)])).is_empty());
    }

    #[test]
    fn state_is_bounded() {
        let many = (0..200_000_u64).map(|n| by(n, n % 100, &format!("/a{}", n % 20_000), 200));
        let (_, footprint) = judge(&FUNCTION_LEVEL, many);
        assert!(footprint < 14 << 20, "{footprint}");
    }
}
