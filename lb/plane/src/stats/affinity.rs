//! How many clients have a backend of their own (bpf/core/affinity.h).

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};

/// Rows of services that keep clients, and whose client was seen within the time of its service,
/// to a tick.
pub(super) fn used(regions: &Regions, bank: u32, tick: u32) -> u64 {
    let services = regions.config().max_services;
    let persist = |mark: u16| {
        let id = u32::from(mark).checked_sub(1).filter(|id| *id < services)?;
        let row: abi::lb_service = regions.read(Region::Services, bank * services + id);
        (row.persist != 0).then_some(row.persist)
    };
    let lives = |row: &abi::lb_affinity| {
        let Some(seconds) = persist(row.service) else {
            return false;
        };
        let seen = (row.word >> u32::BITS) as u32;
        // A row that is just seen may be ahead of a tick that was read before.
        let idle = (tick.wrapping_sub(seen) as i32).max(1) as u64 - 1;
        row.word & BUSY == 0 && idle << abi::LB_TICK_SHIFT <= u64::from(seconds) * 1_000_000_000
    };
    let lines = 0..regions.len(Region::Affinity);
    lines
        .flat_map(|line| {
            regions
                .read::<abi::lb_affinity_line>(Region::Affinity, line)
                .affinity
        })
        .filter(lives)
        .count() as u64
}

/// Of a row's word: somebody is writing it.
const BUSY: u64 = 1;
