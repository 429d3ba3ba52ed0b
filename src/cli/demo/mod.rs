//! `apitap demo`: a shop, its customers and its attackers on loopback, and the sensor beside them.

mod api;
mod attackers;
mod caller;
mod customers;
mod history;
mod people;
mod place;
mod replay;
mod tokens;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use apitap_detectors::finding::Family;
use tokio::runtime::Runtime;

use self::api::{Door, Shop};
use self::attackers::Attack;
use self::history::Seen;
use self::people::Visit;
use self::place::Place;
use super::args::{AnalysisOptions, DemoArgs, Password, RunArgs, StoreOptions};
use super::{Exit, run as sensor, start_log, tell};
use crate::capture::live::{self as capture, Mode, OpenErrorKind};
use crate::config::{Choice, Config, Format};
use crate::pipeline::signals;
use crate::store::gateway;

/// The interface that the shop is on.
const LOOPBACK: &str = "lo";

/// Between two attacks, so that one can see which alert comes of which.
const PAUSE: Duration = Duration::from_millis(1500);

/// From the last attack to the end: capture hands over what it holds much sooner.
const SETTLE: Duration = Duration::from_secs(3);

pub(super) fn run(args: &DemoArgs, config: &Config) -> Exit {
    match tell_story(args, config) {
        Ok(exit) => exit,
        Err((exit, line)) => {
            tell(&line);
            exit
        }
    }
}

fn tell_story(args: &DemoArgs, config: &Config) -> Result<Exit, (Exit, String)> {
    let failed = |error: std::io::Error| (Exit::Failed, error.to_string());
    // Before anything is made that has to be put away again.
    let interrupted = Arc::new(AtomicBool::new(false));
    signals::stop_on_signal(interrupted.clone()).map_err(failed)?;
    let door = Door::take().map_err(|error| (Exit::Failed, format!("the shop has no place on loopback: {error}")))?;
    let filter = format!("tcp port {}", door.address.port());
    let probe = capture::Options { filter: Some(filter.clone()), mode: Mode::Own, ..capture::Options::new(LOOPBACK) };
    let refused = capture::open(&probe, 0).err();
    match &refused {
        // Then neither the shop nor the store is reached.
        Some(error) if matches!(error.kind, OpenErrorKind::Down { .. } | OpenErrorKind::NoSuchInterface { .. }) => {
            return Err((Exit::Failed, error.to_string()));
        }
        // Whoever may not capture is not told whether it is up.
        Some(_) => door.try_it().map_err(|line| (Exit::Failed, line))?,
        None => {}
    }
    let store = match gateway::library(None) {
        Ok(_) => Choice::Embedded,
        Err(missing) => {
            tell(&format!("the demo goes on without a history: {missing}"));
            Choice::None
        }
    };
    let place = Place::take(config.state.as_deref()).map_err(|line| (Exit::Usage, line))?;
    let config = Config { state: Some(place.path.clone()), ..config.clone() };
    let mut seen = Seen::default();
    let told = match refused {
        None => Stage { door, filter, store: &store, args, place: &place, interrupted: &interrupted }
            .live(&config, &mut seen),
        Some(error) => {
            tell(&format!("{error}. Recorded traffic is read instead"));
            replay::run(&place, &config, &store, &mut |revision| seen.take(revision))
                .map(|exit| (exit, told_unless(&interrupted), &replay::FAMILIES[..]))
                .map_err(|line| (Exit::Usage, line))
        }
    };
    let (exit, story, families) = told.inspect_err(|_| place.abandon())?;
    history::invite(&place, &store, &seen);
    let missing: BTreeSet<Family> = match story {
        Story::Told => families.iter().copied().filter(|family| !seen.families.contains(family)).collect(),
        Story::BrokenOff => BTreeSet::new(),
    };
    if missing.is_empty() {
        return Ok(exit);
    }
    let names: Vec<_> = missing.iter().map(Family::to_string).collect();
    Err((Exit::Failed, format!("no alert came of {}, and there should have been one", names.join(", "))))
}

/// How far the story came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Told,
    BrokenOff,
}

fn told_unless(interrupted: &AtomicBool) -> Story {
    if interrupted.load(Ordering::Relaxed) { Story::BrokenOff } else { Story::Told }
}

/// What came of a demo: how it ended, how far it came, and what there must be alerts of.
type Outcome = (Exit, Story, &'static [Family]);

/// What the live demo needs.
struct Stage<'a> {
    door: Door,
    filter: String,
    store: &'a Choice,
    args: &'a DemoArgs,
    place: &'a Place,
    interrupted: &'a AtomicBool,
}

impl Stage<'_> {
    /// Everything at once, until somebody ends it, or with `--once` until the story is told.
    fn live(self, config: &Config, seen: &mut Seen) -> Result<Outcome, (Exit, String)> {
        start_log();
        let failed = |error: std::io::Error| (Exit::Failed, error.to_string());
        let shop = Arc::new(Shop::open().map_err(failed)?);
        let document =
            self.place.put("shop.openapi.yaml", api::DOCUMENT.as_bytes()).map_err(|line| (Exit::Usage, line))?;
        let args = RunArgs {
            interfaces: vec![LOOPBACK.to_owned()],
            filter: Some(self.filter),
            buffer: None,
            snaplen: None,
            no_promiscuous: true,
            store: StoreOptions { store: Some(self.store.clone()), password: Password { file: None } },
            format: Some(config.output.format.unwrap_or(Format::Table)),
            analysis: AnalysisOptions { openapi: Some(document), ..AnalysisOptions::default() },
        };
        let running = sensor::start(&args, config)?;
        tell(&format!("a shop serves on http://{}", self.door.address));
        let told = Arc::new(OnceLock::new());
        let stop = running.stop();
        if self.interrupted.load(Ordering::Relaxed) {
            stop.store(true, Ordering::Relaxed);
        }
        let ending = Ending { stop, is_once: self.args.once, told: told.clone() };
        // A runtime of its own: it ends with everybody on it, whatever they are doing.
        let runtime = Runtime::new().map_err(failed)?;
        runtime.spawn(play(self.door, shop, ending));
        let exit = running.until_the_end(|revision| seen.take(revision));
        runtime.shutdown_background();
        match told.get() {
            Some(Ok(())) => Ok((exit, Story::Told, &attackers::FAMILIES)),
            Some(Err(line)) => Err((Exit::Failed, format!("the story could not be told: {line}"))),
            None => Ok((exit, Story::BrokenOff, &attackers::FAMILIES)),
        }
    }
}

/// What follows the story.
struct Ending {
    stop: Arc<AtomicBool>,
    is_once: bool,
    told: Arc<OnceLock<Result<(), String>>>,
}

async fn play(door: Door, shop: Arc<Shop>, ending: Ending) {
    let address = door.address;
    let serving = tokio::spawn(door.serve(shop.clone()));
    let told = tell_all(address, &shop).await;
    let is_told = told.is_ok();
    let _ = ending.told.set(told);
    if ending.is_once || !is_told {
        ending.stop.store(true, Ordering::Relaxed);
    } else {
        tell("that was the story. Customers keep coming; Ctrl-C ends it");
        people::keep_coming(address, &shop).await;
    }
    serving.abort();
}

async fn tell_all(address: SocketAddr, shop: &Arc<Shop>) -> Result<(), String> {
    tell("customers log in, look at their orders and search for boots; none of them means harm");
    people::come_by(address, shop, Visit::First).await?;
    let coming = tokio::spawn({
        let shop = shop.clone();
        async move { people::keep_coming(address, &shop).await }
    });
    for attack in Attack::ALL {
        tell(&attack.line());
        attack.run(address, shop).await?;
        tokio::time::sleep(PAUSE).await;
    }
    coming.abort();
    tokio::time::sleep(SETTLE).await;
    Ok(())
}
