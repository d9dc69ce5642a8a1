//! What the box is, as the kernel tells it by netlink.
//!
//! [`Watcher`] subscribes to links, addresses, routes and neighbours. An event only says *what kind
//! of thing* changed; that kind is then read whole. So nothing drifts: a lost event (ENOBUFS) or a
//! slow tick leads to the same reading. All sockets are of the namespace that the caller is in.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use lb_core::addr::Mac;
use lb_core::facts::Route;

use crate::attach::Mode;

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
    pub rx_queues: u32,
    pub tx_queues: u32,
    /// The XDP program that the link carries: how, and its id.
    pub xdp: Option<(Mode, u32)>,
    pub addresses: BTreeSet<(IpAddr, u8)>,
}

#[derive(Debug, thiserror::Error)]
#[error("netlink: {call}")]
pub struct NetlinkError {
    pub call: &'static str,
    #[source]
    pub source: io::Error,
}

/// Follows the facts of the network namespace it was made in.
pub struct Watcher {}

impl Watcher {
    /// Subscribes, then reads everything. Needs a tokio runtime.
    pub fn new() -> Result<Watcher, NetlinkError> {
        todo!()
    }

    /// The facts as last read.
    pub fn facts(&self) -> &RawFacts {
        todo!()
    }

    /// Waits until the facts differ from those last returned. Cancel safe.
    pub async fn changed(&mut self) -> Result<(), NetlinkError> {
        todo!()
    }

    /// Asks the kernel to keep the next hops (neighbours, gateways) towards these addresses
    /// resolved, and not those of earlier calls. Call it again whenever the facts changed.
    pub fn keep(&mut self, _destinations: &BTreeSet<IpAddr>) -> Result<(), NetlinkError> {
        todo!()
    }
}
