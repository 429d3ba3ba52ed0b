//! What attempts of one client say together, and with what the server made of them.
//!
//! State: for each client and server the different values it tried (at most 32), and for each endpoint how large and how slow
//! its answers to others are. Bounds stand beside the constants.

use std::net::IpAddr;

use super::effect::Effect;
use super::redos;
use super::{Kind, Payload, Weight, observe};
use crate::behaviour::bounded::Bounded;
use crate::behaviour::{Behaviour, Fact, Findings, Judge};
use crate::finding::{Confidence, Detector, Evidence, Family, Finding, Location, Severity, Subject};
use crate::inspect::Settings;
use crate::knob::knobs;
use crate::time::{Span, Timestamp};
use crate::visit::{Hash, Outcome, Visit};

macro_rules! detectors {
    ($($static:ident $name:literal $title:literal $cwe:literal $attack:literal $why:literal $remedy:literal;)*) => {
        $(static $static: Detector = Detector {
            name: $name, family: Family::Injection, title: $title, description: $why, remediation: $remedy,
            owasp: "API8:2023", cwe: $cwe, attack: $attack,
        };)*
    };
}

detectors! {
    CAMPAIGN "injection.campaign" "A client tries many payloads" "CWE-74" "T1595.002"
        "One client sent several different values that parse as code of an interpreter behind the interface. It is looking for a place that runs one."
        "See which of its requests were answered unlike the others, and whether they should have been. Limit or block the client while you look.";
    CODE "injection.code" "A value is code of a programming language" "CWE-94" "T1190"
        "A value parses as code of PHP, Java, JavaScript or the like where data is expected. Where it is evaluated, the server runs what the client writes."
        "Never evaluate input, and allow only the classes and templates that are needed. Check whether this value reached an interpreter.";
    COMMAND "injection.command" "A value goes on as a command" "CWE-78" "T1059.004"
        "A value ends what it was meant to be and goes on as a command of a shell. Where it is put into a command line, the client runs programs on the server."
        "Start programs with a list of arguments and without a shell. Allow only the characters that the value needs.";
    DESERIALIZATION "injection.deserialization" "A value is a serialised object" "CWE-502" "T1190"
        "A value is an object as a library serialises it. Where it is made into an object again, the client chooses the class, and with it what runs."
        "Do not deserialise input, or use a format of plain data. Allow only the classes that are expected.";
    HEADER "injection.header" "A value ends a line of the protocol" "CWE-113" "T1190"
        "A value holds a line end and a line of HTTP or of mail behind it. Where it is put into a field, the client writes fields or a whole message."
        "Refuse line ends in values that become fields. Use a library that refuses them.";
    LDAP "injection.ldap" "A value closes a directory filter" "CWE-90" "T1190"
        "A value closes the LDAP filter it stands in and opens another. Where it is put into a filter, the client chooses whom it matches."
        "Escape values in filters as RFC 4515 says. Allow only the characters that the value needs.";
    LOOKUP "injection.lookup" "A value is a lookup of a logging library" "CWE-917" "T1190"
        "A value is a lookup such as a JNDI reference. A logging library that resolves it loads code from where the client says."
        "Update the logging library, and turn off lookups in messages. See whether the server made a connection that it should not have.";
    NOSQL "injection.nosql" "An operator stands where a value is expected" "CWE-943" "T1190"
        "A member that should be text holds an operator of a document store. Where it reaches a query, the client logs in without a password or reads what it should not."
        "Check the type of each member before it reaches a query. Reject objects where text is expected.";
    TRAVERSAL "injection.path_traversal" "A value climbs out of a folder" "CWE-22" "T1083"
        "A value holds steps up in a path, or names a file of the system. Where it becomes a path, the client reads files that it should not."
        "Resolve the path and check that it stays in its folder. Better, let clients choose from names you know.";
    FIXATION "injection.session_fixation" "A link from another site brings a session along" "CWE-384" "T1539"
        "The id of a session is in a link from another site. A server that takes it lets whoever made the link share the session."
        "Take ids of sessions from cookies alone. Give a new one at each login.";
    SQL "injection.sql" "A value goes on as SQL" "CWE-89" "T1190"
        "A value ends the string or number it was meant to be and goes on as SQL. Where it is put into a statement, the client reads and changes the database."
        "Use statements with parameters everywhere. Check what the database user may do, and what this client has read.";
    SSRF "injection.ssrf" "A URL leads into the server's own network" "CWE-918" "T1190"
        "A URL names the server itself, its cloud's metadata, or a scheme that only libraries of the server know. Where the server fetches it, the client reads what only the server may."
        "Fetch only from hosts that you list, and check the address after resolving it. Keep services from the metadata of the cloud.";
    TEMPLATE "injection.template" "A value is an expression of a template" "CWE-1336" "T1190"
        "A value is an expression that a template engine works out. Where it becomes part of a template, the client runs code on the server."
        "Give values to templates as data, never as text of the template. Use an engine without access to its own objects.";
    XSS "injection.xss" "A value is markup that runs" "CWE-79" "T1059.007"
        "A value holds a script, a handler or a URL that is script. Where it is put into a page, it runs in the browsers of others."
        "Escape values for the place in the page where they stand. Send a content security policy that forbids inline scripts.";
    XXE "injection.xxe" "XML names entities of its own" "CWE-611" "T1190"
        "XML declares entities or asks for other files. A parser that resolves them reads files of the server or asks in its network."
        "Turn off document types and external entities in the parser. Use a format without them where you can.";
}

pub(crate) static INJECTION: Behaviour = Behaviour {
    detectors: &[
        &CAMPAIGN,
        &CODE,
        &COMMAND,
        &DESERIALIZATION,
        &HEADER,
        &LDAP,
        &LOOKUP,
        &NOSQL,
        &TRAVERSAL,
        &redos::DETECTOR,
        &FIXATION,
        &SQL,
        &SSRF,
        &TEMPLATE,
        &XSS,
        &XXE,
    ],
    knobs: &[&Limits::KNOBS, &redos::Limits::KNOBS],
    observe,
    state: Some(|settings: &Settings| Box::new(State::new(settings))),
};

knobs! {
    /// When attempts are a campaign.
    struct Limits {
        /// Different values such as people do not write, which are enough alone.
        sure: u32 = 3 "values", 1 to 32, "injection.campaign.sure_values", "One or two may be a report about an attack.";
        /// Different values before attempts are a campaign, when two of them are such as people do not write.
        values: usize = 4 "values", 2 to 32, "injection.campaign.values",
            "A security tester of one field, or a strange name, makes fewer.";
    }
}

/// How many values have to be such as people do not write, where others are not.
const SURE: u32 = 2;
/// Values that are told apart for each client.
const KEPT: usize = 32;
/// How long a client may be quiet until it starts anew.
const QUIET: Span = Span::from_secs(6 * 3600);
/// Clients that are remembered, at about 400 octets: 8 MB.
const CLIENTS: usize = 20_000;
/// Endpoints whose answers are known, at about 120 octets: 2.4 MB.
const ENDPOINTS: usize = 20_000;
/// Answers to others before one is known to be larger or slower.
const KNOWN: u32 = 3;

#[derive(Debug)]
struct State {
    limits: Limits,
    clients: Bounded<(IpAddr, Hash), Client>,
    endpoints: Bounded<Hash, Answers>,
    redos: redos::State,
}

impl State {
    fn new(settings: &Settings) -> Self {
        Self {
            limits: Limits::of(settings),
            clients: Bounded::new(CLIENTS),
            endpoints: Bounded::new(ENDPOINTS),
            redos: redos::State::new(redos::Limits::of(settings)),
        }
    }
}

#[derive(Debug, Default)]
struct Client {
    first: Timestamp,
    last: Timestamp,
    values: Vec<Hash>,
    kinds: Vec<Kind>,
    sure: u32,
    impressed: u32,
    /// The endpoint that failed at a value which ends a string and does not go on.
    broke: Option<Hash>,
}

/// An endpoint's answers to requests without payloads.
#[derive(Debug, Default)]
struct Answers {
    count: u32,
    largest: u64,
    slowest: Span,
}

/// What all is known of a payload's effect.
enum Impression {
    Shown(Effect),
    /// The answer is this many octets, and others at most so many.
    Larger(u64, u64),
    /// It was accepted, where the same client's lone quote had made the server fail.
    AcceptedAfterFailure,
    /// The answer took so long, and others at most so long.
    Slower(Span, Span),
    None,
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        self.redos.apply(visit, findings);
        let payloads =
            visit.facts.iter().find_map(|fact| if let Fact::Payloads(payloads) = fact { Some(payloads) } else { None });
        let key = visit.operation;
        let Some(payloads) = payloads else {
            // An endpoint's usual answers; only bodies that were accepted say something.
            if visit.outcome == Outcome::Accepted {
                let answers = self.endpoints.entry(key, Answers::default);
                answers.count = answers.count.saturating_add(1);
                answers.largest = answers.largest.max(visit.response_len);
                answers.slowest = answers.slowest.max(visit.took);
            }
            return;
        };
        let answers = self.endpoints.get(&key);
        let client = self.clients.entry((visit.client(), visit.server), Client::default);
        if client.values.is_empty() || visit.started.since(client.last) > QUIET {
            *client = Client { first: visit.started, ..Client::default() };
        }
        client.last = visit.started;
        for payload in payloads {
            let broke = client.broke == Some(key);
            let impression = impression(payload, visit, answers, broke);
            if payload.kind == Kind::Sql && payload.weight == Weight::Weak && visit.outcome == Outcome::Failed {
                client.broke = Some(key);
            }
            let is_new = !client.values.contains(&payload.value);
            if is_new && client.values.len() < KEPT {
                client.values.push(payload.value);
                client.sure += u32::from(payload.weight == Weight::Sure);
                if !client.kinds.contains(&payload.kind) {
                    client.kinds.push(payload.kind);
                }
            }
            let Some(finding) = attempt(payload, &impression) else { continue };
            client.impressed += u32::from(finding.severity >= Severity::Medium);
            findings.about(visit, finding);
        }
        let Limits { sure, values } = self.limits;
        if client.values.len() >= values && client.sure >= SURE || client.sure >= sure {
            findings.about(visit, campaign(client, visit));
        }
    }

    fn footprint(&self) -> usize {
        let client = |client: &Client| 200 + client.values.capacity() * size_of::<Hash>() + client.kinds.capacity();
        self.clients.iter().map(|(_, it)| client(it)).sum::<usize>()
            + self.endpoints.len() * 120
            + self.redos.footprint()
    }

    fn forgotten(&self) -> u64 {
        self.clients.forgotten() + self.endpoints.forgotten() + self.redos.forgotten()
    }
}

fn impression(payload: &Payload, visit: &Visit, answers: Option<&Answers>, broke: bool) -> Impression {
    if let Some(effect) = payload.effect.filter(|effect| *effect != Effect::Failed) {
        return Impression::Shown(effect);
    }
    if broke && payload.kind == Kind::Sql && payload.weight == Weight::Sure && visit.outcome == Outcome::Accepted {
        return Impression::AcceptedAfterFailure;
    }
    if let Some(answers) = answers.filter(|answers| answers.count >= KNOWN) {
        // A condition that is always true gives everything there is.
        if payload.kind == Kind::Sql
            && visit.outcome == Outcome::Accepted
            && visit.response_len > 2 * answers.largest + 512
        {
            return Impression::Larger(visit.response_len, answers.largest);
        }
        let slow = visit.took.as_nanos() > 5 * answers.slowest.as_nanos() && visit.took > Span::from_millis(1_500);
        if payload.waits && slow {
            return Impression::Slower(visit.took, answers.slowest);
        }
    }
    payload.effect.map_or(Impression::None, Impression::Shown)
}

/// What one attempt is worth.
fn attempt(payload: &Payload, impression: &Impression) -> Option<Finding> {
    let is_sure = payload.weight == Weight::Sure;
    let (severity, rule, what) = match impression {
        Impression::Shown(effect) if effect.is_proof() && (is_sure || *effect == Effect::Output) => {
            (Severity::High, "effect", effect.as_str().into())
        }
        Impression::Shown(Effect::Error) if is_sure => (Severity::High, "effect", Effect::Error.as_str().into()),
        Impression::Shown(Effect::Failed) if is_sure => (Severity::Medium, "effect", Effect::Failed.as_str().into()),
        Impression::Larger(is, was) => {
            (Severity::High, "effect", format!("the answer has {is} octets, others have {was} at most"))
        }
        Impression::AcceptedAfterFailure => {
            (Severity::High, "effect", "the server accepted it after it had failed at a lone quote".into())
        }
        Impression::Slower(is, was) => (
            Severity::High,
            "effect",
            format!("the answer took {:.1} s, others {:.1} s at most", is.as_secs_f64(), was.as_secs_f64()),
        ),
        _ if is_sure => (Severity::Low, "attempt", "the answer shows no effect".into()),
        _ => return None,
    };
    let subject = Subject::ClientAtEndpoint;
    Some(Finding {
        confidence: if severity >= Severity::High { Confidence::High } else { Confidence::Medium },
        because: Some(format!("The value parses as {}, and {what}.", words(payload.kind))),
        evidence: vec![Evidence {
            kind: "payload".into(),
            location: Location { part: payload.part.into(), path: payload.name.as_deref().map(Into::into), offset: 0 },
            masked: "***".into(),
            value_hash: None,
        }],
        ..Finding::new(detector(payload.kind), rule, subject, severity)
    })
}

fn campaign(client: &Client, visit: &Visit) -> Finding {
    let count = client.values.len();
    let more = if count == KEPT { "more than " } else { "" };
    let kinds = client.kinds.iter().map(|kind| words(*kind)).collect::<Vec<_>>().join(", ");
    let span = visit.started.since(client.first).as_secs_f64();
    let severity = if client.impressed > 0 { Severity::High } else { Severity::Medium };
    Finding {
        confidence: Confidence::High,
        because: Some(format!(
            "{more}{count} different values in {span:.0} s parse as {kinds}; {} were answered with a visible effect.",
            client.impressed
        )),
        ..Finding::new(&CAMPAIGN, "payloads", Subject::Client, severity)
    }
}

const fn detector(kind: Kind) -> &'static Detector {
    match kind {
        Kind::Code => &CODE,
        Kind::Command => &COMMAND,
        Kind::Deserialization => &DESERIALIZATION,
        Kind::Header => &HEADER,
        Kind::Ldap => &LDAP,
        Kind::Lookup => &LOOKUP,
        Kind::NoSql => &NOSQL,
        Kind::PathTraversal => &TRAVERSAL,
        Kind::SessionFixation => &FIXATION,
        Kind::Sql => &SQL,
        Kind::Ssrf => &SSRF,
        Kind::Template => &TEMPLATE,
        Kind::Xss => &XSS,
        Kind::Xxe => &XXE,
    }
}

const fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Code => "code",
        Kind::Command => "a shell command",
        Kind::Deserialization => "a serialised object",
        Kind::Header => "a line of the protocol",
        Kind::Ldap => "a directory filter",
        Kind::Lookup => "a lookup",
        Kind::NoSql => "a query operator",
        Kind::PathTraversal => "a path out of its folder",
        Kind::SessionFixation => "a session from elsewhere",
        Kind::Sql => "SQL",
        Kind::Ssrf => "a URL into the server's network",
        Kind::Template => "a template expression",
        Kind::Xss => "markup that runs",
        Kind::Xxe => "XML with entities",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::{at, judge, visit};

    fn tried(client: &str, value: u64, effect: Option<Effect>) -> Visit {
        let mut visit = visit(client, "/search", 200);
        visit.facts.push(Fact::Payloads(
            [Payload { value: Hash(value), effect, ..Payload::new(Kind::Sql, Weight::Sure) }].into(),
        ));
        visit
    }

    fn severities(visits: Vec<Visit>) -> Vec<(&'static str, Severity)> {
        let (observations, _) = judge(&INJECTION, visits);
        observations
            .iter()
            .flat_map(|it| &it.findings)
            .map(|finding| (finding.detector.name, finding.severity))
            .collect()
    }

    #[test]
    fn one_attempt_is_low_an_effect_high_and_several_a_campaign() {
        assert_eq!(severities(vec![tried("10.0.0.1", 1, None)]), [("injection.sql", Severity::Low)]);
        assert_eq!(severities(vec![tried("10.0.0.1", 1, Some(Effect::Error))]), [("injection.sql", Severity::High)]);
        let many = (0..4).map(|n| at(n as f64, tried("10.0.0.1", n, None))).collect();
        assert_eq!(severities(many).last(), Some(&("injection.campaign", Severity::Medium)));
        // The same again and again, and many clients once each, are none.
        let same = (0..9).map(|_| tried("10.0.0.1", 1, None)).collect();
        assert!(severities(same).iter().all(|(_, severity)| *severity == Severity::Low));
        let crowd = (0..9).map(|n| tried(&format!("10.0.0.{n}"), n, None)).collect();
        assert!(severities(crowd).iter().all(|(_, severity)| *severity == Severity::Low));
    }

    #[test]
    fn what_is_accepted_after_a_lone_quote_failed_is_an_effect() {
        let mut probe = visit("10.0.0.1", "/search", 500);
        let quote = Payload { effect: Some(Effect::Failed), ..Payload::new(Kind::Sql, Weight::Weak) };
        probe.facts.push(Fact::Payloads([quote].into()));
        assert_eq!(severities(vec![probe.clone(), tried("10.0.0.1", 1, None)]), [("injection.sql", Severity::High)]);
        // A name with an apostrophe alone is none, and another client's is another matter.
        assert!(severities(vec![probe.clone()]).is_empty());
        assert_eq!(severities(vec![probe, tried("10.0.0.2", 1, None)]), [("injection.sql", Severity::Low)]);
    }

    #[test]
    fn an_answer_larger_than_all_others_is_an_effect() {
        let mut visits: Vec<_> = (0..5).map(|n| visit(&format!("10.0.1.{n}"), "/search", 200)).collect();
        visits.push(Visit { response_len: 9_000, ..tried("10.0.0.1", 1, None) });
        assert_eq!(severities(visits), [("injection.sql", Severity::High)]);
    }

    #[test]
    fn state_is_bounded() {
        let crowd = (0..100_000_u32).map(|n| tried(&std::net::Ipv4Addr::from(n).to_string(), n.into(), None));
        assert!(judge(&INJECTION, crowd).1 < 20 << 20);
    }
}
