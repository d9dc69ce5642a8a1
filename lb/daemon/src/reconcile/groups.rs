//! Link-level groups of IPv6 VIPs: who looks for such a VIP sends to a group that its address is
//! hashed to, and a network card takes that in where the group was joined. It stays joined when the
//! daemon stops, as forwarding does; it is left when the VIP is no longer answered for there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lb_core::addr::Mac;
use lb_core::facts::Link;
use lb_core::tables::InterfaceSlot;
use lb_plane::multicast::{is_solicited_node, solicited_node_mac};

use super::{Counters, DataPlane, Depth};

/// What is known to be joined, by interface.
#[derive(Default)]
pub struct Groups {
    known: BTreeMap<String, BTreeSet<Mac>>,
}

/// Groups that have to be joined for VIPs that are announced or probed for (RFC 4862 §5.4.2), by
/// the name of the link. `carrier` names the interface to join on:
/// the link itself, or what carries a link that the kernel doesn't know.
pub fn wanted<'a>(
    places: impl Iterator<Item = (IpAddr, &'a Link)>,
    links: &BTreeMap<InterfaceSlot, Link>,
    carrier: impl Fn(&Link) -> String,
) -> BTreeMap<String, BTreeSet<Mac>> {
    let attached = links.values().filter(|link| link.attached);
    let mut wanted: BTreeMap<String, BTreeSet<Mac>> = attached
        .map(|link| (carrier(link), BTreeSet::new()))
        .collect();
    for (vip, link) in places {
        if let IpAddr::V6(vip) = vip {
            let groups = wanted.entry(carrier(link)).or_default();
            groups.insert(solicited_node_mac(vip));
        }
    }
    wanted
}

impl Groups {
    /// Joins and leaves what differs. Returns what could not be done, by interface.
    pub fn keep<P: DataPlane>(
        &mut self,
        plane: &mut P,
        wanted: &BTreeMap<String, BTreeSet<Mac>>,
        depth: Depth,
        counters: &mut Counters,
    ) -> BTreeMap<String, String> {
        let mut failures = BTreeMap::new();
        let gone = self.known.keys().filter(|name| !wanted.contains_key(*name));
        for name in gone.cloned().collect::<Vec<_>>() {
            self.leave_all(plane, &name);
        }
        for (name, groups) in wanted {
            if let Err(error) = self.keep_one(plane, name, groups, depth, counters) {
                self.known.remove(name);
                failures.insert(
                    name.clone(),
                    format!("neighbour discovery of VIPs: {error}"),
                );
            }
        }
        failures
    }

    fn keep_one<P: DataPlane>(
        &mut self,
        plane: &mut P,
        name: &str,
        wanted: &BTreeSet<Mac>,
        depth: Depth,
        counters: &mut Counters,
    ) -> std::io::Result<()> {
        let known = self.known.get(name);
        let joined = match known {
            Some(known) if depth == Depth::Known => known.clone(),
            _ => plane.joined(name)?,
        };
        let lost = known.map_or(0, |known| known.difference(&joined).count() as u64);
        if lost > 0 {
            *counters.corrections.entry("group").or_default() += lost;
            tracing::warn!(
                interface = name,
                lost,
                "somebody left groups of VIPs; joined again"
            );
        }
        for group in wanted.difference(&joined) {
            plane.join(name, *group)?;
        }
        let stale = joined.difference(wanted);
        for group in stale.filter(|group| is_solicited_node(**group)) {
            plane.leave(name, *group)?;
        }
        self.known.insert(name.to_owned(), wanted.clone());
        Ok(())
    }

    /// Nothing is answered for on the interface any more.
    fn leave_all<P: DataPlane>(&mut self, plane: &mut P, name: &str) {
        self.known.remove(name);
        let Ok(joined) = plane.joined(name) else {
            return; // it is gone, and its groups with it
        };
        for group in joined.into_iter().filter(|group| is_solicited_node(*group)) {
            if let Err(error) = plane.leave(name, group) {
                tracing::warn!(interface = name, %group, %error, "a group of a VIP stays joined");
            }
        }
    }
}
