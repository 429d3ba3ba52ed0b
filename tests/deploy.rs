//! What is in deploy/ fits the program: every key of every configuration, every flag of every command line.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use apitap::cli::args::{Apitap, Command as Asked};
use apitap::config::Config;
use clap::CommandFactory;
use serde_norway::Value;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)).unwrap()
}

/// The command line after the program's name must be one.
#[track_caller]
fn parse(words: &[String]) -> Apitap {
    let words = std::iter::once("apitap").chain(words.iter().map(String::as_str)).map(OsString::from);
    Apitap::of(words).unwrap_or_else(|error| panic!("{error}"))
}

/// The same file with the keys that are commented out.
fn uncommented(text: &str) -> String {
    let is_key = |line: &str| {
        let key = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).map(|(key, _)| key);
        key.is_some_and(|key| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
    };
    text.lines().map(|line| if is_key(line) { &line[2..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_configuration_holds_the_defaults_and_every_key() {
    let text = read("apitap.toml");
    let path = Path::new("deploy/apitap.toml");
    assert_eq!(Config::parse(&text, path).unwrap(), Config::default());
    let all = uncommented(&text);
    Config::parse(&all, path).unwrap();
    let mut written = BTreeMap::<String, BTreeSet<String>>::new();
    for (name, value) in all.parse::<toml::Table>().unwrap() {
        match value.as_table() {
            Some(section) => written.entry(name).or_default().extend(section.keys().cloned()),
            None => assert!(written.entry(String::new()).or_default().insert(name)),
        }
    }
    let known = Config::keys().into_iter().map(|(section, keys)| (section, keys.into_iter().collect()));
    assert_eq!(written, known.collect());
}

/// Beside each key stand its default, and its range where it is a number or a size.
#[test]
fn comments_name_ranges_and_defaults_as_they_are() {
    let text = read("apitap.toml");
    let mut comment = String::new();
    let mut seen = 0;
    for line in uncommented(&text).lines() {
        let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else {
            comment = line.strip_prefix('#').map_or_else(String::new, |line| format!("{comment} {}", line.trim()));
            continue;
        };
        seen += 1;
        assert!(comment.contains("Default: "), "{key} has no default: {comment}");
        let is_written = text.lines().any(|line| line.starts_with(&format!("{key} = ")));
        let value = value.trim_matches('"');
        if is_written && value != "[]" {
            assert!(
                comment.contains(&format!("Default: {value}")) || comment.contains(&format!("Default: \"{value}\"")),
                "{key}: {comment}"
            );
        }
        if let Some((range, _)) = comment.rsplit_once(". Default:").filter(|_| is_written) {
            let range = range.rsplit([',', '.']).next().unwrap().trim();
            if let Some((least, most)) =
                range.split_once(" to ").filter(|(least, _)| least.starts_with(char::is_numeric))
            {
                check_range(&all_sections(&text, key), key, least, most);
            }
        }
        comment.clear();
    }
    assert_eq!(seen, Config::keys().values().map(Vec::len).sum::<usize>());
}

/// The section that `key` stands in.
fn all_sections(text: &str, key: &str) -> String {
    let before = text.split(&format!("\n{key} = ")).next().unwrap();
    before.lines().rev().find_map(|line| line.strip_prefix('[')?.strip_suffix(']')).unwrap().to_owned()
}

/// Both ends of the range are taken, and what lies beyond is not.
fn check_range(section: &str, key: &str, least: &str, most: &str) {
    let takes = |value: String| {
        let value = if value.chars().all(|c| c.is_ascii_digit()) { value } else { format!("\"{value}\"") };
        Config::parse(&format!("[{section}]\n{key} = {value}"), Path::new("x")).is_ok()
    };
    let bytes = |text: &str| match text.strip_suffix(['K', 'M', 'G']) {
        None => text.parse::<u64>().unwrap(),
        Some(number) => {
            number.parse::<u64>().unwrap()
                << match text.chars().last() {
                    Some('K') => 10,
                    Some('M') => 20,
                    _ => 30,
                }
        }
    };
    assert!(takes(least.to_owned()) && takes(most.to_owned()), "{key}: {least} to {most}");
    assert!(!takes((bytes(least) - 1).to_string()), "{key}: less than {least}");
    assert!(!takes((bytes(most) + 1).to_string()), "{key}: more than {most}");
}

#[test]
fn the_unit_runs_what_there_is_with_one_capability() {
    let unit = read("systemd/apitap.service");
    let value = |key: &str| {
        let values: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect();
        assert!(!values.is_empty(), "{key}");
        values
    };
    for (key, command) in [("ExecStartPre", "check"), ("ExecStart", "run")] {
        let words: Vec<String> = value(key)[0].split_whitespace().map(str::to_owned).collect();
        assert_eq!(words[0].trim_start_matches('-'), "/usr/local/bin/apitap");
        assert_eq!(words[1], command);
        let asked = parse(&words[1..]);
        assert_eq!(asked.common.config.as_deref(), Some(Path::new("/etc/apitap/apitap.toml")));
        assert_eq!(asked.common.state, Some(Path::new("/var/lib").join(value("StateDirectory")[0])));
    }
    assert_eq!(value("AmbientCapabilities"), ["CAP_NET_RAW"]);
    assert_eq!(value("CapabilityBoundingSet"), ["CAP_NET_RAW"]);
    assert_ne!(value("User"), ["root"]);
    // The engine makes code, and without these the store cannot shut itself in or capture cannot begin.
    assert!(
        !unit
            .lines()
            .any(|line| line.starts_with("MemoryDenyWriteExecute=yes") || line.starts_with("PrivateNetwork=yes"))
    );
    assert!(
        value("RestrictAddressFamilies")[0].contains("AF_PACKET") && value("SystemCallFilter")[0].contains("@sandbox")
    );
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
        assert!(line.split_once('=').is_some_and(|(key, value)| !key.contains(' ') && !value.is_empty()), "{line}");
    }
}

#[test]
fn the_image_is_not_root_and_its_command_is_one() {
    let file = read("container/Containerfile");
    let last = |word: &str| {
        let value = file.lines().rfind(|line| line.starts_with(&format!("{word} "))).unwrap();
        value[word.len()..].trim().to_owned()
    };
    assert_eq!(file.lines().filter(|line| line.starts_with("FROM ")).count(), 2);
    assert_ne!(last("USER").split(':').next(), Some("0"));
    let words = |json: String| serde_json::from_str::<Vec<String>>(&json).unwrap();
    assert_eq!(words(last("ENTRYPOINT")), ["/usr/local/bin/apitap"]);
    parse(&words(last("CMD")));
    assert!(file.contains("setcap cap_net_raw=ep /out/apitap") && file.contains("COPY --from=build /out/apitap"));
    let example = file.lines().find_map(|line| line.split_once(" NET_RAW apitap ")).unwrap().1;
    parse(&example.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
}

fn strings(value: &Value) -> Vec<String> {
    value.as_sequence().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_compose_file_shares_a_network_namespace_and_one_capability() {
    let file: Value = serde_norway::from_str(&read("container/compose.yaml")).unwrap();
    let services = &file["services"];
    let sensor = &services["apitap"];
    let Asked::Run(run) = parse(&strings(&sensor["command"])).command else { panic!("not the sensor") };
    assert!(run.store.store.is_some());
    assert_eq!(sensor["network_mode"], Value::from("service:app"));
    assert!(services["app"].is_mapping() && services["clickhouse"].is_mapping());
    assert_eq!(
        (strings(&sensor["cap_drop"]), strings(&sensor["cap_add"])),
        (vec!["ALL".into()], vec!["NET_RAW".into()])
    );
    assert_eq!((&sensor["read_only"], &sensor["user"]), (&Value::from(true), &Value::from("10001:10001")));
    for variable in sensor["environment"].as_mapping().unwrap().keys() {
        assert_eq!(variable.as_str(), Some(apitap::store::writer::PASSWORD_VARIABLE));
    }
}

#[test]
fn the_sidecar_is_native_and_confined() {
    use serde::Deserialize;
    let text = read("kubernetes/sidecar.yaml");
    let documents: Vec<Value> =
        serde_norway::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect();
    let of_kind = |kind: &str| documents.iter().find(|document| document["kind"].as_str() == Some(kind)).unwrap();
    let config = of_kind("ConfigMap")["data"]["apitap.toml"].as_str().unwrap();
    let config = Config::parse(config, Path::new("sidecar.yaml")).unwrap();
    assert!(matches!(config.store.url, Some(apitap::config::Choice::Url(_))));
    let spec = &of_kind("Pod")["spec"];
    let sensor = &spec["initContainers"][0];
    assert_eq!(sensor["restartPolicy"], Value::from("Always"));
    let asked = parse(&strings(&sensor["args"]));
    assert!(matches!(asked.command, Asked::Run(_)));
    let context = &sensor["securityContext"];
    assert_eq!(
        (&context["runAsNonRoot"], &context["readOnlyRootFilesystem"]),
        (&Value::from(true), &Value::from(true))
    );
    assert_eq!(strings(&context["capabilities"]["drop"]), ["ALL"]);
    assert_eq!(strings(&context["capabilities"]["add"]), ["NET_RAW"]);
    // Every path of the configuration lies on something that is mounted, and every mount is a volume.
    let mounts: Vec<_> = sensor["volumeMounts"].as_sequence().unwrap().iter().collect();
    let paths: Vec<_> = mounts.iter().map(|mount| Path::new(mount["mountPath"].as_str().unwrap())).collect();
    let named = [asked.common.config, config.state, config.store.password_file];
    for path in named.map(Option::unwrap) {
        assert!(paths.iter().any(|mount| path.starts_with(mount)), "{}", path.display());
    }
    let volumes = spec["volumes"].as_sequence().unwrap();
    for mount in mounts {
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount:?}");
    }
    let state = volumes.iter().find(|volume| volume["name"] == "apitap-state").unwrap();
    assert!(state["emptyDir"].is_mapping());
}

/// What the README tells people to type can be typed.
#[test]
fn commands_in_the_readmes_are_commands() {
    let mut seen = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in ["README.md", "deploy/README.md"] {
        let text = fs::read_to_string(root.join(path)).unwrap();
        let blocks = text.split("\n```").skip(1).step_by(2);
        for line in blocks.flat_map(str::lines) {
            let line = line.split(" #").next().unwrap().trim().trim_start_matches("sudo ");
            let line = line.rsplit(" | ").next().unwrap();
            let Some(words) = line.strip_prefix("apitap ") else { continue };
            seen += 1;
            parse(&unquoted(words));
        }
    }
    assert!(seen > 5, "{seen}");
}

/// Words as a shell would take them, as far as the README goes.
fn unquoted(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let mut words = Vec::new();
    for (number, part) in parts {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn completions_come_for_all_shells_and_every_command_has_a_page() {
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_apitap")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = run(&["completions", shell]);
        assert!(text.contains("fail-on") && text.contains("apitap"), "{shell}");
    }
    assert!(run(&["man"]).starts_with(".ie"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("man-{}", std::process::id()));
    run(&["man", "--to", &folder.display().to_string()]);
    let mut pages = vec!["apitap.1".to_owned()];
    pages_of(&Apitap::command(), "apitap", &mut pages);
    assert!(pages.contains(&"apitap-alerts-show.1".to_owned()));
    for page in pages {
        let text = fs::read_to_string(folder.join(&page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    fs::remove_dir_all(folder).unwrap();
}

fn pages_of(command: &clap::Command, name: &str, pages: &mut Vec<String>) {
    for part in command.get_subcommands() {
        let name = format!("{name}-{}", part.get_name());
        pages.push(format!("{name}.1"));
        pages_of(part, &name, pages);
    }
}

#[test]
fn check_says_what_is_missing_and_how_to_mend_it() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let wrong = folder.join("wrong.toml");
    fs::write(&wrong, "[capture]\nbufer = \"1M\"\n").unwrap();
    let check = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_apitap"));
        let output = command.args(["check", "--state"]).arg(folder.join("state")).args(arguments).output().unwrap();
        let found: Vec<serde_json::Value> = output
            .stdout
            .split(|c| *c == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect();
        (output.status.code().unwrap(), found)
    };
    let (code, found) = check(&["--config", &wrong.display().to_string()]);
    assert_eq!((code, found.len()), (1, 1));
    assert!(found[0]["found"].as_str().unwrap().ends_with("wrong.toml:2: unknown key 'bufer'; did you mean 'buffer'?"));
    let config = ["--config", "/dev/null"];
    let (code, found) = check(&[&config[..], &["-i", "no-such-if", "--store", "http://127.0.0.1:1"]].concat());
    let of = |what: &str| found.iter().find(|finding| finding["what"] == what).unwrap();
    assert_eq!(code, 1);
    assert!(of("interface")["found"].as_str().unwrap().contains("no such interface"), "{found:?}");
    assert_eq!(of("store")["verdict"], "missing");
    assert!(of("store")["mend"].as_str().unwrap().contains("8123"));
    assert_eq!(of("state")["verdict"], "fine");
    assert!(!folder.join("state").exists(), "check made something");
    for finding in found.iter().filter(|finding| finding["verdict"] == "missing") {
        assert!(!finding["mend"].as_str().unwrap().is_empty(), "{finding}");
    }
    fs::remove_dir_all(folder).unwrap();
}
