//! Frame to segment: link headers, VLAN tags, IP, IP fragments, TCP headers.
//!
//! [`Dissector`] takes a frame and says what became of it. Where a layer ends, the next begins with nothing but a slice
//! and the length that slice had on the wire, so a snapped frame is carried through all of them.

mod checksum;
mod cooked;
mod counters;
mod dissect;
mod ethernet;
mod fragment;
mod ip;
mod link_type;
mod loopback;
mod mpls;
mod ppp;
mod spread;
mod tcp;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use apitap_detectors::exchange::Octets;

pub use counters::{Counters, DropReason};
pub use dissect::{Dissector, Options, Outcome};
pub use fragment::{FragmentCounters, FragmentLimits};
pub use spread::spread;

use crate::tcp::SeqNumber;

/// An IPv4 or IPv6 address, in a form that hashes and compares quickly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// IPv4 in the last four; told apart from IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2), which is another address.
    octets: [u8; 16],
    version: IpVersion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum IpVersion {
    V4,
    V6,
}

impl Address {
    /// An IPv4 address from its octets.
    pub const fn v4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        Self { octets: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d], version: IpVersion::V4 }
    }

    /// An IPv6 address from its octets.
    pub const fn v6(octets: [u8; 16]) -> Self {
        Self { octets, version: IpVersion::V6 }
    }

    /// The address in the standard library's form.
    pub fn to_ip(self) -> IpAddr {
        match (self.version, self.octets) {
            (IpVersion::V4, [.., a, b, c, d]) => IpAddr::from([a, b, c, d]),
            (IpVersion::V6, octets) => IpAddr::from(octets),
        }
    }

    /// The octets as a number, of 32 bits for IPv4.
    pub const fn bits(self) -> u128 {
        u128::from_be_bytes(self.octets)
    }
}

/// An address and a port: what RFC 9293 calls a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket {
    /// The address.
    pub address: Address,
    /// The TCP port.
    pub port: u16,
}

impl Socket {
    /// The socket in the standard library's form.
    pub fn to_std(self) -> SocketAddr {
        SocketAddr::new(self.address.to_ip(), self.port)
    }
}

/// Which tunnel a packet came out of: addresses repeat between overlays, so it is part of a flow's key. Only
/// [`Overlay::NONE`] exists until tunnels are taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Overlay(pub u32);

impl Overlay {
    /// Not in a tunnel.
    pub const NONE: Self = Self(0);
}

/// A TCP segment; borrows its payload from the frame (or from the defragmenter). Lengths are checked, padding is gone.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    /// The tunnel it came out of.
    pub overlay: Overlay,
    /// Who sent it.
    pub src: Socket,
    /// To whom.
    pub dst: Socket,
    /// Sequence number of the first octet it occupies (the SYN's, if it carries one).
    pub seq: SeqNumber,
    /// Acknowledgment number; `None` without the ACK flag.
    pub ack: Option<SeqNumber>,
    /// Control flags.
    pub flags: TcpFlags,
    /// The octets that were captured.
    pub payload: &'a [u8],
    /// How many further payload octets the segment had on the wire that the snap length cut off.
    pub snapped: u32,
    /// What its checksum says.
    pub checksum: Checksum,
}

/// Shows how many octets the payload has, and not what they are.
impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { overlay, src, dst, seq, ack, flags, payload, snapped, checksum } = self;
        f.debug_struct("Segment")
            .field("overlay", overlay)
            .field("src", src)
            .field("dst", dst)
            .field("seq", seq)
            .field("ack", ack)
            .field("flags", flags)
            .field("payload", &Octets::of(payload))
            .field("snapped", snapped)
            .field("checksum", checksum)
            .finish()
    }
}

impl Segment<'_> {
    /// How many payload octets the segment had on the wire.
    pub fn payload_len(&self) -> u32 {
        self.payload.len() as u32 + self.snapped
    }

    /// How many sequence numbers the segment occupies (RFC 9293 section 3.4): its payload, and one each for SYN and FIN.
    pub fn sequence_len(&self) -> u32 {
        self.payload_len() + u32::from(self.flags.syn()) + u32::from(self.flags.fin())
    }
}

/// The control flags of a segment (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The FIN flag.
    pub const FIN: u8 = 0x01;
    /// The SYN flag.
    pub const SYN: u8 = 0x02;
    /// The RST flag.
    pub const RST: u8 = 0x04;
    /// The ACK flag.
    pub const ACK: u8 = 0x10;

    /// No more data from the sender.
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// Synchronise sequence numbers.
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// Reset the connection.
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// The acknowledgment number is significant.
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }
}

/// What a segment's checksum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It is right.
    Valid,
    /// It is wrong: damaged, forged to be dropped by the receiver, or not yet computed by an offloading sender.
    Invalid,
    /// Not known: snapped, or not looked at.
    Unknown,
}

/// What to make of TCP checksums. The stage that knows directions applies it; the dissector computes unless told to ignore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumPolicy {
    /// A direction's bad checksums are accepted until it has shown a valid one on data: senders that leave the checksum to
    /// their network card are captured before it is computed, and then it is wrong on all that they send.
    #[default]
    Auto,
    /// Segments with a bad checksum are dropped.
    Verify,
    /// Checksums are not looked at.
    Ignore,
}
