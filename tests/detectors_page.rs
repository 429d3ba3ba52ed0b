//! `docs/detectors.md` is made from what the detectors' own files say: the heads of the files, their constants, and what each
//! detector says in an alert. `UPDATE_EXPECT=1` writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use apitap_detectors::finding::{Detector, Family};
use apitap_detectors::knob::Knob;
use apitap_detectors::registry::{detectors, knobs};

const INTRODUCTION: &str = "# Detectors

What each detector finds, why it matters, what it has to see, and what it misses. This page is made from the detectors' own
files: their text, their constants, and what they say in alerts. Change those, and run the tests with `UPDATE_EXPECT=1`.

`--detectors` takes names and families, separated by commas. OWASP is the API Security Top 10, CWE the Common Weakness
Enumeration, ATT&CK the techniques of MITRE. Names in capitals are constants of the program, listed below the text.

Thresholds can be set in the configuration, with their names in quotes; `read` and `run` go by them:

```toml
[detectors.thresholds]
\"scan.forced_browsing.paths\" = 30
```

Classes of data of your own, `[[detectors.classes]]`, are detectors beside these: `pii.own.NAME` and `secret.own.NAME`.
deploy/apitap.toml says how they are described.
";

#[test]
fn the_page_says_what_the_detectors_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/detectors.md");
    let page = page();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), page, "run it with UPDATE_EXPECT=1");
}

fn page() -> String {
    let files = files();
    let mut page = INTRODUCTION.to_owned();
    for family in Family::ALL {
        writeln!(page, "\n## {family}").unwrap();
        let own: Vec<_> = detectors().filter(|detector| detector.family == *family).collect();
        for file in &files {
            let here: Vec<_> = own.iter().filter(|detector| file.holds(detector)).copied().collect();
            if !here.is_empty() {
                file.write(&here, &mut page);
            }
        }
        for detector in own {
            assert_eq!(files.iter().filter(|file| file.holds(detector)).count(), 1, "{}", detector.name);
        }
    }
    page
}

/// A file of detectors, without its tests.
struct File {
    text: String,
    /// The head of the folder it is in, where that has one about detectors.
    folder: String,
}

impl File {
    fn holds(&self, detector: &Detector) -> bool {
        self.text.contains(&format!("\"{}\"", detector.name))
    }

    fn write(&self, here: &[&Detector], page: &mut String) {
        let names: Vec<_> = here.iter().map(|detector| format!("`{}`", detector.name)).collect();
        writeln!(page, "\n### {}\n", names.join(", ")).unwrap();
        for head in [&self.folder, &head(&self.text)] {
            if !head.is_empty() {
                writeln!(page, "{head}\n").unwrap();
            }
        }
        for detector in here {
            let Detector { name, title, description, remediation, owasp, cwe, attack, .. } = detector;
            let attack = if attack.is_empty() { String::new() } else { format!(", ATT&CK {attack}") };
            writeln!(
                page,
                "- `{name}`: **{title}.** {description} *What to do*: {remediation} ({owasp}, {cwe}{attack})"
            )
            .unwrap();
        }
        let is_of = |detector: &Detector, knob: &Knob| knob.name.rsplit_once('.').unwrap().0 == detector.name;
        let thresholds: Vec<_> =
            knobs().filter(|knob| here.iter().any(|detector| is_of(detector, knob))).map(threshold).collect();
        if !thresholds.is_empty() {
            let head = "| threshold | default | range | what it is | why |\n|---|---|---|---|---|";
            writeln!(page, "\n{head}\n{}", thresholds.join("\n")).unwrap();
        }
        let constants = constants(&self.text);
        if !constants.is_empty() {
            writeln!(page, "\n| constant | value | |\n|---|---|---|\n{}", constants.join("\n")).unwrap();
        }
    }
}

/// What a file says of itself. Links go to other code, so they become plain names.
fn head(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    plain(&lines.collect::<Vec<_>>().join("\n"))
}

fn plain(text: &str) -> String {
    text.replace("[`super::", "`").replace("[`crate::", "`").replace("[`", "`").replace("`]", "`")
}

/// A row of a table for a number that can be set.
fn threshold(knob: &Knob) -> String {
    let Knob { name, meaning, unit, default, least, most, reason } = knob;
    let unit = if *unit == "%" { " %".to_owned() } else { format!(" {unit}") };
    format!("| `{name}` | {default}{unit} | {least} to {most} | {meaning} | {reason} |")
}

/// Rows of a table for the numbers of a file: those constants that stand on one line outside of functions.
fn constants(text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let mut comment = String::new();
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("///") {
            comment = format!("{comment}{said}");
            continue;
        }
        let constant = line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ").strip_prefix("const ");
        let parts = constant.and_then(|rest| rest.strip_suffix(';')?.split_once(": ")?.1.split_once(" = "));
        if let (Some(constant), Some((kind, value))) = (constant, parts)
            && !kind.contains(['&', '['])
        {
            let name = constant.split(':').next().unwrap();
            rows.push(format!("| `{name}` | {} | {} |", value_of(value), plain(comment.trim()).replace('|', "\\|")));
        }
        comment.clear();
    }
    rows
}

/// `Span::from_secs(6 * 3600)` is "6 * 3600 s".
fn value_of(value: &str) -> String {
    let seconds = value.strip_prefix("Span::from_secs(").and_then(|value| value.strip_suffix(')'));
    seconds.map_or_else(|| format!("`{}`", value.replace('_', ",")), |seconds| format!("`{seconds}` s"))
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("detectors/src");
    let mut files = Vec::new();
    for folder in ["behaviour", "pii", "secret"] {
        read_folder(&root.join(folder), "", &mut files);
    }
    files
}

fn read_folder(folder: &Path, head_of_folder: &str, files: &mut Vec<File>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            let own = fs::read_to_string(path.join("mod.rs")).map(|text| head(&text)).unwrap_or_default();
            read_folder(&path, &own, files);
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
            files.push(File { text, folder: head_of_folder.to_owned() });
        }
    }
}
