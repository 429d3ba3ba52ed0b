//! `apitap alerts`: the history of alerts, and what people said about them.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clickhouse::Client;

use super::args::{AlertsArgs, AlertsCommand, ChangeArgs, FilterArgs, HistoryFormat, ShowArgs, StatsArgs};
use super::storing::ask;
use super::{Exit, charts, listing, moment, show, table, tell};
use crate::alert::AlertId;
use crate::config::Config;
use crate::store::gateway::Role;
use crate::store::queries::{self, Candidates, Change, Filter, Follow, QueryError, Status, Story};
use crate::time::{Span, Timestamp};

pub(super) fn run(args: &AlertsArgs, config: &Config) -> Exit {
    ended(block_on(async {
        match &args.command {
            None => list(args, config).await,
            Some(AlertsCommand::Show(args)) => show_one(args, config).await,
            Some(AlertsCommand::Ack(args)) => change(args, Status::Ack, config).await,
            Some(AlertsCommand::Resolve(args)) => change(args, Status::Resolved, config).await,
            Some(AlertsCommand::Reopen(args)) => change(args, Status::Reopened, config).await,
            Some(AlertsCommand::Stats(args)) => stats(args, config).await,
        }
    }))
}

/// Runs what waits for the store.
pub(super) fn block_on(work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("cannot wait for the store: {error}"))?.block_on(work)
}

/// What a command ends with that went like this.
pub(super) fn ended(result: Result<(), String>) -> Exit {
    match result {
        Ok(()) => Exit::Fine,
        Err(line) => {
            tell(&super::text::visible(&line));
            Exit::Failed
        }
    }
}

/// The format that was asked for, else one that fits where it goes.
pub(super) fn format_or(asked: Option<HistoryFormat>, for_programs: HistoryFormat) -> HistoryFormat {
    let fitting = || if io::stdout().is_terminal() { HistoryFormat::Table } else { for_programs };
    asked.unwrap_or_else(fitting)
}

/// Writes to standard output; that a reader went away is no failure.
pub(super) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write standard output: {error}"))
        }
        _ => Ok(()),
    }
}

fn filter(args: &FilterArgs, limit: u32, now: Timestamp) -> Filter {
    let at = |moment: Option<moment::Moment>| moment.map(|moment| moment.seen_from(now));
    Filter {
        since: at(args.since),
        until: at(args.until),
        ingested_since: at(args.ingested_since),
        severity: args.severity,
        families: args.family.clone(),
        detectors: args.detector.clone(),
        client: args.client,
        principal: args.principal.clone(),
        endpoint: args.endpoint.clone(),
        host: args.host.clone(),
        fingerprint: args.fingerprint,
        statuses: args.status.clone(),
        limit,
    }
}

async fn list(args: &AlertsArgs, config: &Config) -> Result<(), String> {
    let now = moment::now();
    let filter = filter(&args.filter, args.limit, now);
    ask(&args.store, config, Role::Reader, async |client| {
        let format = format_or(args.format, HistoryFormat::Jsonl);
        if args.follow {
            return follow(client, &filter, format, now).await;
        }
        let alerts = queries::alerts(client, &filter).await.map_err(line)?;
        let columns = table::columns();
        print(|out| match format {
            HistoryFormat::Table => {
                out.write_all(listing::table(&alerts, columns, table::Colour::of_stdout()).as_bytes())
            }
            HistoryFormat::Json => listing::json(out, &alerts),
            HistoryFormat::Jsonl => listing::jsonl(out, &alerts),
            HistoryFormat::Csv => listing::csv(out, &alerts),
        })?;
        if alerts.len() as u64 == u64::from(filter.limit) && format == HistoryFormat::Table {
            tell(&format!("the newest {}; --limit shows more", filter.limit));
        }
        Ok(())
    })
    .await
}

/// Writes what there is, and then what comes in.
async fn follow(client: &Client, filter: &Filter, format: HistoryFormat, start: Timestamp) -> Result<(), String> {
    const PAUSE: Duration = Duration::from_secs(1);
    if format == HistoryFormat::Json {
        return Err("--follow has no end, and a JSON array needs one: use --format jsonl".into());
    }
    let mut follow = Follow::from(filter.ingested_since.unwrap_or(start));
    let mut is_first = true;
    loop {
        let found = follow.next(client, filter, moment::now()).await.map_err(line)?;
        let columns = table::columns();
        print(|out| match format {
            HistoryFormat::Table => found.iter().try_for_each(|found| {
                writeln!(out, "{}", table::line(&found.revision, columns, table::Colour::of_stdout()))
            }),
            HistoryFormat::Csv if is_first => listing::csv(out, &found),
            HistoryFormat::Csv => listing::csv_rows(out, &found),
            HistoryFormat::Json | HistoryFormat::Jsonl => listing::jsonl(out, &found),
        })?;
        is_first = false;
        // A full page has another one behind it.
        if found.len() < Follow::PAGE {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn show_one(args: &ShowArgs, config: &Config) -> Result<(), String> {
    ask(&args.store, config, Role::Reader, async |client| {
        let story = find(client, &args.id).await?;
        let columns = table::columns();
        print(|out| match format_or(args.format, HistoryFormat::Json) {
            HistoryFormat::Table => out.write_all(show::page(&story, columns, table::Colour::of_stdout()).as_bytes()),
            HistoryFormat::Json | HistoryFormat::Jsonl => show::json(out, &story),
            HistoryFormat::Csv => listing::csv(out, &story.revisions),
        })
    })
    .await
}

async fn find(client: &Client, id: &str) -> Result<Story, String> {
    let none = || format!("there is no alert {id} in the store");
    let id = match id.parse::<AlertId>() {
        Ok(id) => id,
        Err(_) => match queries::by_prefix(client, id).await.map_err(line)? {
            Candidates::None => return Err(none()),
            Candidates::One(id) => id,
            Candidates::Several(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                return Err(format!("several alerts begin with {id}: {}", ids.join(", ")));
            }
        },
    };
    queries::story(client, id).await.map_err(line)?.ok_or_else(none)
}

async fn change(args: &ChangeArgs, status: Status, config: &Config) -> Result<(), String> {
    ask(&args.store, config, Role::Analyst, async |client| {
        let story = find(client, &args.id).await?;
        let alert = story.latest.revision.id;
        let mut number = [0; 16];
        getrandom::fill(&mut number).map_err(|error| format!("the system gives no random numbers: {error}"))?;
        let who = args.who.clone().unwrap_or_else(user);
        let change = Change { status, at: moment::now(), who, note: args.note.clone() };
        queries::change(client, alert, u128::from_be_bytes(number), change).await.map_err(line)?;
        let before = story.latest.status();
        tell(&format!("alert {alert} is {status} now, and was {before}"));
        Ok(())
    })
    .await
}

/// Who runs this, as far as the environment says.
fn user() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

async fn stats(args: &StatsArgs, config: &Config) -> Result<(), String> {
    const WEEK: Span = Span::from_secs(7 * 86_400);
    let now = moment::now();
    let filter = filter(&args.filter, 1, now);
    let (since, until) = (filter.since.unwrap_or(now - WEEK), filter.until.unwrap_or(now));
    if since >= until {
        return Err("--since is not before --until".into());
    }
    ask(&args.store, config, Role::Reader, async |client| {
        let mut shown = since..until;
        match queries::begun(client, &filter, since, until).await.map_err(line)? {
            // Charts of a time that was asked for are of that part in which there is something.
            Some((first, last)) if args.filter.since.is_some() => {
                shown = first..until.min(last + Span::from_secs(1));
            }
            None if args.filter.since.is_none() => {
                tell("no alert began in the last seven days; --since shows older ones");
            }
            _ => {}
        }
        let stats = queries::stats(client, &filter, since..until, &shown).await.map_err(line)?;
        let columns = table::columns();
        print(|out| match format_or(args.format, HistoryFormat::Json) {
            HistoryFormat::Table => out.write_all(charts::page(&stats, shown.start, shown.end, columns).as_bytes()),
            HistoryFormat::Json | HistoryFormat::Jsonl => charts::json(out, &stats, shown.start, shown.end),
            HistoryFormat::Csv => charts::csv(out, &stats),
        })
    })
    .await
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn line(error: QueryError) -> String {
    error.to_string().trim_end().replace('\n', " ")
}
