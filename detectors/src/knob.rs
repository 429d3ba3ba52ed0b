//! Knobs: the thresholds of detectors, which the configuration may set.
//!
//! A knob is a number that a user can mean something by: how many, how long, what share, before something is told. What
//! bounds memory, what belongs to a grammar, and what only makes sense together with other numbers stays a constant.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A threshold that can be set.
#[derive(Debug, PartialEq, Eq)]
pub struct Knob {
    /// Its name, unique: its detector and a word, `scan.forced_browsing.paths`.
    pub name: &'static str,
    /// What is counted or measured, in one line.
    pub meaning: &'static str,
    /// What it is a number of: `paths`, `s`, `%`.
    pub unit: &'static str,
    /// What holds when nothing is said.
    pub default: u32,
    /// The least that can be set.
    pub least: u32,
    /// The most that can be set.
    pub most: u32,
    /// Why the default is what it is.
    pub reason: &'static str,
}

/// The thresholds that were set to something else than their defaults, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Thresholds(BTreeMap<&'static str, u32>);

impl Thresholds {
    /// Sets one.
    pub fn set(&mut self, knob: &'static Knob, number: i64) -> Result<(), OutOfRange> {
        let allowed = u32::try_from(number).ok().filter(|number| (knob.least..=knob.most).contains(number));
        let number = allowed.ok_or(OutOfRange(knob))?;
        if number == knob.default {
            self.0.remove(knob.name);
        } else {
            self.0.insert(knob.name, number);
        }
        Ok(())
    }

    /// What holds.
    pub fn get(&self, knob: &Knob) -> u32 {
        #[cfg(test)]
        tests::ASKED.with_borrow_mut(|asked| asked.push(knob.name));
        self.0.get(knob.name).copied().unwrap_or(knob.default)
    }
}

/// What was written for a knob is not a number that it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange(pub &'static Knob);

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Knob { name, least, most, default, unit, .. } = self.0;
        write!(f, "{name} must be a whole number from {least} to {most} ({unit}; {default} when nothing is said)")
    }
}

impl std::error::Error for OutOfRange {}

/// Makes a struct of thresholds: a field for each knob, which a judge copies when it is made.
///
/// A field's comment is what the knob means. Behind it stand the default with its unit, the range, the name, and the
/// reason of the default. Knobs are sorted by name.
macro_rules! knobs {
    ($(#[$about:meta])* $vis:vis struct $limits:ident { $(
        $(#[doc = $meaning:literal])+
        $field:ident: $type:ty = $default:literal $unit:literal, $least:literal to $most:literal, $name:literal,
            $reason:literal;
    )+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        $vis struct $limits { $($(#[doc = $meaning])+ $field: $type,)+ }

        impl $limits {
            /// What the fields are set by.
            $vis const KNOBS: [$crate::knob::Knob; [$($name),+].len()] = [$($crate::knob::Knob {
                name: $name,
                meaning: concat!($($meaning),+).trim_ascii_start(),
                unit: $unit,
                default: $default,
                least: $least,
                most: $most,
                reason: $reason,
            }),+];

            /// The numbers that hold.
            $vis fn of(settings: &$crate::inspect::Settings) -> Self {
                let [$($field),+] = &Self::KNOBS;
                Self { $($field: settings.thresholds.get($field) as $type),+ }
            }
        }
    };
}

pub(crate) use knobs;

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::inspect::Settings;

    thread_local! {
        /// The names of the thresholds that were asked for.
        pub(super) static ASKED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    /// The names of the thresholds that `act` asks for.
    pub(crate) fn asked(act: impl FnOnce()) -> Vec<&'static str> {
        ASKED.take();
        act();
        ASKED.take()
    }

    knobs! {
        /// For tests.
        struct Limits {
            /// Things before
            /// it is told.
            things: usize = 20 "things", 2 to 64, "scan.made_up.things", "Few have more.";
            /// How long.
            time: u64 = 120 "s", 10 to 3_600, "scan.made_up.time", "It is long enough.";
        }
    }

    static THINGS: &Knob = &Limits::KNOBS[0];

    #[test]
    fn a_number_that_is_set_holds_and_others_keep_their_defaults() {
        let mut settings = Settings::default();
        let Limits { things, time } = Limits::of(&settings);
        assert_eq!((things, time), (20, 120));
        settings.thresholds.set(THINGS, 30).unwrap();
        let Limits { things, time } = Limits::of(&settings);
        assert_eq!((things, time), (30, 120));
        assert_eq!(THINGS.meaning, "Things before it is told.");
    }

    #[test]
    fn only_what_differs_is_kept() {
        let mut thresholds = Thresholds::default();
        for number in [2, 64, 20] {
            thresholds.set(THINGS, number).unwrap();
            assert_eq!(i64::from(thresholds.get(THINGS)), number);
        }
        assert_eq!(thresholds, Thresholds::default());
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        let mut thresholds = Thresholds::default();
        for number in [1, 65, -20, i64::MAX, i64::from(u32::MAX) + 21] {
            let told = thresholds.set(THINGS, number).unwrap_err().to_string();
            assert_eq!(
                told,
                "scan.made_up.things must be a whole number from 2 to 64 (things; 20 when nothing is said)"
            );
        }
        assert_eq!(thresholds, Thresholds::default());
    }
}
