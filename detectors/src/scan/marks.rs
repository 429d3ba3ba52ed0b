//! Where quotation marks, digits and words stand in content: what a walk over JSON goes by, without looking at every byte.

use super::blocks::{BLOCK, Classes, Classify};
use super::{Instructions, Scanner};

/// What the bytes of a piece of content are, a bit for each. Its memory is used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    blocks: Vec<Block>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    quotes: u64,
    digits: u64,
    /// Whatever is none of the letters, digits and signs that ids are made of.
    others: u64,
}

impl Block {
    #[inline(always)]
    fn of(classes: &Classes) -> Self {
        let word = classes.digit | classes.upper | classes.lower | classes.dash | classes.underscore;
        let joined = classes.dot | classes.at | classes.colon | classes.plus;
        Self { quotes: classes.quote, digits: classes.digit, others: !(word | joined) }
    }
}

impl Marks {
    /// Marks `content` in place of what was marked before.
    pub(crate) fn mark(&mut self, scanner: &Scanner, content: &[u8]) {
        match scanner.instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(avx512) => avx512.mark(self, content),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.mark(self, content),
            Instructions::Portable => self.fill(super::blocks::Portable, content),
        }
    }

    /// [`Self::mark`] with one instruction set.
    #[inline(always)]
    pub(super) fn fill(&mut self, classify: impl Classify, content: &[u8]) {
        self.blocks.clear();
        let (blocks, tail) = content.as_chunks::<BLOCK>();
        self.blocks.reserve(blocks.len() + 1);
        // A loop, not an iterator's closures: those would not be compiled for the instructions.
        for block in blocks {
            self.blocks.push(Block::of(&classify.classes(block)));
        }
        // Zeros are other bytes.
        let mut last = [0; BLOCK];
        last[..tail.len()].copy_from_slice(tail);
        self.blocks.push(Block::of(&classify.classes(&last)));
    }

    /// Where the first quotation mark from `from` on stands.
    pub(crate) fn next_quote(&self, from: usize) -> Option<usize> {
        let mut number = from / BLOCK;
        let mut quotes = self.blocks.get(number)?.quotes & (u64::MAX << (from % BLOCK));
        while quotes == 0 {
            number += 1;
            quotes = self.blocks.get(number)?.quotes;
        }
        Some(number * BLOCK + quotes.trailing_zeros() as usize)
    }

    /// Where the run of digits ends that `from` stands in.
    pub(crate) fn digits_end(&self, from: usize) -> usize {
        let mut number = from / BLOCK;
        let Some(block) = self.blocks.get(number) else { return from };
        let mut rest = !block.digits & (u64::MAX << (from % BLOCK));
        while rest == 0 {
            number += 1;
            rest = self.blocks.get(number).map_or(u64::MAX, |block| !block.digits);
        }
        number * BLOCK + rest.trailing_zeros() as usize
    }

    /// Whether there is a digit from `start` on, before `end`.
    pub(crate) fn has_digit(&self, start: usize, end: usize) -> bool {
        self.first(start, end, |block| block.digits).is_some()
    }

    /// Where the first byte stands that is in no id, from `start` on, before `end`.
    pub(crate) fn first_other(&self, start: usize, end: usize) -> Option<usize> {
        self.first(start, end, |block| block.others)
    }

    #[inline]
    fn first(&self, start: usize, end: usize, of: impl Fn(&Block) -> u64) -> Option<usize> {
        let mut number = start / BLOCK;
        let mut marked = of(self.blocks.get(number)?) & (u64::MAX << (start % BLOCK));
        while marked == 0 {
            number += 1;
            if number * BLOCK >= end {
                return None;
            }
            marked = of(self.blocks.get(number)?);
        }
        Some(number * BLOCK + marked.trailing_zeros() as usize).filter(|at| *at < end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::blocks::tests::telling_byte;
    use super::*;

    proptest! {
        #[test]
        fn marks_are_what_a_walk_over_the_bytes_finds(
            content in prop::collection::vec(telling_byte(), 0..300),
            from in 0_usize..310,
            len in 0_usize..310,
        ) {
            let mut marks = Marks::default();
            for scanner in Scanner::every() {
                marks.mark(&scanner, b"\"1\"".repeat(200).as_slice());
                marks.mark(&scanner, &content);
                let rest = content.get(from..).unwrap_or_default();
                let quote = rest.iter().position(|byte| *byte == b'"').map(|at| from + at);
                prop_assert_eq!(marks.next_quote(from), quote);
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                prop_assert_eq!(marks.digits_end(from), from + digits);
                let range = rest.get(..len).unwrap_or(rest);
                let of_an_id = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:@+".contains(byte);
                let end = from + range.len();
                prop_assert_eq!(marks.has_digit(from, end), range.iter().any(u8::is_ascii_digit));
                let other = range.iter().position(|byte| !of_an_id(byte)).map(|at| from + at);
                prop_assert_eq!(marks.first_other(from, end), other);
            }
        }
    }
}
