//! The box of a packet case: its interfaces, neighbours and routes.
//!
//! ```text
//! interface eth0 02:00:00:00:00:0a 10.0.0.1/24 2001:db8::1/64 mtu=1500
//! interface eth0.100 02:00:00:00:00:0a 10.1.0.1/24 on=eth0 vlan=100
//! interface eth0.q 02:00:00:00:00:0a 10.2.0.1/24 on=eth0 vlan=200.100 tpid=88a8
//! neighbour eth0 10.0.0.254 02:00:00:00:00:fe
//! route 0.0.0.0/0 eth0 10.0.0.254
//! tunnel-source 198.18.0.0/24
//! ```
//! `unresolved ADDRESS` takes a neighbour away, `own ADDRESS` is an address of the box elsewhere.
//! An interface that is said again is as it is said last.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use lb_core::addr::{Mac, Prefix};
use lb_core::facts::{Facts, Link, Route};
use lb_core::tables::InterfaceSlot;
use lb_core::vlan::{Vlan, VlanId, VlanProtocol};
use lb_plane::TunnelSources;

use crate::frame::{Tag, mac};

/// Interfaces in the order of their slots.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub interfaces: Vec<Interface>,
    pub neighbours: BTreeMap<(String, IpAddr), [u8; 6]>,
    pub routes: Vec<(Prefix, String, Option<IpAddr>)>,
    pub own: BTreeSet<IpAddr>,
    pub tunnel_sources: TunnelSources,
}

#[derive(Clone, Debug)]
pub struct Interface {
    pub name: String,
    pub mac: [u8; 6],
    pub addresses: Vec<(IpAddr, u8)>,
    pub mtu: u32,
    /// The device that sends and receives: itself, or of a VLAN the one below.
    pub device: String,
    pub vlan: Option<Vlan>,
}

impl Interface {
    fn parse(name: &str, hardware: &str, rest: &[&str]) -> Result<Self> {
        let mut interface = Interface {
            name: name.to_owned(),
            mac: mac(hardware)?,
            addresses: Vec::new(),
            mtu: 1500,
            device: name.to_owned(),
            vlan: None,
        };
        let mut protocol = VlanProtocol::Dot1Q;
        for word in rest {
            match word.split_once('=') {
                Some(("mtu", mtu)) => interface.mtu = mtu.parse()?,
                Some(("on", device)) => interface.device = device.to_owned(),
                Some(("vlan", ids)) => interface.vlan = Some(vlan(ids)?),
                Some(("tpid", "88a8")) => protocol = VlanProtocol::Dot1Ad,
                _ => {
                    let (address, length) = word.split_once('/').context("write ADDRESS/LENGTH")?;
                    interface
                        .addresses
                        .push((address.parse()?, length.parse()?));
                }
            }
        }
        if let Some(vlan) = &mut interface.vlan {
            vlan.protocol = protocol;
        }
        ensure!(
            interface.vlan.is_some() == (interface.device != interface.name),
            "a VLAN is on an interface: write on= and vlan="
        );
        Ok(interface)
    }

    /// The tags of its frames, outer first.
    pub fn tags(&self) -> Vec<Tag> {
        let Some(vlan) = self.vlan else {
            return Vec::new();
        };
        let first = match vlan.protocol {
            VlanProtocol::Dot1Q => 0x8100,
            VlanProtocol::Dot1Ad => 0x88a8,
        };
        match vlan.outer {
            Some(outer) => vec![(first, outer.get()), (0x8100, vlan.inner.get())],
            None => vec![(first, vlan.inner.get())],
        }
    }

    /// The ids of its tags: outer << 16 | inner.
    pub fn vlan_ids(&self) -> u32 {
        let ids = self.tags().into_iter().map(|(_, id)| u32::from(id));
        ids.fold(0, |ids, id| ids << 16 | id)
    }

    fn subnets(&self) -> impl Iterator<Item = Prefix> {
        self.addresses
            .iter()
            .map(|(address, length)| Prefix::covering(*address, *length))
    }
}

fn vlan(ids: &str) -> Result<Vlan> {
    let (outer, inner) = match ids.split_once('.') {
        Some((outer, inner)) => (Some(VlanId::new(outer.parse()?)?), inner),
        None => (None, ids),
    };
    Ok(Vlan {
        outer,
        inner: VlanId::new(inner.parse()?)?,
        protocol: VlanProtocol::Dot1Q,
    })
}

impl World {
    /// Adds what a line says; false if it says something else.
    ///
    /// # Errors
    /// What is not understood.
    pub fn line(&mut self, words: &[&str]) -> Result<bool> {
        match words {
            ["interface", name, hardware, rest @ ..] => {
                self.add(Interface::parse(name, hardware, rest)?);
            }
            ["neighbour", name, address, hardware] => {
                self.neighbours
                    .insert(((*name).to_owned(), address.parse()?), mac(hardware)?);
            }
            ["unresolved", address] => {
                let address: IpAddr = address.parse()?;
                self.neighbours.retain(|(_, known), _| *known != address);
            }
            ["own", address] => {
                self.own.insert(address.parse()?);
            }
            ["route", prefix, name, gateway @ ..] => {
                let gateway = gateway.first().map(|gateway| gateway.parse()).transpose()?;
                self.routes
                    .push((prefix.parse()?, (*name).to_owned(), gateway));
            }
            ["tunnel-source", prefix] => {
                let prefix: Prefix = prefix.parse()?;
                match prefix.addr() {
                    IpAddr::V4(_) => self.tunnel_sources.ipv4 = Some(prefix),
                    IpAddr::V6(_) => self.tunnel_sources.ipv6 = Some(prefix),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn add(&mut self, interface: Interface) {
        for (address, _) in &interface.addresses {
            self.own.insert(*address);
        }
        let name = &interface.name;
        for subnet in interface.subnets() {
            let route = (subnet, name.clone(), None);
            if !self.routes.contains(&route) {
                self.routes.push(route);
            }
        }
        match self.interfaces.iter_mut().find(|known| known.name == *name) {
            Some(known) => *known = interface,
            None => self.interfaces.push(interface),
        }
    }

    /// # Errors
    /// There is no interface of this name.
    pub fn interface(&self, name: &str) -> Result<&Interface> {
        let found = self
            .interfaces
            .iter()
            .find(|interface| interface.name == name);
        found.with_context(|| format!("there is no interface {name}"))
    }

    /// Slots of the interfaces that are devices, in order.
    pub fn devices(&self) -> Vec<usize> {
        let is_device = |slot: &usize| self.interfaces[*slot].vlan.is_none();
        (0..self.interfaces.len()).filter(is_device).collect()
    }

    /// The slot of the device below an interface.
    ///
    /// # Errors
    /// There is no such device.
    pub fn device_of(&self, slot: usize) -> Result<usize> {
        let device = &self.interfaces[slot].device;
        let found = self
            .interfaces
            .iter()
            .position(|known| known.name == *device);
        found.with_context(|| format!("there is no interface {device}"))
    }

    /// The slot of the interface that frames with these ids on a device belong to.
    pub fn slot_of(&self, device: usize, vlan: u32) -> Option<usize> {
        let device = &self.interfaces[device].name;
        self.interfaces
            .iter()
            .position(|known| known.device == *device && known.vlan_ids() == vlan)
    }

    /// The MAC address that stands for an address on an interface: its own; a neighbour entry's;
    /// without one, the address itself; beyond the interface's subnets, that of the gateway.
    ///
    /// # Errors
    /// There is no interface of this name.
    pub fn mac_of(&self, name: &str, address: IpAddr) -> Result<[u8; 6]> {
        let interface = self.interface(name)?;
        if interface.addresses.iter().any(|(own, _)| *own == address) {
            return Ok(interface.mac);
        }
        if let Some(mac) = self.neighbours.get(&(name.to_owned(), address)) {
            return Ok(*mac);
        }
        let towards = |(prefix, out, _): &&(Prefix, String, Option<IpAddr>)| {
            out == name && prefix.contains(address)
        };
        let gateway = self
            .routes
            .iter()
            .filter(towards)
            .rev()
            .find_map(|(_, _, gateway)| *gateway);
        match gateway {
            Some(gateway) if !interface.subnets().any(|subnet| subnet.contains(address)) => {
                self.mac_of(name, gateway)
            }
            _ => Ok(stand_in(address)),
        }
    }

    /// As netlink would tell it; `ifindex` by slot.
    ///
    /// # Errors
    /// A route leads out of an interface that isn't there.
    pub fn facts(&self, ifindex: &[u32]) -> Result<Facts> {
        let index = |name: &str| match self.interfaces.iter().position(|known| known.name == name) {
            Some(slot) => Ok(ifindex[slot]),
            None => bail!("there is no interface {name}"),
        };
        let mut facts = Facts {
            own: self.own.clone(),
            ..Facts::default()
        };
        for (slot, interface) in self.interfaces.iter().enumerate() {
            let link = Link {
                name: interface.name.clone(),
                ifindex: ifindex[slot],
                device: ifindex[self.device_of(slot)?],
                vlan: interface.vlan,
                mac: Mac(interface.mac),
                mtu: interface.mtu,
                attached: true,
                addresses: interface.addresses.iter().copied().collect(),
            };
            facts.links.insert(InterfaceSlot(slot as u8), link);
        }
        for (prefix, name, gateway) in &self.routes {
            facts.routes.insert(Route {
                prefix: *prefix,
                ifindex: index(name)?,
                gateway: *gateway,
            });
        }
        for ((name, address), mac) in &self.neighbours {
            facts.neighbours.insert((index(name)?, *address), Mac(*mac));
        }
        Ok(facts)
    }
}

/// The MAC address of somebody of whom nothing is said. A group has its own (RFC 2464, 7).
fn stand_in(address: IpAddr) -> [u8; 6] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [0x02, 0xee, a, b, c, d]
        }
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = address.octets();
            match address.is_multicast() {
                true => [0x33, 0x33, a, b, c, d],
                false => [0x02, 0x66, a, b, c, d],
            }
        }
    }
}
