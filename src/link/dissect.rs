//! The way from a frame to its segment.

use super::fragment::{Defragmenter, Offered};
use super::{ChecksumPolicy, Counters, DropReason, FragmentLimits, Overlay, Segment, ip, link_type, tcp};
use crate::capture::{Frame, LinkType};
use crate::time::{Clock, Timestamp};

/// How to dissect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether checksums are computed.
    pub checksums: ChecksumPolicy,
    /// How much of the packets that come in fragments may be held.
    pub fragments: FragmentLimits,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// It holds a TCP segment, or completes a packet that does.
    Segment(Segment<'a>),
    /// It is a fragment that waits for the others of its packet.
    Held,
    /// It gives nothing.
    Dropped(DropReason),
}

/// Takes frames apart.
#[derive(Debug, Default)]
pub struct Dissector {
    checksums: ChecksumPolicy,
    clock: Clock,
    defragmenter: Defragmenter,
    counters: Counters,
    unknown_link_types: Vec<LinkType>,
}

impl Dissector {
    /// A dissector that has seen nothing.
    pub fn new(options: Options) -> Self {
        Self { checksums: options.checksums, defragmenter: Defragmenter::new(options.fragments), ..Self::default() }
    }

    /// Takes a frame apart. A segment borrows from the frame, or from here when it came in fragments.
    #[inline]
    pub fn dissect<'a>(&'a mut self, frame: &Frame<'a>) -> Outcome<'a> {
        let Self { checksums, clock, defragmenter, counters, unknown_link_types } = self;
        let path = Path { now: clock.advance(frame.timestamp), checksums: *checksums, defragmenter };
        let outcome = path.open(frame).unwrap_or_else(Outcome::Dropped);
        counters.count(&outcome);
        if let Outcome::Dropped(DropReason::LinkType) = outcome {
            remember(unknown_link_types, frame.link_type);
        }
        outcome
    }

    /// What became of the frames so far.
    pub fn counters(&self) -> Counters {
        Counters { fragments: self.defragmenter.counters(), ..self.counters }
    }

    /// The link types of dropped frames that are not known here, for a warning; the first few of them.
    pub fn unknown_link_types(&self) -> &[LinkType] {
        &self.unknown_link_types
    }
}

const MOST_UNKNOWN_LINK_TYPES: usize = 8;

#[cold]
fn remember(unknown: &mut Vec<LinkType>, link_type: LinkType) {
    if unknown.len() < MOST_UNKNOWN_LINK_TYPES && !unknown.contains(&link_type) {
        unknown.push(link_type);
    }
}

/// What one frame needs on its way.
struct Path<'a> {
    now: Timestamp,
    checksums: ChecksumPolicy,
    defragmenter: &'a mut Defragmenter,
}

impl<'a> Path<'a> {
    #[inline]
    fn open(self, frame: &Frame<'a>) -> Result<Outcome<'a>, DropReason> {
        let (version, bytes) = link_type::open(frame.link_type, frame.bytes)?;
        let wire_len = (frame.original_len as usize).max(frame.bytes.len()) - (frame.bytes.len() - bytes.len());
        self.open_ip(Overlay::NONE, version, bytes, wire_len)
    }

    /// Reads an IP packet. What comes out of a tunnel enters here again, with that tunnel's overlay.
    #[inline]
    fn open_ip(
        self,
        overlay: Overlay,
        version: ip::Version,
        bytes: &'a [u8],
        wire_len: usize,
    ) -> Result<Outcome<'a>, DropReason> {
        let packet = ip::open(version, bytes, wire_len, self.checksums != ChecksumPolicy::Ignore)?;
        match packet.fragment {
            None => open_payload(overlay, &packet),
            Some(fragment) => self.open_fragment(overlay, &packet, fragment),
        }
    }

    #[cold]
    fn open_fragment(
        self,
        overlay: Overlay,
        packet: &ip::Packet<'a>,
        fragment: ip::Fragment,
    ) -> Result<Outcome<'a>, DropReason> {
        if !packet.may_carry_tcp() {
            return Err(DropReason::NotTcp);
        }
        match self.defragmenter.offer(self.now, overlay, packet, fragment) {
            Offered::Whole(whole) => {
                let packet = ip::open_extensions(whole)?;
                // Fragments of a fragment: no sender makes them.
                if packet.fragment.is_some() { Err(DropReason::IpMalformed) } else { open_payload(overlay, &packet) }
            }
            Offered::Held => Ok(Outcome::Held),
            Offered::Dropped => Err(DropReason::Fragment),
        }
    }
}

#[inline]
fn open_payload<'a>(overlay: Overlay, packet: &ip::Packet<'a>) -> Result<Outcome<'a>, DropReason> {
    match packet.protocol {
        ip::TCP => tcp::open(overlay, packet).map(Outcome::Segment),
        _ => Err(DropReason::NotTcp),
    }
}

#[cfg(test)]
mod tests;
