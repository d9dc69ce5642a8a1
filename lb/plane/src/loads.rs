//! Loads that nobody will give back.
//!
//! A connection is counted in its backend's load before its entry is there, so that loads are
//! exact for who asks them. Whoever is killed in between (a worker in user space) leaves a load
//! one too high: the claimed word is reaped, but says nothing of a backend. Here loads are compared
//! with the connections that are there.

use std::collections::BTreeMap;

use lb_bpf::region::{Region, Regions};
use lb_core::tables::BackendId;
use std::sync::atomic::Ordering;

use crate::stats::Reader;

/// Looks in a row, about a second apart, that must see the same: an insert that is under way is one
/// too many, too, and its CPU may be taken away meanwhile.
const LOOKS: u32 = 5;

/// What loads were before the connections were counted.
pub(crate) struct Before {
    by_backend: BTreeMap<BackendId, Activity>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Activity {
    load: u64,
    /// Connections ever made.
    made: u64,
}

/// Backends that seem to have more connections than there are: how many more, and how often seen.
#[derive(Default)]
pub(crate) struct Loads {
    suspects: BTreeMap<BackendId, (u64, u32)>,
}

fn activity(regions: &Regions, reader: &Reader, id: BackendId) -> Activity {
    Activity {
        load: regions.load_u64(Region::Loads, id.0, 0),
        made: reader.backend(id).connections,
    }
}

impl Loads {
    pub fn look(regions: &Regions, reader: &Reader) -> Before {
        let loaded = (0..regions.len(Region::Loads))
            .filter(|id| regions.load_u64(Region::Loads, *id, 0) != 0)
            .map(|id| (BackendId(id), activity(regions, reader, BackendId(id))));
        Before {
            by_backend: loaded.collect(),
        }
    }

    /// Takes back what is too much, where no connection began or ended while they were counted.
    /// Returns how many that were.
    pub fn mend(
        &mut self,
        regions: &Regions,
        reader: &Reader,
        before: &Before,
        counts: &BTreeMap<BackendId, u64>,
    ) -> u64 {
        let mut mended = 0;
        let mut suspects = BTreeMap::new();
        for (id, then) in &before.by_backend {
            let count = counts.get(id).copied().unwrap_or(0);
            let surplus = then.load.saturating_sub(count);
            if surplus == 0 || activity(regions, reader, *id) != *then {
                continue;
            }
            let seen = match self.suspects.get(id) {
                Some((known, seen)) if *known == surplus => seen + 1,
                _ => 1,
            };
            if seen < LOOKS {
                suspects.insert(*id, (surplus, seen));
                continue;
            }
            regions.words(Region::Loads, id.0)[0].fetch_sub(surplus, Ordering::SeqCst);
            mended += surplus;
        }
        self.suspects = suspects;
        mended
    }
}

#[cfg(test)]
mod tests;
