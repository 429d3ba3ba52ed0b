//! The HTTP interface: which requests there are, and what becomes of each.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, HOST};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use super::credentials::{Credentials, Role, presented};
use super::engine::Engine;
use super::request::Head;
use super::response::{Answered, Content, Envelope, random_letters};
use super::run::{self, Part};
use super::{Fault, body, format};

/// Connections at once; further ones wait to be accepted.
const CONNECTIONS: usize = 128;

/// How long a client may take for the header of a request.
const HEADER_TIME: Duration = Duration::from_secs(30);

/// How long requests under way may take to end when the store is stopped.
const FAREWELL: Duration = Duration::from_secs(10);

/// Pieces of a result that wait for a slow client.
const WAITING_PIECES: usize = 2;

/// Octets a request may have, as sent and again as decoded. Only the sensor sends data worth the name.
const fn request_limit(role: Role) -> usize {
    match role {
        Role::Sensor => 256 << 20,
        Role::Analyst | Role::Reader => 1 << 20,
    }
}

/// Everything that answering a request takes.
pub(super) struct Server {
    /// The engine.
    pub(super) engine: Engine,
    /// Who may ask.
    pub(super) credentials: Credentials,
}

impl Server {
    /// Serves until `end`; then lets requests under way end, and stops the engine.
    pub(super) async fn serve(self, listener: TcpListener, end: impl Future<Output = ()>) {
        let server = Arc::new(self);
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let mut end = std::pin::pin!(end);
        loop {
            let accepted = async {
                let place = Arc::clone(&connections).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, stream) = tokio::select! {
                accepted = accepted => accepted,
                () = &mut end => break,
            };
            let Ok((stream, _)) = stream else {
                // Out of descriptors, most likely: some will be given back.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let connection = graceful.watch(connection(Arc::clone(&server), stream));
            tokio::spawn(async move {
                // A connection that breaks off concerns only its client.
                let _ = connection.await;
                drop(place);
            });
        }
        drop(listener);
        let _ = tokio::time::timeout(FAREWELL, graceful.shutdown()).await;
        server.engine.idle(FAREWELL).await;
        server.engine.stop();
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answered {
        let (parts, content) = request.into_parts();
        let head = Head::new(parts.method.clone(), &parts.uri, parts.headers);
        let given = head.parameter("query_id").and_then(|id| String::from_utf8(id).ok());
        let id = given.filter(|id| !id.is_empty()).unwrap_or_else(random_letters);
        let envelope = Envelope { version: self.engine.version().to_owned(), id };
        let answered = match self.admit(&parts.method, parts.uri.path(), parts.uri.host(), &head) {
            Ok(Some(role)) => self.run(role, head, content, &envelope).await,
            Ok(None) => Ok(envelope.ok()),
            Err(fault) => {
                // Unread content would make the client miss the answer.
                body::discard(content).await;
                Err(fault)
            }
        };
        Ok(answered.unwrap_or_else(|fault| envelope.fault(&fault)))
    }

    /// Who asks; nobody needs to be known to ask whether the store is there.
    fn admit(
        &self,
        method: &Method,
        path: &str,
        target_host: Option<&str>,
        head: &Head,
    ) -> Result<Option<Role>, Fault> {
        let hosts = target_host.into_iter().chain(head.field(HOST.as_str()));
        if !hosts.clone().all(is_loopback) || hosts.count() == 0 {
            return Err(Fault::Host);
        }
        let is_safe = method == Method::GET || method == Method::HEAD;
        if !is_safe && method != Method::POST {
            return Err(Fault::NotImplemented(format!("method {method}")));
        }
        match path {
            "/ping" | "/replicas_status" if is_safe => return Ok(None),
            "/" if is_safe && head.parameter("query").is_none() => return Ok(None),
            "/" | "/query" => {}
            _ => return Err(Fault::NotFound),
        }
        let (user, password) = presented(head.fields(), |name| head.parameter(name));
        let role = self.credentials.check(&user, &password);
        let unknown = || Fault::Authentication(String::from_utf8_lossy(&user).escape_debug().to_string());
        role.map(Some).ok_or_else(unknown)
    }

    async fn run(
        self: Arc<Self>,
        role: Role,
        head: Head,
        content: Incoming,
        envelope: &Envelope,
    ) -> Result<Response<Content>, Fault> {
        let limit = request_limit(role);
        let content = body::read(content, limit).await?;
        let mut content = body::decode(content, head.field(CONTENT_ENCODING.as_str()), limit)?;
        if head.is_in_blocks() {
            content = body::unpack(&content, limit)?;
        }
        let query = head.with_content(content).await?;
        let format = run::format_of(&query).to_owned();
        let permit = self.engine.permit().await?;
        let (sender, mut parts) = mpsc::channel(WAITING_PIECES);
        tokio::task::spawn_blocking(move || {
            run::run(&self.engine, role, &query, &sender);
            drop(permit);
        });
        let media_type = format::content_type(&format);
        match parts.recv().await {
            Some(Part::Whole(bytes, progress)) => Ok(envelope.whole(media_type, &format, bytes, &progress)),
            Some(Part::Piece(first)) => Ok(envelope.pieces(media_type, &format, first, parts)),
            Some(Part::Failed(fault)) => Err(fault),
            Some(Part::End) | None => Err(Fault::Stopped),
        }
    }
}

/// One client's requests, one after the other.
fn connection(
    server: Arc<Server>,
    stream: TcpStream,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // A small answer must not wait for an acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| Arc::clone(&server).answer(request)))
}

/// Whether `host`, with or without a port, is this machine by its own name for itself. A page on the web can make its
/// name resolve to this address, but not make its requests say another name.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_meant() {
        for host in ["127.0.0.1", "127.0.0.1:8123", "localhost:1", "LOCALHOST", "[::1]", "[::1]:8123"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8123", "10.0.0.1", "[::2]", "::1"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
