//! The client of every ClickHouse that is talked to.

use clickhouse::{Client, Compression};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A client of the ClickHouse at `url` for this user.
///
/// Not the crate's default one: its connections wait with each small insert for an acknowledgement of the one before,
/// 40 ms of nothing.
pub fn client(url: &str, user: &str, password: &str) -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
    Client::with_http_client(http)
        .with_url(url)
        .with_user(user)
        .with_password(password)
        // Blocks are packed for links, and this is most often loopback.
        .with_compression(Compression::None)
}
