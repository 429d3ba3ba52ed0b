//! PPP (RFC 1661), bare, in HDLC-like framing (RFC 1662) and over Ethernet (RFC 2516).

use super::ip::Version;
use super::{DropReason, ethernet, mpls};

const IPV4: u16 = 0x21;
const IPV6: u16 = 0x57;
const MPLS: u16 = 0x281;

/// Takes off a PPP header, with or without address and control fields.
pub(super) fn open(frame: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    match frame {
        // Cisco's framing on a line that was taken for PPP.
        [0x0f | 0x8f, 0, ..] => open_cisco_hdlc(frame),
        [0xff, 0x03, rest @ ..] => open_protocol(rest),
        _ => open_protocol(frame),
    }
}

/// Takes off a PPPoE session header; what stands before it is Ethernet's.
pub(super) fn open_over_ethernet(packet: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    // Version and type, code, session, length.
    let (header, rest) = packet.split_first_chunk::<6>().ok_or(DropReason::LinkMalformed)?;
    match header {
        [0x11, 0, ..] => open_protocol(rest),
        _ => Err(DropReason::NotIp),
    }
}

/// Takes off Cisco's HDLC header: address, control, Ethernet type.
pub(super) fn open_cisco_hdlc(frame: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    let (_address, rest) = ethernet::take_u16(frame)?;
    let (ether_type, rest) = ethernet::take_u16(rest)?;
    ethernet::open_ether_type(ether_type, rest)
}

fn open_protocol(frame: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    let (protocol, rest) = match frame {
        // The protocol field may be compressed to one octet, which is odd as the last octet always is.
        [protocol, rest @ ..] if protocol & 1 == 1 => (u16::from(*protocol), rest),
        _ => ethernet::take_u16(frame)?,
    };
    match protocol {
        IPV4 => Ok((Version::V4, rest)),
        IPV6 => Ok((Version::V6, rest)),
        MPLS => mpls::open(rest),
        _ => Err(DropReason::NotIp),
    }
}
