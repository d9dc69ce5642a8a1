//! Which interface has which slot. Connections remember slots, so an interface keeps its own: over
//! a restart by its place (device and tags), and by its name when it vanishes and comes back with
//! another ifindex.

use std::collections::BTreeMap;

use lb_core::tables::{InterfaceSlot, Tables};

use super::logical::Place;

pub const SLOTS: u8 = 64;

#[derive(Debug, Default)]
pub struct Slots {
    by_name: BTreeMap<String, InterfaceSlot>,
}

impl Slots {
    pub fn of(&self, name: &str) -> Option<InterfaceSlot> {
        self.by_name.get(name).copied()
    }

    /// Slots of these interfaces (with their place, if they are there); others lose theirs. Beyond
    /// the last slot there are none, and devices go before the VLANs on them.
    pub fn assign<'a>(
        &mut self,
        names: &BTreeMap<&'a str, Option<Place>>,
        have: &Tables,
    ) -> Vec<(&'a str, InterfaceSlot)> {
        self.by_name
            .retain(|name, _| names.contains_key(name.as_str()));
        let is_vlan = |place: &Option<Place>| place.is_some_and(|place| place.vlan.is_some());
        for vlans in [false, true] {
            let of_kind: BTreeMap<_, _> = names
                .iter()
                .filter(|(_, place)| is_vlan(place) == vlans)
                .collect();
            self.take_over(&of_kind, have);
            self.give(&of_kind, have);
        }
        names
            .keys()
            .filter_map(|name| Some((*name, self.of(name)?)))
            .collect()
    }

    /// Slots that the tables have for these places.
    fn take_over(&mut self, names: &BTreeMap<&&str, &Option<Place>>, have: &Tables) {
        let held = |place: Place| {
            let mut rows = have.interfaces.iter();
            let found = rows.find(|(_, row)| {
                let of_row = Place {
                    device: row.ifindex,
                    vlan: row.vlan,
                };
                of_row == place
            });
            found.map(|(slot, _)| *slot)
        };
        let unknown = names
            .iter()
            .filter(|(name, _)| !self.by_name.contains_key(***name));
        let found: Vec<_> = unknown
            .filter_map(|(name, place)| Some(((**name).to_owned(), held((**place)?)?)))
            .filter(|(_, slot)| !self.by_name.values().any(|used| used == slot))
            .collect();
        self.by_name.extend(found);
    }

    fn give(&mut self, names: &BTreeMap<&&str, &Option<Place>>, have: &Tables) {
        for name in names.keys() {
            if self.by_name.contains_key(**name) {
                continue;
            }
            let is_free = |slot: &InterfaceSlot| !self.by_name.values().any(|used| used == slot);
            let mut free = (0..SLOTS).map(InterfaceSlot).filter(is_free);
            let empty = free
                .clone()
                .find(|slot| !have.interfaces.contains_key(slot));
            let slot = empty.or_else(|| free.next());
            self.by_name
                .extend(slot.map(|slot| ((**name).to_owned(), slot)));
        }
    }
}
