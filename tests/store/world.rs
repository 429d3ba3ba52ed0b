use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Once};

use apitap::store::client::client;
use apitap::store::gateway::{LIBRARY_VARIABLE, Role, Whereabouts, read_password};

/// A running store in a folder of its own. It ends with the test process, if not before.
pub(crate) struct Store {
    child: Child,
    pub(crate) folder: PathBuf,
    pub(crate) here: Whereabouts,
    /// Whether the kernel confines it.
    pub(crate) is_confined: bool,
}

/// What curl got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) fields: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status and code of an error, whose text must begin as ClickHouse's do.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, u32) {
        let text = self.text();
        let code = text.strip_prefix("Code: ").and_then(|rest| rest.split_once(". DB::Exception: "));
        let code = code.and_then(|(code, _)| code.parse().ok()).unwrap_or_else(|| panic!("no error: {self:?}"));
        assert!(self.fields.contains(&format!("x-clickhouse-exception-code: {code}\r\n")), "{self:?}");
        assert!(text.ends_with(")\n") && text.contains(" (version "), "{text}");
        (self.status, code)
    }
}

/// Whether there is an engine to test. Says so when there is none.
pub(crate) fn is_here() -> bool {
    static SAY: Once = Once::new();
    let beside = Path::new(env!("CARGO_BIN_EXE_apitap")).parent().unwrap().join("../libchdb/libchdb.so");
    let is_here = beside.is_file() || std::env::var_os(LIBRARY_VARIABLE).is_some();
    if !is_here {
        SAY.call_once(|| eprintln!("SKIPPED: the tests of the store; deploy/libchdb/install fetches the engine"));
    }
    is_here
}

/// A new folder for a test's files. Those of test processes that have ended are removed.
pub(crate) fn folder(name: &str) -> PathBuf {
    static CLEAN: Once = Once::new();
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    CLEAN.call_once(|| {
        for entry in fs::read_dir(root).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix("store-").and_then(|rest| rest.split('-').next());
            if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    });
    let folder = root.join(format!("store-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A command that serves the data in `folder` until its standard input ends.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apitap"));
    command
        .args(["store", "--until-stdin-ends", "--listen", "127.0.0.1:0", "--path"])
        .arg(folder.join("data"))
        .arg("--state")
        .arg(folder.join("state"))
        // The store answers in UTC wherever it is.
        .env("TZ", "America/New_York")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Store {
    /// Starts a store in a new folder.
    pub(crate) fn new(name: &str) -> Self {
        Self::start(&folder(name))
    }

    /// Starts a store on the data in `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut child = command(folder).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        loop {
            match lines.next() {
                Some(Ok(line)) if line.contains("store: serving ClickHouse") => break,
                Some(Ok(line)) => said.push(line),
                other => panic!("the store does not start: {said:?} {other:?}"),
            }
        }
        // What it says later goes where the tests' own output goes.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("store: {line}")));
        let here = Whereabouts::read(&folder.join("state")).unwrap();
        assert_eq!(here.pid, child.id());
        let is_confined = !said.iter().any(|line| line.contains("Landlock"));
        Self { child, folder: folder.to_owned(), here, is_confined }
    }

    /// The store that tests share, each with a database of its own.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<Store> = LazyLock::new(|| Store::new("shared"));
        &SHARED
    }

    /// The shared store, and a new database in it.
    pub(crate) fn database(name: &str) -> &'static Self {
        let store = Self::shared();
        store.run(&format!("CREATE DATABASE {name}"));
        store
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.here.address)
    }

    pub(crate) fn password(&self, role: Role) -> String {
        read_password(&self.here.credentials.join(role.name())).unwrap()
    }

    /// The client that the sensor uses.
    pub(crate) fn client(&self, role: Role) -> clickhouse::Client {
        client(&self.url(), role.name(), &self.password(role))
    }

    /// curl with these arguments, `body` on its standard input (`--data-binary @-`).
    pub(crate) fn curl(&self, target: &str, arguments: &[&str], body: &[u8]) -> Got {
        let mut child = Command::new("curl")
            .args(["--silent", "--include", "--max-time", "60", "--noproxy", "*"])
            .args(arguments)
            .arg(self.url() + target)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // curl may have its answer before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(body);
        let output = child.wait_with_output().unwrap().stdout;
        let mut rest = &output[..];
        loop {
            let end = rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("{output:?}"));
            let (head, body) = (&rest[..end + 2], &rest[end + 4..]);
            let fields = String::from_utf8_lossy(head).into_owned();
            let status = fields.split(' ').nth(1).unwrap().parse().unwrap();
            // 100 (Continue) comes first for large requests.
            if status != 100 {
                return Got { status, fields, body: body.to_vec() };
            }
            rest = body;
        }
    }

    /// Posts `body` as `role`.
    pub(crate) fn post(&self, role: Role, target: &str, body: &[u8]) -> Got {
        let user = format!("{}:{}", role.name(), self.password(role));
        self.curl(target, &["--user", &user, "--data-binary", "@-"], body)
    }

    /// Runs a statement as the sensor, and gives the text of its result.
    #[track_caller]
    pub(crate) fn run(&self, sql: &str) -> String {
        let got = self.post(Role::Sensor, "/", sql.as_bytes());
        assert_eq!(got.status, 200, "{sql}\n{}", got.text());
        got.text().trim_end().to_owned()
    }

    /// Kills it at once, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Ends its standard input.
    pub(crate) fn let_go(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits until it has ended by itself, and says how.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        // `Child::wait` would close standard input, which ends the store.
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs what is async in a test.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
