//! Everything about one alert.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use anstyle::Style;
use apitap_detectors::exchange::Anomalies;

use super::listing;
use super::table::{Colour, Page, date_time, evidence, number, place, span};
use super::text::visible;
use crate::alert::State;
use crate::store::queries::{Found, Health, Story};
use crate::time::Rfc3339;

/// The alert for a person.
pub(super) fn page(story: &Story, columns: usize, colour: Colour) -> String {
    let mut page = Page { out: String::new(), columns, colour };
    // Writing to a string cannot fail.
    let _ = write(&mut page, story);
    page.out
}

fn write(page: &mut Page, story: &Story) -> fmt::Result {
    let alert = &story.latest.revision;
    let severity = page.severity(alert.severity);
    let bold = page.style(Style::new().bold());
    writeln!(page.out, "{}  {bold}{}{bold:#}", severity.trim_end(), visible(&alert.title))?;
    let answered = alert.status.map(|status| format!(", answered {status} last")).unwrap_or_default();
    page.entry("where", &[format!("{}, server {}{answered}", place(alert), alert.server)])?;
    page.entry("who", &who(story))?;
    page.entry("when", &[span(alert.first_seen, alert.last_seen), state(&story.latest)])?;
    page.entry(
        "status",
        &[format!(
            "{}{}",
            story.latest.status(),
            if story.changes.is_empty() { ": nobody has said anything" } else { "" }
        )],
    )?;
    page.entry("why", &[visible(&alert.description).into_owned()])?;
    page.entry("numbers", &[numbers(story)])?;
    page.entry("evidence", &evidence(alert, usize::MAX))?;
    page.entry("remedy", &[visible(&alert.remediation).into_owned()])?;
    page.entry("not seen", &not_seen(story))?;
    let references = [&alert.owasp, &alert.cwe, &alert.attack].map(|text| visible(text)).join(" ");
    page.entry(
        "rule",
        &[format!(
            "{} {}, {} confidence, {}",
            visible(&alert.detector),
            visible(&alert.rule),
            alert.confidence,
            references.trim_end()
        )],
    )?;
    page.entry("revisions", &story.revisions.iter().map(revision).collect::<Vec<_>>())?;
    let change = |change: &crate::store::queries::Change| {
        let note = if change.note.is_empty() { String::new() } else { format!(": {}", visible(&change.note)) };
        format!("{} {} by {}{note}", date_time(change.at), change.status, visible(&change.who))
    };
    page.entry("history", &story.changes.iter().map(change).collect::<Vec<_>>())?;
    page.entry("sensor", &[visible(&alert.sensor).into_owned()])?;
    page.entry("cause", &[alert.fingerprint.to_string()])?;
    page.entry("incident", &[alert.incident.as_deref().map(visible).unwrap_or_default().into_owned()])?;
    page.entry("id", &[alert.id.to_string()])
}

fn who(story: &Story) -> Vec<String> {
    let alert = &story.latest.revision;
    let mut lines = vec![alert.clients.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")];
    let more = alert.client_count.saturating_sub(alert.clients.len() as u64);
    lines.extend((more > 0).then(|| format!("and {} more", number(more, "client"))));
    lines.extend(alert.principal.as_deref().map(|principal| format!("principal {}", visible(principal))));
    lines
}

fn state(found: &Found) -> String {
    match found.revision.state {
        State::Open => "open: it may still grow".to_owned(),
        State::Closed => format!("closed at {} UTC", date_time(found.revision.ts)),
    }
}

fn numbers(story: &Story) -> String {
    let alert = &story.latest.revision;
    let mut text = format!(
        "{}, {}, {}, {} of evidence",
        matches(alert.count),
        number(alert.items, "item"),
        number(alert.client_count, "client"),
        number(alert.evidence.len() as u64, "piece"),
    );
    let seconds = alert.last_seen.since(alert.first_seen).as_secs_f64();
    if seconds > 0.0 {
        // Two matches make one interval.
        let _ = write!(text, "; {:.1} matches an hour", alert.count.saturating_sub(1) as f64 / seconds * 3_600.0);
    }
    text
}

fn matches(count: u64) -> String {
    if count == 1 { "1 match".to_owned() } else { format!("{count} matches") }
}

/// What was missing around the alert, in words; that nothing was is said, too.
fn not_seen(story: &Story) -> Vec<String> {
    let alert = &story.latest.revision;
    let mut lines: Vec<_> =
        alert.visibility.iter().map(|name| format!("{}: {}", visible(name), explanation(name))).collect();
    if lines.is_empty() {
        lines.push("nothing: every exchange of this alert was whole".to_owned());
    }
    lines.extend(story.health.as_ref().map(health));
    lines
}

fn health(health: &Health) -> String {
    let lost = health
        .counters
        .iter()
        .filter(|(name, count)| *count > 0 && ["dropped", "gap", "lost"].iter().any(|word| name.contains(word)));
    let lost: Vec<_> = lost.map(|(name, count)| format!("{}={count}", visible(name))).collect();
    let lost = if lost.is_empty() { "nothing lost since its start".to_owned() } else { lost.join(" ") };
    let blind = health.visibility.iter().map(|name| format!(", {}", visible(name))).collect::<String>();
    format!("the sensor at {} UTC: {}, {lost}{blind}", date_time(health.at()), visible(&health.health))
}

fn explanation(name: &str) -> &'static str {
    match name {
        "no_request" => "the request was not in the capture",
        "no_response" => "the response was not in the capture",
        "request_gap" => "parts of a request were not in the capture; there may have been more",
        "response_gap" => "parts of a response were not in the capture; there may have been more",
        "request_cut" => "a request had not ended when the capture or the connection did",
        "response_cut" => "a response had not ended when the capture or the connection did",
        "open" => "a response was still being sent; what followed was counted, not looked at",
        "scanned_only" => "content past the inspection limit was searched for patterns only",
        "undecoded" => "content could not be decoded, or not to its end",
        "client_count_estimated" => "there were too many clients to count exactly",
        "open_alerts_limit" => "too many alerts were open; this one stands for further causes of its rule",
        _ if Anomalies::ALL.iter().any(|(_, known)| *known == name) => {
            "the traffic broke the protocol; parties may read it differently"
        }
        _ => "this version does not know it",
    }
}

fn revision(found: &Found) -> String {
    let revision = &found.revision;
    let state = match revision.state {
        State::Open => "",
        State::Closed => ", closed",
    };
    format!(
        "{} at {} UTC: {}, {}, {}{state}; stored {}",
        revision.revision,
        date_time(revision.ts),
        revision.severity,
        matches(revision.count),
        number(revision.client_count, "client"),
        date_time(found.ingested_at),
    )
}

/// The alert for programs: its latest state, and with it all others and what people said.
pub(super) fn json(out: &mut dyn Write, story: &Story) -> io::Result<()> {
    let mut object = Vec::new();
    listing::object(&mut object, &story.latest)?;
    // The object goes on with what follows.
    object.pop();
    out.write_all(&object)?;
    let changes: Vec<_> = story.changes.iter().map(listing::change).collect();
    let health = story.health.as_ref().map(|health| {
        serde_json::json!({
            "at": Rfc3339(health.at()).to_string(), "health": health.health, "visibility": health.visibility,
            "counters": health.counters.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        })
    });
    write!(
        out,
        ",\"status_history\":{},\"sensor_health\":{},\"revisions\":[",
        serde_json::json!(changes),
        serde_json::json!(health)
    )?;
    for (place, found) in story.revisions.iter().enumerate() {
        out.write_all(if place == 0 { b"" } else { b"," })?;
        out.write_all(found.record.as_bytes())?;
    }
    out.write_all(b"]}\n")
}

#[cfg(test)]
mod tests {
    use apitap_detectors::exchange::Completeness;

    use super::*;

    #[test]
    fn everything_that_can_be_missing_is_explained() {
        let known = Completeness::ALL.iter().map(|(_, name)| *name).chain(Anomalies::ALL.iter().map(|(_, name)| *name));
        for name in known.chain(["client_count_estimated", "open_alerts_limit"]) {
            assert_ne!(explanation(name), explanation("no such name"), "{name}");
        }
    }
}
