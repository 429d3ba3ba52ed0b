//! Customers who mean no harm. What they do must give no alert that accuses them.

use std::net::SocketAddr;
use std::time::Duration;

use super::api::Shop;
use super::caller::Caller;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// How many of the shop's customers come by.
const PEOPLE: u8 = 6;

/// The last part of the first one's address.
const FIRST_HOST: u8 = 11;

/// How long somebody looks at a page.
const LOOK: Duration = Duration::from_millis(80);

/// How often somebody has been there: who comes again knows the password, and where to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    First,
    Again,
}

/// Everybody comes by once.
pub(super) async fn come_by(shop: SocketAddr, inside: &Shop, visit: Visit) -> Result<(), String> {
    let people = (0..PEOPLE).zip(&inside.customers);
    for (n, customer) in people {
        let mut caller = Caller::connect(shop, FIRST_HOST + n, BROWSER).await?;
        // One in three mistypes.
        if visit == Visit::First && n % 3 == 1 {
            caller.log_in(&customer.email, &customer.password.to_uppercase()).await?;
            tokio::time::sleep(LOOK).await;
        }
        // Who follows a bookmark is asked to log in first.
        if visit == Visit::First && n % 3 == 2 {
            caller.get("/api/me").await?;
        }
        caller.log_in(&customer.email, &customer.password).await?;
        caller.get("/api/me").await?;
        caller.get("/api/products?q=boots").await?;
        tokio::time::sleep(LOOK).await;
        let orders = caller.get("/api/orders").await?.content;
        let numbers = orders["orders"].as_array().into_iter().flatten().filter_map(|order| order["number"].as_u64());
        for number in numbers {
            caller.get(&format!("/api/orders/{number}")).await?;
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}

/// People come by until nobody polls this any more, or the shop is gone.
pub(super) async fn keep_coming(shop: SocketAddr, inside: &Shop) {
    while come_by(shop, inside, Visit::Again).await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
