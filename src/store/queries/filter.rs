//! Which alerts are asked for.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use apitap_detectors::finding::{Family, Severity};

use super::conditions::Conditions;
use super::{DATABASE, Status};
use crate::alert::Fingerprint;
use crate::store::rows::{ALERT_REVISIONS, ALERT_STATUS, address, micros};
use crate::store::schema::{ALERTS_BY_CLIENT, ALERTS_BY_KEY};
use crate::time::Timestamp;

/// Which alerts are asked for. All that is given must hold; of a list, one.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Seen at this time or later.
    pub since: Option<Timestamp>,
    /// Begun before this time.
    pub until: Option<Timestamp>,
    /// With something that was stored at this time or later.
    pub ingested_since: Option<Timestamp>,
    /// Of this severity or a higher one.
    pub severity: Option<Severity>,
    /// Of these families.
    pub families: Vec<Family>,
    /// Of these detectors.
    pub detectors: Vec<String>,
    /// With a client of this network among its clients.
    pub client: Option<Network>,
    /// With this principal.
    pub principal: Option<String>,
    /// At this path template.
    pub endpoint: Option<String>,
    /// At this host.
    pub host: Option<String>,
    /// With this cause.
    pub fingerprint: Option<Fingerprint>,
    /// Where people stand with it: one of these.
    pub statuses: Vec<Status>,
    /// At most so many, the newest ones.
    pub limit: u32,
}

impl Filter {
    /// The start of a statement that selects the rows of the alerts, up to ORDER BY, from the narrowest table that fits.
    pub(super) fn keys(&self, conditions: &mut Conditions) -> String {
        let mut narrow = self.narrow(conditions).into_iter();
        let (table, first) = match narrow.next() {
            Some((table, condition)) => (table, Some(condition)),
            None => (ALERT_REVISIONS, None),
        };
        let rest = narrow.map(|(table, condition)| {
            format!(
                "(last_seen, alert_id, revision) GLOBAL IN (SELECT last_seen, alert_id, revision FROM {DATABASE}.{table} \
                 WHERE {condition})"
            )
        });
        let rest: Vec<_> = rest.collect();
        let all = first.into_iter().chain(rest).chain(self.common(conditions));
        format!("SELECT last_seen, alert_id, revision FROM {DATABASE}.{table}{}", where_all(all))
    }

    /// The conditions as columns of the main table have them, for what is read from there anyway.
    pub(super) fn on_revisions(&self, conditions: &mut Conditions) -> Vec<String> {
        let mut all = self.common(conditions);
        if let Some(Network { first, last }) = &self.client {
            let [first, last] = [first, last].map(|bound| conditions.add(bound.to_string(), "IPv6"));
            all.push(format!("arrayExists(one -> one BETWEEN {first} AND {last}, arrayPushBack(clients, client))"));
        }
        for (kind, value) in self.keyed() {
            all.push(format!("{kind} = {}", conditions.add(value, "String")));
        }
        all
    }

    /// Narrow tables with what is asked of each, the narrowest first.
    fn narrow(&self, conditions: &mut Conditions) -> Vec<(&'static str, String)> {
        let by_key = |conditions: &mut Conditions, (kind, value): (&'static str, String)| {
            let value = conditions.add(value, "String");
            (ALERTS_BY_KEY, format!("kind = '{kind}' AND value = {value}"))
        };
        let (precise, broad): (Vec<_>, Vec<_>) =
            self.keyed().into_iter().partition(|(kind, _)| matches!(*kind, "fingerprint" | "principal"));
        let mut narrow: Vec<_> = precise.into_iter().map(|key| by_key(conditions, key)).collect();
        narrow.extend(self.client.as_ref().map(|network| {
            let [first, last] = [network.first, network.last].map(|bound| conditions.add(bound.to_string(), "IPv6"));
            // Said in this way one address leaves the rows in their order.
            let condition = if network.first == network.last {
                format!("client = {first}")
            } else {
                format!("client BETWEEN {first} AND {last}")
            };
            (ALERTS_BY_CLIENT, condition)
        }));
        narrow.extend(broad.into_iter().map(|key| by_key(conditions, key)));
        narrow
    }

    fn keyed(&self) -> Vec<(&'static str, String)> {
        let fingerprint = self.fingerprint.map(|fingerprint| fingerprint.to_string());
        let all = [
            ("fingerprint", &fingerprint),
            ("principal", &self.principal),
            ("endpoint", &self.endpoint),
            ("host", &self.host),
        ];
        all.into_iter().filter_map(|(kind, value)| Some((kind, value.clone()?))).collect()
    }

    /// What every table can be asked. Each condition holds for all later revisions once it holds for one.
    fn common(&self, conditions: &mut Conditions) -> Vec<String> {
        let mut all = Vec::new();
        let times =
            [("last_seen >=", self.since), ("first_seen <", self.until), ("ingested_at >=", self.ingested_since)];
        for (condition, time) in times {
            all.extend(time.map(|time| format!("{condition} {}", conditions.time(micros(time)))));
        }
        all.extend(self.severity.map(|severity| format!("severity >= '{severity}'")));
        if !self.families.is_empty() {
            let families = self.families.iter().map(ToString::to_string).collect::<Vec<_>>();
            all.push(format!("family IN {}", conditions.add(families, "Array(String)")));
        }
        if !self.detectors.is_empty() {
            all.push(format!("detector IN {}", conditions.add(self.detectors.clone(), "Array(String)")));
        }
        if !self.statuses.is_empty() {
            all.push(with_status(&self.statuses));
        }
        all
    }
}

/// Alerts with one of `statuses`; most have none, which is to be open.
fn with_status(statuses: &[Status]) -> String {
    let asked = |status: &Status| statuses.contains(status);
    let (is_open, other) = (asked(&Status::Open), if asked(&Status::Open) { "NOT IN" } else { "IN" });
    let named: Vec<_> =
        Status::STORED.iter().filter(|status| asked(status) != is_open).map(|s| format!("'{s}'")).collect();
    if named.is_empty() {
        return "1".to_owned();
    }
    format!(
        "alert_id GLOBAL {other} (SELECT alert_id FROM {DATABASE}.{ALERT_STATUS} GROUP BY alert_id \
         HAVING argMax(status, (at, change)) IN ({}))",
        named.join(", ")
    )
}

/// `WHERE` all of `conditions`, when there are any.
pub(super) fn where_all(conditions: impl IntoIterator<Item = String>) -> String {
    let all = conditions.into_iter().collect::<Vec<_>>().join(" AND ");
    if all.is_empty() { all } else { format!(" WHERE {all}") }
}

/// One address, or a network of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: Ipv6Addr,
    last: Ipv6Addr,
}

impl FromStr for Network {
    type Err = String;

    /// Reads `10.0.0.1`, `10.0.0.0/8` or `2001:db8::/32`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("'{text}' is neither an address nor a network: write 10.0.0.1, 10.0.0.0/8 or 2001:db8::/32");
        let (ip, length) = match text.split_once('/') {
            Some((ip, length)) => (ip, Some(length.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        let free = bits - length.unwrap_or(bits).min(bits);
        if length.is_some_and(|length| length > bits) {
            return Err(wrong());
        }
        let mask = 1_u128.checked_shl(free).map_or(u128::MAX, |one| one - 1);
        let address = u128::from(address(ip));
        Ok(Self { first: (address & !mask).into(), last: (address | mask).into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_ranges() {
        let range = |text: &str| text.parse::<Network>().map(|network| format!("{} {}", network.first, network.last));
        assert_eq!(range("10.0.0.1").unwrap(), "::ffff:10.0.0.1 ::ffff:10.0.0.1");
        assert_eq!(range("10.9.9.9/8").unwrap(), "::ffff:10.0.0.0 ::ffff:10.255.255.255");
        assert_eq!(range("0.0.0.0/0").unwrap(), "::ffff:0.0.0.0 ::ffff:255.255.255.255");
        assert_eq!(range("2001:db8::1/32").unwrap(), "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(range("::/0").unwrap(), ":: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        for wrong in ["", "10.0.0", "10.0.0.1/33", "::/129", "10.0.0.1/", "10.0.0.1/-1", "a/8"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_user_wrote_is_never_part_of_the_statement() {
        let hostile = "'; DROP TABLE x --".to_owned();
        let filter = Filter {
            detectors: vec![hostile.clone()],
            principal: Some(hostile.clone()),
            endpoint: Some(hostile.clone()),
            host: Some(hostile),
            client: "10.0.0.0/8".parse().ok(),
            ..Filter::default()
        };
        let mut conditions = Conditions::default();
        let statement = filter.keys(&mut conditions) + &filter.on_revisions(&mut conditions).join(" AND ");
        assert!(!statement.contains("DROP"), "{statement}");
        assert!(statement.contains("FROM apitap.alerts_by_key WHERE kind = 'principal' AND value = {v1:String} AND"));
    }

    #[test]
    fn open_is_what_nobody_has_said_anything_about() {
        assert!(with_status(&[Status::Open]).contains("NOT IN (SELECT"));
        assert!(with_status(&[Status::Open]).ends_with("IN ('ack', 'resolved', 'reopened'))"));
        assert!(with_status(&[Status::Open, Status::Reopened]).ends_with("IN ('ack', 'resolved'))"));
        assert!(
            with_status(&[Status::Resolved]).ends_with("alert_id HAVING argMax(status, (at, change)) IN ('resolved'))")
        );
        assert_eq!(with_status(&[Status::Open, Status::Ack, Status::Resolved, Status::Reopened]), "1");
    }
}
