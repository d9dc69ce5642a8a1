//! The Internet checksum (RFC 1071).

use std::net::IpAddr;

/// The checksum of pieces, all but the last of an even length.
pub fn checksum(pieces: &[&[u8]]) -> u16 {
    let words = pieces.iter().flat_map(|piece| piece.chunks(2));
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    !fold(words.map(word).sum())
}

fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// A checksum that is off by as much wherever it is, so that a router that updates it for what
/// the router changed (RFC 1624) leaves a packet that is wrong in the same way.
pub fn spoiled(check: u16) -> u16 {
    !fold(u64::from(!check) + 0x0101)
}

/// What a transport checksum covers beyond the packet's own bytes (RFC 9293, 3.1; RFC 8200, 8.1).
pub fn pseudo((source, dest): (IpAddr, IpAddr), protocol: u8, length: usize) -> Vec<u8> {
    let mut bytes = octets(source);
    bytes.extend(octets(dest));
    bytes.extend((length as u32).to_be_bytes());
    bytes.extend([0, 0, 0, protocol]);
    bytes
}

/// An address as on the wire.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
