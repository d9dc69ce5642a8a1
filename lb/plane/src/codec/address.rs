//! Addresses as four words, as on the wire; IPv4 is the first, and the others are 0.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_core::service::Protocol;

use super::EncodeError;

/// # Errors
/// `Ambiguous`: an IPv6 address that would read as IPv4.
pub(crate) fn encode(addr: IpAddr) -> Result<[u32; 4], EncodeError> {
    let words = words(addr);
    if addr.is_ipv6() && words[1..] == [0; 3] {
        return Err(EncodeError::Ambiguous(addr));
    }
    Ok(words)
}

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

pub(crate) fn decode(words: [u32; 4]) -> IpAddr {
    if words[1..] == [0; 3] {
        return decode4(words[0]).into();
    }
    decode6(words).into()
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

/// The number in an IP header.
pub(crate) fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

pub(crate) fn protocol(number: u8) -> Option<Protocol> {
    match number {
        6 => Some(Protocol::Tcp),
        17 => Some(Protocol::Udp),
        _ => None,
    }
}
