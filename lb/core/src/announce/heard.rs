//! What is heard: frames in which somebody speaks for an address, or asks whether it is free.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::addr::Mac;
use crate::vlan::{Vlan, VlanId, VlanProtocol};

#[cfg(test)]
mod tests;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    pub vlan: Option<Vlan>,
    /// Who says it.
    pub mac: Mac,
    pub about: IpAddr,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// "It is mine."
    Claims,
    /// "Has anybody got it?", asked by one who wants to take it.
    Probes,
}

impl Heard {
    /// What an Ethernet frame says, tags included; None: nothing of this kind.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let source = Mac(field(frame, 6)?);
        let mut at = 12;
        let outermost = u16::from_be_bytes(field(frame, at)?);
        let mut tags = Vec::new();
        let mut kind = outermost;
        while tags.len() < 2 && matches!(kind, 0x8100 | 0x88a8) {
            tags.push(u16::from_be_bytes(field(frame, at + 2)?) & 0x0fff);
            at += 4;
            kind = u16::from_be_bytes(field(frame, at)?);
        }
        let vlan = vlan(&tags, outermost)?;
        let payload = frame.get(at + 2..)?;
        let (mac, about, what) = match kind {
            0x0806 => arp(payload)?,
            0x86dd => discovery(payload, source)?,
            _ => return None,
        };
        Some(Self {
            vlan,
            mac,
            about,
            what,
        })
    }
}

type Said = (Mac, IpAddr, What);

/// Some(None): no tags. A tag with the number 0 has a priority only.
#[allow(clippy::option_option)]
fn vlan(tags: &[u16], outermost: u16) -> Option<Option<Vlan>> {
    let protocol = match outermost {
        0x88a8 => VlanProtocol::Dot1Ad,
        _ => VlanProtocol::Dot1Q,
    };
    let id = |tag: u16| VlanId::new(tag.into()).ok();
    match *tags {
        [] | [0] => Some(None),
        [inner] => Some(Some(Vlan {
            outer: None,
            inner: id(inner)?,
            protocol,
        })),
        [outer, inner] => Some(Some(Vlan {
            outer: Some(id(outer)?),
            inner: id(inner)?,
            protocol,
        })),
        _ => None,
    }
}

/// RFC 5227 §2.1.1 and §2.4: a sender address is a claim; none, in a request, is a probe.
fn arp(bytes: &[u8]) -> Option<Said> {
    const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
    let operation = u16::from_be_bytes(field(bytes, 6)?);
    if field::<6>(bytes, 0)? != ETHERNET_IPV4 || !matches!(operation, 1 | 2) {
        return None;
    }
    let mac = Mac(field(bytes, 8)?);
    let sender = Ipv4Addr::from(field::<4>(bytes, 14)?);
    let target = Ipv4Addr::from(field::<4>(bytes, 24)?);
    match (sender.is_unspecified(), operation) {
        (false, _) => Some((mac, sender.into(), What::Claims)),
        (true, 1) => Some((mac, target.into(), What::Probes)),
        (true, _) => None,
    }
}

/// RFC 4861 §7.1: what a router has forwarded, or has a code, is nothing to believe.
fn discovery(bytes: &[u8], source_mac: Mac) -> Option<Said> {
    const HEADER: usize = 40;
    let [next_header, hops] = field(bytes, 6)?;
    let [kind, code] = field(bytes, HEADER)?;
    if bytes[0] >> 4 != 6 || next_header != 58 || hops != 255 || code != 0 {
        return None;
    }
    let source = Ipv6Addr::from(field::<16>(bytes, 8)?);
    let target = Ipv6Addr::from(field::<16>(bytes, HEADER + 8)?);
    match kind {
        136 => {
            let told = option(bytes.get(HEADER + 24..)?, 2);
            Some((told.unwrap_or(source_mac), target.into(), What::Claims))
        }
        135 if source.is_unspecified() => Some((source_mac, target.into(), What::Probes)),
        135 => Some((source_mac, source.into(), What::Claims)),
        _ => None,
    }
}

/// The link-layer address that an option of a kind has.
fn option(mut options: &[u8], wanted: u8) -> Option<Mac> {
    while let [kind, units, ..] = *options {
        let length = usize::from(units) * 8;
        if length == 0 {
            return None;
        }
        if kind == wanted {
            return Some(Mac(field(options, 2)?));
        }
        options = options.get(length..)?;
    }
    None
}

fn field<const BYTES: usize>(bytes: &[u8], at: usize) -> Option<[u8; BYTES]> {
    bytes.get(at..at + BYTES)?.try_into().ok()
}
