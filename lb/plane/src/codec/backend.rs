//! Rows of `backends`. A changed next hop is one atomic store.

use std::num::NonZeroU16;

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_core::service::Endpoint;
use lb_core::tables::{BackendId, BackendKey, BackendRow};
use zerocopy::{FromZeros, IntoBytes};

use super::{EncodeError, address, hop, within};

/// The 64-bit word of `struct lb_backend` that is the hop.
const HOP_WORD: usize = std::mem::offset_of!(abi::lb_backend, hop) / 8;

pub(crate) fn encode(row: &BackendRow) -> abi::lb_backend {
    let BackendKey { endpoint, protocol } = row.key;
    let flags = abi::LB_BACKEND_USED | address::family(endpoint.addr, abi::LB_BACKEND_IPV6);
    abi::lb_backend {
        address: address::words(endpoint.addr),
        hop: hop::encode(row.hop),
        source: row.source.map_or([0; 4], address::words),
        port: endpoint.port.map_or(0, NonZeroU16::get).to_be(),
        protocol: address::protocol_number(protocol),
        flags: flags as u8,
        ..abi::lb_backend::new_zeroed()
    }
}

/// None: free, or not as a row that was put here.
pub(crate) fn decode(bytes: &abi::lb_backend) -> Option<BackendRow> {
    let is_ipv6 = u32::from(bytes.flags) & abi::LB_BACKEND_IPV6 != 0;
    let row = BackendRow {
        key: key(bytes)?,
        hop: hop::decode(bytes.hop),
        source: (bytes.source != [0; 4]).then(|| address::decode(bytes.source, is_ipv6)),
    };
    (encode(&row).as_bytes() == bytes.as_bytes()).then_some(row)
}

/// Whose row it is; None: free.
fn key(bytes: &abi::lb_backend) -> Option<BackendKey> {
    let flags = u32::from(bytes.flags);
    if flags & abi::LB_BACKEND_USED == 0 {
        return None;
    }
    let endpoint = Endpoint {
        addr: address::decode(bytes.address, flags & abi::LB_BACKEND_IPV6 != 0),
        port: NonZeroU16::new(u16::from_be(bytes.port)),
    };
    Some(BackendKey {
        endpoint,
        protocol: address::protocol(bytes.protocol)?,
    })
}

/// Writes a row. The counters of a key are its own: another's at this id begin at 0. The load is
/// that of the connections with this id, whatever the row says: each takes back what it gave.
pub(crate) fn put(regions: &Regions, id: BackendId, row: &BackendRow) -> Result<(), EncodeError> {
    within("backend", id.0.into(), regions.len(Region::Backends))?;
    let bytes = encode(row);
    let present: abi::lb_backend = regions.read(Region::Backends, id.0);
    if key(&present) != Some(row.key) {
        forget(regions, id);
    }
    let moved = abi::lb_backend {
        hop: bytes.hop,
        ..present
    };
    if moved.as_bytes() == bytes.as_bytes() {
        regions.store_u64(Region::Backends, id.0, HOP_WORD, bytes.hop);
    } else {
        regions.write(Region::Backends, id.0, &bytes);
    }
    Ok(())
}

/// Drops a row, its counters, and its load: it has no connections, so that what is left was not
/// given back by a host that died.
pub(crate) fn drop(regions: &Regions, id: BackendId) -> Result<(), EncodeError> {
    within("backend", id.0.into(), regions.len(Region::Backends))?;
    regions.zero(Region::Backends, id.0);
    regions.store_u64(Region::Loads, id.0, 0, 0);
    forget(regions, id);
    Ok(())
}

/// Zeroes the counters of a backend within the table.
fn forget(regions: &Regions, id: BackendId) {
    let rows = regions.len(Region::Backends);
    for cpu in 0..regions.config().cpu_slots {
        regions.zero(Region::BackendStats, cpu * rows + id.0);
    }
}

pub(crate) fn read(regions: &Regions, id: BackendId) -> Option<BackendRow> {
    decode(&regions.read(Region::Backends, id.0))
}

pub(crate) fn read_all(regions: &Regions) -> impl Iterator<Item = (BackendId, BackendRow)> + '_ {
    (0..regions.len(Region::Backends))
        .map(BackendId)
        .filter_map(|id| Some((id, read(regions, id)?)))
}
