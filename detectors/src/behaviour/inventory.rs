//! The interface as it is served, beside the document that describes it: operations nobody documented, deprecated ones that
//! are still called, parameters that are not in it, and what was never called.
//!
//! Runs where a document is given. Only what a server accepted counts, and only at servers that serve something of the
//! document: a capture holds other applications too. Pages, styles and pictures are no operations. Misses: documented
//! operations that do other things than the document says.

use std::sync::Arc;

use super::bounded::Bounded;
use super::{Behaviour, Fact, Findings, Judge, Seen};
use crate::endpoint;
use crate::finding::{Confidence, Detector, Evidence, Family, Finding, Location, Severity, Subject};
use crate::inspect::Settings;
use crate::observation::{ExchangeContext, Observation};
use crate::openapi::{Match, OpenApi};
use crate::time::Order;
use crate::visit::{Hash, Visit};

macro_rules! detectors {
    ($($static:ident $name:literal $title:literal $why:literal $remedy:literal;)*) => {
        $(static $static: Detector = Detector {
            name: $name, family: Family::Inventory, title: $title, description: $why, remediation: $remedy,
            owasp: "API9:2023", cwe: "CWE-1059", attack: "",
        };)*
    };
}

detectors! {
    DEPRECATED "inventory.deprecated_endpoint" "A deprecated operation is still served"
        "The document marks this operation as deprecated, and the server still answers it. Old versions miss the checks that newer ones have."
        "Move its clients to what replaces it, then turn it off.";
    UNDOCUMENTED "inventory.undocumented_endpoint" "An operation that is not in the document is served"
        "The server answers an operation that its OpenAPI document does not have. What nobody documents nobody reviews, tests or turns off."
        "Document it, or turn it off. See who calls it, and whether they should.";
    PARAMETER "inventory.undocumented_parameter" "A parameter that is not in the document is sent"
        "A client sends a query parameter that the document does not give the operation. Hidden parameters turn on what is not meant for everybody."
        "Document the parameter, or have the server reject what it does not know.";
    UNUSED "inventory.unused_endpoint" "Documented operations were not called"
        "The document has operations that no client called while this sensor looked. What is not used can be turned off."
        "See whether they are needed, over a time that is long enough. Turn off what is not.";
}

pub(crate) static INVENTORY: Behaviour = Behaviour {
    detectors: &[&DEPRECATED, &UNDOCUMENTED, &PARAMETER, &UNUSED],
    knobs: &[],
    observe,
    state: Some(|settings: &Settings| Box::new(State::new(settings.openapi.clone()))),
};

/// Servers that are remembered, at about 60 octets.
const SERVERS: usize = 10_000;
/// Undocumented exchanges that wait until their server serves something documented, at about 300 octets.
const WAITING: usize = 256;

/// What the document says of an exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Documented {
    operation: Option<u32>,
    /// A parameter that the operation does not have, as it may be shown.
    parameter: Option<Box<str>>,
}

fn observe(seen: &mut Seen<'_>) {
    let (Some(openapi), Some(request), Some(response)) =
        (seen.openapi, &seen.exchange.request, &seen.exchange.response)
    else {
        return;
    };
    if !(200..300).contains(&response.status) || request.method == b"OPTIONS" {
        return;
    }
    let found = openapi.find(request.method, request.target);
    // HEAD is served wherever GET is.
    let found = match found {
        Match::OtherMethod if request.method == b"HEAD" => openapi.find(b"GET", request.target),
        found => found,
    };
    let documented = match found {
        Match::Operation(number) => {
            let parameter = openapi.unknown_parameter(number, request.target);
            Documented {
                operation: Some(number),
                parameter: parameter.map(|name| endpoint::shown_name(name).into_owned().into()),
            }
        }
        _ if is_page(response.fields.get("content-type").unwrap_or_default()) => return,
        _ => Documented { operation: None, parameter: None },
    };
    seen.visit.facts.push(Fact::Documented(documented));
}

/// What browsers show, rather than programs read.
fn is_page(content_type: &[u8]) -> bool {
    const TYPES: [&[u8]; 7] = [
        b"text/html",
        b"text/css",
        b"text/javascript",
        b"application/javascript",
        b"image/",
        b"font/",
        b"application/wasm",
    ];
    TYPES.iter().any(|kind| content_type.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind)))
}

struct State {
    openapi: Option<Arc<OpenApi>>,
    called: Vec<bool>,
    /// Servers that serve something of the document.
    servers: Bounded<Hash, ()>,
    waiting: Vec<(Hash, ExchangeContext)>,
    last: Option<(Order, ExchangeContext)>,
}

impl State {
    fn new(openapi: Option<Arc<OpenApi>>) -> Self {
        let called = vec![false; openapi.as_ref().map_or(0, |openapi| openapi.operations().len())];
        Self { openapi, called, servers: Bounded::new(SERVERS), waiting: Vec::new(), last: None }
    }

    fn documented(&mut self, number: u32, documented: &Documented, visit: &Visit, findings: &mut Findings<'_>) {
        if let Some(called) = self.called.get_mut(number as usize) {
            *called = true;
        }
        self.last = Some((visit.order, visit.context.clone()));
        let is_new = self.servers.get(&visit.server).is_none();
        self.servers.entry(visit.server, || ());
        if is_new {
            let (told, waiting) =
                std::mem::take(&mut self.waiting).into_iter().partition(|(server, _)| *server == visit.server);
            self.waiting = waiting;
            let told: Vec<(Hash, ExchangeContext)> = told;
            for (_, context) in told {
                findings.with_context(visit, context, undocumented());
            }
        }
        let operation = self.openapi.as_ref().and_then(|openapi| openapi.operations().get(number as usize));
        if operation.is_some_and(|operation| operation.is_deprecated) {
            findings.about(
                visit,
                Finding {
                    confidence: Confidence::High,
                    ..Finding::new(&DEPRECATED, "deprecated", Subject::Endpoint, Severity::Medium)
                },
            );
        }
        if let Some(name) = &documented.parameter {
            let location = Location { part: "request.target".into(), path: Some(name.to_string()), offset: 0 };
            let evidence = Evidence { kind: "parameter".into(), location, masked: "***".into(), value_hash: None };
            findings.about(
                visit,
                Finding {
                    evidence: vec![evidence],
                    ..Finding::new(&PARAMETER, "parameter", Subject::Endpoint, Severity::Info)
                },
            );
        }
    }
}

impl Judge for State {
    fn apply(&mut self, visit: &Visit, findings: &mut Findings<'_>) {
        let documented =
            visit.facts.iter().find_map(|fact| if let Fact::Documented(it) = fact { Some(it) } else { None });
        let Some(documented) = documented else { return };
        match documented.operation {
            Some(number) => self.documented(number, documented, visit, findings),
            None if self.servers.get(&visit.server).is_some() => findings.about(visit, undocumented()),
            None if self.waiting.len() < WAITING => self.waiting.push((visit.server, visit.context.clone())),
            None => {}
        }
    }

    fn finish(&mut self, findings: &mut Findings<'_>) {
        let (Some(openapi), Some((order, context))) = (&self.openapi, &self.last) else { return };
        let unused: Vec<_> = openapi
            .operations()
            .iter()
            .zip(&self.called)
            .filter(|(_, called)| !**called)
            .map(|(operation, _)| operation)
            .collect();
        let Some(first) = unused.first() else { return };
        let finding = Finding {
            items: u32::try_from(unused.len()).unwrap_or(u32::MAX),
            because: Some(format!(
                "{} of {} documented operations were not called, the first {} {}.",
                unused.len(),
                self.called.len(),
                first.method,
                first.path
            )),
            ..Finding::new(&UNUSED, "never_called", Subject::Server, Severity::Info)
        };
        (findings.emit)(Observation { order: *order, context: context.clone(), findings: vec![finding] });
    }

    fn footprint(&self) -> usize {
        self.called.len() + self.servers.len() * 60 + self.waiting.len() * 300
    }

    fn forgotten(&self) -> u64 {
        self.servers.forgotten()
    }
}

fn undocumented() -> Finding {
    Finding {
        confidence: Confidence::High,
        ..Finding::new(&UNDOCUMENTED, "undocumented", Subject::Endpoint, Severity::Medium)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::tests::visit;

    fn served(path: &str, operation: Option<u32>, parameter: Option<&str>) -> Visit {
        let mut visit = visit("10.0.0.1", path, 200);
        visit.facts.push(Fact::Documented(Documented { operation, parameter: parameter.map(Into::into) }));
        visit
    }

    fn told(visits: Vec<Visit>) -> Vec<(String, &'static str)> {
        let text = r#"{"openapi":"3.1.0","paths":{"/a":{"get":{}},"/b":{"get":{"deprecated":true}},"/c":{"get":{}}}}"#;
        let settings = Settings { openapi: Some(Arc::new(OpenApi::parse(text).unwrap())), ..Settings::default() };
        let mut judge = INVENTORY.state.unwrap()(&settings);
        let mut told = Vec::new();
        let mut emit = |observation: Observation| {
            let endpoint = observation.context.endpoint.unwrap_or_default().to_string();
            told.extend(observation.findings.iter().map(|finding| (endpoint.clone(), finding.detector.name)));
        };
        for visit in visits {
            judge.apply(&visit, &mut Findings { emit: &mut emit });
        }
        judge.finish(&mut Findings { emit: &mut emit });
        told
    }

    #[test]
    fn what_the_document_does_not_have() {
        let told = told(vec![
            served("/shadow", None, None),
            served("/a", Some(0), Some("debug")),
            served("/b", Some(1), None),
            served("/x", None, None),
        ]);
        let names: Vec<_> = told.iter().map(|(endpoint, name)| (endpoint.as_str(), *name)).collect();
        assert_eq!(
            names,
            [
                ("/shadow", "inventory.undocumented_endpoint"),
                ("/a", "inventory.undocumented_parameter"),
                ("/b", "inventory.deprecated_endpoint"),
                ("/x", "inventory.undocumented_endpoint"),
                ("/b", "inventory.unused_endpoint"),
            ]
        );
    }

    #[test]
    fn other_applications_are_not_measured_by_it() {
        assert!(told((0..1_000).map(|n| served(&format!("/{n}"), None, None)).collect()).is_empty());
    }
}
