//! Frames of any link type.

use apitap::capture::{Frame, LinkType};
use apitap::link::{ChecksumPolicy, Dissector, FragmentLimits, Options, Outcome};
use apitap::time::{Span, Timestamp};

use super::choices::Choices;

const LINK_TYPES: [u16; 16] = [0, 1, 9, 12, 14, 50, 51, 101, 104, 108, 113, 228, 229, 276, 147, 65535];

/// Dissects one frame after another: a segment is never longer than its frame and what was held, and every frame is
/// accounted for.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let checksums = choices.pick(&[ChecksumPolicy::Auto, ChecksumPolicy::Verify, ChecksumPolicy::Ignore]);
    let fragments = FragmentLimits { packets: 4, octets: 70_000, timeout: Span::from_secs(30) };
    let mut dissector = Dissector::new(Options { checksums, fragments });
    let mut time = Timestamp::from_parts(1_700_000_000, 0);
    let (mut frames, mut octets) = (0, 0);
    while !choices.is_over() {
        let link_type = LinkType(choices.pick(&LINK_TYPES));
        let snapped = u32::from(choices.byte() / 16);
        time = time + Span::from_secs(choices.byte().into());
        let len = choices.number();
        let bytes = choices.take(len.into());
        (frames, octets) = (frames + 1, octets + bytes.len());
        let original_len = bytes.len() as u32 + snapped;
        let frame = Frame { timestamp: time, link_type, interface: 0, original_len, bytes };
        if let Outcome::Segment(segment) = dissector.dissect(&frame) {
            assert!(segment.payload.len() <= octets);
            assert!(segment.payload_len() as usize >= segment.payload.len());
        }
        let counters = dissector.counters();
        assert!(counters.is_balanced(), "{counters:?}");
        assert_eq!(counters.frames_received, frames);
    }
}
