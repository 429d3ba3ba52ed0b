//! What `apitap verify` says of what was done to a store.

use apitap::store::writer::Target;

use super::world::{State, apitap, finish, library, revision, runtime, served, spool_of, sql, storing_as};
use crate::world::skip;

const DAY: i64 = 86_400_000;

/// Stores `count` records of `sensor`, spooled so many days ago.
async fn fill(state: &State, sensor: &str, count: u64, days: i64) {
    let mut spool = spool_of(sensor, &state.0);
    let first = spool.head().sequence;
    let records: Vec<_> = (0..count).map(|number| revision(first + number)).collect();
    spool.append(&records, jiff::Timestamp::now().as_millisecond() - days * DAY);
    finish(storing_as(sensor, &state.0, spool, Target::Embedded(state.0.clone()))).await;
}

#[test]
fn what_was_done_to_a_store_is_told_by_its_name() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("verdicts");
    let mutate = |what: &str| format!("ALTER TABLE alert_revisions {what} AND sensor = '$'");
    let cases = [
        ("whole", String::new(), "intact 20", ""),
        ("deleted", mutate("DELETE WHERE seq IN (7, 8)"), "intact 18, deleted 2", "deleted       7 to 8"),
        ("column", mutate("UPDATE host = 'b.example' WHERE seq = 5"), "intact 19, changed 1", "changed       5"),
        ("evidence", mutate("UPDATE visibility = ['x'] WHERE seq = 5"), "intact 19, changed 1", "changed       5"),
        (
            "record",
            mutate("UPDATE record = replace(record, '10.0', '10.9') WHERE seq = 6"),
            "intact 19, changed 1",
            "6",
        ),
        ("order", mutate("UPDATE seq = 7 - seq WHERE seq IN (3, 4)"), "intact 18, reordered 2", "reordered     3 to 4"),
        ("moved", mutate("UPDATE seq = 40 WHERE seq = 9"), "deleted", "reordered     40"),
        ("tail", mutate("DELETE WHERE seq > 15"), "intact 15, tail missing 5", "tail missing  16 to 20"),
        ("all", mutate("DELETE WHERE seq > 0"), "intact 0, tail missing 20", "tail missing  1 to 20"),
        ("marks", "ALTER TABLE chain_marks UPDATE seal = hash WHERE sensor = '$'".into(), "intact 20, forged 1", ""),
    ];
    runtime().block_on(async {
        let store = served(&state).await;
        for (sensor, statement, counts, finding) in &cases {
            fill(&state, sensor, 20, 0).await;
            if !statement.is_empty() {
                // ORDER BY columns stay as they are: the store itself refuses to change those.
                sql(&state, &statement.replace('$', sensor)).await;
            }
            let (is_fine, said) = apitap(&state.0, &["verify", "--sensor", sensor]);
            assert_eq!(is_fine, statement.is_empty(), "{sensor}: {said}");
            assert!(said.contains(counts) && said.contains(finding), "{sensor}: {said}");
        }
        // Another installation's key fits nothing.
        let other = State::new("verdicts-other");
        let here = apitap::store::gateway::Whereabouts::read(&state.0).unwrap();
        std::fs::copy(state.0.join("store.json"), other.0.join("store.json")).unwrap();
        let (is_fine, said) = apitap(&other.0, &["verify", "--sensor", "whole"]);
        assert!(!is_fine && said.contains("intact 0") && said.contains("fits the key"), "{said}");
        // It is not its store.
        std::fs::remove_file(other.0.join("store.json")).unwrap();
        assert!(here.pid > 0);
        store.end().await;
    });
}

#[test]
fn what_expired_is_told_from_what_was_deleted() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("expired");
    runtime().block_on(async {
        let store = served(&state).await;
        fill(&state, "edge", 20, 120).await;
        fill(&state, "edge", 5, 0).await;
        // The store does by itself, later, what it is told to here.
        sql(&state, "OPTIMIZE TABLE alert_revisions FINAL").await;
        assert_eq!(sql(&state, "SELECT min(seq), max(seq) FROM alert_revisions").await, "21\t25");
        let (is_fine, said) = apitap(&state.0, &["verify"]);
        assert!(is_fine && said.contains("intact 5, expired 20"), "{said}");
        // The time of these was not up.
        sql(&state, "ALTER TABLE alert_revisions DELETE WHERE seq = 22").await;
        let (is_fine, said) = apitap(&state.0, &["verify"]);
        assert!(!is_fine && said.contains("intact 4, expired 20, deleted 1"), "{said}");
        store.end().await;
    });
}

#[test]
fn a_store_without_a_history_is_no_proof_of_anything() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("empty");
    let (is_fine, said) = apitap(&state.0, &["verify"]);
    assert!(!is_fine && said.contains("--sensor"), "{said}");
    runtime().block_on(async {
        let store = served(&state).await;
        let (is_fine, said) = apitap(&state.0, &["verify", "--sensor", "edge"]);
        assert!(!is_fine && said.contains("holds no history") && !said.contains("it had"), "{said}");
        fill(&state, "edge", 3, 0).await;
        let (is_fine, said) = apitap(&state.0, &["verify", "--sensor", "nobody"]);
        assert!(is_fine && said.contains("records 1 to 0") && said.contains("intact 0"), "{said}");
        sql(&state, "DROP DATABASE apitap").await;
        let (is_fine, said) = apitap(&state.0, &["verify"]);
        assert!(!is_fine && said.contains("it had 3 records of edge"), "{said}");
        store.end().await;
    });
}
