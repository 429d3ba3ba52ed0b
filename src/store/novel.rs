//! Which revisions the store has already: reading a capture again makes the same ones.

use std::collections::HashSet;
use std::time::Duration;

use clickhouse::Row;
use serde::Deserialize;
use tokio::time::sleep;

use super::schema::ALERTS_BY_ID;
use super::writer::Target;

/// How long to wait before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Row, Deserialize)]
struct Known {
    alert_id: String,
    revision: u32,
}

/// Those of `revisions`, an alert's id and a number each, that the store has. Asks until there is an answer.
pub async fn known(target: &Target, revisions: &[(u128, u32)]) -> HashSet<(u128, u32)> {
    // Ids are numbers: there is nothing in them that could end a literal.
    let ids: Vec<_> = revisions.iter().map(|(id, _)| format!("'{}'", hyphenated(*id))).collect();
    let sql = format!(
        "SELECT toString(alert_id) AS alert_id, revision FROM {ALERTS_BY_ID} WHERE alert_id IN ({})",
        ids.join(",")
    );
    loop {
        if let Ok(client) = target.connect_for_questions()
            && let Ok(rows) = client.query(&sql).fetch_all::<Known>().await
        {
            let id = |text: &str| u128::from_str_radix(&text.replace('-', ""), 16).ok();
            return rows.into_iter().filter_map(|row| Some((id(&row.alert_id)?, row.revision))).collect();
        }
        // What is wrong is told by the writer, who is asked to connect as well.
        sleep(PAUSE).await;
    }
}

/// The text of a UUID (RFC 9562 section 4).
fn hyphenated(id: u128) -> String {
    let hex = format!("{id:032x}");
    let (a, rest) = hex.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_like_uuids() {
        assert_eq!(hyphenated(0xb36a_c19d_f4a8_8dc8_903e_645a_5430_bdb2), "b36ac19d-f4a8-8dc8-903e-645a5430bdb2");
    }
}
