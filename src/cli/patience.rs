//! How long a store is waited for: as long as it does something, and not much longer than that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::writer::{Reach, Status, Trouble};

/// Questions that are put to the store beside what is written to it, and answers: one at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Questions(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Questions {
    /// Asks one, and waits for its answer.
    pub(super) async fn ask<T>(&self, question: impl Future<Output = T>) -> T {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let answer = question.await;
        self.0.answered.fetch_add(1, Ordering::Relaxed);
        answer
    }

    fn answered(&self) -> u64 {
        self.0.answered.load(Ordering::Relaxed)
    }

    fn is_one_open(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed) > self.answered()
    }
}

/// Somebody who waits for the store.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    heard: Instant,
    /// Records that are stored, and questions that are answered.
    progress: (u64, u64),
}

impl Patience {
    /// Begins to wait; `limit` is how long the store may give no sign of itself.
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        Self { limit, heard: now, progress: (0, 0) }
    }

    /// Whether the store gave no sign of itself for too long. To be asked again and again.
    pub(super) fn is_over(&mut self, now: Instant, status: &Status, questions: &Questions) -> bool {
        let progress = (status.stored, questions.answered());
        let is_there = match &status.reach {
            Reach::Fine => !questions.is_one_open(),
            // It answers, and gets over it by itself.
            Reach::Away(trouble, _) => *trouble == Trouble::Busy,
            Reach::Unknown => false,
        };
        if is_there || progress != self.progress {
            self.progress = progress;
            self.heard = now;
        }
        now.duration_since(self.heard) >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn status(stored: u64, reach: Reach) -> Status {
        Status { stored, reach, dead_letters: 0 }
    }

    fn away(stored: u64) -> Status {
        status(stored, Reach::Away(Trouble::Unreachable, String::new()))
    }

    #[test]
    fn a_store_that_does_something_is_waited_for() {
        let (questions, begun) = (Questions::default(), Instant::now());
        let mut patience = Patience::new(LIMIT, begun);
        let mut is_over = |second, status| patience.is_over(begun + Duration::from_secs(second), &status, &questions);
        assert!(!is_over(59, away(0)));
        assert!(is_over(60, away(0)));
        assert!(is_over(60, status(0, Reach::Unknown)));
        assert!(!is_over(70, away(1)), "it stored something");
        assert!(!is_over(129, away(1)));
        assert!(is_over(130, away(1)), "and nothing since");
        assert!(!is_over(140, status(1, Reach::Fine)), "it is well");
        assert!(!is_over(199, away(1)));
        assert!(is_over(200, away(1)));
        assert!(!is_over(300, status(1, Reach::Away(Trouble::Busy, String::new()))), "it says that it has much to do");
    }

    #[tokio::test]
    async fn a_store_that_is_asked_and_does_not_answer_is_not_well() {
        let (questions, begun) = (Questions::default(), Instant::now());
        let mut patience = Patience::new(LIMIT, begun);
        let fine = status(0, Reach::Fine);
        let asked = async { patience.is_over(begun + LIMIT, &fine, &questions) };
        assert!(questions.ask(asked).await);
        assert!(!patience.is_over(begun + LIMIT, &away(0), &questions), "it answered");
    }
}
