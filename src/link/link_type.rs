//! Which link header a frame begins with.

use super::ip::Version;
use super::{DropReason, ethernet};
use crate::capture::LinkType;

const ETHERNET: u16 = 1;

/// Takes off the link header: what is left begins with an IP header.
#[inline]
pub(super) fn open(link_type: LinkType, frame: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    match link_type.0 {
        ETHERNET => ethernet::open(frame),
        _ => Err(DropReason::LinkType),
    }
}
