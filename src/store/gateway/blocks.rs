//! Compressed blocks as ClickHouse's clients send them with `decompress=1`, and get them with `compress=1`:
//! a checksum (CityHash 1.0.2, 16 octets), then what it covers: method, compressed size with these 9 octets of header, raw
//! size, data. Sizes are little-endian.

use super::Fault;

/// Largest raw size of one block. Clients use 1 MiB.
const BLOCK_LIMIT: usize = 64 << 20;
const CHECKSUM: usize = 16;
const HEADER: usize = 9;
const LZ4: u8 = 0x82;
const ZSTD: u8 = 0x90;
const NONE: u8 = 0x02;

/// Unpacks all blocks of `packed`, to at most `limit` octets.
pub(super) fn unpack(mut packed: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    while !packed.is_empty() {
        let (block, rest) = Block::split(packed)?;
        if out.len().saturating_add(block.raw_size) > limit {
            return Err(Fault::TooLarge(limit));
        }
        block.unpack_into(&mut out)?;
        packed = rest;
    }
    Ok(out)
}

/// Packs `raw` as one LZ4 block.
pub(super) fn pack(raw: &[u8]) -> Vec<u8> {
    let data = lz4_flex::block::compress(raw);
    let mut covered = Vec::with_capacity(HEADER + data.len());
    covered.push(LZ4);
    covered.extend(((HEADER + data.len()) as u32).to_le_bytes());
    covered.extend((raw.len() as u32).to_le_bytes());
    covered.extend(data);
    [&checksum(&covered)[..], &covered].concat()
}

struct Block<'a> {
    method: u8,
    raw_size: usize,
    data: &'a [u8],
}

impl<'a> Block<'a> {
    /// The first block of `packed`, its checksum verified, and what follows it.
    fn split(packed: &'a [u8]) -> Result<(Self, &'a [u8]), Fault> {
        let broken = || Fault::Data("a compressed block is incomplete");
        let (sum, covered) = packed.split_first_chunk::<CHECKSUM>().ok_or_else(broken)?;
        let (header, _) = covered.split_first_chunk::<HEADER>().ok_or_else(broken)?;
        let [method, size @ .., a, b, c, d] = *header;
        let size = u32::from_le_bytes(size) as usize;
        let raw_size = u32::from_le_bytes([a, b, c, d]) as usize;
        if size < HEADER || raw_size > BLOCK_LIMIT {
            return Err(Fault::Data("a compressed block says an impossible size"));
        }
        let (covered, rest) = covered.split_at_checked(size).ok_or_else(broken)?;
        if checksum(covered) != *sum {
            return Err(Fault::Checksum);
        }
        let data = covered.get(HEADER..).unwrap_or_default();
        Ok((Self { method, raw_size, data }, rest))
    }

    fn unpack_into(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = out.len();
        out.resize(start + self.raw_size, 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let unpacked = match self.method {
            LZ4 => lz4_flex::block::decompress_into(self.data, room).ok(),
            ZSTD => zstd::bulk::decompress_to_buffer(self.data, room).ok(),
            NONE if self.data.len() == room.len() => {
                room.copy_from_slice(self.data);
                Some(room.len())
            }
            _ => None,
        };
        if unpacked == Some(self.raw_size) { Ok(()) } else { Err(Fault::Data("a compressed block cannot be unpacked")) }
    }
}

/// The checksum as it is sent: the two halves of the hash each little-endian, the first half first.
fn checksum(covered: &[u8]) -> [u8; CHECKSUM] {
    let hash = cityhash_rs::cityhash_102_128(covered);
    (hash.rotate_left(64)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(method: u8, raw_size: u32, data: &[u8]) -> Vec<u8> {
        let covered =
            [&[method][..], &((HEADER + data.len()) as u32).to_le_bytes(), &raw_size.to_le_bytes(), data].concat();
        [&checksum(&covered)[..], &covered].concat()
    }

    #[test]
    fn all_methods_are_unpacked() {
        let raw = b"some raw octets, some raw octets, some raw octets";
        let blocks = [
            block(NONE, raw.len() as u32, raw),
            block(LZ4, raw.len() as u32, &lz4_flex::block::compress(raw)),
            block(ZSTD, raw.len() as u32, &zstd::bulk::compress(raw, 1).unwrap()),
        ];
        assert_eq!(unpack(&blocks.concat(), 1000).unwrap(), [raw, raw, raw].map(|raw| &raw[..]).concat());
        assert!(matches!(unpack(&blocks.concat(), 100), Err(Fault::TooLarge(100))));
    }

    #[test]
    fn lies_are_found() {
        let good = block(NONE, 3, b"abc");
        assert!(unpack(&good, 10).is_ok());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(unpack(&bad, 10).is_err(), "octet {at}");
            assert!(unpack(&good[..at], 10).is_err() || at == 0, "cut at {at}");
        }
        assert!(unpack(&block(NONE, 4, b"abc"), 10).is_err());
        assert!(unpack(&block(LZ4, u32::MAX, b"abc"), usize::MAX).is_err());
        assert!(unpack(&block(0x91, 3, b"abc"), 10).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_packed_is_unpacked(raw in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(unpack(&pack(&raw), 4000).unwrap(), raw);
        }
    }
}
