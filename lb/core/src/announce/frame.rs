//! What is sent: Ethernet frames that say who has an address, or ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::claim::Say;
use crate::addr::Mac;
use crate::vlan::{Vlan, VlanProtocol};

#[cfg(test)]
mod tests;

/// A frame to be sent by a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its ifindex.
    pub device: u32,
    pub vlan: Option<Vlan>,
    /// Whose the VIP is said to be.
    pub mac: Mac,
    pub message: Message,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who has it? Asked from nowhere, so that nobody learns anything (RFC 5227 §2.1.1).
    ArpProbe(Ipv4Addr),
    /// A gratuitous request and reply: some stations learn from the one, some from the other.
    ArpRequest(Ipv4Addr),
    ArpReply(Ipv4Addr),
    /// The same question of IPv6 (RFC 4862 §5.4.2).
    Solicitation(Ipv6Addr),
    /// Unsolicited, to all nodes, overriding what they know (RFC 4861 §7.2.6).
    Advertisement(Ipv6Addr),
}

/// Kinds of messages, as metrics call them.
pub const KINDS: [&str; 5] = [
    "arp_probe",
    "arp_request",
    "arp_reply",
    "nd_solicitation",
    "nd_advertisement",
];

const LEAST_BYTES: usize = 60;
const BROADCAST: [u8; 6] = [0xff; 6];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];
const DOT1Q: [u8; 2] = [0x81, 0x00];
const DOT1AD: [u8; 2] = [0x88, 0xa8];
const ICMP6: u8 = 58;
/// A router would have taken some.
const HOPS: u8 = 255;
const OVERRIDE: u8 = 0x20;

impl Message {
    /// What says something about a VIP.
    pub(super) fn of(say: Say, vip: IpAddr) -> Vec<Self> {
        match (say, vip) {
            (Say::Probe, IpAddr::V4(vip)) => vec![Self::ArpProbe(vip)],
            (Say::Probe, IpAddr::V6(vip)) => vec![Self::Solicitation(vip)],
            (Say::Announce, IpAddr::V4(vip)) => vec![Self::ArpRequest(vip), Self::ArpReply(vip)],
            (Say::Announce, IpAddr::V6(vip)) => vec![Self::Advertisement(vip)],
        }
    }

    /// One of `KINDS`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::ArpProbe(_) => KINDS[0],
            Self::ArpRequest(_) => KINDS[1],
            Self::ArpReply(_) => KINDS[2],
            Self::Solicitation(_) => KINDS[3],
            Self::Advertisement(_) => KINDS[4],
        }
    }

    fn destination(self) -> [u8; 6] {
        match self {
            Self::ArpProbe(_) | Self::ArpRequest(_) | Self::ArpReply(_) => BROADCAST,
            Self::Solicitation(vip) => group_mac(solicited_node(vip)),
            Self::Advertisement(_) => group_mac(ALL_NODES),
        }
    }

    fn payload(self, mac: Mac) -> ([u8; 2], Vec<u8>) {
        const NOBODY: [u8; 6] = [0; 6];
        let none = Ipv4Addr::UNSPECIFIED;
        match self {
            Self::ArpProbe(vip) => (ARP, arp(1, (mac.0, none), (NOBODY, vip))),
            Self::ArpRequest(vip) => (ARP, arp(1, (mac.0, vip), (NOBODY, vip))),
            Self::ArpReply(vip) => (ARP, arp(2, (mac.0, vip), (mac.0, vip))),
            Self::Solicitation(vip) => {
                let ends = (Ipv6Addr::UNSPECIFIED, solicited_node(vip));
                (IPV6, discovery(135, 0, ends, vip, None))
            }
            Self::Advertisement(vip) => (
                IPV6,
                discovery(136, OVERRIDE, (vip, ALL_NODES), vip, Some(mac)),
            ),
        }
    }
}

impl Frame {
    /// From the destination to the payload's end, without a checksum; as long as Ethernet wants.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let (kind, payload) = self.message.payload(self.mac);
        let mut bytes = Vec::with_capacity(LEAST_BYTES + 8);
        bytes.extend(self.message.destination());
        bytes.extend(self.mac.0);
        if let Some(vlan) = self.vlan {
            let outermost = match vlan.protocol {
                VlanProtocol::Dot1Q => DOT1Q,
                VlanProtocol::Dot1Ad => DOT1AD,
            };
            bytes.extend(outermost);
            if let Some(outer) = vlan.outer {
                bytes.extend(outer.get().to_be_bytes());
                bytes.extend(DOT1Q);
            }
            bytes.extend(vlan.inner.get().to_be_bytes());
        }
        bytes.extend(kind);
        bytes.extend(payload);
        bytes.resize(bytes.len().max(LEAST_BYTES), 0);
        bytes
    }
}

/// RFC 826: operation, sender and target.
fn arp(operation: u16, sender: ([u8; 6], Ipv4Addr), target: ([u8; 6], Ipv4Addr)) -> Vec<u8> {
    let mut bytes = vec![0, 1, 8, 0, 6, 4];
    bytes.extend(operation.to_be_bytes());
    for (mac, addr) in [sender, target] {
        bytes.extend(mac);
        bytes.extend(addr.octets());
    }
    bytes
}

/// A packet of neighbour discovery; of an advertisement with the target's link-layer address.
fn discovery(
    kind: u8,
    flags: u8,
    (from, to): (Ipv6Addr, Ipv6Addr),
    target: Ipv6Addr,
    mac: Option<Mac>,
) -> Vec<u8> {
    const TARGET_LINK: u8 = 2;
    let mut message = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    message.extend(target.octets());
    if let Some(mac) = mac {
        message.extend([TARGET_LINK, 1]);
        message.extend(mac.0);
    }
    let length = u16::try_from(message.len()).unwrap_or(0).to_be_bytes();
    let pseudo = [from.octets(), to.octets()].concat();
    let rest = [0, 0, length[0], length[1], 0, 0, 0, ICMP6];
    let checksum = checksum(&[&pseudo, &rest, &message]);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut bytes = vec![0x60, 0, 0, 0, length[0], length[1], ICMP6, HOPS];
    bytes.extend(pseudo);
    bytes.extend(message);
    bytes
}

/// RFC 1071, over parts of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The group in which an address is looked for (RFC 4291 §2.7.1).
#[must_use]
pub fn solicited_node(addr: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = addr.octets();
    let (high, low) = (0xff00 | u16::from(a), u16::from(b) << 8 | u16::from(c));
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, high, low)
}

/// RFC 2464 §7.
fn group_mac(group: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}
