//! The pcapng format: sections of blocks; packet blocks refer to the interface blocks of their section.

use super::fault::Fault;
use super::input::{Input, Span};
use super::{Endian, LARGEST_RECORD, Record};
use crate::capture::LinkType;
use crate::time::Timestamp;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
/// Obsolete, but old files have it.
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const OPTION_TSRESOL: u16 = 9;
const OPTION_TSOFFSET: u16 = 14;

/// Type and length before a block's body.
const BLOCK_HEADER: usize = 8;
/// The length again, after it.
const BLOCK_TRAILER: usize = 4;
/// More interfaces than any capture has; keeps the table small when a file is garbage.
const MOST_INTERFACES: usize = 4096;

/// A pcapng file being read.
pub(super) struct PcapNg {
    endian: Endian,
    /// The current section's interfaces.
    interfaces: Vec<Interface>,
    /// How many interfaces the sections before it had.
    earlier_interfaces: usize,
    /// The stamp of the frame before, for packet blocks that have none.
    last: Timestamp,
}

#[derive(Clone, Copy)]
struct Interface {
    link_type: LinkType,
    /// 0 means no limit.
    snaplen: u32,
    resolution: Resolution,
    /// Seconds to add to each stamp.
    offset: i64,
}

impl PcapNg {
    /// Looks at the first octets; `None` when this is another format.
    pub(super) fn open(input: &mut Input) -> Option<Self> {
        if !input.want(12) {
            return None;
        }
        let header = input.available();
        let endian = Endian::of_section(header)?;
        (endian.u32(header, 0) == SECTION_HEADER).then(|| Self {
            endian,
            interfaces: Vec::new(),
            earlier_interfaces: 0,
            last: Timestamp::default(),
        })
    }

    /// The next packet; `None` at the end of the file.
    pub(super) fn next(&mut self, input: &mut Input) -> Result<Option<Record>, Fault> {
        loop {
            if !input.want(BLOCK_HEADER + BLOCK_TRAILER) {
                return if input.available().is_empty() { Ok(None) } else { Err(Fault::Truncated) };
            }
            let kind = self.endian.u32(input.available(), 0);
            if kind == SECTION_HEADER {
                self.endian = Endian::of_section(input.available()).ok_or(Fault::Block)?;
            }
            let len = self.endian.u32(input.available(), 4);
            if !len.is_multiple_of(4) || (len as usize) < BLOCK_HEADER + BLOCK_TRAILER {
                return Err(Fault::Block);
            }
            if len > LARGEST_RECORD {
                return Err(Fault::RecordLength { len, limit: LARGEST_RECORD });
            }
            if !input.want(len as usize) {
                return Err(Fault::Truncated);
            }
            if self.endian.u32(input.available(), len as usize - BLOCK_TRAILER) != len {
                return Err(Fault::Block);
            }
            let body_len = len as usize - BLOCK_HEADER - BLOCK_TRAILER;
            let body = input.ahead(len as usize).part(BLOCK_HEADER, body_len);
            let record = match kind {
                SECTION_HEADER => {
                    self.earlier_interfaces += self.interfaces.len();
                    self.interfaces.clear();
                    None
                }
                INTERFACE_DESCRIPTION => {
                    self.describe(input.octets(body))?;
                    None
                }
                ENHANCED_PACKET => Some(self.enhanced(input.octets(body), body)?),
                SIMPLE_PACKET => Some(self.simple(input.octets(body), body)?),
                PACKET => Some(self.obsolete(input.octets(body), body)?),
                _ => None,
            };
            input.take(len as usize);
            if record.is_some() {
                return Ok(record);
            }
        }
    }

    fn describe(&mut self, body: &[u8]) -> Result<(), Fault> {
        if body.len() < 8 || self.interfaces.len() >= MOST_INTERFACES {
            return Err(Fault::Block);
        }
        let mut interface = Interface {
            link_type: LinkType(self.endian.u16(body, 0)),
            snaplen: self.endian.u32(body, 4),
            resolution: Resolution::MICROSECONDS,
            offset: 0,
        };
        let mut rest = body.get(8..).unwrap_or_default();
        while let Some((header, after)) = rest.split_first_chunk::<4>() {
            let (code, len) = (self.endian.u16(header, 0), usize::from(self.endian.u16(header, 2)));
            let Some(value) = after.get(..len).filter(|_| code != 0) else { break };
            match (code, value) {
                (OPTION_TSRESOL, &[exponent]) => interface.resolution = Resolution::from_option(exponent),
                (OPTION_TSOFFSET, value) if len == 8 => interface.offset = self.endian.i64(value),
                _ => {}
            }
            rest = after.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(interface);
        Ok(())
    }

    #[inline]
    fn enhanced(&mut self, body: &[u8], span: Span) -> Result<Record, Fault> {
        if body.len() < 20 {
            return Err(Fault::Block);
        }
        let number = self.endian.u32(body, 0) as usize;
        self.stamped(number, body, span)
    }

    fn obsolete(&mut self, body: &[u8], span: Span) -> Result<Record, Fault> {
        if body.len() < 20 {
            return Err(Fault::Block);
        }
        let number = usize::from(self.endian.u16(body, 0));
        self.stamped(number, body, span)
    }

    /// What enhanced and obsolete packet blocks have in common: stamp, lengths and frame after four octets.
    #[inline]
    fn stamped(&mut self, number: usize, body: &[u8], span: Span) -> Result<Record, Fault> {
        let interface = self.interfaces.get(number).ok_or(Fault::UnknownInterface)?;
        let ticks = u64::from(self.endian.u32(body, 4)) << 32 | u64::from(self.endian.u32(body, 8));
        let captured = self.endian.u32(body, 12);
        if captured as usize > body.len() - 20 {
            return Err(Fault::Block);
        }
        self.last = interface.stamp(ticks);
        Ok(Record {
            timestamp: self.last,
            link_type: interface.link_type,
            interface: self.interface_in_file(number),
            original_len: self.endian.u32(body, 16).max(captured),
            frame: span.part(20, captured as usize),
        })
    }

    /// A simple packet block has neither interface (the first is meant), nor stamp, nor captured length.
    fn simple(&mut self, body: &[u8], span: Span) -> Result<Record, Fault> {
        if body.len() < 4 {
            return Err(Fault::Block);
        }
        let interface = self.interfaces.first().ok_or(Fault::UnknownInterface)?;
        let original = self.endian.u32(body, 0);
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let captured = (original.min(snaplen) as usize).min(body.len() - 4);
        Ok(Record {
            timestamp: self.last,
            link_type: interface.link_type,
            interface: self.interface_in_file(0),
            original_len: original.max(captured as u32),
            frame: span.part(4, captured),
        })
    }

    fn interface_in_file(&self, number: usize) -> u16 {
        u16::try_from(self.earlier_interfaces + number).unwrap_or(u16::MAX)
    }
}

impl Interface {
    #[inline]
    fn stamp(&self, ticks: u64) -> Timestamp {
        let nanos = self.resolution.nanos(ticks).saturating_add(i128::from(self.offset) * 1_000_000_000);
        Timestamp::from_nanos(nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }
}

/// How long a tick of an interface's clock is.
#[derive(Clone, Copy)]
enum Resolution {
    /// So many nanoseconds.
    Nanoseconds(u32),
    /// So many ticks to a nanosecond.
    TicksPerNanosecond(u128),
    /// 2 to this power ticks to a second.
    Binary(u8),
}

impl Resolution {
    const MICROSECONDS: Self = Self::Nanoseconds(1_000);

    /// From the octet of the `if_tsresol` option: a negative power of 10, or of 2 when the highest bit is set.
    fn from_option(octet: u8) -> Self {
        let exponent = octet & 0x7f;
        match octet {
            0x80.. => Self::Binary(exponent),
            ..=9 => Self::Nanoseconds(10_u32.pow(9 - u32::from(exponent))),
            10.. => Self::TicksPerNanosecond(10_u128.saturating_pow(u32::from(exponent) - 9)),
        }
    }

    #[inline]
    fn nanos(self, ticks: u64) -> i128 {
        match self {
            Self::Nanoseconds(length) => i128::from(ticks) * i128::from(length),
            Self::TicksPerNanosecond(divisor) => (u128::from(ticks) / divisor) as i128,
            Self::Binary(exponent) => (i128::from(ticks) * 1_000_000_000) >> exponent,
        }
    }
}
