//! Classes with AVX-512BW: a comparison gives the 64-bit mask itself.
#![expect(unsafe_code, reason = "vector instructions that are only there on some machines")]

use std::arch::x86_64::{
    __m512i, _mm512_cmpeq_epi8_mask, _mm512_cmplt_epu8_mask, _mm512_loadu_si512, _mm512_set1_epi8, _mm512_sub_epi8,
};
use std::ops::Range;

use super::blocks::{self, BLOCK, Classes, Classify};
use super::marks::Marks;
use super::shapes::Masks;

/// Proof that this machine has AVX-512F and AVX-512BW.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Self(()))
    }

    /// [`blocks::walk`], compiled for these instructions.
    pub(super) fn walk(self, content: &[u8], range: Range<usize>, judge: impl FnMut(usize, &Masks)) {
        #[target_feature(enable = "avx512f,avx512bw,bmi1,bmi2")]
        fn walk(classify: Avx512, content: &[u8], range: Range<usize>, judge: impl FnMut(usize, &Masks)) {
            blocks::walk(classify, content, range, judge);
        }
        // SAFETY: a value of this type is made by `detect` only; every processor with AVX-512BW has BMI1 and BMI2.
        unsafe { walk(self, content, range, judge) }
    }

    /// [`Marks::fill`], compiled for these instructions.
    pub(super) fn mark(self, marks: &mut Marks, content: &[u8]) {
        #[target_feature(enable = "avx512f,avx512bw,bmi1,bmi2")]
        fn mark(classify: Avx512, marks: &mut Marks, content: &[u8]) {
            marks.fill(classify, content);
        }
        // SAFETY: as in `walk`.
        unsafe { mark(self, marks, content) }
    }
}

impl Avx512 {
    /// One bit for each of the 64 bytes: whether it equals `byte`.
    #[inline(always)]
    fn equal(self, bytes: __m512i, byte: u8) -> u64 {
        // SAFETY: a value of this type is made by `detect` only, so the instructions are there.
        unsafe { _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte.cast_signed())) }
    }

    /// One bit for each of the 64 bytes: whether it is one of `count` values from `first` on.
    #[inline(always)]
    fn within(self, bytes: __m512i, first: u8, count: u8) -> u64 {
        // SAFETY: as in `equal`.
        unsafe {
            let distance = _mm512_sub_epi8(bytes, _mm512_set1_epi8(first.cast_signed()));
            _mm512_cmplt_epu8_mask(distance, _mm512_set1_epi8(count.cast_signed()))
        }
    }
}

impl Classify for Avx512 {
    #[inline(always)]
    fn classes(self, block: &[u8; BLOCK]) -> Classes {
        // SAFETY: as in `equal`; the load reads the 64 bytes that the reference covers and asks for no alignment.
        let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast::<__m512i>()) };
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
