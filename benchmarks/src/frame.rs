//! The frame that the driver fills in: Ethernet, IPv4, UDP, 64 bytes without checksum sequence.

use std::net::Ipv4Addr;

pub const FRAME_BYTES: usize = 64;
pub const TEMPLATE_BYTES: usize = 48;
const ETHERNET_BYTES: usize = 14;
const IP_BYTES: usize = FRAME_BYTES - ETHERNET_BYTES;
const UDP_BYTES: usize = IP_BYTES - 20;

/// A frame without source address, source port and checksums, and the sums of what it has.
/// Sums are of 16-bit words in memory order, unfolded.
pub struct Template {
    pub bytes: [u8; FRAME_BYTES],
    pub ip_sum: u64,
    pub udp_sum: u64,
}

impl Template {
    pub fn new(to: [u8; 6], from: [u8; 6], destination: Ipv4Addr, port: u16) -> Template {
        let mut bytes = [0; FRAME_BYTES];
        bytes[0..6].copy_from_slice(&to);
        bytes[6..12].copy_from_slice(&from);
        bytes[12..14].copy_from_slice(&[0x08, 0x00]);
        let ip = &mut bytes[14..34];
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&(IP_BYTES as u16).to_be_bytes());
        ip[8] = 64;
        ip[9] = 17;
        ip[16..20].copy_from_slice(&destination.octets());
        bytes[36..38].copy_from_slice(&port.to_be_bytes());
        bytes[38..40].copy_from_slice(&(UDP_BYTES as u16).to_be_bytes());
        let pseudo = [
            &destination.octets()[..],
            &[0, 17],
            &(UDP_BYTES as u16).to_be_bytes(),
        ]
        .concat();
        Template {
            ip_sum: sum(&bytes[14..34]),
            udp_sum: sum(&pseudo) + sum(&bytes[34..]),
            bytes,
        }
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks_exact(2)
        .map(|word| u64::from(u16::from_ne_bytes([word[0], word[1]])))
        .sum()
}
