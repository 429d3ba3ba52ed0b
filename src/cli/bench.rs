//! `apitap bench`: what this machine can carry of a capture's kind of traffic, and where the time goes.
//!
//! The captures are read several times by one worker, with more and more switched on. What a stage costs is the difference
//! to the one before. Processor time is measured, not time on the wall: what else runs on the machine does not count.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use apitap_detectors::finding::Family;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::alerts::print;
use super::args::BenchArgs;
use super::{Exit, tell};
use crate::alert::{self, Assessor, Emit};
use crate::config::{Config, Format};
use crate::keys::Keys;
use crate::pipeline::file::{self, Fault, Totals};
use crate::pipeline::{Told, signals};
use crate::worker;

/// What is switched on in a round: all of those before too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// From the file to whole exchanges.
    Exchanges,
    /// What their content holds.
    Content,
    /// What they say together, and the alerts.
    Behaviour,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Exchanges, Self::Content, Self::Behaviour];

    /// Which of the detectors that are asked for run in its round.
    fn detectors(self, asked: Option<&[String]>) -> Option<Vec<String>> {
        const CONTENT: [Family; 2] = [Family::Pii, Family::Secret];
        let is_of_content =
            |name: &&String| CONTENT.iter().any(|family| name.split('.').next() == Some(family.as_str()));
        match (self, asked) {
            (Self::Exchanges, _) => Some(Vec::new()),
            (Self::Content, None) => Some(CONTENT.map(|family| family.as_str().to_owned()).to_vec()),
            (Self::Content, Some(asked)) => Some(asked.iter().filter(is_of_content).cloned().collect()),
            (Self::Behaviour, asked) => asked.map(<[_]>::to_vec),
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Exchanges => "frames to exchanges",
            Self::Content => "personal data and secrets",
            Self::Behaviour => "behaviour and alerts",
        }
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Measured {
    /// Octets of the files.
    octets: u64,
    exchanges: u64,
    /// Median processor time of a round, in seconds, for each of [`Stage::ALL`].
    seconds: [f64; 3],
}

/// A line of the answer.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    stage: Option<Stage>,
    cpu_seconds: f64,
    /// Of everything, in percent.
    share: f64,
    /// What one core carries of this traffic; of the whole only.
    #[serde(skip_serializing_if = "Option::is_none")]
    gbit_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchanges_per_second: Option<f64>,
}

pub(super) fn run(args: &BenchArgs, config: &Config) -> Exit {
    if args.files.iter().any(|path| path == Path::new("-")) {
        tell("the captures are read several times, which standard input cannot be; name files");
        return Exit::Usage;
    }
    let measured = match measure(args, config) {
        Ok(measured) => measured,
        Err((exit, line)) => {
            tell(&line);
            return exit;
        }
    };
    let rows = rows(&measured);
    let default = if io::stdout().is_terminal() { Format::Table } else { Format::Jsonl };
    match print(|out| rows.iter().try_for_each(|row| write(out, row, args.format.unwrap_or(default)))) {
        Ok(()) => Exit::Fine,
        Err(line) => {
            tell(&line);
            Exit::Failed
        }
    }
}

fn measure(args: &BenchArgs, config: &Config) -> Result<Measured, (Exit, String)> {
    let stop = Arc::new(AtomicBool::new(false));
    signals::stop_on_signal(stop.clone()).map_err(|error| (Exit::Failed, error.to_string()))?;
    let asked = super::worker_settings(&args.analysis, config, &Keys::Public).map_err(|line| (Exit::Usage, line))?;
    let settings = Stage::ALL.map(|stage| {
        let mut settings = asked.clone();
        settings.detectors.only = stage.detectors(asked.detectors.only.as_deref());
        settings
    });
    let octets = size(&args.files).map_err(|line| (Exit::Failed, line))?;
    // The first round finds the files on the disk, the others in memory.
    round(&args.files, &settings[0], &stop)?;
    let mut taken: [Vec<f64>; 3] = Default::default();
    let mut exchanges = 0;
    for _ in 0..args.runs {
        // Interleaved, so that a change of the machine's pace meets all stages.
        for (settings, taken) in settings.iter().zip(&mut taken) {
            let (seconds, totals) = round(&args.files, settings, &stop)?;
            let counted = totals.counters.worker.exchanges;
            exchanges = counted.complete + counted.incomplete;
            taken.push(seconds);
        }
    }
    Ok(Measured { octets, exchanges, seconds: taken.map(|mut taken| median(&mut taken)) })
}

/// Reads the captures once, and says how much processor time that took.
fn round(files: &[PathBuf], settings: &worker::Settings, stop: &AtomicBool) -> Result<(f64, Totals), (Exit, String)> {
    let mut assessor =
        Assessor::new(&settings.detectors, alert::Settings::new("bench", Keys::Public.id(), Emit::EndStates));
    let mut fault = None;
    let before = processor_time();
    let totals = file::read(files, settings, 1, stop, &mut |told| match told {
        Told::Output(worker::Output::Visit(visit)) => assessor.visit(*visit, &mut |_| {}),
        Told::Time(now) => assessor.advance(now, &mut |_| {}),
        Told::Fault(Fault::Unreadable(error)) => fault = Some(error.to_string()),
        Told::Output(worker::Output::Line(..)) | Told::Fault(_) | Told::Progress(..) => {}
    });
    assessor.finish(&mut |_| {});
    let seconds = processor_time() - before;
    match fault {
        Some(line) => Err((Exit::Failed, line)),
        None if stop.load(Ordering::Relaxed) => Err((Exit::Failed, "interrupted: nothing can be said".into())),
        None => Ok((seconds, totals)),
    }
}

/// Processor time that this process has had, in seconds.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn size(files: &[PathBuf]) -> Result<u64, String> {
    files.iter().try_fold(0_u64, |sum, path| match path.metadata() {
        Ok(metadata) => Ok(sum.saturating_add(metadata.len())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    })
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// A line for each stage, and one for all.
fn rows(measured: &Measured) -> Vec<Row> {
    let all = measured.seconds.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut before = 0.0;
    let mut rows: Vec<_> = Stage::ALL
        .into_iter()
        .zip(measured.seconds)
        .map(|(stage, seconds)| {
            // Noise can make less of more.
            let cpu_seconds = (seconds - before).max(0.0);
            before = seconds.max(before);
            let share = 100.0 * cpu_seconds / all;
            Row { stage: Some(stage), cpu_seconds, share, gbit_per_second: None, exchanges_per_second: None }
        })
        .collect();
    rows.push(Row {
        stage: None,
        cpu_seconds: all,
        share: 100.0,
        gbit_per_second: Some(measured.octets as f64 * 8e-9 / all),
        exchanges_per_second: Some(measured.exchanges as f64 / all),
    });
    rows
}

fn write(out: &mut dyn Write, row: &Row, format: Format) -> io::Result<()> {
    if format == Format::Jsonl {
        serde_json::to_writer(&mut *out, row)?;
        return writeln!(out);
    }
    let Row { stage, cpu_seconds, share, gbit_per_second, exchanges_per_second } = row;
    write!(out, "{:<27}{cpu_seconds:>8.3} CPU s{share:>6.0} %", stage.map_or("all", Stage::title))?;
    if let (Some(gbit), Some(exchanges)) = (gbit_per_second, exchanges_per_second) {
        write!(out, "   {gbit:.2} Gbit/s and {exchanges:.0} exchanges/s on one core")?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_costs_what_it_adds() {
        let measured = Measured { octets: 1_000_000_000, exchanges: 500, seconds: [1.0, 3.0, 4.0] };
        let rows = rows(&measured);
        let cost: Vec<_> = rows.iter().map(|row| (row.cpu_seconds, row.share)).collect();
        assert_eq!(cost, [(1.0, 25.0), (2.0, 50.0), (1.0, 25.0), (4.0, 100.0)]);
        assert_eq!((rows[3].gbit_per_second, rows[3].exchanges_per_second), (Some(2.0), Some(125.0)));
    }

    #[test]
    fn a_narrow_list_stays_narrow_in_every_stage() {
        let of = |stage: Stage, asked: &[&str]| {
            let asked: Vec<_> = asked.iter().map(|name| (*name).to_owned()).collect();
            stage.detectors(Some(&asked)).unwrap().join(",")
        };
        assert_eq!(of(Stage::Content, &["pii.email", "scan", "secret"]), "pii.email,secret");
        assert_eq!(of(Stage::Exchanges, &["pii"]) + &of(Stage::Content, &[]), "");
        assert_eq!(of(Stage::Behaviour, &["pii.email", "scan"]), "pii.email,scan");
        assert_eq!(Stage::Content.detectors(None).unwrap(), ["pii", "secret"]);
        assert_eq!(Stage::Behaviour.detectors(None), None);
    }

    #[test]
    fn noise_makes_no_stage_cost_less_than_nothing() {
        let rows = rows(&Measured { octets: 8, exchanges: 1, seconds: [2.0, 1.5, 2.5] });
        assert_eq!(rows.iter().map(|row| row.cpu_seconds).collect::<Vec<_>>(), [2.0, 0.0, 0.5, 2.5]);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
    }
}
