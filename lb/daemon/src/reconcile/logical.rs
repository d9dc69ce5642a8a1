//! Logical interfaces: what compile calls links. A device that carries the program is one, and so
//! is each VLAN on it: those that the kernel has a link for, and those that the configuration makes.
//!
//! A VLAN of the configuration is nowhere in the kernel. What netlink would say of it is added to
//! the facts here: its addresses, the routes to their networks, and its neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lb_core::addr::{Mac, Prefix};
use lb_core::facts::Route;
use lb_core::intent::{Document, Intent};
use lb_core::vlan::Vlan;
use lb_plane::netlink::{RawFacts, RawLink};

use crate::config;

/// The kernel's ifindexes are below it; VLANs of the configuration are counted from it on.
const MADE: u32 = 1 << 31;

/// One that may send and receive, once it has a slot and its device carries the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logical {
    pub name: String,
    /// What routes and neighbours name.
    pub ifindex: u32,
    /// The name of the device: `name` itself, unless it is a VLAN.
    pub device: String,
    pub place: Place,
    pub mac: Mac,
    pub mtu: u32,
    pub up: bool,
    pub addresses: BTreeSet<(IpAddr, u8)>,
}

/// Where frames of a logical interface are: on a device, with tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its ifindex.
    pub device: u32,
    pub vlan: Option<Vlan>,
}

/// Logical interfaces of these devices by name, of those devices that are there.
pub fn of(
    devices: &BTreeSet<&str>,
    facts: &RawFacts,
    vlans: &[config::Vlan],
) -> BTreeMap<String, Logical> {
    let mut found: BTreeMap<String, Logical> = devices
        .iter()
        .filter_map(|name| Some((*name, facts.links.get(*name)?)))
        .filter_map(|(name, link)| {
            let place = Place {
                device: link.ifindex,
                vlan: None,
            };
            Some((name.to_owned(), logical(name, name, link, place)?))
        })
        .collect();
    let carriers: BTreeMap<u32, String> = found
        .values()
        .map(|device| (device.ifindex, device.name.clone()))
        .collect();
    for (name, link) in &facts.links {
        let Some((device, Some(vlan))) = facts.device(link) else {
            continue;
        };
        let Some(carrier) = carriers.get(&device) else {
            continue;
        };
        let place = Place {
            device,
            vlan: Some(vlan),
        };
        found.extend(logical(name, carrier, link, place).map(|one| (name.clone(), one)));
    }
    for (index, vlan) in (0..).zip(vlans) {
        let Some(device) = found.get(&vlan.device) else {
            continue;
        };
        let made = made(index, vlan, device);
        let is_there = |other: &Logical| other.place == made.place || other.name == made.name;
        // The kernel's own link of these tags is the one that the box sends by.
        if !found.values().any(is_there) {
            found.insert(made.name.clone(), made);
        }
    }
    found
}

/// None: it has no Ethernet address.
fn logical(name: &str, device: &str, link: &RawLink, place: Place) -> Option<Logical> {
    Some(Logical {
        name: name.to_owned(),
        ifindex: link.ifindex,
        device: device.to_owned(),
        place,
        mac: link.mac?,
        mtu: link.mtu,
        up: link.up,
        addresses: link.addresses.clone(),
    })
}

fn made(index: u32, vlan: &config::Vlan, device: &Logical) -> Logical {
    Logical {
        name: vlan.name(),
        ifindex: MADE + index,
        device: device.name.clone(),
        place: Place {
            device: device.ifindex,
            vlan: Some(vlan.tags),
        },
        mac: device.mac,
        mtu: vlan.mtu.unwrap_or(device.mtu),
        up: device.up,
        addresses: vlan.addresses.clone(),
    }
}

/// No link of the kernel's.
pub fn is_made(ifindex: u32) -> bool {
    ifindex >= MADE
}

/// What the kernel doesn't say of VLANs that it doesn't know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    pub own: BTreeSet<IpAddr>,
    pub routes: BTreeSet<Route>,
    pub neighbours: BTreeMap<(u32, IpAddr), Mac>,
}

/// An address that is a VIP is no address of the box here: there is no stack that would answer for
/// it, so that loxid does.
pub fn additions(
    links: &BTreeMap<String, Logical>,
    vlans: &[config::Vlan],
    intent: &Intent,
) -> Additions {
    let services = intent.documents.values().flat_map(Document::services);
    let vips: BTreeSet<IpAddr> = match vlans.is_empty() {
        true => BTreeSet::new(),
        false => services.map(|service| service.key.vip).collect(),
    };
    let mut additions = Additions::default();
    for vlan in vlans {
        let Some(link) = links.get(&vlan.name()).filter(|link| is_made(link.ifindex)) else {
            continue;
        };
        for (addr, len) in &vlan.addresses {
            if !vips.contains(addr) {
                additions.own.insert(*addr);
            }
            additions.routes.insert(Route {
                prefix: Prefix::covering(*addr, *len),
                ifindex: link.ifindex,
                gateway: None,
            });
        }
        let neighbours = vlan.neighbours.iter();
        let keyed = neighbours.map(|(addr, mac)| ((link.ifindex, *addr), *mac));
        additions.neighbours.extend(keyed);
    }
    additions
}
