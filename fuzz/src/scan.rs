//! Content, and where it is cut.

use apitap_detectors::exchange::{Anomalies, Completeness, Content, Exchange, Fields, Response, Version};
use apitap_detectors::inspect::{Inspector, Settings};
use apitap_detectors::scan::{Scanner, Tally, WindowScan};
use apitap_detectors::time::{Order, Timestamp};

use super::choices::Choices;

/// Counts what is in the content as a whole, and in windows: both must tell the same, and evidence must lie within.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let limit = usize::from(choices.number());
    let repeat = 1 + usize::from(choices.byte() % 8) * 40;
    let cut = 1 + usize::from(choices.number()) % 5000;
    let piece = choices.rest();
    let mut content = piece.repeat(if piece.len() < 200 { repeat } else { 1 });
    content.extend_from_slice(piece);
    let mut inspector =
        Inspector::new(Scanner::default(), Settings { evidence_key: Some([7; 32]), ..Settings::default() });
    let whole = inspect(&mut inspector, &content, &content, None);
    let (kept, rest) = content.split_at(limit.min(content.len()));
    let scanner = *inspector.scanner();
    let mut windows = WindowScan::after(&scanner, kept);
    for piece in rest.chunks(cut) {
        windows.push(&scanner, piece);
    }
    windows.finish(&scanner);
    let split = inspect(&mut inspector, &content, kept, Some(windows.tally()));
    assert_eq!(whole, split);
}

fn inspect(inspector: &mut Inspector, content: &[u8], kept: &[u8], beyond: Option<&Tally>) -> Tally {
    let len = content.len() as u64;
    let content = Content { bytes: kept, len, wire_len: len, beyond, ..Content::default() };
    let response = Response { status: 200, version: Version::Http11, fields: Fields::default(), content };
    let exchange = Exchange {
        order: Order::default(),
        started: Timestamp::default(),
        ended: Timestamp::default(),
        client: ([192, 0, 2, 1], 40_000).into(),
        server: ([192, 0, 2, 2], 80).into(),
        request: None,
        response: Some(response),
        completeness: Completeness::none(),
        anomalies: Anomalies::none(),
    };
    let mut findings = Vec::new();
    let tally = inspector.inspect(&exchange, &mut findings);
    for finding in &findings {
        assert!(finding.items > 0);
        for evidence in &finding.evidence {
            assert!(evidence.location.offset < kept.len() as u64);
            assert!(evidence.masked.contains('*'), "{}", evidence.masked);
        }
    }
    tally
}
