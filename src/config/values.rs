//! Values that flags and configuration share: each type holds only what is allowed, wherever it was written.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::link::ChecksumPolicy;
use crate::store::writer::Url;

/// A number of bytes from `LEAST` to `MOST`, written as `4096`, `64K`, `1M` or `2G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> Size<LEAST, MOST> {
    /// So many bytes; a program that asks for a size out of range does not compile where this is a constant.
    pub const fn new(bytes: u64) -> Self {
        assert!(bytes >= LEAST && bytes <= MOST, "a size in its range");
        Self(bytes)
    }

    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    fn checked(bytes: u64) -> Result<Self, String> {
        let wrong = || format!("it must be from {} to {}", in_units(LEAST), in_units(MOST));
        (LEAST..=MOST).contains(&bytes).then_some(Self(bytes)).ok_or_else(wrong)
    }
}

impl<const LEAST: u64, const MOST: u64> FromStr for Size<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no size: write bytes, or a number with K, M or G, as in 64M");
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase().as_str() {
            "" | "B" => 0,
            "K" | "KB" | "KIB" => 10,
            "M" | "MB" | "MIB" => 20,
            "G" | "GB" | "GIB" => 30,
            _ => return Err(wrong()),
        };
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        number.checked_mul(1 << shift).ok_or_else(wrong).and_then(Self::checked)
    }
}

/// In the largest unit that leaves no rest.
fn in_units(bytes: u64) -> String {
    let units = [(30, "G"), (20, "M"), (10, "K")];
    let unit = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(shift, name)| format!("{}{name}", bytes >> shift))
}

impl<const LEAST: u64, const MOST: u64> fmt::Display for Size<LEAST, MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_units(self.0))
    }
}

impl<const LEAST: u64, const MOST: u64> Serialize for Size<LEAST, MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Size<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written<const LEAST: u64, const MOST: u64>;
        impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Written<LEAST, MOST> {
            type Value = Size<LEAST, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size, as in \"64M\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<Self::Value, E> {
                Size::checked(u64::try_from(bytes).unwrap_or(0)).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Count<const LEAST: u32, const MOST: u32>(u32);

impl<const LEAST: u32, const MOST: u32> Count<LEAST, MOST> {
    /// This number; a program that asks for one out of range does not compile where this is a constant.
    pub const fn new(number: u32) -> Self {
        assert!(number >= LEAST && number <= MOST, "a number in its range");
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    fn checked(number: i64) -> Result<Self, String> {
        let number = u32::try_from(number).ok().filter(|number| (LEAST..=MOST).contains(number));
        number.map(Self).ok_or_else(|| format!("it must be from {LEAST} to {MOST}"))
    }
}

impl<const LEAST: u32, const MOST: u32> FromStr for Count<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::checked(text.parse().map_err(|_| format!("'{text}' is no whole number"))?)
    }
}

impl<const LEAST: u32, const MOST: u32> fmt::Display for Count<LEAST, MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Count<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).and_then(|number| Self::checked(number).map_err(D::Error::custom))
    }
}

/// What to make of wrong checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checksums {
    /// Accepted from a sender until it has shown a valid one.
    #[default]
    Auto,
    /// Such segments are dropped.
    Verify,
    /// Not looked at.
    Ignore,
}

impl From<Checksums> for ChecksumPolicy {
    fn from(checksums: Checksums) -> Self {
        match checksums {
            Checksums::Auto => Self::Auto,
            Checksums::Verify => Self::Verify,
            Checksums::Ignore => Self::Ignore,
        }
    }
}

/// How alerts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object a line.
    Jsonl,
}

/// Which store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing is stored.
    None,
    /// The embedded store of the state directory.
    Embedded,
    /// A ClickHouse.
    Url(Url),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "embedded" => Ok(Self::Embedded),
            url => Url::parse(url).map(Self::Url).map_err(|error| error.to_string()),
        }
    }
}

/// As it may be shown: without user and password.
impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Embedded => serializer.serialize_str("embedded"),
            Self::Url(url) => serializer.collect_str(&format_args!("{url:?}")),
        }
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let choice: Self = String::deserialize(deserializer)?.parse().map_err(D::Error::custom)?;
        match choice {
            Self::Url(url) if url.has_password() => Err(D::Error::custom(
                "a URL with a password in it; write the password into a file and name that with 'password-file'",
            )),
            choice => Ok(choice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Small = Size<1, { 4 << 30 }>;

    #[test]
    fn sizes_have_units() {
        assert_eq!("4096".parse(), Ok(Small::new(4096)));
        assert_eq!("64M".parse(), Ok(Small::new(64 << 20)));
        assert_eq!("2g".parse(), Ok(Small::new(2 << 30)));
        for wrong in ["", "M", "12X", "-1", "1.5M", "99999999999999G", "0", "5G"] {
            assert!(wrong.parse::<Small>().is_err(), "{wrong}");
        }
        assert_eq!("1".parse::<Size<4096, 8192>>().unwrap_err(), "it must be from 4K to 8K");
        for text in ["64M", "1500", "4G", "3K"] {
            assert_eq!(text.parse::<Small>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn numbers_have_a_range() {
        assert_eq!("7".parse(), Ok(Count::<1, 7>::new(7)));
        for wrong in ["0", "8", "-1", "", "1.0", "99999999999"] {
            assert!(wrong.parse::<Count<1, 7>>().is_err(), "{wrong}");
        }
    }
}
