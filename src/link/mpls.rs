//! MPLS label stacks (RFC 3032).

use super::ip::Version;
use super::{DropReason, link_type};

/// No network stacks more labels than this.
const MOST_LABELS: usize = 8;

/// In a label stack entry: this is the last.
const BOTTOM_OF_STACK: u8 = 0x01;

/// Takes off the labels. Nothing says what follows the last one; an IP packet is known by its version field.
pub(super) fn open(packet: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    let mut rest = packet;
    for _ in 0..MOST_LABELS {
        let (&[_, _, bottom, _time_to_live], after) = rest.split_first_chunk::<4>().ok_or(DropReason::LinkMalformed)?;
        rest = after;
        if bottom & BOTTOM_OF_STACK != 0 {
            return link_type::by_version(rest);
        }
    }
    Err(DropReason::TooDeep)
}
