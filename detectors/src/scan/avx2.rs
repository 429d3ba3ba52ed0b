//! Classes with AVX2: two halves, each compared and its top bits gathered.
#![expect(unsafe_code, reason = "vector instructions that are only there on some machines")]

use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_set1_epi8,
    _mm256_sub_epi8,
};
use std::ops::Range;

use super::blocks::{self, BLOCK, Classes, Classify};
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
}

impl Classify for Avx2 {
    #[inline(always)]
    fn classes(self, block: &[u8; BLOCK]) -> Classes {
        // SAFETY: a value of this type is made by `detect` only, so the instructions are there; the two loads read the
        // first and the second 32 of the 64 bytes that the reference covers and ask for no alignment.
        unsafe {
            let low = _mm256_loadu_si256(block.as_ptr().cast::<__m256i>());
            let high = _mm256_loadu_si256(block.as_ptr().add(BLOCK / 2).cast::<__m256i>());
            let splat = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
            let gather = |low, high| {
                let half = |half| u64::from(_mm256_movemask_epi8(half).cast_unsigned());
                half(low) | half(high) << 32
            };
            let equal = |byte: u8| gather(_mm256_cmpeq_epi8(low, splat(byte)), _mm256_cmpeq_epi8(high, splat(byte)));
            let within = |first: u8, count: u8| {
                // There is no unsigned comparison: a distance is at most the last one where the lesser of both is it.
                let half = |half| {
                    let distance = _mm256_sub_epi8(half, splat(first));
                    _mm256_cmpeq_epi8(_mm256_min_epu8(distance, splat(count - 1)), distance)
                };
                gather(half(low), half(high))
            };
            Classes {
                digit: within(b'0', 10),
                upper: within(b'A', 26),
                at: equal(b'@'),
                backslash: equal(b'\\'),
                colon: equal(b':'),
                dash: equal(b'-'),
                dot: equal(b'.'),
                paren: equal(b'('),
                percent: equal(b'%'),
                plus: equal(b'+'),
                space: equal(b' '),
                u: equal(b'u'),
                zero: equal(b'0'),
            }
        }
    }
}
