//! What each credential may do.
//!
//! The engine knows one user only, so this is the place. Three layers keep a statement in bounds, and each would suffice
//! for most: the engine's own grants, which leave out everything that reaches beyond its tables; the engine's parser,
//! asked how restricted the statement is; and for whoever may only read, `readonly=1` on the connection.

use super::Fault;
use super::credentials::Role;
use super::ffi::{Analysis, Class};
use super::request::Query;
use super::sql::{Statement, TableName};
use super::token::Tokens;
use crate::store::{DATABASE, STATUS_TABLE};

/// How a statement is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// On a connection that changes nothing.
    ReadOnly,
    /// With all that the engine's grants allow.
    Full,
}

/// Says how `role` may run `query`, if at all.
pub(super) fn allow(role: Role, query: &Query, analysis: Analysis) -> Result<Access, Fault> {
    if analysis.statements > 1 {
        return Err(super::sql::Refused::Several.into());
    }
    match analysis.class {
        // What does not parse is run as well, for the engine's own words about it; it changes nothing.
        Class::Unknown => Ok(Access::ReadOnly),
        Class::ReadOnly if role == Role::Sensor && !query.is_safe => Ok(Access::Full),
        Class::ReadOnly => Ok(Access::ReadOnly),
        _ if query.is_safe => Err(Fault::MethodIsReadOnly),
        Class::Mutating if role == Role::Sensor => Ok(Access::Full),
        Class::Mutating if role == Role::Analyst && is_status_change(query) => Ok(Access::Full),
        Class::Control if role == Role::Sensor && is_allowed_control(&query.text) => Ok(Access::Full),
        Class::Mutating => Err(denied(role, "it may not change that")),
        Class::Global => Err(denied(role, "functions, users and named collections cannot be changed")),
        Class::Control => Err(denied(role, "this statement is not allowed by the embedded store")),
    }
}

fn denied(role: Role, why: &str) -> Fault {
    Fault::Denied(format!("{}: Not enough privileges: {why}", role.name()))
}

/// Whether it adds rows to the table of status changes, and does nothing else.
fn is_status_change(query: &Query) -> bool {
    let Statement::Insert { table: TableName::Named(database, name), .. } = &query.statement else { return false };
    let database = database.as_ref().or(query.database.as_ref());
    database.is_some_and(|database| database == DATABASE.as_bytes()) && name == STATUS_TABLE.as_bytes()
}

/// Statements about the engine that the sensor needs, or that do no harm.
fn is_allowed_control(text: &[u8]) -> bool {
    let words: Vec<_> = Tokens::new(text).take(3).map(|token| token.bytes.to_ascii_uppercase()).collect();
    let word = |index: usize| words.get(index).map_or(&b""[..], Vec::as_slice);
    matches!(
        (word(0), word(1), word(2)),
        (b"SET" | b"USE" | b"BACKUP" | b"RESTORE" | b"KILL", ..)
            | (b"SYSTEM", b"FLUSH", _)
            | (b"SYSTEM", b"START" | b"STOP", b"MERGES" | b"TTL" | b"VIEW" | b"VIEWS")
            | (b"SYSTEM", b"REFRESH" | b"WAIT" | b"CANCEL", b"VIEW")
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::{HeaderMap, Method};

    use super::super::request::Head;
    use super::*;

    fn allowed(role: Role, method: Method, target: &str, text: &'static str, class: Class) -> Result<Access, Fault> {
        let head = Head::new(method, &target.parse().unwrap(), HeaderMap::new());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let query = runtime.block_on(head.with_content(Bytes::from_static(text.as_bytes()))).unwrap();
        allow(role, &query, Analysis { statements: 1, class })
    }

    fn code(result: Result<Access, Fault>) -> Option<u32> {
        result.err().map(|fault| fault.code())
    }

    #[test]
    fn readers_read() {
        for role in [Role::Reader, Role::Analyst] {
            assert_eq!(allowed(role, Method::POST, "/", "SELECT 1", Class::ReadOnly), Ok(Access::ReadOnly));
            for class in [Class::Mutating, Class::Global, Class::Control] {
                assert_eq!(code(allowed(role, Method::POST, "/", "DROP TABLE t", class)), Some(497));
            }
        }
        let status = "INSERT INTO apitap.alert_status FORMAT JSONEachRow\n{}";
        assert_eq!(code(allowed(Role::Reader, Method::POST, "/", status, Class::Mutating)), Some(497));
    }

    #[test]
    fn analysts_add_status_changes_and_nothing_else() {
        let code = |target, text| code(allowed(Role::Analyst, Method::POST, target, text, Class::Mutating));
        assert_eq!(code("/", "INSERT INTO apitap.alert_status VALUES (1)"), None);
        assert_eq!(code("/?database=apitap", "INSERT INTO `alert_status` VALUES (1)"), None);
        assert_eq!(code("/", "INSERT INTO alert_status VALUES (1)"), Some(497));
        assert_eq!(code("/?database=x", "INSERT INTO alert_status VALUES (1)"), Some(497));
        assert_eq!(code("/", "INSERT INTO apitap.alert_revisions VALUES (1)"), Some(497));
        assert_eq!(code("/?param_t=alert_status", "INSERT INTO apitap.{t:Identifier} VALUES (1)"), Some(497));
        assert_eq!(code("/", "INSERT INTO apitap.alert_status SELECT 1"), Some(497));
    }

    #[test]
    fn get_changes_nothing() {
        assert_eq!(code(allowed(Role::Sensor, Method::GET, "/", "DROP TABLE t", Class::Mutating)), Some(164));
        assert_eq!(allowed(Role::Sensor, Method::GET, "/", "SELECT 1", Class::ReadOnly), Ok(Access::ReadOnly));
        assert_eq!(allowed(Role::Sensor, Method::POST, "/", "SELECT 1", Class::ReadOnly), Ok(Access::Full));
    }

    #[test]
    fn the_sensor_may_not_stop_the_engine() {
        let code = |text| code(allowed(Role::Sensor, Method::POST, "/", text, Class::Control));
        for text in ["SYSTEM SHUTDOWN", "SYSTEM KILL", "system /* */ reload config", "ATTACH TABLE t", "GRANT a TO b"] {
            assert_eq!(code(text), Some(497), "{text}");
        }
        for text in ["SYSTEM FLUSH LOGS", "system stop merges t", "KILL QUERY WHERE 0", "BACKUP TABLE t TO File('x')"] {
            assert_eq!(code(text), None, "{text}");
        }
    }
}
