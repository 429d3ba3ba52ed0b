//! Operations on one direction of a connection.

use apitap::tcp::assembler::{Assembler, Overlap, Surroundings};
use apitap::tcp::{Counters, EndReason, HoldBudget, SeqNumber, StreamEvent};

use super::choices::Choices;

/// What the sender's stream holds at a place.
fn octet(place: i64) -> u8 {
    (place ^ place >> 7) as u8
}

/// Pushes segments in any order, skips holes, ends: octets are conserved, stand in their place, and budgets hold. An
/// honest sender's octets depend on their place alone, so none may come out anywhere else.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let base = u32::from(choices.number()) << 16 | 0xff00;
    let mut budget = HoldBudget { per_direction: 4096, pieces: 16, total: 3000, used: 0 };
    let mut counters = Counters::default();
    let mut assembler = Assembler::default();
    let (mut position, mut ended, mut honest, mut received) = (0_i64, false, true, 0_u64);
    // Without a start, the stream begins with the first segment.
    let mut first = None;
    if choices.byte().is_multiple_of(2) {
        assembler.start_at(SeqNumber(base));
        first = Some(0);
    }
    while !choices.is_over() {
        let op = choices.byte();
        let lies = op & 0x80 != 0;
        let at = i64::from(choices.number() as i16) / 4;
        let seq = SeqNumber(base.wrapping_add(at as u32));
        let len = usize::from(choices.byte()) * 4;
        let mut emit = |event: StreamEvent<'_>, _: Option<SeqNumber>| {
            assert!(!ended, "{event:?} behind the end");
            match event {
                StreamEvent::Data(octets) => {
                    assert!(!octets.is_empty());
                    let start = first.unwrap_or(at) + position;
                    for (place, given) in (start..).zip(octets) {
                        assert!(!honest || lies || octet(place) == *given, "at {place}");
                    }
                    position += octets.len() as i64;
                }
                StreamEvent::Gap(octets) => {
                    assert!(octets > 0);
                    position += octets as i64;
                }
                StreamEvent::End(_) => ended = true,
            }
        };
        let mut around = Surroundings { budget: &mut budget, counters: &mut counters, emit: &mut emit };
        match op & 0x0f {
            0 => assembler.push_fin(seq, &mut around),
            // Without a start there are no positions.
            1 if assembler.next().is_some() => assembler.skip_holes(at.max(0) as u64, &mut around),
            1 => {}
            2 => {
                if let Some(until) = assembler.held_until() {
                    assembler.skip_holes(until, &mut around);
                }
            }
            3 if len == 0 => assembler.finish(EndReason::Idle, assembler.position_of(seq), &mut around),
            kind => {
                let snapped = if kind == 4 { u32::from(op >> 4 & 7) } else { 0 };
                let octets: Vec<u8> = (at..at + len as i64).map(|place| octet(place) ^ u8::from(lies)).collect();
                // The layer above does not push segments without payload.
                if len > 0 || snapped > 0 {
                    received += octets.len() as u64;
                    let overlap = assembler.push(seq, Some(seq), &octets, snapped, &mut around);
                    assert!(!honest || lies || overlap == Overlap::Consistent);
                }
            }
        }
        if assembler.next().is_some() {
            first.get_or_insert(at);
        }
        honest &= !lies;
        let accounted = counters.octets_delivered
            + counters.octets_retransmitted
            + counters.octets_dropped_after_end
            + counters.octets_held;
        assert_eq!(received, accounted, "{counters:?}");
        assert_eq!(counters.octets_held, budget.used as u64);
        assert!(budget.used <= budget.total && budget.used <= budget.per_direction);
        assert_eq!(position as u64, counters.octets_delivered + counters.gap_octets);
        assert_eq!(assembler.has_ended(), ended);
    }
    let mut emit = |event: StreamEvent<'_>, _: Option<SeqNumber>| {
        assert!(!ended, "{event:?} behind the end");
        ended |= matches!(event, StreamEvent::End(_));
    };
    let mut around = Surroundings { budget: &mut budget, counters: &mut counters, emit: &mut emit };
    assembler.finish(EndReason::CaptureEnd, None, &mut around);
    assert!(ended);
    assert_eq!((budget.used, counters.octets_held), (0, 0));
}
