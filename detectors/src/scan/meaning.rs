//! What the name of a value says about it: `cardNumber`, `order_id`, "SSN on file".
//!
//! Names are taken apart into words ([`super::names`]), and rows of them looked up ([`super::vocabulary`]).

use super::EntityType;
use super::names::{Word, each_word};
use super::vocabulary::{Hash, MAX_WORDS, Vocabulary};
use crate::registry::SLOTS;

/// What a name says, as a set: a bit for each kind of value, and a few for what is of none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning(u64);

const _: () = assert!(EntityType::ALL.len() <= 57, "each kind and each class has a bit below those of no kind");

impl Meaning {
    /// A payment card number.
    pub(crate) const CARD: Self = Self::of_type(EntityType::PaymentCard);
    /// A telephone number.
    pub(crate) const PHONE: Self = Self::of_type(EntityType::Phone);
    /// A US social security number.
    pub(crate) const SSN: Self = Self::of_type(EntityType::UsSsn);
    /// A number that is given out or counted: an order, a tracking number, a time.
    pub(crate) const NUMBERED: Self = Self(1 << 63);
    /// A number, code or value of what the parent's name says.
    pub(crate) const GENERIC: Self = Self(1 << 62);
    /// Of those, a number of the parent: "order": {"number": ...}.
    pub(crate) const NUMBER_OF: Self = Self(1 << 61);
    /// A name of whatever the parent is.
    pub(crate) const NAME: Self = Self(1 << 60);
    /// Somebody: a customer, a patient.
    pub(crate) const PERSON: Self = Self(1 << 59);
    /// Something known, that is nothing to look for.
    pub(crate) const OTHER: Self = Self(1 << 57);

    /// A value of this type.
    pub(crate) const fn of_type(entity: EntityType) -> Self {
        Self::of_kind(entity as usize)
    }

    /// A value of the kind with this number.
    pub(crate) const fn of_kind(number: usize) -> Self {
        assert!(number < 57, "a bit for each kind");
        Self(1 << number)
    }

    /// A value of one of the configuration's classes.
    pub(crate) const CLASS: Self =
        Self((1 << EntityType::ALL.len()) - 1).without(Self((1 << (EntityType::ALL.len() - SLOTS.len())) - 1));

    /// A value of one of the types whose bits are set.
    pub(crate) const fn of_types(bits: u64) -> Self {
        Self(bits & (Self::OTHER.0 - 1))
    }

    /// Whether this holds any of `meaning`.
    pub(crate) const fn says(self, meaning: Self) -> bool {
        self.0 & meaning.0 != 0
    }

    /// Both together.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is left without `other`.
    #[must_use]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What both say.
    #[must_use]
    pub(crate) const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What it says of what the value is, alone.
    pub(crate) const fn telling(self) -> Self {
        const NEUTRAL: Meaning =
            Meaning::GENERIC.and(Meaning::NUMBER_OF).and(Meaning::NAME).and(Meaning::PERSON).and(Meaning::OTHER);
        self.without(NEUTRAL)
    }

    /// Whether the name says nothing of what its value is.
    pub(crate) const fn is_neutral(self) -> bool {
        self.telling().0 == 0
    }

    /// The numbers of the kinds that it says.
    pub(crate) fn kinds(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0 & (Self::OTHER.0 - 1);
        std::iter::from_fn(move || {
            let number = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(number)
        })
    }

    /// What an identifier says by a vocabulary: `customerCardNumber`, `order_id`, `Phone Number`.
    pub(crate) fn of_name_in(name: &[u8], vocabulary: &Vocabulary) -> Self {
        let mut words = Words::default();
        each_word(name, |word, _| words.push(word));
        let words = words.as_slice();
        let (mut all, mut alone, mut around) = (Self::default(), Self::default(), Beside::Nothing);
        let mut position = 0;
        let mut after = Beside::Nothing;
        while position < words.len() {
            let Some((entry, len)) = vocabulary.longest(words.get(position..).unwrap_or_default()) else {
                let beside = if is_joining(words[position].as_bytes()) { Beside::Nothing } else { Beside::Something };
                (around, after) = (around.max(beside), after.max(beside));
                position += 1;
                continue;
            };
            all = all.and(entry.meaning);
            alone = alone.and(entry.alone);
            position += len;
            if entry.alone == Self::default() && entry.meaning.is_neutral() {
                let joins = entry.meaning.says(Self::GENERIC.and(Self::PERSON));
                let beside = if joins { Beside::Nothing } else { Beside::Something };
                (around, after) = (around.max(beside), after.max(beside));
            } else if entry.meaning.says(vocabulary.by_name()) || entry.meaning.is_neutral() {
                after = Beside::Nothing;
            } else {
                (around, after) = (Beside::Something, Beside::Something);
            }
        }
        if around == Beside::Nothing {
            all = all.and(alone);
        }
        // `password_policy`, `passport_expiry`: something of the thing. In Romance languages the thing comes first, and
        // what follows it says whose: `fecha de nacimiento del cliente`.
        if after == Beside::Something {
            all = all.without(vocabulary.by_name());
        }
        if all.says(Self::NAME) && all.says(Self::PERSON) {
            all = all.and(Self::of_type(EntityType::PersonName));
        }
        if words.last().is_some_and(|last| is_ending(last.as_bytes())) && !vocabulary.ends_with_phrase(words) {
            // `phone_id`, `card_updated_at`: of the thing, not the thing.
            return all.within(NEUTRAL_OR_NUMBERED).and(Self::NUMBERED);
        }
        // `order_card_number` is a card number still.
        if all.says(Self::CARD) { all.without(Self::NUMBERED) } else { all }
    }

    /// What running text says of what comes next: the last telling phrase decides.
    pub(crate) fn of_text_in(text: &[u8], vocabulary: &Vocabulary) -> Self {
        let mut telling = Self::default();
        let mut row = [Word::default(); MAX_WORDS];
        each_word(text, |word, end| {
            row.rotate_left(1);
            row[MAX_WORDS - 1] = *word;
            if matches!(word.as_bytes(), b"call" | b"called" | b"calling" | b"calls" | b"dial" | b"reach" | b"ring") {
                telling = Self::PHONE;
                return;
            }
            for from in 0..MAX_WORDS {
                let row = &row[from..];
                let hash = row.iter().fold(Hash::default(), |hash, word| hash.word(word.as_bytes()));
                let Some(entry) = vocabulary.get(hash) else { continue };
                // `SIN 046 454 286` is no Spanish; a short name in capitals is meant as one.
                let is_capital = || {
                    let len = word.as_bytes().len();
                    end.checked_sub(len)
                        .and_then(|start| text.get(start..end))
                        .is_some_and(|word| word.iter().all(u8::is_ascii_uppercase))
                };
                let alone = if from == MAX_WORDS - 1 && is_capital() { entry.alone } else { Self::default() };
                let said = entry.meaning.and(alone).without(vocabulary.by_name());
                if !said.is_neutral() {
                    telling = said;
                    break;
                }
            }
        });
        telling
    }
}

const NEUTRAL_OR_NUMBERED: Meaning = Meaning::NUMBERED.and(Meaning::PERSON);

/// Whether words stand beside a phrase that make it another thing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Beside {
    Nothing,
    Something,
}

/// The first words of a name.
#[derive(Default)]
struct Words {
    words: [Word; 10],
    len: usize,
}

impl Words {
    fn push(&mut self, word: &Word) {
        if let Some(place) = self.words.get_mut(self.len) {
            *place = *word;
            self.len += 1;
        }
    }

    fn as_slice(&self) -> &[Word] {
        self.words.get(..self.len).unwrap_or_default()
    }
}

/// Words that join a thing with whose it is or which of them, and say nothing themselves.
fn is_joining(word: &[u8]) -> bool {
    matches!(
        word,
        b"a" | b"al"
            | b"an"
            | b"av"
            | b"current"
            | b"d"
            | b"da"
            | b"de"
            | b"del"
            | b"della"
            | b"der"
            | b"des"
            | b"di"
            | b"do"
            | b"du"
            | b"el"
            | b"existing"
            | b"field"
            | b"fld"
            | b"for"
            | b"id"
            | b"input"
            | b"l"
            | b"la"
            | b"le"
            | b"legal"
            | b"line"
            | b"my"
            | b"new"
            | b"o"
            | b"of"
            | b"old"
            | b"on"
            | b"order"
            | b"os"
            | b"other"
            | b"para"
            | b"per"
            | b"permanent"
            | b"physical"
            | b"po"
            | b"pour"
            | b"postal"
            | b"por"
            | b"primer"
            | b"residential"
            | b"str"
            | b"string"
            | b"s"
            | b"t"
            | b"tax"
            | b"the"
            | b"txt"
            | b"van"
            | b"von"
            | b"x"
            | b"y"
            | b"your"
            | b"z"
    )
}

/// Whether a name that ends with this word is of an identity, time or measure, whatever comes before.
fn is_ending(word: &[u8]) -> bool {
    matches!(
        word,
        b"id"
            | b"ids"
            | b"uid"
            | b"uuid"
            | b"guid"
            | b"at"
            | b"on"
            | b"time"
            | b"date"
            | b"ts"
            | b"timestamp"
            | b"ms"
            | b"us"
            | b"ns"
            | b"hash"
            | b"token"
            | b"count"
            | b"total"
            | b"verified"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_name(name: &str) -> Meaning {
        Meaning::of_name_in(name.as_bytes(), Vocabulary::built_in())
    }

    fn of_text(text: &str) -> Meaning {
        Meaning::of_text_in(text.as_bytes(), Vocabulary::built_in())
    }

    #[test]
    fn telling_names() {
        for (name, meaning) in [
            ("cardNumber", Meaning::CARD),
            ("order_card_number", Meaning::CARD),
            ("customerSSN", Meaning::SSN),
            ("social_security_number", Meaning::SSN),
            ("mobilePhone", Meaning::PHONE),
            ("payout_iban", Meaning::of_type(EntityType::Iban)),
            ("contactEmail", Meaning::of_type(EntityType::Email)),
            ("order_number", Meaning::NUMBERED),
            ("card_id", Meaning::NUMBERED),
            ("phoneVerifiedAt", Meaning::NUMBERED),
        ] {
            let said = of_name(name).telling();
            assert_eq!(said, meaning, "{name}");
        }
        for name in ["className", "discard", "hotel", "ref", "data", "field1", "", "companyName", "social"] {
            assert!(of_name(name).is_neutral(), "{name}");
        }
    }

    #[test]
    fn the_last_telling_word_of_a_text_decides() {
        assert_eq!(of_text("SSN on file"), Meaning::SSN);
        assert_eq!(of_text("paid by card, order no"), Meaning::NUMBERED);
        assert_eq!(of_text("order paid with card"), Meaning::CARD);
        assert_eq!(of_text("reach me at"), Meaning::PHONE);
        assert!(of_text("see you at").is_neutral());
    }
}
