//! The store of a command: which one, started if need be, and what to say of it. There is one way to it for all commands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clickhouse::Client;

use super::args::{Password as PasswordOption, StoreOptions};
use super::tell;
use crate::config::{self, Choice, Config};
use crate::keys::{Keys, default_state_directory};
use crate::store::chain::ChainKey;
use crate::store::child::{self, Life, Supervised, Voice};
use crate::store::gateway::{self, Missing, Role};
use crate::store::schema;
use crate::store::spool::{self, Spool};
use crate::store::writer::{self, PASSWORD_VARIABLE, Password, Reach, Status, Storing, Target};

/// How long an embedded store has to start, for a command that needs it at once.
const START: Duration = Duration::from_secs(60);

/// The store that is meant: the one that is named, else the configured one. `None` when nobody says anything, which is the
/// embedded one, if it can be had.
pub(super) fn choose(
    named: Option<&Choice>,
    password: &PasswordOption,
    configured: &config::Store,
) -> Result<Option<Choice>, String> {
    let given = password.file.as_deref().map(password_in).transpose()?;
    let flag_or_environment = || given.clone().or_else(Password::of_environment);
    let choice = match (named, &configured.url) {
        (Some(Choice::Url(url)), _) => Some(Choice::Url(url.clone().or_password(flag_or_environment()))),
        (None, Some(Choice::Url(url))) => {
            let password = match flag_or_environment() {
                None => configured.password_file.as_deref().map(password_in).transpose()?,
                password => password,
            };
            Some(Choice::Url(url.clone().or_password(password)))
        }
        (Some(choice), _) | (None, Some(choice)) => Some(choice.clone()),
        (None, None) => None,
    };
    if given.is_some() && !matches!(choice, Some(Choice::Url(_))) {
        return Err(
            "--store-password-file is for a store that is a URL; the embedded store's passwords are its own".into()
        );
    }
    Ok(choice)
}

/// A file that holds a password, and can be read now.
fn password_in(path: &Path) -> Result<Password, String> {
    match Password::read_file(path) {
        Ok(_) => Ok(Password::File(path.to_owned())),
        Err(error) => Err(format!(
            "the store's password: {}: {error}; name a file that this user may read, or use {PASSWORD_VARIABLE}",
            path.display()
        )),
    }
}

/// A store that records go to.
pub(super) struct Opened {
    pub(super) storing: Storing,
    pub(super) child: Option<Supervised>,
    pub(super) target: Target,
}

/// The state directory, and the installation's key in it.
pub(super) fn state(config: &Config) -> Result<(PathBuf, Keys), String> {
    let state = state_directory(config)?;
    let keys = Keys::load_or_create(&state).map_err(|error| error.to_string())?;
    Ok((state, keys))
}

fn state_directory(config: &Config) -> Result<PathBuf, String> {
    let state = config.state.clone().or_else(default_state_directory);
    state.ok_or_else(|| "there is no state directory: name one with --state, or a store with --store".to_owned())
}

/// The folder of the spool of `sensor`.
pub(super) fn spool_folder(state: &Path, sensor: &str) -> PathBuf {
    state.join("spool").join(spool::folder_name(sensor))
}

/// The key of the chains of an installation.
pub(super) fn chain_key(keys: &Keys) -> Result<ChainKey, String> {
    keys.chain().map(ChainKey::new).ok_or_else(|| "a chain needs the installation's key: give --state".to_owned())
}

/// Opens spool and store for `sensor`; nothing when `choice` is none. To be called within a runtime.
pub(super) fn open(
    state: &Path,
    keys: &Keys,
    sensor: &str,
    choice: &Choice,
    settings: &config::Store,
) -> Result<Option<Opened>, String> {
    let target = match choice {
        Choice::None => return Ok(None),
        Choice::Url(url) => Target::Url(url.clone()),
        Choice::Embedded => Target::Embedded(state.to_owned()),
    };
    let embedded = match target {
        Target::Embedded(_) => Some(embedded(state, settings, Voice::Aloud)?),
        Target::Url(_) => None,
    };
    let key = chain_key(keys)?;
    let folder = spool_folder(state, sensor);
    let options = spool::Options { limit: settings.spool_size.bytes(), ..spool::Options::new(&folder) };
    let spool = Spool::open(&options, key.clone()).map_err(|error| error.to_string())?;
    let retention_days = settings.retention_days.get();
    let options = writer::Options { sensor: sensor.to_owned(), target: target.clone(), key, retention_days };
    let storing = writer::start(spool, options).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(Some(Opened { storing, child: embedded.map(child::supervise), target }))
}

/// What the embedded store of `state` is started with.
fn embedded(state: &Path, settings: &config::Store, voice: Voice) -> Result<child::Options, String> {
    let library = gateway::library(None).map_err(|missing: Missing| missing.to_string())?;
    let program = std::env::current_exe().map_err(|error| format!("the store cannot be started: {error}"))?;
    let engine_memory = settings.engine_memory.bytes();
    Ok(child::Options { engine_memory, voice, ..child::Options::new(program, state, library) })
}

/// A store that answers questions.
pub(super) struct Asked {
    pub(super) client: Client,
    pub(super) target: Target,
    child: Option<Supervised>,
}

impl Asked {
    /// Ends a store that was started for the questions, in order, so that the next one need not recover.
    pub(super) async fn end(self) {
        if let Some(child) = self.child {
            child.end().await;
        }
    }
}

/// Has `questions` asked of the store that is meant, with what `role` may do.
pub(super) async fn ask<T>(
    options: &StoreOptions,
    config: &Config,
    role: Role,
    questions: impl AsyncFnOnce(&Client) -> Result<T, String>,
) -> Result<T, String> {
    let choice = choose(options.store.as_ref(), &options.password, &config.store)?;
    let asked = to_ask(choice.as_ref(), config, role).await?;
    let answer = match schema::check(&asked.client).await {
        Ok(()) => questions(&asked.client).await,
        Err(error) => Err(error.to_string()),
    };
    asked.end().await;
    answer
}

/// The store that is meant, ready for questions: the embedded one is started when none is there.
pub(super) async fn to_ask(choice: Option<&Choice>, config: &Config, role: Role) -> Result<Asked, String> {
    let (target, child) = match choice {
        Some(Choice::Url(url)) => (Target::Url(url.clone()), None),
        Some(Choice::None) => {
            return Err("there is no store to ask: 'none' is what --store or the configuration says".into());
        }
        Some(Choice::Embedded) | None => {
            let state = state_directory(config)?;
            let child = if child::healthy(&state).await.is_some() { None } else { Some(start(&state, config).await?) };
            (Target::Embedded(state), child)
        }
    };
    match target.connect_as(role) {
        Ok(client) => Ok(Asked { client, target, child }),
        Err(said) => {
            if let Some(child) = child {
                child.end().await;
            }
            Err(format!("the store cannot be asked: {said}"))
        }
    }
}

/// Starts the embedded store on the data in `state`, and waits until it answers.
async fn start(state: &Path, config: &Config) -> Result<Supervised, String> {
    if !state.join("store").is_dir() {
        return Err(format!(
            "there is no store: none runs, and {} holds no data; name another state directory with --state, or a store with --store",
            state.display()
        ));
    }
    let mut child = child::supervise(embedded(state, &config.store, Voice::Kept)?);
    let started = async {
        while child::healthy(state).await.is_none() {
            if let Life::Ended(how) = &*child.life.borrow_and_update() {
                return Err(format!("the embedded store cannot be started: {how}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    let started = tokio::time::timeout(START, started).await;
    match started.unwrap_or_else(|_| Err("the embedded store does not start in time".into())) {
        Ok(()) => Ok(child),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_password_goes_to_the_configured_store_only() {
        let folder = std::env::temp_dir().join(format!("apitap-password-{}", std::process::id()));
        std::fs::write(&folder, "secret\n").unwrap();
        let configured = config::Store {
            url: Some("http://configured".parse().unwrap()),
            password_file: Some(folder.clone()),
            ..config::Store::default()
        };
        let nothing = PasswordOption { file: None };
        let has_password = |named: Option<&str>| {
            let named: Option<Choice> = named.map(|named| named.parse().unwrap());
            match choose(named.as_ref(), &nothing, &configured).unwrap() {
                Some(Choice::Url(url)) => Some(url.has_password()),
                _ => None,
            }
        };
        assert_eq!(has_password(None), Some(true));
        assert_eq!(has_password(Some("http://elsewhere")), Some(false));
        assert_eq!(has_password(Some("embedded")), None);
        std::fs::remove_file(&folder).unwrap();
        assert!(choose(None, &nothing, &configured).unwrap_err().contains(PASSWORD_VARIABLE));
    }
}
