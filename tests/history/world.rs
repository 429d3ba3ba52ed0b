//! A store with a known content: revisions that are made from their numbers.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{LazyLock, Once};

use apitap::alert::Revision;
use apitap::store::DATABASE;
use apitap::store::client::client;
use apitap::store::gateway::{LIBRARY_VARIABLE, Role, Whereabouts, read_password};
use apitap::store::rows::{ALERT_REVISIONS, AlertRow, Record};
use apitap::store::schema::{RETENTION_DAYS, apply};
use apitap::time::Timestamp;
use clickhouse::Client;

/// Whether there is an engine to test. Says so when there is none.
pub(crate) fn is_here() -> bool {
    static SAY: Once = Once::new();
    let beside = Path::new(env!("CARGO_BIN_EXE_apitap")).parent().unwrap().join("../libchdb/libchdb.so");
    let is_here = beside.is_file() || std::env::var_os(LIBRARY_VARIABLE).is_some();
    if !is_here {
        SAY.call_once(|| eprintln!("SKIPPED: the tests of the history; deploy/libchdb/install fetches the engine"));
    }
    is_here
}

/// A running store in a folder of its own.
pub(crate) struct Store {
    child: Child,
    folder: PathBuf,
    here: Whereabouts,
}

impl Store {
    pub(crate) fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("history-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let mut child = Command::new(env!("CARGO_BIN_EXE_apitap"))
            .args(["store", "--until-stdin-ends", "--listen", "127.0.0.1:0", "--state"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("store: serving ClickHouse") {
            assert!(lines.read_line(&mut said).unwrap() > 0, "the store does not start: {said}");
        }
        let here = Whereabouts::read(&folder).unwrap();
        Self { child, folder, here }
    }

    /// A store that holds [`Alerts::all`] twice over.
    pub(crate) fn filled() -> &'static Self {
        static FILLED: LazyLock<Store> = LazyLock::new(|| {
            let store = Store::new("filled");
            block_on(async {
                let client = store.client(Role::Sensor);
                apply(&client, RETENTION_DAYS).await.unwrap();
                // Different batches, as when the answer to the first insert was lost.
                insert(&client, Alerts::all(), 1).await;
                insert(&client, Alerts::all(), 2).await;
            });
            store
        });
        &FILLED
    }

    pub(crate) fn client(&self, role: Role) -> Client {
        let password = read_password(&self.here.credentials.join(role.name())).unwrap();
        client(&format!("http://{}", self.here.address), role.name(), &password)
    }

    /// Runs the command on this store; it must end well, and its standard output is returned.
    #[track_caller]
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let output = self.apitap(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the command on this store; it must fail, and its standard error is returned.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str]) -> String {
        let output = self.apitap(arguments);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn apitap(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_apitap"));
        command.args(arguments).arg("--state").arg(&self.folder).env("COLUMNS", "140").output().unwrap()
    }

    /// Runs a statement as the sensor, and gives its result as text.
    #[track_caller]
    pub(crate) fn run(&self, sql: &str) -> String {
        block_on(async {
            let mut cursor = self.client(Role::Sensor).query_raw(sql).fetch_bytes("TabSeparated").unwrap();
            String::from_utf8(cursor.collect().await.unwrap().to_vec()).unwrap().trim_end().to_owned()
        })
    }

    pub(crate) fn state(&self) -> &Path {
        &self.folder
    }

    /// Ends it in order; its folder stays as long as this lives.
    pub(crate) fn end(&mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Inserts the revisions in one batch.
pub(crate) async fn insert(client: &Client, revisions: &[Revision], batch: u128) {
    let client = client.clone().with_database(DATABASE);
    let mut insert = client.insert::<AlertRow>(ALERT_REVISIONS).await.unwrap();
    for (seq, revision) in (1..).zip(revisions) {
        insert.write(&AlertRow::of(&record(revision, seq, batch)).unwrap()).await.unwrap();
    }
    insert.end().await.unwrap();
}

/// The record of a revision, stored an hour ago.
pub(crate) fn record(revision: &Revision, seq: u64, batch: u128) -> Record {
    static STORED: LazyLock<i64> = LazyLock::new(|| jiff::Timestamp::now().as_second() - 3_600);
    Record {
        sensor: revision.sensor.clone(),
        seq,
        previous: [1; 32],
        hash: [2; 32],
        json: serde_json::to_vec(revision).unwrap(),
        batch,
        ingested_at: Timestamp::from_parts(*STORED, 0),
    }
}

pub(crate) struct Alerts;

impl Alerts {
    pub(crate) const COUNT: u32 = 1_000;
    /// Each alert has so many revisions, a minute apart; the last one is its latest state.
    pub(crate) const REVISIONS: u32 = 3;

    /// 3,000 revisions.
    pub(crate) fn all() -> &'static [Revision] {
        static ALL: LazyLock<Vec<Revision>> = LazyLock::new(|| {
            let numbers =
                (0..Alerts::COUNT).flat_map(|alert| (1..=Alerts::REVISIONS).map(move |revision| (alert, revision)));
            numbers.map(|(alert, revision)| self::revision(alert, revision)).collect()
        });
        &ALL
    }

    /// The latest states, newest first.
    pub(crate) fn latest() -> Vec<&'static Revision> {
        let mut latest: Vec<_> = Self::all().iter().filter(|revision| revision.revision == Self::REVISIONS).collect();
        latest.sort_by_key(|revision| std::cmp::Reverse((revision.last_seen, revision.id)));
        latest
    }
}

/// What an attacker would have a terminal, a spreadsheet or a statement do.
pub(crate) const HOSTILE: &str =
    "=cmd|'/c x'!A1\u{1b}[31m\n\n'; DROP TABLE apitap.alert_status; -- \u{202e}\"{v1:String}\0";

/// Revision `revision` of alert `number`: alerts begin ten minutes apart, a quarter of a year ago and more.
pub(crate) fn revision(number: u32, revision: u32) -> Revision {
    let first = 1_380_000_000 + i64::from(number) * 600;
    let last = first + i64::from(revision - 1) * 60;
    let time = |seconds: i64| jiff::Timestamp::from_second(seconds).unwrap().to_string().replace('Z', ".123456Z");
    let one = |all: &[&str], by: u32| all[(number / by) as usize % all.len()].to_owned();
    let severity = match one(&["info", "low", "medium", "high"], 1).as_str() {
        // One in four is found to be worse with its last revision.
        "high" if revision == Alerts::REVISIONS => "critical".to_owned(),
        severity => severity.to_owned(),
    };
    let client = if number.is_multiple_of(10) {
        format!("2001:db8::{:x}", number % 7)
    } else {
        format!("10.0.{}.{}", number % 3, number % 50)
    };
    let mut clients = vec![client.clone()];
    clients.extend((revision == Alerts::REVISIONS && number.is_multiple_of(4)).then(|| "192.0.2.77".to_owned()));
    let family = one(&["pii", "secret", "auth", "credential_stuffing"], 3);
    let json = serde_json::json!({
        "id": format!("{:08x}-f4a8-8dc8-903e-645a5430bdb2", number.wrapping_mul(0x9e37_79b9)), "revision": revision,
        "fingerprint": format!("{:032x}", number % 100), "sensor": "test", "first_seen": time(first), "last_seen": time(last),
        "ts": time(last), "state": if revision == Alerts::REVISIONS { "closed" } else { "open" }, "count": revision * 7,
        "items": revision * 9, "detector": format!("{family}.test"), "family": family, "rule": "a", "severity": severity,
        "confidence": "medium", "title": "Something in a response",
        "description": format!("Number {number}.{}", if number == 13 { HOSTILE } else { "" }), "remediation": "Remove it.",
        "client": client, "client_count": clients.len(), "clients": clients,
        "principal": (number.is_multiple_of(2)).then(|| format!("p{}", number % 20)), "server": "10.0.0.2:8080",
        "host": if number == 13 { HOSTILE.to_owned() } else { one(&["a.example", "b.example"], 1) }, "method": "GET",
        "endpoint": format!("/users/{{id}}/{}", number % 30), "status": 200, "incident": null, "owasp": "API3:2023",
        "cwe": "CWE-359", "attack": "",
        "evidence": [{"kind": "thing", "location": {"part": "response.content", "path": "$.a", "offset": number}, "masked": "0***"}],
        "visibility": ["response_gap"],
    });
    serde_json::from_str(&json.to_string()).unwrap()
}

/// Runs what is async in a test.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
