use apitap::store::gateway::Role;

use super::world::{Store, is_here};

#[test]
fn it_says_whether_it_is_there() {
    if !is_here() {
        return;
    }
    let store = Store::shared();
    for target in ["/ping", "/", "/replicas_status"] {
        let got = store.curl(target, &[], b"");
        assert_eq!((got.status, got.text().as_str()), (200, "Ok.\n"), "{target}");
    }
}

#[test]
fn data_is_data_whatever_is_in_it() {
    if !is_here() {
        return;
    }
    let store = Store::database("octets");
    store.run("CREATE TABLE octets.t (n UInt8, s String) ENGINE = MergeTree ORDER BY n");
    let hostile = b"x\n\n; DROP TABLE octets.t; SELECT 1 \x00 '\\' FORMAT CSV\n";
    // As RowBinary: a number, a length, octets.
    let mut rows = Vec::new();
    for n in 1..=2_u8 {
        rows.extend([n, hostile.len() as u8]);
        rows.extend(hostile);
    }
    let target = "/?query=INSERT+INTO+octets.t+FORMAT+RowBinary";
    assert_eq!(store.post(Role::Sensor, target, &rows).status, 200);
    let inline = [b"INSERT INTO octets.t (n, s) FORMAT RowBinary\n", &rows[..]].concat();
    assert_eq!(store.post(Role::Sensor, "/", &inline).status, 200);
    let json =
        b"INSERT INTO octets.t FORMAT JSONEachRow\n{\"n\":3,\"s\":\"a\"}\n\n{\"n\":4,\"s\":\"DROP TABLE octets.t;\"}\n";
    assert_eq!(store.post(Role::Sensor, "/", json).status, 200);
    assert_eq!(store.run("SELECT n, count() FROM octets.t GROUP BY n ORDER BY n"), "1\t2\n2\t2\n3\t1\n4\t1");
    let got = store.post(Role::Reader, "/", b"SELECT s FROM octets.t WHERE n = 1 LIMIT 1 FORMAT RowBinary");
    assert_eq!(got.body, [&[hostile.len() as u8], &hostile[..]].concat());
}

#[test]
fn a_wrong_row_inserts_nothing() {
    if !is_here() {
        return;
    }
    let store = Store::database("wrong");
    store.run("CREATE TABLE wrong.t (n UInt8) ENGINE = MergeTree ORDER BY n");
    let got = store.post(Role::Sensor, "/", b"INSERT INTO wrong.t FORMAT CSV\n1\n2\nx\n");
    assert_eq!(got.error(), (400, 117), "{}", got.text());
    // A row that breaks off.
    let got = store.post(Role::Sensor, "/?query=INSERT+INTO+wrong.t+(n,n)+FORMAT+RowBinary", b"\x01\x02\x03");
    assert!(got.status >= 400, "{}", got.text());
    assert_eq!(store.run("SELECT count() FROM wrong.t"), "0");
    // None is no error.
    assert_eq!(store.post(Role::Sensor, "/?query=INSERT+INTO+wrong.t+FORMAT+RowBinary", b"").status, 200);
}

#[test]
fn errors_have_the_codes_and_statuses_of_clickhouse() {
    if !is_here() {
        return;
    }
    let store = Store::shared();
    let error = |target: &str, sql: &str| store.post(Role::Sensor, target, sql.as_bytes()).error();
    assert_eq!(error("/", "SELEC 1"), (400, 62));
    assert_eq!(error("/", "1"), (400, 62));
    assert_eq!(error("/", ""), (400, 62));
    assert_eq!(error("/", "SELECT 1; SELECT 2"), (400, 62));
    assert_eq!(error("/", "SELECT * FROM no_such_table"), (404, 60));
    assert_eq!(error("/", "SELECT no_such_column"), (404, 47));
    assert_eq!(error("/", "SELECT noSuchFunction()"), (404, 46));
    assert_eq!(error("/?database=no_such_database", "SELECT 1"), (404, 81));
    assert_eq!(error("/?no_such_setting=1", "SELECT 1"), (404, 115));
    assert_eq!(error("/?no%27such=1", "SELECT 1"), (404, 115));
    assert_eq!(error("/?max_execution_time=1", "SELECT sleepEachRow(0.1) FROM numbers(30)"), (408, 159));
    assert_eq!(error("/?max_memory_usage=5000000", "SELECT groupArray(number) FROM numbers(10000000)"), (503, 241));
    assert_eq!(error("/?max_execution_time=0", "SELECT 1"), (500, 452));
}

#[test]
fn a_result_that_fails_on_the_way_says_so() {
    if !is_here() {
        return;
    }
    let store = Store::shared();
    let got = store.post(Role::Sensor, "/", b"SELECT number, throwIf(number = 2000000) FROM numbers(3000000)");
    assert_eq!(got.status, 200);
    let tag = got.fields.split("x-clickhouse-exception-tag: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let text = got.text();
    let (_, last) = text.split_once("\r\n__exception__\r\n").expect("the result ends in an exception");
    assert!(last.starts_with(&format!("{tag}\r\nCode: 395. DB::Exception: ")), "{last}");
    assert!(last.ends_with(&format!(" {tag}\r\n__exception__\r\n")), "{last}");
}

#[test]
fn large_results_come_in_pieces_with_one_header() {
    if !is_here() {
        return;
    }
    let store = Store::shared();
    let sql = b"SELECT number FROM numbers(1000000) FORMAT RowBinaryWithNamesAndTypes";
    let got = store.post(Role::Reader, "/", sql);
    let header = b"\x01\x06number\x06UInt64";
    assert_eq!(got.body.len(), header.len() + 8_000_000);
    let (start, rows) = got.body.split_at(header.len());
    assert_eq!(start, header);
    let numbers = rows.chunks(8).map(|octets| u64::from_le_bytes(octets.try_into().unwrap()));
    assert!(numbers.eq(0..1_000_000));
    // An empty one has its header as well.
    let sql = b"SELECT number FROM numbers(10) WHERE number > 10 FORMAT RowBinaryWithNamesAndTypes";
    assert_eq!(store.post(Role::Reader, "/", sql).body, header);
    // What cannot be put together from pieces is made whole.
    let got = store.post(Role::Reader, "/", b"SELECT number FROM numbers(200000) FORMAT JSONCompact");
    let json: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(json["rows"], 200_000);
}

#[test]
fn responses_say_what_they_are() {
    if !is_here() {
        return;
    }
    let store = Store::database("fields");
    store.run("CREATE TABLE fields.t (n UInt8) ENGINE = MergeTree ORDER BY n");
    let got = store.post(Role::Sensor, "/?query_id=mine", b"INSERT INTO fields.t VALUES (1), (2), (3)");
    assert!(got.fields.contains("x-clickhouse-query-id: mine\r\n"), "{}", got.fields);
    assert!(got.fields.contains("\"written_rows\":\"3\""), "{}", got.fields);
    let got = store.post(Role::Reader, "/?default_format=JSONEachRow", b"SELECT n FROM fields.t ORDER BY n LIMIT 1");
    assert_eq!(got.text(), "{\"n\":1}\n");
    assert!(got.fields.contains("x-clickhouse-format: JSONEachRow\r\n"), "{}", got.fields);
    assert!(got.fields.contains("content-type: application/x-ndjson; charset=UTF-8\r\n"), "{}", got.fields);
    assert!(got.fields.contains("\"read_rows\":\"3\""), "{}", got.fields);
    // The machine that the test believes it runs on is in New York.
    assert_eq!(store.run("SELECT timezone(), toString(toDateTime(0))"), "UTC\t1970-01-01 00:00:00");
}

#[test]
fn content_may_be_coded() {
    if !is_here() {
        return;
    }
    let store = Store::database("coded");
    store.run("CREATE TABLE coded.t (s String) ENGINE = MergeTree ORDER BY s");
    let user = format!("sensor:{}", store.password(Role::Sensor));
    let rows = b"one\ntwo\n";
    let gzip = {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, rows).unwrap();
        gzip.finish().unwrap()
    };
    let zstd = zstd::bulk::compress(rows, 1).unwrap();
    for (coding, body) in [("gzip", gzip), ("zstd", zstd)] {
        let field = format!("Content-Encoding: {coding}");
        let arguments = ["--user", &user, "--header", &field, "--data-binary", "@-"];
        let got = store.curl("/?query=INSERT+INTO+coded.t+FORMAT+TSV", &arguments, &body);
        assert_eq!(got.status, 200, "{coding}: {}", got.text());
    }
    let arguments = ["--user", &user, "--header", "Content-Encoding: br", "--data-binary", "@-"];
    assert_eq!(store.curl("/?query=INSERT+INTO+coded.t+FORMAT+TSV", &arguments, rows).error(), (501, 48));
    assert_eq!(store.run("SELECT count() FROM coded.t"), "4");
    // A block with a wrong checksum.
    let got = store.post(Role::Sensor, "/?decompress=1&query=INSERT+INTO+coded.t+FORMAT+TSV", &[7; 40]);
    assert!(matches!(got.error(), (400, 33 | 40)), "{}", got.text());
}

#[test]
fn requests_do_not_see_each_other() {
    if !is_here() {
        return;
    }
    let store = Store::database("apart");
    store.run("CREATE TABLE apart.t (n UInt8) ENGINE = MergeTree ORDER BY n");
    assert_eq!(store.post(Role::Sensor, "/?database=apart&max_threads=1", b"SELECT count() FROM t").text(), "0\n");
    assert_eq!(store.post(Role::Sensor, "/", b"SELECT count() FROM t").error(), (404, 60));
    assert_eq!(store.run("SELECT getSetting('max_threads')"), "2");
    // Statements of different requests run at the same time.
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(store.run("SELECT sleep(1)"), "0"));
        }
    });
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}
