//! Records of `vips`: VIPs, and the box's other addresses, by address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lb_bpf::abi;
use lb_bpf::user::vip_lines;
use lb_core::tables::{Image, VipRow};
use zerocopy::FromZeros;

use super::{EncodeError, address, fits, index, port};

const ROOM: usize = abi::LB_VIPS_PER_LINE as usize;

/// The seed, the lines, and each VIP's id (its part in the keys of ports).
pub(crate) struct Vips {
    pub seed: u64,
    pub lines: Vec<abi::lb_vip_line>,
    pub ids: BTreeMap<IpAddr, u32>,
}

pub(crate) fn encode(image: &Image, lines: u32) -> Result<Vips, EncodeError> {
    let blocks: BTreeSet<IpAddr> = image
        .services
        .values()
        .filter(|row| port::is_wild(row.key.ports))
        .map(|row| row.key.vip)
        .collect();
    let set = |flag: u32, on: bool| if on { flag } else { 0 };
    let mut records = Vec::new();
    for (id, (addr, row)) in (0..).zip(&image.vips) {
        records.push(abi::lb_vip {
            address: address::words(*addr),
            id,
            flags: abi::LB_VIP_USED
                | address::family(*addr, abi::LB_VIP_IPV6)
                | set(abi::LB_VIP_ECHO, row.echo)
                | set(abi::LB_VIP_BLOCKS, blocks.contains(addr)),
            arp_interfaces: row.arp,
        });
    }
    for addr in &image.local {
        records.push(abi::lb_vip {
            address: address::words(*addr),
            flags: abi::LB_VIP_USED | abi::LB_VIP_LOCAL | address::family(*addr, abi::LB_VIP_IPV6),
            ..abi::lb_vip::new_zeroed()
        });
    }
    let room = lines.saturating_mul(ROOM as u32);
    fits("vips and addresses of the box", records.len(), room)?;
    for attempt in 0..index::SEEDS {
        let seed = index::seed(attempt);
        let candidates: Vec<_> = records
            .iter()
            .map(|record| vip_lines(record.address, seed, lines))
            .collect();
        if let Some(table) = index::lay(&candidates, lines, ROOM) {
            let ids = image.vips.keys().copied().zip(0..).collect();
            return Ok(Vips {
                seed,
                lines: fill(&table, &records),
                ids,
            });
        }
    }
    let needed = records.len() as u64;
    Err(EncodeError::Full {
        what: "vips and addresses of the box",
        needed,
        room: room.into(),
    })
}

fn fill(table: &[Vec<usize>], records: &[abi::lb_vip]) -> Vec<abi::lb_vip_line> {
    let mut lines = vec![abi::lb_vip_line::new_zeroed(); table.len()];
    for (line, keys) in lines.iter_mut().zip(table) {
        for (place, key) in line.vip.iter_mut().zip(keys) {
            *place = records[*key];
        }
    }
    lines
}

/// Adds the rows of a line to an image.
pub(crate) fn decode(line: &abi::lb_vip_line, image: &mut Image) {
    for record in line
        .vip
        .iter()
        .filter(|record| record.flags & abi::LB_VIP_USED != 0)
    {
        let addr = address::decode(record.address, record.flags & abi::LB_VIP_IPV6 != 0);
        if record.flags & abi::LB_VIP_LOCAL != 0 {
            image.local.insert(addr);
        } else {
            let echo = record.flags & abi::LB_VIP_ECHO != 0;
            image.vips.insert(
                addr,
                VipRow {
                    arp: record.arp_interfaces,
                    echo,
                },
            );
        }
    }
}
