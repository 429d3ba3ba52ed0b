//! Ethernet and what may stand between it and IP: VLAN tags, LLC/SNAP, a PPPoE session, MPLS.

use super::ip::Version;
use super::{DropReason, mpls, ppp};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const PPPOE_SESSION: u16 = 0x8864;
const MPLS: [u16; 2] = [0x8847, 0x8848];
/// 802.1Q, 802.1ad, and two that vendors used for the outer tag before 802.1ad.
const VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

/// The largest value of the type field that is a length (IEEE 802.3).
const LARGEST_LENGTH: u16 = 1500;

/// No network stacks more tags than this.
const MOST_TAGS: usize = 8;

/// Takes off an Ethernet header.
#[inline]
pub(super) fn open(frame: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    let (_addresses, rest) = frame.split_first_chunk::<12>().ok_or(DropReason::LinkMalformed)?;
    let (ether_type, rest) = take_u16(rest)?;
    open_ether_type(ether_type, rest)
}

/// Goes on after a type field, wherever it stood.
#[inline]
pub(super) fn open_ether_type(mut ether_type: u16, mut rest: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    for _ in 0..=MOST_TAGS {
        match ether_type {
            IPV4 => return Ok((Version::V4, rest)),
            IPV6 => return Ok((Version::V6, rest)),
            ..=LARGEST_LENGTH => {
                // LLC with the SNAP extension and an Ethernet type (RFC 1042).
                let (llc, after) = rest.split_first_chunk::<6>().ok_or(DropReason::LinkMalformed)?;
                if llc != &[0xaa, 0xaa, 0x03, 0, 0, 0] {
                    return Err(DropReason::NotIp);
                }
                (ether_type, rest) = take_u16(after)?;
            }
            tag if VLAN.contains(&tag) => {
                let (_tag_control, after) = take_u16(rest)?;
                (ether_type, rest) = take_u16(after)?;
            }
            PPPOE_SESSION => return ppp::open_over_ethernet(rest),
            label if MPLS.contains(&label) => return mpls::open(rest),
            _ => return Err(DropReason::NotIp),
        }
    }
    Err(DropReason::TooDeep)
}

#[inline]
pub(super) fn take_u16(octets: &[u8]) -> Result<(u16, &[u8]), DropReason> {
    let (field, rest) = octets.split_first_chunk().ok_or(DropReason::LinkMalformed)?;
    Ok((u16::from_be_bytes(*field), rest))
}
