use apitap::alert::{Revision, Severity};
use apitap::store::gateway::Role;
use apitap::store::queries::{Filter, Follow};
use apitap::time::Timestamp;

use super::world::{Alerts, HOSTILE, Store, block_on, insert, is_here, revision};

/// Asks with `arguments`, and compares with the alerts whose latest states `is_asked` picks out.
#[track_caller]
fn assert_finds(arguments: &[&str], is_asked: impl Fn(&Revision) -> bool) {
    let all = ["alerts", "--limit", "5000", "--format", "jsonl"];
    let said = Store::filled().says(&[&all[..], arguments].concat());
    let found: Vec<Revision> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected: Vec<_> = Alerts::latest().into_iter().filter(|revision| is_asked(revision)).collect();
    assert!(!expected.is_empty() && expected.len() < 1_000, "{arguments:?} asks for {} alerts", expected.len());
    let ids = |alerts: &mut dyn Iterator<Item = &Revision>| alerts.map(|alert| alert.id).collect::<Vec<_>>();
    assert_eq!(ids(&mut found.iter()), ids(&mut expected.iter().copied()), "{arguments:?}");
    assert!(found.iter().eq(expected), "{arguments:?}: each is shown in its latest state");
}

#[test]
fn every_filter_lets_through_what_it_says() {
    if !is_here() {
        return;
    }
    let at = |text: &str| Timestamp::from_parts(text.parse::<jiff::Timestamp>().unwrap().as_second(), 0);
    let (early, late) = (at("2013-09-26T00:00:00Z"), at("2013-09-28T00:00:00Z"));
    let client = |text: &'static str| move |a: &Revision| a.clients.contains(&text.parse().unwrap());
    assert_finds(&["--since", "2013-09-28"], |a| a.last_seen >= late);
    assert_finds(&["--until", "2013-09-26T00:00:00Z"], |a| a.first_seen < early);
    assert_finds(&["--since", "2013-09-26 00:00", "--until", "2013-09-28"], |a| {
        a.last_seen >= early && a.first_seen < late
    });
    assert_finds(&["--severity", "medium"], |a| a.severity >= Severity::Medium);
    assert_finds(&["--severity", "critical"], |a| a.severity == Severity::Critical);
    assert_finds(&["--family", "pii"], |a| a.family.as_str() == "pii");
    assert_finds(&["--family", "pii,auth"], |a| ["pii", "auth"].contains(&a.family.as_str()));
    assert_finds(&["--detector", "secret.test", "--detector", "auth.test"], |a| {
        a.detector == "secret.test" || a.detector == "auth.test"
    });
    assert_finds(&["--client", "10.0.1.7"], client("10.0.1.7"));
    assert_finds(&["--client", "2001:db8::3"], client("2001:db8::3"));
    // This one came with the last revision.
    assert_finds(&["--client", "192.0.2.77"], client("192.0.2.77"));
    assert_finds(&["--client", "10.0.2.0/24"], |a| a.client.to_string().starts_with("10.0.2."));
    assert_finds(&["--client", "2001:db8::/32"], |a| a.client.is_ipv6());
    assert_finds(&["--principal", "p4"], |a| a.principal.as_deref() == Some("p4"));
    assert_finds(&["--endpoint", "/users/{id}/7"], |a| a.endpoint.as_deref() == Some("/users/{id}/7"));
    assert_finds(&["--host", "b.example"], |a| a.host.as_deref() == Some("b.example"));
    assert_finds(&["--fingerprint", &format!("{:032x}", 42)], |a| a.fingerprint.to_string().ends_with("02a"));
}

#[test]
fn filters_hold_together() {
    if !is_here() {
        return;
    }
    assert_finds(
        &["--client", "10.0.0.0/16", "--host", "a.example", "--severity", "medium", "--since", "2013-09-26"],
        |a| {
            a.client.to_string().starts_with("10.0.")
                && a.host.as_deref() == Some("a.example")
                && a.severity >= Severity::Medium
                && a.last_seen >= Timestamp::from_parts(1_380_153_600, 0)
        },
    );
    assert_finds(&["--endpoint", "/users/{id}/4", "--principal", "p4", "--client", "192.0.2.77"], |a| {
        a.endpoint.as_deref() == Some("/users/{id}/4") && a.principal.as_deref() == Some("p4") && a.client_count == 2
    });
}

#[test]
fn what_is_stored_twice_is_there_once() {
    if !is_here() {
        return;
    }
    let store = Store::filled();
    let count = |sql: &str| store.says(&["query", sql, "--format", "csv"]);
    // Two batches of the same revisions, not merged yet or merged: both are right.
    assert_eq!(count("SELECT uniqExact(alert_id, revision) n FROM apitap.alert_revisions"), "n\r\n3000\r\n");
    let all = store.says(&["alerts", "--limit", "5000", "--format", "jsonl"]);
    assert_eq!(all.lines().count(), 1_000);
    let mut ids: Vec<_> = all.lines().map(|line| line.get(..50).unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1_000);
    // The limit counts alerts, not rows.
    assert_eq!(
        store.says(&["alerts", "--limit", "7", "--format", "jsonl"]),
        all.split_inclusive('\n').take(7).collect::<String>()
    );
    // A capture of years ago was stored just now.
    assert_eq!(store.says(&["alerts", "--since", "7d", "--format", "jsonl"]), "");
    assert_eq!(store.says(&["alerts", "--ingested-since", "2h", "--limit", "5000", "--format", "jsonl"]), all);
    assert_eq!(store.says(&["alerts", "--ingested-since", "30m", "--format", "jsonl"]), "");
    store.run("OPTIMIZE TABLE apitap.alert_revisions FINAL");
    assert_eq!(store.says(&["alerts", "--limit", "5000", "--format", "jsonl"]), all);
}

#[test]
fn formats_say_the_same() {
    if !is_here() {
        return;
    }
    let store = Store::filled();
    let say = |format| store.says(&["alerts", "--host", "b.example", "--limit", "20", "--format", format]);
    let lines: Vec<serde_json::Value> = say("jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&say("json")).unwrap(), lines);
    let csv = say("csv");
    let rows: Vec<_> = csv.split_terminator("\r\n").collect();
    assert!(rows[0].starts_with("id,revision,fingerprint,"));
    assert_eq!(rows.len(), lines.len() + 1);
    for (row, line) in rows[1..].iter().zip(&lines) {
        assert!(row.starts_with(&format!("{},3,", line["id"].as_str().unwrap())));
        assert!(row.contains("/users/{id}/") && line["workflow"]["status"] == "open");
    }
    let table = say("table");
    assert_eq!(table.lines().count(), lines.len() + 1);
    assert!(table.lines().all(|line| line.chars().count() <= 140));
    assert!(table.contains("GET b.example/users/{id}/"));
}

#[test]
fn hostile_text_is_text_everywhere() {
    if !is_here() {
        return;
    }
    let store = Store::filled();
    let id = Alerts::latest().into_iter().find(|a| a.host.as_deref() == Some(HOSTILE)).unwrap().id.to_string();
    // As a value of a filter it finds its alert, and does nothing else. Arguments cannot hold NUL.
    let found = store.says(&["alerts", "--principal", HOSTILE.trim_end_matches('\0'), "--format", "jsonl"]);
    assert_eq!(found, "");
    let found = block_on(async {
        let filter = Filter { host: Some(HOSTILE.to_owned()), limit: 10, ..Filter::default() };
        apitap::store::queries::alerts(&store.client(Role::Reader), &filter).await.unwrap()
    });
    assert_eq!(found.iter().map(|found| found.revision.id.to_string()).collect::<Vec<_>>(), [&*id]);
    for arguments in [
        &["alerts", "show", &id, "--format", "table"][..],
        &["alerts", "--client", "10.0.1.13", "--format", "table"],
        &[
            "query",
            "SELECT host, description FROM apitap.alert_revisions WHERE position(host, '=cmd') = 1",
            "--format",
            "table",
        ],
    ] {
        let said = store.says(arguments);
        assert!(said.contains("=cmd|"), "{arguments:?}: {said}");
        assert!(!said.chars().any(|c| c.is_control() && c != '\n') && !said.contains('\u{202e}'), "{said:?}");
    }
    let csv = store.says(&["alerts", "show", &id, "--format", "csv"]);
    assert!(csv.contains("\"'=cmd|") && !csv.contains(",=cmd"), "{csv:?}");
    let json: serde_json::Value = serde_json::from_str(&store.says(&["alerts", "show", &id])).unwrap();
    assert_eq!(json["host"], HOSTILE);
    assert_eq!(store.run("SELECT count() FROM system.tables WHERE name = 'alert_status'"), "1");
}

#[test]
fn sql_reads_and_nothing_else() {
    if !is_here() {
        return;
    }
    let store = Store::filled();
    let sql = "SELECT number AS n, if(n = 1, NULL, 'a,\"b\"') AS t, [n, 18446744073709551615] AS l FROM numbers(2)";
    let says = |format| store.says(&["query", sql, "--format", format]);
    let (one, two) =
        (r#"{"n":0,"t":"a,\"b\"","l":[0,18446744073709551615]}"#, r#"{"n":1,"t":null,"l":[1,18446744073709551615]}"#);
    assert_eq!(says("jsonl"), format!("{one}\n{two}\n"));
    assert_eq!(says("json"), format!("[\n{one},\n{two}\n]\n"));
    assert_eq!(
        says("csv"),
        "n,t,l\r\n0,\"a,\"\"b\"\"\",\"[0,18446744073709551615]\"\r\n1,,\"[1,18446744073709551615]\"\r\n"
    );
    assert_eq!(
        says("table"),
        "n  t      l\n0  a,\"b\"  [0,18446744073709551615]\n1         [1,18446744073709551615]\n"
    );
    assert_eq!(store.says(&["query", "SELECT 1 WHERE 0", "--format", "json"]), "[]\n");
    // A question mark is not a place for a value.
    assert_eq!(store.says(&["query", "SELECT '?' AS q", "--format", "jsonl"]), "{\"q\":\"?\"}\n");
    for (sql, words) in [
        ("DROP TABLE apitap.alert_status", "ACCESS_DENIED"),
        ("INSERT INTO apitap.alert_status (note) VALUES ('x')", "ACCESS_DENIED"),
        ("SELECT * FROM file('/etc/passwd')", "DB::Exception"),
        ("SELECT 1; SELECT 2", "DB::Exception"),
        ("SELEC", "Syntax error"),
        ("SELECT 1 FORMAT CSV", "leave FORMAT out"),
    ] {
        let said = store.refuses(&["query", sql]);
        assert!(said.contains(words) && said.lines().count() == 1, "{sql}: {said}");
    }
    let said = store.refuses(&["alerts", "--store", "http://127.0.0.1:1"]);
    assert!(said.contains("the store cannot be used: asking for its version"), "{said}");
}

#[test]
fn what_comes_in_is_followed_once() {
    if !is_here() {
        return;
    }
    let store = Store::new("follow");
    let client = &store.client(Role::Sensor);
    let filter = Filter { host: Some("a.example".into()), ..Filter::default() };
    let now = Timestamp::from_parts(jiff::Timestamp::now().as_second(), 0);
    let start = Timestamp::from_parts(jiff::Timestamp::now().as_second() - 7_200, 0);
    block_on(async {
        apitap::store::schema::apply(client, 90).await.unwrap();
        let mut follow = Follow::from(start);
        assert_eq!(follow.next(client, &filter, now).await.unwrap(), []);
        let revisions: Vec<_> = (0..40).map(|number| revision(number, 1)).collect();
        let expected = |range: std::ops::Range<usize>| {
            let is_asked = |a: &&Revision| a.host.as_deref() == Some("a.example");
            revisions[range].iter().filter(is_asked).cloned().collect::<Vec<_>>()
        };
        // A batch that is sent again, and the batch after it.
        insert(client, &revisions[..20], 1).await;
        insert(client, &revisions[..20], 1).await;
        let mut next = async || -> Vec<Revision> {
            follow.next(client, &filter, now).await.unwrap().into_iter().map(|found| found.revision).collect()
        };
        assert_eq!(next().await, expected(0..20));
        assert_eq!(next().await, []);
        insert(client, &revisions, 2).await;
        // What was followed is known by its place in the chain.
        assert_eq!(next().await, expected(20..40));
        assert_eq!(next().await, []);
    });
}
