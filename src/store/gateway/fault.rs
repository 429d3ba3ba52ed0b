//! How a request can fail, told as ClickHouse tells it: a code, a text, and the status that goes with the code.

use hyper::StatusCode;

use super::sql::Refused;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The engine said so, in its own words.
    Engine(String),
    /// The statement is not taken.
    Refused(Refused),
    /// Name or password is wrong.
    Authentication(String),
    /// This credential may not do that.
    Denied(String),
    /// GET changes nothing.
    MethodIsReadOnly,
    /// The `Host` field names something else: a name that was made to resolve to this address.
    Host,
    /// The content cannot be read.
    Data(&'static str),
    /// A compressed block's checksum is wrong.
    Checksum,
    /// The request or its decoded content has more than so many octets.
    TooLarge(usize),
    /// A parameter is wrong.
    Parameter(String),
    /// What is asked for is no part of this interface.
    NotImplemented(String),
    /// There is nothing at this path.
    NotFound,
    /// Too many statements run already.
    Busy,
    /// The store is ending, or its engine gives no more connections.
    Stopped,
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Fault {
    /// ClickHouse's code for it.
    pub(super) fn code(&self) -> u32 {
        match self {
            Self::Engine(message) => engine_code(message),
            Self::Refused(refused) => refused_code(*refused).0,
            _ => self.own().0,
        }
    }

    /// The status of the response.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            _ => status_of(self.code()),
        }
    }

    /// The whole message, as the body of a response has it, without a line end.
    pub(super) fn message(&self, version: &str) -> String {
        match self {
            Self::Engine(message) if message.trim_end().ends_with(&format!("(version {version})")) => {
                message.trim_end().into()
            }
            Self::Engine(message) if message.starts_with("Code: ") => {
                format!("{} (version {version})", message.trim_end())
            }
            Self::Engine(message) => {
                format!("Code: 1002. DB::Exception: {}. (UNKNOWN_EXCEPTION) (version {version})", message.trim_end())
            }
            Self::Refused(refused) => {
                let (code, name) = refused_code(*refused);
                format!("Code: {code}. DB::Exception: {refused}. ({name}) (version {version})")
            }
            _ => {
                let (code, name, text) = self.own();
                format!("Code: {code}. DB::Exception: {text}. ({name}) (version {version})")
            }
        }
    }

    /// Code, its name and the text of what the gateway itself says.
    fn own(&self) -> (u32, &'static str, String) {
        match self {
            Self::Authentication(user) => (
                516,
                "AUTHENTICATION_FAILED",
                format!("{user}: Authentication failed: password is incorrect, or there is no user with such name"),
            ),
            Self::Denied(text) => (497, "ACCESS_DENIED", text.clone()),
            Self::MethodIsReadOnly => (
                164,
                "READONLY",
                "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should \
                 use method POST for modifying queries"
                    .into(),
            ),
            Self::Host => (
                516,
                "AUTHENTICATION_FAILED",
                "The Host field names another host than the address of this store; use 127.0.0.1, [::1] or localhost"
                    .into(),
            ),
            Self::Data(text) => (33, "CANNOT_READ_ALL_DATA", (*text).into()),
            Self::Checksum => {
                (40, "CHECKSUM_DOESNT_MATCH", "Checksum doesn't match: a compressed block is corrupted".into())
            }
            Self::TooLarge(limit) => {
                (307, "TOO_MANY_BYTES", format!("The request has more than {limit} bytes; send it in several"))
            }
            Self::Parameter(text) => (36, "BAD_ARGUMENTS", text.clone()),
            Self::NotImplemented(what) => {
                (48, "NOT_IMPLEMENTED", format!("The embedded store does not support this: {what}"))
            }
            Self::NotFound => (
                60,
                "UNKNOWN_TABLE",
                "There is nothing at this path; statements go to /, and /ping says whether the store is there".into(),
            ),
            Self::Busy => (
                202,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                "Too many simultaneous queries: none of them ended in time for this one to begin".into(),
            ),
            Self::Stopped => (210, "NETWORK_ERROR", "The store is being stopped".into()),
            // Both are told by `code` and `message` themselves.
            Self::Engine(_) | Self::Refused(_) => (1002, "UNKNOWN_EXCEPTION", String::new()),
        }
    }
}

/// `N` of `Code: N. DB::Exception: ...`.
fn engine_code(message: &str) -> u32 {
    let digits = message.strip_prefix("Code: ").and_then(|rest| rest.split_once('.'));
    digits.and_then(|(digits, _)| digits.parse().ok()).unwrap_or(1002)
}

fn refused_code(refused: Refused) -> (u32, &'static str) {
    match refused {
        Refused::Empty | Refused::Several | Refused::Unended | Refused::Insert | Refused::SemicolonBeforeData => {
            (62, "SYNTAX_ERROR")
        }
        Refused::Files | Refused::Function => (497, "ACCESS_DENIED"),
        Refused::KillSync | Refused::InputFunction => (48, "NOT_IMPLEMENTED"),
    }
}

/// The status that ClickHouse sends with a code.
fn status_of(code: u32) -> StatusCode {
    match code {
        164 | 192 | 193 | 291 | 492 | 497 | 516 => StatusCode::FORBIDDEN,
        6 | 15 | 25 | 26 | 27 | 33 | 36 | 38 | 40 | 41 | 44 | 53 | 62 | 69 | 72 | 117 | 130 | 321 | 376 | 386 | 441
        | 456 | 457 => StatusCode::BAD_REQUEST,
        16 | 46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 336 => StatusCode::NOT_FOUND,
        48 => StatusCode::NOT_IMPLEMENTED,
        159 => StatusCode::REQUEST_TIMEOUT,
        202 | 241 => StatusCode::SERVICE_UNAVAILABLE,
        307 => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_speaks_for_itself() {
        let fault = Fault::Engine("Code: 60. DB::Exception: Unknown table expression 'x'. (UNKNOWN_TABLE)\n".into());
        assert_eq!((fault.code(), fault.status()), (60, StatusCode::NOT_FOUND));
        assert_eq!(
            fault.message("26.7.2.1"),
            "Code: 60. DB::Exception: Unknown table expression 'x'. (UNKNOWN_TABLE) (version 26.7.2.1)"
        );
        assert_eq!(Fault::Engine("odd".into()).code(), 1002);
        assert_eq!(Fault::Engine("Code: x".into()).code(), 1002);
    }

    #[test]
    fn the_gateway_speaks_the_same_way() {
        let fault = Fault::Refused(Refused::Several);
        assert_eq!((fault.code(), fault.status()), (62, StatusCode::BAD_REQUEST));
        assert!(fault.message("1").starts_with("Code: 62. DB::Exception: Syntax error"), "{}", fault.message("1"));
        let fault = Fault::Authentication("x".into());
        assert_eq!((fault.code(), fault.status()), (516, StatusCode::FORBIDDEN));
        assert!(fault.message("1").ends_with("no user with such name. (AUTHENTICATION_FAILED) (version 1)"));
        assert_eq!(Fault::NotImplemented("x".into()).status(), StatusCode::NOT_IMPLEMENTED);
    }
}
