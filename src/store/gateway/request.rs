//! What a request says: its parameters, taken apart by what they are for.

use bytes::Bytes;
use http_body_util::{BodyDataStream, Full};
use hyper::{HeaderMap, Method, Uri};
use multer::Multipart;
use percent_encoding::percent_decode;

use super::Fault;
use super::sql::{self, Statement};

/// Names and values, as they came.
type Parameters = Vec<(Vec<u8>, Vec<u8>)>;

/// A statement with everything that goes with it.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// The text that the statement stands in.
    pub(super) text: Bytes,
    /// The statement in it.
    pub(super) statement: Statement,
    /// An insert's data.
    pub(super) data: Bytes,
    /// The current database.
    pub(super) database: Option<Vec<u8>>,
    /// The format of the result when the statement names none.
    pub(super) format: Option<String>,
    /// Settings, in the order they were given.
    pub(super) settings: Vec<(String, Vec<u8>)>,
    /// Values for `{name:Type}` in the statement.
    pub(super) values: Parameters,
    /// Asked for: the result in ClickHouse's compressed blocks.
    pub(super) compress: bool,
    /// The version of the client's native protocol, 0 when it says none.
    pub(super) protocol: u32,
    /// A method that changes nothing.
    pub(super) is_safe: bool,
}

/// Parameters that are for a server's HTTP interface and mean nothing here, or are dealt with elsewhere. All others are
/// settings.
const IGNORED: [&str; 20] = [
    "user",
    "password",
    "quota_key",
    "session_id",
    "session_timeout",
    "session_check",
    "session_timezone_check",
    "close_session",
    "wait_end_of_query",
    "buffer_size",
    "enable_http_compression",
    "http_zlib_compression_level",
    "http_native_compression_disable_checksumming_on_decompress",
    "stacktrace",
    "default_format",
    "database",
    "query",
    "query_id",
    "compress",
    "decompress",
];

/// What stands before a request's content.
#[derive(Clone, Debug)]
pub(super) struct Head {
    method: Method,
    headers: HeaderMap,
    parameters: Parameters,
}

impl Head {
    /// Reads method, target and fields.
    pub(super) fn new(method: Method, uri: &Uri, headers: HeaderMap) -> Self {
        Self { method, headers, parameters: url_parameters(uri.query().unwrap_or_default().as_bytes()) }
    }

    /// The last parameter of this name, as `user` must be known before the content is read.
    pub(super) fn parameter(&self, name: &str) -> Option<Vec<u8>> {
        let found = self.parameters.iter().rev().find(|(known, _)| known == name.as_bytes());
        found.map(|(_, value)| value.clone())
    }

    /// A field's value, when it is text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All fields.
    pub(super) fn fields(&self) -> &HeaderMap {
        &self.headers
    }

    fn is_set(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|value| value == b"1" || value == b"true")
    }

    /// Whether the content is in ClickHouse's compressed blocks.
    pub(super) fn is_in_blocks(&self) -> bool {
        self.is_set("decompress")
    }

    /// Puts the statement together from parameters and decoded content.
    pub(super) async fn with_content(mut self, content: Bytes) -> Result<Query, Fault> {
        let mut content = content;
        if let Some(boundary) = self.field("content-type").and_then(|value| multer::parse_boundary(value).ok()) {
            self.parameters.extend(form_parameters(content, boundary).await?);
            content = Bytes::new();
        }
        let (text, statement, data) = take_apart(self.statement_parameter(), content)?;
        let mut query = Query {
            text,
            statement,
            data,
            database: self.parameter("database").or_else(|| self.field("x-clickhouse-database").map(Into::into)),
            format: self.parameter("default_format").map(|value| String::from_utf8_lossy(&value).into_owned()),
            settings: Vec::new(),
            values: Vec::new(),
            compress: self.is_set("compress"),
            protocol: 0,
            is_safe: self.method == Method::GET || self.method == Method::HEAD,
        };
        query.format = query.format.or_else(|| self.field("x-clickhouse-format").map(str::to_owned));
        for (name, value) in self.parameters {
            query.take(name, value)?;
        }
        query.database = query.database.filter(|database| !database.is_empty());
        Ok(query)
    }

    /// All `query` parameters, one behind the other.
    fn statement_parameter(&self) -> Vec<u8> {
        let statements = self.parameters.iter().filter(|(name, _)| name == b"query");
        statements.flat_map(|(_, value)| value.iter().copied()).collect()
    }
}

impl Query {
    fn take(&mut self, name: Vec<u8>, value: Vec<u8>) -> Result<(), Fault> {
        let name = String::from_utf8(name).map_err(|_| Fault::Parameter("A parameter's name is not UTF-8".into()))?;
        if let Some(parameter) = name.strip_prefix("param_") {
            self.values.push((parameter.into(), value));
        } else if name == "client_protocol_version" {
            let version = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
            self.protocol = version.ok_or_else(|| Fault::Parameter("client_protocol_version is no number".into()))?;
        } else if !IGNORED.contains(&&*name) && !name.is_empty() {
            let is_name = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.'));
            if !is_name {
                return Err(Fault::Engine(format!(
                    "Code: 115. DB::Exception: Unknown setting '{}'. (UNKNOWN_SETTING)",
                    name.escape_default()
                )));
            }
            self.settings.push((name, value));
        }
        Ok(())
    }
}

/// The text with the statement, the statement, and an insert's data: from the `query` parameter, the content, or both.
fn take_apart(parameter: Vec<u8>, content: Bytes) -> Result<(Bytes, Statement, Bytes), Fault> {
    if parameter.is_empty() {
        let statement = sql::parse(&content)?;
        let data = match statement {
            Statement::Insert { data, .. } => content.slice(data..),
            _ => Bytes::new(),
        };
        return Ok((content, statement, data));
    }
    let text = Bytes::from(parameter);
    match sql::parse(&text) {
        Ok(statement @ Statement::Insert { data, .. }) => {
            let begun = text.slice(data..);
            let data = match (begun.iter().all(u8::is_ascii_whitespace), content.is_empty()) {
                (true, _) => content,
                (false, true) => begun,
                (false, false) => [begun, content].concat().into(),
            };
            Ok((text, statement, data))
        }
        Ok(statement) if content.is_empty() => Ok((text, statement, Bytes::new())),
        Err(refused) if content.is_empty() => Err(refused.into()),
        // One text in two parts.
        _ => {
            let text = Bytes::from([&text[..], b"\n", &content[..]].concat());
            match sql::parse(&text)? {
                Statement::Insert { .. } => Err(Fault::Refused(sql::Refused::Insert)),
                statement => Ok((text, statement, Bytes::new())),
            }
        }
    }
}

/// `name=value&...`, with `+` for a blank.
fn url_parameters(query: &[u8]) -> Parameters {
    let decode = |text: &[u8]| -> Vec<u8> {
        let text: Vec<u8> = text.iter().map(|octet| if *octet == b'+' { b' ' } else { *octet }).collect();
        percent_decode(&text).collect()
    };
    let pairs = query.split(|octet| *octet == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_at(memchr::memchr(b'=', pair).unwrap_or(pair.len()));
            (decode(name), decode(value.get(1..).unwrap_or_default()))
        })
        .collect()
}

/// The parts of multipart/form-data (RFC 7578).
async fn form_parameters(content: Bytes, boundary: String) -> Result<Parameters, Fault> {
    let malformed = |_| Fault::Data("the multipart form cannot be read");
    let mut form = Multipart::new(BodyDataStream::new(Full::new(content)), boundary);
    let mut parameters = Vec::new();
    while let Some(part) = form.next_field().await.map_err(malformed)? {
        if part.file_name().is_some() {
            return Err(Fault::NotImplemented("external data, sent as files of a form".into()));
        }
        let name = part.name().unwrap_or_default().as_bytes().to_vec();
        parameters.push((name, part.bytes().await.map_err(malformed)?.to_vec()));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(method: Method, target: &str, fields: &[(&'static str, &str)], content: &[u8]) -> Result<Query, Fault> {
        let headers = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let head = Head::new(method, &target.parse().unwrap(), headers);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(head.with_content(Bytes::copy_from_slice(content)))
    }

    fn post(target: &str, content: &[u8]) -> Query {
        query(Method::POST, target, &[], content).unwrap()
    }

    #[test]
    fn a_statement_comes_in_the_url_the_content_or_both() {
        assert_eq!(post("/?query=SELECT+1%2B1", b"").text, "SELECT 1+1");
        assert_eq!(post("/", b"SELECT 2").text, "SELECT 2");
        assert_eq!(post("/?query=SELECT", b" 3").text, "SELECT\n 3");
        assert!(query(Method::GET, "/?query=", &[], b"").is_err());
    }

    #[test]
    fn data_comes_behind_the_statement_or_in_the_content() {
        assert_eq!(post("/?query=INSERT+INTO+t+FORMAT+RowBinary", b"\n\n\0").data, "\n\n\0");
        assert_eq!(post("/?query=INSERT+INTO+t+VALUES", b"(1)").data, "(1)");
        assert_eq!(post("/?query=INSERT+INTO+t+VALUES+(1),", b"(2)").data, " (1),(2)");
        assert_eq!(post("/", b"INSERT INTO t FORMAT CSV\n1\n\n2").data, "1\n\n2");
        assert_eq!(post("/?query=INSERT+INTO+t+VALUES+(1)", b"").data, " (1)");
    }

    #[test]
    fn parameters_are_told_apart() {
        let query =
            post("/?database=d&default_format=CSV&param_x=%00a&max_threads=1&compress=1&session_id=s", b"SELECT 1");
        assert_eq!(query.database.as_deref(), Some(&b"d"[..]));
        assert_eq!(query.format.as_deref(), Some("CSV"));
        assert_eq!(query.values, [(b"x".to_vec(), b"\0a".to_vec())]);
        assert_eq!(query.settings, [("max_threads".to_owned(), b"1".to_vec())]);
        assert!(query.compress && !query.is_safe);
        let wrong = Head::new(Method::GET, &"/?a%27b=1&query=SELECT+1".parse().unwrap(), HeaderMap::new());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(wrong.with_content(Bytes::new())).unwrap_err().code(), 115);
    }

    #[test]
    fn forms_carry_the_same_parameters() {
        let form = b"--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {x:String}\r\n\
                     --b\r\nContent-Disposition: form-data; name=\"param_x\"\r\n\r\n\n--c\r\n--b--\r\n";
        let fields = [("content-type", "multipart/form-data; boundary=b")];
        let read = query(Method::POST, "/?database=d", &fields, form).unwrap();
        assert_eq!(read.text, "SELECT {x:String}");
        assert_eq!(read.values, [(b"x".to_vec(), b"\n--c".to_vec())]);
        let file = b"--b\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\n\r\n1\r\n--b--\r\n";
        assert!(matches!(query(Method::POST, "/", &fields, file), Err(Fault::NotImplemented(_))));
    }
}
