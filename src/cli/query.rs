//! `apitap query`: SQL that changes nothing.

use std::io::{self, Write};

use clickhouse::error::Error;
use serde_json::value::RawValue;

use super::Exit;
use super::alerts::{block_on, ended, format_or};
use super::args::{Destination, HistoryFormat, QueryArgs};
use super::csv;
use super::outputs::{Output, Readers};
use super::storing::ask;
use super::table::{columns, pad};
use super::text::{cut, visible, width};
use crate::config::Config;
use crate::store::gateway::Role;

/// Names, types, and then a row a line, each an array: whatever the types are, it can be taken apart.
const FORMAT: &str = "JSONCompactEachRowWithNamesAndTypes";

/// What a table may hold: all of it is laid out before it is shown.
const TABLE_ROWS: usize = 10_000;

pub(super) fn run(args: &QueryArgs, config: &Config) -> Exit {
    ended(block_on(ask(&args.store, config, Role::Reader, async |client| {
        let format = format_or(args.format, HistoryFormat::Jsonl);
        // The embedded store lets readers read only; another ClickHouse has to be told.
        let query = |readonly: bool| {
            let query = client.query_raw(&args.sql);
            let query = query.with_setting("output_format_json_validate_utf8", "1");
            if readonly { query.with_setting("readonly", "1") } else { query }
        };
        let mut lines = Lines::start(query(true)).await;
        if lines.as_ref().is_err_and(is_readonly_already) {
            lines = Lines::start(query(false)).await;
        }
        write(&mut lines.map_err(line)?, format).await
    })))
}

/// Whether the user may not even say that it wants to read only, as it may do nothing else.
fn is_readonly_already(error: &Error) -> bool {
    error.to_string().contains("Cannot modify 'readonly' setting in readonly mode")
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn line(error: Error) -> String {
    let text = error.to_string();
    // All of the grammar may follow.
    let text = text.split(". Expected one of").next().unwrap_or(&text);
    format!("the store gives no answer: {}", text.trim_end().replace('\n', " "))
}

/// A result, line by line.
struct Lines {
    cursor: clickhouse::query::BytesCursor,
    names: Vec<String>,
    line: Vec<u8>,
    rest: bytes::Bytes,
}

impl Lines {
    async fn start(query: clickhouse::query::Query) -> Result<Self, Error> {
        let cursor = query.fetch_bytes(FORMAT)?;
        let mut lines = Self { cursor, names: Vec::new(), line: Vec::new(), rest: bytes::Bytes::new() };
        let misread = || Error::Custom("the result cannot be taken apart; leave FORMAT out, and use --format".into());
        if let Some(names) = lines.next().await? {
            lines.names = serde_json::from_slice(names).map_err(|_| misread())?;
            let types = lines.next().await?.ok_or_else(misread)?;
            serde_json::from_slice::<Vec<String>>(types).map_err(|_| misread())?;
        }
        Ok(lines)
    }

    /// The next line, without its end.
    async fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        self.line.clear();
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.rest) {
                self.line.extend_from_slice(&self.rest.split_to(end + 1));
                self.line.pop();
                return Ok(Some(&self.line));
            }
            self.line.extend_from_slice(&self.rest);
            match self.cursor.next().await? {
                Some(more) => self.rest = more,
                None => {
                    self.rest.clear();
                    return Ok((!self.line.is_empty()).then_some(&*self.line));
                }
            }
        }
    }

    /// The next row, each value as its JSON.
    async fn row(&mut self) -> Result<Option<Vec<Box<RawValue>>>, String> {
        let Some(row) = self.next().await.map_err(line)? else { return Ok(None) };
        serde_json::from_slice(row).map(Some).map_err(|error| format!("the store's answer cannot be read: {error}"))
    }
}

async fn write(lines: &mut Lines, format: HistoryFormat) -> Result<(), String> {
    let mut out = Output::open(&Destination::Stdout, Readers::Umask)?;
    let names = lines.names.clone();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut separator = "[\n";
    if format == HistoryFormat::Csv && !names.is_empty() {
        out.write(|out| csv::write(out, &names));
    }
    while let Some(row) = lines.row().await? {
        match format {
            HistoryFormat::Table if rows.len() >= TABLE_ROWS => {
                return Err(format!("a table shows {TABLE_ROWS} rows at most: use LIMIT, or another --format"));
            }
            HistoryFormat::Table => rows.push(texts(&row).map(|text| visible(&text).into_owned()).collect()),
            HistoryFormat::Csv => out.write(|out| csv::write(out, &texts(&row).collect::<Vec<_>>())),
            HistoryFormat::Jsonl => out.write(|out| {
                object(out, &names, &row)?;
                out.write_all(b"\n")
            }),
            HistoryFormat::Json => out.write(|out| {
                out.write_all(separator.as_bytes())?;
                object(out, &names, &row)
            }),
        }
        separator = ",\n";
        if out.has_failed() {
            break;
        }
    }
    match format {
        HistoryFormat::Table => out.write(|out| table(out, &names, &rows, columns())),
        HistoryFormat::Json => out.write(|out| out.write_all(if separator == "[\n" { b"[]\n" } else { b"\n]\n" })),
        HistoryFormat::Csv | HistoryFormat::Jsonl => {}
    }
    out.finish()
}

fn texts(row: &[Box<RawValue>]) -> impl Iterator<Item = String> {
    row.iter().map(|value| text(value.get()))
}

/// A value as text: a string without its quotes, NULL as nothing, everything else as its JSON.
fn text(json: &str) -> String {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Null) => String::new(),
        _ => json.to_owned(),
    }
}

fn object(out: &mut dyn Write, names: &[String], row: &[Box<RawValue>]) -> io::Result<()> {
    let mut separator = "{";
    for (name, value) in names.iter().zip(row) {
        write!(out, "{separator}{}:{}", serde_json::Value::from(name.as_str()), value.get())?;
        separator = ",";
    }
    out.write_all(if row.is_empty() { b"{}" } else { b"}" })
}

/// Columns side by side. What does not fit is cut, the widest first.
fn table(out: &mut dyn Write, names: &[String], rows: &[Vec<String>], columns: usize) -> io::Result<()> {
    let names: Vec<_> = names.iter().map(|name| visible(name)).collect();
    let cell = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| width(cell));
    let mut widths: Vec<_> = (0..names.len())
        .map(|column| rows.iter().map(|row| cell(row, column)).max().unwrap_or(0).max(width(&names[column])))
        .collect();
    let room = columns.saturating_sub(2 * widths.len().saturating_sub(1));
    fit(&mut widths, room);
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<_> = cells.zip(&widths).map(|(cell, width)| pad(&cut(cell, *width), *width)).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())
    };
    if names.is_empty() {
        return Ok(());
    }
    line(&mut names.iter().map(AsRef::as_ref))?;
    rows.iter().try_for_each(|row| line(&mut row.iter().map(String::as_str)))
}

/// Makes the widest narrower until all fit into `room`; at the least each has a column.
fn fit(widths: &mut [usize], room: usize) {
    let mut most = widths.iter().copied().max().unwrap_or(0);
    while widths.iter().sum::<usize>() > room && most > 1 {
        most -= 1;
        widths.iter_mut().for_each(|width| *width = (*width).min(most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_gives_way() {
        let fitted = |mut widths: Vec<usize>, room| {
            fit(&mut widths, room);
            widths
        };
        assert_eq!(fitted(vec![3, 50, 20], 40), [3, 18, 18]);
        assert_eq!(fitted(vec![3, 5], 40), [3, 5]);
        assert_eq!(fitted(vec![3, 5], 0), [1, 1]);
    }

    #[test]
    fn values_are_text_and_hostile_text_is_visible() {
        assert_eq!(text("\"a\\u001b[31m\""), "a\x1b[31m");
        assert_eq!(text("18446744073709551615"), "18446744073709551615");
        assert_eq!(text("[1,\"x\"]"), "[1,\"x\"]");
        assert_eq!(text("null"), "");
        let mut out = Vec::new();
        table(&mut out, &["n".into(), "text".into()], &[vec!["1".into(), "long text".into()]], 9).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "n  text\n1  long …\n");
    }
}
