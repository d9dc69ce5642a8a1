//! Rows of `services`.

use std::num::NonZeroU16;

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_bpf::user::timeout_encode;
use lb_core::service::{Mode, NoBackend, Ports, ServiceKey};
use lb_core::tables::{
    Image, MemberRange, SelectionKind, ServiceId, ServiceRow, SlotRange, SourceRange,
};
use zerocopy::FromZeros;

use super::{EncodeError, address, within};

/// Nanoseconds of a tick, the unit of timeouts.
const TICK_NS: u64 = 1 << abi::LB_TICK_SHIFT;

/// All rows of a bank; `is_limited` says whether a member of a run has a limit.
pub(crate) fn encode_all(
    image: &Image,
    rows: u32,
    is_limited: impl Fn(MemberRange) -> bool,
) -> Result<Vec<abi::lb_service>, EncodeError> {
    let mut services = vec![abi::lb_service::new_zeroed(); rows as usize];
    for (id, row) in &image.services {
        within("service", id.0.into(), rows)?;
        let bytes = &mut services[usize::from(id.0)];
        *bytes = encode(row);
        if row.members.is_some_and(&is_limited) {
            bytes.flags |= abi::LB_SERVICE_LIMITED;
        }
    }
    Ok(services)
}

fn encode(row: &ServiceRow) -> abi::lb_service {
    let (port, port_last) = ports(row.key.ports);
    // Of a service that needs no slots the count says whether there is a member.
    let slots = match row.selection {
        SelectionKind::Least => row.members.map(|_| SLOT_OF_LEAST),
        SelectionKind::Maglev | SelectionKind::RoundRobin => row.slots,
    };
    abi::lb_service {
        flags: flags(row),
        slot_word: slots.map_or(0, |range| range.first_word),
        slot_count: slots.map_or(0, |range| range.count),
        member_first: row.members.map_or(0, |range| range.first),
        member_count: row.members.map_or(0, |range| range.count),
        idle: timeout_encode(ticks(row.idle)),
        protocol: address::protocol_number(row.key.protocol),
        port,
        port_last,
        address: address::words(row.key.vip),
        idle_seconds: row.idle,
        persist: row.persist,
        source_first: row.sources.map_or(0, |range| range.first),
        source_count: row.sources.map_or(0, |range| range.count),
        mss: row.mss,
        tunnel_port: match row.mode {
            Mode::Gue { port } => port.get().to_be(),
            _ => 0,
        },
        ..abi::lb_service::new_zeroed()
    }
}

const SLOT_OF_LEAST: SlotRange = SlotRange {
    first_word: 0,
    count: 1,
};

/// The first and the last.
fn ports(ports: Ports) -> (u16, u16) {
    match ports {
        Ports::One(port) => (port.get(), port.get()),
        Ports::Range { first, last } => (first.get(), last.get()),
        Ports::Any => (0, u16::MAX),
        Ports::None => (0, 0),
    }
}

fn decode_ports(row: &abi::lb_service) -> Option<Ports> {
    let last = NonZeroU16::new(row.port_last);
    match (NonZeroU16::new(row.port), last) {
        (Some(first), Some(last)) => Some(Ports::between(first, last)),
        (None, Some(NonZeroU16::MAX)) => Some(Ports::Any),
        (None, None) => Some(Ports::None),
        _ => None,
    }
}

/// Seconds in ticks, rounded up: nothing times out early.
fn ticks(seconds: u32) -> u32 {
    (u64::from(seconds) * 1_000_000_000).div_ceil(TICK_NS) as u32
}

fn flags(row: &ServiceRow) -> u32 {
    let no_backend = match row.no_backend {
        NoBackend::Reject => 0,
        NoBackend::Drop => abi::LB_SERVICE_NO_BACKEND_DROP,
        NoBackend::Pass => abi::LB_SERVICE_NO_BACKEND_PASS,
    };
    let selection = match row.selection {
        SelectionKind::Maglev => 0,
        SelectionKind::RoundRobin => abi::LB_SERVICE_ROUND_ROBIN,
        SelectionKind::Least => abi::LB_SERVICE_LEAST,
    };
    let set = |flag: u32, on: bool| if on { flag } else { 0 };
    let denies_first = row.sources.is_some_and(|sources| sources.deny_first);
    abi::LB_SERVICE_USED
        | mode_flags(row.mode)
        | no_backend
        | selection
        | address::family(row.key.vip, abi::LB_SERVICE_IPV6)
        | set(abi::LB_SERVICE_PICK_UP, row.pick_up)
        | set(abi::LB_SERVICE_LAST_HOP, row.last_hop)
        | set(abi::LB_SERVICE_SOURCES, row.sources.is_some())
        | set(abi::LB_SERVICE_DENY_FIRST, denies_first)
}

fn mode_flags(mode: Mode) -> u32 {
    match mode {
        Mode::Dnat => 0,
        Mode::Fullnat => abi::LB_SERVICE_FULLNAT,
        Mode::Onearm => abi::LB_SERVICE_FULLNAT | abi::LB_SERVICE_SOURCE_INTERFACE,
        Mode::Dsr => abi::LB_SERVICE_DSR,
        Mode::Ipip => abi::LB_SERVICE_IPIP,
        Mode::Gue { .. } => abi::LB_SERVICE_GUE,
    }
}

fn decode_mode(row: &abi::lb_service) -> Option<Mode> {
    let gue = NonZeroU16::new(u16::from_be(row.tunnel_port)).map(|port| Mode::Gue { port });
    let known = [
        Mode::Dnat,
        Mode::Fullnat,
        Mode::Onearm,
        Mode::Dsr,
        Mode::Ipip,
    ];
    let all = known
        .iter()
        .fold(abi::LB_SERVICE_GUE, |all, mode| all | mode_flags(*mode));
    known
        .into_iter()
        .chain(gue)
        .find(|mode| mode_flags(*mode) == row.flags & all)
}

/// None: free, or nothing that was put here.
fn decode(row: &abi::lb_service) -> Option<ServiceRow> {
    let has = |flag: u32| row.flags & flag != 0;
    if !has(abi::LB_SERVICE_USED) {
        return None;
    }
    let key = ServiceKey {
        vip: address::decode(row.address, has(abi::LB_SERVICE_IPV6)),
        ports: decode_ports(row)?,
        protocol: address::protocol(row.protocol)?,
    };
    let no_backend = match (
        has(abi::LB_SERVICE_NO_BACKEND_DROP),
        has(abi::LB_SERVICE_NO_BACKEND_PASS),
    ) {
        (true, _) => NoBackend::Drop,
        (false, true) => NoBackend::Pass,
        (false, false) => NoBackend::Reject,
    };
    let selection = match (has(abi::LB_SERVICE_LEAST), has(abi::LB_SERVICE_ROUND_ROBIN)) {
        (true, _) => SelectionKind::Least,
        (false, true) => SelectionKind::RoundRobin,
        (false, false) => SelectionKind::Maglev,
    };
    let has_slots = row.slot_count != 0 && selection != SelectionKind::Least;
    Some(ServiceRow {
        key,
        mode: decode_mode(row)?,
        selection,
        pick_up: has(abi::LB_SERVICE_PICK_UP),
        no_backend,
        last_hop: has(abi::LB_SERVICE_LAST_HOP),
        idle: row.idle_seconds,
        persist: row.persist,
        mss: row.mss,
        slots: has_slots.then_some(SlotRange {
            first_word: row.slot_word,
            count: row.slot_count,
        }),
        members: (row.member_count != 0).then_some(MemberRange {
            first: row.member_first,
            count: row.member_count,
        }),
        sources: has(abi::LB_SERVICE_SOURCES).then_some(SourceRange {
            first: row.source_first,
            count: row.source_count,
            deny_first: has(abi::LB_SERVICE_DENY_FIRST),
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
