//! What the alerts were, and how to ask for them again.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use apitap_detectors::finding::{Family, Severity};

use super::super::table::date_time;
use super::place::{Origin, Place};
use crate::alert::Revision;
use crate::config::{Choice, Config};
use crate::store::gateway::LIBRARY_VARIABLE;
use crate::time::Timestamp;

/// What the alerts were, as far as the end of the demo speaks of it.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) families: BTreeSet<Family>,
    /// The gravest alert: its severity, and as much of its id as one types.
    gravest: Option<(Severity, String)>,
    /// When the first of them began.
    first: Option<Timestamp>,
}

impl Seen {
    pub(super) fn take(&mut self, revision: &Revision) {
        self.families.insert(revision.family);
        if self.gravest.as_ref().is_none_or(|(severity, _)| revision.severity > *severity) {
            let id = revision.id.to_string();
            self.gravest = Some((revision.severity, id.split('-').next().unwrap_or_default().to_owned()));
        }
        self.first = Some(self.first.map_or(revision.first_seen, |first| first.min(revision.first_seen)));
    }
}

/// Says how to ask, and what stays. Where there is nothing to ask, nothing stays.
pub(super) fn invite(place: &Place, store: &Choice, seen: &Seen) {
    let (Some((_, id)), Some(first), Choice::Embedded) = (&seen.gravest, seen.first, store) else {
        return place.abandon();
    };
    let state = word(&place.path);
    let configured = Config::installed().ok().flatten().and_then(|config| config.store.url);
    // Whoever has configured another store would ask that one.
    let here =
        if configured.is_some() { format!("--state {state} --store embedded") } else { format!("--state {state}") };
    let apitap = Invocation::of_this_process();
    // What was recorded is older than the time that is counted without a word about it.
    let since = date(first);
    let mut text = format!(
        "\nThe alerts are in the embedded store now. Ask it:\n  \
         {apitap} alerts {here} --severity high\n  \
         {apitap} alerts show {id} {here}\n  \
         {apitap} alerts stats {here} --since {since}\n  \
         {apitap} query {here} 'SELECT family, uniqExact(alert_id) FROM apitap.alert_revisions GROUP BY family'\n  \
         {apitap} verify {here}\n",
        apitap = apitap.words(),
    );
    if place.origin == Origin::Made {
        let sudo = if apitap.is_sudo { "sudo " } else { "" };
        // Writing to memory does not fail.
        let _ = write!(text, "\n{state} stays; '{sudo}rm -r {state}' removes it.\n");
    }
    // Should nobody read any more, the demo has ended all the same.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// How this program was started, so that it can be started so again.
struct Invocation {
    is_sudo: bool,
    library: Option<OsString>,
    program: OsString,
}

impl Invocation {
    fn of_this_process() -> Self {
        Self {
            is_sudo: rustix::process::geteuid().is_root() && std::env::var_os("SUDO_USER").is_some(),
            library: std::env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty()),
            program: std::env::args_os().next().unwrap_or_else(|| "apitap".into()),
        }
    }

    /// The words that a command begins with.
    fn words(&self) -> String {
        let mut words = Vec::new();
        if self.is_sudo {
            words.push("sudo".to_owned());
        }
        if let Some(library) = &self.library {
            // sudo passes on little of what is in the environment.
            words.extend(self.is_sudo.then(|| "env".to_owned()));
            words.push(format!("{LIBRARY_VARIABLE}={}", word(Path::new(library))));
        }
        words.push(word(Path::new(&self.program)));
        words.join(" ")
    }
}

/// The day, in UTC.
fn date(time: Timestamp) -> String {
    date_time(time).split(' ').next().unwrap_or_default().to_owned()
}

/// A path as one word of a shell.
fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word() {
        assert_eq!(word(Path::new("/tmp/a-1")), "/tmp/a-1");
        assert_eq!(word(Path::new("/tmp/a b's")), "'/tmp/a b'\\''s'");
    }

    #[test]
    fn a_command_begins_as_the_demo_did() {
        let mut started = Invocation { is_sudo: false, library: None, program: "target/ci/apitap".into() };
        assert_eq!(started.words(), "target/ci/apitap");
        started.library = Some("/opt/my lib/libchdb.so".into());
        assert_eq!(started.words(), "APITAP_LIBCHDB='/opt/my lib/libchdb.so' target/ci/apitap");
        started.is_sudo = true;
        assert_eq!(started.words(), "sudo env APITAP_LIBCHDB='/opt/my lib/libchdb.so' target/ci/apitap");
    }
}
