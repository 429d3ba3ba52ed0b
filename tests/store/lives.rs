use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use apitap::store::gateway::Role;

use super::world::{Store, command, is_here};

#[test]
fn acknowledged_inserts_survive_a_kill() {
    if !is_here() {
        return;
    }
    let mut store = Store::new("killed");
    store.run("CREATE TABLE t (batch UInt32, n UInt32) ENGINE = MergeTree ORDER BY (batch, n)");
    let mut acknowledged = 0_u32;
    for round in 0..3 {
        let folder = store.folder.clone();
        for _ in 0..4 {
            acknowledged += 1;
            let rows: String = (0..500).map(|n| format!("{acknowledged}\t{n}\n")).collect();
            let got = store.post(Role::Sensor, "/?query=INSERT+INTO+t+FORMAT+TSV", rows.as_bytes());
            assert_eq!(got.status, 200, "{}", got.text());
        }
        store.kill();
        // A killed store leaves its lock to nobody and its whereabouts to be overwritten.
        std::mem::forget(std::mem::replace(&mut store, Store::start(&folder)));
        let counts = "SELECT count(), countIf(n != 500) FROM (SELECT batch, count() AS n FROM t GROUP BY batch)";
        assert_eq!(store.run(counts), format!("{acknowledged}\t0"), "round {round}");
    }
}

#[test]
fn two_stores_do_not_share_data() {
    if !is_here() {
        return;
    }
    let store = Store::new("twice");
    let output = command(&store.folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("another store is using it (process {})", store.here.pid)), "{said}");
    assert_eq!(store.run("SELECT 1"), "1");
}

#[test]
fn it_ends_in_order() {
    if !is_here() {
        return;
    }
    let mut store = Store::new("ending");
    let said_where = store.folder.join("state/store.json");
    store.run("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n");
    // A statement that runs is let end.
    std::thread::scope(|scope| {
        let running = scope.spawn(|| store.run("INSERT INTO t SELECT number + sleepEachRow(0.05) FROM numbers(20)"));
        std::thread::sleep(std::time::Duration::from_millis(400));
        assert!(said_where.exists());
        store.signal("TERM");
        running.join().unwrap();
    });
    assert_eq!(store.wait().code(), Some(0));
    assert!(!said_where.exists());
    let folder = store.folder.clone();
    std::mem::forget(store);
    // Not by a signal: when whoever started it goes.
    let mut store = Store::start(&folder);
    assert_eq!(store.run("SELECT count() FROM t"), "20");
    store.let_go();
    assert_eq!(store.wait().code(), Some(0));
    assert!(!said_where.exists());
    std::mem::forget(store);
    let mut store = Store::start(&folder);
    store.signal("INT");
    assert_eq!(store.wait().code(), Some(0));
}

#[test]
fn it_keeps_to_itself() {
    if !is_here() {
        return;
    }
    let store = Store::shared();
    let status = fs::read_to_string(format!("/proc/{}/status", store.here.pid)).unwrap();
    for line in
        ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1"]
    {
        assert!(status.contains(line), "{line}\n{status}");
    }
    let mode = |path: &str| fs::metadata(store.folder.join(path)).unwrap().permissions().mode() & 0o777;
    for (path, expected) in [
        ("data", 0o750),
        ("data/data", 0o700),
        ("data/config", 0o700),
        ("data/config/users.xml", 0o600),
        ("data/config/config.xml", 0o600),
        ("data/credentials/sensor", 0o600),
        ("data/credentials/analyst", 0o640),
        ("data/credentials/reader", 0o640),
    ] {
        assert_eq!(mode(path), expected, "{path}");
    }
}

#[test]
fn what_is_missing_is_one_line() {
    let folder = super::world::folder("missing");
    let said = |arguments: &[&str]| {
        let output = command(&folder).args(arguments).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, line) = said(&["--libchdb", "/no/such/libchdb.so"]);
    assert_eq!((code, line.lines().count()), (Some(1), 1), "{line}");
    assert!(line.contains("/no/such/libchdb.so") && line.contains("deploy/libchdb/install"), "{line}");
    // No library at all, and a library of something else.
    let (code, line) = said(&["--libchdb", "/etc/passwd"]);
    assert_eq!((code, line.lines().count()), (Some(1), 1), "{line}");
    fs::remove_dir_all(folder).unwrap();
}
