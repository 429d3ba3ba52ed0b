//! Errors that say too much: stack traces, texts of databases, pages of debuggers, source code, versions.
//!
//! They tell an attacker which products, files, tables and versions there are, and whether an attempt came near. Told by the
//! grammar of each stack: a frame has a method, a file and a line; an error of a database its code or its driver's words.
//!
//! Sees: the first 64 KiB of a response; with an error status everything, with 2xx only what few programs serve on purpose.
//! An interface that serves texts of others (a tracker of issues) may hold such text in a 2xx, so that is low. Misses:
//! errors in languages and formats of the application's own.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{Behaviour, Seen};
use crate::finding::{Confidence, Detector, Evidence, Family, Finding, Location, Severity, Subject};

macro_rules! detectors {
    ($($static:ident $name:literal $title:literal $cwe:literal $why:literal $remedy:literal;)*) => {
        $(static $static: Detector = Detector {
            name: $name, family: Family::ErrorLeak, title: $title, description: $why, remediation: $remedy,
            owasp: "API8:2023", cwe: $cwe, attack: "T1592.002",
        };)*
    };
}

detectors! {
    BANNER "error_leak.banner" "Answers tell the version of the server" "CWE-200"
        "A field of the answer names a product with its version, which tells everybody which known weaknesses to try."
        "Turn the version off in the server's configuration. It is no substitute for updates.";
    DEBUG_PAGE "error_leak.debug_page" "The page of a debugger is served" "CWE-489"
        "The answer is the page with which a framework helps its developers. It shows source, settings and variables, and some let readers run code."
        "Turn debugging off where others can reach the server. Change the secrets that the page may have shown.";
    PATHS "error_leak.internal_path" "An error tells paths of the server" "CWE-209"
        "An error's text holds paths of the server's file system, which tell how it is built and where to aim."
        "Answer errors with a code and an id, and keep the text in the log.";
    SOURCE "error_leak.source_code" "Source code is served" "CWE-540"
        "The answer holds code that the server should have run instead of sent. Source shows queries, credentials and weaknesses."
        "Let the server run such files, or keep them out of the folder it serves. Change the secrets they hold.";
    SQL_ERROR "error_leak.sql_error" "A database's error is served" "CWE-209"
        "The answer holds the text of a database's error. It tells tables and statements, and shows whoever tries injection how near they are."
        "Answer errors with a code and an id, and keep the text in the log. Check that the statement uses parameters.";
    STACK_TRACE "error_leak.stack_trace" "A stack trace is served" "CWE-209"
        "The answer holds a stack trace or the name of an exception with its text. It tells products, files and lines."
        "Answer errors with a code and an id, and keep the trace in the log. Handle the input that caused it.";
}

pub(crate) static ERROR_LEAK: Behaviour = Behaviour {
    detectors: &[&BANNER, &DEBUG_PAGE, &PATHS, &SOURCE, &SQL_ERROR, &STACK_TRACE],
    knobs: &[],
    observe,
    state: None,
};

/// How far into a response is looked, in octets.
const LIMIT: usize = 64 * 1024;

fn observe(seen: &mut Seen<'_>) {
    let Some(response) = &seen.exchange.response else { return };
    let bytes = response.content.bytes.get(..response.content.bytes.len().min(LIMIT)).unwrap_or_default();
    let is_error = response.status >= 400;
    if is_error || may_hold(bytes) {
        let found = leak(bytes, is_error);
        if let Some((detector, rule, at)) = found {
            let severity = match (is_error, rule) {
                (_, "paths") | (false, _) => Severity::Low,
                (true, _) => Severity::Medium,
            };
            seen.visit.findings.push(Finding {
                confidence: if is_error { Confidence::High } else { Confidence::Medium },
                evidence: vec![Evidence {
                    kind: rule.into(),
                    location: Location { part: "response.content".into(), path: None, offset: at as u64 },
                    masked: "***".into(),
                    value_hash: None,
                }],
                ..Finding::new(detector, rule, Subject::Endpoint, severity)
            });
        }
    }
    for name in ["server", "x-powered-by", "x-aspnet-version", "x-generator"] {
        let Some(value) = response.fields.get(name) else { continue };
        // `nginx/1.18.0`: a version has a dot between digits.
        if value.windows(3).any(|three| matches!(three, [a, b'.', b] if a.is_ascii_digit() && b.is_ascii_digit())) {
            seen.visit.findings.push(Finding::new(&BANNER, "version", Subject::Server, Severity::Info));
            break;
        }
    }
}

/// What in a 2xx is worth a closer look. Looked for together: most content is gone through for nothing.
fn may_hold(bytes: &[u8]) -> bool {
    static PARTS: LazyLock<Option<AhoCorasick>> =
        LazyLock::new(|| AhoCorasick::new([&b"Traceback (most"[..], b".java:", b"SQLSTATE[", b"tack trace"]).ok());
    PARTS.as_ref().is_some_and(|parts| parts.is_match(bytes))
}

type Leak = (&'static Detector, &'static str, usize);

/// What a response tells that it should not, and where. The gravest first.
fn leak(bytes: &[u8], is_error: bool) -> Option<Leak> {
    let find = |parts: &[&[u8]]| parts.iter().filter_map(|part| memchr::memmem::find(bytes, part)).min();
    let debug = || find(DEBUG_PAGES).map(|at| (&DEBUG_PAGE, "debug_page", at));
    let sql = || sql_error(bytes).map(|at| (&SQL_ERROR, "sql_error", at));
    let trace = || stack_trace(bytes).map(|at| (&STACK_TRACE, "stack_trace", at));
    if !is_error {
        return trace().or_else(sql);
    }
    let class = || exception(bytes).map(|at| (&STACK_TRACE, "exception", at));
    let source = || source(bytes).map(|at| (&SOURCE, "source_code", at));
    let paths = || find(PATHS_OF_SERVERS).map(|at| (&PATHS, "paths", at));
    debug().or_else(trace).or_else(sql).or_else(class).or_else(source).or_else(paths)
}

/// Whether a response holds the text of a database's error, or a trace.
pub(super) fn is_interpreter_error(bytes: &[u8]) -> bool {
    sql_error(bytes).is_some() || stack_trace(bytes).is_some()
}

const DEBUG_PAGES: &[&[u8]] = &[
    b"Werkzeug Debugger",
    b"<code>DEBUG = True</code>",
    b"Action Controller: Exception caught",
    b"Server Error in '/",
    b"data-ignition",
    b"Symfony Exception",
    b"Yii Debugger",
    b"<title>phpinfo()",
];

const PATHS_OF_SERVERS: &[&[u8]] = &[
    b"/var/www/",
    b"/usr/local/lib/",
    b"/usr/src/app/",
    b"/srv/",
    b"/opt/",
    b"inetpub",
    b"site-packages/",
    b"node_modules/",
    b"C:\\\\",
    b":\\Users\\",
];

/// Where an error of a database stands. Words of the products and their drivers.
fn sql_error(bytes: &[u8]) -> Option<usize> {
    const TEXTS: &[&[u8]] = &[
        b"SQLSTATE[",
        b"error in your SQL syntax",
        b"OperationalError",
        b"psycopg2.",
        b"sqlite3.",
        b"SQLITE_ERROR",
        b"SQLITE_CONSTRAINT",
        b"Unclosed quotation mark",
        b"quoted string not properly terminated",
        b"syntax error at or near",
        b"Incorrect syntax near",
        b"\": syntax error",
        b"PG::",
        b"java.sql.SQL",
        b"JDBCException",
        b"com.mysql.",
        b"MySQLSyntaxError",
        b"MySqlException",
        b"SqlException",
        b"mysql_",
        b"mysqli_",
        b"pg_query(",
        b"ODBC SQL",
        b"ODBC Driver",
        b"OLE DB",
        b"DB2 SQL error",
        b"CLI Driver",
        b"MongoError",
        b"MongoServerError",
        b"sed SELECT statements have",
        b"sed select statements have",
        b"nknown column '",
        b"o such table",
        b"o such column",
        b"Dynamic SQL Error",
        b"supplied argument is not a valid",
    ];
    let text = || TEXTS.iter().find_map(|text| memchr::memmem::find(bytes, text));
    // `ORA-01722`
    let oracle = || {
        memchr::memmem::find_iter(bytes, b"ORA-")
            .find(|at| bytes.get(at + 4..at + 9).is_some_and(|code| code.iter().all(u8::is_ascii_digit)))
    };
    oracle().or_else(text)
}

/// Where a frame of a stack stands, of any of the common stacks.
fn stack_trace(bytes: &[u8]) -> Option<usize> {
    let find = |part: &[u8]| memchr::memmem::find(bytes, part);
    let line = |mark: &[u8]| {
        memchr::memmem::find_iter(bytes, mark).find(|at| bytes.get(at + mark.len()).is_some_and(u8::is_ascii_digit))
    };
    // Python; Go; PHP; Ruby.
    find(b"Traceback (most recent call last)")
        .or_else(|| {
            find(b"goroutine ").filter(|at| {
                bytes
                    .get(*at..)
                    .is_some_and(|rest| memchr::memmem::find(rest.get(..64).unwrap_or(rest), b"]:").is_some())
            })
        })
        .or_else(|| {
            find(b"PHP Fatal error").or_else(|| find(b"Stack trace:\n#0")).or_else(|| find(b"Stack trace:\\n#0"))
        })
        .or_else(|| line(b".php on line ").or_else(|| line(b".php</b> on line <b>")))
        .or_else(|| {
            line(b".rb:").filter(|at| {
                bytes
                    .get(*at..)
                    .is_some_and(|rest| memchr::memmem::find(rest.get(..24).unwrap_or(rest), b":in ").is_some())
            })
        })
        // `(File.java:17)`, `(/app/x.js:1:2)`, `in C:\x.cs:line 5`, `main.go:12 +0x`
        .or_else(|| line(b".java:").or_else(|| line(b".kt:")).or_else(|| line(b".scala:")))
        .or_else(|| {
            line(b".js:")
                .filter(|_| find(b"at ").is_some())
                .or_else(|| line(b".ts:").filter(|_| find(b" at ").is_some()))
        })
        .or_else(|| line(b".cs:line ").or_else(|| find(b"   at System.")).or_else(|| find(b"   at Microsoft.")))
}

/// Where the full name of an exception stands: `java.net.SocketTimeoutException: Read timed out`.
fn exception(bytes: &[u8]) -> Option<usize> {
    [&b"Exception"[..], b"Error"].iter().find_map(|end| {
        memchr::memmem::find_iter(bytes, end).take(64).find_map(|at| {
            let before = bytes.get(..at)?;
            let len = before
                .iter()
                .rev()
                .take(128)
                .take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'$'))
                .count();
            let name = before.get(at - len..)?;
            let dots = memchr::memchr_iter(b'.', name).count();
            let class = name.rsplit(|octet| *octet == b'.').next()?.first()?;
            (dots >= 2 && name.first()?.is_ascii_alphabetic() && class.is_ascii_uppercase()).then_some(at - len)
        })
    })
}

/// Where code of a page's language stands.
fn source(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, b"<?")
        .take(8)
        .find(|at| {
            let rest = bytes.get(at + 2..).unwrap_or_default();
            let rest = rest.get(..rest.len().min(8)).unwrap_or_default().to_ascii_lowercase();
            rest.starts_with(b"php") || rest.starts_with(b"=") || rest.starts_with(b" ")
        })
        .or_else(|| memchr::memmem::find(bytes, b"<%@ "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<&'static str> {
        leak(text.as_bytes(), true).map(|leak| leak.0.name)
    }

    #[test]
    fn traces_of_the_common_stacks() {
        for text in [
            "java.lang.NumberFormatException: x\n\tat java.base/java.lang.Integer.parseInt(Integer.java:67)",
            "{\"trace\":\"Traceback (most recent call last):\\n  File\"}",
            "Error: x\n    at Object.<anonymous> (/app/index.js:10:5)",
            "System.NullReferenceException: x\n   at Shop.Api.Get() in C:\\src\\Api.cs:line 42",
            "PHP Fatal error:  Uncaught Exception",
            "<b>Warning</b>: x in <b>/var/www/index.php</b> on line <b>5</b>",
            "app/models/user.rb:12:in `find'",
            "panic: x\n\ngoroutine 1 [running]:\nmain.main()",
            "org.springframework.web.client.HttpClientErrorException: 404",
        ] {
            assert_eq!(of(text), Some("error_leak.stack_trace"), "{text}");
        }
        for text in [
            "ORA-00933: SQL command not properly ended",
            "You have an error in your SQL syntax; check",
            "ERROR: syntax error at or near \"x\"",
        ] {
            assert_eq!(of(text), Some("error_leak.sql_error"), "{text}");
        }
        assert_eq!(of("<title>x // Werkzeug Debugger</title>"), Some("error_leak.debug_page"));
        assert_eq!(of("<?php echo 1; ?>"), Some("error_leak.source_code"));
    }

    #[test]
    fn errors_that_say_enough_are_fine() {
        for text in [
            "{\"error\":{\"code\":\"not_found\"}}",
            "Internal Server Error",
            "<?xml version=\"1.0\"?><e/>",
            "{\"type\":\"ValidationError\",\"at\":\"12:30\"}",
            "{\"detail\":\"Not Found\"}",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
