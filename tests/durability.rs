//! Nothing that was acknowledged is lost, and nothing is there twice, whatever is killed, stopped, full or wrong.
//!
//! The sensor's part is this test program itself, run again: revisions flow through the real spool and the real writer into a
//! real embedded store, which is its child. Where the engine's library is not there, everything here is skipped.
//!
//! `APITAP_KILLS=100` makes more of the kills; see docs/BENCHMARKING.md.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests have a clock, and the long form gives figures"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use apitap::keys::Keys;
use apitap::store::chain::ChainKey;
use apitap::store::gateway::{self, Role, Whereabouts, read_password};
use apitap::store::spool::{self, Spool, acknowledged};
use apitap::store::writer::{self, Reach, Storing, Target, Trouble, Url};
use apitap::store::{DATABASE, child, client};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::skip;

/// What the program does when it is run again: `flow` until it is killed, or `drain`.
const PART: &str = "APITAP_TEST_DURABILITY";
const STATE: &str = "APITAP_TEST_STATE";
const SENSOR: &str = "edge-1";
/// More than enough for a store to start and take what waits, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn library() -> Option<PathBuf> {
    gateway::library(None).ok().or_else(|| {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/libchdb/libchdb.so");
        built.is_file().then_some(built)
    })
}

/// A state directory that goes away with the test.
struct State(PathBuf);

impl State {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("apitap-durability-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn spool(&self) -> PathBuf {
        self.0.join("spool").join(spool::folder_name(SENSOR))
    }

    fn acknowledged(&self) -> u64 {
        acknowledged(&self.spool()).unwrap_or(0)
    }

    fn store(&self) -> Option<Pid> {
        let store = Whereabouts::read(&self.0).ok()?;
        Pid::from_raw(i32::try_from(store.pid).ok()?)
    }

    fn sensor(&self, part: &str) -> Sensor {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "durability::again", "--nocapture"]).env(PART, part).env(STATE, &self.0);
        Sensor(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Has everything that is spooled stored.
    fn drain(&self) {
        let mut sensor = self.sensor("drain");
        wait(|| sensor.0.try_wait().unwrap().is_some_and(|status| status.success()), "the spool is empty");
    }

    /// What the program says about the chain.
    fn verify(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_apitap"));
        command.args(["verify", "--sensor", SENSOR, "--state"]).arg(&self.0);
        let output = command.env(gateway::LIBRARY_VARIABLE, library().unwrap()).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}");
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
struct Sensor(Child);

impl Sensor {
    fn kill(&mut self) {
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
fn wait(mut until: impl FnMut() -> bool, what: &str) {
    let begun = Instant::now();
    while !until() {
        assert!(begun.elapsed() < PATIENCE, "it took too long: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn revision(number: u64) -> Vec<u8> {
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

fn key(state: &Path) -> ChainKey {
    ChainKey::new(Keys::load_or_create(state).unwrap().chain().unwrap())
}

/// The spool and the writer of `state`. To be called within a runtime.
fn storing(state: &Path, options: &spool::Options, target: Target) -> Storing {
    let key = key(state);
    let spool = Spool::open(options, key.clone()).unwrap();
    let options = writer::Options { sensor: SENSOR.to_owned(), target, key, retention_days: 90 };
    writer::start(spool, options).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn embedded(state: &State) -> child::Supervised {
    supervise(&state.0)
}

fn supervise(state: &Path) -> child::Supervised {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_apitap"));
    child::supervise(child::Options::new(program, state, library().unwrap()))
}

/// Not a test of its own: what the sensor does that the tests start and kill.
#[test]
fn again() {
    let (Ok(part), Some(state)) = (std::env::var(PART), std::env::var_os(STATE).map(PathBuf::from)) else { return };
    let options = spool::Options::new(state.join("spool").join(spool::folder_name(SENSOR)));
    runtime().block_on(async {
        let store = supervise(&state);
        let Storing { queue, writer, .. } = storing(&state, &options, Target::Embedded(state.clone()));
        let mut number = 0;
        if part == "flow" {
            // Until it is killed.
            loop {
                // In bursts, so that there are fsyncs and batches of all sizes.
                for _ in 0..number % 97 + 1 {
                    number += 1;
                    queue.send(revision(number)).await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(number % 13)).await;
            }
        }
        drop(queue);
        writer.await.unwrap();
        store.end().await;
    });
}

/// What the store has: how many rows of revisions, how many numbers, and how many tombstones.
async fn counted(state: &State) -> (u64, u64, u64) {
    let store = Whereabouts::read(&state.0).unwrap();
    let password = read_password(&store.credentials.join(Role::Sensor.name())).unwrap();
    let client = client::client(&format!("http://{}", store.address), Role::Sensor.name(), &password);
    let client = client.with_database(DATABASE);
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
fn assert_stored_once(state: &State, acknowledged: u64) {
    let (rows, numbers, marks) = runtime().block_on(async {
        let store = embedded(state);
        let begun = Instant::now();
        while child::healthy(&state.0).await.is_none() {
            assert!(begun.elapsed() < PATIENCE, "the store does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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

/// Kills what `which` says and looks at what was acknowledged by then.
fn kills(count: u32) {
    let state = State::new("kills");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut sensor = state.sensor("flow");
    wait(|| state.acknowledged() > 0, "something is acknowledged");
    let mut known = 0;
    let mut killed = [0, 0];
    for _ in 0..count {
        std::thread::sleep(Duration::from_millis(100 + random.below(1_400)));
        let which = random.below(3);
        if which != 1 {
            sensor.kill();
            killed[0] += 1;
        }
        if which != 0
            && let Some(pid) = state.store()
        {
            killed[1] += u32::from(kill_process(pid, Signal::KILL).is_ok());
        }
        let now = state.acknowledged();
        assert!(now >= known, "{now} after {known}");
        known = now;
        if which != 1 {
            sensor = state.sensor("flow");
        }
    }
    sensor.kill();
    let known = state.acknowledged();
    state.drain();
    assert_stored_once(&state, known);
    eprintln!("durability: sensor killed {} times, store {} times, {known} records acknowledged", killed[0], killed[1]);
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    kills(std::env::var("APITAP_KILLS").map_or(8, |count| count.parse().unwrap()));
}

#[test]
fn a_stopped_store_and_a_wrong_password_are_waited_for() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("away");
    let options = spool::Options::new(state.spool());
    runtime().block_on(async {
        let store = embedded(&state);
        let mut storing = storing(&state.0, &options, Target::Embedded(state.0.clone()));
        let send = |numbers: std::ops::Range<u64>| {
            let queue = storing.queue.clone();
            async move {
                for number in numbers {
                    queue.send(revision(number)).await.unwrap();
                }
            }
        };
        send(0..1_500).await;
        reach(&mut storing.status, |status| status.stored == 1_500).await;

        // Stopped: what comes in is acknowledged all the same.
        let pid = state.store().unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        send(1_500..3_000).await;
        let begun = Instant::now();
        while state.acknowledged() < 3_000 {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(storing.status.borrow().stored < 3_000);
        kill_process(pid, Signal::CONT).unwrap();
        reach(&mut storing.status, |status| status.stored == 3_000).await;

        // Another password than the store's, and then its own again.
        let password = Whereabouts::read(&state.0).unwrap().credentials.join(Role::Sensor.name());
        let right = fs::read(&password).unwrap();
        fs::write(&password, "0".repeat(48)).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        wait_for_another(&state, pid).await;
        fs::write(&password, &right).unwrap();
        send(3_000..3_100).await;
        reach(&mut storing.status, |status| matches!(status.reach, Reach::Away(Trouble::Denied, _))).await;
        fs::write(&password, "0".repeat(48)).unwrap();
        reach(&mut storing.status, |status| status.stored == 3_100).await;
        let Storing { queue, writer, .. } = storing;
        drop(queue);
        writer.await.unwrap();
        store.end().await;
    });
    assert_stored_once(&state, 3_100);
}

#[test]
fn a_full_disk_drops_what_is_new_and_the_chain_tells_of_it() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("full");
    let small = state.0.join("spool");
    fs::create_dir_all(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&small).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return skip("no tmpfs can be mounted");
    }
    let _mount = Mount(small);
    let options = spool::Options::new(state.spool());
    runtime().block_on(async {
        // Nobody is there yet: the disk fills up.
        let storing = storing(&state.0, &options, Target::Embedded(state.0.clone()));
        for number in 0..2_000 {
            storing.queue.send(revision(number)).await.unwrap();
        }
        let begun = Instant::now();
        while storing.spool.dropped() + storing.spool.acknowledged() < 2_000 {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(storing.spool.dropped() > 100 && storing.spool.acknowledged() > 50);
        let store = embedded(&state);
        let mut status = storing.status.clone();
        let kept = storing.spool.acknowledged();
        reach(&mut status, |status| status.stored >= kept).await;
        // There is room again, and the next record comes after the tombstone.
        storing.queue.send(revision(2_000)).await.unwrap();
        reach(&mut status, |status| status.stored >= kept + 2).await;
        drop(storing.queue);
        storing.writer.await.unwrap();
        store.end().await;
    });
    assert_stored_once(&state, state.acknowledged());
    assert!(state.verify().contains("dropped"));
}

#[test]
fn a_capture_that_is_read_twice_is_stored_once() {
    let Some(library) = library() else {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    };
    let state = State::new("twice");
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/demo/kill_chain.pcap");
    let read = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_apitap"));
        command.arg("read").arg(&capture).args(["--format", "jsonl", "--state"]).arg(&state.0).arg("--store");
        let output = command.env(gateway::LIBRARY_VARIABLE, &library).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains("store: everything is in"), "{said}");
        (String::from_utf8(output.stdout).unwrap().lines().count(), said)
    };
    let (alerts, _) = read();
    let (again, said) = read();
    assert!(alerts > 0 && alerts == again && said.contains(&format!("{alerts} were there already")), "{said}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_apitap"));
    let output =
        command.args(["verify", "--state"]).arg(&state.0).env(gateway::LIBRARY_VARIABLE, library).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(&format!("intact {alerts}\n")), "{said}");
}

/// A store that cannot be reached keeps nobody from starting, and is named once.
#[test]
fn a_store_that_is_not_there_is_told_once() {
    let state = State::new("nowhere");
    let options = spool::Options::new(state.spool());
    runtime().block_on(async {
        let target = Target::Url(Url::parse("http://127.0.0.1:9").unwrap());
        let storing = storing(&state.0, &options, target);
        storing.queue.send(revision(1)).await.unwrap();
        let mut status = storing.status.clone();
        reach(&mut status, |status| matches!(status.reach, Reach::Away(Trouble::Unreachable, _))).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!status.has_changed().unwrap());
        assert_eq!((storing.spool.acknowledged(), state.acknowledged()), (1, 1));
        storing.writer.abort();
    });
}

async fn reach(status: &mut tokio::sync::watch::Receiver<writer::Status>, until: impl FnMut(&writer::Status) -> bool) {
    let reached = tokio::time::timeout(PATIENCE, status.wait_for(until)).await;
    assert!(reached.is_ok_and(|reached| reached.is_ok()), "it took too long: {:?}", status.borrow());
}

async fn wait_for_another(state: &State, pid: Pid) {
    let begun = Instant::now();
    while state.store().is_none_or(|other| other == pid) || child::healthy(&state.0).await.is_none() {
        assert!(begun.elapsed() < PATIENCE, "no other store");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

/// Numbers that look random and are the same every time (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
