//! Rows of `services`.

use std::num::NonZeroU16;

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};

use lb_bpf::user::timeout_encode;
use lb_core::service::{Mode, NoBackend, ServiceKey};
use lb_core::tables::{Image, MemberRange, ServiceId, ServiceRow, SlotRange};
use zerocopy::FromZeros;

use super::{EncodeError, address, within};

/// Nanoseconds of a tick, the unit of timeouts.
const TICK_NS: u64 = 1 << abi::LB_TICK_SHIFT;

/// All rows of a bank.
pub(crate) fn encode_all(image: &Image, rows: u32) -> Result<Vec<abi::lb_service>, EncodeError> {
    let mut services = vec![abi::lb_service::new_zeroed(); rows as usize];
    for (id, row) in &image.services {
        within("service", id.0.into(), rows)?;
        services[usize::from(id.0)] = encode(row)?;
    }
    Ok(services)
}

fn encode(row: &ServiceRow) -> Result<abi::lb_service, EncodeError> {
    Ok(abi::lb_service {
        flags: flags(row),
        slot_word: row.slots.map_or(0, |range| range.first_word),
        slot_count: row.slots.map_or(0, |range| range.count),
        member_first: row.members.map_or(0, |range| range.first),
        member_count: row.members.map_or(0, |range| range.count),
        idle: timeout_encode(ticks(row.idle)),
        protocol: address::protocol_number(row.key.protocol),
        port: row.key.port.get(),
        address: address::encode(row.key.vip)?,
        idle_seconds: row.idle,
        ..abi::lb_service::new_zeroed()
    })
}

/// Seconds in ticks, rounded up: nothing times out early.
fn ticks(seconds: u32) -> u32 {
    (u64::from(seconds) * 1_000_000_000).div_ceil(TICK_NS) as u32
}

fn flags(row: &ServiceRow) -> u32 {
    let mode = match row.mode {
        Mode::Dnat => 0,
        Mode::Fullnat => abi::LB_SERVICE_FULLNAT,
        Mode::Onearm => abi::LB_SERVICE_FULLNAT | abi::LB_SERVICE_SOURCE_INTERFACE,
    };
    let no_backend = match row.no_backend {
        NoBackend::Reject => 0,
        NoBackend::Drop => abi::LB_SERVICE_NO_BACKEND_DROP,
        NoBackend::Pass => abi::LB_SERVICE_NO_BACKEND_PASS,
    };
    let set = |flag: u32, on: bool| if on { flag } else { 0 };
    abi::LB_SERVICE_USED
        | mode
        | no_backend
        | set(abi::LB_SERVICE_ROUND_ROBIN, row.round_robin)
        | set(abi::LB_SERVICE_PICK_UP, row.pick_up)
        | set(abi::LB_SERVICE_LAST_HOP, row.last_hop)
}

fn decode(row: &abi::lb_service) -> Option<ServiceRow> {
    let has = |flag: u32| row.flags & flag != 0;
    if !has(abi::LB_SERVICE_USED) {
        return None;
    }
    let key = ServiceKey {
        vip: address::decode(row.address),
        port: NonZeroU16::new(row.port)?,
        protocol: address::protocol(row.protocol)?,
    };
    let mode = match (
        has(abi::LB_SERVICE_FULLNAT),
        has(abi::LB_SERVICE_SOURCE_INTERFACE),
    ) {
        (false, _) => Mode::Dnat,
        (true, false) => Mode::Fullnat,
        (true, true) => Mode::Onearm,
    };
    let no_backend = match (
        has(abi::LB_SERVICE_NO_BACKEND_DROP),
        has(abi::LB_SERVICE_NO_BACKEND_PASS),
    ) {
        (true, _) => NoBackend::Drop,
        (false, true) => NoBackend::Pass,
        (false, false) => NoBackend::Reject,
    };
    Some(ServiceRow {
        key,
        mode,
        round_robin: has(abi::LB_SERVICE_ROUND_ROBIN),
        pick_up: has(abi::LB_SERVICE_PICK_UP),
        no_backend,
        last_hop: has(abi::LB_SERVICE_LAST_HOP),
        idle: row.idle_seconds,
        slots: (row.slot_count != 0).then_some(SlotRange {
            first_word: row.slot_word,
            count: row.slot_count,
        }),
        members: (row.member_count != 0).then_some(MemberRange {
            first: row.member_first,
            count: row.member_count,
        }),
    })
}

/// A row of a bank; None: free.
pub(crate) fn read(regions: &Regions, bank: u32, id: ServiceId) -> Option<ServiceRow> {
    let rows = regions.config().max_services;
    decode(&regions.read(Region::Services, bank * rows + u32::from(id.0)))
}

/// Zeroes a service's counters and cursor, before its id is used again.
pub(crate) fn forget(regions: &Regions, id: ServiceId) -> Result<(), EncodeError> {
    let rows = regions.config().max_services;
    within("service", id.0.into(), rows)?;
    regions.zero(Region::Cursors, id.0.into());
    for cpu in 0..regions.config().cpu_slots {
        regions.zero(Region::ServiceStats, cpu * rows + u32::from(id.0));
    }
    Ok(())
}
