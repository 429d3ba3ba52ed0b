//! More than a client should get, or may change: members that only the server should set, files that should not be served,
//! lists of folders, and many people's records in one answer.
//!
//! *Mass assignment* is told by both sides: a write carries a member that decides what somebody may do or has, and the answer
//! shows it with the value that was sent. An operation that others use with such a member is meant to be so. *Files* are told
//! by what is in them, not by their names alone. Misses: members with names of the application's own, answers that do not
//! show what was written.
//!
//! State: for each endpoint a few clients, at about 200 octets.

use std::net::IpAddr;

use super::bounded::Bounded;
use super::{Behaviour, Fact, Findings, Judge, Seen, login};
use crate::endpoint;
use crate::exchange::{Request, Response};
use crate::finding::{Confidence, Detector, Evidence, Family, Finding, Location, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::observation::ExchangeContext;
use crate::visit::{Hash, Outcome, Visit};

macro_rules! detectors {
    ($($static:ident $name:literal $title:literal $owasp:literal $cwe:literal $attack:literal $why:literal $remedy:literal;)*) => {
        $(static $static: Detector = Detector {
            name: $name, family: Family::Exposure, title: $title, description: $why, remediation: $remedy,
            owasp: $owasp, cwe: $cwe, attack: $attack,
        };)*
    };
}

detectors! {
    BULK "exposure.bulk_records" "One answer holds many people's data" "API3:2023" "CWE-359" "T1530"
        "A single answer holds the personal data of many people, and was given without a credential."
        "Ask who needs the list, and require a credential for it. Serve it in pages, without the fields that are not needed.";
    LISTING "exposure.directory_listing" "A list of a folder's files is served" "API8:2023" "CWE-548" "T1083"
        "The server answers with a list of the files in a folder, so nothing in it has to be guessed."
        "Turn listings off in the server's configuration. Move out of the folder what should not be served.";
    FILE "exposure.file" "A file that should not be served is served" "API8:2023" "CWE-538" "T1552.001"
        "The server answers with a file of its own workings: settings, a repository, a dump of a database. These hold source and credentials."
        "Move the file out of the folder that is served, and change every secret in it. See who else asked for it.";
    MASS_ASSIGNMENT "exposure.mass_assignment" "A client sets what only the server should" "API3:2023" "CWE-915" "T1548"
        "A write carried a member that decides what somebody may do or has, and the answer shows that the server took it."
        "Copy from requests only the members that the operation lists. See what this client did since, and take the change back.";
}

pub(crate) static EXPOSURE: Behaviour = Behaviour {
    detectors: &[&BULK, &LISTING, &FILE, &MASS_ASSIGNMENT],
    knobs: &[&Limits::KNOBS],
    observe,
    state: Some(|settings: &Settings| {
        Box::new(State { limits: Limits::of(settings), endpoints: Bounded::new(ENDPOINTS) })
    }),
};

knobs! {
    /// What is more than anybody needs.
    pub(crate) struct Limits {
        /// Items of one type of personal data in an answer without a credential that are many people's.
        items: u32 = 100 "items", 5 to 1_000_000, "exposure.bulk_records.items",
            "Pages of lists have up to fifty entries.";
        /// Other clients that use an endpoint without a member that only the server should set, before its use is told.
        others: usize = 3 "clients", 1 to 3, "exposure.mass_assignment.others",
            "One or two others may be programs of another kind.";
    }
}

/// Endpoints that are remembered, at about 250 octets, and 300 more where a write waits: 11 MB.
const ENDPOINTS: usize = 20_000;
/// Clients of an endpoint that are told apart.
const CLIENTS: usize = 4;
/// The largest content that is looked at, in octets.
const LIMIT: usize = 64 * 1024;

/// A member that only the server should set, which a write sent and the answer shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Assigned {
    name: Box<str>,
    /// Its value gives power by itself: `admin`, `true`.
    gives_power: bool,
    /// Nobody may ask for it here, whatever others send: who registers has no role yet, and this is that of an administrator.
    is_seizure: bool,
}

fn observe(seen: &mut Seen<'_>) {
    let (Some(request), Some(response)) = (&seen.exchange.request, &seen.exchange.response) else { return };
    if !(200..300).contains(&response.status) {
        return;
    }
    if matches!(request.method, b"POST" | b"PUT" | b"PATCH") {
        if let Some(mut assigned) = assigned(request, response) {
            assigned.is_seizure &= seen.visit.credential.is_none() && login::is_registration(request.target);
            seen.visit.facts.push(Fact::Assigned(assigned));
        }
    } else if let Some((detector, rule, severity)) = file(request, response) {
        let finding = Finding::new(detector, rule, Subject::Endpoint, severity);
        seen.visit.findings.push(Finding { confidence: Confidence::High, ..finding });
    }
    let most = seen
        .visit
        .findings
        .iter()
        .filter(|finding| finding.detector.family == Family::Pii)
        .map(|finding| finding.items)
        .max();
    if seen.visit.credential.is_none()
        && let Some(items) = most.filter(|items| *items >= seen.kept.exposure.items)
    {
        let because = format!(
            "The answer holds {items} items of one type of personal data; pages have fewer than {}.",
            seen.kept.exposure.items
        );
        let finding = Finding::new(&BULK, "anonymous", Subject::Endpoint, Severity::Medium);
        seen.visit.findings.push(Finding { items, because: Some(because), ..finding });
    }
}

/// Members that say what somebody may do, in lower case without separators.
const POWERS: [&[u8]; 15] = [
    b"role",
    b"roles",
    b"isadmin",
    b"admin",
    b"issuperuser",
    b"superuser",
    b"isstaff",
    b"permissions",
    b"privileges",
    b"scopes",
    b"usertype",
    b"accesslevel",
    b"isroot",
    b"authorities",
    b"groups",
];
/// Members that say what somebody has, or has shown.
const POSSESSIONS: [&[u8]; 14] = [
    b"balance",
    b"credit",
    b"credits",
    b"creditlimit",
    b"overdraftlimit",
    b"verified",
    b"isverified",
    b"emailverified",
    b"kycstatus",
    b"approved",
    b"isapproved",
    b"ispaid",
    b"ispremium",
    b"tenantid",
];
/// Values that give power.
const GIVING: [&[u8]; 11] = [
    b"admin",
    b"administrator",
    b"root",
    b"superuser",
    b"superadmin",
    b"super_admin",
    b"owner",
    b"staff",
    b"*",
    b"true",
    b"all",
];

/// The first member of a write that only the server should set, if the answer shows it with the same value.
fn assigned(request: &Request<'_>, response: &Response<'_>) -> Option<Assigned> {
    let (sent, shown) = (request.content.bytes, response.content.bytes);
    if sent.len() > LIMIT || shown.len() > LIMIT || sent.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    // What is granted by a login, or to a client for itself, is the server's answer and no write.
    let mut possession = None;
    for (name, value) in members(sent) {
        let plain: Vec<u8> =
            name.iter().filter(|octet| octet.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
        let (is_power, is_possession) = (POWERS.contains(&&*plain), POSSESSIONS.contains(&&*plain));
        if !(is_power || is_possession)
            || value.is_empty()
            || !members(shown).any(|(other, shown)| other == name && shown == value)
        {
            continue;
        }
        let name: Box<str> = endpoint::shown_name(name).into_owned().into();
        let bare: Vec<u8> = value
            .iter()
            .filter(|octet| !matches!(octet, b'"' | b'[' | b']' | b' '))
            .map(u8::to_ascii_lowercase)
            .collect();
        if is_power && bare.split(|octet| *octet == b',').any(|word| GIVING.contains(&word)) {
            let speaks_of = |word: &[u8]| [&plain, &bare].iter().any(|text| memchr::memmem::find(text, word).is_some());
            let is_seizure = speaks_of(b"admin") || speaks_of(b"superuser") || speaks_of(b"root");
            return Some(Assigned { name, gives_power: true, is_seizure });
        }
        possession = possession.or(Some(Assigned { name, gives_power: false, is_seizure: false }));
    }
    possession
}

/// Names and scalar values, or flat lists, of all objects in a JSON text, as they were sent.
fn members(json: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = json;
    std::iter::from_fn(move || {
        loop {
            let start = memchr::memchr(b'"', rest)? + 1;
            let inside = rest.get(start..)?;
            let len = memchr::memchr(b'"', inside)?;
            let name = inside.get(..len)?;
            rest = inside.get(len + 1..)?;
            let Some(value) = rest.trim_ascii_start().strip_prefix(b":") else { continue };
            let value = value.trim_ascii_start();
            let end = match value.first() {
                Some(b'"') => memchr::memchr(b'"', value.get(1..)?)? + 2,
                Some(b'[') => memchr::memchr(b']', value)? + 1,
                Some(b'{') => 0,
                _ => value
                    .iter()
                    .position(|octet| matches!(octet, b',' | b'}' | b' ' | b'\n' | b'\r'))
                    .unwrap_or(value.len()),
            };
            rest = value.get(end..)?;
            return Some((name, value.get(..end)?));
        }
    })
}

/// What kind of file is served that should not be, by its path and by what is in it.
fn file(request: &Request<'_>, response: &Response<'_>) -> Option<(&'static Detector, &'static str, Severity)> {
    let path = endpoint::path(request.target);
    let bytes = response.content.bytes.get(..response.content.bytes.len().min(4096)).unwrap_or_default();
    let holds = |part: &[u8]| memchr::memmem::find(bytes, part).is_some();
    if bytes.first() == Some(&b'<') {
        let is_list =
            holds(b"<title>Index of /") || holds(b"<title>Directory listing for /") || holds(b"[To Parent Directory]");
        return is_list.then_some((&LISTING, "listing", Severity::Medium));
    }
    let last = path.rsplit(|octet| *octet == b'/').next().unwrap_or_default();
    let in_repository =
        [&b"/.git/"[..], b"/.svn/", b"/.hg/"].iter().any(|part| memchr::memmem::find(path, part).is_some());
    if in_repository {
        let is_repository = bytes.starts_with(b"[core]")
            || bytes.starts_with(b"ref: refs/")
            || bytes.starts_with(b"DIRC")
            || holds(b"SQLite format 3");
        return is_repository.then_some((&FILE, "repository", Severity::High));
    }
    let ends = |ends: &[&[u8]]| ends.iter().any(|end| last.ends_with(end));
    let is_dot = last.starts_with(b".");
    if last.starts_with(b".env")
        || is_dot && ends(&[b"rc", b"credentials", b"pgpass"])
        || ends(&[b".env", b".properties", b".ini", b".conf", b".cfg"])
    {
        let assignment = |line: &&[u8]| {
            let name = line.split(|octet| *octet == b'=').next().unwrap_or_default();
            name.len() > 2
                && name.len() < line.len()
                && name.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.'))
        };
        let lines = bytes.split(|octet| *octet == b'\n').filter(assignment).count();
        return (lines >= 2).then_some((&FILE, "settings", Severity::High));
    }
    if last == b".htpasswd" && bytes.contains(&b':') || last == b".DS_Store" && holds(b"Bud1") {
        return Some((&FILE, "hidden_file", Severity::Medium));
    }
    if ends(&[b".sql", b".dump", b".bak", b".old", b".orig", b".save", b".swp", b"~"]) {
        let is_dump = holds(b"CREATE TABLE")
            || holds(b"INSERT INTO")
            || holds(b"<?php")
            || bytes.starts_with(b"PGDMP")
            || holds(b"password");
        return is_dump.then_some((&FILE, "backup", Severity::High));
    }
    let is_archive = bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x1f\x8b");
    let is_backup =
        [&b"backup"[..], b"dump", b".sql.", b"database"].iter().any(|word| memchr::memmem::find(last, word).is_some());
    (is_archive && is_backup).then_some((&FILE, "backup", Severity::High))
}

struct State {
    limits: Limits,
    endpoints: Bounded<Hash, Users>,
}

/// Who uses an endpoint, and who writes to it with and without a member that only the server should set.
#[derive(Default)]
struct Users {
    all: Vec<IpAddr>,
    without: Vec<IpAddr>,
    with: Vec<IpAddr>,
    /// A write that is told once enough others are known.
    waiting: Option<Box<(ExchangeContext, Assigned)>>,
}

fn taken(assigned: &Assigned, using: usize) -> Finding {
    let others = format!("{using} or more other clients use this endpoint and none of them sent it.");
    let because = match assigned.is_seizure {
        true => "The answer shows the member as it was sent, by somebody who had no account before.".to_owned(),
        false => format!("The answer shows the member as it was sent; {others}"),
    };
    let severity = if assigned.gives_power { Severity::High } else { Severity::Medium };
    let location = Location { part: "request.content".into(), path: Some(format!("$.{}", assigned.name)), offset: 0 };
    Finding {
        because: Some(because),
        evidence: vec![Evidence { kind: "member".into(), location, masked: "***".into(), value_hash: None }],
        ..Finding::new(&MASS_ASSIGNMENT, "member_taken", Subject::ClientAtEndpoint, severity)
    }
}

fn add(clients: &mut Vec<IpAddr>, client: IpAddr) {
    if clients.len() < CLIENTS && !clients.contains(&client) {
        clients.push(client);
    }
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        if visit.outcome != Outcome::Accepted {
            return;
        }
        let users = self.endpoints.entry(visit.endpoint, Users::default);
        let client = visit.client();
        add(&mut users.all, client);
        let assigned = visit.facts.iter().find_map(|fact| match fact {
            Fact::Assigned(assigned) => Some(assigned),
            _ => None,
        });
        match assigned {
            Some(assigned) if assigned.is_seizure => findings.about(visit, taken(assigned, 0)),
            // Who comes second with it shows that it is meant to be sent.
            Some(assigned) if users.with.iter().all(|other| *other == client) => {
                add(&mut users.with, client);
                users.waiting = Some(Box::new((visit.context.clone(), assigned.clone())));
            }
            Some(_) => {
                add(&mut users.with, client);
                users.waiting = None;
            }
            None if visit.request_len > 0 => add(&mut users.without, client),
            None => {}
        }
        let Some((context, assigned)) = users.waiting.as_deref() else { return };
        let others = |clients: &[IpAddr]| clients.iter().filter(|other| **other != context.client.ip()).count();
        let (using, writing) = (others(&users.all), others(&users.without));
        if writing >= self.limits.others || assigned.gives_power && using >= self.limits.others {
            findings.with_context(visit, context.clone(), taken(assigned, using));
            users.waiting = None;
        }
    }

    fn footprint(&self) -> usize {
        self.endpoints.iter().map(|(_, users)| 250 + if users.waiting.is_some() { 300 } else { 0 }).sum()
    }

    fn forgotten(&self) -> u64 {
        self.endpoints.forgotten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{judge, visit};
    use crate::exchange::{Content, Fields, Version};

    fn exchange<'a>(target: &'a str, sent: &'a str, shown: &'a str) -> (Request<'a>, Response<'a>) {
        let content = |text: &'a str| Content { bytes: text.as_bytes(), ..Content::default() };
        let (version, fields) = (Version::Http11, Fields::default());
        (
            Request { method: b"PATCH", target: target.as_bytes(), version, fields, content: content(sent) },
            Response { status: 200, version, fields, content: content(shown) },
        )
    }

    #[test]
    fn members_that_the_server_took() {
        let of = |sent, shown| {
            let (request, response) = exchange("/", sent, shown);
            assigned(&request, &response).map(|it| (it.name.to_string(), it.gives_power))
        };
        assert_eq!(of(r#"{"a":1,"role":"admin"}"#, r#"{"id":1,"role":"admin"}"#), Some(("role".into(), true)));
        assert_eq!(of(r#"{"is_admin": true}"#, r#"{"is_admin":true}"#), Some(("is_admin".into(), true)));
        assert_eq!(of(r#"{"roles":["user","admin"]}"#, r#"{"roles":["user","admin"]}"#), Some(("roles".into(), true)));
        assert_eq!(of(r#"{"balance":9}"#, r#"{"balance":9}"#), Some(("balance".into(), false)));
        // The server kept its own value, or does not show it.
        assert_eq!(of(r#"{"role":"admin"}"#, r#"{"role":"user"}"#), None);
        assert_eq!(of(r#"{"role":"admin"}"#, "{}"), None);
        assert_eq!(of(r#"{"name":"role"}"#, r#"{"name":"role"}"#), None);
    }

    #[test]
    fn who_registers_may_not_be_an_administrator() {
        let of = |sent| {
            let (request, response) = exchange("/signup", sent, sent);
            assigned(&request, &response).map(|it| it.is_seizure)
        };
        assert_eq!(of(r#"{"role":"admin"}"#), Some(true));
        assert_eq!(of(r#"{"isAdmin":true}"#), Some(true));
        // Of a shop, or of a house.
        assert_eq!(of(r#"{"role":"owner"}"#), Some(false));
        assert_eq!(of(r#"{"verified":true}"#), Some(false));
    }

    #[test]
    fn files_are_told_by_what_is_in_them() {
        let of = |target, shown| {
            let (request, response) = exchange(target, "", shown);
            file(&request, &response).map(|it| it.1)
        };
        assert_eq!(of("/.env", "DB_HOST=x\nDB_PASSWORD=y\n"), Some("settings"));
        assert_eq!(of("/.git/config", "[core]\n\tbare = false"), Some("repository"));
        assert_eq!(of("/x/dump.sql", "CREATE TABLE users"), Some("backup"));
        assert_eq!(of("/files/", "<html><title>Index of /files</title>"), Some("listing"));
        for (target, shown) in
            [("/.env", "{\"error\":1}"), ("/.git/config", "{}"), ("/a.sql", "nothing"), ("/", "<title>Index</title>")]
        {
            assert_eq!(of(target, shown), None, "{target}");
        }
    }

    #[test]
    fn a_member_that_others_send_is_meant_to_be_sent() {
        let write = |client: &str, is_assigned: bool| {
            let mut visit = visit(client, "/users/7", 200);
            visit.request_len = 20;
            visit.facts.extend(
                is_assigned
                    .then(|| Fact::Assigned(Assigned { name: "role".into(), gives_power: true, is_seizure: false })),
            );
            visit
        };
        let crowd = || (1..6).map(|n| write(&format!("10.0.0.{n}"), false));
        let told = |visits: Vec<Visit>| judge(&EXPOSURE, visits).0.len();
        assert_eq!(told(crowd().chain([write("10.0.1.1", true)]).collect()), 1);
        assert_eq!(told([write("10.0.1.1", true)].into_iter().chain(crowd()).collect()), 1);
        assert_eq!(told(vec![write("10.0.1.1", true)]), 0);
        let mut registration = write("10.0.1.1", false);
        let seized = Assigned { name: "role".into(), gives_power: true, is_seizure: true };
        registration.facts.push(Fact::Assigned(seized));
        assert_eq!(told(vec![registration]), 1);
        assert_eq!(
            told(
                vec![write("10.0.1.1", true), write("10.0.1.2", true)]
                    .into_iter()
                    .chain(crowd())
                    .chain([write("10.0.1.3", true)])
                    .collect()
            ),
            0
        );
    }
}
