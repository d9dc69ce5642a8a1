//! Moments, as text of UTC (RFC 3339), and spans, as operators write them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[cfg(test)]
mod tests;

const MS_PER_DAY: u64 = 86_400_000;

/// Milliseconds since 1970, by the clock on the wall. Displayed as `2026-11-21T16:35:12.042Z`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, format = DateTime, example = "2026-11-21T16:35:12.042Z")]
pub struct Timestamp(pub u64);

/// Text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no moment of UTC such as 2026-11-21T16:35:12.042Z")]
pub struct TimestampError(String);

impl Timestamp {
    /// A clock that is set to before 1970 says 1970.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since.as_millis().try_into().unwrap_or(u64::MAX))
    }

    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(span.as_millis().try_into().unwrap_or(u64::MAX)),
        )
    }

    /// How long after `earlier`; nothing if before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// `2026-11-21 16:35:12`, for tables.
    pub fn to_second(self) -> String {
        let (date, time) = self.parts();
        format!("{date} {time}")
    }

    fn parts(self) -> (String, String) {
        let (year, month, day) = civil(self.0 / MS_PER_DAY);
        let second = self.0 % MS_PER_DAY / 1000;
        let (hour, minute) = (second / 3600, second / 60 % 60);
        (
            format!("{year:04}-{month:02}-{day:02}"),
            format!("{hour:02}:{minute:02}:{:02}", second % 60),
        )
    }
}

/// The date that is so many days after 1970-01-01 in the Gregorian calendar, counted in eras of
/// 400 years that begin on the first of March.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The inverse of `civil`.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let shifted = (month + 9) % 12;
    let year = year.checked_sub(u64::from(month <= 2))?;
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = self.parts();
        write!(f, "{date}T{time}.{:03}Z", self.0 % 1000)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let error = || TimestampError(text.to_owned());
        parse(text).ok_or_else(error).and_then(|parsed| {
            // Whatever is not written as we write it (month 13, 24:00) is refused.
            let written = parsed.to_string();
            let short = written.replace(".000Z", "Z");
            (written == text || short == text)
                .then_some(parsed)
                .ok_or_else(error)
        })
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(number);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(number);
    let days = days(date.next()??, date.next()??, date.next()??)?;
    let second = time.next()?? * 3600 + time.next()?? * 60 + time.next()??;
    Some(Timestamp(
        days * MS_PER_DAY + second * 1000 + number(fraction)?,
    ))
}

/// At most four digits.
fn number(text: &str) -> Option<u64> {
    let is_short = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_short)
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, TimestampError> {
        text.parse()
    }
}

/// `90`, `90s`, `5m`, `1h`: whole seconds, minutes or hours; None: it is none of these.
pub fn parse_span(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(['s', 'm', 'h']);
    let seconds = match text.strip_prefix(digits)? {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = digits.parse().ok().filter(|_| is_number)?;
    count.checked_mul(seconds).map(Duration::from_secs)
}
