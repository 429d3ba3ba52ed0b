//! What is written of an alert.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{AlertId, Confidence, Evidence, Family, Fingerprint, Severity};
use crate::time::Timestamp;

/// The state of an alert at one moment: immutable, told apart by `id` and `revision`, and the form that leaves the
/// sensor. Field names are those of the JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Which alert.
    pub id: AlertId,
    /// Which of its states, counted from 1.
    pub revision: u32,
    /// The identity of its cause.
    pub fingerprint: Fingerprint,
    /// Name of the sensor that saw it.
    pub sensor: String,
    /// Capture time of the first match.
    #[serde(with = "rfc3339")]
    pub first_seen: Timestamp,
    /// Capture time of the latest match.
    #[serde(with = "rfc3339")]
    pub last_seen: Timestamp,
    /// Capture time of this state.
    #[serde(with = "rfc3339")]
    pub ts: Timestamp,
    /// Whether more may come.
    pub state: State,
    /// Matches: exchanges for exchange detectors.
    pub count: u64,
    /// Items in all matches together; values that were sent twice count twice.
    pub items: u64,
    /// What kind of thing went wrong.
    pub family: Family,
    /// Name of the detector.
    pub detector: Cow<'static, str>,
    /// Which of its rules.
    pub rule: Cow<'static, str>,
    /// The highest of all matches.
    pub severity: Severity,
    /// The highest of all matches.
    pub confidence: Confidence,
    /// One line: what was found.
    pub title: Cow<'static, str>,
    /// Why it matters, and the numbers.
    pub description: String,
    /// What to do about it.
    pub remediation: Cow<'static, str>,
    /// The first client.
    pub client: IpAddr,
    /// The first clients, at most 64.
    pub clients: Vec<IpAddr>,
    /// How many clients; an estimate when `visibility` says `client_count_estimated`.
    pub client_count: u64,
    /// The principal of the first match, as a keyed hash.
    pub principal: Option<String>,
    /// The server of the first match.
    pub server: SocketAddr,
    /// The host that was asked for.
    pub host: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The path template.
    pub endpoint: Option<String>,
    /// The status code of the latest response.
    pub status: Option<u16>,
    /// The incident it belongs to. An incident is not an alert.
    pub incident: Option<String>,
    /// OWASP API Security Top 10 entry.
    pub owasp: Cow<'static, str>,
    /// Common Weakness Enumeration entry.
    pub cwe: Cow<'static, str>,
    /// MITRE ATT&CK technique; empty where none fits.
    pub attack: Cow<'static, str>,
    /// The first distinct pieces of evidence, masked.
    pub evidence: Vec<Evidence>,
    /// What was missing or odd about any of the matches, and what about this alert is not exact.
    pub visibility: Vec<Cow<'static, str>>,
}

/// Whether an alert may still grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It may.
    Open,
    /// It may not: a further match opens another alert with the same fingerprint.
    Closed,
}

/// Times as RFC 3339 text in UTC with microseconds.
mod rfc3339 {
    use jiff::fmt::temporal::DateTimePrinter;
    use serde::{Deserializer, Serializer, de};

    use super::{Deserialize, Timestamp};

    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        // 64 bits of nanoseconds reach from 1677 to 2262, so there is a date for each; 1970 stands in for a bug.
        let time = jiff::Timestamp::from_microsecond(time.as_micros()).unwrap_or_default();
        serializer.serialize_str(&PRINTER.timestamp_to_string(&time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let time: jiff::Timestamp = <&str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)?;
        i64::try_from(time.as_nanosecond())
            .map(Timestamp::from_nanos)
            .map_err(|_| de::Error::custom("a date between 1677 and 2262 was expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::open::tests::{alert, context, finding};

    #[test]
    fn a_revision_reads_as_designed() {
        let mut alert = alert(&finding("a", 1), &context("10.0.0.1:1000"), 1_700_000_000_123_456_789);
        let closed = alert.revise(Timestamp::from_nanos(1_700_000_001_000_000_000), State::Closed);
        let expected = concat!(
            r#"{"id":"b36ac19d-f4a8-8dc8-903e-645a5430bdb2","revision":1,"fingerprint":"f821bac20642167266c4da1e758d51bd","#,
            r#""sensor":"test","first_seen":"2023-11-14T22:13:20.123456Z","last_seen":"2023-11-14T22:13:20.123456Z","#,
            r#""ts":"2023-11-14T22:13:21.000000Z","state":"closed","count":1,"items":1,"family":"pii","#,
            r#""detector":"pii.test","rule":"a","severity":"medium","confidence":"medium","#,
            r#""title":"Something in a response","#,
            r#""description":"It should not be there. Seen in 1 exchange with 1 item, 1 client.","#,
            r#""remediation":"Remove it.","client":"10.0.0.1","clients":["10.0.0.1"],"client_count":1,"#,
            r#""principal":null,"server":"10.0.0.2:8080","host":"a.example","method":"GET","#,
            r#""endpoint":"/users/{id}","status":200,"incident":null,"owasp":"API3:2023","cwe":"CWE-359","attack":"","#,
            r#""evidence":[{"kind":"thing","location":{"part":"response.content","path":"$.a","offset":0},"#,
            r#""masked":"0***"}],"visibility":[]}"#,
        );
        assert_eq!(serde_json::to_string(&closed).unwrap(), expected);
    }

    #[test]
    fn times_are_utc_with_microseconds() {
        let text = |nanos| {
            let mut out = Vec::new();
            rfc3339::serialize(&Timestamp::from_nanos(nanos), &mut serde_json::Serializer::new(&mut out)).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(0), "\"1970-01-01T00:00:00.000000Z\"");
        assert_eq!(text(1_700_000_000_123_456_999), "\"2023-11-14T22:13:20.123456Z\"");
        assert_eq!(text(i64::MAX), "\"2262-04-11T23:47:16.854775Z\"");
        assert_eq!(text(i64::MIN), "\"1677-09-21T00:12:43.145224Z\"");
    }

    #[test]
    fn what_was_written_can_be_read() {
        let revision = alert(&finding("a", 3), &context("[2001:db8::1]:1000"), 1_700_000_000_123_456_000)
            .revise(Timestamp::from_nanos(1_700_000_001_000_000_000), State::Open);
        let line = serde_json::to_string(&revision).unwrap();
        assert_eq!(serde_json::from_str::<Revision>(&line).unwrap(), revision);
    }
}
