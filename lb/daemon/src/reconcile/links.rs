//! From what netlink says to what compile reads: logical interfaces in their slots.

use std::collections::BTreeMap;

use lb_core::facts::{Facts, Link};
use lb_core::tables::Tables;
use lb_plane::attach::Attachment;
use lb_plane::netlink::RawFacts;

use super::logical::{self, Logical, Place};
use super::slots::SLOTS;
use super::{DataPlane, Depth, Inputs, InterfaceState, Reconciler, VlanState, groups};
use crate::config;

impl<P: DataPlane> Reconciler<P> {
    /// Interfaces of what is attached and what should be, by name.
    pub(super) fn logical(
        &self,
        inputs: &Inputs,
        attachments: &[Attachment],
    ) -> BTreeMap<String, Logical> {
        let attached = attachments.iter().map(|one| one.name.as_str());
        let wanted = inputs.wanted.keys().map(String::as_str);
        logical::of(
            &attached.chain(wanted).collect(),
            inputs.facts,
            inputs.vlans,
        )
    }

    /// What compile reads of the box, with links by slot.
    pub(super) fn facts(
        &mut self,
        inputs: &Inputs,
        attachments: &[Attachment],
        found: &BTreeMap<String, Logical>,
        have: &Tables,
    ) -> Facts {
        let mut names: BTreeMap<&str, Option<Place>> = BTreeMap::new();
        // They keep their slots while they are away.
        let made: Vec<String> = inputs.vlans.iter().map(config::Vlan::name).collect();
        let expected = inputs.wanted.keys().chain(&made).map(String::as_str);
        names.extend(expected.map(|name| (name, None)));
        names.extend(attachments.iter().map(|one| (one.name.as_str(), None)));
        let places = found.iter();
        names.extend(places.map(|(name, one)| (name.as_str(), Some(one.place))));
        let mut links = BTreeMap::new();
        for (name, slot) in self.slots.assign(&names, have) {
            let Some(one) = found.get(name) else { continue };
            let is_refused = self.refused.contains_key(&(slot, one.ifindex));
            let carries = |attachment: &Attachment| attachment.ifindex == one.place.device;
            let link = Link {
                name: name.to_owned(),
                ifindex: one.ifindex,
                device: one.place.device,
                vlan: one.place.vlan,
                mac: one.mac,
                mtu: one.mtu,
                attached: one.up && !is_refused && attachments.iter().any(carries),
                addresses: one.addresses.clone(),
            };
            links.insert(slot, link);
        }
        self.show_slots(found);
        let additions = logical::additions(found, inputs.vlans, inputs.intent);
        let RawFacts {
            own,
            routes,
            neighbours,
            ..
        } = inputs.facts;
        Facts {
            links,
            own: own | &additions.own,
            routes: routes | &additions.routes,
            neighbours: neighbours
                .iter()
                .map(|(key, mac)| (*key, *mac))
                .chain(additions.neighbours)
                .collect(),
            standings: inputs.standings.clone(),
        }
    }

    /// Slots of devices, and the VLANs on them beside these.
    fn show_slots(&mut self, found: &BTreeMap<String, Logical>) {
        let shown = &mut self.outcome.interfaces;
        for one in found.values().filter(|one| one.place.vlan.is_some()) {
            let device = shown.get(&one.device);
            let state = InterfaceState {
                attachment: device.and_then(|device| device.attachment.clone()),
                vlan: Some(VlanState {
                    tags: one
                        .place
                        .vlan
                        .map(|tags| tags.to_string())
                        .unwrap_or_default(),
                    device: one.device.clone(),
                    mtu: one.mtu,
                    mac: one.mac,
                    up: one.up,
                }),
                ..InterfaceState::default()
            };
            shown.insert(one.name.clone(), state);
        }
        for (name, state) in shown {
            state.slot = self.slots.of(name);
            if state.slot.is_none() && found.contains_key(name) {
                state.message =
                    format!("it is left out: there are {SLOTS} interfaces with it already");
            }
        }
    }

    /// Joins the groups in which IPv6 VIPs are looked for.
    pub(super) fn keep_groups(
        &mut self,
        facts: &Facts,
        found: &BTreeMap<String, Logical>,
        depth: Depth,
    ) {
        let carrier = |link: &Link| match found.get(&link.name) {
            Some(one) if logical::is_made(link.ifindex) => one.device.clone(),
            _ => link.name.clone(),
        };
        let wanted = groups::wanted(self.announcing.places(), &facts.links, carrier);
        let failures = self
            .groups
            .keep(&mut self.plane, &wanted, depth, &mut self.counters);
        for (name, failure) in failures {
            if let Some(state) = self.outcome.interfaces.get_mut(&name) {
                state.message = failure;
            }
        }
    }
}
