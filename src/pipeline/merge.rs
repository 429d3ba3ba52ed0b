//! Puts what the workers tell into the one order of the capture.

use crate::time::{Order, Span};
use crate::worker::Output;

/// Holds outputs until every worker has said that it will tell nothing earlier.
///
/// Each worker's *mark* is the place up to which it has told everything. What lies at or before all marks is final: it is
/// released sorted, so how many workers there were does not show.
#[derive(Debug)]
pub struct Merge {
    held: Vec<Output>,
    marks: Vec<Order>,
    not_waited: u64,
}

impl Merge {
    /// A merge of that many workers.
    pub fn new(workers: usize) -> Self {
        Self { held: Vec::new(), marks: vec![Order::MIN; workers], not_waited: 0 }
    }

    /// Takes what a worker told since its last mark.
    pub fn push(&mut self, worker: usize, outputs: Vec<Output>, mark: Order) {
        self.held.extend(outputs);
        if let Some(known) = self.marks.get_mut(worker) {
            *known = mark.max(*known);
        }
    }

    /// Hands on what is final, in order; tells up to where that is.
    pub fn release(&mut self, take: impl FnMut(Output)) -> Order {
        let mark = self.marks.iter().copied().min().unwrap_or(Order::MAX);
        self.release_to(mark, take)
    }

    /// The same, without waiting for a worker whose mark lies more than `lag` of capture time behind the first of those
    /// that are still at work. What such a worker tells later comes out of order.
    pub fn release_within(&mut self, lag: Span, take: impl FnMut(Output)) -> Order {
        let least = self.marks.iter().copied().min().unwrap_or(Order::MAX);
        let first = self.marks.iter().copied().filter(|mark| *mark != Order::MAX).max().unwrap_or(Order::MAX);
        let bound = Order::after_frame(first.time - lag, u64::MAX);
        if first != Order::MAX && least < bound {
            self.not_waited += 1;
            return self.release_to(bound, take);
        }
        self.release_to(least, take)
    }

    /// Hands on everything, in order: nobody is waited for any more.
    pub fn release_all(&mut self, take: impl FnMut(Output)) {
        self.release_to(Order::MAX, take);
    }

    /// How often a release did not wait for a worker.
    pub fn not_waited(&self) -> u64 {
        self.not_waited
    }

    fn release_to(&mut self, mark: Order, mut take: impl FnMut(Output)) -> Order {
        if self.held.is_empty() {
            return mark;
        }
        // Stable: what one worker told of one place stays as told.
        self.held.sort_by_key(Output::order);
        let ready = self.held.partition_point(|output| output.order() <= mark);
        self.held.drain(..ready).for_each(&mut take);
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn at(time: i64) -> Order {
        Order { time: Timestamp::from_nanos(time), ..Order::default() }
    }

    fn line(time: i64) -> Output {
        Output::Line(at(time), Box::default())
    }

    fn release(merge: &mut Merge) -> Vec<i64> {
        let mut times = Vec::new();
        merge.release(|output| times.push(output.order().time.as_nanos()));
        times
    }

    #[test]
    fn waits_for_the_slowest_worker() {
        let mut merge = Merge::new(2);
        merge.push(0, vec![line(3), line(1)], at(3));
        assert!(release(&mut merge).is_empty());
        merge.push(1, vec![line(2), line(9)], at(2));
        assert_eq!(release(&mut merge), [1, 2]);
        merge.push(1, vec![], at(9));
        assert_eq!(release(&mut merge), [3]);
        merge.push(0, vec![], Order::MAX);
        assert_eq!(release(&mut merge), [9]);
    }

    #[test]
    fn does_not_wait_for_ever() {
        let mut merge = Merge::new(2);
        let mut times = Vec::new();
        merge.push(0, vec![line(1), line(40)], at(50));
        merge.release_within(Span::from_millis(0), |output| times.push(output.order().time.as_nanos()));
        assert_eq!((times, merge.not_waited()), (vec![1, 40], 1));
    }
}
