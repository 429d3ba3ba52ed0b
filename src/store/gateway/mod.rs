//! The embedded engine behind ClickHouse's HTTP interface, on loopback: `apitap store`.
//!
//! libchdb, which is ClickHouse as a library, runs in a process of its own, so that its faults and its memory are not the
//! sensor's. Everything else, the sensor included, talks to it as to any ClickHouse.
//!
//! The way of a request: [`server`] admits it, [`body`] reads and decodes its content, [`request`] takes its parameters
//! apart and [`sql`] its statement, [`run`] puts it through the engine as far as [`access`] allows, and [`response`] tells
//! what came of it. Only [`ffi`] calls the library.

mod access;
mod blocks;
mod body;
mod config;
mod confine;
mod credentials;
mod engine;
mod fault;
mod ffi;
mod file;
mod format;
mod locate;
mod native;
mod request;
mod response;
mod run;
mod server;
mod sql;
mod token;
pub mod utc;

use std::convert::Infallible;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

pub use confine::Confinement;
pub use credentials::{Role, read_password};
pub use engine::EngineError;
use fault::Fault;
pub use locate::{LIBRARY_VARIABLE, Missing, library};

/// What the store is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where data, configuration and credentials are kept.
    pub path: PathBuf,
    /// Where `store.json` is written.
    pub state: PathBuf,
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The engine's library, as [`library`] found it.
    pub library: PathBuf,
    /// Memory for the engine, in octets.
    pub memory: u64,
    /// Whether the store ends when its standard input does.
    pub lifetime: Lifetime,
}

/// How long the store serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until a signal.
    Signal,
    /// Until a signal, or the end of standard input: the store of a sensor does not outlive it.
    StandardInput,
}

/// Where a store serves: the content of `store.json` in the state directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    /// Its address and port.
    pub address: SocketAddr,
    /// Its process.
    pub pid: u32,
    /// Its data.
    pub path: PathBuf,
    /// The folder of its credentials, a file for each [`Role`].
    pub credentials: PathBuf,
    /// The engine's version.
    pub version: String,
}

impl Whereabouts {
    /// Its file in the state directory.
    pub const FILE: &str = "store.json";

    /// Reads what the last store of this state directory wrote. It may have ended since.
    pub fn read(state: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(state.join(Self::FILE))?)?)
    }
}

/// Why the store does not serve. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address is not one of this machine alone.
    #[error("--listen {0}: the store serves on loopback only; use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// The address is taken, or not allowed.
    #[error("--listen {address}: {source}; another port can be given, and port 0 takes a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Another store uses the same data.
    #[error("{path}: another store is using it{by}; stop that one, or give this one another --path", path = .path.display())]
    InUse {
        /// The data.
        path: PathBuf,
        /// Its process, when that is known.
        by: String,
    },
    /// A file or folder cannot be made or read.
    #[error("{path}: {source}; the store needs a folder that it may write to, given with --path", path = .path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program cannot be executed again.
    #[error("the store cannot begin again with UTC as its time zone: {0}; start it with TZ=UTC")]
    Again(io::Error),
    /// Privileges cannot be given up.
    #[error("privileges cannot be given up: {0}")]
    Confine(io::Error),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The system gives no signals or no event queue.
    #[error("the store cannot wait for requests: {0}")]
    Runtime(io::Error),
}

/// Serves until it is told to end, and then ends the process. `ready` is called once requests are answered.
pub fn serve(options: &Options, ready: impl FnOnce(&Whereabouts, Confinement)) -> Result<Infallible, StoreError> {
    utc::ensure().map_err(StoreError::Again)?;
    let folders = Folders::make(&options.path)?;
    // Held until the process ends, however it ends.
    let _lock = folders.lock()?;
    let listener = listen(options.listen)?;
    let credentials = credentials::Credentials::load_or_create(&folders.credentials)
        .map_err(|source| StoreError::Folder { path: folders.credentials.clone(), source })?;
    config::write(&folders.config, &folders.data, &folders.backups, config::Limits { memory: options.memory })
        .map_err(|source| StoreError::Folder { path: folders.config.clone(), source })?;
    let mut publication = Publication::prepare(&options.state)?;
    // Before any thread is started, the engine's or ours.
    confine::give_up_privileges().map_err(|error| StoreError::Confine(error.into()))?;
    let confinement = confine::stay_in(&confine::Places {
        data: [&folders.data, &folders.backups],
        config: &folders.config,
        state: &options.state,
        library: &options.library,
    })
    .map_err(|error| StoreError::Confine(io::Error::other(error)))?;
    let engine = engine::Engine::start(&options.library, &folders.data, &folders.config.join("config.xml"))?;
    let address = listener.local_addr().map_err(StoreError::Runtime)?;
    let whereabouts = Whereabouts {
        address,
        pid: std::process::id(),
        path: folders.path.clone(),
        credentials: folders.credentials,
        version: engine.version().to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StoreError::Runtime)?;
    runtime.block_on(async {
        let end = End::listen(options.lifetime).map_err(StoreError::Runtime)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(StoreError::Runtime)?;
        publication.publish(&whereabouts)?;
        ready(&whereabouts, confinement);
        server::Server { engine, credentials }.serve(listener, end.wait()).await;
        publication.withdraw();
        Ok::<(), StoreError>(())
    })?;
    // The engine's destructors are not to be run: some of its threads may still be there.
    ffi::exit_at_once(0)
}

/// What stands below the store's path.
struct Folders {
    path: PathBuf,
    data: PathBuf,
    config: PathBuf,
    backups: PathBuf,
    credentials: PathBuf,
}

impl Folders {
    fn make(path: &Path) -> Result<Self, StoreError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Folder { path, source }
        };
        // The engine takes a relative path, and then fails with some settings.
        let path = std::path::absolute(path).map_err(fail(path))?;
        let make = |path: PathBuf, mode: u32| match DirBuilder::new().recursive(true).mode(mode).create(&path) {
            Ok(()) => Ok(path),
            Err(error) => Err(fail(&path)(error)),
        };
        make(path.clone(), 0o750)?;
        Ok(Self {
            data: make(path.join("data"), 0o700)?,
            config: make(path.join("config"), 0o700)?,
            backups: make(path.join("backups"), 0o700)?,
            credentials: path.join("credentials"),
            path,
        })
    }

    /// Sees to it that one store uses the folder: the engine would say so as well, but less clearly.
    fn lock(&self) -> Result<File, StoreError> {
        let path = self.path.join("lock");
        let fail = |source| StoreError::Folder { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let is_read = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            let by = if is_read { format!(" (process {})", holder.trim()) } else { String::new() };
            return Err(StoreError::InUse { path: self.path.clone(), by });
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(fail)?;
        Ok(file)
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StoreError> {
    if !address.ip().is_loopback() {
        return Err(StoreError::NotLoopback(address));
    }
    let fail = |source| StoreError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    Ok(listener)
}

/// `store.json` before and after it has its name. It is opened while that is still allowed, and written once there is
/// something to say.
struct Publication {
    path: PathBuf,
    unnamed: PathBuf,
    file: File,
}

impl Publication {
    fn prepare(state: &Path) -> Result<Self, StoreError> {
        let path = state.join(Whereabouts::FILE);
        let prepared = || {
            DirBuilder::new().recursive(true).mode(0o750).create(state)?;
            // Its group may read it, as it may read some of the credentials.
            file::create_unnamed(&path, 0o640)
        };
        match prepared() {
            Ok((unnamed, file)) => Ok(Self { path, unnamed, file }),
            Err(source) => Err(StoreError::Folder { path, source }),
        }
    }

    /// Says where the store is.
    fn publish(&mut self, whereabouts: &Whereabouts) -> Result<(), StoreError> {
        let mut written = || {
            let json = serde_json::to_string_pretty(whereabouts)? + "\n";
            self.file.write_all(json.as_bytes())?;
            self.file.sync_all()?;
            fs::rename(&self.unnamed, &self.path)
        };
        written().map_err(|source| StoreError::Folder { path: self.path.clone(), source })
    }

    /// Takes that back, unless another store has said since that it is here.
    fn withdraw(&self) {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let named = fs::metadata(&self.path).map(identity).ok();
        if named.is_some() && named == self.file.metadata().map(identity).ok() {
            // What is left says where a store was; whoever reads it has to ask anyway.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        // There only when the store could not start.
        let _ = fs::remove_file(&self.unnamed);
    }
}

/// What tells the store to end.
struct End {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    input: Option<pipe::Receiver>,
}

impl End {
    fn listen(lifetime: Lifetime) -> io::Result<Self> {
        let input = match lifetime {
            Lifetime::Signal => None,
            Lifetime::StandardInput => {
                let input = io::stdin().as_fd().try_clone_to_owned()?;
                Some(pipe::Receiver::from_owned_fd(input)?)
            }
        };
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())?, input })
    }

    async fn wait(mut self) {
        let input = async {
            let Some(input) = &mut self.input else { return std::future::pending().await };
            let mut octets = [0; 64];
            // What comes in means nothing; that nothing can come any more does.
            while input.read(&mut octets).await.is_ok_and(|count| count > 0) {}
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = input => {}
        }
    }
}
