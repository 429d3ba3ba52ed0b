use apitap::store::gateway::Role;
use apitap::store::rows::{HeartbeatRow, SENSOR_HEARTBEATS};
use apitap::store::schema::apply;

use super::world::{Alerts, Store, block_on, insert, is_here, revision};

/// A store of this test's own with the revisions of the first `count` alerts.
fn store(name: &str, count: u32) -> Store {
    let store = Store::new(name);
    let numbers = (0..count).flat_map(|alert| (1..=Alerts::REVISIONS).map(move |number| revision(alert, number)));
    block_on(async {
        let client = &store.client(Role::Sensor);
        apply(client, 90).await.unwrap();
        insert(client, &numbers.collect::<Vec<_>>(), 1).await;
        let heartbeat = HeartbeatRow {
            sensor: "test".into(),
            at: (jiff::Timestamp::now().as_second() - 7_200) * 1_000_000,
            started_at: 0,
            version: "0".into(),
            health: 2,
            counters: vec![("frames_received".into(), 10), ("frames_dropped_kernel".into(), 3)],
            visibility: vec!["ring_full".into()],
            chain_seq: 0,
            chain_hash: [0; 32],
        };
        let mut insert =
            client.clone().with_database("apitap").insert::<HeartbeatRow>(SENSOR_HEARTBEATS).await.unwrap();
        insert.write(&heartbeat).await.unwrap();
        insert.end().await.unwrap();
    });
    store
}

#[test]
fn people_say_what_becomes_of_an_alert() {
    if !is_here() {
        return;
    }
    let mut store = store("status", 8);
    let ids: Vec<_> = (0..8).map(|number| revision(number, 1).id.to_string()).collect();
    let with = |store: &Store, status: &str| {
        let said = store.says(&["alerts", "--status", status, "--format", "jsonl"]);
        let id = |line: &str| line.get(7..43).unwrap().to_owned();
        let mut found: Vec<_> = said.lines().map(id).collect();
        found.reverse();
        found
    };
    assert_eq!(with(&store, "open"), ids);
    store.says(&["alerts", "ack", &ids[0], "--note", "looking, \"now\"", "--who", "ann"]);
    // The start of an id will do.
    store.says(&["alerts", "ack", &ids[1][..8], "--who", "ann"]);
    store.says(&["alerts", "resolve", &ids[1], "--note", "fixed", "--who", "bob"]);
    store.says(&["alerts", "resolve", &ids[2], "--who", "bob"]);
    store.says(&["alerts", "reopen", &ids[2], "--note", "not fixed", "--who", "ann"]);
    assert_eq!(with(&store, "ack"), ids[..1]);
    assert_eq!(with(&store, "resolved"), ids[1..2]);
    assert_eq!(with(&store, "reopened"), ids[2..3]);
    assert_eq!(with(&store, "open"), ids[3..]);
    assert_eq!(with(&store, "open,reopened"), ids[2..]);
    assert_eq!(with(&store, "ack,resolved,reopened"), ids[..3]);

    let said = store.says(&["alerts", "show", &ids[1]]);
    let story: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&story["workflow"]["status"], &story["workflow"]["who"]), (&"resolved".into(), &"bob".into()));
    let history: Vec<_> = story["status_history"].as_array().unwrap().iter().map(|change| &change["status"]).collect();
    assert_eq!(history, ["ack", "resolved"]);
    assert_eq!(story["revisions"].as_array().unwrap().len(), 3);
    assert_eq!(story["sensor_health"]["counters"]["frames_dropped_kernel"], 3);

    let stats: serde_json::Value = serde_json::from_str(&store.says(&["alerts", "stats"])).unwrap();
    assert_eq!((&stats["time_to_ack"]["alerts"], &stats["time_to_resolve"]["alerts"]), (&2.into(), &2.into()));
    let median = stats["time_to_ack"]["median_seconds"].as_f64().unwrap();
    assert!((3_600.0..3_700.0).contains(&median), "{median}");

    for (arguments, words) in [
        (["alerts", "ack", "00000000-f4a8-8dc8-903e-645a5430bdb3"], "there is no alert"),
        (["alerts", "ack", "ffff0000"], "there is no alert"),
    ] {
        assert!(store.refuses(&arguments).contains(words), "{arguments:?}");
    }

    // Without a store that runs, the command starts one for itself.
    store.end();
    assert_eq!(with(&store, "ack"), ids[..1]);
    store.says(&["alerts", "ack", &ids[7], "--who", "eve"]);
    assert_eq!(with(&store, "ack"), [ids[0].clone(), ids[7].clone()]);
    assert!(!store.state().join("store.json").exists());
}

#[test]
fn everything_about_an_alert_is_shown() {
    if !is_here() {
        return;
    }
    let store = store("show", 6);
    let id = revision(4, 1).id.to_string();
    let page = store.says(&["alerts", "show", &id, "--format", "table"]);
    for words in [
        "info  Something in a response",
        "GET a.example/users/{id}/4, server 10.0.0.2:8080, answered 200 last",
        "10.0.1.4, 192.0.2.77",
        "principal p4",
        "2013-09-24 06:00:00 to 06:02:00 UTC",
        "open: nobody has said anything",
        "Number 4.",
        "21 matches, 27 items, 2 clients, 1 piece of evidence; 600.0 matches an hour",
        "thing 0*** in response.content $.a, byte 4",
        "Remove it.",
        "response_gap: parts of a response were not in the capture",
        "degraded, frames_dropped_kernel=3, ring_full",
        "secret.test a, medium confidence, API3:2023 CWE-359",
        "1 at 2013-09-24 06:00:00 UTC: info, 7 matches, 1 client",
        "3 at 2013-09-24 06:02:00 UTC: info, 21 matches, 2 clients, closed",
        &id,
    ] {
        assert!(page.contains(words), "'{words}' is not in:\n{page}");
    }
}

#[test]
fn counts_are_of_alerts_however_often_they_are_stored() {
    if !is_here() {
        return;
    }
    let range = ["--since", "2013-09-24", "--until", "2013-10-02"];
    let store = Store::filled();
    let said = store.says(&[&["alerts", "stats"][..], &range].concat());
    let stats: serde_json::Value = serde_json::from_str(&said).unwrap();
    let count = |by: &str, name: &str| {
        let counts = stats[by].as_array().unwrap();
        let count = counts.iter().find(|count| count["name"] == name).unwrap_or_else(|| panic!("{by} {name}"));
        let alerts = count["alerts"].as_u64().unwrap();
        let over_time = count["over_time"].as_array().unwrap();
        assert_eq!(over_time.iter().map(|alerts| alerts.as_u64().unwrap()).sum::<u64>(), alerts);
        assert_eq!(over_time.len(), stats["buckets"].as_array().unwrap().len());
        alerts as usize
    };
    let expected = |is_counted: &dyn Fn(&apitap::alert::Revision) -> bool| {
        Alerts::latest().into_iter().filter(|revision| is_counted(revision)).count()
    };
    // "high" became "critical" with the last revision.
    assert_eq!(
        stats["severity"].as_array().unwrap().iter().map(|count| &count["name"]).collect::<Vec<_>>(),
        ["critical", "medium", "low", "info"]
    );
    assert_eq!(count("severity", "critical"), 250);
    assert_eq!(count("family", "auth"), expected(&|a| a.family.as_str() == "auth"));
    assert_eq!(count("client", "192.0.2.77"), expected(&|a| a.client_count == 2));
    assert_eq!(stats["endpoint"].as_array().unwrap().len(), 10);
    let page = store.says(&[&["alerts", "stats", "--format", "table"][..], &range].concat());
    assert!(page.starts_with("1000 alerts began from 2013-09-24 05:20:00 to 2013-10-01 03:50:01 UTC\n"), "{page}");
    assert!(
        page.contains("critical       250  ") && page.contains('█') && page.contains("to resolve      none was"),
        "{page}"
    );
    let some = store.says(
        &[&["alerts", "stats", "--severity", "critical", "--host", "b.example", "--format", "csv"][..], &range]
            .concat(),
    );
    let sum: usize = some
        .lines()
        .filter(|line| line.starts_with("severity,critical,"))
        .map(|line| line.trim().rsplit(',').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(sum, expected(&|a| a.severity.as_str() == "critical" && a.host.as_deref() == Some("b.example")));
    assert!(
        store.refuses(&["alerts", "stats", "--since", "2013-09-24", "--until", "2013-09-24"]).contains("not before")
    );
}
