//! `apitap demo`: the story, and the alerts that must come of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::sensor::Scratch;
use crate::world::{World, skip};

/// Severities that somebody is woken up for.
const GRAVE: [&str; 3] = ["medium", "high", "critical"];

/// A user that needs no entry in any file.
const USER: &str = "64124";

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// The alerts among what was printed.
fn alerts(output: &Output) -> Vec<Value> {
    let printed = text(&output.stdout);
    printed.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn values(alerts: &[Value], field: &str) -> BTreeSet<String> {
    alerts.iter().map(|alert| alert[field].as_str().unwrap().to_owned()).collect()
}

/// A configuration that has alerts written for programs.
fn jsonl(folder: &Path) -> String {
    let path = folder.join("demo.toml");
    fs::write(&path, "[output]\nformat = 'jsonl'\n").unwrap();
    path.display().to_string()
}

/// A shell does what the demo says one can do, and each of it has something to say.
fn each_printed_command_works(world: &World, printed: &str) {
    let commands: Vec<_> = printed.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(commands.len(), 5, "{printed}");
    for command in commands {
        let output = world.command(&world.near, "sh").args(["-c", command]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{command}: {}", text(&output.stderr));
    }
}

#[test]
fn every_attack_of_the_story_gives_its_alert() {
    let world = match World::make("demo") {
        Ok(world) => world,
        Err(reason) => return skip(&format!("no network namespaces: {reason}")),
    };
    let scratch = Scratch::new("demo");
    let state = scratch.0.join("state");
    let mut demo = world.command(&world.near, env!("CARGO_BIN_EXE_apitap"));
    demo.args(["demo", "--once", "--config", &jsonl(&scratch.0), "--state"]).arg(&state);
    let output = demo.stdin(Stdio::null()).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("capturing on lo") && said.contains("\nframes_dropped_kernel=0\n"), "{said}");

    let alerts = alerts(&output);
    let detectors = values(&alerts, "detector");
    for detector in [
        "auth.credential_in_url",
        "auth.jwt",
        "auth.missing",
        "credential_stuffing.compromised_account",
        "enumeration.object_walk",
        "error_leak.stack_trace",
        "exposure.bulk_records",
        "injection.sql",
        "inventory.undocumented_endpoint",
        "pii.payment_card",
        "scan.forced_browsing",
        "secret.password_hash",
    ] {
        assert!(detectors.contains(detector), "{detector} is not among {detectors:?}");
    }
    assert_eq!(values(&alerts, "family").len(), 10, "{detectors:?}");
    // Nobody cries wolf at customers, and each attacker is found.
    let mut accused = BTreeSet::new();
    for alert in alerts.iter().filter(|alert| GRAVE.iter().any(|severity| alert["severity"] == *severity)) {
        let clients = alert["clients"].as_array().unwrap().iter().map(|client| client.as_str().unwrap().to_owned());
        accused.extend(clients);
    }
    let attackers: BTreeSet<String> = (66..=73).map(|host| format!("127.0.0.{host}")).collect();
    assert_eq!(accused, attackers);
    let customers = values(&alerts, "client").into_iter().filter(|client| client.starts_with("127.0.0.1"));
    assert!(customers.count() > 0, "customers were there as well");
    let printed = text(&output.stdout);
    if said.contains("without a history") {
        assert!(!printed.contains("alerts show"), "{printed}");
    } else {
        each_printed_command_works(&world, &printed);
    }
    assert!(Command::new("ip").args(["-n", &world.near, "link", "set", "lo", "down"]).status().unwrap().success());
    // One line, with privileges and without, and nothing is left behind.
    let nowhere = scratch.0.join("tmp");
    fs::create_dir(&nowhere).unwrap();
    let mut unprivileged = world.command(&world.near, "setpriv");
    unprivileged.arg("--bounding-set=-net_raw").arg(env!("CARGO_BIN_EXE_apitap"));
    for mut demo in [world.command(&world.near, env!("CARGO_BIN_EXE_apitap")), unprivileged] {
        let refused = demo.args(["demo", "--once"]).env("TMPDIR", &nowhere).output().unwrap();
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("'ip link set dev lo up' brings it up") && said.lines().count() == 1, "{said}");
        assert_eq!(fs::read_dir(&nowhere).unwrap().count(), 0, "{said}");
    }
    let left = Command::new("ip").args(["netns", "pids", &world.near]).output().unwrap();
    assert_eq!(text(&left.stdout), "", "processes that are left");
}

#[test]
fn who_may_not_capture_sees_what_was_recorded() {
    let scratch = Scratch::new("demo-replay");
    let folder = scratch.0.as_path();
    let program = folder.join("apitap");
    fs::copy(env!("CARGO_BIN_EXE_apitap"), &program).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    let mut demo = if fs::metadata("/proc/self").unwrap().uid() == 0 {
        let mut demo = Command::new("setpriv");
        demo.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--inh-caps=-all", "--ambient-caps=-all"]);
        demo.arg("--bounding-set=-all").arg(&program);
        demo
    } else {
        Command::new(&program)
    };
    demo.args(["demo", "--once", "--config", &jsonl(folder)]);
    demo.env("TMPDIR", folder).env("APITAP_LIBCHDB", folder.join("none.so")).stdin(Stdio::null());
    let output = demo.output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("setcap cap_net_raw+ep"), "{said}");
    assert!(said.contains("without a history"), "{said}");
    let families = values(&alerts(&output), "family");
    for family in ["auth", "credential_stuffing", "enumeration", "injection", "pii", "scan", "secret"] {
        assert!(families.contains(family), "{family} is not among {families:?}");
    }
    // There is nothing to ask, so nothing stays.
    let mut left = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.find(|name| name.starts_with("apitap-demo-")), None);
}
