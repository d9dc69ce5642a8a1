//! Which interface has which slot. Connections remember slots, so an interface keeps its own: over
//! a restart by its ifindex, and by its name when it vanishes and comes back with another ifindex.

use std::collections::BTreeMap;

use lb_core::tables::{InterfaceSlot, Tables};

const SLOTS: u8 = 64;

#[derive(Debug, Default)]
pub struct Slots {
    by_name: BTreeMap<String, InterfaceSlot>,
}

impl Slots {
    pub fn of(&self, name: &str) -> Option<InterfaceSlot> {
        self.by_name.get(name).copied()
    }

    /// Slots of these interfaces (with their ifindex, if they are there); others lose theirs.
    /// Interfaces beyond the last slot get none.
    pub fn assign<'a>(
        &mut self,
        names: &BTreeMap<&'a str, Option<u32>>,
        have: &Tables,
    ) -> Vec<(&'a str, InterfaceSlot)> {
        self.by_name
            .retain(|name, _| names.contains_key(name.as_str()));
        let unknown = || {
            names
                .iter()
                .filter(|(name, _)| !self.by_name.contains_key(**name))
        };
        let held = |ifindex: u32| {
            have.interfaces
                .iter()
                .find(|(_, row)| row.ifindex == ifindex)
                .map(|(slot, _)| *slot)
        };
        let found: Vec<_> = unknown()
            .filter_map(|(name, ifindex)| Some(((*name).to_owned(), held((*ifindex)?)?)))
            .filter(|(_, slot)| !self.by_name.values().any(|used| used == slot))
            .collect();
        self.by_name.extend(found);
        for name in names.keys() {
            if self.by_name.contains_key(*name) {
                continue;
            }
            let is_free = |slot: &InterfaceSlot| !self.by_name.values().any(|used| used == slot);
            let mut free = (0..SLOTS).map(InterfaceSlot).filter(is_free);
            let empty = free
                .clone()
                .find(|slot| !have.interfaces.contains_key(slot));
            let slot = empty.or_else(|| free.next());
            self.by_name
                .extend(slot.map(|slot| ((*name).to_owned(), slot)));
        }
        names
            .keys()
            .filter_map(|name| Some((*name, self.of(name)?)))
            .collect()
    }
}
