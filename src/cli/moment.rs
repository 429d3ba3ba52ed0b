//! Points in time as people write them.

use std::str::FromStr;

use crate::time::{Span, Timestamp};

/// A point in time as somebody wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long ago.
    Ago(Span),
    /// Then.
    At(Timestamp),
}

impl Moment {
    /// When that is, seen from `now`.
    pub fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now - span,
            Self::At(time) => time,
        }
    }
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).map_or(Timestamp::MAX, Timestamp::from_nanos)
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}' is no time: write how long ago, as in 90s, 30m, 2h, 7d or 2w, or a date, as in 2026-11-24 or 2026-11-24T11:23"
            )
        };
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let seconds = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3_600),
            "d" => Some(86_400),
            "w" => Some(604_800),
            _ => None,
        };
        if let Some(seconds) = seconds {
            let number: u32 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
            return Ok(Self::Ago(Span::from_secs(number.checked_mul(seconds).ok_or_else(wrong)?)));
        }
        let absolute = text.parse::<jiff::Timestamp>().or_else(|_| {
            // Without an offset it is UTC, as everything that is shown.
            let day = |_| text.parse::<jiff::civil::Date>().map(Into::into);
            jiff::tz::Offset::UTC.to_timestamp(text.parse::<jiff::civil::DateTime>().or_else(day)?)
        });
        let nanos = absolute.map_err(|_| wrong())?.as_nanosecond();
        i64::try_from(nanos).map(|nanos| Self::At(Timestamp::from_nanos(nanos))).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_or_absolute() {
        let ago = |seconds| Ok(Moment::Ago(Span::from_secs(seconds)));
        let at = |seconds| Ok(Moment::At(Timestamp::from_parts(seconds, 0)));
        for (text, moment) in [
            ("90s", ago(90)),
            ("2h", ago(7_200)),
            ("7d", ago(604_800)),
            ("2w", ago(1_209_600)),
            ("0m", ago(0)),
            ("2023-11-14", at(1_699_920_000)),
            ("2023-11-14 22:13", at(1_699_999_980)),
            ("2023-11-14T22:13:20", at(1_700_000_000)),
            ("2023-11-14T22:13:20Z", at(1_700_000_000)),
            ("2023-11-15T00:13:20+02:00", at(1_700_000_000)),
        ] {
            assert_eq!(text.parse::<Moment>(), moment, "{text}");
        }
        for wrong in ["", "h", "-2h", "2", "2y", "99999999999w", "4294967295w", "tomorrow", "9999-01-01", "2023-13-01"]
        {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn so_long_ago_counts_from_now() {
        let now = Timestamp::from_parts(1_000, 0);
        assert_eq!(Moment::Ago(Span::from_secs(60)).seen_from(now), Timestamp::from_parts(940, 0));
        assert_eq!(Moment::At(now).seen_from(Timestamp::MAX), now);
    }
}
