//! The tree keeps its own rules: what a compiler does not check, and a reader relies on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the sensor in the order of the stream. A module uses only those before it.
const STREAM: [&str; 18] = [
    "time",
    "counters",
    "nearest",
    "capture",
    "link",
    "tcp",
    "flow",
    "http",
    "observation",
    "exchange_log",
    "worker",
    "pipeline",
    "keys",
    "alert",
    "store",
    "metrics",
    "config",
    "cli",
];

/// Imports against the stream, each with its reason.
const EXCEPTIONS: [(&str, &str); 1] = [
    // A segment carries sequence numbers; what they are is a matter of TCP, and knows nothing but numbers.
    ("link", "tcp::SeqNumber"),
];

/// Lines a source file may have, tests apart.
const FILE_LIMIT: usize = 700;

#[test]
fn no_import_goes_against_the_stream() {
    let mut faults = Vec::new();
    for file in sources("src") {
        let module = module_of(&file.path);
        // The root and the program put everything together.
        let Some(module) = module.filter(|module| !["lib", "main"].contains(&&**module)) else { continue };
        let Some(rank) = STREAM.iter().position(|name| *name == module) else {
            faults.push(format!("{}: module {module} has no place in the stream (STREAM in tests/tidy.rs)", file.path));
            continue;
        };
        for used in imports(&file.code()) {
            let name = used.split("::").next().unwrap_or_default();
            let against = STREAM.iter().position(|known| *known == name).is_some_and(|used| used > rank);
            if against && !EXCEPTIONS.contains(&(&*module, &*used)) {
                faults.push(format!("{}: {module} uses {used}, which comes after it", file.path));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn detectors_have_no_clock_and_do_no_input_or_output() {
    let banned = ["std::fs", "std::io", "std::thread", "std::time", "std::process", "std::env", "tokio", "async "];
    let mut faults = Vec::new();
    for file in sources("detectors/src") {
        let code = file.code();
        faults.extend(banned.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", file.path)));
    }
    assert_none(&faults);
}

#[test]
fn only_the_pipeline_knows_threads_and_queues() {
    let words = ["crossbeam_channel", "thread::spawn", "thread::Builder", "thread::scope"];
    let mut faults = Vec::new();
    for file in sources("src").into_iter().filter(|file| module_of(&file.path).as_deref() != Some("pipeline")) {
        let code = file.code();
        faults.extend(words.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", file.path)));
    }
    assert_none(&faults);
}

#[test]
fn unsafe_stands_only_where_the_architecture_lists_it() {
    let architecture = read("docs/ARCHITECTURE.md");
    let (_, listed) = architecture.split_once("## Where `unsafe` is allowed").expect("ARCHITECTURE.md has the list");
    let listed = listed.split("\n## ").next().unwrap_or_default();
    let mut faults = Vec::new();
    for file in ["src", "detectors/src"].iter().flat_map(|folder| sources(folder)) {
        let code = file.code();
        let words =
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code", "expect(unsafe_code"];
        if words.iter().any(|word| code.contains(word)) && !listed.contains(&format!("`{}`", file.path)) {
            faults.push(format!("{}: unsafe code, and docs/ARCHITECTURE.md does not list the file", file.path));
        }
    }
    assert_none(&faults);
}

#[test]
fn no_file_is_too_long_to_read() {
    let long = ["src", "detectors/src", "tests"].iter().flat_map(|folder| sources(folder)).filter_map(|file| {
        let lines = file.without_tests().lines().count();
        (lines > FILE_LIMIT).then(|| format!("{}: {lines} lines without its tests; {FILE_LIMIT} are enough", file.path))
    });
    assert_none(&long.collect::<Vec<_>>());
}

#[test]
fn no_case_is_forgotten() {
    let naming: String = [".rs", "Makefile"]
        .iter()
        .flat_map(|ending| files("").into_iter().filter(move |path| path.ends_with(ending)))
        .map(|path| read(&path))
        .collect();
    let mut cases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files("tests/cases") {
        let (case, file) = path["tests/cases/".len()..].split_once('/').expect("tests/cases holds only directories");
        cases.entry(case.to_owned()).or_default().insert(file.to_owned());
    }
    let mut faults = Vec::new();
    for (case, files) in &cases {
        if !files.contains("README.md") {
            faults.push(format!("tests/cases/{case}: no README.md that says what it is and where it comes from"));
        }
        if files.len() < 2 {
            faults.push(format!("tests/cases/{case}: nothing but a README.md"));
        }
        if ![format!("\"{case}\""), format!("cases/{case}")].iter().any(|name| naming.contains(name)) {
            faults.push(format!("tests/cases/{case}: no test names it"));
        }
    }
    assert!(!cases.is_empty(), "no case at all: is this test looking in the right place?");
    assert_none(&faults);
}

/// A clone builds anywhere: nothing in it depends on the machine it was written on.
#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // Put together here, so that this file does not name them either.
    let words = [["/wo", "rk/"].concat(), ["index.", "crates.io"].concat(), ["registry.", "npmjs.org"].concat()];
    let mut faults = Vec::new();
    for path in files("") {
        // Captures and the like are not text.
        let Ok(text) = String::from_utf8(fs::read(root().join(&path)).expect("the file was listed")) else { continue };
        for (line, number) in text.lines().zip(1..) {
            if words.iter().any(|word| line.contains(word)) {
                faults.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    assert_none(&faults);
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// A source file: its path from the root of the repository, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Everything above the tests, which stand at the end.
    fn without_tests(&self) -> &str {
        self.text.split("\n#[cfg(test)]\n").next().unwrap_or_default()
    }

    /// The same, without comments that have a line to themselves.
    fn code(&self) -> String {
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        self.without_tests().lines().filter(is_code).collect::<Vec<_>>().join("\n")
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let rust = files(folder).into_iter().filter(|path| path.ends_with(".rs"));
    let sources: Vec<_> = rust.map(|path| Source { text: read(&path), path }).collect();
    assert!(!sources.is_empty(), "no source below {folder}");
    sources
}

/// `alert` for `src/alert/book.rs` and for `src/alert.rs`.
fn module_of(path: &str) -> Option<String> {
    let first = path.strip_prefix("src/")?.split('/').next()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

/// What `code` names of its own crate, without `crate::`: `time::Order`, or `time` where several names are imported.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate` is that of whoever calls the macro, and `apitap_detectors::...` does not match.
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_members(group)),
            None => found.extend(path_at(rest)),
        }
    }
    found
}

/// The members of a brace group that `group` begins in, one level deep.
fn group_members(group: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let mut members = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            c if depth == 0 => members.last_mut().expect("it starts with one").push(c),
            _ => {}
        }
    }
    members.iter().filter_map(|member| path_at(member.trim())).collect()
}

fn path_at(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
    let path = text[..end].trim_end_matches(':');
    (!path.is_empty()).then(|| path.to_owned())
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below `folder`, as paths from the root of the repository, in order. What is built is left out, and so is
/// what begins with a dot, except the CI's own folder.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    let mut paths: Vec<_> = found
        .iter()
        .map(|path| path.strip_prefix(root()).expect("it was found below the root").to_string_lossy().into_owned())
        .collect();
    paths.sort();
    paths
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let skipped = name == "target" || name == "node_modules" || name.starts_with('.') && name != ".ci";
            if !skipped {
                walk(&path, found);
            }
        } else if name != ".git" {
            found.push(path);
        }
    }
}

/// The checks themselves can see.
mod sight {
    use super::*;

    #[test]
    fn imports_are_found_in_all_their_forms() {
        let code = "use crate::time::{Order, Span};\nuse crate::{alert, http::Limits, tcp::{self, SeqNumber}};\n\
                    fn f() -> crate::cli::Exit { crate::worker::run() }\nuse apitap_detectors::scan::Tally;";
        let expected = ["alert", "cli::Exit", "http::Limits", "tcp", "time", "worker::run"];
        assert_eq!(imports(code), expected.map(str::to_owned).into());
    }

    #[test]
    fn comments_and_tests_are_no_code() {
        let text = "// crate::cli\nuse a;\n    /// unsafe {\n#[cfg(test)]\nmod tests { use crate::cli; }\n".to_owned();
        assert_eq!(Source { path: String::new(), text }.code(), "use a;");
    }

    #[test]
    fn modules_are_told_by_their_path() {
        assert_eq!(module_of("src/alert/book.rs").as_deref(), Some("alert"));
        assert_eq!(module_of("src/keys.rs").as_deref(), Some("keys"));
        assert_eq!(module_of("detectors/src/scan/mod.rs"), None);
    }
}
