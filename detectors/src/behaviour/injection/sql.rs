//! SQL: does a value end the string or number it was meant to be, and go on as SQL?
//!
//! A value is read three times: as what follows a number, and as what follows an opening single or double quote. Behind the
//! place where it breaks out, what follows has to parse as the continuation of a statement: a condition between two
//! operands, a `UNION SELECT`, a second statement, a comment that ends it all. `O'Brien`, `50/50 'split'` and
//! `rent -- october` break out of a string too, but do not go on.

use super::{Kind, Payload, Text, Weight};

/// Tokens that are looked at behind one break-out.
const TOKENS: usize = 48;
/// Places in one value where it may break out.
const BREAKS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a [u8]),
    Number,
    /// A string with both of its quotes.
    Quoted,
    /// A string that does not end in the value: the statement's own quote ends it.
    Open(&'a [u8]),
    /// A comment to the end of the line, and how much follows in it.
    Comment(usize),
    /// `@@version`, `@x`
    Variable,
    Compare,
    /// `||`, `&&`
    Logic,
    Symbol(u8),
}

use Token::{Comment, Compare, Logic, Number, Open, Quoted, Symbol, Variable, Word};

/// What a value tries in SQL.
pub(super) fn payload(text: &Text<'_>) -> Option<Payload> {
    let lower = text.lower;
    if !lower.iter().any(|octet| {
        matches!(
            octet,
            b'\'' | b'"' | b'`' | b'(' | b';' | b'=' | b'-' | b'#' | b'/' | b'*' | b'@' | b',' | b'|' | b'<' | b'>'
        )
    }) && memchr::memmem::find(lower, b" by ").is_none()
        && memchr::memmem::find(lower, b"select").is_none()
    {
        return None;
    }
    let weight = weight(lower)?;
    let waits = [&b"sleep"[..], b"benchmark", b"waitfor", b"dbms_"]
        .iter()
        .any(|word| memchr::memmem::find(lower, word).is_some());
    Some(Payload { waits, ..Payload::new(Kind::Sql, weight) })
}

/// A value that ends a string, and does not go on: it says something only where the server failed at it.
pub(super) fn lone_quote(text: &[u8]) -> Option<Payload> {
    let is_odd = |quote: u8| memchr::memchr_iter(quote, text).count() % 2 == 1;
    (is_odd(b'\'') || is_odd(b'"')).then(|| Payload::weak(Kind::Sql)).flatten()
}

fn weight(lower: &[u8]) -> Option<Weight> {
    let mut tokens = [Symbol(0); TOKENS];
    for quote in [b'\'', b'"', b'`'] {
        for at in memchr::memchr_iter(quote, lower).take(BREAKS) {
            let len = lex(lower.get(at + 1..).unwrap_or_default(), &mut tokens);
            let odd_out = memchr::memchr_iter(quote, lower).nth(1).is_none();
            if goes_on(
                tokens.get(..len).unwrap_or_default(),
                Break::Quote { alone: odd_out && quote != b'`', lead: at },
            ) {
                return Some(Weight::Sure);
            }
        }
    }
    let len = lex(lower, &mut tokens);
    let all = tokens.get(..len).unwrap_or_default();
    for at in 0..all.len() {
        let lead = all.get(..at).unwrap_or_default();
        let is_number = at == 1 && matches!(lead, [Number | Variable]) || matches!(lead, [Word(b"null")]);
        let rest = all.get(at..).unwrap_or_default();
        let is_break = if is_number { Break::Number } else { Break::Text };
        if at > 0 && goes_on(rest, is_break) || system(rest) || at == 0 && goes_on(rest, Break::Text) {
            return Some(Weight::Sure);
        }
    }
    (statement(all) || calls_wait(all)).then_some(Weight::Weak)
}

/// What a value broke out of.
#[derive(Clone, Copy, PartialEq)]
enum Break {
    /// A string; `alone` says that the value has no other quote of its kind, `lead` what stands before it.
    Quote { alone: bool, lead: usize },
    /// A number.
    Number,
    /// Nothing that shows: it may be text.
    Text,
}

/// Whether `tokens` continue a statement.
fn goes_on(tokens: &[Token<'_>], from: Break) -> bool {
    let in_quote = matches!(from, Break::Quote { .. });
    let closed = tokens.iter().take_while(|token| matches!(token, Symbol(b')' | b'%' | b'*'))).count();
    let tokens = if in_quote || from == Break::Number { tokens.get(closed..).unwrap_or_default() } else { tokens };
    match tokens {
        [Word(b"or" | b"and" | b"xor" | b"having" | b"where" | b"when") | Logic, rest @ ..] => condition(rest, from),
        [Word(b"union" | b"except" | b"intersect"), rest @ ..] => union(rest),
        [Symbol(b';'), rest @ ..] => {
            statement(rest)
                || in_quote && matches!(rest, [Comment(0)])
                || matches!(rest, [Symbol(b';'), ..]) && statement(&rest[1..])
        }
        // A comment directly behind the quote, and nothing in it: `admin'--`.
        [Comment(0)] => {
            matches!(from, Break::Quote { alone: true, lead } if lead > 0) || from == Break::Number && closed > 0
        }
        [Word(b"order" | b"group"), Word(b"by"), Number, rest @ ..] => {
            in_quote && ends(rest) || from == Break::Number && matches!(rest, [] | [Comment(_), ..])
        }
        [Word(b"procedure"), Word(b"analyse"), ..] | [Word(b"into"), Word(b"outfile" | b"dumpfile"), ..] => true,
        [Word(b"not"), rest @ ..] if in_quote => goes_on(rest, from) && !matches!(rest, [Comment(_)]),
        [
            Word(b"like" | b"rlike" | b"regexp" | b"in" | b"is" | b"between" | b"div" | b"mod" | b"sounds"),
            operand,
            rest @ ..,
        ] if in_quote => {
            matches!(operand, Open(_) | Word(b"not" | b"null")) && rest.len() < 4 && (rest.is_empty() || ends(rest))
                || is_literal(operand) && matches!(rest, [.., Comment(_)])
        }
        [Compare, operand, rest @ ..] if in_quote => {
            matches!(operand, Open(text) if text.len() < 24) && rest.is_empty()
                || is_literal(operand) && matches!(rest, [Comment(_)])
        }
        // `'||(select ...)||'`, `'+(select ...)+'`, `' - sleep(5) - '`
        [Symbol(b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'|' | b','), rest @ ..] => operand(rest, from),
        _ => false,
    }
}

/// What follows `OR` or `AND`.
fn condition(tokens: &[Token<'_>], from: Break) -> bool {
    let negated = tokens
        .iter()
        .take_while(|token| matches!(token, Word(b"not") | Symbol(b'(' | b'!' | b'~' | b'-' | b'+' | b'{')))
        .count();
    let opened = tokens.iter().take(negated).any(|token| matches!(token, Symbol(b'(')));
    let tokens = tokens.get(negated..).unwrap_or_default();
    let in_quote = matches!(from, Break::Quote { .. });
    match tokens {
        [Word(b"select" | b"exists"), ..] => opened || matches!(tokens, [_, Symbol(b'('), ..]),
        // Two literals are compared: nobody asks that of a catalogue.
        [a, Compare, b, rest @ ..] if is_literal(a) && is_operand(b) => {
            from != Break::Text || is_literal(b) && (ends(rest) || !matches!(rest, [Word(_), ..]))
        }
        [a, Word(b"like" | b"rlike" | b"regexp" | b"glob" | b"is"), b, ..] if is_literal(a) => {
            is_literal(b) || matches!(b, Word(b"null" | b"not"))
        }
        [a, Word(b"in" | b"between"), Symbol(b'(') | Number | Quoted, ..] if is_literal(a) => true,
        // The same name on both sides.
        [Word(a), Compare, Word(b), rest @ ..] if a == b => from != Break::Text || ends(rest),
        [Word(name), Symbol(b'('), ..] => is_function(name) || in_quote && compares(tokens),
        // A column is compared, and the value's end is the statement's own quote, or a comment.
        [Word(_) | Variable, rest @ ..] if in_quote => {
            let operator = rest.iter().position(|token| {
                matches!(token, Compare | Word(b"like" | b"is" | b"in" | b"rlike" | b"regexp" | b"between" | b"not"))
            });
            operator.is_some_and(|at| at < 4) && matches!(rest.last(), Some(Open(_) | Comment(_)))
                || matches!(rest, [Word(b"is" | b"in"), Word(b"null" | b"not" | b"boolean"), ..])
        }
        [a, rest @ ..] if in_quote && is_literal(a) => match (a, rest) {
            (Open(text), []) => text.len() < 24 && !text.contains(&b' '),
            (Quoted, _) => false,
            (_, rest) => ends(rest),
        },
        [Number, Comment(0)] => true,
        [Variable, ..] => matches!(tokens, [_, Compare, ..]),
        _ => false,
    }
}

fn compares(tokens: &[Token<'_>]) -> bool {
    tokens.iter().any(|token| matches!(token, Compare | Comment(_) | Open(_) | Word(b"like" | b"in" | b"is")))
}

/// What follows an operator between a string and the rest.
fn operand(tokens: &[Token<'_>], from: Break) -> bool {
    let skipped = tokens.iter().take_while(|token| matches!(token, Symbol(b'|' | b'+' | b'-' | b'('))).count();
    match tokens.get(skipped..).unwrap_or_default() {
        [Word(b"select"), rest @ ..] => columns(rest),
        [Word(name), Symbol(b'('), ..] => is_telling(name),
        [Word(b"case"), Word(b"when"), ..] => true,
        [Open(text)] => text.len() < 2 && matches!(from, Break::Quote { lead, .. } if lead < 3) && skipped > 0,
        _ => false,
    }
}

fn union(tokens: &[Token<'_>]) -> bool {
    let skipped = tokens.iter().take_while(|token| matches!(token, Word(b"all" | b"distinct") | Symbol(b'('))).count();
    match tokens.get(skipped..).unwrap_or_default() {
        [Word(b"select"), rest @ ..] => columns(rest),
        [Word(b"values"), Symbol(b'('), ..] => true,
        _ => false,
    }
}

/// The columns of a select: literals, a star, names between commas, calls. `select lamp` is text.
fn columns(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [Word(b"distinct" | b"all" | b"top"), rest @ ..] => columns(rest),
        [Symbol(b'*' | b'(' | b'@' | b'-' | b'+' | b'!' | b'~'), ..] | [Number | Quoted | Open(_) | Variable, ..] => {
            true
        }
        [Word(b"null" | b"case"), ..] => true,
        [Word(_), Symbol(b',' | b'('), ..] => true,
        [Word(_), Symbol(b'.'), rest @ ..] => columns(rest),
        [Word(_), Word(b"from" | b"into"), Word(_), rest @ ..] => {
            ends(rest) || matches!(rest, [Word(b"where" | b"limit" | b"order"), ..] | [Symbol(b'.' | b')' | b','), ..])
        }
        _ => false,
    }
}

/// Whether a whole statement begins: verb and object.
fn statement(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [Word(b"select"), rest @ ..] => {
            columns(rest)
                && rest.iter().any(|token| matches!(token, Word(b"from") | Variable | Comment(_) | Symbol(b'(')))
                || matches!(rest, [Number, ..] if ends(&rest[1..]))
        }
        [Word(b"insert" | b"replace"), Word(b"into"), Word(_), Symbol(b'('), ..]
        | [Word(b"insert"), Word(b"into"), Word(_), Word(b"values" | b"select"), ..] => true,
        [Word(b"update"), Word(_), Word(b"set"), Word(_), Compare, ..] => true,
        [Word(b"delete"), Word(b"from"), Word(_), rest @ ..] => {
            ends(rest) || matches!(rest, [Word(b"where"), Word(_), Compare, ..])
        }
        [
            Word(b"drop" | b"create" | b"alter"),
            Word(
                b"table" | b"database" | b"user" | b"view" | b"schema" | b"index" | b"procedure" | b"function"
                | b"trigger" | b"role" | b"login",
            ),
            Word(_) | Quoted,
            rest @ ..,
        ] => {
            ends(rest)
                || matches!(
                    rest,
                    [Symbol(_) | Word(b"add" | b"as" | b"drop" | b"cascade" | b"rename" | b"identified"), ..]
                )
        }
        [Word(b"truncate"), Word(b"table"), Word(_), ..] => true,
        [Word(b"waitfor"), Word(b"delay" | b"time"), ..] => true,
        [Word(b"exec" | b"execute"), rest @ ..] => {
            matches!(rest, [Word(name), ..] if name.starts_with(b"xp_") || name.starts_with(b"sp_") || *name == b"master" || *name == b"immediate")
                || matches!(rest, [Symbol(b'('), ..])
        }
        [Word(b"declare"), Variable, ..] | [Word(b"set"), Variable, ..] => true,
        [Word(b"copy"), Word(_) | Symbol(b'('), .., Word(b"program"), Quoted | Open(_)] => true,
        [Word(b"shutdown"), rest @ ..] => !rest.is_empty() && ends(rest),
        [Word(b"begin" | b"call" | b"if" | b"while" | b"do" | b"load_extension"), .., Symbol(b')' | b';')] => {
            tokens.iter().any(|token| matches!(token, Word(name) if is_telling(name)))
        }
        _ => false,
    }
}

/// Tables and variables of the database itself, which only somebody who looks into it names together with SQL.
fn system(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [Word(b"from"), Word(name), ..] => [
            &b"information_schema"[..],
            b"sysobjects",
            b"syscolumns",
            b"sqlite_master",
            b"sqlite_schema",
            b"pg_catalog",
            b"pg_user",
            b"pg_shadow",
            b"all_tables",
            b"user_tables",
            b"v$version",
            b"mysql",
            b"msysobjects",
        ]
        .contains(name),
        [Word(name), Symbol(b'('), Number | Quoted | Open(_) | Word(_) | Symbol(b'('), ..] => [
            &b"extractvalue"[..],
            b"updatexml",
            b"load_file",
            b"pg_sleep",
            b"xp_cmdshell",
            b"utl_inaddr",
            b"pg_read_file",
            b"lo_import",
            b"lo_get",
            b"dbms_pipe",
            b"sqlite_compileoption_used",
            b"pg_ls_dir",
        ]
        .contains(name),
        [
            Word(b"utl_http" | b"utl_inaddr" | b"dbms_pipe" | b"dbms_lock" | b"dbms_xmlgen" | b"ctxsys"),
            Symbol(b'.'),
            Word(_),
            ..,
        ] => true,
        [Word(b"exec" | b"execute"), Word(name), ..] => name.starts_with(b"xp_"),
        [Word(b"waitfor"), Word(b"delay"), Quoted | Open(_), ..] => true,
        [Word(b"if"), Symbol(b'('), rest @ ..] => {
            rest.iter().any(|token| matches!(token, Word(name) if is_telling(name)))
        }
        _ => false,
    }
}

/// A call that does nothing but wait.
fn calls_wait(tokens: &[Token<'_>]) -> bool {
    matches!(tokens, [Word(b"sleep" | b"benchmark"), Symbol(b'('), Number, ..])
}

/// Functions that no text calls, and that injections are made of.
fn is_telling(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 26] = [
        b"sleep",
        b"benchmark",
        b"pg_sleep",
        b"substring",
        b"substr",
        b"mid",
        b"ascii",
        b"ord",
        b"hex",
        b"unhex",
        b"char",
        b"chr",
        b"concat",
        b"group_concat",
        b"concat_ws",
        b"database",
        b"schema",
        b"extractvalue",
        b"updatexml",
        b"load_file",
        b"xmltype",
        b"current_user",
        b"system_user",
        b"row_count",
        b"exp",
        b"randomblob",
    ];
    NAMES.contains(&name)
}

fn is_function(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 22] = [
        b"length",
        b"len",
        b"count",
        b"version",
        b"user",
        b"if",
        b"ifnull",
        b"iif",
        b"coalesce",
        b"cast",
        b"convert",
        b"lower",
        b"upper",
        b"left",
        b"right",
        b"instr",
        b"strcmp",
        b"row",
        b"json_extract",
        b"starts_with",
        b"unistr",
        b"decode",
    ];
    is_telling(name) || NAMES.contains(&name)
}

fn is_literal(token: &Token<'_>) -> bool {
    matches!(token, Number | Quoted | Open(_) | Variable | Word(b"true" | b"false" | b"null"))
}

fn is_operand(token: &Token<'_>) -> bool {
    is_literal(token) || matches!(token, Symbol(b'(' | b'~' | b'!' | b'-' | b'+') | Word(_))
}

/// Whether nothing follows but what ends a statement.
fn ends(tokens: &[Token<'_>]) -> bool {
    matches!(
        tokens,
        [] | [Comment(_), ..] | [Symbol(b';' | b')' | b','), ..] | [Open(_)] | [Word(b"or" | b"and"), ..] | [Logic, ..]
    )
}

/// Cuts `text` into tokens; how many there are.
fn lex<'a>(text: &'a [u8], tokens: &mut [Token<'a>; TOKENS]) -> usize {
    let mut len = 0;
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let (token, taken) = match (first, after) {
            (b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c | 0 | 0xa0 | 0xc2, _) => (None, 1),
            // Comments stand for spaces; what is in `/*! ... */` runs.
            (b'/', [b'*', b'!', inside @ ..]) => {
                (None, 3 + inside.iter().take_while(|octet| octet.is_ascii_digit()).count())
            }
            (b'/', [b'*', inside @ ..]) => {
                (None, memchr::memmem::find(inside, b"*/").map_or(rest.len(), |end| end + 4))
            }
            (b'*', [b'/', ..]) => (None, 2),
            (b'-', [b'-', inside @ ..]) => {
                let end = memchr::memchr(b'\n', inside);
                match end {
                    Some(end) => (None, end + 3),
                    None => (Some(Comment(said(inside))), rest.len()),
                }
            }
            (b'#', _) => match memchr::memchr(b'\n', after) {
                Some(end) => (None, end + 2),
                None => (Some(Comment(said(after))), rest.len()),
            },
            (quote @ (b'\'' | b'"' | b'`'), _) => match string_end(after, *quote) {
                Some(end) => (Some(Quoted), end + 2),
                None => (Some(Open(after)), rest.len()),
            },
            (b'0'..=b'9', _) | (b'.', [b'0'..=b'9', ..]) => {
                let number = |octet: &&u8| octet.is_ascii_hexdigit() || matches!(**octet, b'.' | b'x');
                (Some(Number), rest.iter().take_while(number).count())
            }
            (b'|', [b'|', ..]) | (b'&', [b'&', ..]) => (Some(Logic), 2),
            (b'=' | b'<' | b'>' | b'!', _) if compare_len(rest) > 0 => (Some(Compare), compare_len(rest)),
            (b':', [b':', ..]) => (None, 2 + after.iter().skip(1).take_while(|octet| is_name(octet)).count()),
            (b'@', _) => {
                (Some(Variable), 1 + after.iter().take_while(|octet| is_name(octet) || **octet == b'@').count())
            }
            (octet, _) if is_name(octet) => {
                let end = rest.iter().take_while(|octet| is_name(octet)).count();
                (Some(Word(rest.get(..end).unwrap_or_default())), end)
            }
            (octet, _) => (Some(Symbol(*octet)), 1),
        };
        if let Some(token) = token {
            let Some(place) = tokens.get_mut(len) else { return len };
            *place = token;
            len += 1;
        }
        rest = rest.get(taken.max(1)..).unwrap_or_default();
    }
    len
}

/// How much a comment says.
fn said(comment: &[u8]) -> usize {
    comment
        .iter()
        .filter(|octet| octet.is_ascii_alphanumeric())
        .count()
        .saturating_sub(usize::from(comment.len() < 6) * 4)
}

fn compare_len(text: &[u8]) -> usize {
    match text {
        [b'<', b'=', b'>', ..] => 3,
        [b'<' | b'>' | b'!' | b'=', b'=', ..] | [b'<', b'>', ..] => 2,
        [b'=' | b'<' | b'>', ..] => 1,
        _ => 0,
    }
}

/// Where a string ends: at a quote that is neither doubled nor escaped. Looks no further than a string is likely long.
fn string_end(text: &[u8], quote: u8) -> Option<usize> {
    const LONGEST: usize = 256;
    let near = text.get(..text.len().min(LONGEST))?;
    memchr::memchr(quote, near)
}

fn is_name(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'$') || *octet >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Weight> {
        weight(text.to_ascii_lowercase().as_bytes())
    }

    #[test]
    fn what_goes_on_as_sql() {
        for text in [
            "lamp' or 1=1 -- ",
            "zzz%' UNION ALL SELECT login,pw_hash FROM staff -- ",
            "zzz' UnIoN/**/SeLeCt/**/name,sql/**/FROM/**/sqlite_master -- ",
            "admin'--",
            "admin' #",
            "1 or 1=1",
            "1) and (1=1",
            "1;drop table users",
            "x' and sleep(5)-- ",
            "' or 'a'='a",
            "\" or \"a\"=\"a",
            "1' order by 5-- -",
            "1 union select null,null",
            "'||(select password from users)||'",
            "1' and password like 'a%'-- ",
            "'; exec xp_cmdshell('dir')--",
            "1 and extractvalue(1,concat(0x7e,version()))",
            "foo' or 'x",
            "1;waitfor delay '0:0:5'--",
            "-1 /*!50000union*/ /*!50000select*/ 1,2,3",
            "x' AND 1 IN (select min(name) from sysobjects) --",
        ] {
            assert_eq!(of(text), Some(Weight::Sure), "{text}");
        }
    }

    #[test]
    fn what_people_write() {
        for text in [
            "O'Brien",
            "rent -- october",
            "50/50 'split'",
            "invoice #4411 (update)",
            "thanks; see you",
            "SELECT lamp",
            "select the best from us",
            "desk \"oak\"",
            "kids' shoes and toys",
            "rock 'n' roll or jazz",
            "lamp or desk",
            "Smith & Sons; union of select committees",
            "price < 50 and size > 10",
            "status='open' and id=5",
            "it's 5 or it's 6",
            "update us; drop by",
            "50% off - 'sale' -- now",
            "name eq 'O' and price gt 5",
            "Peter's; Paul's",
            "john's -- order 5",
            "5' 11\" tall",
            "credit union select account",
            "don't order by 5 pm",
            "let's group by age",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        // Whole statements count beside other values only.
        assert_eq!(of("drop table tennis"), Some(Weight::Weak));
    }
}
