//! From bytes to bit masks, 64 bytes at a time.
//!
//! [`Classes`] says for each byte of a block which characters it is; making it is the only step that depends on the
//! instruction set ([`Classify`]), and the only one that reads every byte. The SIMD files and the portable version give
//! the same masks for any block.

use std::ops::Range;

use super::shapes::{Masks, Shapes};

/// Bytes in a block: one bit of a `u64` for each.
pub(super) const BLOCK: usize = 64;

/// For each byte of a block (bit 0 is the first) whether it belongs to a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Classes {
    pub(super) digit: u64,
    pub(super) upper: u64,
    pub(super) at: u64,
    pub(super) backslash: u64,
    pub(super) colon: u64,
    pub(super) dash: u64,
    pub(super) dot: u64,
    pub(super) paren: u64,
    pub(super) percent: u64,
    pub(super) plus: u64,
    pub(super) space: u64,
    pub(super) u: u64,
    pub(super) zero: u64,
    pub(super) lower: u64,
    pub(super) comma: u64,
    pub(super) dollar: u64,
    pub(super) equals: u64,
    pub(super) greater: u64,
    pub(super) quote: u64,
    pub(super) underscore: u64,
}

/// Makes [`Classes`] with one instruction set.
pub(super) trait Classify: Copy {
    /// The classes of a block.
    fn classes(self, block: &[u8; BLOCK]) -> Classes;
}

/// Plain 64-bit arithmetic, eight bytes at a time, for machines without the vectors we know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

impl Classify for Portable {
    #[inline(always)]
    fn classes(self, block: &[u8; BLOCK]) -> Classes {
        Classes {
            digit: gather(block, |word| within(word, b'0', b'9')),
            upper: gather(block, |word| within(word, b'A', b'Z')),
            at: gather(block, |word| equal(word, b'@')),
            backslash: gather(block, |word| equal(word, b'\\')),
            colon: gather(block, |word| equal(word, b':')),
            dash: gather(block, |word| equal(word, b'-')),
            dot: gather(block, |word| equal(word, b'.')),
            paren: gather(block, |word| equal(word, b'(')),
            percent: gather(block, |word| equal(word, b'%')),
            plus: gather(block, |word| equal(word, b'+')),
            space: gather(block, |word| equal(word, b' ')),
            u: gather(block, |word| equal(word, b'u')),
            zero: gather(block, |word| equal(word, b'0')),
            lower: gather(block, |word| within(word, b'a', b'z')),
            comma: gather(block, |word| equal(word, b',')),
            dollar: gather(block, |word| equal(word, b'$')),
            equals: gather(block, |word| equal(word, b'=')),
            greater: gather(block, |word| equal(word, b'>')),
            quote: gather(block, |word| equal(word, b'"')),
            underscore: gather(block, |word| equal(word, b'_')),
        }
    }
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

/// Collects the top bits of the bytes that `test` marks, over a block.
#[inline(always)]
fn gather(block: &[u8; BLOCK], test: impl Fn(u64) -> u64) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    words.iter().enumerate().fold(0, |mask, (at, word)| {
        let marked = test(u64::from_le_bytes(*word)) >> 7;
        // The product moves bit 8k to bit 56+k, and no two meet.
        mask | (marked.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at)
    })
}

/// Marks the top bit of each byte equal to `byte`.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (LOW * u64::from(byte));
    // Seven bits plus 0x7f carry into the top bit unless they are all zero; no carry leaves a byte.
    !(((difference & !HIGH) + !HIGH) | difference) & HIGH
}

/// Marks the top bit of each byte from `first` to `last`, both ASCII.
#[inline(always)]
fn within(word: u64, first: u8, last: u8) -> u64 {
    let ascii = word & !HIGH;
    let reaches = ascii + LOW * u64::from(0x80 - first);
    let passes = ascii + LOW * u64::from(0x7f - last);
    reaches & !passes & !word & HIGH
}

/// Hands the masks of each block of `content[range]` that has a candidate to `judge`, with the block's offset.
///
/// What stands before the range counts as left context, whatever the alignment: a candidate is found in the range in
/// which its shape ends, however content is cut into ranges.
#[inline(always)]
pub(super) fn walk<C: Classify>(
    classify: C,
    content: &[u8],
    range: Range<usize>,
    mut judge: impl FnMut(usize, &Masks),
) {
    let (Some(before), Some(body)) = (content.get(..range.start), content.get(range.clone())) else { return };
    let mut shapes = Shapes::default();
    if !before.is_empty() {
        let mut block = [0; BLOCK];
        let len = before.len().min(BLOCK);
        block[BLOCK - len..].copy_from_slice(&before[before.len() - len..]);
        shapes.step(&classify.classes(&block));
    }
    let (blocks, tail) = body.as_chunks::<BLOCK>();
    let mut start = range.start;
    for block in blocks {
        let masks = shapes.step(&classify.classes(block));
        if masks.any() != 0 {
            judge(start, &masks);
        }
        start += BLOCK;
    }
    if !tail.is_empty() {
        // Zeros are in no class, so no shape ends among them.
        let mut block = [0; BLOCK];
        block[..tail.len()].copy_from_slice(tail);
        let masks = shapes.step(&classify.classes(&block));
        if masks.any() != 0 {
            judge(start, &masks);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One byte after the other: slow and obviously right.
    fn oracle(block: &[u8; BLOCK]) -> Classes {
        let mask = |test: &dyn Fn(u8) -> bool| {
            block.iter().enumerate().fold(0, |mask, (at, byte)| mask | u64::from(test(*byte)) << at)
        };
        let is = |wanted: u8| mask(&move |byte| byte == wanted);
        Classes {
            digit: mask(&|byte| byte.is_ascii_digit()),
            upper: mask(&|byte| byte.is_ascii_uppercase()),
            at: is(b'@'),
            backslash: is(b'\\'),
            colon: is(b':'),
            dash: is(b'-'),
            dot: is(b'.'),
            paren: is(b'('),
            percent: is(b'%'),
            plus: is(b'+'),
            space: is(b' '),
            u: is(b'u'),
            zero: is(b'0'),
            lower: mask(&|byte| byte.is_ascii_lowercase()),
            comma: is(b','),
            dollar: is(b'$'),
            equals: is(b'='),
            greater: is(b'>'),
            quote: is(b'"'),
            underscore: is(b'_'),
        }
    }

    /// Bytes of the kinds the classes tell apart, neighbours of their limits, and anything.
    pub(in crate::scan) fn telling_byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            4 => b'0'..=b'9',
            2 => prop::sample::select(b"@\\:-.(%+ u0AZaz/;[{\x80\xb0\xff\0`,$=>\"_".as_slice()),
            1 => any::<u8>(),
        ]
    }

    #[test]
    fn every_byte_value_is_classified_alike() {
        for value in 0..=255u8 {
            let mut block = [0; BLOCK];
            block.iter_mut().enumerate().for_each(|(at, byte)| *byte = value.wrapping_add((at % 3) as u8));
            assert_alike(&block);
        }
    }

    fn assert_alike(block: &[u8; BLOCK]) {
        let expected = oracle(block);
        assert_eq!(Portable.classes(block), expected, "portable");
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(avx2) = super::super::avx2::Avx2::detect() {
                assert_eq!(avx2.classes(block), expected, "AVX2");
            }
            if let Some(avx512) = super::super::avx512::Avx512::detect() {
                assert_eq!(avx512.classes(block), expected, "AVX-512");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn instruction_sets_agree(bytes in prop::collection::vec(telling_byte(), BLOCK)) {
            assert_alike(bytes.as_slice().try_into().unwrap());
        }
    }
}
