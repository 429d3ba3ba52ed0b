use std::path::Path;
use std::process::Command;

use apitap::store::DATABASE;
use apitap::store::gateway::Role;
use apitap::store::rows::AlertRow;
use apitap::store::schema::{
    Applied, Class, MIGRATIONS, Migration, RETENTION_DAYS, SchemaError, Step, apply, apply_migrations,
};

use super::world::{Store, block_on, insert, is_here, record, revision};

#[test]
fn it_is_made_once_by_however_many() {
    if !is_here() {
        return;
    }
    let store = Store::new("made");
    assert!(store.refuses(&["alerts"]).contains("no sensor has stored anything there yet"));
    let client = &store.client(Role::Sensor);
    let latest = MIGRATIONS.last().unwrap().version;
    block_on(async {
        let (one, two, three) = tokio::join!(apply(client, 90), apply(client, 90), apply(client, 90));
        assert!([one, two, three].into_iter().all(|applied| applied.unwrap().after == latest));
        assert_eq!(apply(client, RETENTION_DAYS).await.unwrap(), Applied { before: latest, after: latest });
    });
    let tables = store.run(&format!("SELECT name FROM system.tables WHERE database = '{DATABASE}' ORDER BY name"));
    let expected = "alert_revisions alert_status alerts_by_client alerts_by_client_view alerts_by_id alerts_by_id_view \
                    alerts_by_key alerts_by_key_view chain_marks schema_migrations sensor_heartbeats";
    assert_eq!(tables.lines().collect::<Vec<_>>().join(" "), expected);
    assert_eq!(store.says(&["alerts", "--format", "table"]), "no alerts\n");
    assert_eq!(store.says(&["alerts", "--format", "json"]), "[]\n");

    // Another retention reaches the tables that are there.
    let kept = |days| {
        let sql = format!("SELECT count() FROM system.tables WHERE create_table_query LIKE '%toIntervalDay({days})%'");
        store.run(&sql)
    };
    assert_eq!((kept(90), kept(30)), ("5".into(), "0".into()));
    block_on(apply(client, 30)).unwrap();
    assert_eq!((kept(90), kept(30)), ("0".into(), "5".into()));

    // What a newer program made is left alone, and not asked.
    store.run(&format!("INSERT INTO {DATABASE}.schema_migrations (version) VALUES (99)"));
    let refused = block_on(apply(client, 90)).unwrap_err();
    assert!(matches!(refused, SchemaError::Newer { found: 99, known } if known == latest), "{refused}");
    assert_eq!(kept(90), "0");
    assert!(store.refuses(&["alerts"]).contains("made by a newer apitap"));
}

#[test]
fn what_was_cut_off_is_made_good() {
    if !is_here() {
        return;
    }
    const GROW: Step = Step::Alter { table: "alert_status", change: "ADD COLUMN IF NOT EXISTS extra UInt8 DEFAULT 1" };
    const BROKEN: Step = Step::Alter { table: "no_such_table", change: "ADD COLUMN IF NOT EXISTS extra UInt8" };
    const REWRITE: Step = Step::Alter { table: "alert_status", change: "UPDATE note = 'b?' WHERE note = 'a'" };
    let store = Store::new("cut");
    let client = &store.client(Role::Sensor);
    let second = |class, steps| Migration { version: 2, name: "more", class, steps };
    let with = |migrations: Vec<Migration>| block_on(apply_migrations(client, 90, &migrations));
    let version = || store.run(&format!("SELECT max(version) FROM {DATABASE}.schema_migrations"));
    assert_eq!(with(vec![MIGRATIONS[0]]).unwrap(), Applied { before: 0, after: 1 });
    store.run(&format!("INSERT INTO {DATABASE}.alert_status (at, note) SELECT now64(6), 'a'"));
    let failed = with(vec![MIGRATIONS[0], second(Class::Light, &[GROW, BROKEN])]).unwrap_err().to_string();
    assert!(failed.contains("migration 2, more") && failed.contains("no_such_table"), "{failed}");
    assert_eq!(version(), "1");
    let applied = with(vec![MIGRATIONS[0], second(Class::Mutation, &[GROW, REWRITE])]).unwrap();
    assert_eq!((applied, version()), (Applied { before: 1, after: 2 }, "2".into()));
    // It was waited for.
    assert_eq!(store.run(&format!("SELECT note, extra FROM {DATABASE}.alert_status")), "b?\t1");
}

#[test]
fn a_row_comes_back_as_it_was() {
    if !is_here() {
        return;
    }
    let store = Store::new("rows");
    let client = &store.client(Role::Sensor);
    let revisions = [revision(13, 1), revision(20, 3)];
    let kept = block_on(async {
        apply(client, RETENTION_DAYS).await.unwrap();
        insert(client, &revisions, u128::MAX - 7).await;
        let client = client.clone().with_database(DATABASE);
        let query = client.query("SELECT ?fields FROM alert_revisions ORDER BY seq");
        query.fetch_all::<AlertRow>().await.unwrap()
    });
    let sent: Vec<_> = (1..).zip(&revisions).map(|(seq, revision)| record(revision, seq, u128::MAX - 7)).collect();
    assert_eq!(kept, sent.iter().map(|record| AlertRow::of(record).unwrap()).collect::<Vec<_>>());
    // The engine agrees on the partition.
    let monday =
        store.run(&format!("SELECT DISTINCT toRelativeWeekNum(toMonday(ingested_at)) FROM {DATABASE}.alert_revisions"));
    let epoch = store.run("SELECT toRelativeWeekNum(toDate('1970-01-01'))");
    let week = monday.parse::<i64>().unwrap() - epoch.parse::<i64>().unwrap();
    assert_eq!(week, sent[0].partition());
}

/// `deploy/clickhouse` holds what `apitap schema` prints; `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_files_for_servers_are_those_of_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/clickhouse");
    for (file, arguments) in [("server.sql", &["schema"][..]), ("cluster.sql", &["schema", "--cluster", "{cluster}"])] {
        let output = Command::new(env!("CARGO_BIN_EXE_apitap")).args(arguments).output().unwrap();
        assert!(output.status.success());
        let printed = String::from_utf8(output.stdout).unwrap();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(folder.join(file), &printed).unwrap();
        }
        assert_eq!(std::fs::read_to_string(folder.join(file)).unwrap(), printed, "{file}");
    }
}

/// There is no cluster here, but the engine's parser knows all of it.
#[test]
fn the_engine_reads_the_schema_of_a_cluster() {
    if !is_here() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/clickhouse/cluster.sql");
    let text = std::fs::read_to_string(path).unwrap();
    let store = Store::filled();
    let statements: Vec<_> = text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).collect();
    assert!(statements.len() > 15);
    for statement in statements {
        let (verb, _) = statement.split_once(' ').unwrap();
        assert!(verb == "INSERT" || statement.contains("ON CLUSTER '{cluster}'"), "{statement}");
        let tree = store.run(&format!("EXPLAIN AST {statement}"));
        assert!(tree.to_uppercase().starts_with(verb), "{statement}\n{tree}");
    }
    let wrong = "EXPLAIN AST CREATE TABLE a ON CLUSTER 'b' (n UInt8) ENGINE = x ODER BY n";
    assert!(store.refuses(&["query", wrong]).contains("Syntax error"));
}
