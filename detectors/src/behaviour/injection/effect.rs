//! What the server made of a payload, as far as one response shows.

use super::{Kind, Payload};
use crate::behaviour::error_leak;
use crate::exchange::Exchange;

/// How far into a response effects are looked for, in octets.
const LIMIT: usize = 64 * 1024;

/// What a response shows of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Effect {
    /// It failed: 5xx.
    Failed,
    /// Text of a database's or a program's error.
    Error,
    /// Markup came back in a page as it was sent.
    Echo,
    /// An arithmetic was worked out.
    Result,
    /// A file of the system, or the output of a command.
    Output,
}

impl Effect {
    /// The words for an alert.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "the server failed",
            Self::Error => "the answer holds an error text of an interpreter",
            Self::Echo => "the page holds it as it was sent",
            Self::Result => "the answer holds its result",
            Self::Output => "the answer holds a file of the system or a command's output",
        }
    }

    /// Whether it proves that the payload ran, or would in a browser.
    pub(crate) fn is_proof(self) -> bool {
        matches!(self, Self::Echo | Self::Result | Self::Output)
    }
}

/// What the response of `exchange` shows of a payload whose value is `value`.
pub(super) fn of(exchange: &Exchange<'_>, payload: &Payload, value: &[u8]) -> Option<Effect> {
    let response = exchange.response.as_ref()?;
    let bytes = response.content.bytes.get(..response.content.bytes.len().min(LIMIT)).unwrap_or_default();
    let holds = |text: &[u8]| !text.is_empty() && memchr::memmem::find(bytes, text).is_some();
    // Lines of well-known files, and what `id` writes.
    if holds(b"root:x:0:0:")
        || holds(b"; for 16-bit app support")
        || holds(b"uid=0(root)")
        || holds(b" gid=") && holds(b"uid=")
    {
        return Some(Effect::Output);
    }
    if let Some(result) = payload.result
        && result > 9
        && !holds(value)
        && holds(result.to_string().as_bytes())
        && bytes.len() < 16 * 1024
    {
        return Some(Effect::Result);
    }
    if payload.kind == Kind::Xss {
        let kind = response.fields.get("content-type").unwrap_or_default();
        let is_page = kind.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"text/html"));
        return (is_page && holds(value)).then_some(Effect::Echo);
    }
    if payload.kind == Kind::Header {
        // The line became a field of its own.
        let injected = value.split(|octet| matches!(octet, b'\r' | b'\n')).next_back().unwrap_or_default();
        let name = injected.split(|octet| *octet == b':').next().unwrap_or_default();
        if injected.len() > name.len()
            && response.fields.iter().any(|(field, _)| !name.is_empty() && field.eq_ignore_ascii_case(name))
        {
            return Some(Effect::Output);
        }
    }
    if error_leak::is_interpreter_error(bytes) {
        return Some(Effect::Error);
    }
    (response.status >= 500).then_some(Effect::Failed)
}
