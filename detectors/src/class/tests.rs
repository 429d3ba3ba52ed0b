//! What is told by a class, and what is wrong with one.

use super::*;
use crate::exchange::{Anomalies, Completeness, Content, Exchange, FieldLine, Fields, Request, Response, Version};
use crate::finding::Finding;
use crate::inspect::{Inspector, Settings};
use crate::scan::Scanner;
use crate::time::{Order, Timestamp};

/// Classes as JSON describes them.
#[track_caller]
pub(crate) fn classes(json: &str) -> Classes {
    Classes::new(&serde_json::from_str::<Vec<Class>>(json).unwrap())
}

/// What a scan finds of the first class.
fn found(classes: Classes, content: &str) -> Vec<&str> {
    let hits = Scanner::default().with(classes).hits(content.as_bytes());
    hits.iter().filter(|hit| hit.entity == SLOTS[0]).map(|hit| &content[hit.start..hit.end]).collect()
}

#[track_caller]
fn must_match(class: &str, contents: &[(&str, &str)]) {
    let classes = classes(&format!("[{class}]"));
    for (content, value) in contents {
        assert_eq!(found(classes, content), [*value], "{content}");
    }
}

#[track_caller]
fn must_not_match(class: &str, contents: &[&str]) {
    let classes = classes(&format!("[{class}]"));
    for content in contents {
        assert_eq!(found(classes, content), [""; 0], "{content}");
    }
}

const EMPLOYEE: &str =
    r#"{"name":"employee_number","family":"pii","names":["employee_no","Personalnummer"],"format":"E###-@*"}"#;

#[test]
fn a_form_is_told_under_every_spelling_of_its_names() {
    must_match(
        EMPLOYEE,
        &[
            (r#"{"employeeNo":"E123-Ab"}"#, "E123-Ab"),
            (r#"{"current_EMPLOYEE-NO":"E123-A9"}"#, "E123-A9"),
            (r#"{"a":"{\"employeeno\":\"E123-A9\"}"}"#, "E123-A9"),
            (r#"{"employee_nos":1,"personalnummer":["x","E123-A9"]}"#, "E123-A9"),
            ("a=1&employee_no=E123-A9&b=2", "E123-A9"),
            ("<r><Personalnummer>\n E123-A9</Personalnummer></r>", "E123-A9"),
            ("<tr><th>Personalnummer</th><td>E123-A9</td></tr>", "E123-A9"),
            ("id,employee_no,x\n1,E123-A9,y\n", "E123-A9"),
            ("Personalnummer: E123-A9\n", "E123-A9"),
            (r#"{"note":"told Personalnummer E123-A9 twice"}"#, "E123-A9"),
        ],
    );
    must_not_match(
        EMPLOYEE,
        &[
            r#"{"invoice":"E123-A9"}"#,
            r#"{"employee_no":"E123-A9x"}"#,
            r#"{"employee_no":"xE123-A9"}"#,
            r#"{"employee_no":"e123-A9"}"#,
            r#"{"employee_no":"E12é-A9"}"#,
            r#"{"employee_no":null}"#,
            "E123-A9",
            "order E123-A9 came",
        ],
    );
}

#[test]
fn a_name_alone_tells_what_says_something() {
    let class = r#"{"name":"diagnosis","family":"pii","names":["diagnosis","case id","token"]}"#;
    must_match(
        class,
        &[
            (r#"{"diagnosis":"asthma, mild"}"#, "asthma, mild"),
            (r#"{"patient":{"caseId":7812345}}"#, "7812345"),
            (r#"{"case-id":"K-17"}"#, "K-17"),
            (r#"{"token":"f83a"}"#, "f83a"),
        ],
    );
    must_not_match(
        class,
        &[
            r#"{"diagnosis":""}"#,
            r#"{"diagnosis":"***"}"#,
            r#"{"diagnosis":"xxxxx"}"#,
            r#"{"diagnosis":"unknown"}"#,
            r#"{"diagnosis":null}"#,
            r#"{"diagnosis_format":"text"}"#,
            r#"{"case":"a long story"}"#,
        ],
    );
}

#[test]
fn checks_are_asked_with_and_without_a_form() {
    for (check, good, bad) in [
        ("luhn", "79927398713", "79927398714"),
        ("verhoeff", "234123412346", "234123412347"),
        ("mod11-10", "86095742719", "86095742718"),
        ("mod97-10", "79435279444", "79435279445"),
    ] {
        let good = if check == "mod97-10" {
            (0..97).map(|n| format!("794352{n:02}")).find(|n| mod_97_10(n.as_bytes())).unwrap()
        } else {
            good.to_owned()
        };
        let class = format!(r#"{{"name":"a","family":"pii","names":["member number"],"check":"{check}"}}"#);
        must_match(&class, &[(&format!(r#"{{"memberNumber":"{good}"}}"#), &good)]);
        must_not_match(&class, &[&format!(r#"{{"memberNumber":"{bad}"}}"#), r#"{"memberNumber":"00"}"#]);
        let form = "#".repeat(good.len());
        let class =
            format!(r#"{{"name":"a","family":"pii","names":["member number"],"format":"M-{form}","check":"{check}"}}"#);
        if check != "mod97-10" {
            must_match(&class, &[(&format!(r#"{{"memberNumber":"M-{good}"}}"#), &format!("M-{good}"))]);
        }
        must_not_match(&class, &[&format!(r#"{{"memberNumber":"M-{bad}"}}"#)]);
    }
}

#[test]
fn a_prefix_is_found_anywhere() {
    let class = r#"{"name":"key","family":"secret","names":["acme key"],"prefix":"acme_live_"}"#;
    must_match(
        class,
        &[
            (r#"{"x":"acme_live_8a7b6c5d4e"}"#, "acme_live_8a7b6c5d4e"),
            ("use acme_live_8a7b6c5d4e.", "acme_live_8a7b6c5d4e"),
            (r#"{"log":"a\nacme_live_8a7b6c5d4e\n"}"#, "acme_live_8a7b6c5d4e"),
            ("k%3Dacme_live_8a7b6c5d4e&", "acme_live_8a7b6c5d4e"),
            ("acme_live_8a7b6c5d4e", "acme_live_8a7b6c5d4e"),
        ],
    );
    must_not_match(
        class,
        &[
            "acme_live_8a7b",
            "acme_live_xxxxxxxxxxxx",
            "my_acme_live_8a7b6c5d4e",
            "acme_test_8a7b6c5d4e",
            r#"{"acme_key":"8a7b6c5d4e8a7b6c"}"#,
        ],
    );
    let class = r##"{"name":"key","family":"secret","prefix":"acme","format":"-####","check":"luhn"}"##;
    must_match(class, &[("a acme-2345, ", "acme-2345"), (r#"["acme-2345"]"#, "acme-2345")]);
    must_not_match(class, &["acme-2346", "acme-23451", "acme-234"]);
}

#[test]
fn what_the_configuration_says_of_a_name_goes_before_what_is_built_in() {
    let class = r#"{"name":"pin","family":"secret","names":["client secret"]}"#;
    must_match(class, &[(r#"{"client_secret":"s3cr3tV4lue"}"#, "s3cr3tV4lue")]);
}

fn findings(classes: Classes, only: Option<&str>, target: &str, body: &str) -> Vec<Finding> {
    let lines = [FieldLine { name: 0, name_len: 6, value: 6, value_len: 0 }];
    let fields = Fields::new(b"accept", &lines);
    let version = Version::Http11;
    let request = Request { method: b"GET", target: target.as_bytes(), version, fields, content: Content::default() };
    let content = Content { bytes: body.as_bytes(), ..Content::default() };
    let exchange = Exchange {
        order: Order::default(),
        started: Timestamp::MIN,
        ended: Timestamp::MIN,
        client: "192.0.2.1:1000".parse().unwrap(),
        server: "192.0.2.2:80".parse().unwrap(),
        request: Some(request),
        response: Some(Response { status: 200, version, fields: Fields::default(), content }),
        completeness: Completeness::default(),
        anomalies: Anomalies::default(),
    };
    let only = only.map(|name| vec![name.to_owned()]);
    let mut findings = Vec::new();
    let settings = Settings { classes, only, evidence_key: Some([7; 32]), ..Settings::default() };
    Inspector::new(Scanner::default(), settings).inspect(&exchange, &mut findings);
    findings
}

#[test]
fn findings_are_masked_and_say_what_the_class_says() {
    let classes = classes(
        r#"[{"name":"employee_number","family":"pii","names":["employee no"],"format":"E#######","severity":"medium",
             "description":"Tells who earns what."},
            {"name":"api_key","family":"secret","prefix":"acme_live_"},
            {"name":"pass_phrase","family":"secret","names":["watchword"]}]"#,
    );
    let body = r#"{"employee_no":"E1234567","k":"acme_live_8a7b6c5d4e","watchword":"mellon"}"#;
    let all = findings(classes, None, "/x?k=acme_live_0123456789", body);
    let told: Vec<_> = all
        .iter()
        .map(|finding| {
            let evidence = &finding.evidence[0];
            (finding.detector.name, finding.rule, finding.severity, evidence.kind.as_str(), evidence.masked.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("secret.own.api_key", "request_target", Severity::Medium, "own.api_key", "acme****"),
            ("pii.own.employee_number", "response_content", Severity::Medium, "own.employee_number", "*******67"),
            ("secret.own.api_key", "response_content", Severity::High, "own.api_key", "acme****"),
            ("secret.own.pass_phrase", "response_content", Severity::High, "own.pass_phrase", "********"),
        ]
    );
    assert_eq!(all[1].detector.description, "Tells who earns what.");
    assert_eq!(
        (all[1].confidence, all[1].evidence[0].location.path.as_deref()),
        (Confidence::High, Some("$.employee_no"))
    );
    let shown = format!("{all:?}");
    assert!(!["E1234567", "8a7b", "0123456789", "mellon"].iter().any(|value| shown.contains(value)));
    assert_eq!(findings(classes, Some("pii.own.employee_number"), "/", body).len(), 1);
    assert_eq!(findings(classes, Some("secret"), "/", body).len(), 2);
    assert!(findings(Classes::default(), None, "/", body).is_empty());
}

#[test]
fn what_is_wrong_with_a_class_is_said() {
    for (class, part) in [
        (r#"{"family":"pii","names":["badge"]}"#, "has no name: give it one"),
        (r#"{"name":"Badge","family":"pii","names":["badge"]}"#, "'Badge': a class's name is a lower-case letter"),
        (r#"{"name":"a","names":["badge"]}"#, "'a': its family is"),
        (r#"{"name":"a","family":"scan","names":["badge"]}"#, "its family is \"pii\" or \"secret\""),
        (r#"{"name":"a","family":"pii","format":"E####"}"#, "neither names nor prefix"),
        (r#"{"name":"a","family":"pii","names":["12"]}"#, "has no letter"),
        (r#"{"name":"a","family":"pii","names":["a b c d e"]}"#, "too many words"),
        (r#"{"name":"a","family":"pii","names":["number"]}"#, "says too little"),
        (r#"{"name":"a","family":"pii","names":["id"]}"#, "says too little"),
        (r#"{"name":"a","family":"pii","names":[""]}"#, "has no letter"),
        (r#"{"name":"a","family":"secret","prefix":"abc"}"#, "a prefix is 4 to 64"),
        (r#"{"name":"a","family":"secret","prefix":"_abcd"}"#, "begins with a letter or digit"),
        (r#"{"name":"a","family":"secret","prefix":"ab cd"}"#, "a prefix is"),
        (r#"{"name":"a","family":"pii","names":["badge"],"format":"E#"}"#, "a format is"),
        (r#"{"name":"a","family":"pii","names":["badge"],"format":"EXACTLY"}"#, "a format is"),
        (r###"{"name":"a","family":"pii","names":["badge"],"format":"#-##é"}"###, "a format is"),
        (
            r#"{"name":"a","family":"pii","names":["badge"],"check":"mod11"}"#,
            "unknown variant `mod11`, expected one of",
        ),
        (r#"{"name":"a","family":"pii","nmaes":["badge"]}"#, "unknown field"),
    ] {
        let error = serde_json::from_str::<Class>(class).unwrap_err().to_string();
        assert!(error.contains(part), "{class}: {error}");
    }
    let long = format!(r#"{{"name":"a","family":"pii","names":["badge"],"description":"{}"}}"#, "x".repeat(501));
    assert!(serde_json::from_str::<Class>(&long).unwrap_err().to_string().contains("500 bytes"));
    let many = format!(r#"{{"name":"a","family":"pii","names":[{}"b"]}}"#, r#""b","#.repeat(32));
    assert!(serde_json::from_str::<Class>(&many).unwrap_err().to_string().contains("more than 32 names"));
}

#[test]
fn as_many_classes_as_may_be_have_room_in_the_vocabulary() {
    let word = |n: usize| -> String { (0..4).map(|place| char::from(b'a' + (n >> (4 * place) & 15) as u8)).collect() };
    let one = |class: usize| {
        let names: Vec<_> = (0..MAX_NAMES).map(|n| format!("\"zz {} {}\"", word(class), word(n))).collect();
        format!(r#"{{"name":"c{class}","family":"pii","names":[{}]}}"#, names.join(","))
    };
    let all: Vec<_> = (0..MAX_CLASSES + 3).map(one).collect();
    let classes = classes(&format!("[{}]", all.join(",")));
    assert_eq!((classes.types().count(), classes.detectors().count()), (MAX_CLASSES, MAX_CLASSES));
    let content = format!("{{\"zz_{}_{}\":\"A17\"}}", word(MAX_CLASSES - 1), word(MAX_NAMES - 1));
    let hits = Scanner::default().with(classes).hits(content.as_bytes());
    assert_eq!(hits.iter().map(|hit| hit.entity).collect::<Vec<_>>(), [SLOTS[MAX_CLASSES - 1]]);
    assert!(is_detector_name("pii.own.c1") && !is_detector_name("scan.own.c1") && !is_detector_name("pii.own"));
}
