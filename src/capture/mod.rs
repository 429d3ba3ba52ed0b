//! Frames in: from live interfaces and from capture files.

pub mod file;
pub mod live;

use std::fmt;

use apitap_detectors::exchange::Octets;

use crate::time::Timestamp;

/// A frame as it was captured; borrows from the ring or the read buffer.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// When the capturing machine saw it.
    pub timestamp: Timestamp,
    /// How its bytes begin.
    pub link_type: LinkType,
    /// Which interface it came in on, counted from 0 within this run.
    pub interface: u16,
    /// Its length on the wire in bytes; more than `bytes.len()` when it was snapped.
    pub original_len: u32,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

/// Shows how many octets there are, and not what they are.
impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { timestamp, link_type, interface, original_len, bytes } = self;
        f.debug_struct("Frame")
            .field("timestamp", timestamp)
            .field("link_type", link_type)
            .field("interface", interface)
            .field("original_len", original_len)
            .field("bytes", &Octets::of(bytes))
            .finish()
    }
}

/// A link-layer header type, by its number in the registry of tcpdump.org (`LINKTYPE_...`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: the protocol family in the byte order of the capturing machine.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without address and control fields.
    pub const PPP: Self = Self(9);
    /// IP with no link header, by the number most BSDs and Linux give it in memory.
    pub const RAW_BSD: Self = Self(12);
    /// IP with no link header, by OpenBSD's number.
    pub const RAW_OPENBSD: Self = Self(14);
    /// PPP in HDLC-like framing.
    pub const PPP_HDLC: Self = Self(50);
    /// PPPoE, without the Ethernet header.
    pub const PPP_ETHER: Self = Self(51);
    /// IP with no link header.
    pub const RAW: Self = Self(101);
    /// Cisco's HDLC.
    pub const CISCO_HDLC: Self = Self(104);
    /// OpenBSD loopback: the protocol family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture.
    pub const LINUX_SLL: Self = Self(113);
    /// IPv4 with no link header.
    pub const IPV4: Self = Self(228);
    /// IPv6 with no link header.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}
