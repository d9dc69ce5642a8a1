//! What happens to claims, for people.

use std::fmt;
use std::net::IpAddr;

use crate::addr::Mac;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nobody else has the VIP, tables answer for it, and this is being said.
    Announced { vip: IpAddr, interface: String },
    /// It is somebody else's, and therefore not announced.
    InUse {
        vip: IpAddr,
        interface: String,
        other: Mac,
    },
    /// It is announced, and somebody else speaks for it, too.
    Conflict {
        vip: IpAddr,
        interface: String,
        other: Mac,
    },
    /// Nobody else speaks for it any more.
    Settled { vip: IpAddr, interface: String },
    /// Nobody wants it announced any more, or not there.
    Withdrawn { vip: IpAddr, interface: String },
}

impl Event {
    #[must_use]
    pub fn vip(&self) -> IpAddr {
        match self {
            Self::Announced { vip, .. }
            | Self::InUse { vip, .. }
            | Self::Conflict { vip, .. }
            | Self::Settled { vip, .. }
            | Self::Withdrawn { vip, .. } => *vip,
        }
    }

    #[must_use]
    pub fn interface(&self) -> &str {
        match self {
            Self::Announced { interface, .. }
            | Self::InUse { interface, .. }
            | Self::Conflict { interface, .. }
            | Self::Settled { interface, .. }
            | Self::Withdrawn { interface, .. } => interface,
        }
    }

    /// Whether somebody has to look at it.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Conflict { .. })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Announced { vip, interface } => write!(f, "{vip} is announced on {interface}"),
            Self::InUse {
                vip,
                interface,
                other,
            } => write!(
                f,
                "{vip} is in use by {other} on {interface}: it is not announced; take it from that box, or serve another address"
            ),
            Self::Conflict {
                vip,
                interface,
                other,
            } => write!(
                f,
                "{other} speaks for {vip} on {interface}, too: clients may reach it instead; take the address from that box"
            ),
            Self::Settled { vip, interface } => {
                write!(f, "nobody else speaks for {vip} on {interface} any more")
            }
            Self::Withdrawn { vip, interface } => {
                write!(f, "{vip} is no longer announced on {interface}")
            }
        }
    }
}
