//! Many alerts: as a table, and for programs.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use super::csv as values;
use super::table::{Colour, DIM, Page, SEVERITY_WIDTH, date_time, pad, place};
use super::text::{cut, visible, width};
use crate::store::queries::{Change, Found};
use crate::time::Rfc3339;

/// How much of an id is shown: enough to ask for it.
const ID: usize = 8;

/// The alerts in `columns` columns, in their order.
pub(super) fn table(alerts: &[Found], columns: usize, colour: Colour) -> String {
    if alerts.is_empty() {
        return "no alerts\n".to_owned();
    }
    let mut page = Page { out: String::new(), columns, colour };
    // Writing to a string cannot fail.
    let _ = rows(&mut page, alerts);
    page.out
}

fn rows(page: &mut Page, alerts: &[Found]) -> fmt::Result {
    const TIME: usize = "2026-11-24 13:22:01".len();
    const STATUS: usize = "reopened".len();
    let seen: Vec<_> = alerts.iter().map(|found| found.revision.count.to_string()).collect();
    let seen_width = seen.iter().map(String::len).max().unwrap_or(0).max("seen".len());
    let fixed = TIME + SEVERITY_WIDTH + STATUS + seen_width + ID + 2 * 6;
    let free = page.columns.saturating_sub(fixed);
    let titles: Vec<_> = alerts.iter().map(|found| visible(&found.revision.title)).collect();
    let places: Vec<_> = alerts.iter().map(|found| place(&found.revision)).collect();
    let widest = |cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or(0).max("finding".len());
    let places_want = widest(&mut places.iter().map(|place| width(place)));
    let titles_want = widest(&mut titles.iter().map(|title| width(title)));
    let title_width = titles_want.min((free * 2 / 5).max(free.saturating_sub(places_want)));
    let place_width = places_want.min(free.saturating_sub(title_width));

    let line = |time: &str, severity: &str, status: &str, title: &str, place: &str, seen: &str, id: &str| {
        let title = pad(&cut(title, title_width), title_width);
        let place = pad(&cut(place, place_width), place_width);
        format!("{time:TIME$}  {severity}  {status:STATUS$}  {title}  {place}  {seen:>seen_width$}  {id}")
    };
    let dim = page.style(DIM);
    let heading = line("last seen, UTC", "severity", "status", "finding", "where", "seen", "id");
    writeln!(page.out, "{dim}{heading}{dim:#}")?;
    for (row, found) in alerts.iter().enumerate() {
        let severity = page.severity(found.revision.severity);
        let time = date_time(found.revision.last_seen);
        let id = found.revision.id.to_string();
        let id = id.get(..ID).unwrap_or(&id);
        let line = line(&time, &severity, found.status().as_str(), &titles[row], &places[row], &seen[row], id);
        writeln!(page.out, "{line}")?;
    }
    Ok(())
}

/// A JSON object for each alert: what the sensor wrote, then what the store adds.
pub(super) fn jsonl(out: &mut dyn Write, alerts: &[Found]) -> io::Result<()> {
    alerts.iter().try_for_each(|found| {
        object(out, found)?;
        out.write_all(b"\n")
    })
}

/// The same as one array.
pub(super) fn json(out: &mut dyn Write, alerts: &[Found]) -> io::Result<()> {
    let mut separator = "[\n";
    for found in alerts {
        out.write_all(separator.as_bytes())?;
        object(out, found)?;
        separator = ",\n";
    }
    out.write_all(if alerts.is_empty() { b"[]\n" } else { b"\n]\n" })
}

/// One object. `workflow` is what people say; `status` has been the response's since before there was a store.
pub(super) fn object(out: &mut dyn Write, found: &Found) -> io::Result<()> {
    let record = found.record.trim_end().strip_suffix('}').unwrap_or(&found.record);
    let workflow = match &found.change {
        Some(change) => self::change(change),
        None => serde_json::json!({ "status": found.status().as_str() }),
    };
    write!(out, "{record},\"ingested_at\":\"{}\",\"workflow\":{workflow}}}", Rfc3339(found.ingested_at))
}

/// A status change for programs.
pub(super) fn change(Change { status, at, who, note }: &Change) -> serde_json::Value {
    serde_json::json!({ "status": status.as_str(), "at": Rfc3339(*at).to_string(), "who": who, "note": note })
}

const CSV_HEADER: [&str; 31] = [
    "id",
    "revision",
    "fingerprint",
    "sensor",
    "first_seen",
    "last_seen",
    "ts",
    "ingested_at",
    "state",
    "workflow",
    "count",
    "items",
    "family",
    "detector",
    "rule",
    "severity",
    "confidence",
    "title",
    "description",
    "client",
    "clients",
    "client_count",
    "principal",
    "server",
    "host",
    "method",
    "endpoint",
    "status",
    "owasp",
    "cwe",
    "visibility",
];

/// Comma-separated values, with a header; without evidence, which is a list of its own.
pub(super) fn csv(out: &mut dyn Write, alerts: &[Found]) -> io::Result<()> {
    values::write(out, &CSV_HEADER)?;
    csv_rows(out, alerts)
}

/// The same without the header.
pub(super) fn csv_rows(out: &mut dyn Write, alerts: &[Found]) -> io::Result<()> {
    alerts.iter().try_for_each(|found| values::write(out, &csv_row(found)))
}

fn csv_row(found: &Found) -> [String; 31] {
    let revision = &found.revision;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let time = |time| Rfc3339(time).to_string();
    [
        revision.id.to_string(),
        revision.revision.to_string(),
        revision.fingerprint.to_string(),
        revision.sensor.clone(),
        time(revision.first_seen),
        time(revision.last_seen),
        time(revision.ts),
        time(found.ingested_at),
        match revision.state {
            crate::alert::State::Open => "open".into(),
            crate::alert::State::Closed => "closed".into(),
        },
        found.status().to_string(),
        revision.count.to_string(),
        revision.items.to_string(),
        revision.family.to_string(),
        revision.detector.to_string(),
        revision.rule.to_string(),
        revision.severity.to_string(),
        revision.confidence.to_string(),
        revision.title.to_string(),
        revision.description.clone(),
        revision.client.to_string(),
        revision.clients.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        revision.client_count.to_string(),
        text(&revision.principal),
        revision.server.to_string(),
        text(&revision.host),
        text(&revision.method),
        text(&revision.endpoint),
        revision.status.map(|status| status.to_string()).unwrap_or_default(),
        revision.owasp.to_string(),
        revision.cwe.to_string(),
        revision.visibility.join(" "),
    ]
}
