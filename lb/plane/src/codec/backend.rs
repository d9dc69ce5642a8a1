//! Rows of `backends`. A changed next hop is one atomic store.

use std::net::IpAddr;
use std::num::NonZeroU16;

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_core::service::Endpoint;
use lb_core::tables::{BackendId, BackendKey, BackendRow};
use zerocopy::FromZeros;

use super::{EncodeError, address, hop, within};

/// The 64-bit word of `struct lb_backend` that is the hop.
const HOP_WORD: usize = std::mem::offset_of!(abi::lb_backend, hop) / 8;

pub(crate) fn encode(row: &BackendRow) -> Result<abi::lb_backend, EncodeError> {
    Ok(abi::lb_backend {
        address: address::encode(row.key.endpoint.addr)?,
        hop: hop::encode(row.hop),
        source: row.source.map_or(Ok([0; 4]), address::encode)?,
        port: row.key.endpoint.port.get().to_be(),
        protocol: address::protocol_number(row.key.protocol),
        flags: abi::LB_BACKEND_USED as u8,
        ..abi::lb_backend::new_zeroed()
    })
}

pub(crate) fn decode(row: &abi::lb_backend) -> Option<BackendRow> {
    if u32::from(row.flags) & abi::LB_BACKEND_USED == 0 {
        return None;
    }
    let endpoint = Endpoint {
        addr: address::decode(row.address),
        port: NonZeroU16::new(u16::from_be(row.port))?,
    };
    Some(BackendRow {
        key: BackendKey {
            endpoint,
            protocol: address::protocol(row.protocol)?,
        },
        hop: hop::decode(row.hop),
        source: (row.source != [0; 4]).then(|| source(endpoint.addr, row.source)),
    })
}

/// A source is of its backend's family.
fn source(backend: IpAddr, words: [u32; 4]) -> IpAddr {
    match backend {
        IpAddr::V4(_) => address::decode4(words[0]).into(),
        IpAddr::V6(_) => address::decode6(words).into(),
    }
}

/// Writes a row. The counters of a key are its own: another's at this id begin at 0.
pub(crate) fn put(regions: &Regions, id: BackendId, row: &BackendRow) -> Result<(), EncodeError> {
    within("backend", id.0.into(), regions.len(Region::Backends))?;
    let bytes = encode(row)?;
    let present = read(regions, id);
    if present
        .as_ref()
        .is_none_or(|present| present.key != row.key)
    {
        forget(regions, id);
    }
    if present.is_some_and(|present| (present.key, present.source) == (row.key, row.source)) {
        regions.store_u64(Region::Backends, id.0, HOP_WORD, bytes.hop);
    } else {
        regions.write(Region::Backends, id.0, &bytes);
    }
    Ok(())
}

/// Drops a row and its counters.
pub(crate) fn drop(regions: &Regions, id: BackendId) -> Result<(), EncodeError> {
    within("backend", id.0.into(), regions.len(Region::Backends))?;
    regions.zero(Region::Backends, id.0);
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
