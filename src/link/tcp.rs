//! TCP headers (RFC 9293 section 3.1).

use super::ip::Packet;
use super::{Checksum, DropReason, Overlay, Segment, Socket, TcpFlags, checksum};
use crate::tcp::SeqNumber;

const SMALLEST_HEADER: usize = 20;
const URG: u8 = 0x20;

/// Reads the TCP header of a packet that is not a fragment.
#[inline]
pub(super) fn open<'a>(overlay: Overlay, packet: &Packet<'a>) -> Result<Segment<'a>, DropReason> {
    let Some((fixed, options)) = packet.payload.split_first_chunk::<SMALLEST_HEADER>() else {
        let snapped = packet.wire_len >= SMALLEST_HEADER;
        return Err(if snapped { DropReason::Snapped } else { DropReason::TcpMalformed });
    };
    let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, ..] = *fixed;
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < SMALLEST_HEADER || header_len > packet.wire_len {
        return Err(DropReason::TcpMalformed);
    }
    // The snap length may have cut within the options: then there is no payload here, but there was on the wire.
    let payload = options.get(header_len - SMALLEST_HEADER..).unwrap_or_default();
    let flags = TcpFlags(flags);
    let is_whole = packet.payload.len() == packet.wire_len;
    Ok(Segment {
        overlay,
        src: Socket { address: packet.src, port: u16::from_be_bytes([s0, s1]) },
        dst: Socket { address: packet.dst, port: u16::from_be_bytes([d0, d1]) },
        seq: SeqNumber(u32::from_be_bytes([q0, q1, q2, q3])),
        ack: flags.ack().then(|| SeqNumber(u32::from_be_bytes([a0, a1, a2, a3]))),
        flags,
        payload,
        snapped: (packet.wire_len - header_len - payload.len()) as u32,
        checksum: match packet.checksum {
            Checksum::Valid if !is_whole => Checksum::Unknown,
            Checksum::Valid if checksum::segment_is_valid(packet.src, packet.dst, packet.payload) => Checksum::Valid,
            Checksum::Valid => Checksum::Invalid,
            other => other,
        },
    })
}

/// Whether the urgent pointer is significant.
#[inline]
pub(super) fn is_urgent(flags: TcpFlags) -> bool {
    flags.0 & URG != 0
}
