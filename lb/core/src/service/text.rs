//! The words and forms of services, read and shown.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;

use super::{Endpoint, Mode, NoBackend, Ports, Protocol, ServiceKey, ValueError};

impl Protocol {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }

    /// The number in an IPv4 header; with IPv6, ICMP has 58.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Icmp => 1,
        }
    }

    /// From the number in an IP header.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            1 | 58 => Some(Self::Icmp),
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
            "icmp" => Ok(Self::Icmp),
            _ => Err(ValueError::Protocol {
                value: text.to_owned(),
            }),
        }
    }
}

impl Mode {
    /// Destination port of GUE where none is given (RFC draft-ietf-intarea-gue, IANA).
    pub const GUE_PORT: NonZeroU16 = NonZeroU16::new(6080).expect("it is not 0");

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dnat => "dnat",
            Self::Fullnat => "fullnat",
            Self::Onearm => "onearm",
            Self::Dsr => "dsr",
            Self::Ipip => "ipip",
            Self::Gue { .. } => "gue",
        }
    }

    /// The mode with a tunnel's port, if one is given.
    ///
    /// # Errors
    /// Not from 1 to 65535, or the mode has no such port.
    pub fn with_tunnel_port(self, port: Option<u64>) -> Result<Self, ValueError> {
        let Some(value) = port else { return Ok(self) };
        let port = u16::try_from(value).ok().and_then(NonZeroU16::new);
        match (self, port) {
            (Self::Gue { .. }, Some(port)) => Ok(Self::Gue { port }),
            (Self::Gue { .. }, None) => Err(ValueError::TunnelPort { value }),
            (mode, _) => Err(ValueError::TunnelPortMode { value, mode }),
        }
    }
}

/// The word alone, without GUE's port.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `gue` has the port 6080.
impl FromStr for Mode {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "dnat" => Ok(Self::Dnat),
            "fullnat" => Ok(Self::Fullnat),
            "onearm" => Ok(Self::Onearm),
            "dsr" => Ok(Self::Dsr),
            "ipip" => Ok(Self::Ipip),
            "gue" => Ok(Self::Gue {
                port: Self::GUE_PORT,
            }),
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

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => fmt::Display::fmt(&SocketAddr::new(self.addr, port.get()), f),
            None => fmt::Display::fmt(&self.addr, f),
        }
    }
}

impl FromStr for Endpoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(addr) = address(text) {
            return Ok(Self { addr, port: None });
        }
        let socket: SocketAddr = text.parse().map_err(|_| ValueError::Endpoint {
            value: text.to_owned(),
        })?;
        let port = NonZeroU16::new(socket.port()).ok_or_else(|| ValueError::EndpointPort {
            value: text.to_owned(),
        })?;
        Ok(Self {
            addr: socket.ip(),
            port: Some(port),
        })
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vip,
            ports,
            protocol,
        } = self;
        match (ports, vip) {
            (Ports::None, _) => write!(f, "{vip}/{protocol}"),
            (_, IpAddr::V4(_)) => write!(f, "{vip}:{ports}/{protocol}"),
            (_, IpAddr::V6(_)) => write!(f, "[{vip}]:{ports}/{protocol}"),
        }
    }
}

impl FromStr for ServiceKey {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let form = || ValueError::ServiceKey {
            value: text.to_owned(),
        };
        let (place, protocol) = text.rsplit_once('/').ok_or_else(form)?;
        let protocol: Protocol = protocol.parse()?;
        if protocol == Protocol::Icmp {
            return Ok(Self {
                vip: address(place).ok_or_else(form)?,
                ports: Ports::None,
                protocol,
            });
        }
        let (vip, ports) = place.rsplit_once(':').ok_or_else(form)?;
        // An IPv6 address stands in brackets before a port.
        let vip = address(vip)
            .filter(|addr| addr.is_ipv4() || vip.starts_with('['))
            .ok_or_else(form)?;
        Ok(Self {
            vip,
            ports: ports.parse()?,
            protocol,
        })
    }
}

/// An address, of IPv6 also in brackets.
fn address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}
