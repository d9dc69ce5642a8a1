//! The arenas: slot tables (four 16-bit slots to a word) and members (backend ids).
//!
//! They are written where no published service refers to, and found by the ranges in the
//! services: a run that nobody refers to is free space.

use std::sync::Arc;

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_core::tables::{BackendId, MemberRange, SlotRange};

use super::{EncodeError, within};

const SLOTS_PER_WORD: usize = abi::LB_SLOTS_PER_WORD as usize;

/// Words that a slot table takes.
pub(crate) fn words(slots: usize) -> usize {
    slots.div_ceil(SLOTS_PER_WORD)
}

fn run(what: &'static str, first: u32, count: usize, room: u32) -> Result<(), EncodeError> {
    if count == 0 {
        return Ok(());
    }
    within(what, u64::from(first) + count as u64 - 1, room)
}

pub(crate) fn put_slots(regions: &Regions, first: u32, slots: &[u16]) -> Result<(), EncodeError> {
    run(
        "slot word",
        first,
        words(slots.len()),
        regions.len(Region::Slots),
    )?;
    for (index, chunk) in (first..).zip(slots.chunks(SLOTS_PER_WORD)) {
        let word = chunk
            .iter()
            .rev()
            .fold(0, |word, slot| word << 16 | u64::from(*slot));
        regions.store_u64(Region::Slots, index, 0, word);
    }
    Ok(())
}

pub(crate) fn read_slots(regions: &Regions, range: SlotRange) -> Option<Arc<[u16]>> {
    let count = range.count as usize;
    run(
        "slot word",
        range.first_word,
        words(count),
        regions.len(Region::Slots),
    )
    .ok()?;
    let words = (range.first_word..).take(words(count));
    let slots = words.flat_map(|index| {
        let word = regions.load_u64(Region::Slots, index, 0);
        (0..SLOTS_PER_WORD).map(move |slot| (word >> (16 * slot)) as u16)
    });
    Some(slots.take(count).collect())
}

pub(crate) fn put_members(
    regions: &Regions,
    first: u32,
    members: &[BackendId],
) -> Result<(), EncodeError> {
    run("member", first, members.len(), regions.len(Region::Members))?;
    for (index, id) in (first..).zip(members) {
        regions.store_u64(Region::Members, index, 0, id.0.into());
    }
    Ok(())
}

pub(crate) fn read_members(regions: &Regions, range: MemberRange) -> Option<Arc<[BackendId]>> {
    run(
        "member",
        range.first,
        range.count as usize,
        regions.len(Region::Members),
    )
    .ok()?;
    let indices = (range.first..).take(range.count as usize);
    Some(
        indices
            .map(|index| BackendId(regions.load_u64(Region::Members, index, 0) as u32))
            .collect(),
    )
}
