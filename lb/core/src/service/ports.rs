//! Which ports of a VIP a service has.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use thiserror::Error;

use super::Protocol;

/// The ports of a service. Shown as `80`, `80-90`, `*`; of ICMP as nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    One(NonZeroU16),
    /// Inclusive; `first` is less than `last` (`Service::check`).
    Range {
        first: NonZeroU16,
        last: NonZeroU16,
    },
    /// All that no other service of the VIP and protocol has.
    Any,
    /// ICMP has none.
    None,
}

/// What keeps numbers from being the ports of a service.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortsError {
    #[error("a {protocol} service needs a port: give 1 to 65535, or 0 for any port")]
    Missing { protocol: Protocol },
    #[error("port {value} is not from 0 to 65535: use 1 to 65535, or 0 for any port")]
    Port { value: u64 },
    #[error("portMax {value} is not from 1 to 65535: give the last port of the range")]
    Last { value: u64 },
    #[error(
        "portMax {last} is below port {first}: give the lower as port and the higher as portMax"
    )]
    Reversed { first: u64, last: u64 },
    #[error(
        "portMax {last} with port 0, which is any port: leave portMax out, or give the first port"
    )]
    LastOfAny { last: u64 },
    #[error(
        "port {value} with protocol icmp, which has no ports: leave the port out, or use tcp or udp"
    )]
    Icmp { value: u64 },
}

impl PortsError {
    /// The field in the words of the API: `port` or `portMax`.
    #[must_use]
    pub fn path(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::Port { .. } | Self::Icmp { .. } => "port",
            Self::Last { .. } | Self::Reversed { .. } | Self::LastOfAny { .. } => "portMax",
        }
    }
}

impl Ports {
    /// The ports that numbers mean: `port` 0 is any port, `last` makes a range. ICMP has neither
    /// (0 says the same).
    ///
    /// # Errors
    /// Names the number, the rule and what to give instead.
    pub fn new(
        protocol: Protocol,
        port: Option<u64>,
        last: Option<u64>,
    ) -> Result<Self, PortsError> {
        if protocol == Protocol::Icmp {
            return match port.into_iter().chain(last).find(|value| *value != 0) {
                Some(value) => Err(PortsError::Icmp { value }),
                None => Ok(Self::None),
            };
        }
        let value = port.ok_or(PortsError::Missing { protocol })?;
        let port = u16::try_from(value).map_err(|_| PortsError::Port { value })?;
        let (first, last) = match (NonZeroU16::new(port), last) {
            (None, None) => return Ok(Self::Any),
            (None, Some(last)) => return Err(PortsError::LastOfAny { last }),
            (Some(first), None) => return Ok(Self::One(first)),
            (Some(first), Some(last)) => (first, last),
        };
        let number = u16::try_from(last).map_err(|_| PortsError::Last { value: last })?;
        let last = NonZeroU16::new(number).ok_or(PortsError::Last { value: last })?;
        if last < first {
            return Err(PortsError::Reversed {
                first: value,
                last: u64::from(number),
            });
        }
        Ok(Self::between(first, last))
    }

    /// From the first to the last, which may be the same.
    #[must_use]
    pub fn between(first: NonZeroU16, last: NonZeroU16) -> Self {
        if first == last {
            Self::One(first)
        } else {
            Self::Range { first, last }
        }
    }

    /// The first and the last by number, of `One` and `Range`.
    #[must_use]
    pub fn bounds(self) -> Option<(NonZeroU16, NonZeroU16)> {
        match self {
            Self::One(port) => Some((port, port)),
            Self::Range { first, last } => Some((first, last)),
            Self::Any | Self::None => None,
        }
    }

    /// Aligned blocks of 2^k ports that make them up, the fewest: at most 30.
    #[must_use]
    pub fn blocks(self) -> u32 {
        let Some((first, last)) = self.bounds() else {
            return u32::from(self == Self::Any);
        };
        let (mut first, end) = (u32::from(first.get()), u32::from(last.get()) + 1);
        let mut blocks = 0;
        while first < end {
            first += 1 << first.trailing_zeros().min((end - first).ilog2());
            blocks += 1;
        }
        blocks
    }

    /// Whether packets to a port may be the service's.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        match self.bounds() {
            Some((first, last)) => (first.get()..=last.get()).contains(&port),
            None => self == Self::Any,
        }
    }

    /// Whether two services of a VIP and protocol cannot have these. Any port goes beside numbers.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        match (self.bounds(), other.bounds()) {
            (Some(a), Some(b)) => a.0 <= b.1 && b.0 <= a.1,
            (None, None) => self == other,
            _ => false,
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(port) => fmt::Display::fmt(port, f),
            Self::Range { first, last } => write!(f, "{first}-{last}"),
            Self::Any => f.write_str("*"),
            Self::None => Ok(()),
        }
    }
}

/// Text that is none of `80`, `80-90` and `*`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortsTextError {
    #[error("`{value}` is not a port, a range or *: write 80, 80-90 or *")]
    Form { value: String },
    #[error("port 0 in `{value}` is not a port: use 1 to 65535, or * for any port")]
    Zero { value: String },
    #[error("range `{value}` ends before it begins: write the lower port first")]
    Reversed { value: String },
}

impl FromStr for Ports {
    type Err = PortsTextError;

    fn from_str(text: &str) -> Result<Self, PortsTextError> {
        let value = || text.to_owned();
        let number = |digits: &str| match digits.parse::<u16>() {
            Ok(number) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                NonZeroU16::new(number).ok_or_else(|| PortsTextError::Zero { value: value() })
            }
            _ => Err(PortsTextError::Form { value: value() }),
        };
        if text == "*" {
            return Ok(Self::Any);
        }
        match text.split_once('-') {
            None => Ok(Self::One(number(text)?)),
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return Err(PortsTextError::Reversed { value: value() });
                }
                Ok(Self::between(first, last))
            }
        }
    }
}
