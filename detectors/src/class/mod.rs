//! Classes: kinds of data that an organisation describes itself, in the configuration.
//!
//! *Why*: An employee number, a patient number or the key of an internal API is as personal, or as secret, as what this
//! sensor knows, and nobody else can know it.
//!
//! *Must match*: With a prefix, whatever begins with it and goes on as the class says, anywhere. Without, what stands under
//! one of the class's names and has its form and check digit; with a form or a check also in running text behind the name.
//! *Must not match*: A form alone. Eight digits are an order, a time and an account; the name or the prefix says which.
//!
//! Each class takes one of [`SLOTS`]: a type of its own like the built-in ones, so that tallies, names and evidence treat
//! it alike. Its texts and its vocabulary are leaked: a configuration is read once, detectors are `'static` everywhere, and
//! the bounds below hold a configuration's classes to about 300 KB.

pub(crate) mod form;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::form::{Form, Prefix};
use crate::finding::{Confidence, Detector, Family, Severity};
use crate::kind::{self, Kind, Told, Weight};
use crate::pii::check_digits::{is_varied, luhn, mod_11_10, mod_97_10, verhoeff};
use crate::registry::{EntityType, KINDS, SLOTS};
use crate::scan::meaning::Meaning;
use crate::scan::names::each_word;
use crate::scan::value::Value;
use crate::scan::vocabulary::{MAX_WORDS, Vocabulary};

/// How many classes there may be.
pub const MAX_CLASSES: usize = SLOTS.len();
/// How many names a class may have.
const MAX_NAMES: usize = 32;
/// How long a name, a prefix or a form may be, in bytes.
const MAX_TEXT: usize = 64;
/// How long the name of a class may be, in bytes.
const MAX_CLASS_NAME: usize = 40;
/// How long a description may be, in bytes.
const MAX_DESCRIPTION: usize = 500;
/// The length of the shortest value that begins with a prefix, in bytes.
pub(crate) const SHORTEST: usize = SHORTEST_PREFIX + SHORTEST_FORMAT;
/// The least that a prefix has, in bytes: three letters begin too many words.
const SHORTEST_PREFIX: usize = 4;
/// The least that a form has, in bytes.
const SHORTEST_FORMAT: usize = 4;

/// A class as it is written in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Unchecked")]
pub struct Class {
    name: String,
    family: Family,
    names: Vec<String>,
    prefix: Option<String>,
    format: Option<String>,
    check: Option<Check>,
    severity: Severity,
    description: Option<String>,
}

/// A class before it was looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    #[serde(default)]
    name: String,
    family: Option<Family>,
    #[serde(default)]
    names: Vec<String>,
    prefix: Option<String>,
    format: Option<String>,
    check: Option<Check>,
    severity: Option<Severity>,
    description: Option<String>,
}

/// How digits prove that somebody meant them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// ISO/IEC 7812-1, annex B: the last digit of payment cards.
    Luhn,
    /// Over the dihedral group D5.
    Verhoeff,
    /// ISO/IEC 7064 MOD 11,10: one check digit at the end.
    #[serde(rename = "mod11-10")]
    Mod11,
    /// ISO/IEC 7064 MOD 97-10: two check digits at the end, and letters count as 10 to 35.
    #[serde(rename = "mod97-10")]
    Mod97,
}

impl Check {
    /// Whether letters and digits, in upper case, pass. Letters count where the check has a value for them.
    fn holds(self, text: &[u8]) -> bool {
        if self == Self::Mod97 {
            return mod_97_10(text);
        }
        let (mut digits, mut len) = ([0; MAX_TEXT], 0);
        for (place, digit) in digits.iter_mut().zip(text.iter().filter(|byte| byte.is_ascii_digit())) {
            *place = *digit;
            len += 1;
        }
        let Some(digits) = digits.get(..len).filter(|digits| is_varied(digits)) else { return false };
        match self {
            Self::Luhn => luhn(digits),
            Self::Verhoeff => verhoeff(digits),
            Self::Mod11 => mod_11_10(digits),
            Self::Mod97 => false,
        }
    }

    /// Told by name and check, without a form: at least six letters and digits, digits alone where only they count.
    fn alone(self) -> fn(&[u8]) -> bool {
        const LEAST: usize = 6;
        fn are_digits(text: &[u8]) -> bool {
            text.len() >= LEAST && text.iter().all(u8::is_ascii_digit)
        }
        match self {
            Self::Luhn => |text| are_digits(text) && Self::Luhn.holds(text),
            Self::Verhoeff => |text| are_digits(text) && Self::Verhoeff.holds(text),
            Self::Mod11 => |text| are_digits(text) && Self::Mod11.holds(text),
            Self::Mod97 => |text| text.len() >= LEAST && Self::Mod97.holds(text),
        }
    }
}

/// What is wrong with a class, and how it is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has no name, or one that cannot be part of a detector's.
    Name(String),
    /// It is of no family, or of one that is about behaviour.
    Family(String),
    /// Nothing says where its values are.
    Everywhere(String),
    /// One of its names cannot be looked up; why.
    Field(String, String, &'static str),
    /// It has too many names.
    Names(String),
    /// Its prefix says too little or has what no token has.
    Prefix(String),
    /// Its form is none.
    Format(String),
    /// Its description is too long.
    Description(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) if name.is_empty() => {
                f.write_str("a class has no name: give it one, as in name = \"employee_number\"")
            }
            Self::Name(name) => write!(
                f,
                "class '{name}': a class's name is a lower-case letter and then such letters, digits and '_', at most \
                 {MAX_CLASS_NAME}"
            ),
            Self::Family(name) => write!(f, "class '{name}': its family is \"pii\" or \"secret\""),
            Self::Everywhere(name) => write!(
                f,
                "class '{name}' has neither names nor prefix: give at least one, since a form alone fits order numbers \
                 and times too"
            ),
            Self::Field(name, field, why) => write!(f, "class '{name}': the name '{field}' {why}"),
            Self::Names(name) => write!(f, "class '{name}' has more than {MAX_NAMES} names"),
            Self::Prefix(name) => write!(
                f,
                "class '{name}': a prefix is {SHORTEST_PREFIX} to {MAX_TEXT} letters, digits, '_', '-' and '.', and \
                 begins with a letter or digit"
            ),
            Self::Format(name) => write!(
                f,
                "class '{name}': a format is {SHORTEST_FORMAT} to {MAX_TEXT} printable ASCII characters, at least three of them '#' (a \
                 digit), '@' (a letter) or '*' (either); the others stand for themselves"
            ),
            Self::Description(name) => {
                write!(f, "class '{name}': its description has more than {MAX_DESCRIPTION} bytes")
            }
        }
    }
}

impl std::error::Error for Fault {}

impl TryFrom<Unchecked> for Class {
    type Error = Fault;

    fn try_from(written: Unchecked) -> Result<Self, Fault> {
        let Unchecked { name, family, names, prefix, format, check, severity, description } = written;
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.len() > MAX_CLASS_NAME
            || !name.starts_with(|c: char| c.is_ascii_lowercase())
            || !name.bytes().all(is_word)
        {
            return Err(Fault::Name(name));
        }
        let Some(family @ (Family::Pii | Family::Secret)) = family else { return Err(Fault::Family(name)) };
        if names.is_empty() && prefix.is_none() {
            return Err(Fault::Everywhere(name));
        }
        if names.len() > MAX_NAMES {
            return Err(Fault::Names(name));
        }
        if let Some((field, why)) = names.iter().find_map(|field| Some((field, refused(field)?))) {
            return Err(Fault::Field(name, field.clone(), why));
        }
        if prefix.as_ref().is_some_and(|prefix| {
            !(SHORTEST_PREFIX..=MAX_TEXT).contains(&prefix.len())
                || !prefix.starts_with(|c: char| c.is_ascii_alphanumeric())
                || !prefix.bytes().all(form::is_token_byte)
        }) {
            return Err(Fault::Prefix(name));
        }
        if format
            .as_ref()
            .is_some_and(|format| !(SHORTEST_FORMAT..=MAX_TEXT).contains(&format.len()) || !Form::is_one(format))
        {
            return Err(Fault::Format(name));
        }
        if description.as_ref().is_some_and(|description| description.len() > MAX_DESCRIPTION) {
            return Err(Fault::Description(name));
        }
        let severity = severity.unwrap_or(Severity::High);
        Ok(Self { name, family, names, prefix, format, check, severity, description })
    }
}

/// Why a field's name cannot be one of a class's.
fn refused(field: &str) -> Option<&'static str> {
    let mut words = 0;
    each_word(field.as_bytes(), |_, _| words += 1);
    let meaning = Meaning::of_name_in(field.as_bytes(), Vocabulary::built_in());
    if field.len() > MAX_TEXT {
        Some("is too long: 64 bytes at most")
    } else if words == 0 {
        Some("has no letter")
    } else if words > MAX_WORDS {
        Some("has too many words: four at most, since a part of a longer name is found in it")
    } else if words == 1 && (field.eq_ignore_ascii_case("id") || meaning.says(Meaning::GENERIC.and(Meaning::NAME))) {
        Some("says too little: add what it is of, as in 'employee number'")
    } else {
        None
    }
}

impl Class {
    /// What a class may say.
    pub const KEYS: [&str; 8] = ["name", "family", "names", "prefix", "format", "check", "severity", "description"];

    /// The name of its detector: `pii.own.employee_number`.
    pub fn detector(&self) -> String {
        format!("{}.{OWN}.{}", self.family, self.name)
    }

    fn kind(&self) -> Kind {
        let title = self.name.replace('_', " ");
        let description = self.description.clone().unwrap_or_else(|| {
            format!("A response holds values of the class {}, which the configuration of this sensor names.", self.name)
        });
        let is_secret = self.family == Family::Secret;
        let like = if is_secret { &LIKE_A_SECRET } else { &LIKE_PII };
        let detector = Detector {
            name: leak(self.detector()),
            family: self.family,
            title: leak(format!("Data of the class '{title}' in a response")),
            description: leak(description),
            ..*like
        };
        let form = self.format.as_deref().map(|format| Form::of(format, self.check));
        let told = match (&self.prefix, form, self.check) {
            (Some(prefix), form, check) => Told::Prefix(Box::leak(Box::new(Prefix::of(prefix, form, check)))),
            (None, Some(form), _) => Told::NameAndForm(Box::leak(Box::new(form))),
            (None, None, Some(check)) => Told::NameAndDigits(check.alone()),
            (None, None, None) => Told::Name(says_something),
        };
        Kind {
            detector,
            weight: Weight::Given(self.severity),
            names: &[],
            told,
            confidence: Confidence::Medium,
            normalise: |character| (!character.is_whitespace()).then_some(character),
            mask: match (is_secret, &self.prefix) {
                (false, _) => |value| kind::last(value, 2, "*******"),
                (true, Some(_)) => |value| kind::first(value, SHORTEST_PREFIX),
                (true, None) => |_| "********".to_owned(),
            },
        }
    }
}

/// The word between family and name in the names of their detectors: a class cannot be taken for a built-in kind.
const OWN: &str = "own";

/// Whether a name is spelt like that of a class's detector.
pub fn is_detector_name(name: &str) -> bool {
    let mut parts = name.splitn(3, '.');
    matches!((parts.next(), parts.next(), parts.next()), (Some("pii" | "secret"), Some(OWN), Some(_)))
}

/// What is said of personal data that an organisation names.
static LIKE_PII: Detector = Detector {
    name: "",
    family: Family::Pii,
    title: "",
    description: "",
    remediation: "Leave the value out where it is not needed, and check who may call this endpoint.",
    owasp: "API3:2023",
    cwe: "CWE-359",
    attack: "T1530",
};

/// What is said of secrets that an organisation names.
static LIKE_A_SECRET: Detector = Detector {
    name: "",
    family: Family::Secret,
    title: "",
    description: "",
    remediation: "Revoke it now, and make a new one that no message holds. Find out who received this one.",
    owasp: "API8:2023",
    cwe: "CWE-522",
    attack: "T1552",
};

/// A type that no class took.
pub(crate) static VACANT: Kind = Kind {
    detector: Detector {
        name: "own",
        family: Family::Pii,
        title: "",
        description: "",
        remediation: "",
        owasp: "",
        cwe: "",
        attack: "",
    },
    weight: Weight::Given(Severity::Info),
    names: &[],
    told: Told::Form,
    confidence: Confidence::Low,
    normalise: Some,
    mask: |_| String::new(),
};

/// Whether a value under a class's name is one: not empty, `null`, `***` or the like.
fn says_something(value: &Value<'_>) -> bool {
    let text = value.text();
    let mut letters = text.chars().filter(|character| character.is_alphanumeric());
    let Some(first) = letters.next() else { return false };
    let (mut count, mut varied) = (1, false);
    for letter in letters {
        count += 1;
        varied |= letter != first;
    }
    count >= 3
        && varied
        && !["null", "none", "true", "false", "undefined", "unknown", "n/a"]
            .iter()
            .any(|nothing| text.eq_ignore_ascii_case(nothing))
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// The classes that a sensor knows. Cheap to copy; none when nothing is said.
#[derive(Clone, Copy, Default)]
pub struct Classes(Option<&'static Known>);

struct Known {
    kinds: &'static [Kind],
    prefixes: Vec<(EntityType, &'static Prefix)>,
    vocabulary: Vocabulary,
}

impl Classes {
    /// Makes classes known for as long as the program runs. Of more than [`MAX_CLASSES`] the first are taken.
    pub fn new(classes: &[Class]) -> Self {
        let classes = classes.get(..MAX_CLASSES).unwrap_or(classes);
        if classes.is_empty() {
            return Self::default();
        }
        let kinds: &'static [Kind] = Box::leak(classes.iter().map(Class::kind).collect());
        let phrases = classes.iter().enumerate().flat_map(|(slot, class)| {
            class.names.iter().map(move |name| {
                let mut phrase = String::new();
                each_word(name.as_bytes(), |word, _| {
                    if !phrase.is_empty() {
                        phrase.push(' ');
                    }
                    phrase.push_str(&String::from_utf8_lossy(word.as_bytes()));
                });
                (phrase, Meaning::of_kind(KINDS.len() + slot))
            })
        });
        let prefixes = kinds.iter().zip(SLOTS).filter_map(|(kind, slot)| match kind.told {
            Told::Prefix(prefix) => Some((*slot, prefix)),
            _ => None,
        });
        let prefixes = prefixes.collect();
        Self(Some(Box::leak(Box::new(Known { kinds, prefixes, vocabulary: Vocabulary::with(kinds, phrases) }))))
    }

    /// The classes' types.
    pub fn types(self) -> impl Iterator<Item = EntityType> {
        SLOTS.iter().copied().take(self.kinds().len())
    }

    /// The name that stands in statistics and evidence; of a class `own.employee_number`.
    pub fn name_of(self, entity: EntityType) -> &'static str {
        self.kind(entity).name()
    }

    /// What their detectors are.
    pub fn detectors(self) -> impl Iterator<Item = &'static Detector> {
        self.kinds().iter().map(|kind| &kind.detector)
    }

    /// What is known of a type, built in or a class's.
    pub(crate) fn kind(self, entity: EntityType) -> &'static Kind {
        let own = (entity as usize).checked_sub(KINDS.len()).and_then(|slot| self.kinds().get(slot));
        own.unwrap_or_else(|| entity.kind())
    }

    /// The names of fields that are known: the built-in ones, and those of the classes.
    pub(crate) fn vocabulary(self) -> &'static Vocabulary {
        self.0.map_or_else(Vocabulary::built_in, |known| &known.vocabulary)
    }

    /// The classes that are told by a prefix.
    pub(crate) fn prefixes(self) -> &'static [(EntityType, &'static Prefix)] {
        self.0.map_or(&[], |known| &known.prefixes)
    }

    fn kinds(self) -> &'static [Kind] {
        self.0.map_or(&[], |known| known.kinds)
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.detectors().map(|detector| detector.name)).finish()
    }
}

#[cfg(test)]
pub(crate) mod tests;
