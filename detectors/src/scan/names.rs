//! Names taken apart into words: `homePhoneNo`, `home_phone_no`, `Home phone no.` and `HOME-PHONE-NO` are the same three.
//!
//! Words end at whatever is no letter and at humps of camel case. They are compared in lower case and without accents
//! (`Straße` is `strasse`, `teléfono` is `telefono`), since names are spelt both ways.

/// How many bytes of a word count: more than any word of the vocabulary has.
const LONGEST: usize = 36;

/// A word in lower case without accents; of a longer one than any in the vocabulary, the beginning.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Default for Word {
    fn default() -> Self {
        Self { bytes: [0; LONGEST], len: 0 }
    }
}

impl Word {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Calls `each` for every word of a name, with the offset behind it: `homePhoneNo2` has three, `SSNNumber` two.
pub(crate) fn each_word(name: &[u8], mut each: impl FnMut(&Word, usize)) {
    let mut word = Word::default();
    let mut before = b' ';
    let mut position = 0;
    while let Some(&byte) = name.get(position) {
        let is_letter = byte.is_ascii_alphabetic() || byte >= 0x80;
        let hump = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_uppercase() && name.get(position + 1).is_some_and(u8::is_ascii_lowercase));
        if (!is_letter || hump) && word.len > 0 {
            each(&word, position);
            word = Word::default();
        }
        before = byte;
        position += 1;
        if !is_letter {
            continue;
        }
        match (byte, name.get(position)) {
            // The two-byte letters of Latin-1 and Latin Extended-A (U+00C0 to U+017F) lose their accents.
            (0xc3..=0xc5, Some(&second @ 0x80..=0xbf)) => {
                position += 1;
                let folded = unaccented(byte, second);
                folded.iter().filter(|letter| **letter != 0).for_each(|letter| word.push(*letter));
            }
            _ => word.push(byte.to_ascii_lowercase()),
        }
    }
    if word.len > 0 {
        each(&word, name.len());
    }
}

/// The letters without accent that stand for a two-byte letter; the letter itself where there are none.
fn unaccented(first: u8, second: u8) -> [u8; 2] {
    let letter = u32::from(first & 0x1f) << 6 | u32::from(second & 0x3f);
    let one = |letter| [letter, 0];
    match letter {
        0xc0..=0xc4 | 0xe0..=0xe4 | 0x100..=0x105 => one(b'a'),
        0xc5 | 0xe5 => one(b'a'),
        0xc6 | 0xe6 => *b"ae",
        0xc7 | 0xe7 | 0x106..=0x10d => one(b'c'),
        0x10e..=0x111 => one(b'd'),
        0xc8..=0xcb | 0xe8..=0xeb | 0x112..=0x11b => one(b'e'),
        0x11c..=0x123 => one(b'g'),
        0xcc..=0xcf | 0xec..=0xef | 0x128..=0x131 => one(b'i'),
        0x139..=0x142 => one(b'l'),
        0xd1 | 0xf1 | 0x143..=0x148 => one(b'n'),
        0xd2..=0xd6 | 0xd8 | 0xf2..=0xf6 | 0xf8 | 0x14c..=0x151 => one(b'o'),
        0x154..=0x159 => one(b'r'),
        0x15a..=0x161 => one(b's'),
        0xdf => *b"ss",
        0x162..=0x167 => one(b't'),
        0xd9..=0xdc | 0xf9..=0xfc | 0x168..=0x173 => one(b'u'),
        0xdd | 0xfd | 0xff | 0x178 => one(b'y'),
        0x179..=0x17e => one(b'z'),
        _ => [first, second],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str) -> Vec<String> {
        let mut all = Vec::new();
        each_word(name.as_bytes(), |word, _| all.push(String::from_utf8_lossy(word.as_bytes()).into_owned()));
        all
    }

    #[test]
    fn every_spelling_gives_the_same_words() {
        for name in ["homePhoneNo2", "home_phone_no", "HOME-PHONE-NO", "Home phone no.", "home.phone.no", "HomePhoneNO"]
        {
            assert_eq!(words(name), ["home", "phone", "no"], "{name}");
        }
        assert_eq!(words("SSNNumber"), ["ssn", "number"]);
        assert!(words("  --1").is_empty());
    }

    #[test]
    fn accents_are_taken_off() {
        assert_eq!(words("Straße_Téléfono-número Imię łąka"), ["strasse", "telefono", "numero", "imie", "laka"]);
        assert_eq!(words("姓名"), ["姓名"]);
        assert_eq!(words("fødselsdato"), ["fodselsdato"]);
    }

    #[test]
    fn a_long_word_is_cut() {
        assert_eq!(words(&"x".repeat(90))[0].len(), LONGEST);
    }
}
