//! Places in an arena: runs of elements, first fit. Space in use is never handed out, so that
//! what a plane writes there is seen by nobody before it is published.

use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// The free runs of an arena: first element -> length. Neighbouring runs are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arena {
    free: BTreeMap<u32, u32>,
}

impl Arena {
    /// An arena of `len` elements, but for the runs in use (first, length), which may come in any
    /// order, overlap, and reach beyond the end.
    #[must_use]
    pub fn new(len: u32, used: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut used: Vec<(u32, u32)> = used.into_iter().filter(|(_, count)| *count > 0).collect();
        used.sort_unstable();
        let mut free = BTreeMap::new();
        let mut end = 0;
        for (first, count) in used.into_iter().chain([(len, 0)]) {
            let first = first.min(len);
            if first > end {
                free.insert(end, first - end);
            }
            end = end.max(first.saturating_add(count));
        }
        Self { free }
    }

    /// Takes the first run that is long enough and returns where it begins; None if there is none.
    /// Of length 0 there is none.
    pub fn take(&mut self, len: u32) -> Option<u32> {
        if len == 0 {
            return None;
        }
        let (first, run) = self
            .free
            .iter()
            .find(|(_, run)| **run >= len)
            .map(|(f, r)| (*f, *r))?;
        self.free.remove(&first);
        if run > len {
            self.free.insert(first + len, run - len);
        }
        Some(first)
    }

    /// Gives back a run that was taken.
    pub fn give(&mut self, first: u32, len: u32) {
        let mut run = (first, len);
        if let Some((&before, &count)) = self.free.range(..first).next_back()
            && before + count == first
        {
            run = (before, count + len);
        }
        if let Some(count) = self.free.remove(&(first + len)) {
            run.1 += count;
        }
        self.free.insert(run.0, run.1);
    }

    /// Elements that are free, in all runs.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.free.values().sum()
    }
}
