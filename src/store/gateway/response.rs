//! What a request is answered with.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Sleep, sleep};

use super::Fault;
use super::ffi::Progress;
use super::run::Part;

/// How long a broken result waits before its connection is cut, so that its last words are sent.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A response's content.
#[derive(Debug)]
pub(super) enum Content {
    /// All of it.
    Whole(Option<Bytes>),
    /// As it comes.
    Pieces(Box<Pieces>),
}

/// A result that comes in pieces.
#[derive(Debug)]
pub(super) struct Pieces {
    first: Option<Bytes>,
    rest: Receiver<Part>,
    tag: String,
    version: String,
    cut: Option<Pin<Box<Sleep>>>,
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(Frame::data).map(Ok)),
            Self::Pieces(pieces) => pieces.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

impl Pieces {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let broken = || Poll::Ready(Some(Err(io::Error::other("the statement failed"))));
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Some(cut) = &mut self.cut {
            ready!(cut.as_mut().poll(context));
            return broken();
        }
        match ready!(self.rest.poll_recv(context)) {
            Some(Part::Piece(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Part::End) => Poll::Ready(None),
            Some(Part::Failed(fault)) => {
                self.cut = Some(Box::pin(sleep(LAST_WORDS)));
                Poll::Ready(Some(Ok(Frame::data(last_words(&fault.message(&self.version), &self.tag)))))
            }
            Some(Part::Whole(..)) | None => broken(),
        }
    }
}

/// How ClickHouse tells a failure in the middle of a result.
fn last_words(message: &str, tag: &str) -> Bytes {
    let length = message.len() + 1;
    format!("\r\n__exception__\r\n{tag}\r\n{message}\n{length} {tag}\r\n__exception__\r\n").into()
}

/// What every response says.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// The engine's version.
    pub(super) version: String,
    /// What the client calls the request, or a random name.
    pub(super) id: String,
}

impl Envelope {
    /// A response with all of its content.
    pub(super) fn whole(
        &self,
        media_type: &'static str,
        format: &str,
        bytes: Bytes,
        progress: &Progress,
    ) -> Response<Content> {
        let mut response = self.response(StatusCode::OK, media_type, Content::Whole(Some(bytes)));
        set(&mut response, "x-clickhouse-format", format);
        set(&mut response, "x-clickhouse-summary", &summary(progress));
        response
    }

    /// A response whose content follows as it comes.
    pub(super) fn pieces(
        &self,
        media_type: &'static str,
        format: &str,
        first: Bytes,
        rest: Receiver<Part>,
    ) -> Response<Content> {
        let tag = random_letters();
        let pieces = Pieces { first: Some(first), rest, tag: tag.clone(), version: self.version.clone(), cut: None };
        let mut response = self.response(StatusCode::OK, media_type, Content::Pieces(Box::new(pieces)));
        set(&mut response, "x-clickhouse-format", format);
        set(&mut response, "x-clickhouse-exception-tag", &tag);
        response
    }

    /// A response that says what went wrong.
    pub(super) fn fault(&self, fault: &Fault) -> Response<Content> {
        let text = fault.message(&self.version) + "\n";
        let mut response =
            self.response(fault.status(), "text/plain; charset=UTF-8", Content::Whole(Some(text.into())));
        set(&mut response, "x-clickhouse-exception-code", &fault.code().to_string());
        response
    }

    /// `Ok.`, as ClickHouse says.
    pub(super) fn ok(&self) -> Response<Content> {
        self.response(StatusCode::OK, "text/html; charset=UTF-8", Content::Whole(Some(Bytes::from_static(b"Ok.\n"))))
    }

    fn response(&self, status: StatusCode, media_type: &'static str, content: Content) -> Response<Content> {
        let mut response = Response::new(content);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        set(&mut response, "x-clickhouse-query-id", &self.id);
        set(&mut response, "x-clickhouse-server-display-name", "apitap");
        set(&mut response, "x-clickhouse-timezone", "UTC");
        response
    }
}

/// Sets a field, unless its value cannot stand in one.
fn set(response: &mut Response<Content>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

fn summary(progress: &Progress) -> String {
    let Progress { read_rows, read_bytes, written_rows, written_bytes, result_rows, result_bytes, elapsed_ns } =
        progress;
    format!(
        "{{\"read_rows\":\"{read_rows}\",\"read_bytes\":\"{read_bytes}\",\"written_rows\":\"{written_rows}\",\
         \"written_bytes\":\"{written_bytes}\",\"total_rows_to_read\":\"{read_rows}\",\"result_rows\":\"{result_rows}\",\
         \"result_bytes\":\"{result_bytes}\",\"elapsed_ns\":\"{elapsed_ns}\"}}"
    )
}

/// 16 random letters: nobody can write a result in advance that looks like a failure.
pub(super) fn random_letters() -> String {
    let mut random = [0; 16];
    // Without randomness the tag is a constant, which is no more than ClickHouse had for years.
    let _ = getrandom::fill(&mut random);
    random.iter().map(|octet: &u8| char::from(b'a' + octet % 26)).collect()
}

/// A handler that never fails returns this.
pub(super) type Answered = Result<Response<Content>, Infallible>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_have_their_length() {
        let words = last_words("Code: 395. DB::Exception: no", "abcdefghijklmnop");
        let expected = "\r\n__exception__\r\nabcdefghijklmnop\r\nCode: 395. DB::Exception: no\n29 abcdefghijklmnop\r\n__exception__\r\n";
        assert_eq!(words, expected);
    }

    #[test]
    fn a_field_cannot_be_split() {
        let envelope = Envelope { version: "1".into(), id: "a\r\nset-cookie: b".into() };
        assert!(!envelope.ok().headers().contains_key("x-clickhouse-query-id"));
    }
}
