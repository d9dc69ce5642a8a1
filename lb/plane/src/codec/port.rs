//! Records of `ports`: from (VIP, port, protocol) to a service.

use lb_bpf::abi;
use lb_bpf::user::port_lines;
use lb_core::tables::Image;
use zerocopy::FromZeros;

use super::vip::Vips;
use super::{EncodeError, address, fits, index};

const ROOM: usize = abi::LB_PORTS_PER_LINE as usize;

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
        records.push(abi::lb_port {
            key: u64::from(vip) << 32 | u64::from(row.key.port.get()) << 8 | u64::from(protocol),
            service: id.0.into(),
            reserved: 0,
        });
    }
    let room = lines.saturating_mul(ROOM as u32);
    fits("services", records.len(), room)?;
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
        what: "services",
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
