use apitap::store::gateway::Role;
use apitap::store::{DATABASE, STATUS_TABLE};

use super::world::{Store, is_here};

#[test]
fn nobody_reaches_beyond_the_tables() {
    if !is_here() {
        return;
    }
    let store = Store::database("beyond");
    let out = store.folder.join("out");
    let out_file = format!("SELECT 1 INTO OUTFILE '{}'", out.display());
    for role in Role::ALL {
        for sql in [
            "SELECT * FROM file('/etc/passwd', 'LineAsString')",
            "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')",
            "SELECT * FROM remote('127.0.0.1:9', system.one)",
            "SELECT * FROM mysql('127.0.0.1:9', 'a', 'b', 'c', 'd')",
            out_file.as_str(),
            "INSERT INTO FUNCTION file('x.csv', 'CSV', 'a UInt8') VALUES (1)",
            "CREATE TABLE beyond.f (a UInt8) ENGINE = File(CSV)",
            "CREATE TABLE beyond.u (a UInt8) ENGINE = URL('http://127.0.0.1:9/', CSV)",
            "SYSTEM SHUTDOWN",
            "SYSTEM KILL",
            "CREATE FUNCTION f AS (x) -> x",
            "CREATE DICTIONARY beyond.d (k UInt64) PRIMARY KEY k SOURCE(EXECUTABLE(command 'id' format 'TSV')) LAYOUT(FLAT()) \
             LIFETIME(0)",
            "CREATE DATABASE beyond_sqlite ENGINE = SQLite('/etc/x.db')",
            "CREATE USER u",
            "GRANT ALL ON *.* TO default",
            "CREATE NAMED COLLECTION c AS a = 1",
            "ATTACH TABLE beyond.a FROM '/etc' (a UInt8) ENGINE = MergeTree ORDER BY a",
        ] {
            let got = store.post(role, "/", sql.as_bytes());
            assert_eq!(got.error(), (403, 497), "{role:?} {sql}: {}", got.text());
        }
        let got = store.post(role, "/", b"INSERT INTO beyond.t FROM INFILE '/etc/passwd' FORMAT CSV");
        assert_eq!(got.error(), (403, 497), "{role:?}: {}", got.text());
        assert_eq!(store.post(role, "/", b"KILL QUERY WHERE 1 SYNC").error(), (501, 48));
    }
    assert!(!out.exists());
    // And it is still there.
    assert_eq!(store.run("SELECT 1"), "1");
}

/// The engine's grants do not cover these; the kernel does.
#[test]
fn no_expression_reads_a_file_or_runs_a_program() {
    if !is_here() {
        return;
    }
    let store = Store::new("files");
    if !store.is_confined {
        eprintln!("SKIPPED: the store's confinement; this kernel has no Landlock");
        return;
    }
    let secret = store.here.credentials.join("sensor").display().to_string();
    let passwords = Role::ALL.map(|role| store.password(role));
    let outside = store.folder.join("outside").display().to_string();
    std::fs::write(&outside, &passwords[0]).unwrap();
    store.run("CREATE DATABASE apitap");
    store.run("CREATE TABLE apitap.alert_status (s String) ENGINE = MergeTree ORDER BY s");
    for file in [secret.as_str(), outside.as_str(), "/etc/passwd", "/proc/self/environ", "/proc/self/mem"] {
        for sql in [
            format!("SELECT file('{file}')"),
            format!("SELECT \"fi\\x6ce\"('{file}')"),
            format!("SELECT * APPLY(file) FROM (SELECT '{file}' AS x)"),
            format!("SELECT arrayMap(file, ['{file}'])"),
            format!("SELECT * FROM format(Values, 'a String', $$(file('{file}'))$$)"),
            format!(
                "SELECT * FROM format(JSONEachRow, concat('a String, b String DEFAULT fi', 'le(\\'{file}\\')'), '{{\"a\":\"1\"}}')"
            ),
            format!("INSERT INTO apitap.alert_status VALUES (file('{file}'))"),
            format!("SELECT * FROM executable('{file}', 'TSV', 's String')"),
        ] {
            for role in Role::ALL {
                let got = store.post(role, "/", sql.as_bytes());
                assert!(got.status >= 400, "{role:?} {sql}: {}", got.text());
                let is_told =
                    passwords.iter().any(|password| got.text().contains(password)) || got.text().contains("root:");
                assert!(!is_told, "{role:?} {sql}: {}", got.text());
            }
        }
    }
    assert_eq!(store.run("SELECT count() FROM apitap.alert_status"), "0");
    // What takes a path of its own to write to.
    for sql in [
        format!("CREATE TABLE apitap.r (n UInt8) ENGINE = EmbeddedRocksDB(0, '{outside}.d') PRIMARY KEY n"),
        format!("BACKUP TABLE apitap.alert_status TO File('{outside}.b')"),
    ] {
        assert!(store.post(Role::Sensor, "/", sql.as_bytes()).status >= 400, "{sql}");
    }
    assert!(!std::path::Path::new(&format!("{outside}.d")).exists());
    // The engine is as it was.
    store.run("BACKUP TABLE apitap.alert_status TO File('mine')");
    assert_eq!(store.run("SELECT 1"), "1");
}

#[test]
fn readers_read_and_analysts_change_a_status() {
    if !is_here() {
        return;
    }
    let store = Store::new("roles");
    store.run(&format!("CREATE DATABASE {DATABASE}"));
    store.run(&format!("CREATE TABLE {DATABASE}.{STATUS_TABLE} (n UInt8) ENGINE = MergeTree ORDER BY n"));
    store.run(&format!("CREATE TABLE {DATABASE}.other (n UInt8) ENGINE = MergeTree ORDER BY n"));
    let insert = |table: &str| format!("INSERT INTO {DATABASE}.{table} VALUES (1)");
    for role in [Role::Analyst, Role::Reader] {
        for sql in [
            insert("other"),
            format!("DROP TABLE {DATABASE}.other"),
            format!("ALTER TABLE {DATABASE}.{STATUS_TABLE} DELETE WHERE 1"),
            format!("TRUNCATE TABLE {DATABASE}.{STATUS_TABLE}"),
            format!("INSERT INTO {DATABASE}.{STATUS_TABLE} SELECT 1"),
            "CREATE TABLE t (a UInt8) ENGINE = Memory".to_owned(),
            "KILL QUERY WHERE 1".to_owned(),
        ] {
            for target in ["/", "/?readonly=0", "/?readonly=2"] {
                let got = store.post(role, target, sql.as_bytes());
                assert_eq!(got.error(), (403, 497), "{role:?} {sql}: {}", got.text());
            }
        }
        assert_eq!(store.post(role, "/", b"SELECT getSetting('readonly')").text(), "1\n");
        assert_eq!(store.post(role, "/", b"SELECT 1 SETTINGS readonly = 0").error(), (403, 164));
    }
    assert_eq!(store.post(Role::Reader, "/", insert(STATUS_TABLE).as_bytes()).error(), (403, 497));
    assert_eq!(store.post(Role::Analyst, "/", insert(STATUS_TABLE).as_bytes()).status, 200);
    assert_eq!(store.run(&format!("SELECT count() FROM {DATABASE}.{STATUS_TABLE}")), "1");
}

#[test]
fn get_changes_nothing() {
    if !is_here() {
        return;
    }
    let store = Store::shared();
    let user = format!("sensor:{}", store.password(Role::Sensor));
    let got = store.curl("/?query=CREATE+DATABASE+never", &["--user", &user], b"");
    assert_eq!(got.error(), (403, 164));
    assert_eq!(store.curl("/?query=SELECT+1", &["--user", &user], b"").text(), "1\n");
}

#[test]
fn passwords_are_asked_for() {
    if !is_here() {
        return;
    }
    let store = Store::shared();
    let wrong = ["--user", "reader:wrong", "--data-binary", "@-"];
    let got = store.curl("/", &wrong, b"SELECT 1");
    assert_eq!(got.error(), (403, 516));
    let expected = "Code: 516. DB::Exception: reader: Authentication failed: password is incorrect, or there is no user \
                    with such name. (AUTHENTICATION_FAILED)";
    assert!(got.text().starts_with(expected), "{}", got.text());
    assert_eq!(store.curl("/?query=SELECT+1", &[], b"").error(), (403, 516));
    assert_eq!(store.curl("/?query=SELECT+1&user=sensor&password=", &[], b"").error(), (403, 516));
    // Much content does not hide the answer.
    assert_eq!(store.curl("/?query=INSERT+INTO+t+FORMAT+TSV", &wrong, &vec![b'x'; 3 << 20]).error(), (403, 516));
    // Each of the three ways to give it.
    let password = store.password(Role::Reader);
    assert_eq!(store.curl(&format!("/?query=SELECT+1&user=reader&password={password}"), &[], b"").text(), "1\n");
    let key = format!("X-ClickHouse-Key: {password}");
    let fields = ["--header", "X-ClickHouse-User: reader", "--header", &key];
    assert_eq!(store.curl("/?query=SELECT+1", &fields, b"").text(), "1\n");
}

#[test]
fn a_page_that_pretends_to_be_this_machine_gets_nothing() {
    if !is_here() {
        return;
    }
    let store = Store::shared();
    let user = format!("reader:{}", store.password(Role::Reader));
    for host in ["Host: evil.example", "Host: evil.example:8123", "Host: 127.0.0.1.evil.example", "Host:"] {
        let got = store.curl("/?query=SELECT+1", &["--user", &user, "--header", host], b"");
        assert_eq!(got.error(), (421, 516), "{host}");
    }
    assert_eq!(store.curl("/?query=SELECT+1", &["--user", &user, "--header", "Host: localhost"], b"").text(), "1\n");
}

#[test]
fn what_is_not_offered_is_said_to_be_so() {
    if !is_here() {
        return;
    }
    let store = Store::shared();
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        assert_eq!(store.curl("/", &["--request", method], b"").error(), (501, 48), "{method}");
    }
    assert_eq!(store.curl("/play", &[], b"").status, 404);
    let form = "Content-Type: multipart/form-data; boundary=b";
    let user = format!("sensor:{}", store.password(Role::Sensor));
    let external = b"--b\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\n\r\n1\r\n--b--\r\n";
    let arguments = ["--user", &user, "--header", form, "--data-binary", "@-"];
    assert_eq!(store.curl("/?query=SELECT+1&t_structure=a+UInt8", &arguments, external).error(), (501, 48));
    // Readers have little to say.
    let long = vec![b' '; 2 << 20];
    assert_eq!(store.post(Role::Reader, "/", &long).error(), (413, 307));
}
