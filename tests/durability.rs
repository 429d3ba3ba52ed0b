//! Nothing that was acknowledged is lost, and nothing is there twice, whatever is killed, stopped, full or wrong.
//!
//! The sensor's part is this test program itself, run again: revisions flow through the real spool and the real writer into a
//! real embedded store, which is its child. Where the engine's library is not there, everything here is skipped.
//!
//! `APITAP_KILLS=100` makes more of the kills; see docs/BENCHMARKING.md.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests have a clock, and the long form gives figures"
)]

/// Kill -9 of sensor and store.
mod kills;
/// Rows that a store refuses.
mod letters;
/// What was on the wire is nowhere to be found.
mod planted;
/// The whole sensor with its store.
mod sensor;
/// What can be wrong with a store, or with the disk.
mod troubles;
/// What `apitap verify` says of what was done to a store.
mod verdicts;
/// State directories, sensors and their stores.
mod world;

use std::path::PathBuf;
use std::time::Duration;

use apitap::store::spool;
use apitap::store::writer::{Storing, Target};

use world::{PART, SENSOR, STATE, revision, runtime, storing, supervise};

/// Not a test of its own: what the sensor does that the tests start and kill.
#[test]
fn again() {
    let (Ok(part), Some(state)) = (std::env::var(PART), std::env::var_os(STATE).map(PathBuf::from)) else { return };
    let options = spool::Options::new(state.join("spool").join(spool::folder_name(SENSOR)));
    runtime().block_on(async {
        let store = supervise(&state);
        let Storing { queue, beats, writer, .. } = storing(&state, &options, Target::Embedded(state.clone()));
        let mut number = 0;
        if part == "flow" {
            // Until it is killed.
            loop {
                // In bursts, so that there are fsyncs and batches of all sizes.
                for _ in 0..number % 97 + 1 {
                    number += 1;
                    queue.send(revision(number)).await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(number % 13)).await;
            }
        }
        drop((queue, beats));
        writer.await.unwrap();
        store.end().await;
    });
}
