//! What can be wrong with a configuration, in one line for the person who wrote it.

use std::io;
use std::path::{Path, PathBuf};

use apitap_detectors::class::Class;

use super::Config;
use crate::alert::suppress::Suppression;
use crate::nearest::nearest;

/// Why there is no configuration. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}; --config names another file, and --config /dev/null none", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What stands there is not understood.
    #[error("{path}:{line}: {said}", path = .path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        said: String,
    },
    /// What stands there makes no sense together.
    #[error("{path}: {said}", path = .path.display())]
    Contrary {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        said: String,
    },
}

impl ConfigError {
    pub(super) fn explain(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let written = text.lines().nth(line - 1).unwrap_or_default();
        Self::Wrong { path: path.to_owned(), line, said: said(error.message(), written, section(before)) }
    }

    /// What is wrong with something that is written in `text`.
    pub(super) fn at(path: &Path, text: &str, written: &str, said: String) -> Self {
        let before = text.find(written).and_then(|at| text.get(..at)).unwrap_or_default();
        Self::Wrong { path: path.to_owned(), line: before.matches('\n').count() + 1, said }
    }

    pub(super) fn twice(path: &Path, interface: &str) -> Self {
        let said = format!("interface {interface} is named twice; once is enough");
        Self::Contrary { path: path.to_owned(), said }
    }
}

/// Sections of which there may be several, and which may stand on one line: with what one of them is, and its keys.
const LISTS: [(&str, &str, &str, &[&str]); 2] = [
    ("detectors.suppress", "suppress", "a suppression", &Suppression::KEYS),
    ("detectors.classes", "classes", "a class", &Class::KEYS),
];

/// The section of thresholds.
const THRESHOLDS: &str = "detectors.thresholds";

/// The name of the section that is open where `before` ends.
fn section(before: &str) -> &str {
    let headers = before.lines().filter_map(|line| line.trim().strip_prefix('[')?.split(']').next());
    headers.fold("", |_, header| header.trim_start_matches('[')).trim()
}

fn said(message: &str, written: &str, section: &str) -> String {
    let message = message.trim().replace('\n', "; ");
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let list = LISTS
        .iter()
        .find(|(list, key, ..)| section == *list || written.trim_start().strip_prefix(key).is_some_and(is_value));
    match (unknown, list) {
        (Some(name), Some((_, _, one, keys))) => match nearest(name, keys.iter().copied()) {
            Some(near) => format!("unknown key '{name}' of {one}; did you mean '{near}'?"),
            None => format!("unknown key '{name}' of {one} (there are: {})", keys.join(", ")),
        },
        (Some(name), None) => format!("unknown key '{name}'{}", meant(name, section)),
        // Of syntax there is no more to say than the line.
        (None, _) => match written.split_once('=').map(|(key, _)| key.trim()) {
            // Several thresholds may stand on one line: what is said of one names it.
            _ if section == THRESHOLDS || written.trim_start().starts_with("thresholds") => message.replace('`', "'"),
            Some(key) if !key.is_empty() && !key.starts_with('#') => format!("{key}: {}", message.replace('`', "'")),
            _ => message.replace('`', "'"),
        },
    }
}

/// Whether what stands behind a key is its value.
fn is_value(rest: &str) -> bool {
    rest.trim_start().starts_with('=')
}

/// What was meant by a key that is none in its section.
fn meant(name: &str, section: &str) -> String {
    let keys = Config::keys();
    let place = |section: &str| match section {
        "" => "stands before the first section".to_owned(),
        section => format!("belongs in [{section}]"),
    };
    let elsewhere = keys.iter().find(|(other, keys)| *other != section && keys.iter().any(|key| key == name));
    if let Some((other, _)) = elsewhere {
        return format!(" here: it {}", place(other));
    }
    let sections = keys.keys().filter(|name| section.is_empty() && !name.is_empty());
    let here = keys.get(section).into_iter().flatten().chain(sections);
    let here: Vec<_> = here.map(String::as_str).collect();
    match nearest(name, here.iter().copied()) {
        Some(near) => format!("; did you mean '{near}'?"),
        None => match nearest(name, keys.values().flatten().map(String::as_str)) {
            Some(near) => {
                let home = keys.iter().find(|(_, keys)| keys.iter().any(|key| key == near));
                format!("; did you mean '{near}', which {}?", place(home.map_or("", |(home, _)| home)))
            }
            None => format!(" (there are: {})", here.join(", ")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn said(text: &str) -> String {
        Config::parse(text, Path::new("a.toml")).unwrap_err().to_string()
    }

    #[test]
    fn unknown_keys_are_told_with_what_was_meant() {
        assert_eq!(said("[capture]\n\nbufer = 1"), "a.toml:3: unknown key 'bufer'; did you mean 'buffer'?");
        assert_eq!(said("[captur]\n"), "a.toml:1: unknown key 'captur'; did you mean 'capture'?");
        assert_eq!(said("[store]\nmemory = '1G'"), "a.toml:2: unknown key 'memory' here: it belongs in [analysis]");
        assert_eq!(said("snaplen = 5"), "a.toml:1: unknown key 'snaplen' here: it belongs in [capture]");
        assert_eq!(
            said("[store]\npassword_file = ''"),
            "a.toml:2: unknown key 'password_file'; did you mean 'password-file'?"
        );
        assert_eq!(said("[output]\nsomething = 1"), "a.toml:2: unknown key 'something' (there are: format)");
        let elsewhere = said("[output]\nsnaplenn = 1");
        assert_eq!(elsewhere, "a.toml:2: unknown key 'snaplenn'; did you mean 'snaplen', which belongs in [capture]?");
    }

    #[test]
    fn wrong_values_are_told_with_their_line() {
        assert_eq!(said("[capture]\nbuffer = \"1K\""), "a.toml:2: buffer: it must be from 1M to 2147483647");
        assert_eq!(said("[capture]\nsnaplen = 1"), "a.toml:2: snaplen: it must be from 64 to 262144");
        assert!(said("[capture]\npromiscuous = 'yes'").starts_with("a.toml:2: promiscuous: "));
        assert!(
            said("[analysis]\nchecksums = 'off'")
                .starts_with("a.toml:2: checksums: unknown variant 'off', expected one of")
        );
        assert!(said("[detectors]\nenabled = 'nonsense'").contains("the families pii, "));
        assert!(
            said("[store]\nurl = 'https://h'")
                .starts_with("a.toml:2: url: store https://h: this version speaks no TLS")
        );
        assert!(said("[capture]\nbuffer").starts_with("a.toml:2: "));
        assert!(said("[capture]\ninterfaces = ['a', 'b', 'a']").contains("interface a is named twice"));
    }

    #[test]
    fn a_suppression_is_told_with_what_was_meant() {
        let rule = |more: &str| format!("[[detectors.suppress]]\nreason = 'x'\nexpires = '2027-01-31'\n{more}\n");
        let config = Config::parse(&rule("family = 'pii'"), Path::new("a.toml")).unwrap();
        assert_eq!(config.detectors.suppress[0].to_string(), "family=pii");
        let near = said(&rule("famly = 'pii'"));
        assert_eq!(near, "a.toml:4: unknown key 'famly' of a suppression; did you mean 'family'?");
        assert!(said(&rule("nonsense = 1")).contains("(there are: family, detector, "));
        let unknown = said(&rule("detector = 'pii.emial'"));
        assert!(unknown.starts_with("a.toml:1: ") && unknown.contains("did you mean 'pii.email'?"), "{unknown}");
        assert!(said(&rule("")).contains("name at least one"));
        let line = said("[detectors]\nsuppress = [{ famly = 'pii' }]");
        assert_eq!(line, "a.toml:2: unknown key 'famly' of a suppression; did you mean 'family'?");
        assert!(said("[detectors]\nsupress = []").contains("did you mean 'suppress'?"));
    }

    #[test]
    fn a_password_stands_in_a_file_of_its_own() {
        let told = said("[store]\nurl = 'http://u:secret@h'");
        assert!(told.contains("password-file") && !told.contains("secret"), "{told}");
    }
}
