//! A million clients with accounts of their own pass through the worker's side of the detectors and the behaviour stage.
//! What is remembered stays within its bound, and attacks among them are found, also long after the first were forgotten.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use apitap_detectors::behaviour::{Observer, Stage};
use apitap_detectors::exchange::{
    Anomalies, Completeness, Content, Exchange, FieldLine, Fields, Request, Response, Version,
};
use apitap_detectors::finding::{Family, Severity};
use apitap_detectors::inspect::Settings;
use apitap_detectors::time::{Order, Span, Timestamp};
use apitap_detectors::visit::Usher;

/// Clients that ask once each, half of them before the attacks and half between them.
const CLIENTS: u32 = 1_000_000;

/// Octets that all detectors together may take after that; each says its own bound in its file.
const BOUND: usize = 96 << 20;

struct Town {
    usher: Usher,
    observer: Observer,
    stage: Stage,
    asked: u64,
    /// Families of what was found of medium severity or above, with whom it names.
    found: BTreeSet<(Family, SocketAddr)>,
}

impl Town {
    fn new() -> Self {
        let settings = Settings::default();
        let usher = Usher::new(settings.hashing());
        let (observer, stage) = (Observer::new(&settings), Stage::new(&settings));
        Self { usher, observer, stage, asked: 0, found: BTreeSet::new() }
    }

    /// Somebody asks, and is answered.
    fn ask(&mut self, client: SocketAddr, line: (&str, &str), token: &str, sent: &str, answer: (u16, &str)) {
        let ((method, target), (status, got)) = (line, answer);
        self.asked += 1;
        let started = Timestamp::from_nanos(self.asked as i64 * 20_000_000);
        let (head, lines) = head(&[("content-type", "application/json"), ("authorization", token)]);
        let version = Version::Http11;
        let exchange = Exchange {
            order: Order { time: started, frame: self.asked, ..Order::default() },
            started,
            ended: started + Span::from_millis(5),
            client,
            server: "192.0.2.1:80".parse().unwrap(),
            request: Some(Request {
                method: method.as_bytes(),
                target: target.as_bytes(),
                version,
                fields: Fields::new(head.as_bytes(), &lines[..1 + usize::from(!token.is_empty())]),
                content: Content { bytes: sent.as_bytes(), len: sent.len() as u64, ..Content::default() },
            }),
            response: Some(Response {
                status,
                version,
                fields: Fields::new(head.as_bytes(), &lines[..1]),
                content: Content { bytes: got.as_bytes(), len: got.len() as u64, ..Content::default() },
            }),
            completeness: Completeness::default(),
            anomalies: Anomalies::default(),
        };
        let mut visit = self.usher.visit(&exchange);
        self.observer.observe(&exchange, &mut visit, self.usher.hashing());
        let found = &mut self.found;
        self.stage.visit(visit, &mut |observation| {
            let grave = observation.findings.iter().filter(|finding| finding.severity >= Severity::Medium);
            found.extend(grave.map(|finding| (finding.detector.family, observation.context.client)));
        });
    }

    /// Somebody logs in with their own account, mistyping now and then, or reads an order that they were shown.
    fn live(&mut self, number: u32) {
        let client = SocketAddr::new(Ipv4Addr::from(0x0a00_0000 + number).into(), 40_000);
        if number.is_multiple_of(2) {
            let sent = format!(r#"{{"email":"u{number}@corp.example","password":"p-{number}"}}"#);
            let answer = if number.is_multiple_of(20) { (401, r#"{"error":"wrong password"}"#) } else { (200, "{}") };
            self.ask(client, ("POST", "/api/login"), "", &sent, answer);
        } else {
            let (token, order) = (format!("Bearer opaque-{number}-token"), number % 4_000_000);
            let list = format!(r#"[{{"order_id":{order}}}]"#);
            self.ask(client, ("GET", "/api/orders"), &token, "", (200, &list));
            let target = format!("/api/orders/{order}");
            self.ask(client, ("GET", &target), &token, "", (200, r#"{"state":"sent","sum":17}"#));
        }
    }

    /// One tries the accounts of others, and another walks through their orders.
    fn attack(&mut self, [stuffer, walker]: [SocketAddr; 2]) {
        for number in 0..40 {
            let sent = format!(r#"{{"email":"victim{number}@corp.example","password":"leaked-{number}"}}"#);
            self.ask(stuffer, ("POST", "/api/login"), "", &sent, (401, r#"{"error":"wrong password"}"#));
            let target = format!("/api/orders/{}", 9_000_000 + number);
            let token = format!("Bearer walker-at-{}", walker.port());
            self.ask(walker, ("GET", &target), &token, "", (200, r#"{"state":"sent","sum":17}"#));
        }
    }
}

fn head(fields: &[(&str, &str)]) -> (String, Vec<FieldLine>) {
    let (mut text, mut lines) = (String::new(), Vec::new());
    for (name, value) in fields {
        let start = text.len() as u32;
        let at = start + name.len() as u32;
        lines.push(FieldLine { name: start, name_len: name.len() as u16, value: at, value_len: value.len() as u32 });
        text.push_str(name);
        text.push_str(value);
    }
    (text, lines)
}

#[test]
fn attacks_are_found_among_a_million_clients_and_nobody_else_is_named() {
    let early = ["203.0.113.1:1001", "203.0.113.2:1002"].map(|text| text.parse().unwrap());
    let late = ["203.0.113.3:1003", "203.0.113.4:1004"].map(|text| text.parse().unwrap());
    let mut town = Town::new();
    (0..CLIENTS / 2).for_each(|number| town.live(number));
    town.attack(early);
    (CLIENTS / 2..CLIENTS).for_each(|number| town.live(number));
    assert!(town.stage.forgotten() > 0, "the crowd is large enough");
    town.attack(late);
    let footprint = town.stage.footprint();
    assert!(footprint < BOUND, "{footprint} octets");
    let wanted =
        [early, late].map(|[stuffer, walker]| [(Family::CredentialStuffing, stuffer), (Family::Enumeration, walker)]);
    assert_eq!(town.found, wanted.concat().into_iter().collect());
}
