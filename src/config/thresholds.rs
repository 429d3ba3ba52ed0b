//! `[detectors.thresholds]`: names of thresholds, in quotes, and their numbers.

use std::fmt;

use apitap_detectors::knob::{Knob, OutOfRange, Thresholds};
use apitap_detectors::registry::knobs;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::nearest::nearest;

/// Reads the table. Each fault stands at the name or number that it is about.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Thresholds, D::Error> {
    struct Table;
    impl<'de> Visitor<'de> for Table {
        type Value = Thresholds;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("names of thresholds and their numbers, as in { \"scan.forced_browsing.paths\" = 30 }")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Thresholds, A::Error> {
            let mut thresholds = Thresholds::default();
            while let Some(knob) = map.next_key_seed(Name)? {
                map.next_value_seed(Number { knob, thresholds: &mut thresholds })?;
            }
            Ok(thresholds)
        }
    }
    deserializer.deserialize_map(Table)
}

struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = &'static Knob;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static Knob, D::Error> {
        let name = String::deserialize(deserializer)?;
        knobs().find(|knob| knob.name == name).ok_or_else(|| D::Error::custom(unknown(&name)))
    }
}

struct Number<'a> {
    knob: &'static Knob,
    thresholds: &'a mut Thresholds,
}

impl<'de> DeserializeSeed<'de> for Number<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // What is no whole number is told like one that is out of range: with what would be right.
        let number = i64::deserialize(deserializer).map_err(|_| D::Error::custom(OutOfRange(self.knob)))?;
        self.thresholds.set(self.knob, number).map_err(D::Error::custom)
    }
}

fn unknown(name: &str) -> String {
    // Without quotes, TOML takes a name apart at its dots.
    if let Some(knob) = knobs().find(|knob| knob.name.split('.').next() == Some(name)) {
        return format!("{name}: the name of a threshold stands in quotes, as in \"{}\" = {}", knob.name, knob.default);
    }
    match nearest(name, knobs().map(|knob| knob.name)) {
        Some(near) => format!("unknown threshold '{name}'; did you mean '{near}'?"),
        None => format!("unknown threshold '{name}'; docs/detectors.md has them all"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Result<Thresholds, String> {
        let config = Config::parse(text, Path::new("a.toml")).map_err(|error| error.to_string())?;
        Ok(config.detectors.thresholds)
    }

    #[track_caller]
    fn said(lines: &str) -> String {
        parse(&format!("[detectors.thresholds]\n{lines}\n")).unwrap_err()
    }

    #[test]
    fn names_and_numbers_are_taken_as_a_table_and_on_one_line() {
        let table = parse("[detectors.thresholds]\n\"scan.forced_browsing.paths\" = 30\n\"pii.volume.common\" = 1_000");
        let line =
            parse("[detectors]\nthresholds = { \"scan.forced_browsing.paths\" = 30, \"pii.volume.common\" = 1000 }");
        assert_eq!(table, line);
        for knob in knobs() {
            let number = i64::from(table.as_ref().unwrap().get(knob));
            let expected = match knob.name {
                "scan.forced_browsing.paths" => 30,
                "pii.volume.common" => 1_000,
                _ => i64::from(knob.default),
            };
            assert_eq!(number, expected, "{}", knob.name);
        }
        assert_eq!(parse("[detectors.thresholds]\n"), Ok(Thresholds::default()));
    }

    #[test]
    fn both_ends_of_every_range_are_taken_and_what_lies_beyond_is_not() {
        for Knob { name, least, most, .. } in knobs() {
            let of = |number: i64| parse(&format!("[detectors.thresholds]\n\"{name}\" = {number}"));
            assert!(of(i64::from(*least)).is_ok() && of(i64::from(*most)).is_ok(), "{name}");
            assert!(of(i64::from(*least) - 1).is_err() && of(i64::from(*most) + 1).is_err(), "{name}");
        }
    }

    #[test]
    fn faults_are_told_with_their_line_and_what_would_be_right() {
        let range = "scan.forced_browsing.paths must be a whole number from 2 to 64 (paths; 20 when nothing is said)";
        for wrong in ["1", "65", "-3", "2.5", "'30'", "true", "[30]"] {
            let told = said(&format!("\"pii.volume.common\" = 300\n\"scan.forced_browsing.paths\" = {wrong}"));
            assert_eq!(told, format!("a.toml:3: {range}"));
        }
        assert_eq!(
            parse("[detectors]\nthresholds = { \"scan.forced_browsing.paths\" = 0 }"),
            Err(format!("a.toml:2: {range}"))
        );
        assert_eq!(
            said("# a comment\n\"scan.forced_browsing.path\" = 30"),
            "a.toml:3: unknown threshold 'scan.forced_browsing.path'; did you mean 'scan.forced_browsing.paths'?"
        );
        assert_eq!(said("\"x\" = 30"), "a.toml:2: unknown threshold 'x'; docs/detectors.md has them all");
        assert_eq!(
            said("scan.forced_browsing.paths = 30"),
            "a.toml:2: scan: the name of a threshold stands in quotes, as in \"scan.forced_browsing.paths\" = 20"
        );
        let table = parse("[detectors]\nthresholds = 30").unwrap_err();
        assert!(table.starts_with("a.toml:2: invalid type: integer '30', expected names of thresholds"), "{table}");
        let meant = parse("[detectors.threshold]\n").unwrap_err();
        assert_eq!(
            meant,
            "a.toml:1: unknown key 'threshold'; did you mean 'thresholds', which belongs in [detectors]?"
        );
    }
}
