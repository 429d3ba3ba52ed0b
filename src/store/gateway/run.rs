//! A statement through the engine, on a connection of its own: so settings, current database and temporary tables of one
//! request are never seen by another. All of this blocks, and runs where that is allowed.

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use super::access::{self, Access};
use super::credentials::Role;
use super::engine::Engine;
use super::ffi::{Answer, Call, Class, Connection, Progress};
use super::format::{self, Pieces};
use super::request::Query;
use super::sql::{Statement, quoted_name, text_literal};
use super::{Fault, blocks, native};

/// Data goes to the engine in pieces of this size.
const APPEND: usize = 1 << 20;

/// The format of results when nobody names one.
const DEFAULT_FORMAT: &str = "TabSeparated";

/// A result that is not sent in pieces may take this much of the engine's memory.
const RESULT_LIMIT: usize = 256 << 20;

/// What comes of a statement: `Whole`, or `Failed`, or `Piece`s and then `End` or `Failed`.
#[derive(Debug)]
pub(super) enum Part {
    /// All of the result.
    Whole(Bytes, Progress),
    /// A part of the result, with more to come.
    Piece(Bytes),
    /// It ended well.
    End,
    /// It failed.
    Failed(Fault),
}

/// The format that the result of `query` has.
pub(super) fn format_of(query: &Query) -> &str {
    let named = match &query.statement {
        Statement::Select { format } | Statement::Other { format } => format.as_deref(),
        Statement::Insert { .. } | Statement::InsertSelect { .. } => None,
    };
    named.or(query.format.as_deref()).unwrap_or(DEFAULT_FORMAT)
}

/// Runs `query` for `role`, and says what comes of it. Ends early when nobody listens any more.
pub(super) fn run(engine: &Engine, role: Role, query: &Query, parts: &Sender<Part>) {
    if let Err(fault) = try_run(engine, role, query, parts) {
        // Nobody listens any more: then nobody needs to know.
        let _ = parts.blocking_send(Part::Failed(fault));
    }
}

fn try_run(engine: &Engine, role: Role, query: &Query, parts: &Sender<Part>) -> Result<(), Fault> {
    let mut connection = engine.connect().ok_or(Fault::Stopped)?;
    if let Some(database) = &query.database {
        execute(&mut connection, &[b"USE ", &quoted_name(database)[..]].concat())?;
    }
    let analysis = connection.classify(statement_text(query)).ok_or(Fault::Stopped)?;
    let access = access::allow(role, query, analysis)?;
    let is_streamed = matches!(query.statement, Statement::Select { .. })
        && analysis.class == Class::ReadOnly
        && format::pieces(format_of(query)) != Pieces::None;
    if let Some(settings) = settings(query, access, is_streamed) {
        execute(&mut connection, &settings)?;
    }
    match &query.statement {
        Statement::Insert { end, format, .. } => {
            let sql = query.text.get(..*end).unwrap_or_default();
            let progress = insert(&mut connection, Call { sql, format, parameters: &query.values }, &query.data)?;
            let _ = parts.blocking_send(Part::Whole(Bytes::new(), progress));
        }
        Statement::Select { .. } if is_streamed => stream(&mut connection, query, parts)?,
        _ => {
            let answer = connection.query(call(query));
            let progress = answer.progress();
            let _ = parts.blocking_send(Part::Whole(Encoder::new(query).encode(succeeded(&answer)?)?, progress));
        }
    }
    Ok(())
}

/// What the engine is asked to classify: the statement without its data.
fn statement_text(query: &Query) -> &[u8] {
    match query.statement {
        Statement::Insert { data, .. } => query.text.get(..data).unwrap_or_default(),
        _ => &query.text,
    }
}

fn call(query: &Query) -> Call<'_> {
    Call { sql: &query.text, format: query.format.as_deref().unwrap_or(DEFAULT_FORMAT), parameters: &query.values }
}

/// One SET for all settings. Those of the gateway come last, so they hold whatever the client asked for.
fn settings(query: &Query, access: Access, is_streamed: bool) -> Option<Vec<u8>> {
    let is_own = |name: &str| access == Access::ReadOnly && name == "readonly";
    let mut settings: Vec<Vec<u8>> = query
        .settings
        .iter()
        .filter(|(name, _)| !is_own(name))
        .map(|(name, value)| [name.as_bytes(), b"=", &text_literal(value)[..]].concat())
        .collect();
    let is_query = matches!(query.statement, Statement::Select { .. } | Statement::Other { .. });
    if is_query && !is_streamed && !query.settings.iter().any(|(name, _)| name == "max_result_bytes") {
        settings.push(format!("max_result_bytes={RESULT_LIMIT}").into_bytes());
    }
    if access == Access::ReadOnly {
        settings.push(b"readonly=1".to_vec());
    }
    (!settings.is_empty()).then(|| [b"SET ", &settings.join(&b", "[..])[..]].concat())
}

fn execute(connection: &mut Connection, sql: &[u8]) -> Result<(), Fault> {
    succeeded(&connection.query(Call { sql, format: DEFAULT_FORMAT, parameters: &[] })).map(|_| ())
}

fn succeeded(answer: &Answer) -> Result<&[u8], Fault> {
    answer.error().map_or_else(|| Ok(answer.bytes()), |error| Err(Fault::Engine(error)))
}

/// Inserts `data`, all of it or nothing.
fn insert(connection: &mut Connection, call: Call<'_>, data: &[u8]) -> Result<Progress, Fault> {
    let mut insert = connection.insert(call);
    if let Some(error) = insert.error() {
        return Err(Fault::Engine(error));
    }
    for piece in data.chunks(APPEND) {
        if !insert.append(piece) {
            let why = insert.error().unwrap_or_else(|| "the data was not taken".into());
            return Err(Fault::Engine(why));
        }
    }
    let done = insert.done();
    succeeded(&done)?;
    Ok(done.progress())
}

/// Sends a result as it comes. Small ones, which end with their first piece, are sent whole.
fn stream(connection: &mut Connection, query: &Query, parts: &Sender<Part>) -> Result<(), Fault> {
    let mut encoder = Encoder::new(query);
    let empty = {
        let mut cursor = connection.stream(call(query));
        if let Some(error) = cursor.error() {
            return Err(Fault::Engine(error));
        }
        let first = cursor.fetch();
        let bytes = succeeded(&first)?;
        if bytes.is_empty() {
            true
        } else {
            let bytes = encoder.encode(bytes)?;
            let mut next = cursor.fetch();
            if succeeded(&next)?.is_empty() {
                let _ = parts.blocking_send(Part::Whole(bytes, first.progress()));
                return Ok(());
            }
            let mut is_heard = parts.blocking_send(Part::Piece(bytes)).is_ok();
            while is_heard {
                let bytes = succeeded(&next)?;
                if bytes.is_empty() {
                    let _ = parts.blocking_send(Part::End);
                    break;
                }
                is_heard = parts.blocking_send(Part::Piece(encoder.encode(bytes)?)).is_ok();
                next = cursor.fetch();
            }
            false
        }
    };
    if empty && encoder.is_plain() {
        let _ = parts.blocking_send(Part::Whole(Bytes::new(), Progress::default()));
    } else if empty {
        // The stream of an empty result has no names and types, which some formats promise.
        let answer = connection.query(call(query));
        let progress = answer.progress();
        let _ = parts.blocking_send(Part::Whole(encoder.encode(succeeded(&answer)?)?, progress));
    }
    Ok(())
}

/// Makes the engine's pieces of a result into those of the response.
struct Encoder {
    pieces: Pieces,
    header: Option<Vec<u8>>,
    is_native: bool,
    /// The version of the native protocol that the client speaks.
    protocol: Option<u32>,
    compress: bool,
}

impl Encoder {
    fn new(query: &Query) -> Self {
        let format = format_of(query);
        let is_native = format == "Native";
        let protocol = (is_native && query.protocol > 0).then_some(query.protocol);
        Self { pieces: format::pieces(format), header: None, is_native, protocol, compress: query.compress }
    }

    /// Whether an empty result is empty in this format.
    fn is_plain(&self) -> bool {
        self.pieces == Pieces::Concatenate && !self.is_native
    }

    fn encode(&mut self, piece: &[u8]) -> Result<Bytes, Fault> {
        let piece = self.without_header(piece)?;
        let rewritten;
        let piece = match self.protocol {
            Some(protocol) => {
                rewritten = native::for_protocol(piece, protocol)?;
                &rewritten
            }
            None => piece,
        };
        Ok(if self.compress && !piece.is_empty() { blocks::pack(piece).into() } else { Bytes::copy_from_slice(piece) })
    }

    /// The piece without the header that an earlier piece had.
    fn without_header<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], Fault> {
        if self.pieces != Pieces::HeaderOnce || piece.is_empty() {
            return Ok(piece);
        }
        let odd = || {
            Fault::Engine(
                "Code: 1002. DB::Exception: a piece of the result has another header. (UNKNOWN_EXCEPTION)".into(),
            )
        };
        match &self.header {
            Some(header) => piece.strip_prefix(header.as_slice()).ok_or_else(odd),
            None => {
                let length = format::header_length(piece).ok_or_else(odd)?;
                self.header = piece.get(..length).map(<[u8]>::to_vec);
                Ok(piece)
            }
        }
    }
}
