//! Which store is asked, and how it is reached.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clickhouse::Client;

use super::args::{Common, ConnectionArgs};
use crate::keys::default_state_directory;
use crate::store::client::client;
use crate::store::gateway::{Role, Whereabouts, read_password, utc};
use crate::store::schema;

/// A store that answers, for as long as this lives.
pub(super) struct Connection {
    pub(super) client: Client,
    /// The store that was started for this command; it ends when the pipe to it closes.
    _embedded: Option<Embedded>,
}

/// An embedded store of one's own.
struct Embedded {
    child: Child,
    /// Kept open, or the store could not write what it has to say.
    _said: BufReader<std::process::ChildStderr>,
}

impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends in order, so that the next one need not recover.
        let _ = self.child.wait();
    }
}

/// Finds a store that `role` may use: the one that is named, else the one that runs, else one that is started.
pub(super) async fn connect(args: &ConnectionArgs, common: &Common, role: Role) -> Result<Connection, String> {
    let connection = match &args.store {
        Some(url) => Connection { client: named(url, args)?, _embedded: None },
        None => local(common, role)?,
    };
    schema::check(&connection.client).await.map_err(|error| error.to_string())?;
    Ok(connection)
}

fn named(url: &str, args: &ConnectionArgs) -> Result<Client, String> {
    if !url.starts_with("http://") {
        return Err(format!("--store {url}: a URL that begins with http:// was expected"));
    }
    let password = match &args.store_password {
        Some(path) => fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?,
        None => String::new(),
    };
    Ok(client(url, &args.store_user, password.trim_end_matches(['\r', '\n'])))
}

fn local(common: &Common, role: Role) -> Result<Connection, String> {
    let state = common.state.clone().or_else(default_state_directory);
    let state = state.ok_or("there is no state directory: name one with --state, or a store with --store")?;
    let running = Whereabouts::read(&state).ok().filter(is_there);
    let (store, embedded) = match running {
        Some(store) => (store, None),
        None => start(&state).map(|(store, embedded)| (store, Some(embedded)))?,
    };
    let path = store.credentials.join(role.name());
    let password = read_password(&path)
        .map_err(|error| format!("{}: {error}; this is for the store's user and its group", path.display()))?;
    Ok(Connection { client: client(&format!("http://{}", store.address), role.name(), &password), _embedded: embedded })
}

/// Whether that store is still there: its process is, and something listens.
fn is_there(store: &Whereabouts) -> bool {
    const PATIENCE: Duration = Duration::from_secs(2);
    Path::new("/proc").join(store.pid.to_string()).exists()
        && TcpStream::connect_timeout(&store.address, PATIENCE).is_ok()
}

/// Starts the embedded store on the data in `state`.
fn start(state: &Path) -> Result<(Whereabouts, Embedded), String> {
    if !state.join("store").is_dir() {
        return Err(format!(
            "there is no store: none runs, and {} holds no data; name another state directory with --state, or a store with --store",
            state.display()
        ));
    }
    let fail = |error: io::Error| format!("the embedded store cannot be started: {error}");
    let mut child = Command::new(std::env::current_exe().map_err(fail)?)
        .args(["store", "--until-stdin-ends", "--listen", "127.0.0.1:0", "--state"])
        .arg(state)
        .envs([utc::ENVIRONMENT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(fail)?;
    let said = child.stderr.take().ok_or("the embedded store cannot be started")?;
    let mut embedded = Embedded { child, _said: BufReader::new(said) };
    let mut lines = String::new();
    // The store publishes where it is before it says so.
    while embedded._said.read_line(&mut lines).is_ok_and(|read| read > 0) {
        let store = Whereabouts::read(state).ok().filter(|store| store.pid == embedded.child.id());
        if let Some(store) = store {
            return Ok((store, embedded));
        }
    }
    let end = embedded.child.wait().map_err(fail)?;
    let said = lines.trim().trim_start_matches("apitap: ");
    Err(if said.is_empty() {
        format!("the embedded store cannot be started: it ended without a word ({end})")
    } else {
        format!("the embedded store cannot be started: {said}")
    })
}
