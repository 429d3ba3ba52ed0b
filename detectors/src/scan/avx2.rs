//! Classes with AVX2: two halves, each compared and its top bits gathered.
#![expect(unsafe_code, reason = "vector instructions that are only there on some machines")]

use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_set1_epi8,
    _mm256_sub_epi8,
};
use std::ops::Range;

use super::blocks::{self, BLOCK, Classes, Classify};
use super::marks::Marks;
use super::shapes::Masks;

/// Proof that this machine has AVX2, BMI1 and BMI2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2"))
            .then_some(Self(()))
    }

    /// [`blocks::walk`], compiled for these instructions.
    pub(super) fn walk(self, content: &[u8], range: Range<usize>, judge: impl FnMut(usize, &Masks)) {
        #[target_feature(enable = "avx2,bmi1,bmi2")]
        fn walk(classify: Avx2, content: &[u8], range: Range<usize>, judge: impl FnMut(usize, &Masks)) {
            blocks::walk(classify, content, range, judge);
        }
        // SAFETY: a value of this type is made by `detect` only.
        unsafe { walk(self, content, range, judge) }
    }

    /// [`Marks::fill`], compiled for these instructions.
    pub(super) fn mark(self, marks: &mut Marks, content: &[u8]) {
        #[target_feature(enable = "avx2,bmi1,bmi2")]
        fn mark(classify: Avx2, marks: &mut Marks, content: &[u8]) {
            marks.fill(classify, content);
        }
        // SAFETY: as in `walk`.
        unsafe { mark(self, marks, content) }
    }
}

impl Avx2 {
    /// One bit for each of the 64 bytes: whether it equals `byte`.
    #[inline(always)]
    fn equal(self, [low, high]: [__m256i; 2], byte: u8) -> u64 {
        // SAFETY: a value of this type is made by `detect` only, so the instructions are there.
        let halves = unsafe {
            let wanted = _mm256_set1_epi8(byte.cast_signed());
            [_mm256_cmpeq_epi8(low, wanted), _mm256_cmpeq_epi8(high, wanted)]
        };
        self.gather(halves)
    }

    /// One bit for each of the 64 bytes: whether it is one of `count` values from `first` on.
    #[inline(always)]
    fn within(self, [low, high]: [__m256i; 2], first: u8, count: u8) -> u64 {
        // SAFETY: as in `equal`.
        let halves = unsafe {
            // There is no unsigned comparison: a distance is at most the last one where the lesser of both is it.
            let (first, last) = (_mm256_set1_epi8(first.cast_signed()), _mm256_set1_epi8((count - 1).cast_signed()));
            let (low, high) = (_mm256_sub_epi8(low, first), _mm256_sub_epi8(high, first));
            [_mm256_cmpeq_epi8(_mm256_min_epu8(low, last), low), _mm256_cmpeq_epi8(_mm256_min_epu8(high, last), high)]
        };
        self.gather(halves)
    }

    /// The top bits of 64 bytes.
    #[inline(always)]
    fn gather(self, [low, high]: [__m256i; 2]) -> u64 {
        // SAFETY: as in `equal`.
        let [low, high] = unsafe { [_mm256_movemask_epi8(low), _mm256_movemask_epi8(high)] };
        u64::from(low.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32
    }
}

impl Classify for Avx2 {
    #[inline(always)]
    fn classes(self, block: &[u8; BLOCK]) -> Classes {
        // SAFETY: as in `equal`; the two loads read the first and the second 32 of the 64 bytes that the reference covers
        // and ask for no alignment.
        let bytes = unsafe {
            let start = block.as_ptr().cast::<__m256i>();
            [_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))]
        };
        Classes {
            digit: self.within(bytes, b'0', 10),
            upper: self.within(bytes, b'A', 26),
            at: self.equal(bytes, b'@'),
            backslash: self.equal(bytes, b'\\'),
            colon: self.equal(bytes, b':'),
            dash: self.equal(bytes, b'-'),
            dot: self.equal(bytes, b'.'),
            paren: self.equal(bytes, b'('),
            percent: self.equal(bytes, b'%'),
            plus: self.equal(bytes, b'+'),
            space: self.equal(bytes, b' '),
            u: self.equal(bytes, b'u'),
            zero: self.equal(bytes, b'0'),
            lower: self.within(bytes, b'a', 26),
            comma: self.equal(bytes, b','),
            dollar: self.equal(bytes, b'$'),
            equals: self.equal(bytes, b'='),
            greater: self.equal(bytes, b'>'),
            quote: self.equal(bytes, b'"'),
            underscore: self.equal(bytes, b'_'),
        }
    }
}
