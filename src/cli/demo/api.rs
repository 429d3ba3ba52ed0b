//! The demo's API: a small web shop on loopback, with the faults that shops have. Everybody in it is made up.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::customers::{self, Customer};
use super::tokens::{Tokens, now};

/// The largest content of a request, in octets.
const CONTENT: usize = 64 << 10;

/// How long loopback has to connect.
const PATIENCE: Duration = Duration::from_secs(2);

/// The number of the first order; the others follow it.
pub(super) const FIRST_ORDER: usize = 50_001;

/// How many orders each customer has.
const ORDERS_EACH: usize = 3;

/// What the shop says it serves.
pub(super) const DOCUMENT: &str = include_str!("shop.openapi.yaml");

const PRODUCTS: [(&str, u32); 6] = [
    ("walking boots", 12_900),
    ("rain jacket", 8_950),
    ("wool socks", 1_490),
    ("head torch", 3_990),
    ("map case", 1_250),
    ("camping stove", 5_400),
];

/// What the shop knows.
pub(super) struct Shop {
    pub(super) customers: Vec<Customer>,
    tokens: Tokens,
}

/// The shop's door: bound, and not yet open.
pub(super) struct Door {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl Door {
    /// Takes a free port of 127.0.0.1.
    pub(super) fn take() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Whether one comes through it. The error is one line.
    pub(super) fn try_it(&self) -> Result<(), String> {
        let tried = std::net::TcpStream::connect_timeout(&self.address, PATIENCE);
        tried.map(drop).map_err(|error| {
            format!(
                "{} cannot be reached ({error}); if 'lo' is down, 'ip link set dev lo up' brings it up",
                self.address
            )
        })
    }

    /// Serves for as long as it is polled.
    pub(super) async fn serve(self, shop: Arc<Shop>) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let shop = shop.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| answer(&shop, request));
                // A client that goes away in the middle is its own affair.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }
}

impl Shop {
    /// A shop with customers, and a secret for its tokens that is made anew each time.
    pub(super) fn open() -> std::io::Result<Self> {
        Ok(Self { customers: customers::made_up(), tokens: Tokens::new()? })
    }

    /// The caller: whoever the token in the header field or, which is one of the faults, in the target names.
    fn caller(&self, request: &Request<Incoming>) -> Option<&Customer> {
        let field = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = match field.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) => token.to_owned(),
            None => parameter(request, "access_token")?,
        };
        self.customers.get(self.tokens.subject(&token)?.checked_sub(1)?)
    }

    fn order(&self, number: usize) -> Option<Value> {
        let index = number.checked_sub(FIRST_ORDER)?;
        // Orders come in as they do, not customer by customer.
        let owner = self.customers.get(index % self.customers.len()).filter(|_| index < self.order_count())?;
        let (product, cents) = PRODUCTS[index % PRODUCTS.len()];
        Some(json!({
            "number": number, "customer_id": owner.id, "status": "shipped", "total_cents": cents,
            "items": [{ "product": product, "quantity": 1 }],
            "ship_to": { "name": owner.name(), "street": owner.street, "city": owner.city, "postcode": owner.postcode },
        }))
    }

    fn order_count(&self) -> usize {
        self.customers.len() * ORDERS_EACH
    }

    /// The numbers of the orders of a customer.
    fn orders_of(&self, customer: &Customer) -> impl Iterator<Item = usize> {
        let count = self.customers.len();
        let first = FIRST_ORDER + customer.id - 1;
        (0..ORDERS_EACH).map(move |n| first + n * count)
    }
}

async fn answer(shop: &Shop, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let response = match (request.method(), parts.as_slice()) {
        (&Method::POST, ["api", "login"]) => login(shop, request).await,
        (&Method::GET, ["api", "products"]) => search(shop, &parameter(&request, "q").unwrap_or_default()),
        // The fault: nobody is asked who they are.
        (&Method::GET, ["api", "admin", "export"]) => {
            let records: Vec<_> = shop.customers.iter().map(Customer::record).collect();
            told(StatusCode::OK, &json!({ "customers": records }))
        }
        (&Method::GET, ["api", "me" | "orders" | "reports" | "v0", ..]) => match shop.caller(&request) {
            Some(caller) => own(shop, caller, &request, &parts),
            None => told(StatusCode::UNAUTHORIZED, &json!({ "error": "log in first" })),
        },
        _ => not_found(),
    };
    Ok(response)
}

/// What needs a token.
fn own(shop: &Shop, caller: &Customer, request: &Request<Incoming>, parts: &[&str]) -> Response<Full<Bytes>> {
    match parts {
        // The fault: what was replaced was not turned off.
        ["api", "v0", "me"] => told(StatusCode::OK, &json!({ "customer": caller.name(), "city": caller.city })),
        ["api", "me"] => {
            told(StatusCode::OK, &json!({ "id": caller.id, "name": caller.name(), "email": caller.email }))
        }
        ["api", "orders"] => {
            let orders: Vec<_> = shop.orders_of(caller).map(|number| json!({ "number": number })).collect();
            told(StatusCode::OK, &json!({ "orders": orders }))
        }
        // The fault: whose order it is does not matter.
        ["api", "orders", number] => match number.parse().ok().and_then(|number| shop.order(number)) {
            Some(order) => told(StatusCode::OK, &order),
            None => not_found(),
        },
        ["api", "reports"] => match parameter(request, "year").map(|year| year.parse::<u16>()) {
            Some(Ok(year)) => told(StatusCode::OK, &json!({ "year": year, "orders": ORDERS_EACH })),
            // The fault: everybody sees what went wrong within.
            _ => page(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", TRACE.to_owned()),
        },
        _ => not_found(),
    }
}

const TRACE: &str = "Traceback (most recent call last):
  File \"/srv/shop/app.py\", line 212, in dispatch
    return view(request, **arguments)
  File \"/srv/shop/reports.py\", line 41, in yearly
    year = int(request.args[\"year\"])
ValueError: invalid literal for int() with base 10
";

async fn login(shop: &Shop, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let content = Limited::new(request.into_body(), CONTENT).collect().await;
    let content = content.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let Ok(form) = serde_json::from_slice::<Value>(&content) else {
        return told(StatusCode::BAD_REQUEST, &json!({ "error": "JSON is expected" }));
    };
    let is_right = |customer: &&Customer| {
        form["username"].as_str() == Some(&customer.email) && form["password"].as_str() == Some(&customer.password)
    };
    match shop.customers.iter().find(is_right) {
        Some(customer) => told(StatusCode::OK, &json!({ "token": shop.tokens.issue(customer.id, now()) })),
        None => told(StatusCode::UNAUTHORIZED, &json!({ "error": "wrong user name or password" })),
    }
}

/// The fault: what is looked for becomes part of a statement. There is no database; it is answered as one would.
fn search(shop: &Shop, text: &str) -> Response<Full<Bytes>> {
    let lower = text.to_ascii_lowercase();
    let product = |(name, cents): &(&str, u32)| json!({ "name": name, "price_cents": cents });
    if lower.contains("union select") {
        let rows = shop
            .customers
            .iter()
            .take(12)
            .map(|customer| json!({ "name": customer.email, "password_hash": customer.password_hash() }));
        return told(StatusCode::OK, &json!({ "products": rows.collect::<Vec<_>>() }));
    }
    if text.matches('\'').count() % 2 == 1 && !lower.contains("--") {
        let line =
            format!("sqlite3.OperationalError: near \"{}\": syntax error", text.rsplit('\'').next().unwrap_or(""));
        return page(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", line);
    }
    let is_everything = lower.contains(" or ");
    let found = PRODUCTS.iter().filter(|(name, _)| is_everything || name.contains(&lower));
    told(StatusCode::OK, &json!({ "products": found.map(product).collect::<Vec<_>>() }))
}

fn parameter(request: &Request<Incoming>, name: &str) -> Option<String> {
    let pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(key, _)| *key == name)?.1.replace('+', " ");
    Some(percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

fn not_found() -> Response<Full<Bytes>> {
    told(StatusCode::NOT_FOUND, &json!({ "error": "not found" }))
}

fn told(status: StatusCode, content: &Value) -> Response<Full<Bytes>> {
    page(status, "application/json", content.to_string())
}

fn page(status: StatusCode, kind: &'static str, content: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(content)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
