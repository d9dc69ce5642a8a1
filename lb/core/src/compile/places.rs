//! Places in the arenas: what did not change stays where it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arena::Arena;
use crate::tables::MemberRow;

/// Elements in an arena, and the place that is theirs.
pub(super) struct Run<T> {
    pub first: u32,
    pub elements: Arc<[T]>,
}

/// What a service has in the arenas. None: nothing.
#[derive(Default)]
pub(super) struct Placed {
    pub slots: Option<Run<u16>>,
    pub members: Option<Run<MemberRow>>,
    pub sources: Option<Run<u128>>,
}

/// An arena is full.
pub(super) struct NoRoom;

impl<T> Run<T> {
    pub fn into_pair(self) -> (u32, Arc<[T]>) {
        (self.first, self.elements)
    }
}

impl<T> Clone for Run<T> {
    fn clone(&self) -> Self {
        Self {
            first: self.first,
            elements: Arc::clone(&self.elements),
        }
    }
}

/// Where elements go: where they are if they did not change, else to a free run. None: there are
/// no elements.
pub(super) fn settle<T: PartialEq>(
    space: &mut Arena,
    size: fn(usize) -> u32,
    elements: Arc<[T]>,
    held: Option<&Run<T>>,
) -> Result<Option<Run<T>>, NoRoom> {
    if elements.is_empty() {
        return Ok(None);
    }
    if let Some(held) = held.filter(|held| held.elements == elements) {
        return Ok(Some(held.clone()));
    }
    let first = space.take(size(elements.len())).ok_or(NoRoom)?;
    Ok(Some(Run { first, elements }))
}

/// Gives back what `settle` took.
pub(super) fn give_up<T>(
    space: &mut Arena,
    size: fn(usize) -> u32,
    settled: &Result<Option<Run<T>>, NoRoom>,
    held: Option<&Run<T>>,
) {
    if let Ok(Some(run)) = settled
        && held.is_none_or(|held| held.first != run.first)
    {
        space.give(run.first, size(run.elements.len()));
    }
}

/// What a plane has at a place, if it is as much as expected.
pub(super) fn run<T>(runs: &BTreeMap<u32, Arc<[T]>>, first: u32, expected: u32) -> Option<Run<T>> {
    let elements = Arc::clone(runs.get(&first)?);
    (count(elements.len()) == expected).then_some(Run { first, elements })
}

/// 64-bit words that this many slots take.
pub(super) fn words(slots: usize) -> u32 {
    count(slots.div_ceil(4))
}

pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
