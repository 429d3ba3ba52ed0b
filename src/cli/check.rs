//! `apitap check`: what is missing to run the sensor here, and how to mend it. It changes nothing.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clickhouse::Client;
use rustix::fs::{Access, access, statvfs};
use serde::Serialize;

use super::alerts::{block_on, print};
use super::args::{CheckArgs, Common};
use super::text::visible;
use super::{Exit, overlaid, storing, tell};
use crate::capture::live::{self, Mode, OpenError, OpenErrorKind, interfaces};
use crate::config::{Choice, Config, Format, INSTALLED};
use crate::keys::Keys;
use crate::store::child;
use crate::store::gateway::{self, Role, Whereabouts};
use crate::store::schema::{self, SchemaError};
use crate::store::writer::Target;

/// What the embedded store takes on disk before there is much in it: some room for merging.
const ROOM: u64 = 1 << 30;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    verdict: Verdict,
    found: String,
    /// What to do about it.
    mend: Option<String>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Fine,
    /// The sensor runs, but better know.
    Note,
    Missing,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fine => "fine",
            Self::Note => "note",
            Self::Missing => "MISSING",
        })
    }
}

impl Finding {
    fn fine(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Fine, found: found.into(), mend: None }
    }

    fn note(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, ..Self::fine(what, found) }
    }

    fn missing(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict: Verdict::Missing, mend: Some(mend.into()), ..Self::fine(what, found) }
    }
}

pub(super) fn run(args: &CheckArgs, common: &Common) -> Exit {
    let findings = check(args, common);
    let default = if io::stdout().is_terminal() { Format::Table } else { Format::Jsonl };
    let written =
        print(|out| findings.iter().try_for_each(|finding| write(out, finding, args.format.unwrap_or(default))));
    if let Err(line) = written {
        tell(&line);
        return Exit::Failed;
    }
    let is_missing = findings.iter().any(|finding| finding.verdict == Verdict::Missing);
    if is_missing { Exit::Failed } else { Exit::Fine }
}

fn write(out: &mut dyn Write, finding: &Finding, format: Format) -> io::Result<()> {
    match format {
        Format::Jsonl => {
            serde_json::to_writer(&mut *out, finding)?;
            writeln!(out)
        }
        Format::Table => {
            writeln!(out, "{:<8} {:<14} {}", finding.verdict, finding.what, visible(&finding.found))?;
            // Where the eye finds it: below, and further in.
            finding.mend.as_ref().map_or(Ok(()), |mend| writeln!(out, "{:23} -> {}", "", visible(mend)))
        }
    }
}

fn check(args: &CheckArgs, common: &Common) -> Vec<Finding> {
    let (config, finding) = match configuration(common) {
        Ok(found) => found,
        // What everything else would be measured by is not known.
        Err(line) => return vec![Finding::missing("configuration", line, "mend that line, and check again")],
    };
    let mut findings = vec![finding];
    findings.push(privilege());
    findings.extend(of_interfaces(args, &config));
    let choice = storing::choose(args.store.store.as_ref(), &args.store.password, &config.store);
    let choice = match choice {
        Ok(choice) => choice,
        Err(line) => {
            findings.push(Finding::missing("store", line, "see 'password-file' in the configuration"));
            Some(Choice::None)
        }
    };
    findings.extend(of_state(&config, choice.as_ref()));
    findings.push(library(choice.as_ref()));
    findings.extend(store(&config, choice.as_ref()));
    findings
}

fn configuration(common: &Common) -> Result<(Config, Finding), String> {
    let (config, found) = match &common.config {
        Some(path) => (Config::load(path).map(Some), path.display().to_string()),
        None => (Config::installed(), INSTALLED.to_owned()),
    };
    let config = config.map_err(|error| error.to_string())?;
    let found = if config.is_some() { found } else { format!("none: {INSTALLED} is not there, and all is as usual") };
    Ok((overlaid(config.unwrap_or_default(), common), Finding::fine("configuration", found)))
}

/// Whether this program may capture: it tries to, where it needs no interface.
fn privilege() -> Finding {
    let options = live::Options { buffer: 1 << 20, mode: Mode::Own, ..live::Options::new("any") };
    match live::open(&options, 0) {
        Ok(_) if rustix::process::geteuid().is_root() => {
            Finding::note("privilege", "it may capture, as root; CAP_NET_RAW alone would do")
        }
        Ok(_) => Finding::fine("privilege", "it may capture"),
        Err(OpenError { kind: OpenErrorKind::PermissionDenied, .. }) => {
            let program = std::env::current_exe().map_or_else(|_| "PATH".to_owned(), |path| path.display().to_string());
            Finding::missing(
                "privilege",
                "this user may not capture",
                format!(
                    "sudo setcap cap_net_raw=ep '{program}'; or CAP_NET_RAW from systemd (AmbientCapabilities) or the \
                     container (cap_add: NET_RAW)"
                ),
            )
        }
        Err(error) => Finding::missing("privilege", error.to_string(), "see 'man 7 packet'"),
    }
}

fn of_interfaces(args: &CheckArgs, config: &Config) -> Vec<Finding> {
    let named = if args.interfaces.is_empty() { &config.capture.interfaces } else { &args.interfaces };
    if named.is_empty() {
        let up = interfaces().into_iter().filter(|interface| interface.up && interface.name != "any");
        let up: Vec<_> = up.map(|interface| interface.name).collect();
        let mend = format!("name one with -i or 'interfaces' in the configuration (up are: {})", up.join(", "));
        return vec![Finding::missing("interface", "none is named", mend)];
    }
    named.iter().map(|name| interface(name, args.filter.as_ref().or(config.capture.filter.as_ref()), config)).collect()
}

fn interface(name: &str, filter: Option<&String>, config: &Config) -> Finding {
    let what = "interface";
    let known = interfaces().into_iter().find(|interface| interface.name == name);
    if known.as_ref().is_some_and(|interface| !interface.up) {
        return Finding::missing(what, format!("{name} is down"), format!("sudo ip link set dev {name} up"));
    }
    let options = live::Options {
        filter: filter.cloned(),
        buffer: config.capture.buffer.bytes() as u32,
        snaplen: config.capture.snaplen.get(),
        mode: Mode::Own,
        ..live::Options::new(name)
    };
    match live::open(&options, 0) {
        Ok(_) => Finding::fine(what, format!("{name} is up, and can be captured on")),
        // Said already, once for all.
        Err(OpenError { kind: OpenErrorKind::PermissionDenied, .. }) if known.is_some() => {
            Finding::note(what, format!("{name} is up; whether it can be captured on needs the privilege"))
        }
        Err(OpenError { kind: OpenErrorKind::BadFilter { filter, message }, .. }) => {
            Finding::missing("filter", format!("'{filter}': {message}"), "'man pcap-filter' has the language")
        }
        Err(error) if known.is_none() => {
            let kind = match error.kind {
                OpenErrorKind::PermissionDenied => "there is no such interface".to_owned(),
                kind => kind.to_string(),
            };
            Finding::missing(what, format!("{name}: {kind}"), "'ip link' lists them")
        }
        Err(error) => Finding::missing(what, error.to_string(), format!("'ip link show {name}' says more")),
    }
}

fn of_state(config: &Config, choice: Option<&Choice>) -> Vec<Finding> {
    let what = "state";
    let Some(state) = config.state_directory() else {
        return vec![Finding::missing(
            what,
            "there is no directory",
            "name one with --state or 'state' in the configuration",
        )];
    };
    let shown = state.display().to_string();
    let Some(there) = state.ancestors().find(|path| path.exists()) else {
        return vec![Finding::missing(what, shown, "name another directory with --state")];
    };
    if access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let mend = format!("sudo install -d -m 0750 -o $(id -un) -g $(id -gn) '{shown}', or name another with --state");
        return vec![Finding::missing(what, format!("{} cannot be written by this user", there.display()), mend)];
    }
    let mut findings = Vec::new();
    let mode = state.metadata().map_or(0o700, |metadata| metadata.permissions().mode() & 0o7777);
    // Those who may write there could put a key or a store of their own there.
    findings.push(if mode & 0o022 != 0 {
        Finding::missing(
            what,
            format!("{shown} has mode {mode:04o}: others may write there"),
            format!("chmod go-w '{shown}'"),
        )
    } else if there == state {
        Finding::fine(what, format!("{shown}, mode {mode:04o}"))
    } else {
        Finding::fine(what, format!("{shown}, which is made when it is needed"))
    });
    if state.join("key").exists()
        && let Err(error) = Keys::load_or_create(&state)
    {
        findings.push(Finding::missing("key", error.to_string(), "the sensor does not start without it"));
    }
    findings.extend(disk(there, config, choice));
    findings
}

fn disk(there: &Path, config: &Config, choice: Option<&Choice>) -> Option<Finding> {
    if choice == Some(&Choice::None) {
        return None;
    }
    let disk = statvfs(there).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let store = if matches!(choice, Some(Choice::Url(_))) { 0 } else { ROOM };
    let wanted = config.store.spool_size.bytes().saturating_add(store);
    let found = format!("{} MB are free; spool and store may want {} MB", free >> 20, wanted >> 20);
    Some(if free >= wanted {
        Finding::fine("disk", found)
    } else {
        Finding::missing("disk", found, "make room, name another directory with --state, or make 'spool-size' smaller")
    })
}

fn library(choice: Option<&Choice>) -> Finding {
    let what = "library";
    let found = gateway::library(None);
    match (choice, found) {
        (Some(Choice::None | Choice::Url(_)), _) => Finding::fine(what, "not needed: the embedded store is not used"),
        (_, Ok(path)) => Finding::fine(what, path.display().to_string()),
        (Some(Choice::Embedded), Err(missing)) => {
            Finding::missing(what, missing.to_string(), "deploy/libchdb/install (x86-64 with glibc), or --store URL")
        }
        (None, Err(missing)) => Finding {
            mend: Some(
                "deploy/libchdb/install (x86-64 with glibc), or --store URL; --store none says that this is meant"
                    .into(),
            ),
            ..Finding::note(what, format!("{missing}; alerts are printed and not stored"))
        },
    }
}

fn store(config: &Config, choice: Option<&Choice>) -> Option<Finding> {
    let mut finding = None;
    // What it finds is in the finding.
    let looked = block_on(async {
        finding = match choice {
            Some(Choice::None) => None,
            Some(Choice::Url(url)) => {
                Some(asked(&Target::Url(url.clone()), &format!("{url:?} as {}", url.user())).await)
            }
            Some(Choice::Embedded) | None => embedded(config).await,
        };
        Ok(())
    });
    looked.err().map(|line| Finding::missing("store", line, "")).or(finding)
}

async fn embedded(config: &Config) -> Option<Finding> {
    let state = config.state_directory()?;
    match child::healthy(&state).await {
        Some(Whereabouts { address, .. }) => {
            Some(asked(&Target::Embedded(state), &format!("embedded, on {address}")).await)
        }
        None if gateway::library(None).is_ok() => Some(Finding::fine("store", "embedded; 'apitap run' starts it")),
        None => None,
    }
}

/// What a store says that should be there.
async fn asked(target: &Target, name: &str) -> Finding {
    let what = "store";
    let client = match target.connect_as(Role::Sensor) {
        Ok(client) => client,
        Err(said) => return Finding::missing(what, format!("{name}: {said}"), "it is this user's who runs the sensor"),
    };
    match schema::check(&client).await {
        Ok(()) => {
            Finding::fine(what, format!("{name}: it answers, its schema is this program's{}", free(&client).await))
        }
        Err(SchemaError::Missing) => {
            Finding::fine(what, format!("{name}: it answers, and is empty{}", free(&client).await))
        }
        Err(error @ SchemaError::Older { .. }) => Finding::note(what, format!("{name}: {error}")),
        Err(error @ (SchemaError::Newer { .. } | SchemaError::TooOld(_) | SchemaError::Behind { .. })) => {
            Finding::missing(what, format!("{name}: {error}"), "the sensor keeps alerts on disk until that is done")
        }
        Err(error) => {
            let error = error.to_string();
            let is_denied =
                ["516", "AUTHENTICATION_FAILED", "Authentication failed"].iter().any(|word| error.contains(word));
            let mend = if is_denied {
                "user or password are wrong: http://USER@host, password from --store-password-file, 'password-file' or \
                 APITAP_STORE_PASSWORD"
            } else {
                "is it running, and is this its HTTP port (8123)?"
            };
            Finding::missing(what, format!("{name}: {}", error.trim_end().replace('\n', " ")), mend)
        }
    }
}

/// How much room its disks have, if it says so.
async fn free(client: &Client) -> String {
    let sql = "SELECT sum(free_space) FROM system.disks";
    let free = client.clone().with_database("default").query(sql).fetch_one::<u64>().await;
    free.map_or_else(|_| String::new(), |free| format!(", {} MB of its disk are free", free >> 20))
}
