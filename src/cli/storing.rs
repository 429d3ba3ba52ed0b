//! The store of a command: which one, started if need be, and what to say of it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::tell;
use crate::keys::{Keys, default_state_directory};
use crate::store::chain::ChainKey;
use crate::store::child::{self, Life, Supervised};
use crate::store::gateway::{self, Missing};
use crate::store::schema::RETENTION_DAYS;
use crate::store::spool::{self, Spool};
use crate::store::writer::{self, Reach, Status, Storing, Target, Url, UrlError};

/// How long an embedded store has to start, for a command that needs it at once.
const START: Duration = Duration::from_secs(60);

/// What `--store` says.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Nothing is stored.
    None,
    /// The embedded store of the state directory.
    Embedded,
    /// A ClickHouse.
    Url(Url),
}

impl FromStr for Choice {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        match text {
            "none" => Ok(Self::None),
            "embedded" => Ok(Self::Embedded),
            url => Url::parse(url).map(Self::Url),
        }
    }
}

/// A store that records go to.
pub(super) struct Opened {
    pub(super) storing: Storing,
    pub(super) child: Option<Supervised>,
    pub(super) target: Target,
}

/// The state directory, and the installation's key in it.
pub(super) fn state(given: Option<&Path>) -> Result<(PathBuf, Keys), String> {
    let state = given.map(Path::to_path_buf).or_else(default_state_directory);
    let state = state.ok_or("there is no place for what waits for the store: give a directory with --state")?;
    let keys = Keys::load_or_create(&state).map_err(|error| error.to_string())?;
    Ok((state, keys))
}

/// The folder of the spool of `sensor`.
pub(super) fn spool_folder(state: &Path, sensor: &str) -> PathBuf {
    state.join("spool").join(spool::folder_name(sensor))
}

/// The key of the chains of an installation.
pub(super) fn chain_key(keys: &Keys) -> Result<ChainKey, String> {
    keys.chain().map(ChainKey::new).ok_or_else(|| "a chain needs the installation's key: give --state".to_owned())
}

/// Opens spool and store for `sensor`. To be called within a runtime; `choice` is not `none`.
pub(super) fn open(state: &Path, keys: &Keys, sensor: &str, choice: &Choice) -> Result<Option<Opened>, String> {
    let target = match choice {
        Choice::None => return Ok(None),
        Choice::Url(url) => Target::Url(url.clone()),
        Choice::Embedded => Target::Embedded(state.to_owned()),
    };
    let library = match target {
        Target::Embedded(_) => Some(gateway::library(None).map_err(|missing: Missing| missing.to_string())?),
        Target::Url(_) => None,
    };
    let key = chain_key(keys)?;
    let folder = spool_folder(state, sensor);
    let spool = Spool::open(&spool::Options::new(&folder), key.clone()).map_err(|error| error.to_string())?;
    let options =
        writer::Options { sensor: sensor.to_owned(), target: target.clone(), key, retention_days: RETENTION_DAYS };
    let storing = writer::start(spool, options).map_err(|error| format!("{}: {error}", folder.display()))?;
    let child = library.map(|library| supervise(state, library)).transpose()?;
    Ok(Some(Opened { storing, child, target }))
}

fn supervise(state: &Path, library: PathBuf) -> Result<Supervised, String> {
    let program = std::env::current_exe().map_err(|error| format!("the store cannot be started: {error}"))?;
    Ok(child::supervise(child::Options { program, state: state.to_owned(), library }))
}

/// A store to ask questions of: the one that is there, else an embedded one for as long as the command lives.
pub(super) async fn to_ask(state: &Path, choice: &Choice) -> Result<(Target, Option<Supervised>), String> {
    match choice {
        Choice::Url(url) => return Ok((Target::Url(url.clone()), None)),
        Choice::None => return Err("there is no store: --store says none".into()),
        Choice::Embedded => {}
    }
    let target = Target::Embedded(state.to_owned());
    if child::healthy(state).await.is_some() {
        return Ok((target, None));
    }
    let library = gateway::library(None).map_err(|missing: Missing| missing.to_string())?;
    let mut child = supervise(state, library)?;
    let started = async {
        while child::healthy(state).await.is_none() {
            if let Life::Ended(how) = &*child.life.borrow_and_update() {
                return Err(format!("the store does not start: {how}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    let started = tokio::time::timeout(START, started).await;
    match started.unwrap_or_else(|_| Err("the store does not start in time".into())) {
        Ok(()) => Ok((target, Some(child))),
        Err(line) => {
            child.end().await;
            Err(line)
        }
    }
}

/// Tells how it goes with the store, when that has changed.
pub(super) fn tell_reach(status: &Status, waiting: u64) {
    match &status.reach {
        Reach::Unknown => {}
        Reach::Fine if waiting == 0 => tell("store: it takes alerts"),
        Reach::Fine => tell(&format!("store: it takes alerts; {waiting} that waited are on their way")),
        Reach::Away(trouble, said) => {
            tell(&format!("store: it {} ({said}); alerts are kept on disk until it takes them", trouble.as_str()));
        }
    }
}
