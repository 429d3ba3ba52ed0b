//! What can be wrong with a store, or with the disk: it is waited for, and nothing is lost or doubled.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use apitap::store::child::Life;
use apitap::store::gateway::{Role, Whereabouts};
use apitap::store::spool;
use apitap::store::writer::{Reach, Storing, Target, Trouble, Url};
use rustix::process::{Signal, kill_process};

use super::world::{
    Mount, PATIENCE, State, assert_stored_once, embedded, finish, library, reach, revision, runtime, served, sql,
    storing, wait_for_another,
};
use crate::world::skip;

#[test]
fn a_stopped_store_and_a_wrong_password_are_waited_for() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("away");
    let options = spool::Options::new(state.spool());
    runtime().block_on(async {
        let store = embedded(&state);
        let mut storing = storing(&state.0, &options, Target::Embedded(state.0.clone()));
        let send = |numbers: std::ops::Range<u64>| {
            let queue = storing.queue.clone();
            async move {
                for number in numbers {
                    queue.send(revision(number)).await.unwrap();
                }
            }
        };
        send(0..1_500).await;
        reach(&mut storing.status, |status| status.stored == 1_500).await;

        // Stopped: what comes in is acknowledged all the same.
        let pid = state.store().unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        send(1_500..3_000).await;
        let begun = Instant::now();
        while state.acknowledged() < 3_000 {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(storing.status.borrow().stored < 3_000);
        kill_process(pid, Signal::CONT).unwrap();
        reach(&mut storing.status, |status| status.stored == 3_000).await;

        // Another password than the store's, and then its own again.
        let password = Whereabouts::read(&state.0).unwrap().credentials.join(Role::Sensor.name());
        let right = fs::read(&password).unwrap();
        fs::write(&password, "0".repeat(48)).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        wait_for_another(&state, pid).await;
        fs::write(&password, &right).unwrap();
        send(3_000..3_100).await;
        reach(&mut storing.status, |status| matches!(status.reach, Reach::Away(Trouble::Denied, _))).await;
        fs::write(&password, "0".repeat(48)).unwrap();
        reach(&mut storing.status, |status| status.stored == 3_100).await;
        let Storing { queue, beats, writer, .. } = storing;
        drop((queue, beats));
        writer.await.unwrap();
        store.end().await;
    });
    assert_stored_once(&state, 3_100);
}

#[test]
fn a_full_disk_drops_what_is_new_and_the_chain_tells_of_it() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("full");
    let small = state.0.join("spool");
    fs::create_dir_all(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&small).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return skip("no tmpfs can be mounted");
    }
    let _mount = Mount(small);
    let options = spool::Options::new(state.spool());
    runtime().block_on(async {
        // Nobody is there yet: the disk fills up.
        let storing = storing(&state.0, &options, Target::Embedded(state.0.clone()));
        for number in 0..2_000 {
            storing.queue.send(revision(number)).await.unwrap();
        }
        let begun = Instant::now();
        while storing.spool.dropped() + storing.spool.acknowledged() < 2_000 {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(storing.spool.dropped() > 100 && storing.spool.acknowledged() > 50);
        let store = embedded(&state);
        let mut status = storing.status.clone();
        let kept = storing.spool.acknowledged();
        reach(&mut status, |status| status.stored >= kept).await;
        // There is room again, and the next record comes after the tombstone.
        storing.queue.send(revision(2_000)).await.unwrap();
        reach(&mut status, |status| status.stored >= kept + 2).await;
        drop((storing.queue, storing.beats));
        storing.writer.await.unwrap();
        store.end().await;
    });
    assert_stored_once(&state, state.acknowledged());
    assert!(state.verify().contains("dropped"));
}

/// A store that cannot be reached keeps nobody from starting, and is named once.
#[test]
fn a_store_that_is_not_there_is_told_once() {
    let state = State::new("nowhere");
    let options = spool::Options::new(state.spool());
    runtime().block_on(async {
        let target = Target::Url(Url::parse("http://127.0.0.1:9").unwrap());
        let storing = storing(&state.0, &options, target);
        storing.queue.send(revision(1)).await.unwrap();
        let mut status = storing.status.clone();
        reach(&mut status, |status| matches!(status.reach, Reach::Away(Trouble::Unreachable, _))).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!status.has_changed().unwrap());
        assert_eq!((storing.spool.acknowledged(), state.acknowledged()), (1, 1));
        storing.writer.abort();
    });
}

#[test]
fn a_store_that_goes_away_and_comes_back_elsewhere_or_with_a_newer_schema_is_waited_for() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("elsewhere");
    let options = spool::Options::new(state.spool());
    let send = async |storing: &Storing, numbers: std::ops::Range<u64>| {
        for number in numbers {
            storing.queue.send(revision(number)).await.unwrap();
        }
    };
    runtime().block_on(async {
        // Nobody is there yet.
        let mut storing = storing(&state.0, &options, Target::Embedded(state.0.clone()));
        send(&storing, 0..50).await;
        reach(&mut storing.status, |status| matches!(status.reach, Reach::Away(Trouble::Unreachable, _))).await;
        let store = served(&state).await;
        let before = Whereabouts::read(&state.0).unwrap().address;
        reach(&mut storing.status, |status| status.stored == 50).await;
        // A newer apitap was here, and the store is another one than before.
        sql(&state, "INSERT INTO schema_migrations SELECT 99, 'x', 'light', 'x', now64(6)").await;
        store.end().await;
        send(&storing, 50..100).await;
        reach(&mut storing.status, |status| matches!(status.reach, Reach::Away(Trouble::Unreachable, _))).await;
        let store = served(&state).await;
        assert_ne!(Whereabouts::read(&state.0).unwrap().address, before);
        reach(
            &mut storing.status,
            |status| matches!(&status.reach, Reach::Away(Trouble::Schema, said) if said.contains("99")),
        )
        .await;
        send(&storing, 100..150).await;
        sql(&state, "ALTER TABLE schema_migrations DELETE WHERE version = 99").await;
        reach(&mut storing.status, |status| status.stored == 150).await;
        finish(storing).await;
        store.end().await;
    });
    assert_stored_once(&state, 150);
}

#[test]
fn a_store_without_room_is_waited_for() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("no-room");
    let data = state.0.join("store");
    fs::create_dir_all(&data).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m,mode=700", "tmpfs"]).arg(&data).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return skip("no tmpfs can be mounted");
    }
    let mount = Mount(data.clone());
    let options = spool::Options::new(state.spool());
    runtime().block_on(async {
        let store = served(&state).await;
        let mut storing = storing(&state.0, &options, Target::Embedded(state.0.clone()));
        storing.queue.send(revision(0)).await.unwrap();
        reach(&mut storing.status, |status| status.stored == 1).await;
        let ballast = data.join("ballast");
        let filled =
            Command::new("dd").args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", ballast.display())).output();
        assert!(!filled.unwrap().status.success(), "there is room left");
        for number in 1..1_200 {
            storing.queue.send(revision(number)).await.unwrap();
        }
        reach(&mut storing.status, |status| matches!(status.reach, Reach::Away(Trouble::Full, _))).await;
        fs::remove_file(&ballast).unwrap();
        reach(&mut storing.status, |status| status.stored == 1_200).await;
        finish(storing).await;
        store.end().await;
    });
    assert_stored_once(&state, 1_200);
    drop(mount);
}

#[test]
fn a_store_that_serves_already_is_adopted_and_outlives_the_sensor() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("adopted");
    let options = spool::Options::new(state.spool());
    runtime().block_on(async {
        let first = served(&state).await;
        let pid = state.store().unwrap();
        let mut second = embedded(&state);
        let adopted = Life::Adopted(pid.as_raw_nonzero().get().unsigned_abs());
        second.life.wait_for(|life| *life == adopted).await.unwrap();
        let mut storing = storing(&state.0, &options, Target::Embedded(state.0.clone()));
        storing.queue.send(revision(0)).await.unwrap();
        reach(&mut storing.status, |status| status.stored == 1).await;
        // When it goes, another one takes its place.
        first.end().await;
        second.life.wait_for(|life| matches!(life, Life::Running(_))).await.unwrap();
        storing.queue.send(revision(1)).await.unwrap();
        reach(&mut storing.status, |status| status.stored == 2).await;
        finish(storing).await;
        let third = embedded(&state);
        let pid = state.store().unwrap();
        third.end().await;
        assert_eq!(state.store(), Some(pid), "a store that was adopted goes on");
        second.end().await;
    });
    assert_stored_once(&state, 2);
}
