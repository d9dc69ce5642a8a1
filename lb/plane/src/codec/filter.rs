//! The bitmaps that say "certainly not for a service" and "certainly no reply".

use std::net::IpAddr;

use lb_bpf::user::filter_bit;
use lb_core::service::Protocol;
use lb_core::tables::{BackendKey, Image};

use super::address;

/// Words of one bitmap.
pub(crate) fn words(bits: u32) -> usize {
    1 << bits.saturating_sub(6)
}

/// Both bitmaps of a bank: forward, then reverse.
pub(crate) fn encode(image: &Image, bits: u32) -> Vec<u64> {
    let mut bitmaps = vec![0; 2 * words(bits)];
    let (forward, reverse) = bitmaps.split_at_mut(words(bits));
    for row in image.services.values() {
        let key = &row.key;
        set(forward, bit(key.vip, key.port.get(), key.protocol, bits));
    }
    for key in &image.repliers {
        set(reverse, bit_of(key, bits));
    }
    bitmaps
}

/// Is a backend in a reverse bitmap? Perhaps only by chance.
pub(crate) fn may_reply(reverse: &[u64], key: &BackendKey, bits: u32) -> bool {
    let bit = bit_of(key, bits);
    reverse[bit as usize / 64] >> (bit % 64) & 1 != 0
}

fn bit_of(key: &BackendKey, bits: u32) -> u32 {
    bit(
        key.endpoint.addr,
        key.endpoint.port.get(),
        key.protocol,
        bits,
    )
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
