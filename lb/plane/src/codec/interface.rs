//! Rows of `interfaces`.

use std::net::IpAddr;

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_core::addr::Mac;
use lb_core::tables::{InterfaceRow, InterfaceSlot};
use lb_core::vlan::{Vlan, VlanId, VlanProtocol};
use zerocopy::{FromZeros, IntoBytes};

use super::{EncodeError, address, within};

const LINK_BYTES: u8 = 14;
const TAG_BYTES: u8 = 4;
const OUTER_SHIFT: u32 = 16;

pub(crate) fn encode(row: &InterfaceRow) -> abi::lb_interface {
    let words = |addr: Option<IpAddr>| addr.map_or([0; 4], address::words);
    let (tags, link) = match row.vlan {
        None => (0, LINK_BYTES),
        Some(Vlan {
            outer: None, inner, ..
        }) => (inner.get().into(), LINK_BYTES + TAG_BYTES),
        Some(Vlan {
            outer: Some(outer),
            inner,
            ..
        }) => (
            u32::from(outer.get()) << OUTER_SHIFT | u32::from(inner.get()),
            LINK_BYTES + 2 * TAG_BYTES,
        ),
    };
    abi::lb_interface {
        ifindex: row.ifindex,
        mtu: row.mtu,
        mac: row.mac.0,
        link,
        address4: words(row.address4.map(IpAddr::V4))[0],
        tags,
        tag_protocol: row.vlan.map_or(0, |vlan| tag_type(vlan.protocol)),
        address6: words(row.address6.map(IpAddr::V6)),
        ..abi::lb_interface::new_zeroed()
    }
}

/// The type field of a tag, as on the wire.
fn tag_type(protocol: VlanProtocol) -> u16 {
    let number: u16 = match protocol {
        VlanProtocol::Dot1Q => 0x8100,
        VlanProtocol::Dot1Ad => 0x88a8,
    };
    number.to_be()
}

/// None: free, or not as a row that was put here.
pub(crate) fn decode(bytes: &abi::lb_interface) -> Option<InterfaceRow> {
    let row = InterfaceRow {
        ifindex: bytes.ifindex,
        mac: Mac(bytes.mac),
        mtu: bytes.mtu,
        address4: (bytes.address4 != 0).then(|| address::decode4(bytes.address4)),
        address6: (bytes.address6 != [0; 4]).then(|| address::decode6(bytes.address6)),
        vlan: (bytes.tags != 0).then(|| vlan(bytes)).flatten(),
    };
    (row.ifindex != 0 && encode(&row).as_bytes() == bytes.as_bytes()).then_some(row)
}

fn vlan(bytes: &abi::lb_interface) -> Option<Vlan> {
    let id = |number: u32| VlanId::new(number.into()).ok();
    let known = [VlanProtocol::Dot1Q, VlanProtocol::Dot1Ad];
    Some(Vlan {
        outer: id(bytes.tags >> OUTER_SHIFT),
        inner: id(bytes.tags & 0xffff)?,
        protocol: known
            .into_iter()
            .find(|protocol| tag_type(*protocol) == bytes.tag_protocol)?,
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
