//! What an OpenAPI document says an interface offers: operations with their paths and parameters.
//!
//! Versions 2.0, 3.0 and 3.1, in JSON or YAML. References within the document are followed; those to other files are taken as
//! unknown, and then any parameter is documented. What a document says of types is not read.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::Value;

use crate::endpoint;

/// An interface as its document describes it.
#[derive(Debug)]
pub struct OpenApi {
    operations: Vec<Operation>,
    /// Operations by the number of their paths' segments.
    by_length: HashMap<usize, Vec<u32>>,
}

/// A method of a path.
#[derive(Debug)]
pub(crate) struct Operation {
    /// In upper case.
    pub(crate) method: String,
    /// As the document writes it, behind the base path.
    pub(crate) path: String,
    pub(crate) is_deprecated: bool,
    segments: Vec<Segment>,
    /// Names of query parameters; `None` where not all are known.
    query: Option<HashSet<String>>,
}

#[derive(Debug)]
enum Segment {
    Literal(Vec<u8>),
    /// A segment with a parameter in it: what stands before and behind it.
    Parameter(Vec<u8>, Vec<u8>),
}

/// What of a request is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// This operation.
    Operation(u32),
    /// The path, with other methods.
    OtherMethod,
    /// Nothing.
    Nothing,
}

/// Why a document cannot be used.
#[derive(Debug)]
pub struct Invalid(String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// How many references are followed from one place: a document may refer in circles.
const REFERENCES: usize = 16;
/// How many operations a document may have.
const OPERATIONS: usize = 100_000;

impl OpenApi {
    /// Reads a document.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = |what: &str| Invalid(what.to_owned());
        let document: Value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| Invalid(format!("it is no JSON: {error}")))?
        } else {
            // The first line of the message says what and where.
            serde_saphyr::from_str(text).map_err(|error| {
                let message = error.to_string();
                Invalid(format!("it is no YAML: {}", message.lines().next().unwrap_or_default()))
            })?
        };
        if document.get("openapi").or_else(|| document.get("swagger")).is_none() {
            return Err(invalid("it has no member 'openapi' or 'swagger', so it is no OpenAPI document"));
        }
        let paths = document.get("paths").and_then(Value::as_object);
        let paths = paths.ok_or_else(|| invalid("it has no object 'paths', so it describes no operation"))?;
        let mut openapi = Self { operations: Vec::new(), by_length: HashMap::new() };
        let bases = bases(&document);
        for (path, item) in paths {
            openapi.add_path(&document, &bases, path, resolve(&document, item));
            if openapi.operations.len() > OPERATIONS {
                return Err(invalid("it has more than 100000 operations"));
            }
        }
        Ok(openapi)
    }

    fn add_path(&mut self, document: &Value, bases: &[String], path: &str, item: &Value) {
        const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let query = [item, operation].iter().try_fold(HashSet::new(), |mut names, place| {
                for parameter in place.get("parameters").and_then(Value::as_array).into_iter().flatten() {
                    let parameter = resolve(document, parameter);
                    let name = parameter.get("name").and_then(Value::as_str)?;
                    if parameter.get("in").and_then(Value::as_str) == Some("query") {
                        names.insert(name.to_owned());
                    }
                    // An object spread over parameters has names of its own.
                    let schema = parameter.get("schema").map(|schema| resolve(document, schema));
                    if schema.and_then(|schema| schema.get("type")).and_then(Value::as_str) == Some("object") {
                        return None;
                    }
                }
                Some(names)
            });
            for base in bases {
                let full = format!("{base}{path}");
                let segments: Vec<_> = endpoint::segments(full.as_bytes()).map(segment).collect();
                let number = u32::try_from(self.operations.len()).unwrap_or(u32::MAX);
                self.by_length.entry(segments.len()).or_default().push(number);
                self.operations.push(Operation {
                    method: method.to_ascii_uppercase(),
                    path: full,
                    is_deprecated: operation.get("deprecated").and_then(Value::as_bool) == Some(true),
                    segments,
                    query: query.clone(),
                });
            }
        }
    }

    /// The operations, as the document orders them.
    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// What a request asks for. Of several paths that fit, the one with more literal segments.
    pub(crate) fn find(&self, method: &[u8], target: &[u8]) -> Match {
        let asked: Vec<&[u8]> = endpoint::segments(endpoint::path(target)).collect();
        let candidates = self.by_length.get(&asked.len()).into_iter().flatten();
        let mut best: Option<(usize, u32)> = None;
        let mut other = false;
        for number in candidates {
            let Some(operation) = self.operations.get(*number as usize) else { continue };
            if !operation.segments.iter().zip(&asked).all(|(segment, asked)| segment.fits(asked)) {
                continue;
            }
            if !operation.method.as_bytes().eq_ignore_ascii_case(method) {
                other = true;
                continue;
            }
            let literals = operation.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count();
            if best.is_none_or(|(most, _)| literals > most) {
                best = Some((literals, *number));
            }
        }
        match best {
            Some((_, number)) => Match::Operation(number),
            None if other => Match::OtherMethod,
            None => Match::Nothing,
        }
    }

    /// The first query parameter of `target` that `operation` does not have.
    pub(crate) fn unknown_parameter<'t>(&self, operation: u32, target: &'t [u8]) -> Option<&'t [u8]> {
        let query = self.operations.get(operation as usize)?.query.as_ref()?;
        let known = |name: &[u8]| {
            let stem = name.split(|octet| matches!(octet, b'[' | b'%')).next().unwrap_or_default();
            std::str::from_utf8(name).is_ok_and(|name| query.contains(name))
                || std::str::from_utf8(stem)
                    .is_ok_and(|stem| query.contains(stem) || query.contains(&format!("{stem}[]")))
        };
        endpoint::parameters(target).map(|(name, _)| name).find(|name| !name.is_empty() && !known(name))
    }
}

impl Segment {
    fn fits(&self, asked: &[u8]) -> bool {
        match self {
            Self::Literal(literal) => literal == asked,
            Self::Parameter(before, behind) => {
                asked.len() > before.len() + behind.len() && asked.starts_with(before) && asked.ends_with(behind)
            }
        }
    }
}

fn segment(text: &[u8]) -> Segment {
    match (memchr::memchr(b'{', text), memchr::memrchr(b'}', text)) {
        (Some(open), Some(close)) if open < close => Segment::Parameter(
            text.get(..open).unwrap_or_default().to_vec(),
            text.get(close + 1..).unwrap_or_default().to_vec(),
        ),
        _ => Segment::Literal(text.to_vec()),
    }
}

/// What stands before every path: the paths of the servers' URLs, or `basePath`.
fn bases(document: &Value) -> Vec<String> {
    let mut bases = Vec::new();
    for server in document.get("servers").and_then(Value::as_array).into_iter().flatten() {
        let mut url = server.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
        for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
            let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
            url = url.replace(&format!("{{{name}}}"), default);
        }
        let path = match url.find("://") {
            Some(at) => url
                .get(at + 3..)
                .and_then(|rest| rest.find('/').and_then(|slash| rest.get(slash..)))
                .unwrap_or_default(),
            None => &url,
        };
        bases.push(path.trim_end_matches('/').to_owned());
    }
    if let Some(base) = document.get("basePath").and_then(Value::as_str) {
        bases.push(base.trim_end_matches('/').to_owned());
    }
    if bases.is_empty() {
        bases.push(String::new());
    }
    bases.sort_unstable();
    bases.dedup();
    bases
}

/// What a reference within the document stands for.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    for _ in 0..REFERENCES {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return value };
        let Some(found) = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer)) else {
            return value;
        };
        value = found;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "
openapi: 3.0.3
servers:
  - url: https://api.example/{version}
    variables: {version: {default: v1}}
paths:
  /users/{id}:
    parameters:
      - $ref: '#/components/parameters/Expand'
    get: {responses: {200: {description: ok}}}
    delete: {deprecated: true}
  /users/me:
    get: {parameters: [{name: full, in: query}]}
  /files/{name}.json:
    get: {}
components:
  parameters:
    Expand: {name: expand, in: query}
";

    #[test]
    fn operations_of_a_document() {
        let openapi = OpenApi::parse(DOCUMENT).unwrap();
        let path = |method: &str, target: &str| match openapi.find(method.as_bytes(), target.as_bytes()) {
            Match::Operation(number) => openapi.operations()[number as usize].path.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!(path("GET", "/v1/users/7?x"), "/v1/users/{id}");
        assert_eq!(path("GET", "/v1/users/me"), "/v1/users/me");
        assert_eq!(path("POST", "/v1/users/7"), "OtherMethod");
        assert_eq!(path("GET", "/users/7"), "Nothing");
        assert_eq!(path("GET", "/v1/files/a.json"), "/v1/files/{name}.json");
        assert_eq!(path("GET", "/v1/files/a.xml"), "Nothing");
        let Match::Operation(get) = openapi.find(b"GET", b"/v1/users/7") else { panic!("it is documented") };
        assert_eq!(openapi.unknown_parameter(get, b"/v1/users/7?expand=a&debug=1"), Some(&b"debug"[..]));
        assert_eq!(openapi.unknown_parameter(get, b"/v1/users/7?expand[]=a"), None);
    }

    #[test]
    fn bad_documents_are_one_line() {
        for (text, wanted) in [
            ("{", "no JSON"),
            ("a: [", "no YAML"),
            ("a: 1", "no member"),
            ("{\"openapi\":\"3.0.0\"}", "no object 'paths'"),
            ("", "no"),
        ] {
            let error = OpenApi::parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted) && error.lines().count() == 1, "{text}: {error}");
        }
    }

    #[test]
    fn references_in_circles_end() {
        let text = r##"{"swagger":"2.0","basePath":"/b","paths":{"/x":{"get":{"parameters":[{"$ref":"#/p"}]}}},"p":{"$ref":"#/p"}}"##;
        let openapi = OpenApi::parse(text).unwrap();
        assert_eq!(openapi.find(b"GET", b"/b/x"), Match::Operation(0));
    }
}
