//! The arenas: slot tables (four 16-bit slots to a word), members, and boundaries of sources.
//!
//! They are written where no published service refers to, and found by the ranges in the
//! services: a run that nobody refers to is free space.

use std::num::NonZeroU32;
use std::sync::Arc;

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_core::tables::{BackendId, MemberRange, MemberRow, SlotRange, SourceRange};
use zerocopy::{FromZeros, IntoBytes};

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
    members: &[MemberRow],
) -> Result<(), EncodeError> {
    run("member", first, members.len(), regions.len(Region::Members))?;
    for (index, row) in (first..).zip(members) {
        regions.write(Region::Members, index, &encode_member(row));
    }
    Ok(())
}

/// None where a member is not one that was put here.
pub(crate) fn read_members(regions: &Regions, range: MemberRange) -> Option<Arc<[MemberRow]>> {
    let count = range.count as usize;
    run("member", range.first, count, regions.len(Region::Members)).ok()?;
    let indices = (range.first..).take(count);
    indices
        .map(|index| decode_member(&regions.read(Region::Members, index)))
        .collect()
}

/// Has a member of the run a limit?
pub(crate) fn is_limited(regions: &Regions, range: MemberRange) -> bool {
    read_members(regions, range)
        .is_some_and(|members| members.iter().any(|row| row.limit.is_some()))
}

fn encode_member(row: &MemberRow) -> abi::lb_member {
    abi::lb_member {
        backend: row.backend.0,
        weight: row.weight,
        limit: row.limit.map_or(0, NonZeroU32::get),
        ..abi::lb_member::new_zeroed()
    }
}

fn decode_member(bytes: &abi::lb_member) -> Option<MemberRow> {
    let row = MemberRow {
        backend: BackendId(bytes.backend),
        weight: bytes.weight,
        limit: NonZeroU32::new(bytes.limit),
    };
    (encode_member(&row).as_bytes() == bytes.as_bytes()).then_some(row)
}

pub(crate) fn put_sources(
    regions: &Regions,
    first: u32,
    boundaries: &[u128],
) -> Result<(), EncodeError> {
    let room = regions.len(Region::Sources);
    run("source boundary", first, boundaries.len(), room)?;
    for (index, boundary) in (first..).zip(boundaries) {
        let bytes = abi::lb_boundary {
            high: (boundary >> 64) as u64,
            low: *boundary as u64,
        };
        regions.write(Region::Sources, index, &bytes);
    }
    Ok(())
}

pub(crate) fn read_sources(regions: &Regions, range: SourceRange) -> Option<Arc<[u128]>> {
    let count = range.count as usize;
    let room = regions.len(Region::Sources);
    run("source boundary", range.first, count, room).ok()?;
    let boundary = |index| {
        let abi::lb_boundary { high, low } = regions.read(Region::Sources, index);
        u128::from(high) << 64 | u128::from(low)
    };
    Some((range.first..).take(count).map(boundary).collect())
}
