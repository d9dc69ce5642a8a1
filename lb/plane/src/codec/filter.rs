//! The bitmaps that say "certainly not for a service" and "certainly no reply".
//!
//! What has more than one port has the bit of port 0; packets ask for that one, too, while the
//! image says that there is any such thing (`LB_ACTIVE_WILD`).

use std::net::IpAddr;

use lb_bpf::user::filter_bit;
use lb_core::service::{Ports, Protocol};
use lb_core::tables::{BackendKey, Image};

use super::{address, port};

/// The port whose bit stands for many.
const MANY: u16 = 0;

/// Words of one bitmap.
pub(crate) fn words(bits: u32) -> usize {
    1 << bits.saturating_sub(6)
}

/// Both bitmaps of a bank: forward, then reverse.
pub(crate) fn encode(image: &Image, bits: u32) -> Vec<u64> {
    let mut bitmaps = vec![0; 2 * words(bits)];
    let (forward, reverse) = bitmaps.split_at_mut(words(bits));
    for row in image.services.values() {
        let port = match row.key.ports {
            Ports::One(port) => port.get(),
            Ports::Range { .. } | Ports::Any => MANY,
            // Pings are for the VIP, not for a flow.
            Ports::None => continue,
        };
        set(forward, bit(row.key.vip, port, row.key.protocol, bits));
    }
    for key in &image.repliers {
        set(reverse, bit_of(key, bits));
    }
    bitmaps
}

/// Has a service or a replier the bit of port 0?
pub(crate) fn is_wild(image: &Image) -> bool {
    let mut services = image.services.values();
    services.any(|row| port::is_wild(row.key.ports))
        || image.repliers.iter().any(|key| key.endpoint.port.is_none())
}

/// Is a backend in a reverse bitmap? Perhaps only by chance.
pub(crate) fn may_reply(reverse: &[u64], key: &BackendKey, bits: u32) -> bool {
    let bit = bit_of(key, bits);
    reverse[bit as usize / 64] >> (bit % 64) & 1 != 0
}

fn bit_of(key: &BackendKey, bits: u32) -> u32 {
    let port = key.endpoint.port.map_or(MANY, std::num::NonZero::get);
    bit(key.endpoint.addr, port, key.protocol, bits)
}

fn bit(addr: IpAddr, port: u16, protocol: Protocol, bits: u32) -> u32 {
    filter_bit(
        address::words(addr),
        port.to_be(),
        address::protocol_number(protocol),
        bits,
    )
}

fn set(bitmap: &mut [u64], bit: u32) {
    bitmap[bit as usize / 64] |= 1 << (bit % 64);
}
