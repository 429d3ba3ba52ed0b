//! From visits to alerts: the behaviour stage and the alert book, one behind the other.

use apitap_detectors::behaviour::Stage;
use apitap_detectors::inspect;
use apitap_detectors::visit::Visit;

use super::suppress::Applied;
use super::{AlertBook, Counters, Revision, Settings};
use crate::time::Timestamp;

/// Takes the visits of all workers in their order, and writes revisions of alerts. It belongs to one thread.
#[derive(Debug)]
pub struct Assessor {
    stage: Stage,
    book: AlertBook,
}

impl Assessor {
    /// An assessor that has seen nothing.
    pub fn new(detectors: &inspect::Settings, alerts: Settings) -> Self {
        Self { stage: Stage::new(detectors), book: AlertBook::new(alerts) }
    }

    /// Takes a visit.
    pub fn visit(&mut self, visit: Visit, emit: &mut dyn FnMut(Revision)) {
        let book = &mut self.book;
        self.stage.visit(visit, &mut |observation| book.observe(observation, emit));
    }

    /// It is `now`: writes what has become due.
    pub fn advance(&mut self, now: Timestamp, emit: &mut dyn FnMut(Revision)) {
        self.book.advance(now, emit);
    }

    /// The capture has ended, and with it every alert.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Revision)) {
        let book = &mut self.book;
        self.stage.finish(&mut |observation| book.observe(observation, emit));
        self.book.finish(emit);
    }

    /// What became of findings so far, and of detectors.
    pub fn counters(&self) -> Counters {
        Counters {
            detectors_restarted: self.stage.restarts(),
            detectors_forgot: self.stage.forgotten(),
            ..self.book.counters()
        }
    }

    /// What each suppression did so far.
    pub fn suppressions(&self) -> &[Applied] {
        self.book.suppressions()
    }
}
