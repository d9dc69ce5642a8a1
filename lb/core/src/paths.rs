//! Ways out: which attached link, neighbour and source address lead to an address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::addr::{Prefix, is_link_local};
use crate::facts::{Facts, Link, Route};
use crate::tables::{Hop, InterfaceSlot};

#[cfg(test)]
mod tests;

/// A neighbour that packets are handed to: (ifindex, address).
pub type Neighbour = (u32, IpAddr);

/// The box's facts, indexed for look-ups.
pub struct Paths<'a> {
    facts: &'a Facts,
    attached: BTreeMap<u32, (InterfaceSlot, &'a Link)>,
    routes: BTreeMap<Prefix, &'a Route>,
    /// Longest first.
    lengths: BTreeSet<std::cmp::Reverse<u8>>,
}

/// How packets get to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// Through a neighbour on an attached link; `hop` is None while its MAC is not known.
    Out {
        neighbour: Neighbour,
        link: String,
        /// The link's.
        mtu: u32,
        hop: Option<Hop>,
        source: Option<IpAddr>,
    },
    NoRoute,
    /// The link is known by name if it was asked to be attached.
    NotAttached {
        ifindex: u32,
        link: Option<String>,
    },
    OwnAddress,
}

impl Path {
    /// Whom packets are handed to, if there is a way out.
    #[must_use]
    pub fn neighbour(&self) -> Option<Neighbour> {
        match self {
            Self::Out { neighbour, .. } => Some(*neighbour),
            _ => None,
        }
    }
}

impl<'a> Paths<'a> {
    #[must_use]
    pub fn new(facts: &'a Facts) -> Self {
        let attached: BTreeMap<u32, (InterfaceSlot, &Link)> = facts
            .links
            .iter()
            .filter(|(_, link)| link.attached)
            .map(|(slot, link)| (link.ifindex, (*slot, link)))
            .collect();
        let mut routes: BTreeMap<Prefix, &Route> = BTreeMap::new();
        for route in &facts.routes {
            let kept = routes.entry(route.prefix).or_insert(route);
            if !attached.contains_key(&kept.ifindex) && attached.contains_key(&route.ifindex) {
                *kept = route;
            }
        }
        let lengths = routes
            .keys()
            .map(|prefix| std::cmp::Reverse(prefix.len()))
            .collect();
        Self {
            facts,
            attached,
            routes,
            lengths,
        }
    }

    /// Attached links by slot.
    pub fn attached(&self) -> impl Iterator<Item = (InterfaceSlot, &'a Link)> {
        self.facts
            .links
            .iter()
            .filter(|(_, link)| link.attached)
            .map(|(slot, link)| (*slot, link))
    }

    /// One route for each prefix (of equals, one whose link is attached), and whether it leads
    /// out of an attached link.
    pub fn routes(&self) -> impl Iterator<Item = (&'a Route, bool)> {
        self.routes
            .values()
            .map(|route| (*route, self.attached.contains_key(&route.ifindex)))
    }

    /// The resolved next hop; None while the MAC is not known or the link not attached.
    #[must_use]
    pub fn hop(&self, neighbour: Neighbour) -> Option<Hop> {
        let (interface, _) = self.attached.get(&neighbour.0)?;
        let mac = self.facts.neighbours.get(&neighbour)?;
        Some(Hop {
            interface: *interface,
            mac: *mac,
        })
    }

    /// How packets get to an address: by the longest prefix.
    #[must_use]
    pub fn find(&self, addr: IpAddr) -> Path {
        if self.facts.own.contains(&addr) {
            return Path::OwnAddress;
        }
        let Some(route) = self.route(addr) else {
            return Path::NoRoute;
        };
        let ifindex = route.ifindex;
        let Some((_, link)) = self.attached.get(&ifindex) else {
            let link = self
                .facts
                .links
                .values()
                .find(|link| link.ifindex == ifindex);
            return Path::NotAttached {
                ifindex,
                link: link.map(|link| link.name.clone()),
            };
        };
        let neighbour = (ifindex, route.gateway.unwrap_or(addr));
        Path::Out {
            neighbour,
            link: link.name.clone(),
            mtu: link.mtu,
            hop: self.hop(neighbour),
            source: source(link, addr, neighbour.1),
        }
    }

    fn route(&self, addr: IpAddr) -> Option<&'a Route> {
        self.lengths
            .iter()
            .find_map(|len| self.routes.get(&Prefix::covering(addr, len.0)))
            .copied()
    }

    /// The largest MTU of the attached links that clients come by if backends are behind one of
    /// them: that of the others, or its own if there is no other.
    #[must_use]
    pub fn largest_mtu_beside(&self, ifindex: u32) -> Option<u32> {
        let mtus = |beside: bool| {
            self.attached
                .values()
                .filter(move |(_, link)| (link.ifindex != ifindex) == beside)
                .map(|(_, link)| link.mtu)
                .max()
        };
        mtus(true).or_else(|| mtus(false))
    }

    /// Slots of the attached links with a connected subnet that an address is in, a bit for each.
    #[must_use]
    pub fn connected(&self, addr: IpAddr) -> u64 {
        self.attached()
            .filter(|(_, link)| subnets(link).any(|subnet| subnet.contains(addr)))
            .fold(0, |bits, (slot, _)| {
                bits | 1u64.checked_shl(slot.0.into()).unwrap_or(0)
            })
    }
}

/// The link's address towards a destination: on its subnet, else on the neighbour's, else any. A
/// link-local one leads no answer back from behind a router, and is no source of anything.
fn source(link: &Link, addr: IpAddr, neighbour: IpAddr) -> Option<IpAddr> {
    let usable = || {
        let same_family = |a: &IpAddr| a.is_ipv4() == addr.is_ipv4();
        link.addresses
            .iter()
            .filter(move |(a, _)| same_family(a) && !is_link_local(*a))
    };
    let on =
        |target: IpAddr| usable().find(move |(a, len)| Prefix::covering(*a, *len).contains(target));
    let found = on(addr)
        .or_else(|| on(neighbour))
        .or_else(|| usable().next())?;
    Some(found.0)
}

fn subnets(link: &Link) -> impl Iterator<Item = Prefix> {
    link.addresses
        .iter()
        .map(|(addr, len)| Prefix::covering(*addr, *len))
}
