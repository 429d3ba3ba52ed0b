//! The summary at the end: what was seen, what came of it, and what could not be seen.

use std::fmt::Write;

use crate::alert;
use crate::alert::suppress::Applied;
use crate::pipeline::Counters;
use crate::time::Timestamp;

/// The summary for people, some lines. What could not be seen is told where there was something.
pub(super) fn text(counters: &Counters, alerts: &alert::Counters, span: Option<(Timestamp, Timestamp)>) -> String {
    let (link, worker) = (&counters.link, &counters.worker);
    let (flow, tcp, exchanges) = (&worker.flow, &worker.tcp, &worker.exchanges);
    let mut text = String::new();
    let mut line = |text_of: std::fmt::Arguments<'_>| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{text_of}");
    };
    let seconds = span.map_or(0.0, |(first, last)| last.since(first).as_secs_f64());
    line(format_args!(
        "{} frames in {seconds:.1} s of capture, {} connections, {} exchanges ({} incomplete), {} alerts",
        link.frames_received,
        flow.flows_opened,
        exchanges.complete + exchanges.incomplete,
        exchanges.incomplete,
        alerts.alerts_opened,
    ));
    let unseen: [(u64, &str); 13] = [
        (link.frames_dropped_link_type, "frames of an unknown link type"),
        (
            link.frames_dropped_link_malformed + link.frames_dropped_ip_malformed + link.frames_dropped_tcp_malformed,
            "malformed frames",
        ),
        (link.frames_dropped_snapped, "frames cut off within their headers by the snap length"),
        (link.segments_snapped, "segments cut short by the snap length"),
        (tcp.gaps_found, "holes in streams"),
        (tcp.gap_octets, "octets missing in streams"),
        (tcp.segments_dropped_checksum, "segments with a wrong checksum, dropped"),
        (tcp.segments_dropped_out_of_window, "segments outside of any window, dropped"),
        (tcp.overlaps_conflicting, "overlapping segments that differ"),
        (exchanges.undecoded, "exchanges with content that could not be decoded"),
        (flow.flows_evicted_budget, "connections given up for want of memory"),
        (tcp.gaps_forced_budget, "holes given up early for want of memory"),
        (flow.flows_dropped_panic, "connections lost to a defect of the sensor; please report it"),
    ];
    for (count, what) in unseen.into_iter().filter(|(count, _)| *count > 0) {
        line(format_args!("not seen: {count} {what}"));
    }
    if alerts.detectors_forgot > 0 {
        line(format_args!(
            "not known any more: {} things that detectors had to forget for want of room",
            alerts.detectors_forgot
        ));
    }
    if alerts.detectors_restarted > 0 {
        line(format_args!(
            "defect: {} times a detector lost what it knew; please report it",
            alerts.detectors_restarted
        ));
    }
    text
}

/// A line for each suppression that did something, or would have.
pub(super) fn suppressions(applied: &[Applied]) -> Vec<String> {
    let mut lines = Vec::new();
    for Applied { rule, suppressed, expired } in applied {
        let reason = rule.reason();
        if *suppressed > 0 {
            lines.push(format!("suppressed: {suppressed} findings by {rule} ({reason})"));
        }
        if *expired > 0 {
            lines.push(format!("expired: {expired} findings fit {rule} ({reason}) after its end"));
        }
    }
    lines
}
