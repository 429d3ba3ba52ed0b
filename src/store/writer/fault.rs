//! What is wrong with a store, from what came back.

use clickhouse::error::Error;

use crate::store::schema::SchemaError;

/// Why the store did not take something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is something about the rows themselves. Everything else may pass.
    Refused(String),
    /// There is something about the store.
    Away(Trouble, String),
}

/// What is wrong with the store. What is tried again for as long as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody answers there.
    Unreachable,
    /// It takes too long.
    Slow,
    /// It does not know us.
    Denied,
    /// Its tables are not as they are needed.
    Schema,
    /// It has no room.
    Full,
    /// It has too much to do.
    Busy,
    /// It fails.
    Failing,
}

impl Trouble {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "cannot be reached",
            Self::Slow => "does not answer in time",
            Self::Denied => "refuses the user or the password",
            Self::Schema => "does not have the tables that are needed",
            Self::Full => "has no room left",
            Self::Busy => "has too much to do",
            Self::Failing => "fails",
        }
    }
}

/// Codes of errors in the data itself, as ClickHouse numbers them. The rows' types were compared with the table's columns
/// before, so it is not the table that is wrong.
const DATA: [u32; 17] = [6, 26, 27, 33, 38, 41, 53, 69, 72, 117, 128, 131, 321, 349, 407, 469, 691];

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text = one_line(&error.to_string());
        let trouble = match &error {
            Error::BadResponse(response) => match code(response) {
                Some(code) if DATA.contains(&code) => return Self::Refused(without_values(&text)),
                Some(192..=194 | 497 | 516) => Trouble::Denied,
                Some(16 | 36 | 44 | 47 | 60 | 81 | 115) => Trouble::Schema,
                Some(243) => Trouble::Full,
                Some(_) if text.contains("No space left") => Trouble::Full,
                Some(202 | 241 | 252 | 290) => Trouble::Busy,
                Some(159 | 209) => Trouble::Slow,
                _ => Trouble::Failing,
            },
            Error::SchemaMismatch(_) | Error::InvalidColumnsHeader(_) => Trouble::Schema,
            Error::TimedOut => Trouble::Slow,
            Error::Network(_) | Error::Unsupported(_) | Error::InvalidParams(_) => Trouble::Unreachable,
            _ => Trouble::Failing,
        };
        Self::Away(trouble, with_causes(&error))
    }
}

impl From<SchemaError> for Fault {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Store { source, .. } => match Self::from(source) {
                // There are no rows of ours yet.
                Self::Refused(text) => Self::Away(Trouble::Schema, text),
                away @ Self::Away(..) => away,
            },
            other => Self::Away(Trouble::Schema, one_line(&other.to_string())),
        }
    }
}

/// The number in `Code: 60. DB::Exception: ...`.
fn code(response: &str) -> Option<u32> {
    let (_, rest) = response.split_once("Code: ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    one_line(&text)
}

/// What a store says of rows that it refuses, without what it quotes of them: it goes to logs and into the chain.
fn without_values(text: &str) -> String {
    let text = text.split("Column values:").next().unwrap_or_default();
    let mut masked = String::with_capacity(text.len());
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => {
                quote = None;
                masked.extend(['*', c]);
            }
            Some(_) => {}
            None => {
                quote = matches!(c, '\'' | '"').then_some(c);
                masked.push(c);
            }
        }
    }
    masked.trim_end().to_owned()
}

/// Text for one line, not too long: stores quote statements.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(response: &str) -> Fault {
        Error::BadResponse(response.to_owned()).into()
    }

    #[test]
    fn the_rows_are_told_from_the_store() {
        assert!(matches!(of("Code: 469. DB::Exception: Constraint `c` is violated"), Fault::Refused(_)));
        assert!(matches!(of("Code: 60. DB::Exception: Unknown table"), Fault::Away(Trouble::Schema, _)));
        assert!(matches!(of("Code: 516. DB::Exception: Authentication failed"), Fault::Away(Trouble::Denied, _)));
        assert!(matches!(of("Code: 243. DB::Exception: x"), Fault::Away(Trouble::Full, _)));
        assert!(matches!(of("Code: 1001. std: No space left on device"), Fault::Away(Trouble::Full, _)));
        assert!(matches!(of("502 Bad Gateway"), Fault::Away(Trouble::Failing, _)));
        assert!(matches!(Fault::from(Error::TimedOut), Fault::Away(Trouble::Slow, _)));
    }

    #[test]
    fn what_was_in_a_row_is_not_told() {
        let said = of(
            "Code: 469. DB::Exception: Constraint `c` for table t (3f) is violated at row 1. Expression: (host != 'x'). \
                       Column values: host = 'secret'",
        );
        let expected = "Constraint `c` for table t (3f) is violated at row 1. Expression: (host != '*').";
        assert!(matches!(&said, Fault::Refused(text) if text.ends_with(expected)), "{said:?}");
        let said = of("Code: 27. DB::Exception: Cannot parse input: expected '\"' before: 'secret");
        assert!(matches!(&said, Fault::Refused(text) if text.ends_with("expected '*' before: '")), "{said:?}");
    }

    #[test]
    fn what_is_told_is_one_line() {
        let Fault::Away(_, text) = of(&format!("Code: 1.\n{}", "x".repeat(1000))) else { panic!() };
        assert!(!text.contains('\n') && text.len() <= 300);
    }
}
