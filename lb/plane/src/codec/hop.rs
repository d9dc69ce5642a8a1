//! Hop words: MAC address and interface in one atomic value; 0 is unresolved.
//!
//! A row of `hops` that is unresolved and one that does not exist are the same word; which ids
//! exist follows from the routes.

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_core::addr::Mac;
use lb_core::tables::{Hop, HopId, InterfaceSlot};

use super::{EncodeError, within};

pub(crate) fn encode(hop: Option<Hop>) -> u64 {
    let Some(Hop {
        interface,
        mac: Mac(mac),
    }) = hop
    else {
        return 0;
    };
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&mac);
    abi::LB_HOP_VALID | u64::from(interface.0) << abi::LB_HOP_SLOT_SHIFT | u64::from_le_bytes(bytes)
}

pub(crate) fn decode(word: u64) -> Option<Hop> {
    if word & abi::LB_HOP_VALID == 0 {
        return None;
    }
    let [a, b, c, d, e, f, slot, _] = word.to_le_bytes();
    Some(Hop {
        interface: InterfaceSlot(slot),
        mac: Mac([a, b, c, d, e, f]),
    })
}

/// Puts a row, or with None makes it unresolved (or no more).
pub(crate) fn put(regions: &Regions, id: HopId, hop: Option<Hop>) -> Result<(), EncodeError> {
    within("hop", id.0.into(), regions.len(Region::Hops))?;
    regions.store_u64(Region::Hops, id.0, 0, encode(hop));
    Ok(())
}

pub(crate) fn read(regions: &Regions, id: HopId) -> Option<Hop> {
    decode(regions.load_u64(Region::Hops, id.0, 0))
}
