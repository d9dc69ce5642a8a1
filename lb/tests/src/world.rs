//! The box of a packet case: its interfaces, neighbours and routes.
//!
//! ```text
//! interface eth0 02:00:00:00:00:0a 10.0.0.1/24 mtu=1500
//! neighbour eth0 10.0.0.254 02:00:00:00:00:fe
//! route 0.0.0.0/0 eth0 10.0.0.254
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result, bail};
use lb_core::addr::{Mac, Prefix};
use lb_core::facts::{Facts, Link, Route};
use lb_core::tables::InterfaceSlot;

use crate::frame::mac;

/// Interfaces in the order of their slots.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub interfaces: Vec<Interface>,
    pub neighbours: BTreeMap<(String, Ipv4Addr), [u8; 6]>,
    pub routes: Vec<(Prefix, String, Option<Ipv4Addr>)>,
    pub own: BTreeSet<IpAddr>,
}

#[derive(Clone, Debug)]
pub struct Interface {
    pub name: String,
    pub mac: [u8; 6],
    pub address: Ipv4Addr,
    pub length: u8,
    pub mtu: u32,
}

impl World {
    /// Adds what a line says; false if it says something else.
    ///
    /// # Errors
    /// What is not understood.
    pub fn line(&mut self, words: &[&str]) -> Result<bool> {
        match words {
            ["interface", name, hardware, at, rest @ ..] => {
                let (address, length) = at.split_once('/').context("write ADDRESS/LENGTH")?;
                let mtu = rest.first().and_then(|word| word.strip_prefix("mtu="));
                let interface = Interface {
                    name: (*name).to_owned(),
                    mac: mac(hardware)?,
                    address: address.parse()?,
                    length: length.parse()?,
                    mtu: mtu.unwrap_or("1500").parse()?,
                };
                self.own.insert(interface.address.into());
                let prefix = Prefix::covering(interface.address.into(), interface.length);
                match self.interfaces.iter_mut().find(|known| known.name == *name) {
                    Some(known) => *known = interface,
                    None => {
                        self.routes.push((prefix, (*name).to_owned(), None));
                        self.interfaces.push(interface);
                    }
                }
            }
            ["neighbour", name, address, hardware] => {
                self.neighbours
                    .insert(((*name).to_owned(), address.parse()?), mac(hardware)?);
            }
            ["unresolved", address] => {
                let address: Ipv4Addr = address.parse()?;
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
            _ => return Ok(false),
        }
        Ok(true)
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

    /// The MAC address that stands for an address on an interface: its neighbour entry's; without
    /// one, the address itself; beyond the interface's subnet, that of the gateway.
    ///
    /// # Errors
    /// There is no interface of this name.
    pub fn mac_of(&self, name: &str, address: Ipv4Addr) -> Result<[u8; 6]> {
        if let Some(mac) = self.neighbours.get(&(name.to_owned(), address)) {
            return Ok(*mac);
        }
        let interface = self.interface(name)?;
        let subnet = Prefix::covering(interface.address.into(), interface.length);
        let towards = |(prefix, out, _): &&(Prefix, String, Option<Ipv4Addr>)| {
            out == name && prefix.contains(address.into())
        };
        let gateway = self
            .routes
            .iter()
            .filter(towards)
            .rev()
            .find_map(|(_, _, gateway)| *gateway);
        match gateway {
            Some(gateway) if !subnet.contains(address.into()) => self.mac_of(name, gateway),
            _ => {
                let [a, b, c, d] = address.octets();
                Ok([0x02, 0xee, a, b, c, d])
            }
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
        let link = |(slot, interface): (usize, &Interface)| {
            let link = Link {
                name: interface.name.clone(),
                ifindex: ifindex[slot],
                mac: Mac(interface.mac),
                mtu: interface.mtu,
                attached: true,
                addresses: [(interface.address.into(), interface.length)].into(),
            };
            (InterfaceSlot(slot as u8), link)
        };
        let mut facts = Facts {
            links: self.interfaces.iter().enumerate().map(link).collect(),
            own: self.own.clone(),
            ..Facts::default()
        };
        for (prefix, name, gateway) in &self.routes {
            let gateway = gateway.map(IpAddr::from);
            facts.routes.insert(Route {
                prefix: *prefix,
                ifindex: index(name)?,
                gateway,
            });
        }
        for ((name, address), mac) in &self.neighbours {
            facts
                .neighbours
                .insert((index(name)?, (*address).into()), Mac(*mac));
        }
        Ok(facts)
    }
}
