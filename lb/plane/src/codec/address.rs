//! Addresses as four words, as on the wire; IPv4 is the first, and the others are 0. Beside them
//! a flag says the family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_core::service::Protocol;

pub(crate) fn words(addr: IpAddr) -> [u32; 4] {
    match addr {
        IpAddr::V4(addr) => [u32::from_ne_bytes(addr.octets()), 0, 0, 0],
        IpAddr::V6(addr) => {
            let octets = addr.octets();
            std::array::from_fn(|i| {
                u32::from_ne_bytes([
                    octets[4 * i],
                    octets[4 * i + 1],
                    octets[4 * i + 2],
                    octets[4 * i + 3],
                ])
            })
        }
    }
}

/// An address of the family that its row says.
pub(crate) fn decode(words: [u32; 4], is_ipv6: bool) -> IpAddr {
    if is_ipv6 {
        decode6(words).into()
    } else {
        decode4(words[0]).into()
    }
}

/// A flag for a row whose address is IPv6's.
pub(crate) fn family(addr: IpAddr, flag: u32) -> u32 {
    if addr.is_ipv6() { flag } else { 0 }
}

pub(crate) fn decode4(word: u32) -> Ipv4Addr {
    Ipv4Addr::from(word.to_ne_bytes())
}

pub(crate) fn decode6(words: [u32; 4]) -> Ipv6Addr {
    let mut octets = [0; 16];
    for (bytes, word) in octets.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    Ipv6Addr::from(octets)
}

/// The number in an IP header; of ICMP IPv4's, also where the VIP is IPv6.
pub(crate) fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Icmp => 1,
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

pub(crate) fn protocol(number: u8) -> Option<Protocol> {
    match number {
        1 => Some(Protocol::Icmp),
        6 => Some(Protocol::Tcp),
        17 => Some(Protocol::Udp),
        _ => None,
    }
}
