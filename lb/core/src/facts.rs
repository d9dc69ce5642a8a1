//! What the box is: links, addresses, routes and neighbours, as netlink tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::addr::{Mac, Prefix};
use crate::tables::InterfaceSlot;

/// A link that carries our program, or that an operator asked to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub name: String,
    pub ifindex: u32,
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

/// Everything that compile reads of the box.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Facts {
    /// Attached (or to be attached) links, by the slot they hold.
    pub links: BTreeMap<InterfaceSlot, Link>,
    /// Every address of the box, on any link.
    pub own: BTreeSet<IpAddr>,
    pub routes: BTreeSet<Route>,
    /// Resolved neighbours: (ifindex, address) -> MAC.
    pub neighbours: BTreeMap<(u32, IpAddr), Mac>,
}
