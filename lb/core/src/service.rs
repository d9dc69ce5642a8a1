//! Services and backends: what one entry of a document says, in types that cannot be invalid.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;

use thiserror::Error;

use crate::addr::{AddressError, check_unicast};

#[cfg(test)]
mod tests;

/// Most backends of one service.
pub const MAX_BACKENDS_PER_SERVICE: usize = 4096;
/// Longest name of a service, in bytes.
pub const MAX_NAME_BYTES: usize = 253;

/// Transport protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Where a service listens: unique over all documents. Displayed as `20.20.20.1:2020/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    pub vip: IpAddr,
    pub port: NonZeroU16,
    pub protocol: Protocol,
}

/// How packets reach a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The destination is rewritten; the client's address is kept; replies pass the appliance.
    Dnat,
    /// The source is rewritten, too: to the VIP.
    Fullnat,
    /// The source is rewritten to the appliance's own address on the backend's subnet.
    Onearm,
}

/// How a backend is chosen for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Maglev hashing (Eisenbud et al., NSDI 2016) with a table of this many slots.
    Maglev(MaglevSize),
    /// Strict smooth weighted order over new connections.
    RoundRobin,
}

/// Size of a Maglev table: a prime, 251 to 65537. The default is 16381.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaglevSize(u32);

/// What a packet of a service without usable backend gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NoBackend {
    /// TCP: RST; UDP: ICMP port unreachable.
    #[default]
    Reject,
    Drop,
    /// To the stack.
    Pass,
}

/// A backend's share: 0 (takes no new connection: drains) to 1000; 1 unless said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

/// Idle timeout of an established flow, in seconds: 1 to 28800.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdleTimeout(u32);

/// Address and port of a backend, unique within its service. Displayed as `31.31.31.1:8080`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    pub addr: IpAddr,
    pub port: NonZeroU16,
}

/// What a service does with its packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    pub selection: Selection,
    pub no_backend: NoBackend,
    /// None: `IdleTimeout::default_of` the protocol.
    pub idle: Option<IdleTimeout>,
    /// Replies go back to the MAC address that the client's packets came from.
    pub last_hop: bool,
}

/// One service of a document. `backends` may be empty. Made by `Service::new`; a document checks
/// it again, so that a service changed by hand cannot enter one unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub key: ServiceKey,
    /// What people call it; unique within a document if given.
    pub name: Option<String>,
    pub policy: Policy,
    pub backends: BTreeMap<Endpoint, Weight>,
}

/// What keeps text or a number from being one of the values of this module.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    #[error("unknown protocol `{value}`: use tcp or udp")]
    Protocol { value: String },
    #[error("unknown mode `{value}`: use dnat, fullnat or onearm")]
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
    #[error("`{value}` is not an endpoint: write ADDRESS:PORT, such as 31.31.31.1:8080")]
    Endpoint { value: String },
    #[error("`{value}` is not a service: write VIP:PORT/PROTOCOL, such as 20.20.20.1:2020/tcp")]
    ServiceKey { value: String },
    #[error("port 0 in `{value}` is not a port: use 1 to 65535")]
    PortZero { value: String },
}

/// What keeps parts from being a service. `path` says which field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServiceError {
    #[error("the VIP cannot be served")]
    Vip(#[source] AddressError),
    #[error("a name of {bytes} bytes is not from 1 to {max} bytes: shorten it or leave it out", max = MAX_NAME_BYTES)]
    NameLength { bytes: usize },
    #[error("name `{name}` has a space or control character: use visible characters only")]
    NameCharacter { name: String },
    #[error("{count} backends are more than {max}: split the service", max = MAX_BACKENDS_PER_SERVICE)]
    TooManyBackends { count: usize },
    #[error("backend {endpoint} cannot be used")]
    Backend {
        index: usize,
        endpoint: Endpoint,
        #[source]
        source: AddressError,
    },
    #[error(
        "backend {endpoint} is not of the family of its VIP {vip}: the families never mix, give an address of the VIP's family"
    )]
    FamilyMixed {
        index: usize,
        endpoint: Endpoint,
        vip: IpAddr,
    },
    #[error(
        "backend {endpoint} is listed twice, first at backends[{first}]: list it once, with the weight it should have"
    )]
    DuplicateBackend {
        index: usize,
        first: usize,
        endpoint: Endpoint,
    },
    #[error(
        "backend {endpoint} is the service itself, which would send packets in a circle: give the address of the server"
    )]
    BackendIsService { index: usize, endpoint: Endpoint },
}

impl ServiceError {
    /// The field within the service, in the words of the API: `vip`, `name`, `backends`,
    /// `backends[2].address`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Vip(_) => "vip".to_owned(),
            Self::NameLength { .. } | Self::NameCharacter { .. } => "name".to_owned(),
            Self::TooManyBackends { .. } => "backends".to_owned(),
            Self::Backend { index, .. } | Self::FamilyMixed { index, .. } => {
                format!("backends[{index}].address")
            }
            Self::DuplicateBackend { index, .. } | Self::BackendIsService { index, .. } => {
                format!("backends[{index}]")
            }
        }
    }
}

impl Service {
    /// A service from its parts, or everything that is wrong with them. The index in an error is
    /// the backend's place in `backends`.
    ///
    /// # Errors
    /// All that apply, in the order of the fields.
    pub fn new(
        key: ServiceKey,
        name: Option<String>,
        policy: Policy,
        backends: Vec<(Endpoint, Weight)>,
    ) -> Result<Self, Vec<ServiceError>> {
        let mut errors = Vec::new();
        let mut first_at = BTreeMap::new();
        for (index, &(endpoint, _)) in backends.iter().enumerate() {
            match first_at.get(&endpoint) {
                Some(&first) => {
                    errors.push(ServiceError::DuplicateBackend {
                        index,
                        first,
                        endpoint,
                    });
                }
                None => {
                    first_at.insert(endpoint, index);
                }
            }
        }
        let service = Self {
            key,
            name,
            policy,
            backends: backends.into_iter().collect(),
        };
        let place = |endpoint: &Endpoint| first_at.get(endpoint).copied().unwrap_or(0);
        errors.extend(service.errors(place));
        if errors.is_empty() {
            Ok(service)
        } else {
            Err(errors)
        }
    }

    /// Everything that is wrong with the service; the index in an error is the backend's place in
    /// the order of endpoints.
    #[must_use]
    pub fn check(&self) -> Vec<ServiceError> {
        self.errors(|endpoint| self.backends.range(..endpoint).count())
    }

    fn errors(&self, place: impl Fn(&Endpoint) -> usize) -> Vec<ServiceError> {
        let mut errors = Vec::new();
        let vip = self.key.vip;
        if let Err(error) = check_unicast(vip) {
            errors.push(ServiceError::Vip(error));
        }
        if let Some(name) = &self.name {
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                errors.push(ServiceError::NameLength { bytes: name.len() });
            } else if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
                errors.push(ServiceError::NameCharacter { name: name.clone() });
            }
        }
        if self.backends.len() > MAX_BACKENDS_PER_SERVICE {
            errors.push(ServiceError::TooManyBackends {
                count: self.backends.len(),
            });
        }
        for endpoint in self.backends.keys() {
            errors.extend(self.backend_error(*endpoint, place(endpoint)));
        }
        errors
    }

    fn backend_error(&self, endpoint: Endpoint, index: usize) -> Option<ServiceError> {
        let vip = self.key.vip;
        if endpoint.addr.is_ipv4() != vip.is_ipv4() {
            return Some(ServiceError::FamilyMixed {
                index,
                endpoint,
                vip,
            });
        }
        if let Err(source) = check_unicast(endpoint.addr) {
            return Some(ServiceError::Backend {
                index,
                endpoint,
                source,
            });
        }
        if endpoint.addr == vip && endpoint.port == self.key.port {
            return Some(ServiceError::BackendIsService { index, endpoint });
        }
        None
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Dnat,
            selection: Selection::Maglev(MaglevSize::DEFAULT),
            no_backend: NoBackend::Reject,
            idle: None,
            last_hop: false,
        }
    }
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
    n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
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
            Protocol::Udp => Self::DEFAULT_UDP,
        }
    }

    /// Seconds.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Protocol {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The number in an IP header.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// From the number in an IP header.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(ValueError::Protocol {
                value: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dnat => "dnat",
            Self::Fullnat => "fullnat",
            Self::Onearm => "onearm",
        })
    }
}

impl FromStr for Mode {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "dnat" => Ok(Self::Dnat),
            "fullnat" => Ok(Self::Fullnat),
            "onearm" => Ok(Self::Onearm),
            _ => Err(ValueError::Mode {
                value: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for NoBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reject => "reject",
            Self::Drop => "drop",
            Self::Pass => "pass",
        })
    }
}

impl FromStr for NoBackend {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "reject" => Ok(Self::Reject),
            "drop" => Ok(Self::Drop),
            "pass" => Ok(Self::Pass),
            _ => Err(ValueError::NoBackend {
                value: text.to_owned(),
            }),
        }
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

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&SocketAddr::new(self.addr, self.port.get()), f)
    }
}

impl FromStr for Endpoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let socket: SocketAddr = text.parse().map_err(|_| ValueError::Endpoint {
            value: text.to_owned(),
        })?;
        let port = NonZeroU16::new(socket.port()).ok_or_else(|| ValueError::PortZero {
            value: text.to_owned(),
        })?;
        Ok(Self {
            addr: socket.ip(),
            port,
        })
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = Endpoint {
            addr: self.vip,
            port: self.port,
        };
        write!(f, "{endpoint}/{}", self.protocol)
    }
}

impl FromStr for ServiceKey {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let form = || ValueError::ServiceKey {
            value: text.to_owned(),
        };
        let (endpoint, protocol) = text.rsplit_once('/').ok_or_else(form)?;
        let endpoint: Endpoint = endpoint.parse().map_err(|error| match error {
            ValueError::PortZero { .. } => error,
            _ => form(),
        })?;
        Ok(Self {
            vip: endpoint.addr,
            port: endpoint.port,
            protocol: protocol.parse()?,
        })
    }
}
