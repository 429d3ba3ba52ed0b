//! Kill -9 at moments that look random.

use std::time::Duration;

use rustix::process::{Signal, kill_process};

use super::world::{State, assert_stored_once, library, wait};
use crate::world::skip;

/// Kills what `which` says and looks at what was acknowledged by then.
fn kills(count: u32) {
    let state = State::new("kills");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut sensor = state.sensor("flow");
    wait(|| state.acknowledged() > 0, "something is acknowledged");
    let mut known = 0;
    let mut killed = [0, 0];
    for _ in 0..count {
        std::thread::sleep(Duration::from_millis(100 + random.below(1_400)));
        let which = random.below(3);
        if which != 1 {
            sensor.kill();
            killed[0] += 1;
        }
        if which != 0
            && let Some(pid) = state.store()
        {
            killed[1] += u32::from(kill_process(pid, Signal::KILL).is_ok());
        }
        let now = state.acknowledged();
        assert!(now >= known, "{now} after {known}");
        known = now;
        if which != 1 {
            sensor = state.sensor("flow");
        }
    }
    sensor.kill();
    let known = state.acknowledged();
    state.drain();
    assert_stored_once(&state, known);
    eprintln!("durability: sensor killed {} times, store {} times, {known} records acknowledged", killed[0], killed[1]);
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    kills(std::env::var("APITAP_KILLS").map_or(8, |count| count.parse().unwrap()));
}

/// Numbers that look random and are the same every time (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
