//! Personal data and credentials that are on the wire are in no output, no file and no table, in no form.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use apitap::store::chain::Hash;
use apitap::store::spool::Spooled;
use apitap::store::writer::{DeadLetters, Target};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

use super::world::{State, apitap, finish, library, revision, runtime, served, spool_of, sql, storing_as};
use crate::wire::{Sender, Sent, lay_out};
use crate::world::skip;

/// What is on the wire, by where it is: no two are alike.
const PLANTED: [(&str, &str); 13] = [
    ("content", "planted.content@secret-mail.example"),
    ("card", "5500005555555559"),
    ("ssn", "536-90-4399"),
    ("password", "Content-Passw0rd-71"),
    ("key of an object", "planted.key@secret-mail.example"),
    ("path", "planted.path@secret-mail.example"),
    ("query", "planted.query@secret-mail.example"),
    ("token in the query", "planted-url-token-55f1c2"),
    ("bearer", "planted-bearer-9f8e7d6c5b"),
    ("basic", "planted-user:Basic-Passw0rd-88"),
    ("cookie", "planted-cookie-66aa77bb"),
    ("new cookie", "planted-new-cookie-67cc88dd"),
    ("referrer", "planted.referrer@secret-mail.example"),
];
/// What is put past all masking.
const CONTROL: &str = "positive.control@secret-mail.example";

/// Looks for values in all the forms that they may have.
struct Searcher(Vec<(&'static str, Vec<u8>)>);

impl Searcher {
    fn new(values: &[(&'static str, &str)]) -> Self {
        let forms = |value: &str| {
            let all: String = value.bytes().map(|octet| format!("%{octet:02x}")).collect();
            let marks = value.replace('@', "%40").replace(':', "%3a");
            let hex: String = value.bytes().map(|octet| format!("{octet:02x}")).collect();
            let json: String = value.bytes().map(|octet| format!("\\u{octet:04x}")).collect();
            let numbers: Vec<_> = value.bytes().map(|octet| octet.to_string()).collect();
            let escaped = value.replace('@', "\\u0040");
            let mut forms = vec![value.into(), all, marks, hex, json, escaped, numbers.join(","), numbers.join(", ")];
            forms.extend((0..3).map(|before| {
                // What stands before shifts the letters; those at the ends depend on neighbours.
                let coded = STANDARD.encode([&vec![b'x'; before][..], value.as_bytes()].concat());
                coded[(before * 8).div_ceil(6)..(before + value.len()) * 8 / 6].to_owned()
            }));
            forms
        };
        let all = values.iter().flat_map(|(name, value)| forms(value).into_iter().map(move |form| (*name, form)));
        Self(all.map(|(name, form)| (name, form.to_lowercase().into_bytes())).collect())
    }

    /// The names of what `octets` hold.
    fn find(&self, octets: &[u8]) -> BTreeSet<&'static str> {
        let octets = octets.to_ascii_lowercase();
        self.0.iter().filter(|(_, form)| memmem::find(&octets, form).is_some()).map(|(name, _)| *name).collect()
    }

    /// All that is found in what there is: file by file, and column by column of every table.
    fn find_all(&self, state: &State, told: &[(String, String)]) -> Vec<String> {
        let mut found = Vec::new();
        let mut look = |place: String, octets: &[u8]| {
            found.extend(self.find(octets).into_iter().map(|name| format!("{place}: {name}")));
        };
        told.iter().for_each(|(place, text)| look(place.clone(), text.as_bytes()));
        files(&state.0, &mut |path, octets| look(path.display().to_string(), octets));
        runtime().block_on(async {
            let store = served(state).await;
            let columns = "SELECT concat(table, ' ', name) FROM system.columns WHERE database = 'apitap' ORDER BY 1";
            for column in sql(state, columns).await.lines() {
                let (table, column) = column.split_once(' ').unwrap();
                let text = sql(state, &format!("SELECT toString(`{column}`) FROM apitap.{table}")).await;
                look(format!("table {table}, column {column}"), text.as_bytes());
            }
            store.end().await;
        });
        found
    }
}

fn files(folder: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        // The engine removes what it has merged.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), look),
            Ok(kind) if kind.is_file() => {
                look(&entry.path(), entry.file_name().as_encoded_bytes());
                look(&entry.path(), &fs::read(entry.path()).unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// A request and a response with all that is planted.
fn exchange() -> [(Sender, Vec<u8>); 2] {
    let at = |name: &str| PLANTED.iter().find(|(planted, _)| *planted == name).unwrap().1;
    let request = format!(
        "POST /users/{}/cards?mail={}&access_token={} HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer {}\r\n\
         Proxy-Authorization: Basic {}\r\nCookie: sid={}; other=1\r\nReferer: http://shop.example/?u={}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        at("path"),
        at("query").replace('@', "%40"),
        at("token in the query"),
        at("bearer"),
        STANDARD.encode(at("basic")),
        at("cookie"),
        at("referrer"),
        at("password").len() + 15,
    );
    let request = format!("{request}{{\"password\":\"{}\"}}", at("password"));
    let row = format!(
        "{{\"{}\":{{\"email\":\"{}\",\"card\":\"{}\",\"ssn\":\"{}\",\"password\":\"{}\"}}}}",
        at("key of an object"),
        at("content"),
        at("card"),
        at("ssn"),
        at("password")
    );
    let content = format!("[{}]", vec![row; 40].join(","));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: sid={}; Path=/\r\nContent-Length: {}\r\n\r\n",
        at("new cookie"),
        content.len()
    );
    [(Sender::Client, request.into_bytes()), (Sender::Server, (head + &content).into_bytes())]
}

/// The segments as a capture file of bare IPv4 packets (pcap, LINKTYPE_RAW).
fn capture(segments: &[Sent]) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0], [0; 4], [0; 4], [0, 0, 4, 0], [101, 0, 0, 0]].concat();
    for (second, sent) in (1_700_000_000_u32..).zip(segments) {
        let (source, target) = ([192, 0, 2, 1, 0xc0, 0], [192, 0, 2, 80, 0, 80]);
        let (from, to) = if sent.sender == Sender::Client { (source, target) } else { (target, source) };
        let length = (40 + sent.payload.len()) as u16;
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 1, 0, 0, 64, 6, 0, 0]);
        packet.extend(&from[..4]);
        packet.extend(&to[..4]);
        packet.extend(&from[4..]);
        packet.extend(&to[4..]);
        packet.extend(sent.seq.to_be_bytes());
        packet.extend(sent.ack.to_be_bytes());
        packet.extend([0x50, sent.flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(&sent.payload);
        file.extend(second.to_le_bytes());
        file.extend([0; 4]);
        file.extend([(packet.len() as u32).to_le_bytes(), (packet.len() as u32).to_le_bytes()].concat());
        file.extend(packet);
    }
    file
}

/// What the program says of the state in all the ways it can: by command.
fn outputs(state: &State, id: &str) -> Vec<(String, String)> {
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["alerts", "stats"],
        vec!["alerts", "show", id],
        vec!["alerts", "show", id, "--format", "json"],
        vec!["query", "SELECT * FROM apitap.alert_revisions", "--format", "json"],
        vec!["verify"],
    ];
    commands.extend(["table", "json", "jsonl", "csv"].map(|format| vec!["alerts", "--format", format]));
    let run = |arguments: Vec<&str>| {
        let (is_fine, said) = apitap(&state.0, &arguments);
        assert!(is_fine, "{arguments:?}: {said}");
        (arguments.join(" "), said)
    };
    commands.into_iter().map(run).collect()
}

#[test]
fn what_is_planted_is_found_nowhere_and_the_control_is_found() {
    if library().is_none() {
        return skip("libchdb is not there; deploy/libchdb/install fetches it");
    }
    let state = State::new("planted");
    // Beside the state, which is searched.
    let captured = State::new("planted-capture");
    let path = captured.0.join("planted.pcap");
    fs::write(&path, capture(&lay_out(&exchange(), || 1_400))).unwrap();
    let path = path.to_str().unwrap();
    // One kind of alert is refused, so that there are dead letters.
    runtime().block_on(async {
        let store = served(&state).await;
        let storing = storing_as("control", &state.0, spool_of("control", &state.0), Target::Embedded(state.0.clone()));
        finish_with(storing, revision(1)).await;
        sql(&state, "ALTER TABLE alert_revisions ADD CONSTRAINT none CHECK detector != 'pii.payment_card'").await;
        store.end().await;
    });
    let read = ["read", path, "--checksums", "ignore", "--format"];
    let stored = [&read[..], &["jsonl", "--store"]].concat();
    let (_, said) = apitap(&state.0, &stored);
    assert!(said.contains("pii.email") && said.contains("1 alerts were refused"), "{said}");
    let alert = said.lines().find(|line| line.contains("pii.email")).unwrap();
    let id = serde_json::from_str::<serde_json::Value>(alert).unwrap()["id"].as_str().unwrap().to_owned();
    let mut told = vec![("read --store".to_owned(), said)];
    told.push(("read, table".into(), apitap(&state.0, &[&read[..], &["table"]].concat()).1));
    told.push(("read, statistics".into(), apitap(&state.0, &[&read[..], &["jsonl", "--stats", "-"]].concat()).1));
    told.push((
        "read, log".into(),
        apitap(&state.0, &[&read[..], &["jsonl", "--exchanges", "-", "--mask-targets"]].concat()).1,
    ));
    told.extend(outputs(&state, &id));
    let letters =
        fs::read_dir(state.0.join("spool")).unwrap().map(|folder| folder.unwrap().path().join(DeadLetters::FILE));
    assert_eq!(letters.filter(|path| path.is_file()).count(), 1, "there is a dead letter to search");
    let found = Searcher::new(&PLANTED).find_all(&state, &told);
    assert!(found.is_empty(), "{found:#?}");

    // The same searcher finds what was put past all masking, wherever it was put.
    let text = String::from_utf8(revision(2)).unwrap();
    let leaking = text.replace("\"description\":\"d\"", &format!("\"description\":\"{CONTROL}\""));
    let letter =
        Spooled { sequence: 9, previous: Hash::NONE, hash: Hash::NONE, ingested_at: 0, json: leaking.clone().into() };
    DeadLetters::new(&state.0.join("spool/control")).add(&letter, "control").unwrap();
    runtime().block_on(async {
        let store = served(&state).await;
        let storing = storing_as("control", &state.0, spool_of("control", &state.0), Target::Embedded(state.0.clone()));
        finish_with(storing, leaking.into_bytes()).await;
        store.end().await;
    });
    let hex: String = CONTROL.bytes().map(|octet| format!("{octet:02X}")).collect();
    for (name, form) in [
        ("base64", STANDARD.encode(format!("user={CONTROL};"))),
        ("hex", hex),
        ("percent", CONTROL.replace('@', "%40")),
        ("escaped", CONTROL.replace('@', "\\u0040")),
    ] {
        fs::write(state.0.join(format!("control.{name}")), form).unwrap();
    }
    let found = Searcher::new(&[("control", CONTROL)]).find_all(&state, &outputs(&state, &id)).join("\n");
    for place in [
        "column description",
        "column record",
        "spool/control/dead-letters.jsonl",
        ".seg",
        "control.base64",
        "control.hex",
        "control.percent",
        "control.escaped",
        "query SELECT",
        "alerts --format jsonl",
    ] {
        assert!(found.contains(place), "{place} is not among\n{found}");
    }
}

/// Has the store take one more record, and ends.
async fn finish_with(storing: apitap::store::writer::Storing, record: Vec<u8>) {
    storing.queue.send(record).await.unwrap();
    finish(storing).await;
}
