//! Numbers with a range, and what is said to those outside it.

use std::fmt;

use thiserror::Error;

use super::{PortsTextError, Protocol};

/// Size of a Maglev table: a prime, 251 to 65537. The default is 16381.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaglevSize(u32);

/// A backend's share: 0 (takes no new connection: drains) to 1000; 1 unless said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

/// Idle timeout of an established flow, in seconds: 1 to 28800.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdleTimeout(u32);

/// How long a client keeps its backend without packets and new connections, in seconds: 1 to
/// 86400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Persist(u32);

/// Most that the maximum segment size in SYN and SYN+ACK may be, in bytes: 536 (what every IPv4
/// host must take, RFC 9293 §3.7.1) to 65495.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MssClamp(u16);

/// What keeps text or a number from being one of the values of this module.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    #[error("unknown protocol `{value}`: use tcp, udp or icmp")]
    Protocol { value: String },
    #[error("unknown mode `{value}`: use dnat, fullnat, onearm, dsr, ipip or gue")]
    Mode { value: String },
    #[error("unknown noBackend `{value}`: use reject, drop or pass")]
    NoBackend { value: String },
    #[error(
        "Maglev table size {value} is not a prime from {min} to {max}: use {nearest}, or leave it out for {default}",
        min = MaglevSize::MIN, max = MaglevSize::MAX, default = MaglevSize::DEFAULT.0
    )]
    MaglevSize { value: u64, nearest: u32 },
    #[error("weight {value} is not from 0 to {max}: use 0 to drain, or scale all weights of the service down", max = Weight::MAX)]
    Weight { value: u64 },
    #[error("idle timeout {value} s is not from 1 to {max} s: use a value in this range, or leave it out", max = IdleTimeout::MAX)]
    IdleTimeout { value: u64 },
    #[error("persist {value} s is not from 1 to {max} s: use a value in this range, or leave it out", max = Persist::MAX)]
    Persist { value: u64 },
    #[error(
        "mssClamp {value} is not from {min} to {max}: use a value in this range (1440 suits IPv4 over an MTU of 1480), or leave it out",
        min = MssClamp::MIN, max = MssClamp::MAX
    )]
    MssClamp { value: u64 },
    #[error("maxConnections {value} is not from 1 to {max}: use weight 0 for none, or leave it out for no limit", max = u32::MAX)]
    MaxConnections { value: u64 },
    #[error("tunnelPort {value} is not from 1 to 65535: use a UDP port, or leave it out for {default}", default = super::Mode::GUE_PORT)]
    TunnelPort { value: u64 },
    #[error("tunnelPort {value} with mode {mode}, which has none: leave it out, or use mode gue")]
    TunnelPortMode { value: u64, mode: super::Mode },
    #[error(
        "`{value}` is not an endpoint: write ADDRESS:PORT or ADDRESS, such as 31.31.31.1:8080 or [2001:db8::1]:8080"
    )]
    Endpoint { value: String },
    #[error(
        "port 0 in `{value}` is not a port: use 1 to 65535, or leave it out for the port that the client asked for"
    )]
    EndpointPort { value: String },
    #[error(
        "`{value}` is not a service: write VIP:PORTS/PROTOCOL, such as 20.20.20.1:2020/tcp, 20.20.20.1:80-90/tcp, [2001:db8::1]:*/udp or 20.20.20.1/icmp"
    )]
    ServiceKey { value: String },
    #[error(transparent)]
    Ports(#[from] PortsTextError),
}

impl MaglevSize {
    pub const MIN: u32 = 251;
    pub const MAX: u32 = 65537;
    pub const DEFAULT: Self = Self(16381);

    /// A table size.
    ///
    /// # Errors
    /// Not a prime from 251 to 65537: the error names the nearest that is.
    pub fn new(value: u64) -> Result<Self, ValueError> {
        match u32::try_from(value) {
            Ok(size) if (Self::MIN..=Self::MAX).contains(&size) && is_prime(size) => Ok(Self(size)),
            _ => Err(ValueError::MaglevSize {
                value,
                nearest: nearest_size(value),
            }),
        }
    }

    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for MaglevSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

fn is_prime(n: u32) -> bool {
    n >= 2
        && (2..)
            .take_while(|d| d * d <= n)
            .all(|d| !n.is_multiple_of(d))
}

fn nearest_size(value: u64) -> u32 {
    let range = u64::from(MaglevSize::MIN)..=u64::from(MaglevSize::MAX);
    let from = u32::try_from(value.clamp(*range.start(), *range.end())).unwrap_or(MaglevSize::MAX);
    (0..=MaglevSize::MAX)
        .flat_map(|d| [from.saturating_sub(d), from.saturating_add(d)])
        .find(|n| (MaglevSize::MIN..=MaglevSize::MAX).contains(n) && is_prime(*n))
        .unwrap_or(MaglevSize::DEFAULT.0)
}

impl Weight {
    pub const MAX: u16 = 1000;
    pub const DRAIN: Self = Self(0);
    pub const ONE: Self = Self(1);

    /// A weight.
    ///
    /// # Errors
    /// More than 1000.
    pub fn new(value: u64) -> Result<Self, ValueError> {
        match u16::try_from(value) {
            Ok(weight) if weight <= Self::MAX => Ok(Self(weight)),
            _ => Err(ValueError::Weight { value }),
        }
    }

    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

impl IdleTimeout {
    pub const MAX: u32 = 28800;
    const DEFAULT_TCP: Self = Self(1800);
    const DEFAULT_UDP: Self = Self(180);

    /// An idle timeout from seconds.
    ///
    /// # Errors
    /// Not from 1 to 28800.
    pub fn new(seconds: u64) -> Result<Self, ValueError> {
        match u32::try_from(seconds) {
            Ok(value) if (1..=Self::MAX).contains(&value) => Ok(Self(value)),
            _ => Err(ValueError::IdleTimeout { value: seconds }),
        }
    }

    /// Of a service that does not say: 30 minutes for TCP, 3 minutes for UDP.
    #[must_use]
    pub fn default_of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::DEFAULT_TCP,
            Protocol::Udp | Protocol::Icmp => Self::DEFAULT_UDP,
        }
    }

    /// Seconds.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Persist {
    pub const MAX: u32 = 86400;

    /// From seconds.
    ///
    /// # Errors
    /// Not from 1 to 86400.
    pub fn new(seconds: u64) -> Result<Self, ValueError> {
        match u32::try_from(seconds) {
            Ok(value) if (1..=Self::MAX).contains(&value) => Ok(Self(value)),
            _ => Err(ValueError::Persist { value: seconds }),
        }
    }

    /// Seconds.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl MssClamp {
    pub const MIN: u16 = 536;
    pub const MAX: u16 = 65495;

    /// From bytes.
    ///
    /// # Errors
    /// Not from 536 to 65495.
    pub fn new(bytes: u64) -> Result<Self, ValueError> {
        match u16::try_from(bytes) {
            Ok(value) if (Self::MIN..=Self::MAX).contains(&value) => Ok(Self(value)),
            _ => Err(ValueError::MssClamp { value: bytes }),
        }
    }

    /// Bytes.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for MaglevSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
