//! Dumps, turned into facts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lb_core::addr::{Mac, Prefix};
use lb_core::facts::Route;
use lb_core::vlan::{VlanId, VlanProtocol};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, LinkXdp,
    VlanProtocol as WireProtocol, XdpAttached,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop,
    RouteNextHopFlags, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};

use super::{NetlinkError, RawLink, RawVlan, Requests};
use crate::attach::Mode;
use crate::sys;

/// A neighbour entry that has a MAC.
pub(super) struct Neighbour {
    pub mac: Mac,
    /// An operator's entry: never to be touched.
    pub fixed: bool,
}

impl Requests {
    /// All links with their addresses, by name.
    ///
    /// # Errors
    /// Where the kernel does not answer.
    pub fn links(&mut self) -> Result<BTreeMap<String, RawLink>, NetlinkError> {
        let mut links: BTreeMap<String, RawLink> = self
            .dump("read links", &Message::GetLink(LinkMessage::default()))?
            .into_iter()
            .filter_map(|message| match message {
                Message::NewLink(link) => raw_link(link),
                _ => None,
            })
            .collect();
        for (name, link) in links.iter_mut().filter(|(_, link)| !link.loopback) {
            if let Some(in_use) = sys::queues(name) {
                (link.rx_queues, link.tx_queues) = in_use;
            }
        }
        let mut addresses: BTreeMap<u32, BTreeSet<(IpAddr, u8)>> = BTreeMap::new();
        for message in self.dump(
            "read addresses",
            &Message::GetAddress(AddressMessage::default()),
        )? {
            if let Message::NewAddress(address) = message
                && let Some(addr) = own_address(&address)
            {
                let entry = (addr, address.header.prefix_len);
                addresses
                    .entry(address.header.index)
                    .or_default()
                    .insert(entry);
            }
        }
        for link in links.values_mut() {
            link.addresses = addresses.remove(&link.ifindex).unwrap_or_default();
        }
        Ok(links)
    }

    /// Unicast routes of the main table; of equal prefixes the one with the lowest metric.
    pub(super) fn routes(&mut self) -> Result<BTreeSet<Route>, NetlinkError> {
        let mut best: BTreeMap<Prefix, (u32, Route)> = BTreeMap::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut ask = RouteMessage::default();
            ask.header.address_family = family;
            for message in self.dump("read routes", &Message::GetRoute(ask))? {
                let Message::NewRoute(message) = message else {
                    continue;
                };
                let Some((metric, route)) = raw_route(&message) else {
                    continue;
                };
                match best.get(&route.prefix) {
                    Some((least, _)) if *least <= metric => (),
                    _ => drop(best.insert(route.prefix, (metric, route))),
                }
            }
        }
        Ok(best.into_values().map(|(_, route)| route).collect())
    }

    pub(super) fn neighbours(
        &mut self,
    ) -> Result<BTreeMap<(u32, IpAddr), Neighbour>, NetlinkError> {
        let rows = self.dump(
            "read neighbours",
            &Message::GetNeighbour(NeighbourMessage::default()),
        )?;
        Ok(rows
            .into_iter()
            .filter_map(|message| match message {
                Message::NewNeighbour(neighbour) => raw_neighbour(&neighbour),
                _ => None,
            })
            .collect())
    }
}

pub(super) fn raw_link(message: LinkMessage) -> Option<(String, RawLink)> {
    let flags = message.header.flags;
    let mut name = None;
    let mut link = RawLink {
        ifindex: message.header.index,
        mac: None,
        mtu: 0,
        up: flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        kind: None,
        vlan: None,
        rx_queues: 0,
        tx_queues: 0,
        xdp: None,
        addresses: BTreeSet::new(),
    };
    link.vlan = raw_vlan(&message.attributes);
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text),
            LinkAttribute::Address(bytes) => link.mac = mac(&bytes),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::NumRxQueues(queues) => link.rx_queues = queues,
            LinkAttribute::NumTxQueues(queues) => link.tx_queues = queues,
            LinkAttribute::Xdp(state) => link.xdp = xdp(&state),
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => (),
        }
    }
    Some((name?, link))
}

/// None: the link is no VLAN, its tag is none that frames can have (VLAN 0), or what is below it
/// is in another network namespace.
fn raw_vlan(attributes: &[LinkAttribute]) -> Option<RawVlan> {
    let mut below = None;
    let mut id = None;
    // IFLA_VLAN_PROTOCOL came with Linux 3.10; 802.1Q was all there was.
    let mut protocol = VlanProtocol::Dot1Q;
    for attribute in attributes {
        match attribute {
            LinkAttribute::Link(ifindex) => below = Some(*ifindex),
            LinkAttribute::LinkNetNsId(_) => return None,
            LinkAttribute::LinkInfo(infos) => {
                let data = infos.iter().find_map(|info| match info {
                    LinkInfo::Data(InfoData::Vlan(data)) => Some(data),
                    _ => None,
                });
                for attribute in data.into_iter().flatten() {
                    match attribute {
                        InfoVlan::Id(number) => id = VlanId::new((*number).into()).ok(),
                        InfoVlan::Protocol(WireProtocol::Ieee8021Ad) => {
                            protocol = VlanProtocol::Dot1Ad;
                        }
                        _ => (),
                    }
                }
            }
            _ => (),
        }
    }
    Some(RawVlan {
        below: below?,
        id: id?,
        protocol,
    })
}

fn xdp(state: &[LinkXdp]) -> Option<(Mode, u32)> {
    let mode = state.iter().find_map(|attribute| match attribute {
        LinkXdp::Attached(XdpAttached::None) => None,
        LinkXdp::Attached(XdpAttached::SocketBuffer) => Some(Mode::Generic),
        LinkXdp::Attached(_) => Some(Mode::Native),
        _ => None,
    })?;
    // With programs in two modes at once there is no IFLA_XDP_PROG_ID, but one id for each.
    let program = state.iter().find_map(|attribute| match attribute {
        LinkXdp::ProgId(id) | LinkXdp::DrvProgId(id) | LinkXdp::HwProgId(id) => Some(*id),
        _ => None,
    });
    Some((mode, program.unwrap_or(0)))
}

/// An address of the box. None: IPv6 found it to be somebody else's, too, and does not use it.
fn own_address(message: &AddressMessage) -> Option<IpAddr> {
    let flags = message.header.flags;
    if flags.contains(AddressHeaderFlags::Dadfailed) {
        return None;
    }
    let find =
        |pick: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(pick);
    // On a point-to-point link IFA_ADDRESS is the peer's.
    find(|attribute| match attribute {
        AddressAttribute::Local(addr) => Some(*addr),
        _ => None,
    })
    .or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(addr) => Some(*addr),
            _ => None,
        })
    })
}

fn raw_route(message: &RouteMessage) -> Option<(u32, Route)> {
    let header = &message.header;
    let usable = header.kind == RouteType::Unicast
        && !header
            .flags
            .intersects(RouteFlags::Dead | RouteFlags::Linkdown | RouteFlags::Cloned);
    if !usable {
        return None;
    }
    let mut table = u32::from(header.table);
    let mut metric = 0;
    let mut destination = match header.address_family {
        AddressFamily::Inet => IpAddr::from([0; 4]),
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let mut way = way(&message.attributes);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::Destination(address) => destination = address_of(address)?,
            RouteAttribute::MultiPath(hops) => way = hops.iter().find_map(way_of_hop),
            _ => (),
        }
    }
    if table != u32::from(RouteHeader::RT_TABLE_MAIN) {
        return None;
    }
    let prefix = Prefix::new(destination, header.destination_prefix_length).ok()?;
    let (ifindex, gateway) = way?;
    Some((
        metric,
        Route {
            prefix,
            ifindex,
            gateway,
        },
    ))
}

/// The way out that a list of attributes says: its ifindex and gateway.
fn way(attributes: &[RouteAttribute]) -> Option<(u32, Option<IpAddr>)> {
    let ifindex = attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(ifindex) => Some(*ifindex),
        _ => None,
    })?;
    Some((ifindex, gateway(attributes)))
}

/// Of several ways one is taken: the first that is usable.
fn way_of_hop(hop: &RouteNextHop) -> Option<(u32, Option<IpAddr>)> {
    let down = RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown;
    (!hop.flags.intersects(down)).then(|| (hop.interface_index, gateway(&hop.attributes)))
}

fn gateway(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(address) => address_of(address),
        RouteAttribute::Via(RouteVia::Inet(address)) => Some((*address).into()),
        RouteAttribute::Via(RouteVia::Inet6(address)) => Some((*address).into()),
        _ => None,
    })
}

fn address_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn raw_neighbour(message: &NeighbourMessage) -> Option<((u32, IpAddr), Neighbour)> {
    let fixed = match message.header.state {
        NeighbourState::Permanent | NeighbourState::Noarp => true,
        NeighbourState::Reachable
        | NeighbourState::Stale
        | NeighbourState::Delay
        | NeighbourState::Probe => false,
        _ => return None,
    };
    let mut addr = None;
    let mut resolved = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => {
                addr = Some(IpAddr::from(*address));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => {
                addr = Some(IpAddr::from(*address));
            }
            NeighbourAttribute::LinkLocalAddress(bytes) => resolved = mac(bytes),
            _ => (),
        }
    }
    // NOARP entries of groups have a group's MAC.
    let mac = resolved.filter(|Mac(bytes)| bytes[0] & 1 == 0 && *bytes != [0; 6])?;
    Some(((message.header.ifindex, addr?), Neighbour { mac, fixed }))
}

fn mac(bytes: &[u8]) -> Option<Mac> {
    bytes.try_into().ok().map(Mac)
}
