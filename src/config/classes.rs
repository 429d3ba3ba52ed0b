//! `[[detectors.classes]]`: kinds of data that an organisation describes itself.

use apitap_detectors::class::{Class, MAX_CLASSES, is_detector_name};
use apitap_detectors::registry::detectors;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::nearest::nearest;

/// Reads the classes: each its own detector, and no more than there is room for.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Class>, D::Error> {
    let classes = Vec::<Class>::deserialize(deserializer)?;
    if classes.len() > MAX_CLASSES {
        return Err(D::Error::custom(format!("there are {} classes; {MAX_CLASSES} at most", classes.len())));
    }
    let names: Vec<_> = classes.iter().map(Class::detector).collect();
    match names.iter().enumerate().find(|(n, name)| names.iter().take(*n).any(|other| other == *name)) {
        Some((_, name)) => Err(D::Error::custom(format!("two classes are called {name}: give each a name of its own"))),
        None => Ok(classes),
    }
}

/// The first of `names` that is spelt like the detector of a class and is of none, with what to say of it. Lists and rules
/// may stand before the classes, so that this is known when all was read.
pub(crate) fn missing<'a>(mut names: impl Iterator<Item = &'a str>, classes: &[Class]) -> Option<(String, &'a str)> {
    let known: Vec<_> = classes.iter().map(Class::detector).collect();
    let name = names.find(|name| is_detector_name(name) && !known.iter().any(|known| known == name))?;
    let all = known.iter().map(String::as_str).chain(detectors().map(|detector| detector.name));
    let said = match nearest(name, all) {
        Some(near) => format!("unknown detector '{name}'; did you mean '{near}'?"),
        None => format!("unknown detector '{name}': no class in [[detectors.classes]] is called so"),
    };
    Some((said, name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    const BADGE: &str = "[[detectors.classes]]\nname = 'badge'\nfamily = 'pii'\nnames = ['badge no']\n";

    fn parse(text: &str) -> Result<Vec<String>, String> {
        let config = Config::parse(text, Path::new("a.toml")).map_err(|error| error.to_string())?;
        Ok(config.detectors.classes.iter().map(Class::detector).collect())
    }

    #[track_caller]
    fn said(text: &str) -> String {
        parse(text).unwrap_err()
    }

    #[test]
    fn classes_are_taken_as_tables_and_on_one_line() {
        let key = "[[detectors.classes]]\nname = 'key'\nfamily = 'secret'\nprefix = 'acme_live_'\nformat = '####'\n\
                   check = 'luhn'\nseverity = 'critical'\ndescription = 'Opens the till.'\n";
        assert_eq!(parse(&format!("{BADGE}{key}")).unwrap(), ["pii.own.badge", "secret.own.key"]);
        let line = "[detectors]\nclasses = [{ name = 'badge', family = 'pii', names = ['badge no'] }]";
        assert_eq!(parse(line).unwrap(), ["pii.own.badge"]);
    }

    #[test]
    fn lists_and_rules_may_name_a_class_wherever_it_stands() {
        let rule = "[[detectors.suppress]]\ndetector = 'pii.own.badge'\nreason = 'x'\nexpires = '2027-01-31'\n";
        assert!(parse(&format!("[detectors]\nenabled = 'secret,pii.own.badge'\n{rule}{BADGE}")).is_ok());
        let near = said(&format!("[detectors]\nenabled = 'secret,pii.own.badges'\n{BADGE}"));
        assert_eq!(near, "a.toml:2: unknown detector 'pii.own.badges'; did you mean 'pii.own.badge'?");
        let none = said(&format!("# a comment\n{rule}"));
        assert_eq!(none, "a.toml:3: unknown detector 'pii.own.badge': no class in [[detectors.classes]] is called so");
    }

    #[test]
    fn faults_are_told_with_their_line_and_what_would_be_right() {
        let class = |more: &str| format!("\n[[detectors.classes]]\nname = 'badge'\n{more}");
        let told = said(&class("family = 'pii'\nformat = 'E####'"));
        assert!(told.starts_with("a.toml:2: class 'badge' has neither names nor prefix: give at least one"), "{told}");
        assert_eq!(said(&class("names = ['x']")), "a.toml:2: class 'badge': its family is \"pii\" or \"secret\"");
        assert_eq!(said(&class("famly = 'pii'")), "a.toml:4: unknown key 'famly' of a class; did you mean 'family'?");
        assert_eq!(
            said("[detectors]\nclasses = [{ prefx = 'pii' }]"),
            "a.toml:2: unknown key 'prefx' of a class; did you mean 'prefix'?"
        );
        let check = said(&class("check = 'mod11'"));
        assert!(check.starts_with("a.toml:4: check: unknown variant 'mod11', expected one of 'luhn', "), "{check}");
        assert!(said(&class("severity = 'hihg'")).starts_with("a.toml:4: severity: unknown variant 'hihg'"));
        let twice = said(&format!("{BADGE}{BADGE}"));
        assert_eq!(twice, "a.toml:1: two classes are called pii.own.badge: give each a name of its own");
        let many: String = (0..=MAX_CLASSES).map(|n| BADGE.replace("'badge'", &format!("'badge{n}'"))).collect();
        assert!(said(&many).ends_with("there are 17 classes; 16 at most"));
        assert!(said("[detectors]\nclases = []").contains("did you mean 'classes'?"));
    }
}
