//! The frame that the driver fills in: Ethernet, IPv4 or IPv6, UDP, 64 bytes without checksum
//! sequence.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::topology::CLIENTS6;

pub const FRAME_BYTES: usize = 64;
const ETHERNET_BYTES: usize = 14;
const UDP: u8 = 17;

/// A frame without source port, what of the source address differs between flows, and checksums;
/// and the sums of what it has. Sums are of 16-bit words in memory order, unfolded.
pub struct Template {
    pub bytes: [u8; FRAME_BYTES],
    /// IPv6 has no such checksum.
    pub ip_sum: u64,
    pub udp_sum: u64,
}

impl Template {
    pub fn new(to: [u8; 6], from: [u8; 6], destination: SocketAddr) -> Template {
        let mut bytes = [0; FRAME_BYTES];
        bytes[0..6].copy_from_slice(&to);
        bytes[6..12].copy_from_slice(&from);
        let (header, addresses) = match destination.ip() {
            IpAddr::V4(address) => ipv4(&mut bytes[12..], address),
            IpAddr::V6(address) => ipv6(&mut bytes[12..], address),
        };
        let udp = ETHERNET_BYTES + header;
        let length = ((FRAME_BYTES - udp) as u16).to_be_bytes();
        bytes[udp + 2..udp + 4].copy_from_slice(&destination.port().to_be_bytes());
        bytes[udp + 4..udp + 6].copy_from_slice(&length);
        Template {
            ip_sum: sum(&bytes[ETHERNET_BYTES..udp]),
            udp_sum: sum(&addresses) + sum(&[0, UDP]) + sum(&length) + sum(&bytes[udp..]),
            bytes,
        }
    }
}

/// Writes ethertype and header; returns the header's length and the addresses.
fn ipv4(bytes: &mut [u8], destination: Ipv4Addr) -> (usize, Vec<u8>) {
    bytes[0..2].copy_from_slice(&[0x08, 0x00]);
    let ip = &mut bytes[2..22];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&((FRAME_BYTES - ETHERNET_BYTES) as u16).to_be_bytes());
    ip[8] = 64;
    ip[9] = UDP;
    ip[16..20].copy_from_slice(&destination.octets());
    (ip.len(), ip[12..20].to_vec())
}

/// The same of IPv6. The source is of the clients' network.
fn ipv6(bytes: &mut [u8], destination: Ipv6Addr) -> (usize, Vec<u8>) {
    bytes[0..2].copy_from_slice(&[0x86, 0xdd]);
    let ip = &mut bytes[2..42];
    ip[0] = 0x60;
    ip[4..6].copy_from_slice(&((FRAME_BYTES - ETHERNET_BYTES - 40) as u16).to_be_bytes());
    ip[6] = UDP;
    ip[7] = 64;
    ip[8..24].copy_from_slice(&CLIENTS6.octets());
    ip[24..40].copy_from_slice(&destination.octets());
    (ip.len(), ip[8..40].to_vec())
}

/// Of 16-bit words in memory order, unfolded.
pub fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks_exact(2)
        .map(|word| u64::from(u16::from_ne_bytes([word[0], word[1]])))
        .sum()
}
