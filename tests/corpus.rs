//! A corpus of captures with the HTTP exchanges in them, where the environment variable `APITAP_CORPUS` names its folder: an
//! extra, not needed for `make test`.
//!
//! `http/expected.jsonl` has a line for each capture of `http/pcaps`: the exchanges that at least two independent tools agree
//! on, and others that only one has seen and that are neither asked for nor held against anyone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cases::observe;

/// What is told of an exchange and asked for: endpoints, method, host, target, status.
const FIELDS: [&str; 8] = ["src", "sport", "dst", "dport", "method", "host", "target", "status"];
/// What has to be reached: captures matched whole of 454, and contents of 387. What is missed is HTTP/2 and tunnels.
const CAPTURES: usize = 437;
const CONTENTS: usize = 385;

#[derive(Debug, Default)]
struct Score {
    whole: usize,
    contents: usize,
    unmatched: Vec<String>,
}

#[test]
fn the_exchanges_are_those_that_other_tools_see() {
    let Some(corpus) = std::env::var_os("APITAP_CORPUS").map(PathBuf::from) else { return };
    let expected = std::fs::read_to_string(corpus.join("http/expected.jsonl")).unwrap();
    let mut score = Score::default();
    for line in expected.lines() {
        judge(&corpus, &serde_json::from_str(line).unwrap(), &mut score);
    }
    let Score { whole, contents, unmatched } = &score;
    assert!(
        *whole >= CAPTURES && *contents >= CONTENTS,
        "{whole} captures, {contents} contents; not whole: {unmatched:#?}"
    );
}

fn judge(corpus: &Path, expected: &Value, score: &mut Score) {
    let name = expected["pcap"].as_str().unwrap();
    let capture = corpus.join("http/pcaps").join(name);
    let (seen, totals) = observe(&capture, 1);
    assert!(totals.counters.link.is_balanced(), "{name}");
    crate::laws::assert_balanced(&totals.counters.worker);
    assert_eq!(observe(&capture, 3).0, seen, "{name} with three workers");

    let mut got: Vec<Value> = seen.exchanges.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = expected["transactions"].as_array().unwrap();
    let (agreed, single): (Vec<&Value>, Vec<&Value>) =
        told.iter().partition(|exchange| exchange["confidence"] == "agreed");
    let mut missing = 0;
    for wanted in &agreed {
        let matches = |got: &Value| FIELDS.iter().all(|field| same(field, &wanted[field], &got[field]));
        let digest = &wanted["response_body_sha256"];
        let by_content = got.iter().position(|got| matches(got) && got["response_body_sha256"] == *digest);
        let Some(at) = by_content.or_else(|| got.iter().position(matches)) else {
            missing += 1;
            continue;
        };
        let found = got.remove(at);
        let counts = wanted["body_confidence"] == "agreed" && found["response_body_sha256"] == *digest;
        score.contents += usize::from(counts);
    }
    got.retain(|got| !single.iter().any(|single| is_excused(single, got)));
    let is_scored = !agreed.is_empty() || told.is_empty();
    if is_scored && missing == 0 && got.is_empty() {
        score.whole += 1;
    } else if is_scored {
        score.unmatched.push(name.to_owned());
    }
}

/// Whether an exchange that was not asked for has the flow, method and target of one that a single tool saw.
fn is_excused(single: &Value, got: &Value) -> bool {
    ["src", "sport", "dst", "dport", "method", "target"].iter().all(|field| same(field, &single[field], &got[field]))
}

fn same(field: &str, wanted: &Value, got: &Value) -> bool {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    match field {
        "sport" | "dport" | "status" => wanted.as_u64() == got.as_u64(),
        "src" | "dst" => {
            wanted.as_str().and_then(|text| text.parse::<std::net::IpAddr>().ok())
                == got.as_str().and_then(|text| text.parse().ok())
        }
        "host" => text(wanted).map(|host| host.to_lowercase()) == text(got).map(|host| host.to_lowercase()),
        _ => text(wanted) == text(got),
    }
}

#[test]
fn attacks_and_benign_traffic_are_read_without_a_fault() {
    let Some(corpus) = std::env::var_os("APITAP_CORPUS").map(PathBuf::from) else { return };
    let mut captures = BTreeMap::new();
    for entry in std::fs::read_dir(corpus.join("detect")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pcap") {
            let truth: Value =
                serde_json::from_slice(&std::fs::read(path.with_extension("truth.json")).unwrap()).unwrap();
            captures.insert(path, truth["transactions"].as_u64().unwrap());
        }
    }
    assert!(captures.len() > 30);
    for (capture, requests) in captures {
        let (seen, totals) = observe(&capture, 1);
        // The truth counts the requests whose method its tool knows.
        let seen_requests = seen.exchanges.lines().filter(|line| !line.contains("\"method\":null")).count() as u64;
        assert!(seen_requests >= requests, "{seen_requests} of {requests} in {}", capture.display());
        crate::laws::assert_balanced(&totals.counters.worker);
        assert_eq!(observe(&capture, 4).0, seen, "{} with four workers", capture.display());
    }
}
