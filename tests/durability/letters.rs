//! Rows that a store refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use apitap::store::spool;
use apitap::store::writer::{DeadLetters, Target};

use super::world::{State, finish, library, reach, revision, runtime, served, sql, storing};
use crate::world::skip;

#[test]
fn a_row_that_the_store_refuses_is_a_dead_letter_and_the_rest_goes_on() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("letters");
    let options = spool::Options::new(state.spool());
    runtime().block_on(async {
        let store = served(&state).await;
        let mut first = storing(&state.0, &options, Target::Embedded(state.0.clone()));
        first.queue.send(revision(0)).await.unwrap();
        reach(&mut first.status, |status| status.stored == 1).await;
        sql(&state, "ALTER TABLE alert_revisions ADD CONSTRAINT unlucky CHECK count NOT IN (13, 14, 700)").await;
        for number in 1..1_000 {
            first.queue.send(revision(number)).await.unwrap();
        }
        // No revision at all, as a defect of ours would write it.
        first.queue.send(b"{\"id\":\"x\"}".to_vec()).await.unwrap();
        reach(&mut first.status, |status| status.stored == 1_001).await;
        assert_eq!(first.status.borrow().dead_letters, 4);
        finish(first).await;
        assert_eq!(sql(&state, "SELECT count(), uniqExact(seq) FROM alert_revisions").await, "997\t997");
        store.end().await;
    });
    let said = state.verify();
    assert!(said.contains("as it was written; intact 997, dead-lettered 4\n"), "{said}");
    assert!(said.contains("dead-lettered 14 to 15") && said.contains("dead-lettered 1001"), "{said}");
    let path = state.spool().join(DeadLetters::FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let letters = fs::read_to_string(&path).unwrap();
    let letters: Vec<serde_json::Value> = letters.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = letters.iter().map(|letter| letter["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [14, 15, 701, 1_001]);
    for letter in &letters[..3] {
        let reason = letter["reason"].as_str().unwrap();
        assert!(reason.contains("Constraint `unlucky`") && !reason.contains("Column values"), "{reason}");
        assert!(letter["record"].as_str().unwrap().contains("\"detector\":\"pii.email\""));
    }
}
