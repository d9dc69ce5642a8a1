//! Rows of `interfaces`.

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_core::addr::Mac;
use lb_core::tables::{InterfaceRow, InterfaceSlot};
use zerocopy::{FromZeros, IntoBytes};

use super::{EncodeError, address, within};

pub(crate) fn encode(row: &InterfaceRow) -> abi::lb_interface {
    abi::lb_interface {
        ifindex: row.ifindex,
        mtu: row.mtu,
        mac: row.mac.0,
        address4: row
            .address4
            .map_or(0, |addr| u32::from_ne_bytes(addr.octets())),
        ..abi::lb_interface::new_zeroed()
    }
}

pub(crate) fn decode(row: &abi::lb_interface) -> Option<InterfaceRow> {
    (row.ifindex != 0).then(|| InterfaceRow {
        ifindex: row.ifindex,
        mac: Mac(row.mac),
        mtu: row.mtu,
        address4: (row.address4 != 0).then(|| address::decode4(row.address4)),
    })
}

/// Puts a row. The word with the ifindex, by which rows are found, comes last.
pub(crate) fn put(
    regions: &Regions,
    slot: InterfaceSlot,
    row: &InterfaceRow,
) -> Result<(), EncodeError> {
    within(
        "interface slot",
        slot.0.into(),
        regions.len(Region::Interfaces),
    )?;
    let bytes = encode(row);
    for (word, bytes) in bytes.as_bytes().chunks_exact(8).enumerate().rev() {
        let value = u64::from_ne_bytes(bytes.try_into().expect("chunks are of eight bytes"));
        regions.store_u64(Region::Interfaces, slot.0.into(), word, value);
    }
    Ok(())
}

pub(crate) fn drop(regions: &Regions, slot: InterfaceSlot) -> Result<(), EncodeError> {
    within(
        "interface slot",
        slot.0.into(),
        regions.len(Region::Interfaces),
    )?;
    regions.zero(Region::Interfaces, slot.0.into());
    Ok(())
}

pub(crate) fn read_all(
    regions: &Regions,
) -> impl Iterator<Item = (InterfaceSlot, InterfaceRow)> + '_ {
    (0..regions.len(Region::Interfaces)).filter_map(|slot| {
        let row = decode(&regions.read(Region::Interfaces, slot))?;
        Some((InterfaceSlot(u8::try_from(slot).ok()?), row))
    })
}
