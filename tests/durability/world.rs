//! State directories, sensors and their stores.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use apitap::keys::Keys;
use apitap::store::chain::ChainKey;
use apitap::store::gateway::{self, Role, Whereabouts, read_password};
use apitap::store::spool::{self, Spool, acknowledged};
use apitap::store::writer::{self, Storing, Target};
use apitap::store::{DATABASE, child, client};
use rustix::process::{Pid, Signal, kill_process};

/// What the program does when it is run again: `flow` until it is killed, or `drain`.
pub(super) const PART: &str = "APITAP_TEST_DURABILITY";
pub(super) const STATE: &str = "APITAP_TEST_STATE";
pub(super) const SENSOR: &str = "edge-1";
/// More than enough for a store to start and take what waits, on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn library() -> Option<PathBuf> {
    gateway::library(None).ok().or_else(|| {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/libchdb/libchdb.so");
        built.is_file().then_some(built)
    })
}

/// A state directory that goes away with the test.
pub(super) struct State(pub(super) PathBuf);

impl State {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("apitap-durability-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn spool(&self) -> PathBuf {
        self.0.join("spool").join(spool::folder_name(SENSOR))
    }

    pub(super) fn acknowledged(&self) -> u64 {
        acknowledged(&self.spool()).unwrap_or(0)
    }

    pub(super) fn store(&self) -> Option<Pid> {
        let store = Whereabouts::read(&self.0).ok()?;
        Pid::from_raw(i32::try_from(store.pid).ok()?)
    }

    pub(super) fn sensor(&self, part: &str) -> Sensor {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "durability::again", "--nocapture"]).env(PART, part).env(STATE, &self.0);
        Sensor(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Has everything that is spooled stored.
    pub(super) fn drain(&self) {
        let mut sensor = self.sensor("drain");
        wait(|| sensor.0.try_wait().unwrap().is_some_and(|status| status.success()), "the spool is empty");
    }

    /// What the program says about the chain.
    pub(super) fn verify(&self) -> String {
        let (is_fine, said) = apitap(&self.0, &["verify", "--sensor", SENSOR]);
        assert!(is_fine, "{said}");
        said
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(pid) = self.store() {
            // It is the store of this test, if it is there at all.
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process of ours, stopped with the test.
pub(super) struct Sensor(pub(super) Child);

impl Sensor {
    pub(super) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
pub(super) fn wait(mut until: impl FnMut() -> bool, what: &str) {
    let begun = Instant::now();
    while !until() {
        assert!(begun.elapsed() < PATIENCE, "it took too long: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn revision(number: u64) -> Vec<u8> {
    let id = format!("{:08x}-0000-8000-8000-{:012x}", std::process::id(), number);
    format!(
        "{{\"id\":\"{id}\",\"revision\":1,\"fingerprint\":\"f821bac20642167266c4da1e758d51bd\",\"sensor\":\"{SENSOR}\",\
         \"first_seen\":\"2026-01-02T03:04:05.000000Z\",\"last_seen\":\"2026-01-02T03:04:05.000000Z\",\
         \"ts\":\"2026-01-02T03:04:05.000000Z\",\"state\":\"open\",\"count\":{number},\"items\":1,\"family\":\"pii\",\
         \"detector\":\"pii.email\",\"rule\":\"bulk\",\"severity\":\"high\",\"confidence\":\"high\",\"title\":\"t\",\
         \"description\":\"d\",\"remediation\":\"r\",\"client\":\"10.0.0.1\",\"clients\":[\"10.0.0.1\"],\"client_count\":1,\
         \"principal\":null,\"server\":\"10.0.0.2:80\",\"host\":\"a.example\",\"method\":\"GET\",\"endpoint\":\"/a\",\
         \"status\":200,\"incident\":null,\"owasp\":\"API3:2023\",\"cwe\":\"CWE-359\",\"attack\":\"\",\"evidence\":[],\
         \"visibility\":[]}}"
    )
    .into_bytes()
}

pub(super) fn key(state: &Path) -> ChainKey {
    ChainKey::new(Keys::load_or_create(state).unwrap().chain().unwrap())
}

/// The spool and the writer of `state`. To be called within a runtime.
pub(super) fn storing(state: &Path, options: &spool::Options, target: Target) -> Storing {
    storing_as(SENSOR, state, Spool::open(options, key(state)).unwrap(), target)
}

/// The writer of a sensor, with the spool it writes from.
pub(super) fn storing_as(sensor: &str, state: &Path, spool: Spool, target: Target) -> Storing {
    let options = writer::Options { sensor: sensor.to_owned(), target, key: key(state), retention_days: 90 };
    writer::start(spool, options).unwrap()
}

/// The spool of a sensor.
pub(super) fn spool_of(sensor: &str, state: &Path) -> Spool {
    let folder = state.join("spool").join(spool::folder_name(sensor));
    Spool::open(&spool::Options::new(folder), key(state)).unwrap()
}

/// Ends a writer, once the store has everything.
pub(super) async fn finish(storing: Storing) {
    let Storing { queue, beats, writer, .. } = storing;
    drop((queue, beats));
    tokio::time::timeout(PATIENCE, writer).await.expect("the store takes everything").unwrap();
}

/// A store that answers.
pub(super) async fn served(state: &State) -> child::Supervised {
    let store = embedded(state);
    let begun = Instant::now();
    while child::healthy(&state.0).await.is_none() {
        assert!(begun.elapsed() < PATIENCE, "the store does not start");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    store
}

/// Has the store that runs do `statement`, as the sensor; mutations are waited for. What it gives, as text.
pub(super) async fn sql(state: &State, statement: &str) -> String {
    let client = questions(state).with_setting("mutations_sync", "1");
    let mut cursor = client.query_raw(statement).fetch_bytes("TabSeparatedRaw").unwrap();
    let text = cursor.collect().await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

/// A client of the store that runs.
fn questions(state: &State) -> clickhouse::Client {
    let store = Whereabouts::read(&state.0).unwrap();
    let password = read_password(&store.credentials.join(Role::Sensor.name())).unwrap();
    client::client(&format!("http://{}", store.address), Role::Sensor.name(), &password).with_database(DATABASE)
}

/// Runs the program on `state`: whether it ended well, and all it said.
pub(super) fn apitap(state: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apitap"));
    command.args(arguments).arg("--state").arg(state).env(gateway::LIBRARY_VARIABLE, library().unwrap());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

pub(super) fn embedded(state: &State) -> child::Supervised {
    supervise(&state.0)
}

pub(super) fn supervise(state: &Path) -> child::Supervised {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_apitap"));
    child::supervise(child::Options::new(program, state.to_owned(), library().unwrap()))
}

/// What the store has: how many rows of revisions, how many numbers, and how many tombstones.
pub(super) async fn counted(state: &State) -> (u64, u64, u64) {
    let client = questions(state);
    let sql = "SELECT count(), uniqExact(seq) FROM alert_revisions WHERE sensor = ?";
    let (rows, numbers) = client.query(sql).bind(SENSOR).fetch_one::<(u64, u64)>().await.unwrap();
    let sql = "SELECT uniqExact(seq) FROM chain_marks WHERE sensor = ? AND record NOT LIKE '%checkpoint%'";
    let marks = client.query(sql).bind(SENSOR).fetch_one::<u64>().await.unwrap();
    let sql = "SELECT concat(toString(batch), ' ', toString(min(seq)), ' to ', toString(max(seq)), ' in ', _part) FROM \
               alert_revisions WHERE seq IN (SELECT seq FROM alert_revisions GROUP BY seq HAVING count() > 1) GROUP BY batch, _part";
    let twice = client.query(sql).fetch_all::<String>().await.unwrap();
    assert!(twice.is_empty(), "records are there twice: {twice:#?}");
    let sql = "SELECT count() FROM alert_revisions WHERE alert_id NOT IN (SELECT alert_id FROM alerts_by_id)";
    let unseen = client.query(sql).fetch_one::<u64>().await.unwrap();
    assert_eq!(unseen, 0, "the views have all that the table has");
    (rows, numbers, marks)
}

/// Every number up to `acknowledged` is in the store once, and the chain holds.
pub(super) fn assert_stored_once(state: &State, acknowledged: u64) {
    let (rows, numbers, marks) = runtime().block_on(async {
        let store = served(state).await;
        let counted = counted(state).await;
        store.end().await;
        counted
    });
    assert_eq!(rows, numbers, "a record is there twice");
    assert!(numbers + marks >= acknowledged, "{numbers} + {marks} of {acknowledged}");
    assert_eq!(numbers + marks, state.acknowledged(), "all numbers from 1 on");
    let said = state.verify();
    assert!(said.contains(&format!("intact {numbers}")), "{said}");
}

pub(super) async fn reach(
    status: &mut tokio::sync::watch::Receiver<writer::Status>,
    until: impl FnMut(&writer::Status) -> bool,
) {
    let reached = tokio::time::timeout(PATIENCE, status.wait_for(until)).await;
    assert!(reached.is_ok_and(|reached| reached.is_ok()), "it took too long: {:?}", status.borrow());
}

pub(super) async fn wait_for_another(state: &State, pid: Pid) {
    let begun = Instant::now();
    while state.store().is_none_or(|other| other == pid) || child::healthy(&state.0).await.is_none() {
        assert!(begun.elapsed() < PATIENCE, "no other store");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(super) struct Mount(pub(super) PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}
