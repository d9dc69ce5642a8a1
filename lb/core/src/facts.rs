//! What is so: links, addresses, routes and neighbours, as netlink tells them, and which backends
//! stand aside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::addr::{Mac, Prefix};
use crate::health::Standings;
use crate::tables::InterfaceSlot;
use crate::vlan::Vlan;

/// A link that carries our program, or that an operator asked to attach; or a VLAN on one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub name: String,
    /// What routes and neighbours name.
    pub ifindex: u32,
    /// The device that carries our program, sends and receives: `ifindex` itself, or of a VLAN
    /// the device below it.
    pub device: u32,
    /// Tags of its frames on the device.
    pub vlan: Option<Vlan>,
    pub mac: Mac,
    /// Of the IP packet, bytes.
    pub mtu: u32,
    /// Up and our program attached: packets may be received and sent here.
    pub attached: bool,
    /// Addresses of the link with their prefix lengths.
    pub addresses: BTreeSet<(IpAddr, u8)>,
}

/// A unicast route of the main table. Of equal prefixes the one with the lowest metric is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub prefix: Prefix,
    pub ifindex: u32,
    /// None: the destination is on the link.
    pub gateway: Option<IpAddr>,
}

/// Everything that compile reads of the world.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Facts {
    /// Attached (or to be attached) links, by the slot they hold.
    pub links: BTreeMap<InterfaceSlot, Link>,
    /// Every address of the box, on any link.
    pub own: BTreeSet<IpAddr>,
    pub routes: BTreeSet<Route>,
    /// Resolved neighbours: (ifindex, address) -> MAC.
    pub neighbours: BTreeMap<(u32, IpAddr), Mac>,
    /// Backends that take no new connection, whatever their weight.
    pub standings: Arc<Standings>,
}
