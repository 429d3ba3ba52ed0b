//! `apitap classify`: what bodies hold, without a capture around them.

use std::borrow::Cow;
use std::io::{self, BufRead, Write};
use std::path::Path;

use apitap_detectors::class::Classes;
use apitap_detectors::inspect::{Classified, Inspector, Settings};
use apitap_detectors::scan::Scanner;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Exit, tell};
use crate::config::Config;

/// A line that is asked about.
#[derive(Deserialize)]
struct Question<'a> {
    /// Given back as it came.
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    body: Cow<'a, str>,
}

/// What is said of it.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a RawValue,
    entities: Vec<Entity>,
}

#[derive(Serialize)]
struct Entity {
    r#type: &'static str,
    masked: String,
    count: u32,
}

impl From<Classified> for Entity {
    fn from(found: Classified) -> Self {
        Self { r#type: found.kind, masked: found.masked, count: found.count }
    }
}

/// Answers standard input; `path` names a configuration, of which the classes count. No other is read: what a body holds
/// is the same on any machine.
pub(super) fn run(path: Option<&Path>) -> Exit {
    let classes = match path.map(Config::load).transpose() {
        Ok(config) => config.map(|config| Classes::new(&config.detectors.classes)).unwrap_or_default(),
        Err(error) => {
            tell(&error.to_string());
            return Exit::Usage;
        }
    };
    let out = io::BufWriter::new(io::stdout().lock());
    match classify(io::stdin().lock(), out, classes, &mut |line| tell(line)) {
        Ok(0) => Exit::Fine,
        Ok(_) => Exit::Failed,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Fine,
        Err(error) => {
            tell(&format!("classify: {error}"));
            Exit::Failed
        }
    }
}

/// Answers each line; returns how many could not be.
fn classify(
    mut questions: impl BufRead,
    mut answers: impl Write,
    classes: Classes,
    warn: &mut dyn FnMut(&str),
) -> io::Result<u64> {
    let mut inspector = Inspector::new(Scanner::default(), Settings { classes, ..Settings::default() });
    let (mut line, mut bad) = (Vec::new(), 0);
    for number in 1u64.. {
        line.clear();
        if questions.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice::<Question<'_>>(&line) {
            Ok(question) => {
                let found = inspector.classify(question.body.as_bytes());
                let entities = found.into_iter().map(Entity::from).collect();
                serde_json::to_writer(&mut answers, &Answer { id: question.id, entities })?;
                answers.write_all(b"\n")?;
            }
            // The message of the parser quotes what it does not know; where it stopped says enough.
            Err(error) => {
                bad += 1;
                warn(&format!(
                    "line {number}, column {}: not an object with \"id\" and a text \"body\"; line skipped",
                    error.column()
                ));
            }
        }
    }
    answers.flush()?;
    Ok(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(questions: &str) -> (String, Vec<String>, u64) {
        let (mut out, mut warnings) = (Vec::new(), Vec::new());
        let bad =
            classify(questions.as_bytes(), &mut out, Classes::default(), &mut |line| warnings.push(line.to_owned()))
                .unwrap();
        (String::from_utf8(out).unwrap(), warnings, bad)
    }

    #[test]
    fn each_line_has_its_answer() {
        let (out, warnings, bad) = answers(concat!(
            r#"{"id":"a","content_type":"application/json","body":"{\"email\":\"jane@corp.example\"}"}"#,
            "\n\n",
            r#"{"body":"nothing","id":7}"#,
        ));
        let first = r#"{"id":"a","entities":[{"type":"email","masked":"j***@c***.example","count":1}]}"#;
        assert_eq!(out, format!("{first}\n{{\"id\":7,\"entities\":[]}}\n"));
        assert_eq!((warnings.len(), bad), (0, 0));
    }

    #[test]
    fn a_bad_line_is_told_with_its_number_and_nothing_of_it() {
        let (out, warnings, bad) = answers("{\"id\":1}\nhunter2\n{\"id\":2,\"body\":\"\"}\n");
        assert_eq!((out.as_str(), bad), ("{\"id\":2,\"entities\":[]}\n", 2));
        assert!(warnings[0].starts_with("line 1, ") && warnings[1].starts_with("line 2, "), "{warnings:?}");
        assert!(!warnings.concat().contains("hunter2"));
    }
}
