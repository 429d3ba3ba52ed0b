//! From the classes of bytes to the places where something may stand.
//!
//! A shape is a row of classes: `ddd-dd-dddd`. All are found at once with shifts of 64-bit masks, looking *back*: a bit
//! is set where a shape ends, so that a block needs what the block before it left, and nothing of the block after it.
//! Adding a type of value is a mask here and a verifier in [`judge`](super::judge).

use super::blocks::Classes;

/// Where in a block the candidates are, by shape. A bit stands at the last byte of the shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// `@`
    pub(super) at: u64,
    /// `%`, or the `u` of `\u`: an encoded character that may be `@`, `+` or `(`.
    pub(super) encoded: u64,
    /// Two letters in upper case and two digits: `DE89`, the start of an IBAN.
    pub(super) country: u64,
    /// Two groups of four digits with a separator between: a payment card number in groups.
    pub(super) groups: u64,
    /// Three, three and four digits with separators between: a North American telephone number.
    pub(super) nanp: u64,
    /// An opening parenthesis and two digits.
    pub(super) paren: u64,
    /// `+` and a digit.
    pub(super) plus: u64,
    /// The ninth digit of a run.
    pub(super) run: u64,
    /// `ddd-dd-dddd`
    pub(super) ssn: u64,
    /// Two groups of three digits, the first not with a zero: a national telephone number in threes.
    pub(super) threes: u64,
    /// A trunk prefix: a number that begins with zero and goes on with a digit and more.
    pub(super) trunk: u64,
    /// What stands between a name and its value: `":`, `" :`, `=`, `>`, and the space of `: `.
    pub(super) sign: u64,
    /// The first digit of a number behind a word or behind capital letters.
    pub(super) counted: u64,
    /// The twentieth of a run of the characters that keys and tokens are made of.
    pub(super) token: u64,
    /// The sixteenth of a run of capital letters and digits.
    pub(super) capitals: u64,
    /// The fifth dash of a run.
    pub(super) dashes: u64,
    /// A dollar sign and a letter or digit.
    pub(super) dollar: u64,
    /// Three pairs of digits behind a digit, with spaces between.
    pub(super) pairs: u64,
}

impl Masks {
    /// Where there is any candidate.
    #[inline(always)]
    pub(super) fn any(&self) -> u64 {
        self.at
            | self.encoded
            | self.country
            | self.groups
            | self.nanp
            | self.paren
            | self.plus
            | self.run
            | self.ssn
            | self.threes
            | self.trunk
            | self.sign
            | self.counted
            | self.token
            | self.capitals
            | self.dashes
            | self.dollar
            | self.pairs
    }

    /// Without those places where a name says what the value is.
    pub(super) fn without_names(&self) -> Self {
        Self { sign: 0, counted: 0, ..*self }
    }
}

/// What the last block leaves for the next: its masks that shapes look back at. The longest shape looks back 20 bytes,
/// so that masks of masks are exact where it matters even when they began with the last block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shapes {
    backslash: u64,
    dash: u64,
    digit: u64,
    digits2: u64,
    digits3: u64,
    digits4: u64,
    digits9: u64,
    no_trunk: u64,
    paren: u64,
    plus: u64,
    separator: u64,
    upper: u64,
    upper2: u64,
    zero: u64,
    capital: u64,
    capitals2: u64,
    capitals4: u64,
    capitals8: u64,
    capitals16: u64,
    colon: u64,
    dashes2: u64,
    dashes5: u64,
    dollar: u64,
    letter: u64,
    no_label: u64,
    pairs2: u64,
    quote: u64,
    space: u64,
    token: u64,
    tokens2: u64,
    tokens4: u64,
    tokens8: u64,
    tokens20: u64,
}

impl Shapes {
    /// The candidates of the next block.
    #[inline(always)]
    pub(super) fn step(&mut self, classes: &Classes) -> Masks {
        let digit = classes.digit;
        let digit1 = ago::<1>(digit, self.digit);
        let digits2 = digit & digit1;
        let digits3 = digits2 & ago::<2>(digit, self.digit);
        let digits4 = digits2 & ago::<2>(digits2, self.digits2);
        let digits8 = digits4 & ago::<4>(digits4, self.digits4);
        let digits9 = digits8 & ago::<8>(digit, self.digit);
        let upper2 = classes.upper & ago::<1>(classes.upper, self.upper);
        let separator = classes.dash | classes.dot | classes.plus | classes.space;
        let no_trunk = digit | classes.dash | classes.dot | classes.colon;

        let letter = classes.upper | classes.lower;
        let capital = classes.upper | digit;
        let capitals2 = capital & ago::<1>(capital, self.capital);
        let capitals4 = capitals2 & ago::<2>(capitals2, self.capitals2);
        let capitals8 = capitals4 & ago::<4>(capitals4, self.capitals4);
        let capitals16 = capitals8 & ago::<8>(capitals8, self.capitals8);
        let token = letter | digit | classes.dash | classes.dot | classes.underscore;
        let tokens2 = token & ago::<1>(token, self.token);
        let tokens4 = tokens2 & ago::<2>(tokens2, self.tokens2);
        let tokens8 = tokens4 & ago::<4>(tokens4, self.tokens4);
        let tokens16 = tokens8 & ago::<8>(tokens8, self.tokens8);
        let tokens20 = tokens16 & ago::<16>(tokens4, self.tokens4);
        let dashes2 = classes.dash & ago::<1>(classes.dash, self.dash);
        let dashes5 = dashes2 & ago::<2>(dashes2, self.dashes2) & ago::<4>(classes.dash, self.dash);
        let gap = classes.space | classes.plus;
        let pairs2 = digits2 & ago::<2>(gap, self.space) & ago::<3>(digits2, self.digits2);
        let no_label = classes.quote | classes.space;
        let quote1 = ago::<1>(classes.quote, self.quote);
        let space1 = ago::<1>(gap, self.space);

        let last_four = digits4 & ago::<4>(separator, self.separator);
        let masks = Masks {
            at: classes.at,
            encoded: classes.percent | classes.u & ago::<1>(classes.backslash, self.backslash),
            country: digits2 & ago::<2>(upper2, self.upper2),
            groups: last_four & ago::<5>(digits4, self.digits4),
            nanp: last_four
                & ago::<5>(digits3, self.digits3)
                & ago::<8>(separator, self.separator)
                & ago::<9>(digits3, self.digits3),
            paren: digits2 & ago::<2>(classes.paren, self.paren),
            plus: digit & ago::<1>(classes.plus, self.plus),
            run: digits9 & !ago::<1>(digits9, self.digits9),
            ssn: last_four
                & ago::<5>(digits2, self.digits2)
                & ago::<7>(classes.dash, self.dash)
                & ago::<8>(digits3, self.digits3),
            threes: digits3
                & ago::<3>(separator, self.separator)
                & ago::<4>(digits3, self.digits3)
                & !ago::<6>(classes.zero, self.zero)
                & !ago::<7>(digit, self.digit),
            // A day, a minute or a fraction begins with zero too: not after a digit, dash, dot or colon.
            trunk: (digit | classes.dash | classes.dot | classes.space)
                & digit1
                & ago::<2>(classes.zero, self.zero)
                & !ago::<3>(no_trunk, self.no_trunk),
            sign: classes.colon & (quote1 | space1 & ago::<2>(classes.quote, self.quote))
                | classes.equals
                | classes.greater
                | classes.space & ago::<1>(classes.colon, self.colon) & !ago::<2>(no_label, self.no_label),
            // Behind punctuation a number is an element or has a name.
            counted: digit
                & !digit1
                & (ago::<1>(classes.upper, self.upper)
                    | space1 & ago::<2>(letter | classes.dash | classes.dot, self.letter)),
            token: tokens20 & !ago::<1>(tokens20, self.tokens20),
            capitals: capitals16 & !ago::<1>(capitals16, self.capitals16),
            dashes: dashes5 & !ago::<1>(dashes5, self.dashes5),
            dollar: (letter | digit) & ago::<1>(classes.dollar, self.dollar),
            pairs: pairs2 & ago::<3>(pairs2, self.pairs2) & ago::<8>(gap, self.space) & ago::<9>(digit, self.digit),
        };
        *self = Self {
            backslash: classes.backslash,
            dash: classes.dash,
            digit,
            digits2,
            digits3,
            digits4,
            digits9,
            no_trunk,
            paren: classes.paren,
            plus: classes.plus,
            separator,
            upper: classes.upper,
            upper2,
            zero: classes.zero,
            capital,
            capitals2,
            capitals4,
            capitals8,
            capitals16,
            colon: classes.colon,
            dashes2,
            dashes5,
            dollar: classes.dollar,
            letter: letter | classes.dash | classes.dot,
            no_label,
            pairs2,
            quote: classes.quote,
            space: gap,
            token,
            tokens2,
            tokens4,
            tokens8,
            tokens20,
        };
        masks
    }
}

/// Where the byte `BYTES` before is in `mask`; `last` is the same mask of the block before.
#[inline(always)]
fn ago<const BYTES: u32>(mask: u64, last: u64) -> u64 {
    mask << BYTES | last >> (64 - BYTES)
}

#[cfg(test)]
mod tests {
    use super::super::blocks::{Portable, tests::telling_byte, walk};
    use proptest::prelude::*;

    /// Whether the bytes up to and with `end` have the form: `d` digit, `U` upper case, `s` separator, `?` any.
    fn ends(content: &[u8], end: usize, form: &[u8]) -> bool {
        (end + 1).checked_sub(form.len()).is_some_and(|start| {
            content[start..=end].iter().zip(form).all(|(byte, class)| match class {
                b'd' => byte.is_ascii_digit(),
                b'U' => byte.is_ascii_uppercase(),
                b'C' => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
                b'L' => byte.is_ascii_alphanumeric(),
                b'w' => byte.is_ascii_alphabetic() || b"-.".contains(byte),
                b't' => byte.is_ascii_alphanumeric() || b"-._".contains(byte),
                b'g' => b" +".contains(byte),
                b's' => b"-.+ ".contains(byte),
                b'z' => byte.is_ascii_digit() || b"-. ".contains(byte),
                _ => byte == class,
            })
        })
    }

    fn oracle(content: &[u8]) -> Vec<(usize, &'static str)> {
        let mut found = Vec::new();
        for end in 0..content.len() {
            let is = |form: &str| ends(content, end, form.as_bytes());
            let before = |bytes: usize| (end + 1).checked_sub(bytes + 1).map_or(0, |at| content[at]);
            found.extend(is("@").then_some((end, "at")));
            found.extend((is("%") || is("\\u")).then_some((end, "encoded")));
            found.extend(is("UUdd").then_some((end, "country")));
            found.extend(is("ddddsdddd").then_some((end, "groups")));
            found.extend(is("dddsdddsdddd").then_some((end, "nanp")));
            found.extend(is("(dd").then_some((end, "paren")));
            found.extend(is("+d").then_some((end, "plus")));
            found.extend((is("ddddddddd") && !before(9).is_ascii_digit()).then_some((end, "run")));
            let threes = is("dddsddd") && before(6) != b'0' && !before(7).is_ascii_digit();
            found.extend(threes.then_some((end, "threes")));
            found.extend(is("ddd-ddsdddd").then_some((end, "ssn")));
            let mid_number = before(3).is_ascii_digit() || b"-.:".contains(&before(3));
            found.extend((is("0dz") && !mid_number).then_some((end, "trunk")));
            let label = is(": ") && !b"\" ".contains(&before(2));
            found.extend((is("\":") || is("\"g:") || is("=") || is(">") || label).then_some((end, "sign")));
            found.extend((is("Ud") || is("wgd")).then_some((end, "counted")));
            let (token, capitals) = ("t".repeat(20), "C".repeat(16));
            found.extend((is(&token) && !is(&"t".repeat(21))).then_some((end, "token")));
            found.extend((is(&capitals) && !is(&"C".repeat(17))).then_some((end, "capitals")));
            found.extend((is("-----") && !is("------")).then_some((end, "dashes")));
            found.extend(is("$L").then_some((end, "dollar")));
            found.extend(is("dgddgddgdd").then_some((end, "pairs")));
        }
        found
    }

    fn candidates(content: &[u8], cuts: &[usize]) -> Vec<(usize, &'static str)> {
        let mut found = Vec::new();
        let mut edges = vec![0];
        edges.extend(cuts.iter().map(|cut| cut % (content.len() + 1)));
        edges.push(content.len());
        edges.sort_unstable();
        for range in edges.windows(2) {
            walk(Portable, content, range[0]..range[1], |start, masks| {
                for bit in 0..64 {
                    let named = [
                        (masks.at, "at"),
                        (masks.encoded, "encoded"),
                        (masks.country, "country"),
                        (masks.groups, "groups"),
                        (masks.nanp, "nanp"),
                        (masks.paren, "paren"),
                        (masks.plus, "plus"),
                        (masks.run, "run"),
                        (masks.ssn, "ssn"),
                        (masks.threes, "threes"),
                        (masks.trunk, "trunk"),
                        (masks.sign, "sign"),
                        (masks.counted, "counted"),
                        (masks.token, "token"),
                        (masks.capitals, "capitals"),
                        (masks.dashes, "dashes"),
                        (masks.dollar, "dollar"),
                        (masks.pairs, "pairs"),
                    ];
                    found.extend(
                        named.iter().filter(|(mask, _)| mask >> bit & 1 == 1).map(|(_, name)| (start + bit, *name)),
                    );
                }
            });
        }
        found
    }

    #[test]
    fn a_shape_across_blocks_is_found_once() {
        for pad in 40..70 {
            let mut content = vec![b'"'; pad];
            content.extend_from_slice(b"123-45-6789\"");
            assert_eq!(candidates(&content, &[]), [(pad + 10, "ssn")], "at {pad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn shapes_equal_the_oracle_however_cut(
            content in prop::collection::vec(telling_byte(), 0..400),
            cuts in prop::collection::vec(any::<usize>(), 0..4),
        ) {
            prop_assert_eq!(candidates(&content, &cuts), oracle(&content));
        }
    }
}
