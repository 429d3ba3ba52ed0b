//! The program as a user meets it: what it says, where it says it, and its exit code.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

fn demo() -> PathBuf {
    case("demo/admin_export.pcap")
}

/// A directory of its own, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("apitap-cli-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, octets).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn apitap(arguments: &[&str], files: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apitap"));
    command.args(arguments).args(files).env_remove("XDG_STATE_HOME").stdin(Stdio::null()).output().unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

/// Exit code and standard error must be these.
#[track_caller]
fn assert_ends(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "'{word}' is not in: {said}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_one_clear_line_and_exit_1() {
    let scratch = Scratch::new("unusable");
    for (path, words) in [
        (scratch.0.join("absent.pcap"), &["absent.pcap"][..]),
        (scratch.0.clone(), &["directory"]),
        (scratch.file("notes.txt", b"just some text\n"), &["notes.txt"]),
        (scratch.file("empty.pcap", b""), &["empty"]),
    ] {
        assert_ends(&apitap(&["read"], &[&path]), 1, words);
    }
}

#[test]
fn what_comes_before_a_fault_is_used() {
    let scratch = Scratch::new("truncated");
    let whole = fs::read(demo()).unwrap();
    let cut = scratch.file("cut.pcap", &whole[..whole.len() - 7]);
    let output = apitap(&["read", "--alerts", "none", "--exchanges", "-"], &[&cut]);
    assert_ends(&output, 0, &["warning", "cut.pcap"]);
    assert!(text(&output.stdout).lines().count() > 100);
    // A file among several that is none does not stop the others, but is not passed over in silence either.
    let absent = scratch.0.join("absent.pcap");
    let output = apitap(&["read", "--alerts", "none", "--exchanges", "-"], &[&absent, &demo()]);
    assert_ends(&output, 1, &["absent.pcap"]);
    assert!(text(&output.stdout).lines().count() > 100);
}

#[test]
fn a_capture_without_http_is_fine() {
    let output = apitap(&["read"], &[&case("no-http/capture.pcap")]);
    assert_ends(&output, 0, &["0 exchanges"]);
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn wrong_arguments_are_exit_2() {
    let demo = demo();
    for (arguments, word) in [
        (&["read", "--inspect-limit", "lots"][..], "lots"),
        (&["read", "--inspect-limit", "1"], "4K"),
        (&["read", "--config", "/nonexistent/apitap.toml"], "/nonexistent/apitap.toml"),
        (&["read", "--store", "https://h:8443"], "no TLS"),
        (&["read", "--store=nonsense"], "http://user@host:8123"),
        (&["read", "--store", "embedded", "--store-password-file", "/x"], "/x"),
        (&["read", "--detectors", "pii.nonsense"], "pii.email"),
        (&["read", "--detectors", ""], "the families pii, "),
        (&["read", "--fail-on", "bad"], "critical"),
        (&["read", "--stats", "-", "--exchanges", "-"], "standard output"),
        (&["read", "--alerts", "-", "--exchanges", "-"], "standard output"),
        (&["read", "--hash-content"], "--exchanges"),
        (&["read", "--no-such-option"], "--no-such-option"),
    ] {
        assert_ends(&apitap(arguments, &[&demo]), 2, &[word]);
    }
    assert_ends(&apitap(&["read"], &[]), 2, &["FILE"]);
    assert_ends(&apitap(&["run", "--config", "/dev/null"], &[]), 2, &["-i IFACE"]);
}

#[test]
fn flags_go_before_the_configuration() {
    let scratch = Scratch::new("config");
    let config = scratch.file("a.toml", b"[detectors]\nenabled = 'none'\n[output]\nformat = 'table'\n");
    let config = config.display().to_string();
    let said = |arguments: &[&str]| {
        let output = apitap(&[&["read", "--config", &config], arguments].concat(), &[&demo()]);
        assert_ends(&output, 0, &[]);
        text(&output.stdout).to_owned()
    };
    assert_eq!(said(&[]), "no alerts\n");
    assert!(!said(&["--detectors", "all"]).starts_with('{'));
    assert!(said(&["--detectors", "pii", "--format", "jsonl"]).starts_with('{'));
    let wrong = scratch.file("b.toml", b"[analysis]\nmemroy = '1G'\n").display().to_string();
    for command in [&["read", "x.pcap"][..], &["alerts"], &["run"]] {
        let output = apitap(&[command, &["--config", &wrong]].concat(), &[]);
        assert_ends(&output, 2, &["b.toml:2: unknown key 'memroy'; did you mean 'memory'?"]);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_exit_1() {
    assert_ends(&apitap(&["read", "--alerts", "/nonexistent/alerts"], &[&demo()]), 1, &["/nonexistent/alerts"]);
    assert_ends(&apitap(&["read", "--alerts", "/dev/full"], &[&demo()]), 1, &["/dev/full"]);
}

#[test]
fn no_output_overwrites_an_input_or_another_output() {
    let scratch = Scratch::new("clobber");
    let capture = scratch.file("own.pcap", &fs::read(demo()).unwrap());
    let own = capture.display().to_string();
    assert_ends(&apitap(&["read", "--alerts", &own], &[&capture]), 2, &["own.pcap"]);
    assert_eq!(fs::read(&capture).unwrap(), fs::read(demo()).unwrap());
    let same = scratch.0.join("same").display().to_string();
    assert_ends(&apitap(&["read", "--alerts", &same, "--exchanges", &same], &[&capture]), 2, &["same"]);
}

#[test]
fn a_full_disk_behind_standard_error_stops_nothing() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_apitap"));
    let output = command.args(["read"]).arg(demo()).stderr(full).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).lines().count() > 3);
}

#[test]
fn findings_fail_a_build_when_asked_to() {
    assert_ends(&apitap(&["read", "--fail-on", "high"], &[&demo()]), 3, &[]);
    assert_ends(&apitap(&["read", "--fail-on", "high", "--detectors", "none"], &[&demo()]), 0, &[]);
    assert_ends(&apitap(&["read", "--fail-on", "info"], &[&case("chunked/capture.pcap")]), 0, &[]);
}

#[test]
fn what_is_suppressed_is_counted_and_not_told() {
    let scratch = Scratch::new("suppressed");
    let alerts = |configuration: &str, more: &[&str]| {
        let path = scratch.file("apitap.toml", configuration.as_bytes());
        let output = apitap(&[&["read", "--config", path.to_str().unwrap()], more].concat(), &[&demo()]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        (text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    let rule = |more: &str| format!("[[detectors.suppress]]\nfamily = 'pii'\nreason = 'a test'\n{more}\n");
    let (all, _) = alerts("", &[]);
    let pii = |told: &str| told.lines().filter(|line| line.contains("\"detector\":\"pii.")).count();
    assert!(pii(&all) > 5 && pii(&all) < all.lines().count());

    let (told, said) = alerts(&rule("expires = '2200-12-31'"), &[]);
    assert_eq!((pii(&told), told.lines().count()), (0, all.lines().count() - pii(&all)));
    assert!(said.contains("by family=pii (a test)"), "{said}");

    let (stats, _) = alerts(&rule("expires = '2200-12-31'"), &["--stats", "-"]);
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert!(stats["suppressions"][0]["suppressed"].as_u64().unwrap() >= pii(&all) as u64, "{stats}");

    // The capture was taken after that day.
    let (told, said) = alerts(&rule("expires = '2001-01-31'"), &[]);
    assert_eq!(told, all);
    assert!(said.contains("expired: "), "{said}");
}

#[test]
fn a_threshold_changes_what_is_told_and_nothing_else() {
    let scratch = Scratch::new("thresholds");
    let read = |configuration: &str| {
        let path = scratch.file("apitap.toml", configuration.as_bytes());
        apitap(&["read", "--config", path.to_str().unwrap()], &[&case("demo/kill_chain.pcap")])
    };
    let told = |configuration: &str| {
        let output = read(configuration);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let alert = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let parts = |alert: serde_json::Value| ["detector", "id", "description"].map(|part| alert[part].to_string());
        text(&output.stdout).lines().map(|line| parts(alert(line))).collect::<Vec<_>>()
    };
    let is_of = |alert: &[String; 3], detector: &str| alert[0].trim_matches('"') == detector;
    let of = |told: &[[String; 3]], detector: &str| told.iter().filter(|alert| is_of(alert, detector)).count();
    let all = told("");
    let set = |lines: &str| told(&format!("[detectors.thresholds]\n{lines}\n"));
    // The capture's walk has 50 unknown paths, and its guessing 25 passwords.
    let fewer = set("\"scan.forced_browsing.paths\" = 64");
    assert_eq!((of(&all, "scan.forced_browsing"), of(&fewer, "scan.forced_browsing")), (1, 0));
    let others = all.iter().filter(|alert| !is_of(alert, "scan.forced_browsing"));
    assert_eq!(fewer, others.cloned().collect::<Vec<_>>());
    let fewer = set("\"credential_stuffing.brute_force.passwords\" = 32");
    assert_eq!((of(&all, "credential_stuffing.brute_force"), of(&fewer, "credential_stuffing.brute_force")), (1, 0));
    // Those in workers are set as well.
    let more = set("\"exposure.bulk_records.items\" = 5");
    assert_eq!((of(&all, "exposure.bulk_records"), of(&more, "exposure.bulk_records")), (0, 2));
    assert_eq!(set("\"scan.forced_browsing.paths\" = 20"), all);

    let output = read("[detectors.thresholds]\n\"scan.forced_browsing.paths\" = 65\n");
    assert_ends(&output, 2, &["apitap.toml:2: scan.forced_browsing.paths must be a whole number from 2 to 64"]);
}

#[test]
fn a_class_of_the_configuration_is_found_counted_and_masked() {
    let scratch = Scratch::new("classes");
    let class = "[[detectors.classes]]\nname = 'customer'\nfamily = 'pii'\nnames = ['customerId']\nformat = '#####'\n\
                 severity = 'critical'\ndescription = 'Opens the door.'\n";
    let path = scratch.file("apitap.toml", class.as_bytes());
    let path = path.to_str().unwrap();
    let read = |more: &[&str]| apitap(&[&["read", "--config", path], more].concat(), &[&demo()]);
    let without = apitap(&["read", "--config", "/dev/null"], &[&demo()]);
    let output = read(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let is_own = |line: &&str| line.contains("\"detector\":\"pii.own.customer\"");
    let (own, others): (Vec<_>, Vec<_>) = text(&output.stdout).lines().partition(is_own);
    let ids = |lines: &mut dyn Iterator<Item = &str>| {
        let ids = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(&mut others.into_iter()), ids(&mut text(&without.stdout).lines()), "others are as without it");
    assert!(!own.is_empty());
    for line in own {
        let alert: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(alert["description"].as_str().unwrap().starts_with("Opens the door. "), "{alert}");
        let masked = |text: &str| text.len() == 9 && text.starts_with("*******");
        for evidence in alert["evidence"].as_array().unwrap() {
            assert!(masked(evidence["masked"].as_str().unwrap()), "{evidence}");
            assert_eq!(evidence["kind"], "own.customer");
        }
    }
    let stats: serde_json::Value = serde_json::from_slice(&read(&["--stats", "-"]).stdout).unwrap();
    assert!(stats["entities"]["own.customer"]["items"].as_u64().unwrap() > 10, "{stats}");
    let only = read(&["--detectors", "pii.own.customer"]);
    assert!(text(&only.stdout).lines().all(|line| is_own(&line)) && !only.stdout.is_empty());
    assert_ends(&read(&["--detectors", "pii.own.custmer"]), 2, &["did you mean 'pii.own.customer'?"]);

    let classify = |config: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_apitap"))
            .args(["classify", "--config", config])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A configuration that is wrong ends the program before it reads.
        let _ = child.stdin.take().unwrap().write_all(b"{\"id\":1,\"body\":\"{\\\"customer_id\\\":40231}\"}\n");
        child.wait_with_output().unwrap()
    };
    let answer = r#"{"id":1,"entities":[{"type":"own.customer","masked":"*******31","count":1}]}"#;
    assert_eq!(text(&classify(path).stdout).trim_end(), answer);
    assert_eq!(text(&classify("/dev/null").stdout).trim_end(), r#"{"id":1,"entities":[]}"#);
    let wrong = scratch.file("wrong.toml", class.replace("names = ['customerId']\n", "").as_bytes());
    assert_ends(
        &classify(wrong.to_str().unwrap()),
        2,
        &["wrong.toml:1: class 'customer' has neither names nor prefix"],
    );
}

#[test]
fn what_the_machine_carries_is_measured_by_stage() {
    let output = apitap(&["bench", "--runs", "1", "--format", "jsonl"], &[&demo()]);
    assert_ends(&output, 0, &[]);
    let rows: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let stages: Vec<_> = rows.iter().map(|row| row["stage"].as_str()).collect();
    assert_eq!(stages, [Some("exchanges"), Some("content"), Some("behaviour"), None]);
    assert!(rows[3]["exchanges_per_second"].as_f64().unwrap() > 0.0, "{rows:?}");
    let table = apitap(&["bench", "--runs", "1", "--format", "table"], &[&demo()]);
    assert!(text(&table.stdout).contains("on one core"), "{}", text(&table.stdout));
    assert_ends(&apitap(&["bench", "-"], &[]), 2, &["name files"]);
    assert_ends(&apitap(&["bench", "/nowhere.pcap"], &[]), 1, &["/nowhere.pcap"]);
}

#[test]
fn options_of_the_analysis_are_those_of_commands_that_analyse() {
    for command in ["alerts", "query", "verify", "schema", "store", "check"] {
        assert_ends(&apitap(&[command, "--memory", "64M"], &[]), 2, &["'--memory'"]);
    }
}

#[test]
fn standard_input_is_a_file_like_any_other() {
    let capture = fs::read(demo()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_apitap"))
        .args(["read", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&capture).unwrap();
    let piped = child.wait_with_output().unwrap();
    assert_eq!(piped.status.code(), Some(0));
    assert_eq!(text(&piped.stdout), text(&apitap(&["read"], &[&demo()]).stdout));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let program = env!("CARGO_BIN_EXE_apitap");
    let line = format!("'{program}' read --exchanges - '{}' 2>&1 >&3 | cat; echo", demo().display());
    let status =
        Command::new("bash").args(["-c", &format!("set -o pipefail; ({line}) 3>&1 | head -1")]).output().unwrap();
    assert!(!text(&status.stdout).contains("cannot write"), "{}", text(&status.stdout));
}

#[test]
fn the_exchange_log_is_private_and_can_be_masked() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("log");
    let log = scratch.file("log.jsonl", b"from before");
    let log_text = log.display().to_string();
    let output = apitap(&["read", "--alerts", "none", "--exchanges", &log_text], &[&demo()]);
    assert_ends(&output, 0, &["--mask-targets"]);
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&log).unwrap().contains("/customers/40212"));
    apitap(&["read", "--alerts", "none", "--mask-targets", "--exchanges", &log_text], &[&demo()]);
    let masked = fs::read_to_string(&log).unwrap();
    assert!(masked.contains("/customers/{int}") && !masked.contains("/customers/40212"));
}

#[test]
fn alerts_are_the_same_on_any_machine_and_hash_values_only_with_a_key() {
    let scratch = Scratch::new("key");
    let state = scratch.0.join("state").display().to_string();
    let without = apitap(&["read"], &[&demo()]).stdout;
    assert_eq!(without, apitap(&["read", "--workers", "3"], &[&demo()]).stdout);
    assert!(!text(&without).contains("value_hash"));
    let with = apitap(&["read", "--state", &state], &[&demo()]).stdout;
    assert!(text(&with).contains("value_hash"));
    assert_eq!(with, apitap(&["read", "--state", &state], &[&demo()]).stdout);
}

#[test]
fn captures_in_any_order_give_the_same_for_any_number_of_workers() {
    let files =
        ["kill_chain", "admin_export", "directory_exposure"].map(|name| case("demo").join(format!("{name}.pcap")));
    let files = files.each_ref().map(PathBuf::as_path);
    let all = |workers: &str| {
        let scratch = Scratch::new(&format!("workers-{workers}"));
        let log = scratch.0.join("log").display().to_string();
        let output = apitap(&["read", "--workers", workers, "--exchanges", &log], &files);
        assert_ends(&output, 0, &[]);
        (text(&output.stdout).to_owned(), fs::read_to_string(&log).unwrap())
    };
    let one = all("1");
    assert!(one.0.lines().count() > 5 && one.1.lines().count() > 500);
    assert!(one == all("2") && one == all("5"));
}
