//! `apitap read`: analyse capture files.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use apitap_detectors::finding::Severity;
use indicatif::{ProgressBar, ProgressStyle};

use super::args::{Destination, ReadArgs};
use super::keeping::Keeping;
use super::outputs::{self, Output, Readers};
use super::{Exit, jsonl, stats, storing, summary, table, tell};
use crate::alert::{Assessor, Emit, Revision};
use crate::config::{Choice, Config, Format};
use crate::exchange_log::Targets;
use crate::keys::Keys;
use crate::pipeline::file::{self, Fault};
use crate::pipeline::{Told, signals};
use crate::{alert, worker};

/// The sensor's name in the alerts of `read`: the same everywhere, so that a capture gives the same alerts on any machine.
const SENSOR: &str = "read";

/// Reads captures. `see` is shown each alert.
pub(super) fn run(args: &ReadArgs, config: &Config, see: &mut dyn FnMut(&Revision)) -> Exit {
    match Reading::prepare(args, config, see) {
        Ok(reading) => reading.run(args),
        Err((exit, line)) => {
            tell(&line);
            exit
        }
    }
}

/// Everything that takes what is told.
struct Reading<'a> {
    settings: worker::Settings,
    assessor: Assessor,
    alerts: Output,
    /// Alerts are a table: they are kept until the end.
    table: Option<Vec<Revision>>,
    exchanges: Output,
    stats: Output,
    progress: ProgressBar,
    highest: Option<Severity>,
    unreadable: usize,
    store: Option<Keeping>,
    /// Stops reading, and waiting for the store; a failed output stops reading alone.
    interrupted: Arc<AtomicBool>,
    see: &'a mut dyn FnMut(&Revision),
}

impl<'a> Reading<'a> {
    fn prepare(args: &ReadArgs, config: &Config, see: &'a mut dyn FnMut(&Revision)) -> Result<Self, (Exit, String)> {
        let usage = |line: String| (Exit::Usage, line);
        let exchanges = args.exchanges.clone().unwrap_or(Destination::Nowhere);
        let stats = args.stats.clone().unwrap_or(Destination::Nowhere);
        let taken = [&exchanges, &stats].into_iter().filter(|destination| **destination == Destination::Stdout).count();
        let alerts = match &args.alerts {
            Some(alerts) => alerts.clone(),
            None if taken > 0 => Destination::Nowhere,
            None => Destination::Stdout,
        };
        if taken + usize::from(alerts == Destination::Stdout) > 1 {
            let line =
                "standard output carries one thing: give all but one of --alerts, --exchanges and --stats a path";
            return Err(usage(line.into()));
        }
        outputs::check_distinct(&args.files, &[&alerts, &exchanges, &stats]).map_err(usage)?;
        let keys = match &config.state {
            Some(state) => Keys::load_or_create(state).map_err(|error| usage(error.to_string()))?,
            None => Keys::Public,
        };
        let targets = if args.mask_targets { Targets::Masked } else { Targets::Raw };
        let mut settings = super::worker_settings(&args.analysis, config, &keys).map_err(usage)?;
        settings.log = (exchanges != Destination::Nowhere).then_some(targets);
        settings.http.hash_content = args.hash_content;
        let interrupted = Arc::new(AtomicBool::new(false));
        let store = match &args.store {
            None => Ok(None),
            Some(named) => {
                let choice = storing::choose(named.as_ref(), &args.password, &config.store).map_err(usage)?;
                Keeping::start(&choice.unwrap_or(Choice::Embedded), config, interrupted.clone())
            }
        };
        let store = store.map_err(|line| (Exit::Failed, line))?;
        let alert_settings = alert::Settings {
            // Capture time says which of them have expired, so a capture gives the same alerts on any day.
            suppressions: config.detectors.suppress.clone(),
            ..alert::Settings::new(SENSOR, keys.id(), Emit::EndStates)
        };
        let assessor = Assessor::new(&settings.detectors, alert_settings);
        let is_terminal = alerts == Destination::Stdout && std::io::stdout().is_terminal();
        let format =
            args.format.or(config.output.format).unwrap_or(if is_terminal { Format::Table } else { Format::Jsonl });
        let open = |destination: &Destination, readers| {
            Output::open(destination, readers).map_err(|line| (Exit::Failed, line))
        };
        if let (Destination::File(path), Targets::Raw) = (&exchanges, targets) {
            tell(&format!("{} will hold request targets as they were sent; --mask-targets masks them", path.display()));
        }
        Ok(Self {
            settings,
            assessor,
            alerts: open(&alerts, Readers::Umask)?,
            table: (format == Format::Table).then(Vec::new),
            exchanges: open(&exchanges, Readers::Owner)?,
            stats: open(&stats, Readers::Umask)?,
            progress: ProgressBar::hidden(),
            highest: None,
            unreadable: 0,
            store,
            interrupted,
            see,
        })
    }

    fn run(mut self, args: &ReadArgs) -> Exit {
        let stop = Arc::new(AtomicBool::new(false));
        if let Err(error) =
            signals::stop_on_signal(stop.clone()).and_then(|()| signals::stop_on_signal(self.interrupted.clone()))
        {
            tell(&format!("warning: an interrupt will end this without a summary: {error}"));
        }
        let settings = self.settings.clone();
        let workers = usize::from(args.workers);
        let totals = file::read(&args.files, &settings, workers, &stop, &mut |told| {
            self.told(told);
            if self.alerts.has_failed() || self.exchanges.has_failed() {
                stop.store(true, Ordering::Relaxed);
            }
        });
        self.progress.finish_and_clear();
        let mut closed = Vec::new();
        self.assessor.finish(&mut |revision| closed.push(revision));
        closed.into_iter().for_each(|revision| self.alert(revision));
        if let Some(revisions) = self.table.take() {
            let columns = table::columns();
            let colour = if self.alerts.is_stdout() { table::Colour::of_stdout() } else { table::Colour::Off };
            let text = table::render(&revisions, columns, colour);
            self.alerts.write(|out| out.write_all(text.as_bytes()));
        }
        let counters = self.assessor.counters();
        let broken = self.alerts.has_failed() || self.exchanges.has_failed();
        let classes = self.settings.detectors.classes;
        let suppressions = self.assessor.suppressions();
        self.stats.write(|out| stats::write(out, &totals.counters, &counters, suppressions, classes));
        if totals.stopped && !broken {
            tell("interrupted: what follows is about the part that was read");
        }
        let mut exit = Exit::Fine;
        if let Some(store) = self.store.take()
            && let Err(line) = store.finish()
        {
            tell(&line);
            exit = Exit::Failed;
        }
        for output in [self.alerts, self.exchanges, self.stats] {
            if let Err(line) = output.finish() {
                tell(&line);
                exit = Exit::Failed;
            }
        }
        for line in summary::text(&totals.counters, &counters, totals.span).lines() {
            tell(line);
        }
        for line in summary::suppressions(self.assessor.suppressions()) {
            tell(&line);
        }
        if self.unreadable > 0 || totals.defective {
            exit = Exit::Failed;
        }
        let fails = args.fail_on.is_some_and(|least| self.highest.is_some_and(|highest| highest >= least));
        if exit == Exit::Fine && fails { Exit::Findings } else { exit }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Output(worker::Output::Line(_, line)) => self.exchanges.write(|out| out.write_all(&line)),
            Told::Output(worker::Output::Visit(visit)) => {
                let mut revisions = Vec::new();
                self.assessor.visit(*visit, &mut |revision| revisions.push(revision));
                revisions.into_iter().for_each(|revision| self.alert(revision));
            }
            Told::Time(now) => {
                let mut revisions = Vec::new();
                self.assessor.advance(now, &mut |revision| revisions.push(revision));
                revisions.into_iter().for_each(|revision| self.alert(revision));
            }
            Told::Fault(fault) => self.fault(fault),
            Told::Progress(position, size) => self.show_progress(position, size),
        }
    }

    fn alert(&mut self, revision: Revision) {
        self.highest = self.highest.max(Some(revision.severity));
        (self.see)(&revision);
        if let Some(store) = &mut self.store {
            store.keep(&revision);
        }
        match &mut self.table {
            Some(table) => table.push(revision),
            None => self.alerts.write(|mut out| jsonl::write(&mut out, &revision)),
        }
    }

    fn fault(&mut self, fault: Fault) {
        let line = match fault {
            Fault::Unreadable(error) => {
                self.unreadable += 1;
                error.to_string()
            }
            Fault::CutShort(warning) => format!("warning: {warning}"),
            Fault::UnknownLinkType(link_type) => {
                format!("warning: frames of link type {} are passed over: it is not known here", link_type.0)
            }
        };
        self.progress.suspend(|| tell(&line));
    }

    fn show_progress(&mut self, position: u64, size: Option<u64>) {
        const WORTH_SHOWING: u64 = 64 << 20;
        let Some(size) = size.filter(|size| *size >= WORTH_SHOWING) else { return };
        if self.progress.length() != Some(size) {
            self.progress = ProgressBar::new(size);
            let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}");
            if let Ok(style) = style {
                self.progress.set_style(style);
            }
        }
        self.progress.set_position(position);
    }
}
