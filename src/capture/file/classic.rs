//! The classic capture format: a 24-octet file header, then records of a 16-octet header and a frame.

use super::fault::Fault;
use super::input::Input;
use super::{Endian, Record};
use crate::capture::LinkType;
use crate::time::Timestamp;

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// Records of the "modified" format end their header with an interface index and more.
const MODIFIED_RECORD_HEADER: usize = 24;

/// libpcap reads frames up to this size whatever the file's snap length says.
const LARGEST_FRAME: u32 = 256 * 1024;

/// A classic capture file whose header has been read.
pub(super) struct Classic {
    endian: Endian,
    nanos_per_unit: i64,
    record_header: usize,
    link_type: LinkType,
    largest_frame: u32,
}

impl Classic {
    /// Reads the file header; `None` when this is another format.
    pub(super) fn open(input: &mut Input) -> Result<Option<Self>, Fault> {
        if !input.want(4) {
            return Ok(None);
        }
        let Some(magic) = input.available().first_chunk::<4>() else { return Ok(None) };
        let (endian, nanos_per_unit, record_header) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (Endian::Big, 1_000, RECORD_HEADER),
            [0xd4, 0xc3, 0xb2, 0xa1] => (Endian::Little, 1_000, RECORD_HEADER),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Endian::Big, 1, RECORD_HEADER),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Endian::Little, 1, RECORD_HEADER),
            [0xa1, 0xb2, 0xcd, 0x34] => (Endian::Big, 1_000, MODIFIED_RECORD_HEADER),
            [0x34, 0xcd, 0xb2, 0xa1] => (Endian::Little, 1_000, MODIFIED_RECORD_HEADER),
            _ => return Ok(None),
        };
        if !input.want(FILE_HEADER) {
            return Err(Fault::Truncated);
        }
        let header = input.take(FILE_HEADER);
        let header = input.octets(header);
        let (snaplen, network) = (endian.u32(header, 16), endian.u32(header, 20));
        Ok(Some(Self {
            endian,
            nanos_per_unit,
            record_header,
            // The upper half holds the length of the frame check sequence.
            link_type: LinkType(network as u16),
            largest_frame: snaplen.clamp(LARGEST_FRAME, super::LARGEST_RECORD),
        }))
    }

    /// The next record; `None` at the end of the file.
    #[inline]
    pub(super) fn next(&self, input: &mut Input) -> Result<Option<Record>, Fault> {
        if !input.want(self.record_header) {
            return if input.available().is_empty() { Ok(None) } else { Err(Fault::Truncated) };
        }
        let header = input.available();
        let seconds = self.endian.u32(header, 0);
        let units = self.endian.u32(header, 4);
        let captured = self.endian.u32(header, 8);
        let original = self.endian.u32(header, 12);
        if captured > self.largest_frame {
            return Err(Fault::RecordLength { len: captured, limit: self.largest_frame });
        }
        if !input.want(self.record_header + captured as usize) {
            return Err(Fault::Truncated);
        }
        input.take(self.record_header);
        Ok(Some(Record {
            timestamp: Timestamp::from_nanos(
                i64::from(seconds) * 1_000_000_000 + i64::from(units) * self.nanos_per_unit,
            ),
            link_type: self.link_type,
            interface: 0,
            original_len: original.max(captured),
            frame: input.take(captured as usize),
        }))
    }
}
