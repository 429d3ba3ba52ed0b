//! The way from a frame to its segment.

use super::{Checksum, ChecksumPolicy, Counters, DropReason, Overlay, Segment, ip, link_type, tcp};
use crate::capture::{Frame, LinkType};

/// How to dissect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether checksums are computed.
    pub checksums: ChecksumPolicy,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// It holds a TCP segment.
    Segment(Segment<'a>),
    /// It gives nothing; counted.
    Dropped(DropReason),
}

/// Takes frames apart.
#[derive(Debug, Default)]
pub struct Dissector {
    options: Options,
    counters: Counters,
    unknown_link_types: Vec<LinkType>,
}

impl Dissector {
    /// A dissector that has seen nothing.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Takes a frame apart.
    #[inline]
    pub fn dissect<'a>(&'a mut self, frame: &Frame<'a>) -> Outcome<'a> {
        self.counters.frames_received += 1;
        match open(frame, self.options) {
            Ok(segment) => {
                self.count(&segment);
                Outcome::Segment(segment)
            }
            Err(reason) => {
                self.drop(frame, reason);
                Outcome::Dropped(reason)
            }
        }
    }

    /// What became of the frames so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The link types of dropped frames that are not known here, for a warning; the first few of them.
    pub fn unknown_link_types(&self) -> &[LinkType] {
        &self.unknown_link_types
    }

    #[inline]
    fn count(&mut self, segment: &Segment<'_>) {
        self.counters.segments_dissected += 1;
        self.counters.segments_snapped += u64::from(segment.snapped > 0);
        self.counters.segments_checksum_bad += u64::from(segment.checksum == Checksum::Invalid);
        self.counters.segments_urgent += u64::from(tcp::is_urgent(segment.flags));
    }

    #[cold]
    fn drop(&mut self, frame: &Frame<'_>, reason: DropReason) {
        self.counters.drop(reason);
        let unknown = reason == DropReason::LinkType && !self.unknown_link_types.contains(&frame.link_type);
        if unknown && self.unknown_link_types.len() < MOST_UNKNOWN_LINK_TYPES {
            self.unknown_link_types.push(frame.link_type);
        }
    }
}

const MOST_UNKNOWN_LINK_TYPES: usize = 8;

#[inline]
fn open<'a>(frame: &Frame<'a>, options: Options) -> Result<Segment<'a>, DropReason> {
    let (version, bytes) = link_type::open(frame.link_type, frame.bytes)?;
    let wire_len = (frame.original_len as usize).max(frame.bytes.len()) - (frame.bytes.len() - bytes.len());
    open_ip(Overlay::NONE, version, bytes, wire_len, options)
}

/// Reads an IP packet. What comes out of a tunnel enters here again, with that tunnel's overlay.
#[inline]
fn open_ip<'a>(
    overlay: Overlay,
    version: ip::Version,
    bytes: &'a [u8],
    wire_len: usize,
    options: Options,
) -> Result<Segment<'a>, DropReason> {
    let packet = ip::open(version, bytes, wire_len, options.checksums != ChecksumPolicy::Ignore)?;
    if packet.fragment.is_some() {
        return Err(DropReason::Fragment);
    }
    match packet.protocol {
        ip::TCP => tcp::open(overlay, &packet),
        _ => Err(DropReason::NotTcp),
    }
}
