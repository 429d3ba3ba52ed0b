//! One folder of `tests/cases` for each case: a capture, the exchanges in it (`expected.jsonl`, as `apitap read
//! --exchanges` writes them), and a README that says where it came from and what it is about.
//!
//! `UPDATE_EXPECT=1` writes the expectations anew; read the difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use apitap::alert::{Assessor, Emit, Settings as AlertSettings};
use apitap::exchange_log::Targets;
use apitap::http::Limits;
use apitap::pipeline::Told;
use apitap::pipeline::file::{Totals, read};
use apitap::worker::{Output, Settings};

/// What a run over a capture told.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) exchanges: String,
    pub(crate) alerts: String,
}

pub(crate) fn observe(capture: &Path, workers: usize) -> (Seen, Totals) {
    let http = Limits { hash_content: true, ..Limits::default() };
    let settings = Settings { log: Some(Targets::Raw), http, ..Settings::default() };
    let mut assessor = Assessor::new(&settings.detectors, AlertSettings::new("test", [7; 32], Emit::EndStates));
    let mut seen = Seen::default();
    let mut revisions = Vec::new();
    let totals = read(&[capture.to_path_buf()], &settings, workers, &AtomicBool::new(false), &mut |told| match told {
        Told::Output(Output::Line(_, line)) => seen.exchanges.push_str(std::str::from_utf8(&line).expect("UTF-8")),
        Told::Output(Output::Visit(visit)) => {
            assessor.visit(*visit, &mut |revision| revisions.push(revision));
        }
        Told::Time(now) => assessor.advance(now, &mut |revision| revisions.push(revision)),
        // What is wrong with a capture is for the tests of the command line.
        Told::Fault(_) => {}
        Told::Progress(..) => {}
    });
    assessor.finish(&mut |revision| revisions.push(revision));
    for revision in revisions {
        seen.alerts.push_str(&serde_json::to_string(&revision).expect("a revision is JSON"));
        seen.alerts.push('\n');
    }
    (seen, totals)
}

fn check(name: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name);
    let capture = ["capture.pcap", "capture.pcapng", "capture.pcap.gz"].map(|file| folder.join(file));
    let capture = capture.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{name} has no capture"));
    let (seen, totals) = observe(capture, 1);
    assert!(totals.counters.link.is_balanced(), "{:?}", totals.counters.link);
    crate::laws::assert_balanced(&totals.counters.worker);
    for workers in [2, 5] {
        assert_eq!(observe(capture, workers).0, seen, "{workers} workers");
    }
    let expected = folder.join("expected.jsonl");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&expected, &seen.exchanges).expect("the expectation can be written");
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    for (line, (want, got)) in expected.lines().zip(seen.exchanges.lines()).enumerate() {
        assert_eq!(got, want, "{name}, exchange {}", line + 1);
    }
    assert_eq!(seen.exchanges.lines().count(), expected.lines().count(), "{name}: number of exchanges");
}

macro_rules! cases {
    ($($test:ident: $folder:literal,)*) => { $(#[test] fn $test() { check($folder); })* };
}

cases! {
    pipelined: "pipelined",
    chunked: "chunked",
    brotli: "brotli",
    deflate_raw: "deflate-raw",
    gzip_evasion: "gzip-evasion",
    connect: "connect",
    gap_double: "gap-double",
    gap_beyond_content: "gap-beyond-content",
    range_gap: "range-gap",
    client_only: "client-only",
    server_only: "server-only",
    desync: "desync",
    http_09: "http-09",
    absolute_form: "absolute-form",
    cooked_v1: "cooked-v1",
    overlap: "overlap",
    websocket: "websocket",
    compressed_capture: "compressed-capture",
    content_length_twice: "content-length-twice",
    expect_100: "expect-100",
    fast_open: "fast-open",
    docker_upgrade: "docker-upgrade",
    pppoe: "pppoe",
    reset: "reset",
    no_http: "no-http",
    qinq: "qinq",
}
