//! The engine, started and stopped in order.

use std::ffi::CString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Fault;
use super::ffi::{Call, Connection, Library};

/// How many statements run at once. More would only share the same processors and the same memory.
const STATEMENTS: u32 = 8;

/// How long a statement waits for others to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The library cannot be loaded.
    #[error("{path}: the library cannot be loaded: {source}", path = .path.display())]
    Load {
        /// The library.
        path: std::path::PathBuf,
        /// What the loader said.
        source: libloading::Error,
    },
    /// The engine does not open its data.
    #[error("{path}: the engine cannot open its data; what it said stands above (it must belong to the user that runs \
             the store)", path = .0.display())]
    Open(std::path::PathBuf),
    /// The engine does not answer.
    #[error("the engine does not work: {0}")]
    Broken(String),
}

/// The running engine.
pub(super) struct Engine {
    library: &'static Library,
    arguments: Vec<CString>,
    /// Keeps the engine running: it stops with its last connection.
    keeper: Mutex<Option<Connection>>,
    version: String,
    statements: Arc<Semaphore>,
}

impl Engine {
    /// Loads the library and opens the data below the absolute path `data`.
    pub(super) fn start(library: &Path, data: &Path, config: &Path) -> Result<Self, EngineError> {
        let loaded = Library::load(library).map_err(|source| EngineError::Load { path: library.to_owned(), source })?;
        let argument = |name: &str, path: &Path| CString::new(format!("--{name}={}", path.display()));
        let open = || EngineError::Open(data.to_owned());
        let arguments = vec![
            c"apitap".to_owned(),
            argument("path", data).map_err(|_| open())?,
            argument("config-file", config).map_err(|_| open())?,
            // Without it `1` alone is a statement.
            c"--implicit_select=0".to_owned(),
        ];
        let mut keeper = Connection::open(loaded, &arguments).ok_or_else(open)?;
        let answer = keeper.query(Call { sql: b"SELECT version()", format: "TabSeparated", parameters: &[] });
        if let Some(error) = answer.error() {
            return Err(EngineError::Broken(error));
        }
        let version = String::from_utf8_lossy(answer.bytes()).trim().to_owned();
        drop(answer);
        let statements = Arc::new(Semaphore::new(STATEMENTS as usize));
        Ok(Self { library: loaded, arguments, keeper: Mutex::new(Some(keeper)), version, statements })
    }

    /// The engine's version, as its `version()` says.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// A connection for one request; `None` when the engine gives none.
    pub(super) fn connect(&self) -> Option<Connection> {
        Connection::open(self.library, &self.arguments)
    }

    /// Waits until a statement may run.
    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.statements).acquire_owned()).await;
        permit.map_err(|_| Fault::Busy)?.map_err(|_| Fault::Stopped)
    }

    /// Waits until nothing runs, at most for `patience`.
    pub(super) async fn idle(&self, patience: Duration) {
        // What still runs then is cut off, as by a crash: what was acknowledged is there, the rest whole or not at all.
        let _ = tokio::time::timeout(patience, self.statements.acquire_many(STATEMENTS)).await;
    }

    /// Closes the last connection and stops the engine. No statement may be running.
    pub(super) fn stop(&self) {
        drop(self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take());
        // Some of its threads often remain; the process ends without waiting for them.
        let _ = self.library.shut_down();
    }
}
