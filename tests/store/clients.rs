use std::path::Path;
use std::process::Command;

use apitap::store::gateway::Role;
use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};

use super::world::{Store, block_on, is_here};

/// A row with the types that alerts need.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
struct Event {
    id: u32,
    #[serde(with = "clickhouse::serde::time::datetime64::micros")]
    at: time::OffsetDateTime,
    client: std::net::Ipv6Addr,
    kind: String,
    note: Option<String>,
    tags: Vec<String>,
    text: String,
}

const EVENTS: &str = "(id UInt32, at DateTime64(6, 'UTC'), client IPv6, kind LowCardinality(String), note Nullable(String), \
                      tags Array(LowCardinality(String)), text String) ENGINE = MergeTree ORDER BY id";

fn event(id: u32) -> Event {
    Event {
        id,
        at: time::OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_123_456_000).unwrap(),
        client: "2001:db8::1".parse().unwrap(),
        kind: format!("kind {}", id % 3),
        note: id.is_multiple_of(2).then(|| "\n\n; DROP TABLE x; \0 '".to_owned()),
        tags: vec!["a".into(), "b\n\n".into()],
        text: "x\n\nSELECT 1; \0 \u{1f600}".repeat(id as usize % 5),
    }
}

async fn insert(client: &Client, events: &[Event]) -> clickhouse::error::Result<()> {
    let mut insert = client.insert::<Event>("events").await?;
    for event in events {
        insert.write(event).await?;
    }
    insert.end().await
}

#[test]
fn the_crate_inserts_and_reads_back() {
    if !is_here() {
        return;
    }
    let store = Store::database("events");
    let client = store.client(Role::Sensor).with_database("events");
    block_on(async {
        let all: Vec<Event> = (0..500).map(event).collect();
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd(1)] {
            for is_validated in [true, false] {
                client.query(&format!("CREATE OR REPLACE TABLE events {EVENTS}")).execute().await.unwrap();
                let client = client.clone().with_compression(compression).with_validation(is_validated);
                insert(&client, &all).await.unwrap();
                let back: Vec<Event> =
                    client.query("SELECT ?fields FROM events ORDER BY id").fetch_all().await.unwrap();
                assert_eq!(back, all, "{compression:?} {is_validated}");
            }
        }
        let none = client.query("SELECT ?fields FROM events WHERE id = 9999").fetch_optional::<Event>().await.unwrap();
        assert_eq!(none, None);
    });
}

#[test]
fn the_crate_binds_parameters() {
    if !is_here() {
        return;
    }
    let client = Store::shared().client(Role::Reader);
    block_on(async {
        let hostile = "'; DROP TABLE x; -- \\ \n\n {y:String}";
        let (text, number): (String, u32) = client
            .query("SELECT {text:String}, {number:UInt32}")
            .param("text", hostile)
            .param("number", 7_u32)
            .fetch_one()
            .await
            .unwrap();
        assert_eq!((text.as_str(), number), (hostile, 7));
        let text: String = client.query("SELECT ?").bind(hostile).fetch_one().await.unwrap();
        assert_eq!(text, hostile);
    });
}

#[test]
fn an_insert_that_is_given_up_inserts_nothing() {
    if !is_here() {
        return;
    }
    let store = Store::database("given_up");
    store.run(&format!("CREATE TABLE given_up.events {EVENTS}"));
    block_on(async {
        let client = store.client(Role::Sensor).with_database("given_up").with_compression(Compression::Lz4);
        let mut insert = client.insert::<Event>("events").await.unwrap();
        for id in 0..20_000 {
            insert.write(&event(id)).await.unwrap();
        }
        drop(insert);
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(store.run("SELECT count() FROM given_up.events"), "0");
}

#[test]
fn the_crate_tells_errors_as_they_are() {
    if !is_here() {
        return;
    }
    let store = Store::shared();
    let client = store.client(Role::Reader);
    block_on(async {
        let said = |client: Client, sql: &'static str| async move {
            client.query(sql).fetch_all::<u64>().await.unwrap_err().to_string()
        };
        let unknown = said(client.clone(), "SELECT n FROM no_such_table").await;
        assert!(unknown.contains("Code: 60. DB::Exception"), "{unknown}");
        let setting = said(client.clone().with_setting("no_such_setting", "1"), "SELECT 1").await;
        assert!(setting.contains("Code: 115. DB::Exception"), "{setting}");
        let password = said(client.clone().with_password("wrong"), "SELECT 1").await;
        assert!(password.contains("Code: 516. DB::Exception"), "{password}");
        let on_the_way = said(client.clone(), "SELECT number + throwIf(number = 2000000) FROM numbers(3000000)").await;
        assert!(on_the_way.contains("Code: 395. DB::Exception"), "{on_the_way}");
        let denied = client.query("CREATE DATABASE never").execute().await.unwrap_err().to_string();
        assert!(denied.contains("Code: 497. DB::Exception"), "{denied}");
    });
}

/// Python's client, which Superset and others use.
#[test]
fn clickhouse_connect_works() {
    if !is_here() {
        return;
    }
    let Some(python) = python_with_client() else {
        eprintln!("SKIPPED: clickhouse-connect cannot be installed into a virtual environment of python3");
        return;
    };
    let store = Store::database("python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/python_client.py");
    let output = Command::new(python)
        .arg(script)
        .arg(store.here.address.port().to_string())
        .args([Role::Sensor, Role::Reader].map(|role| store.password(role)))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// A Python with the client in its version of today, in a virtual environment that is kept for the next time.
fn python_with_client() -> Option<std::path::PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clickhouse-connect-1.12.0");
    let python = environment.join("bin/python");
    let done = environment.join("done");
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !done.exists() {
        let is_made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))
            && run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "clickhouse-connect==1.12.0"]));
        if !is_made {
            return None;
        }
        std::fs::write(done, "").ok()?;
    }
    Some(python)
}

/// The requests that Grafana's ClickHouse plugin makes over HTTP: its driver is clickhouse-go, which asks who it talks to,
/// names its protocol version, and takes blocks of the Native format as that version has them.
#[test]
fn grafana_gets_its_answers() {
    if !is_here() {
        return;
    }
    let store = Store::database("grafana");
    store.run("CREATE TABLE grafana.t (time DateTime64(3, 'UTC'), kind LowCardinality(String), n UInt64, tags Array(String)) ENGINE = MergeTree ORDER BY time");
    store.run("INSERT INTO grafana.t VALUES ('2026-01-01 00:00:00.500', 'a', 1, ['x']), ('2026-01-01 00:01:00.000', 'b', 2, [])");
    let key = format!("X-ClickHouse-Key: {}", store.password(Role::Reader));
    let fields = [
        "--header",
        "X-ClickHouse-User: reader",
        "--header",
        &key,
        "--header",
        "Accept-Encoding: gzip",
        "--data-binary",
        "@-",
    ];
    let target = "/?client_protocol_version=54460&database=default&default_format=Native&enable_http_compression=1";
    let got = store.curl(target, &fields, b"SELECT displayName(), version(), revision(), timezone()");
    assert_eq!(got.status, 200, "{}", got.text());
    // Block info, four columns, one row; then name, type and the octet for the serialisation.
    let start = [&[1, 0, 2, 255, 255, 255, 255, 0, 4, 1][..], b"\x0ddisplayName()\x06String\0"].concat();
    assert_eq!(&got.body[..start.len()], start, "{:?}", got.text());
    assert!(got.fields.contains("x-clickhouse-timezone: UTC\r\n"), "{}", got.fields);
    // A panel: settings in the URL, a series over time.
    let target = "/?client_protocol_version=54460&database=grafana&default_format=Native&max_execution_time=60&wait_end_of_query=1";
    let panel = b"SELECT toStartOfInterval(time, INTERVAL 60 second) AS time, kind, sum(n) AS n FROM t WHERE time >= toDateTime64(1767225600, 3) GROUP BY time, kind ORDER BY time";
    let got = store.curl(target, &fields, panel);
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(&got.body[8..10], [3, 2], "{:?}", got.body);
    let got = store.curl(target, &fields, b"SELECT * FROM t ORDER BY time");
    assert_eq!((got.status, &got.body[8..10]), (200, &[4, 2][..]), "{:?}", got.text());
    // What its editor asks.
    for sql in [
        "SHOW DATABASES",
        "SHOW TABLES FROM grafana",
        "DESCRIBE TABLE grafana.t",
        "SELECT name, type FROM system.columns WHERE table = 't'",
        "EXPLAIN AST SELECT 1",
    ] {
        assert_eq!(store.curl(target, &fields, sql.as_bytes()).status, 200, "{sql}");
    }
    // A type whose end cannot be found is not sent wrongly.
    assert_eq!(store.curl(target, &fields, b"SELECT sumState(n) FROM t").error(), (501, 48));
    let got = store.curl(target, &fields, b"SELECT 1 FORMAT JSONCompact");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&got.body).unwrap()["data"][0][0], 1);
}
