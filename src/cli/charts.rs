//! Counts over time, as small charts of text.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::csv as values;
use super::table::{date_time, number, pad};
use super::text::{cut, visible, width};
use crate::store::queries::{Count, Pace, Stats};
use crate::time::{Rfc3339, Timestamp};

/// Eight heights of a block.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The counts for a person.
pub(super) fn page(stats: &Stats, since: Timestamp, until: Timestamp, columns: usize) -> String {
    let total: u64 = stats.severities.iter().map(|count| count.alerts).sum();
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{} began from {} to {} UTC", number(total, "alert"), date_time(since), date_time(until));
    if total > 0 {
        for (heading, counts) in sections(stats) {
            section(&mut out, heading, counts, columns);
        }
    }
    let _ = writeln!(out, "\nto acknowledge  {}", pace(stats.to_ack));
    let _ = writeln!(out, "to resolve      {}", pace(stats.to_resolve));
    out
}

fn sections(stats: &Stats) -> [(&'static str, &[Count]); 4] {
    [
        ("severity", &stats.severities),
        ("family", &stats.families),
        ("endpoint", &stats.endpoints),
        ("client", &stats.clients),
    ]
}

fn section(out: &mut String, heading: &str, counts: &[Count], columns: usize) {
    const NUMBER: usize = 8;
    let names: Vec<_> = counts.iter().map(|count| visible(&count.name)).collect();
    let chart = counts.iter().map(|count| count.over_time.len()).max().unwrap_or(0);
    let free = columns.saturating_sub(NUMBER + chart + 4).max(heading.len());
    let name_width = names.iter().map(|name| width(name)).max().unwrap_or(0).max(heading.len()).min(free);
    let _ = writeln!(out, "\n{}  {:>NUMBER$}", pad(heading, name_width), "alerts");
    // One scale for all lines of a section, so that they can be compared.
    let most = counts.iter().flat_map(|count| &count.over_time).copied().max().unwrap_or(0);
    for (count, name) in counts.iter().zip(&names) {
        let line = format!(
            "{}  {:>NUMBER$}  {}",
            pad(&cut(name, name_width), name_width),
            count.alerts,
            bars(&count.over_time, most)
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// A block for each number, as high as the number is in comparison to `most`; nothing for none.
fn bars(numbers: &[u64], most: u64) -> String {
    let bar = |number: &u64| {
        if *number == 0 || most == 0 {
            return ' ';
        }
        let height = (*number as f64 / most as f64 * BARS.len() as f64).ceil() as usize;
        BARS.get(height.saturating_sub(1)).copied().unwrap_or('█')
    };
    numbers.iter().map(bar).collect()
}

fn pace(pace: Option<Pace>) -> String {
    match pace {
        None => "none was".to_owned(),
        Some(Pace { alerts, median, ninth_decile }) => {
            format!(
                "median {}, nine of ten within {} ({})",
                duration(median),
                duration(ninth_decile),
                number(alerts, "alert")
            )
        }
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        ..60.0 => format!("{seconds:.0} s"),
        60.0..3_600.0 => format!("{:.0} min", seconds / 60.0),
        3_600.0..86_400.0 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

/// The counts for programs.
pub(super) fn json(out: &mut dyn Write, stats: &Stats, since: Timestamp, until: Timestamp) -> io::Result<()> {
    let counts = |counts: &[Count]| {
        let object = |count: &Count| serde_json::json!({ "name": count.name, "alerts": count.alerts, "over_time": count.over_time });
        counts.iter().map(object).collect::<Vec<_>>()
    };
    let pace = |pace: Option<Pace>| {
        pace.map(|pace| {
            serde_json::json!({
                "alerts": pace.alerts, "median_seconds": pace.median, "ninth_decile_seconds": pace.ninth_decile,
            })
        })
    };
    let text = |time| Rfc3339(time).to_string();
    let buckets: Vec<_> = stats.buckets.iter().map(|bucket| text(bucket.start)).collect();
    let object = serde_json::json!({
        "since": text(since), "until": text(until), "buckets": buckets,
        "severity": counts(&stats.severities), "family": counts(&stats.families),
        "endpoint": counts(&stats.endpoints), "client": counts(&stats.clients),
        "time_to_ack": pace(stats.to_ack), "time_to_resolve": pace(stats.to_resolve),
    });
    writeln!(out, "{object}")
}

/// The counts as comma-separated values, a line for each number that is not 0.
pub(super) fn csv(out: &mut dyn Write, stats: &Stats) -> io::Result<()> {
    values::write(out, &["by", "name", "from", "alerts"])?;
    for (heading, counts) in sections(stats) {
        for count in counts {
            for (bucket, alerts) in stats.buckets.iter().zip(&count.over_time).filter(|(_, alerts)| **alerts > 0) {
                let row = [heading, &count.name, &Rfc3339(bucket.start).to_string(), &alerts.to_string()];
                values::write(out, &row)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_numbers() {
        assert_eq!(bars(&[0, 1, 4, 8, 7], 8), " ▁▄█▇");
        assert_eq!(bars(&[0, 1, 1_000_000], 1_000_000), " ▁█");
        assert_eq!(bars(&[0, 0], 0), "  ");
    }

    #[test]
    fn durations_are_short() {
        let all = [5.0, 90.0, 5_400.0, 200_000.0].map(duration);
        assert_eq!(all, ["5 s", "2 min", "1.5 h", "2.3 days"]);
    }
}
