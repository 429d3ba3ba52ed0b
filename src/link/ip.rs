//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use etherparse::{Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice};

use super::{Address, Checksum, DropReason, checksum};

/// Which IP a packet is said to be by what carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An IP packet whose headers have been read.
#[derive(Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) src: Address,
    pub(super) dst: Address,
    /// The protocol of the payload; in a fragment of IPv6, of what the first fragment carries.
    pub(super) protocol: u8,
    /// What was captured of the payload; padding is gone.
    pub(super) payload: &'a [u8],
    /// How long the payload was on the wire, never less than what was captured.
    pub(super) wire_len: usize,
    /// Whether a receiver that computes checksums comes to the conclusion that they are wrong before it gets to TCP,
    /// or cannot be known here.
    pub(super) checksum: Checksum,
    /// Set when the payload is a part of a packet's.
    pub(super) fragment: Option<Fragment>,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) version: Version,
    pub(super) identification: u32,
    /// In octets.
    pub(super) offset: usize,
    pub(super) more: bool,
}

impl Packet<'_> {
    /// Whether a fragment may belong to a packet that carries TCP.
    pub(super) fn may_carry_tcp(&self) -> bool {
        match self.fragment {
            // All fragments say what the packet carries.
            Some(Fragment { version: Version::V4, .. }) => matches!(self.protocol, TCP | AUTHENTICATION),
            // Only what the first one says counts (RFC 8200 section 4.5), and others may come before it.
            Some(Fragment { version: Version::V6, .. }) => true,
            None => self.protocol == TCP,
        }
    }
}

pub(super) const TCP: u8 = 6;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// Receivers reject longer chains of extension headers (RFC 8504 section 5.3).
const MOST_EXTENSIONS: usize = 8;

/// Reads the headers of a packet that had `wire_len` octets, link padding included, on the wire.
///
/// A packet that claims to be longer was cut before it was captured: mirrors that truncate do not leave the frame's
/// length behind. It counts as snapped.
#[inline]
pub(super) fn open(version: Version, bytes: &[u8], wire_len: usize, check: bool) -> Result<Packet<'_>, DropReason> {
    match version {
        Version::V4 => open_v4(bytes, wire_len, check),
        Version::V6 => open_v6(bytes, wire_len, check),
    }
}

#[inline]
fn open_v4(bytes: &[u8], wire_len: usize, check: bool) -> Result<Packet<'_>, DropReason> {
    let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|_| cut_or(bytes, wire_len, DropReason::IpMalformed))?;
    let header_len = header.slice().len();
    let total_len = match header.total_len() {
        // The sender left it to the network card, or it does not fit (segmentation and receive offload).
        0 => wire_len,
        len => usize::from(len),
    };
    if total_len < header_len {
        return Err(DropReason::IpMalformed);
    }
    let offset = usize::from(header.fragments_offset().value()) * 8;
    let fragment = (offset > 0 || header.more_fragments()).then(|| Fragment {
        version: Version::V4,
        identification: u32::from(header.identification()),
        offset,
        more: header.more_fragments(),
    });
    let packet = Packet {
        src: Address::v4(header.source()),
        dst: Address::v4(header.destination()),
        protocol: header.protocol().0,
        payload: bytes.get(header_len..total_len.min(bytes.len())).unwrap_or_default(),
        wire_len: total_len - header_len,
        checksum: match check {
            true if checksum::ipv4_header_is_valid(header.slice()) => Checksum::Valid,
            true => Checksum::Invalid,
            false => Checksum::Unknown,
        },
        fragment,
    };
    if packet.protocol == AUTHENTICATION && packet.fragment.is_none() { open_extensions(packet) } else { Ok(packet) }
}

#[inline]
fn open_v6(bytes: &[u8], wire_len: usize, check: bool) -> Result<Packet<'_>, DropReason> {
    let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|_| cut_or(bytes, wire_len, DropReason::IpMalformed))?;
    let after_header = wire_len.saturating_sub(header.slice().len());
    let payload_len = match header.payload_length() {
        // A jumbogram, or one that the sender left to the network card.
        0 => after_header,
        len => usize::from(len),
    };
    let payload = bytes.get(header.slice().len()..).unwrap_or_default();
    let packet = Packet {
        src: Address::v6(header.source()),
        dst: Address::v6(header.destination()),
        protocol: header.next_header().0,
        payload: payload.get(..payload_len).unwrap_or(payload),
        wire_len: payload_len,
        checksum: if check { Checksum::Valid } else { Checksum::Unknown },
        fragment: None,
    };
    if packet.protocol == TCP { Ok(packet) } else { open_extensions(packet) }
}

/// Takes off extension headers up to a fragment header or the first header that is none. IPv4 has one of them, the
/// authentication header.
pub(super) fn open_extensions(mut packet: Packet<'_>) -> Result<Packet<'_>, DropReason> {
    for _ in 0..=MOST_EXTENSIONS {
        let cut = || cut_or(packet.payload, packet.wire_len, DropReason::IpMalformed);
        let header_len = match packet.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                let [_, len, _, segments_left, ..] = *packet.payload else { return Err(cut()) };
                if packet.protocol == ROUTING && segments_left > 0 {
                    // The checksum is over the last destination, which is in here.
                    packet.checksum = Checksum::Unknown;
                }
                (usize::from(len) + 1) * 8
            }
            AUTHENTICATION => {
                let [_, len, ..] = *packet.payload else { return Err(cut()) };
                (usize::from(len) + 2) * 4
            }
            FRAGMENT => {
                let header = Ipv6FragmentHeaderSlice::from_slice(packet.payload).map_err(|_| cut())?;
                let offset = usize::from(header.fragment_offset().value()) * 8;
                // An atomic fragment is a whole packet (RFC 6946).
                if offset > 0 || header.more_fragments() {
                    packet.fragment = Some(Fragment {
                        version: Version::V6,
                        identification: header.identification(),
                        offset,
                        more: header.more_fragments(),
                    });
                }
                8
            }
            _ => return Ok(packet),
        };
        let (next_header, rest) = match (packet.payload.first(), packet.payload.get(header_len..)) {
            (Some(next_header), Some(rest)) => (*next_header, rest),
            _ => return Err(cut()),
        };
        packet.protocol = next_header;
        packet.payload = rest;
        // Not more than was captured, which is not more than there was.
        packet.wire_len -= header_len;
        if packet.fragment.is_some() {
            return Ok(packet);
        }
    }
    Err(DropReason::TooDeep)
}

/// The reason for a header that is not whole: the snap length, if it took something, or else the sender.
fn cut_or(bytes: &[u8], wire_len: usize, reason: DropReason) -> DropReason {
    if bytes.len() < wire_len { DropReason::Snapped } else { reason }
}
