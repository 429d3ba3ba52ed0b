//! The whole sensor with its store, beside a real server on a wire of its own; and captures.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::time::Duration;

use apitap::store::gateway;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::world::{State, apitap, library, runtime, served, sql, wait};
use crate::sensor::{Running, Scratch, number, start_server, world_with};
use crate::world::{SERVER, World, skip};

/// `apitap run` with the store that it has without a word about it.
struct Sensor {
    child: Running,
    stderr: BufReader<ChildStderr>,
}

impl Sensor {
    fn start(world: &World, state: &Path) -> Self {
        let mut command = world.command(&world.near, env!("CARGO_BIN_EXE_apitap"));
        command.args(["run", "-i", "near", "--format", "jsonl", "--state"]).arg(state);
        command.env(gateway::LIBRARY_VARIABLE, library().unwrap()).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut sensor = Self { stderr: BufReader::new(child.stderr.take().unwrap()), child: Running(child) };
        sensor.says("capturing");
        sensor
    }

    /// Waits until it says that.
    fn says(&mut self, what: &str) {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "the sensor ended before it said: {what}");
        }
    }

    /// Ends it as Ctrl-C does. Its alerts, and what it said.
    fn stop(mut self) -> (Vec<serde_json::Value>, String) {
        // Time for the last frames to come through the ring.
        std::thread::sleep(Duration::from_millis(400));
        kill_process(Pid::from_child(&self.child.0), Signal::INT).unwrap();
        let (mut alerts, mut said) = (String::new(), String::new());
        self.child.0.stdout.take().unwrap().read_to_string(&mut alerts).unwrap();
        self.stderr.read_to_string(&mut said).unwrap();
        assert!(self.child.0.wait().unwrap().success(), "{said}");
        (alerts.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), said)
    }
}

fn ask(world: &World) {
    let mut curl = world.command(&world.far, "curl");
    curl.args(["-s", "-o", "/dev/null"]).arg(format!("http://{SERVER}/customers.json"));
    assert!(curl.status().unwrap().success());
}

#[test]
fn a_sensor_has_its_alerts_in_its_store_once_and_the_next_one_goes_on() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let Some(world) = world_with("store", &["nginx", "curl"]) else { return };
    let scratch = Scratch::new("store");
    let state = State::new("sensor");
    let _server = start_server(&world, &scratch.0);
    let mut told = 0;
    for round in 1..=2 {
        let sensor = Sensor::start(&world, &state.0);
        ask(&world);
        let (alerts, said) = sensor.stop();
        assert!(!alerts.is_empty(), "{said}");
        told += alerts.len() as u64;
        assert_eq!(number(&said, "revisions_acknowledged"), told, "round {round}: {said}");
        assert_eq!((number(&said, "revisions_stored"), number(&said, "revisions_dropped_spool")), (told, 0), "{said}");
        let ids: std::collections::BTreeSet<_> = alerts.iter().map(|alert| alert["id"].as_str().unwrap()).collect();
        let (is_fine, listed) = apitap(&state.0, &["alerts", "--format", "jsonl"]);
        assert!(is_fine && ids.iter().all(|id| listed.contains(*id)), "{listed}");
        let (is_fine, verified) = apitap(&state.0, &["verify"]);
        let expected = format!("records 1 to {told}: as it was written; intact {told}\n");
        assert!(is_fine && verified.contains(&expected), "{verified}");
    }
    // A store that is killed with its sensor leaves nothing behind; one whose sensor is killed ends by itself.
    let mut sensor = Sensor::start(&world, &state.0);
    ask(&world);
    sensor.says("store: it takes alerts");
    let orphan = state.store().unwrap();
    sensor.child.0.kill().unwrap();
    sensor.child.0.wait().unwrap();
    wait(|| test_kill_process(orphan).is_err(), "the orphaned store ends");
    runtime().block_on(async {
        let store = served(&state).await;
        let rows =
            sql(&state, "SELECT count(), uniqExact(alert_id, revision), uniqExact(sensor) FROM alert_revisions").await;
        let rows: Vec<u64> = rows.split('\t').map(|number| number.parse().unwrap()).collect();
        assert!(rows[0] >= told && rows[0] == rows[1] && rows[2] == 1, "{rows:?}");
        let beats = "SELECT count(), uniqExact(started_at), max(chain_seq), max(counters['exchanges']), \
                     max(counters['frames_received']) > 0, max(health), min(length(chain_hash)) FROM sensor_heartbeats";
        let beats = sql(&state, beats).await;
        let beats: Vec<_> = beats.split('\t').collect();
        // Two of each sensor that ended, and perhaps one of the one that was killed.
        assert!(beats[0].parse::<u64>().unwrap() >= 4 && beats[1].parse::<u64>().unwrap() >= 2, "{beats:?}");
        assert!(beats[2].parse::<u64>().unwrap() >= told, "{beats:?}");
        assert_eq!(beats[3..], ["1", "1", "fine", "32"], "{beats:?}");
        let (is_fine, shown) = apitap(&state.0, &["verify"]);
        assert!(is_fine, "{shown}");
        store.end().await;
    });
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
    let (is_fine, said) = apitap(&state.0, &["verify"]);
    assert!(is_fine && said.contains(&format!("intact {alerts}\n")), "{said}");
    // Weeks later they are in another partition, where the store itself takes no two rows for one.
    runtime().block_on(async {
        let store = served(&state).await;
        for table in ["alert_revisions", "alerts_by_id"] {
            let columns = "* REPLACE (ingested_at - toIntervalDay(21) AS ingested_at)";
            sql(&state, &format!("CREATE TABLE aside ENGINE = Memory AS SELECT {columns} FROM {table}")).await;
            sql(&state, &format!("TRUNCATE TABLE {table}")).await;
            sql(&state, &format!("INSERT INTO {table} SELECT * FROM aside")).await;
            sql(&state, "DROP TABLE aside").await;
        }
        store.end().await;
    });
    let (_, said) = read();
    assert!(said.contains(&format!("{alerts} were there already")), "{said}");
    let (is_fine, said) = apitap(&state.0, &["verify"]);
    assert!(is_fine && said.contains(&format!("intact {alerts}\n")), "{said}");
}
