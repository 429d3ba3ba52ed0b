//! Measures questions about a large history: see docs/BENCHMARKING.md.
//!
//! `history STATE fill N` makes a history of N revisions in the store that `apitap store --state STATE` serves;
//! `history STATE copy` copies it into a table without keys; `history STATE ask` asks the questions of both.

#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(clippy::print_stdout, reason = "it says what it measured")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use apitap::alert::Fingerprint;
use apitap::store::client::client;
use apitap::store::gateway::{Role, Whereabouts, read_password};
use apitap::store::queries::{Filter, Found, alerts, story};
use apitap::store::schema::{RETENTION_DAYS, apply};
use clickhouse::Client;

const ROUNDS: usize = 41;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match words[..] {
        [state, "fill", count] => runtime.block_on(fill(&sensor(state)?, count.parse()?)),
        [state, "copy"] => runtime.block_on(copy(&sensor(state)?)),
        [state, "ask"] => runtime.block_on(ask(&sensor(state)?)),
        _ => Err("usage: history STATE fill N | copy | ask".into()),
    }
}

fn sensor(state: &str) -> Result<Client, Box<dyn Error>> {
    let store = Whereabouts::read(Path::new(state))?;
    let password = read_password(&store.credentials.join(Role::Sensor.name()))?;
    let client = client(&format!("http://{}", store.address), Role::Sensor.name(), &password);
    Ok(client.with_setting("max_execution_time", "3600"))
}

async fn fill(client: &Client, count: u64) -> Result<(), Box<dyn Error>> {
    const STEP: u64 = 50_000;
    apply(client, RETENTION_DAYS).await?;
    let client = small_blocks(client);
    let start = Instant::now();
    for from in (0..count).step_by(STEP as usize) {
        let query = client.query_raw(include_str!("fill.sql")).param("alerts", count.div_ceil(5));
        query.param("from", from).param("count", STEP.min(count - from)).execute().await?;
    }
    println!("{count} revisions in {:.0} s, views included", start.elapsed().as_secs_f64());
    Ok(())
}

/// The same rows as they came, with no order, no narrow tables and no indexes.
async fn copy(client: &Client) -> Result<(), Box<dyn Error>> {
    client.query_raw("CREATE DATABASE IF NOT EXISTS plain").execute().await?;
    client
        .query_raw("CREATE TABLE plain.revisions ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM apitap.alert_revisions LIMIT 0")
        .execute()
        .await?;
    let sql = "INSERT INTO plain.revisions SELECT * FROM apitap.alert_revisions";
    Ok(small_blocks(client).query_raw(sql).execute().await?)
}

/// What is inserted by INSERT SELECT keeps to the store's memory, which is 1 GiB by default.
fn small_blocks(client: &Client) -> Client {
    let settings = [
        ("max_block_size", "8192"),
        ("max_insert_threads", "1"),
        ("min_insert_block_size_rows", "50000"),
        ("min_insert_block_size_bytes", "100000000"),
    ];
    settings.into_iter().fold(client.clone(), |client, (name, value)| client.with_setting(name, value))
}

async fn ask(client: &Client) -> Result<(), Box<dyn Error>> {
    let sql = "SELECT count(), uniqExact(alert_id), uniqExact(client), uniqExact(host, endpoint), uniqExact(fingerprint) \
               FROM apitap.alert_revisions";
    let (rows, ids, clients, endpoints, causes) = client.query(sql).fetch_one::<(u64, u64, u64, u64, u64)>().await?;
    println!("{rows} rows, {ids} alerts, {clients} clients, {endpoints} endpoints, {causes} fingerprints");
    let is_plain = client.query("EXISTS plain.revisions").fetch_one::<u8>().await? == 1;

    let filter = Filter { limit: 100, ..Filter::default() };
    let client_of = |text: &str| Filter { client: text.parse().ok(), ..filter.clone() };
    let endpoint = |text: &str| Filter { endpoint: Some(text.into()), ..filter.clone() };
    // The 1,000th of the causes by frequency has some alerts, and most have fewer.
    let cause = "SELECT toString(fingerprint) FROM apitap.alert_revisions GROUP BY fingerprint ORDER BY count() DESC, 1 LIMIT 1 OFFSET 999";
    let cause: Fingerprint = client.query(cause).fetch_one::<String>().await?.parse()?;
    let questions = [
        ("newest 100", filter.clone(), "1".to_owned()),
        ("by client, the busiest", client_of("10.0.0.1"), "client = toIPv6('10.0.0.1')".to_owned()),
        ("by client, the 500th", client_of("10.0.1.244"), "client = toIPv6('10.0.1.244')".to_owned()),
        (
            "by endpoint, the busiest",
            endpoint("/api/v1/things/1/{id}"),
            "endpoint = '/api/v1/things/1/{id}'".to_owned(),
        ),
        (
            "by endpoint, the 200th",
            endpoint("/api/v1/things/200/{id}"),
            "endpoint = '/api/v1/things/200/{id}'".to_owned(),
        ),
        ("by fingerprint", Filter { fingerprint: Some(cause), ..filter.clone() }, format!("fingerprint = '{cause}'")),
    ];
    for (name, filter, condition) in &questions {
        let with_keys = p50(async || alerts(client, filter).await.map(|alerts| alerts.len())).await?;
        let sql = format!(
            "SELECT record FROM plain.revisions WHERE {condition} ORDER BY last_seen DESC, alert_id DESC, revision DESC \
             LIMIT 1 BY alert_id LIMIT 100"
        );
        report(name, with_keys, client, is_plain.then_some(sql)).await?;
    }
    let one: Vec<Found> = alerts(client, &client_of("10.0.1.244")).await?;
    let id = one.last().ok_or("there is no alert to ask for")?.revision.id;
    let with_keys =
        p50(async || story(client, id).await.map(|story| story.map_or(0, |story| story.revisions.len()))).await?;
    let sql =
        format!("SELECT record FROM plain.revisions WHERE alert_id = '{id}' ORDER BY revision LIMIT 1 BY revision");
    report("one alert, all revisions", with_keys, client, is_plain.then_some(sql)).await
}

async fn report(
    name: &str,
    (found, with_keys): (usize, Duration),
    client: &Client,
    plain: Option<String>,
) -> Result<(), Box<dyn Error>> {
    let without = match plain {
        None => "not asked".to_owned(),
        Some(sql) => {
            let start = Instant::now();
            let rows = client.query_raw(&sql).fetch_all::<String>().await?.len();
            assert_eq!(rows, found, "{name}: both tables give the same");
            format!("{:.0} ms", start.elapsed().as_secs_f64() * 1e3)
        }
    };
    println!("{name:26} {found:4} found  p50 {:6.1} ms   without keys {without}", with_keys.as_secs_f64() * 1e3);
    Ok(())
}

/// How many were found, and the median time of [`ROUNDS`] rounds after three to get warm.
async fn p50<E: Error + 'static>(mut question: impl AsyncFnMut() -> Result<usize, E>) -> Result<(usize, Duration), E> {
    let mut found = 0;
    for _ in 0..3 {
        found = question().await?;
    }
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        question().await?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok((found, times.get(ROUNDS / 2).copied().unwrap_or_default()))
}
