//! Logical interfaces that the configuration makes: a VLAN on a device, without a link of the
//! kernel's. Nobody but the program receives and sends there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lb_core::addr::{Mac, Prefix, bits, check_unicast};
use lb_core::vlan::{self, VlanId, VlanProtocol};
use serde_saphyr::{Location, Spanned};

use super::{Check, raw};

/// A VLAN on a device, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// The name of the interface that carries its frames.
    pub device: String,
    pub tags: vlan::Vlan,
    /// The box's addresses there, with their prefix lengths.
    pub addresses: BTreeSet<(IpAddr, u8)>,
    /// Of the IP packet, bytes. None: the device's.
    pub mtu: Option<u32>,
    /// Nobody asks for them: what is not here is not known.
    pub neighbours: BTreeMap<IpAddr, Mac>,
}

impl Vlan {
    /// `eth0.100`, of two tags `eth0.200.100`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.device, self.tags)
    }
}

/// The least MTU that IPv4 and IPv6 demand of a link (RFC 791, RFC 8200).
const LEAST_MTU4: u32 = 68;
const LEAST_MTU6: u32 = 1280;

impl Check {
    pub(super) fn vlans(
        &mut self,
        raw: Vec<raw::Vlan>,
        interfaces: &[raw::Interface],
    ) -> Vec<Vlan> {
        let mut vlans = Vec::<Vlan>::new();
        for (index, raw) in raw.into_iter().enumerate() {
            let at = raw.interface.referenced;
            let path = format!("vlans[{index}]");
            if !interfaces
                .iter()
                .any(|one| one.name.value == raw.interface.value)
            {
                let name = &raw.interface.value;
                self.wrong(
                    at,
                    format!("{path}.interface: {name:?} is not in `interfaces`: list it there, or name one that is"),
                );
            }
            let Some(vlan) = self.vlan(&path, raw) else {
                continue;
            };
            let is_same = |other: &Vlan| {
                let (outer, inner) = (other.tags.outer, other.tags.inner);
                other.device == vlan.device && (outer, inner) == (vlan.tags.outer, vlan.tags.inner)
            };
            if vlans.iter().any(is_same) {
                let name = vlan.name();
                self.wrong(
                    at,
                    format!("{path}: {name} is there twice: list each VLAN of an interface once"),
                );
            }
            vlans.push(vlan);
        }
        vlans
    }

    /// None: it was wrong, and that is said.
    fn vlan(&mut self, path: &str, raw: raw::Vlan) -> Option<Vlan> {
        let before = self.problems.len();
        let inner = self.vlan_id(&format!("{path}.id"), &raw.id);
        let outer = raw.outer.as_ref();
        let outer = outer.map(|outer| self.vlan_id(&format!("{path}.outer"), outer));
        let protocol = self.vlan_protocol(&format!("{path}.protocol"), raw.protocol);
        let addresses = self.vlan_addresses(path, &raw.addresses);
        let mtu = self.vlan_mtu(&format!("{path}.mtu"), raw.mtu, &addresses);
        let neighbours = self.vlan_neighbours(path, raw.neighbours, &addresses);
        let tags = vlan::Vlan {
            outer: outer.flatten(),
            inner: inner?,
            protocol,
        };
        (self.problems.len() == before).then_some(Vlan {
            device: raw.interface.value,
            tags,
            addresses,
            mtu,
            neighbours,
        })
    }

    fn vlan_id(&mut self, path: &str, raw: &Spanned<i64>) -> Option<VlanId> {
        let value = raw.value;
        let id = u64::try_from(value)
            .ok()
            .and_then(|id| VlanId::new(id).ok());
        if id.is_none() {
            let most = VlanId::MAX;
            self.wrong(
                raw.referenced,
                format!(
                    "{path}: {value} is no VLAN id: use 1 to {most} (0 means no VLAN, 4095 is reserved)"
                ),
            );
        }
        id
    }

    fn vlan_protocol(&mut self, path: &str, raw: Option<Spanned<String>>) -> VlanProtocol {
        let Some(raw) = raw else {
            return VlanProtocol::default();
        };
        raw.value.parse().unwrap_or_else(|error| {
            self.wrong(raw.referenced, format!("{path}: {error}"));
            VlanProtocol::default()
        })
    }

    fn vlan_addresses(&mut self, path: &str, raw: &[Spanned<String>]) -> BTreeSet<(IpAddr, u8)> {
        let mut addresses = BTreeSet::new();
        for (index, text) in raw.iter().enumerate() {
            match address(&text.value) {
                Ok(address) => {
                    addresses.insert(address);
                }
                Err(wrong) => {
                    let path = format!("{path}.addresses[{index}]");
                    self.wrong(text.referenced, format!("{path}: {wrong}"));
                }
            }
        }
        addresses
    }

    fn vlan_mtu(
        &mut self,
        path: &str,
        raw: Option<Spanned<i64>>,
        addresses: &BTreeSet<(IpAddr, u8)>,
    ) -> Option<u32> {
        let raw = raw?;
        let has_ipv6 = addresses.iter().any(|(addr, _)| addr.is_ipv6());
        let least = if has_ipv6 { LEAST_MTU6 } else { LEAST_MTU4 };
        let most = u32::from(u16::MAX);
        let mtu = u32::try_from(raw.value).ok();
        let mtu = mtu.filter(|mtu| (least..=most).contains(mtu));
        if mtu.is_none() {
            let value = raw.value;
            self.wrong(
                raw.referenced,
                format!("{path}: {value} is out of range: use {least} to {most}, or leave it out for the interface's"),
            );
        }
        mtu
    }

    fn vlan_neighbours(
        &mut self,
        path: &str,
        raw: BTreeMap<String, Spanned<String>>,
        addresses: &BTreeSet<(IpAddr, u8)>,
    ) -> BTreeMap<IpAddr, Mac> {
        let mut neighbours = BTreeMap::new();
        for (text, mac) in raw {
            let path = format!("{path}.neighbours.{text}");
            let addr = neighbour(&text, addresses);
            let addr = self.said(mac.referenced, &path, addr);
            let mac = self.said(mac.referenced, &path, unicast_mac(&mac.value));
            neighbours.extend(addr.zip(mac));
        }
        neighbours
    }

    fn said<T>(&mut self, at: Location, path: &str, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|wrong| self.wrong(at, format!("{path}: {wrong}")))
            .ok()
    }
}

/// `10.1.0.1/24`: an address of the box and the length of its network.
fn address(text: &str) -> Result<(IpAddr, u8), String> {
    let form = || format!("{text:?} is no address with a length: write one such as 10.1.0.1/24");
    let (addr, len) = text.split_once('/').ok_or_else(form)?;
    let addr: IpAddr = addr.parse().map_err(|_| form())?;
    let len: u8 = len.parse().map_err(|_| form())?;
    let most = bits(addr);
    if !(1..=most).contains(&len) {
        return Err(format!(
            "{text:?}: a length of {len} is out of range: use 1 to {most}"
        ));
    }
    check_unicast(addr).map_err(|error| error.to_string())?;
    if len + 1 < most && Prefix::covering(addr, len).addr() == addr {
        return Err(format!(
            "{text:?} is the network itself: give the box's own address in it"
        ));
    }
    Ok((addr, len))
}

fn neighbour(text: &str, addresses: &BTreeSet<(IpAddr, u8)>) -> Result<IpAddr, String> {
    let addr: IpAddr = text
        .parse()
        .map_err(|_| format!("{text:?} is not an address: write one such as 10.1.0.9"))?;
    check_unicast(addr).map_err(|error| error.to_string())?;
    let is_near = |(own, len): &(IpAddr, u8)| Prefix::covering(*own, *len).contains(addr);
    match addresses.iter().any(is_near) {
        true => Ok(addr),
        false => Err(format!(
            "{addr} is in the network of none of `addresses`: add an address of its network"
        )),
    }
}

fn unicast_mac(text: &str) -> Result<Mac, String> {
    let mac: Mac = text
        .parse()
        .map_err(|error: lb_core::addr::MacError| error.to_string())?;
    match mac.0[0] & 1 == 1 || mac.0 == [0; 6] {
        true => Err(format!(
            "{mac} is no box's address: give the MAC address of the neighbour"
        )),
        false => Ok(mac),
    }
}
