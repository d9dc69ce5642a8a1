//! What the box is, as the kernel tells it by netlink.
//!
//! [`Watcher`] subscribes to links, addresses, routes and neighbours. An event only says *what kind
//! of thing* changed; that kind is then read whole. So nothing drifts: a lost event (ENOBUFS) or a
//! slow tick leads to the same reading. All sockets are of the namespace that the caller is in.

mod events;
mod keep;
mod read;
mod socket;
#[cfg(test)]
mod tests;
mod watcher;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use lb_core::addr::{Mac, Prefix};
use lb_core::facts::Route;
use lb_core::vlan::{Vlan, VlanId, VlanProtocol};

use crate::attach::Mode;

pub use socket::Requests;
pub use watcher::Watcher;

/// Everything netlink says of the box.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RawFacts {
    /// All links, by name.
    pub links: BTreeMap<String, RawLink>,
    /// Every address of the box, on any link.
    pub own: BTreeSet<IpAddr>,
    /// Unicast routes of the main table; of equal prefixes the one with the lowest metric.
    pub routes: BTreeSet<Route>,
    /// Resolved neighbours: (ifindex, address) -> MAC.
    pub neighbours: BTreeMap<(u32, IpAddr), Mac>,
}

/// A link, attached or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawLink {
    pub ifindex: u32,
    /// None where the link has no Ethernet address.
    pub mac: Option<Mac>,
    /// Of the IP packet, bytes.
    pub mtu: u32,
    /// Administratively up and with carrier.
    pub up: bool,
    pub loopback: bool,
    /// `veth`, `bond`, `vlan`...; None: a physical device.
    pub kind: Option<String>,
    /// Of a VLAN link: its tag, and the link below it.
    pub vlan: Option<RawVlan>,
    /// Queues that are in use; where the driver doesn't say, those it was made with.
    pub rx_queues: u32,
    pub tx_queues: u32,
    /// The XDP program that the link carries: how, and its id.
    pub xdp: Option<(Mode, u32)>,
    pub addresses: BTreeSet<(IpAddr, u8)>,
}

/// What a VLAN link adds to the frames of the link below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawVlan {
    /// Its ifindex, in the same network namespace.
    pub below: u32,
    pub id: VlanId,
    pub protocol: VlanProtocol,
}

impl RawFacts {
    /// The device that carries a link's frames, and the tags that these have there. None: a VLAN
    /// whose device is not here, or that has more tags than two or an inner one that is not
    /// 802.1Q.
    pub fn device(&self, link: &RawLink) -> Option<(u32, Option<Vlan>)> {
        let is_vlan = link.kind.as_deref() == Some("vlan");
        let Some(inner) = link.vlan else {
            return (!is_vlan).then_some((link.ifindex, None));
        };
        let below = self
            .links
            .values()
            .find(|below| below.ifindex == inner.below)?;
        let (device, outer) = self.device(below)?;
        let tags = match outer {
            None => Vlan {
                outer: None,
                inner: inner.id,
                protocol: inner.protocol,
            },
            Some(Vlan {
                outer: None,
                inner: outer,
                protocol,
            }) if inner.protocol == VlanProtocol::Dot1Q => Vlan {
                outer: Some(outer),
                inner: inner.id,
                protocol,
            },
            Some(_) => return None,
        };
        Some((device, Some(tags)))
    }

    /// The route that packets to an address take, by longest prefix.
    pub fn route_to(&self, destination: IpAddr) -> Option<&Route> {
        let longest = if destination.is_ipv4() { 32 } else { 128 };
        (0..=longest).rev().find_map(|len| {
            let prefix = Prefix::covering(destination, len);
            let least = Route {
                prefix,
                ifindex: 0,
                gateway: None,
            };
            self.routes
                .range(least..)
                .next()
                .filter(|route| route.prefix == prefix)
        })
    }

    /// The neighbour that packets to an address are handed to: its ifindex and address.
    pub fn next_hop(&self, destination: IpAddr) -> Option<(u32, IpAddr)> {
        let route = self.route_to(destination)?;
        Some((route.ifindex, route.gateway.unwrap_or(destination)))
    }
}

/// Why the kernel's tables were not read or changed.
#[derive(Debug, thiserror::Error)]
#[error("netlink: {call}")]
pub struct NetlinkError {
    pub call: &'static str,
    #[source]
    pub source: io::Error,
}
