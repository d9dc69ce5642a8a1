//! The parts of a check, each with its one constructor, and what is said to what is none.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use super::CheckError;

/// How often is asked, how long is waited, and how many equal answers in a row count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timing {
    interval_ms: u32,
    timeout_ms: u32,
    rise: u32,
    fall: u32,
}

/// A host header (RFC 9110, 7.2): 1 to 255 visible characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostHeader(String);

/// Path and query of a request: `/`, and up to 1023 more visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpPath(String);

/// One HTTP status, or all from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

/// Statuses that are good: at least one range.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Statuses(Vec<StatusRange>);

/// What a body contains: 1 to 1024 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Substring(String);

/// Bytes of a datagram, up to 1024: text, or `hex:` and hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Payload(Vec<u8>);

/// A DNS name (RFC 1123, 2.1) or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(String);

/// An absolute path of a file with certificates in PEM. Whether it is one is asked where files are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaFile(String);

impl Timing {
    pub const INTERVAL_MS_MIN: u32 = 100;
    pub const INTERVAL_MS_MAX: u32 = 3_600_000;
    pub const INTERVAL_MS: u32 = 2000;
    pub const TIMEOUT_MS_MIN: u32 = 10;
    pub const TIMEOUT_MS_MAX: u32 = 60_000;
    pub const TIMEOUT_MS: u32 = 1000;
    pub const COUNT_MAX: u32 = 100;
    pub const RISE: u32 = 2;
    pub const FALL: u32 = 3;

    /// What is left out has its default.
    ///
    /// # Errors
    /// A value out of its range, or an interval that is shorter than the timeout.
    pub fn new(
        interval_ms: Option<u64>,
        timeout_ms: Option<u64>,
        rise: Option<u64>,
        fall: Option<u64>,
    ) -> Result<Self, CheckError> {
        let interval = interval_ms.unwrap_or(Self::INTERVAL_MS.into());
        let interval_ms = within(interval, Self::INTERVAL_MS_MIN, Self::INTERVAL_MS_MAX)
            .ok_or(CheckError::Interval { value: interval })?;
        let timeout = timeout_ms.unwrap_or(Self::default_timeout_ms(interval_ms).into());
        let timeout_ms = within(timeout, Self::TIMEOUT_MS_MIN, Self::TIMEOUT_MS_MAX)
            .ok_or(CheckError::Timeout { value: timeout })?;
        if timeout_ms > interval_ms {
            return Err(CheckError::IntervalShorter {
                interval: interval_ms,
                timeout: timeout_ms,
            });
        }
        let count = |field, value: Option<u64>, default: u32| {
            let value = value.unwrap_or(default.into());
            within(value, 1, Self::COUNT_MAX).ok_or(CheckError::Count { field, value })
        };
        Ok(Self {
            interval_ms,
            timeout_ms,
            rise: count("rise", rise, Self::RISE)?,
            fall: count("fall", fall, Self::FALL)?,
        })
    }

    /// Of a check that doesn't say.
    #[must_use]
    pub fn default_timeout_ms(interval_ms: u32) -> u32 {
        Self::TIMEOUT_MS.min(interval_ms)
    }

    #[must_use]
    pub fn interval_ms(&self) -> u32 {
        self.interval_ms
    }

    #[must_use]
    pub fn timeout_ms(&self) -> u32 {
        self.timeout_ms
    }

    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.into())
    }

    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    /// Good answers in a row after which a backend that is down is up.
    #[must_use]
    pub fn rise(&self) -> u32 {
        self.rise
    }

    /// Bad answers in a row after which a backend that is up is down.
    #[must_use]
    pub fn fall(&self) -> u32 {
        self.fall
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            interval_ms: Self::INTERVAL_MS,
            timeout_ms: Self::TIMEOUT_MS,
            rise: Self::RISE,
            fall: Self::FALL,
        }
    }
}

fn within(value: u64, min: u32, max: u32) -> Option<u32> {
    let value = u32::try_from(value).ok()?;
    (min..=max).contains(&value).then_some(value)
}

/// A port from a number on the wire.
///
/// # Errors
/// Not from 1 to 65535.
pub fn port(value: u64) -> Result<NonZeroU16, CheckError> {
    let port = u16::try_from(value).ok().and_then(NonZeroU16::new);
    port.ok_or(CheckError::Port { value })
}

fn is_visible(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl FromStr for HostHeader {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<Self, CheckError> {
        match is_visible(text, 255) {
            true => Ok(Self(text.to_owned())),
            false => Err(CheckError::Host {
                value: text.to_owned(),
            }),
        }
    }
}

impl FromStr for HttpPath {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<Self, CheckError> {
        let is_good = is_visible(text, 1024) && text.starts_with('/') && !text.contains('#');
        match is_good {
            true => Ok(Self(text.to_owned())),
            false => Err(CheckError::Path {
                value: text.to_owned(),
            }),
        }
    }
}

impl Default for HttpPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl FromStr for StatusRange {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<Self, CheckError> {
        let status = |digits: &str| {
            let is_number = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.parse().ok().filter(|_| is_number);
            number.filter(|status| (100..=599).contains(status))
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(CheckError::Status {
                value: text.to_owned(),
            }),
        }
    }
}

impl Statuses {
    /// None: an empty list, which no answer would meet.
    #[must_use]
    pub fn new(ranges: Vec<StatusRange>) -> Option<Self> {
        (!ranges.is_empty()).then_some(Self(ranges))
    }

    #[must_use]
    pub fn ranges(&self) -> &[StatusRange] {
        &self.0
    }

    #[must_use]
    pub fn contain(&self, status: u16) -> bool {
        let within = |range: &StatusRange| (range.first..=range.last).contains(&status);
        self.0.iter().any(within)
    }
}

/// 200 to 399: done, or to be found elsewhere.
impl Default for Statuses {
    fn default() -> Self {
        Self(vec![StatusRange {
            first: 200,
            last: 399,
        }])
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl FromStr for Substring {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<Self, CheckError> {
        match (1..=1024).contains(&text.len()) {
            true => Ok(Self(text.to_owned())),
            false => Err(CheckError::Substring { bytes: text.len() }),
        }
    }
}

impl Payload {
    const BYTES_MAX: usize = 1024;

    /// From text, or `hex:` and hexadecimal digits, of the field `send` or `expect`.
    ///
    /// # Errors
    /// Digits that are none, or more than 1024 bytes.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, CheckError> {
        let bytes = match text.strip_prefix("hex:") {
            None => text.as_bytes().to_vec(),
            Some(digits) => hexadecimal(digits).ok_or_else(|| CheckError::Hexadecimal {
                field,
                value: text.to_owned(),
            })?,
        };
        match bytes.len() <= Self::BYTES_MAX {
            true => Ok(Self(bytes)),
            false => Err(CheckError::PayloadLength {
                field,
                bytes: bytes.len(),
            }),
        }
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    let digit = |byte: u8| {
        (byte as char)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

/// As `Payload::parse` reads it.
impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain =
            |text: &&str| !text.starts_with("hex:") && text.chars().all(|c| !c.is_control());
        if let Some(text) = std::str::from_utf8(&self.0).ok().filter(plain) {
            return f.write_str(text);
        }
        f.write_str("hex:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ServerName {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<Self, CheckError> {
        let of_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(of_label)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_name = text.len() <= 253 && text.split('.').all(is_label);
        match is_name || text.parse::<IpAddr>().is_ok() {
            true => Ok(Self(text.to_owned())),
            false => Err(CheckError::ServerName {
                value: text.to_owned(),
            }),
        }
    }
}

impl FromStr for CaFile {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<Self, CheckError> {
        let is_path = text.starts_with('/') && text.len() <= 4096 && !text.contains('\0');
        match is_path {
            true => Ok(Self(text.to_owned())),
            false => Err(CheckError::CaFile {
                value: text.to_owned(),
            }),
        }
    }
}

/// Text that was checked by a constructor.
macro_rules! text {
    ($($name:ident),+) => {$(
        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

text!(HostHeader, HttpPath, Substring, ServerName, CaFile);
