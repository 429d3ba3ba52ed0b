//! A client of the shop, with an address of its own: all of 127.0.0.0/8 is this machine.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

/// What the shop calls itself.
const NAME: &str = "shop.example";

/// A connection to the shop.
pub(super) struct Caller {
    way: SendRequest<Full<Bytes>>,
    program: &'static str,
    /// Goes with every request.
    pub(super) token: Option<String>,
}

/// What the shop said.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Null when it was no JSON.
    pub(super) content: Value,
}

impl Caller {
    /// Connects from 127.0.0.`host`, as a program that says it is `program`.
    pub(super) async fn connect(shop: SocketAddr, host: u8, program: &'static str) -> Result<Self, String> {
        let connect = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into())?;
            socket.connect(shop).await
        };
        let stream = connect.await.map_err(|error| format!("127.0.0.{host} cannot reach {shop}: {error}"))?;
        let (way, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // How it ends is told by the requests.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { way, program, token: None })
    }

    pub(super) async fn get(&mut self, target: &str) -> Result<Answer, String> {
        self.ask(Method::GET, target, String::new()).await
    }

    /// Logs in, and keeps the token if there is one.
    pub(super) async fn log_in(&mut self, username: &str, password: &str) -> Result<Answer, String> {
        let form = json!({ "username": username, "password": password });
        let answer = self.ask(Method::POST, "/api/login", form.to_string()).await?;
        self.token = answer.content["token"].as_str().map(str::to_owned);
        Ok(answer)
    }

    async fn ask(&mut self, method: Method, target: &str, content: String) -> Result<Answer, String> {
        let told = |error: String| format!("the shop did not answer {target}: {error}");
        let mut request =
            Request::builder().method(method).uri(target).header(HOST, NAME).header(USER_AGENT, self.program);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if !content.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::from(content))).map_err(|error| told(error.to_string()))?;
        self.way.ready().await.map_err(|error| told(error.to_string()))?;
        let response = self.way.send_request(request).await.map_err(|error| told(error.to_string()))?;
        let status = response.status().as_u16();
        let content = response.into_body().collect().await.map_err(|error| told(error.to_string()))?.to_bytes();
        Ok(Answer { status, content: serde_json::from_slice(&content).unwrap_or_default() })
    }
}
