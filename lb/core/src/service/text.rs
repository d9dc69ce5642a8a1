//! The words and forms of services, read and shown.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use super::{Endpoint, Mode, NoBackend, Protocol, ServiceKey, ValueError};

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
