//! The format of a segment file: a header, then frames. Nothing here does I/O.
//!
//! All numbers are little-endian. A frame's checksum covers its sequence number too, which is not written but counted from
//! the header's, so a frame in another place than its own is a broken one.

use std::ops::Range;

use crate::store::chain::Hash;

/// Octets of a header.
pub const HEADER: usize = 64;

/// Octets of a frame beside its JSON.
pub const FRAME: usize = 52;

/// The longest JSON of a record. A revision is bounded to a small part of it.
pub const LONGEST: usize = 1 << 20;

const MAGIC: [u8; 8] = *b"APITAPS1";

mod field {
    use super::Range;

    pub(super) const MAGIC: Range<usize> = 0..8;
    pub(super) const FIRST: Range<usize> = MAGIC.end..16;
    pub(super) const DROPPED: Range<usize> = FIRST.end..24;
    pub(super) const PREVIOUS: Range<usize> = DROPPED.end..56;
    pub(super) const HEADER_SUM: Range<usize> = PREVIOUS.end..super::HEADER;

    pub(super) const LENGTH: Range<usize> = 0..4;
    pub(super) const SUM: Range<usize> = LENGTH.end..12;
    pub(super) const TIME: Range<usize> = SUM.end..20;
    pub(super) const HASH: Range<usize> = TIME.end..super::FRAME;
}

/// What stands at the beginning of a segment: all that is needed to go on when everything before it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sequence number of its first frame.
    pub first: u64,
    /// How many records that were dropped have been told of in segments before, since the spool was made.
    pub dropped: u64,
    /// The hash of the record before the first.
    pub previous: Hash,
}

/// A record as a frame holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it was spooled: milliseconds since 1970.
    pub ingested_at: i64,
    /// Its hash in the chain.
    pub hash: Hash,
    /// The exact octets.
    pub json: &'a [u8],
}

/// Why there is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The octets end within it.
    Short,
    /// They are not what was written.
    Wrong,
}

impl Header {
    /// As octets.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut octets = [0; HEADER];
        octets[field::MAGIC].copy_from_slice(&MAGIC);
        octets[field::FIRST].copy_from_slice(&self.first.to_le_bytes());
        octets[field::DROPPED].copy_from_slice(&self.dropped.to_le_bytes());
        octets[field::PREVIOUS].copy_from_slice(&self.previous.0);
        let sum = checksum(&[&octets[..field::HEADER_SUM.start]]);
        octets[field::HEADER_SUM].copy_from_slice(&sum);
        octets
    }

    /// The header that `octets` begin with.
    pub fn decode(octets: &[u8]) -> Result<Self, Break> {
        let octets: &[u8; HEADER] = octets.first_chunk().ok_or(Break::Short)?;
        let is_whole = octets[field::MAGIC] == MAGIC
            && octets[field::HEADER_SUM] == checksum(&[&octets[..field::HEADER_SUM.start]]);
        if !is_whole {
            return Err(Break::Wrong);
        }
        Ok(Self {
            first: number(&octets[field::FIRST]),
            dropped: number(&octets[field::DROPPED]),
            previous: Hash::from_slice(&octets[field::PREVIOUS]),
        })
    }
}

impl<'a> Frame<'a> {
    /// Octets it takes.
    pub fn size(json: &[u8]) -> usize {
        FRAME + json.len()
    }

    /// Appends it to `out` as the one of `sequence`. Its JSON is at most [`LONGEST`] octets.
    pub fn encode(&self, sequence: u64, out: &mut Vec<u8>) {
        let length = (self.json.len() as u32).to_le_bytes();
        let time = self.ingested_at.to_le_bytes();
        out.extend(length);
        out.extend(checksum(&[&sequence.to_le_bytes(), &length, &time, &self.hash.0, self.json]));
        out.extend(time);
        out.extend(self.hash.0);
        out.extend(self.json);
    }

    /// The frame of `sequence` that `octets` begin with, and how many octets it takes.
    pub fn decode(octets: &'a [u8], sequence: u64) -> Result<(Self, usize), Break> {
        let head: &[u8; FRAME] = octets.first_chunk().ok_or(Break::Short)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if length > LONGEST {
            return Err(Break::Wrong);
        }
        let json = octets.get(FRAME..FRAME + length).ok_or(Break::Short)?;
        let covered = [&sequence.to_le_bytes()[..], &head[field::LENGTH], &head[field::TIME], &head[field::HASH], json];
        if head[field::SUM] != checksum(&covered) {
            return Err(Break::Wrong);
        }
        let ingested_at = number(&head[field::TIME]).cast_signed();
        Ok((Self { ingested_at, hash: Hash::from_slice(&head[field::HASH]), json }, FRAME + length))
    }
}

/// What a segment's octets hold, up to the first that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its header.
    pub header: Header,
    /// The sequence number after its last whole frame.
    pub next: u64,
    /// The hash of its last whole frame, else the header's.
    pub head: Hash,
    /// Octets up to the end of the last whole frame.
    pub size: usize,
}

/// Goes through `octets`, and lets `each` see every whole frame with its number.
pub fn scan<'a>(octets: &'a [u8], mut each: impl FnMut(u64, Frame<'a>)) -> Result<Extent, Break> {
    let header = Header::decode(octets)?;
    let mut extent = Extent { header, next: header.first, head: header.previous, size: HEADER };
    while let Ok((frame, size)) = Frame::decode(octets.get(extent.size..).unwrap_or_default(), extent.next) {
        each(extent.next, frame);
        extent.next += 1;
        extent.head = frame.hash;
        extent.size += size;
    }
    Ok(extent)
}

/// Against faults of disks and cuts; who changes records on purpose is what the chain is for.
fn checksum(parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut sum = [0; 8];
    hasher.finalize_xof().fill(&mut sum);
    sum
}

/// A number of eight octets; `octets` are eight.
fn number(octets: &[u8]) -> u64 {
    u64::from_le_bytes(octets.first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Record = (i64, Vec<u8>);

    fn segment(first: u64, records: &[Record]) -> Vec<u8> {
        let header = Header { first, dropped: 3, previous: Hash([7; 32]) };
        let mut octets = header.encode().to_vec();
        for (sequence, (ingested_at, json)) in (first..).zip(records) {
            let hash = Hash([sequence as u8; 32]);
            Frame { ingested_at: *ingested_at, hash, json }.encode(sequence, &mut octets);
        }
        octets
    }

    fn read(octets: &[u8]) -> (Vec<Record>, Result<Extent, Break>) {
        let mut records = Vec::new();
        let extent = scan(octets, |_, frame| records.push((frame.ingested_at, frame.json.to_vec())));
        (records, extent)
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        vec((any::<i64>(), vec(any::<u8>(), 0..80)), 0..8)
    }

    #[test]
    fn a_length_that_no_record_has_is_wrong_at_once() {
        let mut octets = segment(1, &[(0, b"{}".to_vec())]);
        octets[HEADER..HEADER + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Frame::decode(&octets[HEADER..], 1), Err(Break::Wrong));
    }

    #[test]
    fn a_frame_is_only_whole_in_its_place() {
        let octets = segment(5, &[(0, b"{}".to_vec())]);
        assert!(Frame::decode(&octets[HEADER..], 5).is_ok());
        assert_eq!(Frame::decode(&octets[HEADER..], 6), Err(Break::Wrong));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_is_written_is_read(first in 1..u64::from(u32::MAX), records in records()) {
            let octets = segment(first, &records);
            let (read, extent) = read(&octets);
            let extent = extent.unwrap();
            prop_assert_eq!(extent.next, first + records.len() as u64);
            prop_assert_eq!(extent.size, octets.len());
            prop_assert_eq!(read, records);
        }

        #[test]
        fn any_cut_leaves_a_prefix(records in records(), cut in any::<prop::sample::Index>()) {
            let octets = segment(1, &records);
            let cut = cut.index(octets.len() + 1);
            let (read, extent) = read(&octets[..cut]);
            prop_assert_eq!(&read[..], &records[..read.len()]);
            match extent {
                Ok(extent) => {
                    let whole: usize = read.iter().map(|(_, json)| Frame::size(json)).sum();
                    prop_assert_eq!(extent.size, HEADER + whole);
                    // All that fits was found.
                    let next = records.get(read.len()).map_or(usize::MAX, |(_, json)| Frame::size(json));
                    prop_assert!(next > cut - extent.size);
                }
                Err(error) => prop_assert!(cut < HEADER && error == Break::Short),
            }
        }

        #[test]
        fn a_changed_bit_is_noticed(records in records(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let mut octets = segment(1, &records);
            let at = at.index(octets.len());
            octets[at] ^= 1 << bit;
            let (read, extent) = read(&octets);
            prop_assert!(read.len() < records.len() || at < HEADER);
            prop_assert_eq!(&read[..], &records[..read.len()]);
            prop_assert_eq!(extent.is_err(), at < HEADER);
        }

        #[test]
        fn anything_can_be_read(octets in vec(any::<u8>(), 0..300), sequence in any::<u64>()) {
            let _ = Frame::decode(&octets, sequence);
            let scanned = scan(&octets, |_, _| {});
            prop_assert!(scanned.is_err());
        }
    }
}
