//! The arithmetic of check digits, each once. All take ASCII digits and answer false for anything else.

/// The check digit of ISO/IEC 7812-1, annex B (Luhn), over all digits.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| {
        let value = value(*digit);
        sum + if place % 2 == 0 { value } else { 2 * value / 10 + 2 * value % 10 }
    });
    are_digits(digits) && sum.is_multiple_of(10)
}

/// The sum of digits times weights; `None` when something is no digit.
pub(crate) fn weighted(digits: &[u8], weights: &[u32]) -> Option<u32> {
    are_digits(digits).then(|| digits.iter().zip(weights).map(|(digit, weight)| value(*digit) * weight).sum())
}

/// The check digit of ISO/IEC 7064 MOD 11,10: the hybrid system.
pub(crate) fn mod_11_10(digits: &[u8]) -> bool {
    let Some((check, body)) = digits.split_last() else { return false };
    let product = body.iter().fold(10, |product, digit| {
        let sum = (product + value(*digit)) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    are_digits(digits) && (11 - product) % 10 == value(*check)
}

/// The check digits of ISO/IEC 7064 MOD 97-10, the last two characters: a remainder of 1. Takes letters in upper case too,
/// which count as 10 to 35.
pub(crate) fn mod_97_10(text: &[u8]) -> bool {
    let remainder = text.iter().try_fold(0, |remainder, byte| match byte {
        b'0'..=b'9' => Some((10 * remainder + u32::from(byte - b'0')) % 97),
        b'A'..=b'Z' => Some((100 * remainder + u32::from(byte - b'A') + 10) % 97),
        _ => None,
    });
    remainder == Some(1) && text.last_chunk::<2>().is_some_and(|check| are_digits(check)) && text.len() > 2
}

/// The check digit of Verhoeff: over the dihedral group D5, it finds every single wrong digit and every swap of two
/// neighbours (J. Verhoeff, Error Detecting Decimal Codes, 1969).
pub(crate) fn verhoeff(digits: &[u8]) -> bool {
    let permute =
        |digit: usize, times: usize| (0..times % 8).fold(digit, |digit, _| [1, 5, 7, 6, 2, 8, 3, 0, 9, 4][digit]);
    // Composition in D5: rotations are 0 to 4, reflections 5 to 9.
    let compose = |a: usize, b: usize| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    are_digits(digits)
        && digits
            .iter()
            .rev()
            .enumerate()
            .fold(0, |sum, (place, digit)| compose(sum, permute(value(*digit) as usize, place)))
            == 0
}

/// The number that digits are; 0 for anything else.
pub(crate) fn number(digits: &[u8]) -> u64 {
    if digits.len() > 18 || !are_digits(digits) {
        return 0;
    }
    digits.iter().fold(0, |number, digit| 10 * number + u64::from(value(*digit)))
}

/// Whether year, month and day of two digits each can be a date, years and leap days left open.
pub(crate) fn is_month_and_day(month: u64, day: u64) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day) && !(month == 2 && day > 29)
}

/// Whether all are digits, and not all the same one.
pub(crate) fn is_varied(digits: &[u8]) -> bool {
    are_digits(digits) && digits.windows(2).any(|pair| pair.first() != pair.last())
}

pub(crate) fn are_digits(digits: &[u8]) -> bool {
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn value(digit: u8) -> u32 {
    u32::from(digit.wrapping_sub(b'0')) % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the ten digits at a place keep a number valid: one, for a check that finds single errors.
    fn valid_neighbours(is: fn(&[u8]) -> bool, number: &[u8]) -> Vec<usize> {
        (0..number.len())
            .map(|place| {
                let mut number = number.to_vec();
                (b'0'..=b'9')
                    .filter(|digit| {
                        (number[place], is(&number)) != (0, false) && {
                            number[place] = *digit;
                            is(&number)
                        }
                    })
                    .count()
            })
            .collect()
    }

    #[test]
    fn each_finds_every_single_wrong_digit() {
        for (is, number) in [
            (luhn as fn(&[u8]) -> bool, b"4111111111111111".as_slice()),
            (mod_11_10, b"86095742719"),
            (mod_97_10, b"79444"),
            (verhoeff, b"2363"),
            (verhoeff, b"234123412346"),
        ] {
            assert!(is(number));
            assert!(valid_neighbours(is, number).iter().all(|valid| *valid == 1), "{number:?}");
            assert!(!is(b"12a4") && !is(b""));
        }
    }
}
