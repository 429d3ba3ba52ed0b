//! Guessed and replayed credentials: many accounts tried by one client, many passwords tried on one account, one password
//! tried on many accounts, and many clients that each try once.
//!
//! What tells it from people is how it ends. Who mistypes gets in soon after, so what counts are accounts that failed and did
//! *not* get in, and *different* passwords for one account: a program with a stale password repeats the same one. An
//! office behind one address has mistyping people in it, and many more who get in. Rate plays no part.
//!
//! Sees: [`Attempt`]s (hashes of account and secret, and the verdict), client, server. Misses: who tries fewer accounts from
//! each address than the thresholds say and looks like everyone else in address block, program and fields; logins whose
//! content is encrypted by the page itself count as one secret each.
//!
//! State: see the constants; about 70 MB in all at worst. What was used longest ago is forgotten first.

mod population;

use std::net::IpAddr;

use population::Population;

use super::bounded::Bounded;
use super::login::{Attempt, AttemptKind, Verdict};
use super::{Behaviour, Fact, Findings, Judge, Principals, Seen};
use crate::finding::{Confidence, Detector, Evidence, Family, Finding, Location, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::observation::ExchangeContext;
use crate::time::{Span, Timestamp};
use crate::visit::{Hash, Visit};

const REMEDIATION: &str = "Slow down or challenge repeated failures by account and by client, and lock nobody out for good. Ask \
                           for a second factor, and have those change their password whose account was entered.";

static BRUTE_FORCE: Detector = Detector {
    name: "credential_stuffing.brute_force",
    family: Family::CredentialStuffing,
    title: "Many passwords are tried on one account",
    description: "Different passwords, PINs or one-time codes are tried on the same account one after another, and none is \
                  right. Short codes are found this way within hours.",
    remediation: REMEDIATION,
    owasp: "API2:2023",
    cwe: "CWE-307",
    attack: "T1110.001",
};

static COMPROMISED: Detector = Detector {
    name: "credential_stuffing.compromised_account",
    family: Family::CredentialStuffing,
    title: "An account was entered after many failures",
    description: "A login succeeded in the midst of guessed or replayed credentials. Whoever did it has that account now.",
    remediation: "End the sessions of the account, and have its password changed before it is used again. See what the client \
                  did with it afterwards.",
    owasp: "API2:2023",
    cwe: "CWE-307",
    attack: "T1078",
};

static DISTRIBUTED: Detector = Detector {
    name: "credential_stuffing.distributed",
    family: Family::CredentialStuffing,
    title: "Many clients fail to log in, each a few times",
    description: "Clients that have something in common, or that try the same account, fail to log in while others get in. \
                  Attempts are spread over many addresses so that no limit by address is reached.",
    remediation: REMEDIATION,
    owasp: "API2:2023",
    cwe: "CWE-307",
    attack: "T1110.004",
};

static MANY_ACCOUNTS: Detector = Detector {
    name: "credential_stuffing.many_accounts",
    family: Family::CredentialStuffing,
    title: "A client tries many accounts",
    description: "One client tries to get into many different accounts, and fails for nearly all. Lists of names and \
                  passwords from breaches elsewhere are tried like this.",
    remediation: REMEDIATION,
    owasp: "API2:2023",
    cwe: "CWE-307",
    attack: "T1110.004",
};

static MISSING_CONTROL: Detector = Detector {
    name: "credential_stuffing.missing_control",
    family: Family::CredentialStuffing,
    title: "Failed logins are not limited",
    description: "A long run of failed logins was answered each time, neither refused for its number (429), nor with a locked \
                  account, nor more and more slowly. Guessing goes on for as long as it takes.",
    remediation: "Limit failed logins by account and by client, and answer 429 past the limit. Let the wait grow with each \
                  failure.",
    owasp: "API2:2023",
    cwe: "CWE-799",
    attack: "T1110",
};

static SPRAYING: Detector = Detector {
    name: "credential_stuffing.spraying",
    family: Family::CredentialStuffing,
    title: "One password is tried on many accounts",
    description: "The same password fails for many different accounts. Trying a likely password on everyone stays below the \
                  limits that count failures for each account.",
    remediation: "Refuse passwords that are known from breaches, and ask for a second factor. Count failures over all accounts \
                  too, not only for each.",
    owasp: "API2:2023",
    cwe: "CWE-307",
    attack: "T1110.003",
};

pub(crate) static STUFFING: Behaviour = Behaviour {
    detectors: &[&BRUTE_FORCE, &COMPROMISED, &DISTRIBUTED, &MANY_ACCOUNTS, &MISSING_CONTROL, &SPRAYING],
    knobs: &[&Limits::KNOBS],
    observe: |_: &mut Seen<'_>| {},
    state: Some(|settings: &Settings| Box::new(State::new(settings))),
};

knobs! {
    /// From when on it is no accident.
    struct Limits {
        /// Different PINs or codes for one account.
        codes: usize = 8 "codes", 2 to 32, "credential_stuffing.brute_force.codes",
            "A person has one PIN, and mistypes it twice.";
        /// Different passwords for one account.
        passwords: usize = 10 "passwords", 2 to 32, "credential_stuffing.brute_force.passwords",
            "Who forgot theirs tries three to seven, and then asks for a new one.";
        /// Clients that share the guessing of one account.
        clients: usize = 4 "clients", 2 to 32, "credential_stuffing.distributed.clients",
            "People are at home, at work and on the way.";
        /// Clients that fail to get in and have something in common that others have not, such as their program.
        failing: u32 = 12 "clients", 3 to 1_000, "credential_stuffing.distributed.failing",
            "Fewer are chance on a busy site.";
        /// Accounts that one client failed to enter.
        accounts: usize = 10 "accounts", 2 to 32, "credential_stuffing.many_accounts.accounts",
            "Behind one address 28 people fail for six accounts within minutes, and get in; ten that stay closed are more than an office has.";
        /// The least share of accounts that a client failed to enter, among those it tried.
        share: usize = 60 "%", 1 to 100, "credential_stuffing.many_accounts.share",
            "Of many people behind one address few have forgotten their password.";
        /// Failures in a row, of one client, that a server should have limited.
        run: u32 = 30 "failures", 5 to 10_000, "credential_stuffing.missing_control.failures",
            "Common settings allow 5 to 10.";
        /// Accounts that failed with one password.
        sprayed: usize = 10 "accounts", 2 to 32, "credential_stuffing.spraying.accounts",
            "Popular passwords collide, and those who have them get in.";
    }
}

/// How long a client, an account or a password may be quiet until it starts anew. Slow guessing is one a few hours.
const QUIET: Span = Span::from_secs(24 * 3600);

/// Clients that failed, at most about 700 octets each: 23 MB.
const CLIENTS: usize = 32_768;
/// Accounts that failed, at most about 500 octets each: 16 MB.
const ACCOUNTS: usize = 32_768;
/// Secrets that failed, at most about 400 octets each: 13 MB.
const SECRETS: usize = 32_768;
/// The share, in percent, where accounts that a limit kept closed are counted: it keeps out an office as well, of which
/// many have got in before.
const SHARE_LIMITED: usize = 90;
/// How many different things of each kind are told apart for each of them.
const TOLD_APART: usize = 32;

struct State {
    limits: Limits,
    clients: Bounded<(IpAddr, Hash), Client>,
    accounts: Bounded<(Hash, Hash), Account>,
    secrets: Bounded<(Hash, Hash), Secret>,
    population: Population,
    /// What accounts are called that were entered.
    names: Principals,
}

/// What one client tried at one server.
#[derive(Default)]
struct Client {
    first: Timestamp,
    last: Timestamp,
    failures: u32,
    /// Accounts that did not let it in.
    closed: Few,
    /// How many of them were never tried, for too many attempts before.
    limited: usize,
    /// Accounts that did.
    entered: Few,
    run: Run,
    /// Whether it was told of.
    is_told: bool,
    compromised: u32,
}

/// What was tried on one account.
#[derive(Default)]
struct Account {
    first: Timestamp,
    last: Timestamp,
    failures: u32,
    secrets: Few,
    clients: Vec<IpAddr>,
    is_told: bool,
}

/// What one password was tried on.
#[derive(Default)]
struct Secret {
    first: Timestamp,
    last: Timestamp,
    closed: Few,
    entered: Few,
    is_told: bool,
}

/// Failures without anything that would stop them.
#[derive(Default)]
struct Run {
    first: Timestamp,
    len: u32,
    /// Nanoseconds that the first few answers took, and that the latest took: a growing wait is a control.
    early: u64,
    late: u64,
}

/// A few different hashes, and whether there were more.
#[derive(Default)]
struct Few(Vec<Hash>);

impl Few {
    fn insert(&mut self, hash: Hash) {
        if self.0.len() < TOLD_APART && !self.0.contains(&hash) {
            self.0.push(hash);
        }
    }

    fn remove(&mut self, hash: Hash) {
        self.0.retain(|known| *known != hash);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// The number in words: past the bound there may be more.
    fn told(&self) -> String {
        if self.len() < TOLD_APART { self.len().to_string() } else { format!("more than {}", TOLD_APART - 1) }
    }

    fn footprint(&self) -> usize {
        self.0.capacity() * size_of::<Hash>()
    }
}

impl State {
    fn new(settings: &Settings) -> Self {
        let limits = Limits::of(settings);
        Self {
            limits,
            names: Principals::new(settings.principal_key),
            clients: Bounded::new(CLIENTS),
            accounts: Bounded::new(ACCOUNTS),
            secrets: Bounded::new(SECRETS),
            population: Population::new(limits.failing),
        }
    }
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        self.population.pass(visit, findings);
        for fact in &visit.facts {
            if let Fact::Login(attempt) = fact
                && is_guessable(attempt.kind)
            {
                self.attempt(visit, attempt, findings);
            }
        }
    }

    fn finish(&mut self, findings: &mut Findings<'_>) {
        self.population.finish(findings);
    }

    fn footprint(&self) -> usize {
        let entry = 64;
        let client =
            |client: &Client| entry + size_of::<Client>() + client.closed.footprint() + client.entered.footprint();
        let account = |account: &Account| {
            entry
                + size_of::<Account>()
                + account.secrets.footprint()
                + account.clients.capacity() * size_of::<IpAddr>()
        };
        let secret =
            |secret: &Secret| entry + size_of::<Secret>() + secret.closed.footprint() + secret.entered.footprint();
        self.clients.iter().map(|(_, value)| client(value)).sum::<usize>()
            + self.accounts.iter().map(|(_, value)| account(value)).sum::<usize>()
            + self.secrets.iter().map(|(_, value)| secret(value)).sum::<usize>()
            + self.population.footprint()
            + 100 * self.names.named.len()
    }

    fn forgotten(&self) -> u64 {
        self.clients.forgotten() + self.accounts.forgotten() + self.secrets.forgotten() + self.population.forgotten()
    }
}

/// What is worth guessing. Sessions that run out fail by the hundred after a deployment, and nobody guesses them.
fn is_guessable(kind: AttemptKind) -> bool {
    use AttemptKind::{Basic, Client, Code, Identify, Lookup, Password, Refresh, Registration, Reset};
    match kind {
        Password | Basic | Code | Client => true,
        Identify | Lookup | Refresh | Reset | Registration => false,
    }
}

impl State {
    fn attempt(&mut self, visit: &Visit, attempt: &Attempt, findings: &mut Findings<'_>) {
        // Basic authentication repeats what let in; only a first success tells something, and that follows a failure.
        if attempt.kind != AttemptKind::Basic {
            self.population.attempt(visit, attempt);
        }
        match attempt.verdict {
            Verdict::Out => self.failed(visit, attempt, findings),
            Verdict::In => self.entered(visit, attempt, findings),
            Verdict::Limited => self.limited(visit, attempt, findings),
            Verdict::None => {}
        }
    }

    fn failed(&mut self, visit: &Visit, attempt: &Attempt, findings: &mut Findings<'_>) {
        let now = visit.started;
        let client = self.clients.entry((visit.client(), visit.server), Client::default);
        if client.failures == 0 || now.since(client.last) > QUIET {
            *client = Client { first: now, ..Client::default() };
        }
        client.last = now;
        client.failures = client.failures.saturating_add(1);
        if let Some(account) = attempt.account {
            client.entered.remove(account);
            client.closed.insert(account);
        }
        let is_list = self.listed(visit, findings);
        let is_guessed = self.guessed(visit, attempt, findings);
        let is_sprayed = self.sprayed(visit, attempt, findings);
        self.unlimited(visit, is_list || is_guessed || is_sprayed, findings);
    }

    /// Too many attempts: who goes on is not stopped by it, and nobody knows what the password would have been good for.
    fn limited(&mut self, visit: &Visit, attempt: &Attempt, findings: &mut Findings<'_>) {
        let Some(client) = self.clients.get_mut(&(visit.client(), visit.server)).filter(|client| client.failures > 0)
        else {
            return;
        };
        client.run = Run::default();
        client.last = visit.started;
        if let Some(account) = attempt.account
            && !client.closed.0.contains(&account)
            && !client.entered.0.contains(&account)
        {
            client.closed.insert(account);
            client.limited = client.limited.saturating_add(1);
        }
        self.listed(visit, findings);
        self.guessed(visit, attempt, findings);
    }

    /// Many accounts that one client cannot enter.
    fn listed(&mut self, visit: &Visit, findings: &mut Findings<'_>) -> bool {
        let limits = self.limits;
        let Some(client) = self.clients.get_mut(&(visit.client(), visit.server)).filter(|it| it.is_list(limits)) else {
            return false;
        };
        client.is_told = true;
        let because = format!(
            "{} accounts did not let it in and {} did in {}; behind the address of an office fewer than {} fail.",
            client.closed.told(),
            client.entered.len(),
            lasting(visit.started.since(client.first)),
            limits.accounts
        );
        let severity = if client.closed.len() >= twice(limits.accounts) { Severity::High } else { Severity::Medium };
        say(visit, findings, &MANY_ACCOUNTS, "unentered_accounts", Subject::ClientAtEndpoint, severity, because);
        true
    }

    /// Different secrets for one account.
    fn guessed(&mut self, visit: &Visit, attempt: &Attempt, findings: &mut Findings<'_>) -> bool {
        let now = visit.started;
        let (Some(name), Some(secret)) = (attempt.account, attempt.secret) else { return false };
        let account = self.accounts.entry((visit.server, name), Account::default);
        if account.failures == 0 || now.since(account.last) > QUIET {
            *account = Account { first: now, ..Account::default() };
        }
        account.last = now;
        account.failures = account.failures.saturating_add(1);
        account.secrets.insert(secret);
        if account.clients.len() < TOLD_APART && !account.clients.contains(&visit.client()) {
            account.clients.push(visit.client());
        }
        let (limit, what) = match attempt.kind {
            AttemptKind::Code => (self.limits.codes, "codes"),
            _ => (self.limits.passwords, "passwords"),
        };
        if account.secrets.len() < limit {
            return false;
        }
        account.is_told = true;
        let clients = account.clients.len();
        let because = format!(
            "{} different {what} failed for one account in {}, from {clients} client{}; its owner tries fewer than {limit}.",
            account.secrets.told(),
            lasting(now.since(account.first)),
            if clients == 1 { "" } else { "s" },
        );
        let severity = if account.secrets.len() >= twice(limit) { Severity::High } else { Severity::Medium };
        if clients >= self.limits.clients {
            say(visit, findings, &DISTRIBUTED, "one_account", Subject::Endpoint, Severity::High, because);
        } else {
            let rule = if attempt.kind == AttemptKind::Code { "codes" } else { "passwords" };
            say(visit, findings, &BRUTE_FORCE, rule, Subject::ClientAtEndpoint, severity, because);
        }
        true
    }

    /// One secret for many accounts.
    fn sprayed(&mut self, visit: &Visit, attempt: &Attempt, findings: &mut Findings<'_>) -> bool {
        let now = visit.started;
        let (Some(name), Some(hash)) = (attempt.account, attempt.secret) else { return false };
        // There are few PINs, and many people share each: here one client has to be behind it, which is seen there.
        if attempt.kind == AttemptKind::Code {
            return false;
        }
        let secret = self.secrets.entry((visit.server, hash), Secret::default);
        if secret.closed.len() == 0 || now.since(secret.last) > QUIET {
            *secret = Secret { first: now, ..Secret::default() };
        }
        secret.last = now;
        secret.entered.remove(name);
        secret.closed.insert(name);
        let (closed, entered) = (secret.closed.len(), secret.entered.len());
        if closed < self.limits.sprayed || entered * 4 > closed {
            return false;
        }
        secret.is_told = true;
        let because = format!(
            "One password failed for {} accounts and let into {entered} in {}; that of a person fails for one.",
            secret.closed.told(),
            lasting(now.since(secret.first)),
        );
        let severity = if closed >= twice(self.limits.sprayed) { Severity::High } else { Severity::Medium };
        say(visit, findings, &SPRAYING, "one_password", Subject::ClientAtEndpoint, severity, because);
        true
    }

    /// A run of failures that nothing stops.
    fn unlimited(&mut self, visit: &Visit, is_attack: bool, findings: &mut Findings<'_>) {
        let Some(client) = self.clients.get_mut(&(visit.client(), visit.server)) else { return };
        let run = &mut client.run;
        if run.len == 0 {
            run.first = visit.started;
        }
        let took = u64::try_from(visit.took.as_nanos()).unwrap_or(0);
        run.len = run.len.saturating_add(1);
        match run.len {
            1 => (run.early, run.late) = (took, took),
            2..=5 => run.early = (run.early + took) / 2,
            _ => run.late = (run.late / 4).saturating_mul(3).saturating_add(took / 4),
        }
        let is_slowed = run.late > 4 * run.early && run.late > 500_000_000;
        if is_attack && run.len >= self.limits.run && !is_slowed {
            let because = format!(
                "{} failures of one client in {} were all answered, the latest as fast as the first.",
                run.len,
                lasting(visit.started.since(run.first))
            );
            say(visit, findings, &MISSING_CONTROL, "no_limit", Subject::Endpoint, Severity::Medium, because);
        }
    }

    fn entered(&mut self, visit: &Visit, attempt: &Attempt, findings: &mut Findings<'_>) {
        let Some(name) = attempt.account else { return };
        let account = self.accounts.get_mut(&(visit.server, name));
        let (guesses, of_account) = account.map_or((0, false), |account| {
            let known = (account.secrets.len(), account.is_told && account.clients.contains(&visit.client()));
            // Whoever it was is in: what is tried from now on is another matter.
            *account = Account::default();
            known
        });
        let of_secret = attempt.secret.is_some_and(|secret| match self.secrets.get_mut(&(visit.server, secret)) {
            Some(secret) => {
                secret.closed.remove(name);
                secret.entered.insert(name);
                secret.is_told
            }
            None => false,
        });
        let Some(client) = self.clients.get_mut(&(visit.client(), visit.server)) else { return };
        let is_repeated = client.entered.0.contains(&name);
        client.closed.remove(name);
        client.entered.insert(name);
        client.run = Run::default();
        if is_repeated || !(of_account || of_secret && client.failures > 1 || client.is_told) {
            return;
        }
        client.compromised += 1;
        let because = match of_account {
            true => format!(
                "It let this client in after {guesses} wrong passwords or codes; it is entered account number {}.",
                client.compromised
            ),
            false => format!(
                "It is entered account number {} of this client, which failed {} times for {} others.",
                client.compromised,
                client.failures,
                client.closed.told()
            ),
        };
        let rule = "success_after_failures";
        let finding = Finding {
            evidence: vec![self.named(attempt.lasting.unwrap_or(name))],
            ..told(&COMPROMISED, rule, Subject::ClientAtEndpoint, Severity::Critical, because)
        };
        emit(visit, findings, finding);
    }

    /// Which account it is: with the installation's key its hash, the same as that of the principal of this name, and
    /// otherwise a number.
    fn named(&mut self, account: Hash) -> Evidence {
        let name = self.names.name(account);
        let value_hash = (!name.starts_with('#')).then(|| name.to_string());
        let location = Location { part: "request".to_owned(), path: None, offset: 0 };
        Evidence { kind: "account".to_owned(), location, masked: format!("account {name}"), value_hash }
    }
}

impl Client {
    /// Whether it tries accounts of a list.
    fn is_list(&self, limits: Limits) -> bool {
        let (closed, entered) = (self.closed.len(), self.entered.len());
        let is_most =
            |closed: usize, share: usize| closed >= limits.accounts && closed * 100 >= share * (closed + entered);
        is_most(closed.saturating_sub(self.limited), limits.share) || is_most(closed, limits.share.max(SHARE_LIMITED))
    }
}

/// From how many on it is worse, as far as they are told apart.
fn twice(limit: usize) -> usize {
    (2 * limit).min(TOLD_APART)
}

fn say(
    visit: &Visit,
    findings: &mut Findings<'_>,
    detector: &'static Detector,
    rule: &'static str,
    subject: Subject,
    severity: Severity,
    because: String,
) {
    emit(visit, findings, told(detector, rule, subject, severity, because));
}

fn told(
    detector: &'static Detector,
    rule: &'static str,
    subject: Subject,
    severity: Severity,
    because: String,
) -> Finding {
    let finding = Finding::new(detector, rule, subject, severity);
    Finding { confidence: Confidence::High, because: Some(because), ..finding }
}

fn emit(visit: &Visit, findings: &mut Findings<'_>, finding: Finding) {
    // Basic authentication names whom it wants to be; who it is, is the client.
    let context = ExchangeContext { principal: None, ..visit.context.clone() };
    findings.with_context(visit, context, finding);
}

/// A time in the unit that suits it.
fn lasting(span: Span) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        ..7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3_600.0),
    }
}

#[cfg(test)]
mod tests;
