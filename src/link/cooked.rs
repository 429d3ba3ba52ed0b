//! Linux "cooked" captures, from the `any` device and from devices without a link header.

use super::ip::Version;
use super::{DropReason, ethernet};

/// Version 1 (`LINKTYPE_LINUX_SLL`): 14 octets about the device and the sender, then the protocol.
pub(super) fn open_v1(frame: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    let (_device, rest) = frame.split_first_chunk::<14>().ok_or(DropReason::LinkMalformed)?;
    let (protocol, rest) = ethernet::take_u16(rest)?;
    ethernet::open_ether_type(protocol, rest)
}

/// Version 2 (`LINKTYPE_LINUX_SLL2`): the protocol, then 18 octets about the device and the sender.
pub(super) fn open_v2(frame: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    let (protocol, rest) = ethernet::take_u16(frame)?;
    let (_device, rest) = rest.split_first_chunk::<18>().ok_or(DropReason::LinkMalformed)?;
    ethernet::open_ether_type(protocol, rest)
}
