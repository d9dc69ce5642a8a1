//! Records of `ports`: from (VIP, block of ports, protocol) to a service.
//!
//! A service of one port has one record. A range has one for each of the fewest aligned blocks of
//! 2^k ports that make it up, and any port is the block of all.

use lb_bpf::abi;
use lb_bpf::user::port_lines;
use lb_core::service::Ports;
use lb_core::tables::Image;
use zerocopy::FromZeros;

use super::vip::Vips;
use super::{EncodeError, address, fits, index};

const ROOM: usize = abi::LB_PORTS_PER_LINE as usize;
const WHAT: &str = "ports and blocks of port ranges";

/// 2^`log2` ports, from `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub first: u16,
    pub log2: u32,
}

/// The block of all ports.
pub(crate) const ANY: Block = Block { first: 0, log2: 16 };

/// The blocks of a service's ports, by their first port; of ICMP none.
pub(crate) fn blocks(ports: Ports) -> Vec<Block> {
    let Some((first, last)) = ports.bounds() else {
        return if ports == Ports::Any {
            vec![ANY]
        } else {
            Vec::new()
        };
    };
    let (mut first, end) = (u32::from(first.get()), u32::from(last.get()) + 1);
    let mut blocks = Vec::new();
    while first < end {
        let aligned = first.trailing_zeros();
        let log2 = aligned.min((end - first).ilog2());
        blocks.push(Block {
            first: first as u16,
            log2,
        });
        first += 1 << log2;
    }
    blocks
}

/// Has a service more than one port?
pub(crate) fn is_wild(ports: Ports) -> bool {
    matches!(ports, Ports::Range { .. } | Ports::Any)
}

pub(crate) fn encode(
    image: &Image,
    vips: &Vips,
    lines: u32,
) -> Result<(u64, Vec<abi::lb_port_line>), EncodeError> {
    let mut records = Vec::with_capacity(image.services.len());
    for (id, row) in &image.services {
        let vip = vips.ids.get(&row.key.vip);
        let vip = *vip.ok_or(EncodeError::NoVip {
            service: id.0,
            vip: row.key.vip,
        })?;
        let protocol = address::protocol_number(row.key.protocol);
        records.extend(blocks(row.key.ports).into_iter().map(|block| abi::lb_port {
            key: u64::from(vip) << 32
                | u64::from(block.log2) << 24
                | u64::from(block.first) << 8
                | u64::from(protocol),
            service: id.0.into(),
            reserved: 0,
        }));
    }
    let room = lines.saturating_mul(ROOM as u32);
    fits(WHAT, records.len(), room)?;
    for attempt in 0..index::SEEDS {
        let seed = index::seed(attempt);
        let candidates: Vec<_> = records
            .iter()
            .map(|record| port_lines(record.key, seed, lines))
            .collect();
        if let Some(table) = index::lay(&candidates, lines, ROOM) {
            return Ok((seed, fill(&table, &records)));
        }
    }
    let needed = records.len() as u64;
    Err(EncodeError::Full {
        what: WHAT,
        needed,
        room: room.into(),
    })
}

fn fill(table: &[Vec<usize>], records: &[abi::lb_port]) -> Vec<abi::lb_port_line> {
    let mut lines = vec![abi::lb_port_line::new_zeroed(); table.len()];
    for (line, keys) in lines.iter_mut().zip(table) {
        for (place, key) in line.port.iter_mut().zip(keys) {
            *place = records[*key];
        }
    }
    lines
}
