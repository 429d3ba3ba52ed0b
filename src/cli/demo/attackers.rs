//! Those who mean harm: for each kind of attack one, from an address of its own.

use std::net::SocketAddr;

use apitap_detectors::finding::Family;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::api::{FIRST_ORDER, Shop};
use super::caller::Caller;
use super::tokens;

/// The families of the alerts that must come of it. Personal data, secrets and too much at once come of what was taken.
pub(super) const FAMILIES: [Family; 10] = [
    Family::Scan,
    Family::CredentialStuffing,
    Family::Enumeration,
    Family::Injection,
    Family::Auth,
    Family::ErrorLeak,
    Family::Pii,
    Family::Secret,
    Family::Exposure,
    Family::Inventory,
];

const SCRIPT: &str = "python-requests/2.32.3";

/// What they do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    Scan,
    StuffingAndWalk,
    Injection,
    ForgedToken,
    TokenInTarget,
    Export,
    StackTrace,
    OldVersion,
}

impl Attack {
    pub(super) const ALL: [Self; 8] = [
        Self::Scan,
        Self::StuffingAndWalk,
        Self::Injection,
        Self::ForgedToken,
        Self::TokenInTarget,
        Self::Export,
        Self::StackTrace,
        Self::OldVersion,
    ];

    /// The last part of the attacker's address.
    fn host(self) -> u8 {
        66 + self as u8
    }

    /// What is going on, for whoever watches.
    pub(super) fn line(self) -> String {
        let what = match self {
            Self::Scan => "looks for files and pages that nobody links",
            Self::StuffingAndWalk => "tries a list of stolen passwords; one fits, and other people's orders are next",
            Self::Injection => "writes SQL into the search for products",
            Self::ForgedToken => "makes a token that says it needs no signature",
            Self::TokenInTarget => "sends a token in the URL, where logs keep it",
            Self::Export => "finds the export of all customers, which asks for no token",
            Self::StackTrace => "asks for the report of a year that is none, and the shop shows its code",
            Self::OldVersion => "calls an old version of the interface, which its document no longer has",
        };
        format!("127.0.0.{} {what}", self.host())
    }

    pub(super) async fn run(self, shop: SocketAddr, inside: &Shop) -> Result<(), String> {
        let mut caller = Caller::connect(shop, self.host(), SCRIPT).await?;
        match self {
            Self::Scan => scan(&mut caller).await,
            Self::StuffingAndWalk => {
                stuff(&mut caller, inside).await?;
                walk(&mut caller).await
            }
            Self::Injection => inject(&mut caller).await,
            Self::ForgedToken => {
                caller.token = Some(tokens::forged(1));
                expect(caller.get("/api/me").await?.status, 200)
            }
            Self::TokenInTarget => {
                let token = account(&mut caller, inside, 30).await?;
                expect(caller.get(&format!("/api/reports?year=2026&access_token={token}")).await?.status, 200)
            }
            Self::Export => expect(caller.get("/api/admin/export").await?.status, 200),
            Self::StackTrace => {
                caller.token = Some(account(&mut caller, inside, 31).await?);
                expect(caller.get("/api/reports?year=twenty").await?.status, 500)
            }
            Self::OldVersion => {
                caller.token = Some(account(&mut caller, inside, 32).await?);
                expect(caller.get("/api/v0/me").await?.status, 200)
            }
        }
    }
}

async fn scan(caller: &mut Caller) -> Result<(), String> {
    for path in [
        ".git/HEAD",
        ".git/config",
        ".env",
        ".svn/entries",
        "backup.sql",
        "backup.zip",
        "db.sqlite",
        "dump.sql",
        "admin",
        "admin/login",
        "administrator",
        "phpmyadmin",
        "wp-login.php",
        "wp-admin",
        "server-status",
        "config.php",
        "config.yml",
        "console",
        "actuator/env",
        "actuator/heapdump",
        "swagger.json",
        "openapi.json",
        "debug",
        "test",
        "old",
        "tmp",
        "logs",
        "private",
        "upload",
        ".htpasswd",
        ".DS_Store",
        "id_rsa",
    ] {
        caller.get(&format!("/{path}")).await?;
    }
    Ok(())
}

/// A list from somewhere else: most of it fits nobody here.
async fn stuff(caller: &mut Caller, inside: &Shop) -> Result<(), String> {
    for (n, customer) in inside.customers.iter().skip(100).take(24).enumerate() {
        caller.log_in(&customer.email, &format!("sunshine{}", 1970 + n)).await?;
    }
    account(caller, inside, 124).await.map(|token| caller.token = Some(token))
}

async fn walk(caller: &mut Caller) -> Result<(), String> {
    for number in FIRST_ORDER + 40..FIRST_ORDER + 80 {
        caller.get(&format!("/api/orders/{number}")).await?;
    }
    Ok(())
}

async fn inject(caller: &mut Caller) -> Result<(), String> {
    for text in [
        "boots'",
        "boots' AND 1=1",
        "boots' OR '1'='1",
        "boots' ORDER BY 3 --",
        "boots' UNION SELECT NULL,NULL --",
        "boots' UNION SELECT email,password_hash FROM customers --",
    ] {
        let text = utf8_percent_encode(text, NON_ALPHANUMERIC);
        caller.get(&format!("/api/products?q={text}")).await?;
    }
    Ok(())
}

/// Logs in as a customer. The connection has no token afterwards.
async fn account(caller: &mut Caller, inside: &Shop, index: usize) -> Result<String, String> {
    let customer = inside.customers.get(index).ok_or("the shop has too few customers")?;
    expect(caller.log_in(&customer.email, &customer.password).await?.status, 200)?;
    caller.token.take().ok_or_else(|| "the shop gave no token".to_owned())
}

/// The story is only told as it is written when the shop has its faults.
fn expect(status: u16, expected: u16) -> Result<(), String> {
    if status == expected { Ok(()) } else { Err(format!("the shop answered {status} and not {expected}")) }
}
