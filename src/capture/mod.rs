//! Frames in: from live interfaces and from capture files.

pub mod file;

use crate::time::Timestamp;

/// A frame as it was captured; borrows from the ring or the read buffer.
#[derive(Clone, Copy, Debug)]
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

/// A link-layer header type, by its number in the registry of tcpdump.org (`LINKTYPE_...`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);
