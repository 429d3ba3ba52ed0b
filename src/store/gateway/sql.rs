//! What a request asks for: the statement taken apart as far as the gateway has to know it.
//!
//! The engine parses a statement itself and says how restricted it is ([`super::ffi::Class`]). Two things it cannot be left:
//! an insert's data must never pass through its SQL parser, which would cut it at the first empty line and run the rest
//! as statements; and some statements are harmful even to parse and run for whoever may run statements.

use super::token::{Kind, Token, Tokens};

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// An insert with data.
    Insert {
        /// How much of the text is the statement: up to FORMAT or VALUES, without it.
        end: usize,
        /// Format of the data.
        format: String,
        /// Where the data begins in the text.
        data: usize,
        /// Its table.
        table: TableName,
    },
    /// An insert of what a query gives.
    InsertSelect {
        /// Its table.
        table: TableName,
    },
    /// A query, whose result can come in pieces.
    Select {
        /// The format it names itself.
        format: Option<String>,
    },
    /// Anything else.
    Other {
        /// The format it names itself.
        format: Option<String>,
    },
}

/// A table as it is named in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TableName {
    /// Its database, where one is named, and its name.
    Named(Option<Vec<u8>>, Vec<u8>),
    /// Given by a parameter.
    Substituted,
}

/// Why a text is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("Empty query")]
    Empty,
    #[error("Syntax error (Multi-statements are not allowed): one request, one statement")]
    Several,
    #[error("Syntax error: a quote or a comment does not end")]
    Unended,
    #[error(
        "Syntax error: INSERT INTO [TABLE] [db.]table [(columns)] [SETTINGS ...] FORMAT | VALUES | SELECT was expected"
    )]
    Insert,
    #[error("You have excessive ';' symbol before data for INSERT")]
    SemicolonBeforeData,
    #[error("INTO OUTFILE and FROM INFILE are not allowed: the store neither reads nor writes files for its clients")]
    Files,
    #[error("INSERT INTO FUNCTION is not allowed: the store writes into its own tables only")]
    Function,
    #[error("KILL ... SYNC is not supported, as it would never return; leave SYNC out")]
    KillSync,
    #[error("INSERT ... SELECT ... FROM input() is not supported by the embedded store")]
    InputFunction,
}

/// Takes `text` apart.
pub(super) fn parse(text: &[u8]) -> Result<Statement, Refused> {
    let mut tokens = Tokens::new(text).skip_while(|token| token.kind == Kind::Open).peekable();
    let first = *tokens.peek().ok_or(Refused::Empty)?;
    if first.kind == Kind::Semicolon {
        return Err(Refused::Empty);
    }
    if first.is("INSERT") { insert(text) } else { other(text, first) }
}

fn other(text: &[u8], first: Token<'_>) -> Result<Statement, Refused> {
    check_all(Tokens::new(text))?;
    let is_kill = first.is("KILL");
    if is_kill && Tokens::new(text).any(|token| token.is("SYNC")) {
        return Err(Refused::KillSync);
    }
    let format = own_format(text);
    let is_select = ["SELECT", "WITH"].iter().any(|keyword| first.is(keyword));
    Ok(if is_select { Statement::Select { format } } else { Statement::Other { format } })
}

/// Refuses what is not run for anybody, in whichever statement it stands.
fn check_all<'a>(tokens: impl Iterator<Item = Token<'a>>) -> Result<(), Refused> {
    let mut ended = false;
    let mut before: Option<Token<'_>> = None;
    for token in tokens {
        if token.kind == Kind::Unended {
            return Err(Refused::Unended);
        }
        if ended && token.kind != Kind::Semicolon {
            return Err(Refused::Several);
        }
        ended = token.kind == Kind::Semicolon;
        let after = |keyword: &str| before.is_some_and(|before| before.is(keyword));
        if after("INTO") && token.is("OUTFILE") || after("FROM") && token.is("INFILE") {
            return Err(Refused::Files);
        }
        before = Some(token);
    }
    Ok(())
}

/// The format in `... FORMAT name [SETTINGS ...] [;]`.
fn own_format(text: &[u8]) -> Option<String> {
    let mut found = None;
    let mut tokens = Tokens::new(text).filter(|token| token.depth == 0).peekable();
    while let Some(token) = tokens.next() {
        if !token.is("FORMAT") {
            continue;
        }
        let Some(name) = tokens.next_if(|next| next.kind == Kind::Word) else { continue };
        let ends = tokens.peek().is_none_or(|next| next.kind == Kind::Semicolon || next.is("SETTINGS"));
        if ends {
            found = Some(String::from_utf8_lossy(name.bytes).into_owned());
        }
    }
    found
}

/// `INSERT INTO [TABLE] [db.]table [(columns)] [PARTITION BY ...] [SETTINGS ...] FORMAT name | VALUES | SELECT ...`
fn insert(text: &[u8]) -> Result<Statement, Refused> {
    let mut tokens = Tokens::new(text).peekable();
    tokens.next();
    tokens.next_if(|token| token.is("INTO"));
    if tokens.next_if(|token| token.is("TABLE")).is_some() && tokens.peek().is_some_and(|token| token.is("FUNCTION")) {
        return Err(Refused::Function);
    }
    let function = tokens.peek().is_some_and(|token| token.is("FUNCTION"));
    let table = table_name(&mut tokens)?;
    // `FUNCTION` is a table's name only when it stands alone.
    if function && tokens.peek().is_some_and(|token| matches!(token.kind, Kind::Word)) {
        let is_clause = ["FORMAT", "VALUES", "SETTINGS", "SELECT", "WITH", "PARTITION"];
        if !is_clause.iter().any(|keyword| tokens.peek().is_some_and(|token| token.is(keyword))) {
            return Err(Refused::Function);
        }
    }
    let mut before: Option<Token<'_>> = None;
    let mut depth_of_columns = true;
    while let Some(token) = tokens.next() {
        if token.kind == Kind::Unended {
            return Err(Refused::Unended);
        }
        if token.depth > 0 {
            // `INSERT INTO t (SELECT ...)`: the first parenthesis may hold a query instead of columns.
            let begins = before.is_some_and(|before| before.kind == Kind::Open);
            if depth_of_columns && begins && ["SELECT", "WITH"].iter().any(|keyword| token.is(keyword)) {
                return insert_select(text, table);
            }
            before = Some(token);
            continue;
        }
        if before.is_some_and(|before| before.is("FROM")) && token.is("INFILE") {
            return Err(Refused::Files);
        }
        if token.kind == Kind::Close {
            depth_of_columns = false;
        }
        let is_setting_value = before.is_some_and(|before| before.bytes == b"=");
        if token.is("SELECT") || token.is("WITH") || token.is("EXPLAIN") {
            return insert_select(text, table);
        }
        if token.is("VALUES") && !is_setting_value {
            return Ok(Statement::Insert { end: token.start, format: "Values".into(), data: token.end(), table });
        }
        if token.is("FORMAT") && !is_setting_value {
            let name = tokens.next().filter(|name| name.kind == Kind::Word).ok_or(Refused::Insert)?;
            let rest = text.get(name.end()..).unwrap_or_default();
            let blank = rest.iter().take_while(|octet| matches!(octet, b' ' | b'\t' | b'\r')).count();
            let data = match rest.get(blank) {
                Some(b';') => return Err(Refused::SemicolonBeforeData),
                // One line end and no more: the next one may be the first octet of a binary row.
                Some(b'\n') => name.end() + blank + 1,
                _ => name.end() + blank,
            };
            let format = String::from_utf8_lossy(name.bytes).into_owned();
            return Ok(Statement::Insert { end: token.start, format, data, table });
        }
        if token.kind == Kind::Semicolon {
            return Err(Refused::Insert);
        }
        before = Some(token);
    }
    // The data follows in the body, as values.
    Ok(Statement::Insert { end: text.len(), format: "Values".into(), data: text.len(), table })
}

fn insert_select(text: &[u8], table: TableName) -> Result<Statement, Refused> {
    let mut tokens = Tokens::new(text).peekable();
    while let Some(token) = tokens.next() {
        if token.is("input") && tokens.peek().is_some_and(|next| next.bytes == b"(") {
            return Err(Refused::InputFunction);
        }
    }
    check_all(Tokens::new(text))?;
    Ok(Statement::InsertSelect { table })
}

/// `name`, `db.name`, either quoted or not, or `{name:Identifier}`.
fn table_name<'a>(tokens: &mut std::iter::Peekable<Tokens<'a>>) -> Result<TableName, Refused> {
    let first = tokens.next().ok_or(Refused::Insert)?;
    if first.bytes == b"{" {
        let substituted = skip_braces(tokens);
        if tokens.next_if(|token| token.kind == Kind::Dot).is_some() {
            table_name(tokens)?;
        }
        return substituted.map(|()| TableName::Substituted);
    }
    let first = name(first).ok_or(Refused::Insert)?;
    if tokens.next_if(|token| token.kind == Kind::Dot).is_none() {
        return Ok(TableName::Named(None, first));
    }
    let second = tokens.next().ok_or(Refused::Insert)?;
    if second.bytes == b"{" {
        return skip_braces(tokens).map(|()| TableName::Substituted);
    }
    Ok(TableName::Named(Some(first), name(second).ok_or(Refused::Insert)?))
}

fn skip_braces<'a>(tokens: &mut impl Iterator<Item = Token<'a>>) -> Result<(), Refused> {
    tokens.find(|token| token.bytes == b"}").map(|_| ()).ok_or(Refused::Insert)
}

/// What a name token names. One with escapes names nothing that the gateway knows, and is taken as it stands.
fn name(token: Token<'_>) -> Option<Vec<u8>> {
    match token.kind {
        Kind::Word => Some(token.bytes.to_vec()),
        Kind::QuotedName => {
            let inner = token.bytes.get(1..token.bytes.len().saturating_sub(1))?;
            let is_plain = !inner.iter().any(|octet| matches!(octet, b'\\' | b'`' | b'"' | 0x80..));
            Some(if is_plain { inner.to_vec() } else { token.bytes.to_vec() })
        }
        _ => None,
    }
}

/// `value` as a string in SQL.
pub(super) fn text_literal(value: &[u8]) -> Vec<u8> {
    quote(value, b'\'')
}

/// `name` as a quoted name in SQL.
pub(super) fn quoted_name(name: &[u8]) -> Vec<u8> {
    quote(name, b'`')
}

fn quote(text: &[u8], quote: u8) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(quote);
    for octet in text {
        if *octet == quote || *octet == b'\\' {
            quoted.push(b'\\');
        }
        quoted.push(*octet);
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn insert_parts(text: &[u8]) -> (&[u8], String, &[u8]) {
        match parse(text) {
            Ok(Statement::Insert { end, format, data, .. }) => (&text[..end], format, &text[data..]),
            other => panic!("{other:?}"),
        }
    }

    fn format_of(text: &str) -> Option<String> {
        match parse(text.as_bytes()) {
            Ok(Statement::Select { format } | Statement::Other { format }) => format,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn data_is_split_from_its_statement() {
        let rows = b"INSERT INTO t (a, b) FORMAT JSONEachRow\n{\"a\":1}\n\n{\"a\":2}; DROP TABLE t";
        assert_eq!(
            insert_parts(rows),
            (&b"INSERT INTO t (a, b) "[..], "JSONEachRow".into(), &b"{\"a\":1}\n\n{\"a\":2}; DROP TABLE t"[..])
        );
        let binary = b"insert into d.t format RowBinary \n\n\x00;";
        assert_eq!(insert_parts(binary), (&b"insert into d.t "[..], "RowBinary".into(), &b"\n\x00;"[..]));
        assert_eq!(insert_parts(b"INSERT INTO t VALUES (1), (2)").2, b" (1), (2)");
        assert_eq!(insert_parts(b"INSERT INTO t FORMAT CSV 1,2").2, b"1,2");
        assert_eq!(insert_parts(b"INSERT INTO t FORMAT CSV").2, b"");
        assert_eq!(insert_parts(b"INSERT INTO t SETTINGS a='FORMAT X', b=1 FORMAT CSV\n1").1, "CSV");
        assert_eq!(insert_parts(b"INSERT INTO t (`values`, format) VALUES (1, 2)").2, b" (1, 2)");
        assert_eq!(insert_parts(b"INSERT INTO values VALUES (1)").2, b" (1)");
        assert_eq!(insert_parts(b"INSERT INTO t /* FORMAT X */ -- FORMAT Y\n FORMAT CSV\n1").1, "CSV");
        assert_eq!(insert_parts(b"INSERT INTO t").1, "Values");
    }

    #[test]
    fn tables_have_one_name_however_they_are_written() {
        let table = |text: &str| match parse(text.as_bytes()) {
            Ok(Statement::Insert { table, .. } | Statement::InsertSelect { table }) => table,
            other => panic!("{other:?}"),
        };
        let named = |database: Option<&str>, name: &str| {
            TableName::Named(database.map(|database| database.into()), name.into())
        };
        assert_eq!(table("INSERT INTO TABLE `a`.\"b\" (x) VALUES (1)"), named(Some("a"), "b"));
        assert_eq!(table("INSERT INTO b SELECT 1"), named(None, "b"));
        assert_eq!(table("INSERT INTO b (SELECT 1)"), named(None, "b"));
        assert_eq!(table("INSERT INTO {t:Identifier} VALUES (1)"), TableName::Substituted);
        assert_eq!(table("INSERT INTO a.{t:Identifier} VALUES (1)"), TableName::Substituted);
        assert_eq!(table("INSERT INTO `a\\`b` VALUES (1)"), named(None, "`a\\`b`"));
    }

    #[test]
    fn what_nobody_may_is_refused() {
        for (text, reason) in [
            ("", Refused::Empty),
            (" -- nothing\n", Refused::Empty),
            (";", Refused::Empty),
            ("SELECT 1; SELECT 2", Refused::Several),
            ("SELECT 1; -- no\n DROP TABLE t", Refused::Several),
            ("SELECT 'a", Refused::Unended),
            ("SELECT 1 INTO OUTFILE 'x'", Refused::Files),
            ("select 1 into/**/outfile 'x' format CSV", Refused::Files),
            ("INSERT INTO t FROM INFILE 'x' FORMAT CSV", Refused::Files),
            ("INSERT INTO t SELECT 1 INTO OUTFILE 'x'", Refused::Files),
            ("INSERT INTO FUNCTION file('x', 'CSV', 'a Int8') VALUES (1)", Refused::Function),
            ("INSERT INTO TABLE FUNCTION file('x') VALUES (1)", Refused::Function),
            ("KILL QUERY WHERE 1 SYNC", Refused::KillSync),
            ("INSERT INTO t FORMAT CSV; 1", Refused::SemicolonBeforeData),
            ("INSERT INTO t SELECT * FROM input('a Int8') FORMAT CSV 1", Refused::InputFunction),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(reason), "{text}");
        }
    }

    #[test]
    fn one_statement_may_end_in_semicolons() {
        assert_eq!(parse(b"SELECT 1;; "), Ok(Statement::Select { format: None }));
        assert_eq!(parse(b"(SELECT 1) UNION ALL SELECT ';'"), Ok(Statement::Select { format: None }));
        assert_eq!(parse(b"SHOW TABLES"), Ok(Statement::Other { format: None }));
    }

    #[test]
    fn a_query_may_name_its_format() {
        assert_eq!(format_of("SELECT 1 FORMAT JSON").as_deref(), Some("JSON"));
        assert_eq!(format_of("SELECT 1 format CSV SETTINGS max_threads=1;").as_deref(), Some("CSV"));
        assert_eq!(format_of("SELECT format FROM t"), None);
        assert_eq!(format_of("SELECT (SELECT 1 FORMAT x)"), None);
        assert_eq!(format_of("SELECT 'FORMAT JSON'"), None);
        assert_eq!(format_of("SHOW TABLES FORMAT TSV").as_deref(), Some("TSV"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn quoting_holds_whatever_is_inside(value in prop::collection::vec(any::<u8>(), 0..40)) {
            for quoted in [text_literal(&value), quoted_name(&value)] {
                let tokens: Vec<_> = Tokens::new(&quoted).collect();
                prop_assert_eq!(tokens.len(), 1);
                prop_assert_eq!(tokens[0].bytes, &quoted[..]);
            }
        }

        #[test]
        fn data_is_never_looked_at(data in prop::collection::vec(any::<u8>(), 0..60)) {
            let text = [b"INSERT INTO t (a) FORMAT RowBinary\n", &data[..]].concat();
            let (statement, format, rest) = insert_parts(&text);
            prop_assert_eq!((statement, format.as_str(), rest), (&b"INSERT INTO t (a) "[..], "RowBinary", &data[..]));
        }
    }
}
