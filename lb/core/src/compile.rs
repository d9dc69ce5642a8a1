//! Intent and facts to tables: pure, whole, and steady.
//!
//! Nothing here depends on the order in which things were configured, only on what is configured
//! and on what the plane holds (`Previous`). What the plane holds matters because packets read it
//! while it changes:
//!
//! - A service keeps its id, and an endpoint its backend id. Neither is given to another before a
//!   publish lies between: packets may still go by the old image.
//! - Slot tables, member lists and boundaries that did not change stay where they are. Changed ones go to
//!   space that is free in the arenas as they stand; what they leave behind is free the next time.
//! - A backend that is no longer wanted keeps its row (it is *retired*) while connections lead to
//!   it, and in any case until a publish has passed since a service referred to it.
//! - A backend whose replies do not pass the appliance is no replier. Where it was one (a service's
//!   mode changed), it stays one while connections lead to it.
//! - Where a capacity is used up, services that are programmed already go first. If there is no
//!   room for such a service's changed tables, it keeps those that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::addr::is_link_local;
use crate::facts::Facts;
use crate::intent::{Conflict, Intent, Source, Winner};
use crate::paths::{Neighbour, Path, Paths};
use crate::plane::Limits;
use crate::service::{Endpoint, Selection, Service, ServiceKey};
use crate::status::{Announcing, Condition, Limit, Notice, ProgrammedReason, ServiceStatus};
use crate::tables::*;

mod announcing;
mod conditions;
mod members;
mod places;
mod replies;
mod rows;

use rows::Rows;

#[cfg(test)]
mod tests;

/// What the plane holds, and what it cannot say of itself.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'a> {
    /// As read back from the plane.
    pub tables: &'a Tables,
    /// Live connections by backend row (`Plane::connections`).
    pub live: &'a BTreeMap<BackendId, u64>,
    /// Services that are gone from the tables but whose connections may not all be released: an
    /// `Op::FlushService` that was not done, or not known to be.
    pub retiring: &'a BTreeSet<ServiceId>,
    /// Of the compile before; empty after a start.
    pub assignments: &'a Assignments,
}

/// What one compile tells the next beyond the tables. Correctness does not need it: without it
/// next hops may get other ids, and slot tables are built again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments {
    hops: BTreeMap<Neighbour, HopId>,
    built: BTreeMap<Recipe, Arc<[u16]>>,
}

/// All that a slot table depends on. Members without a usable path have weight 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Recipe {
    selection: Selection,
    members: Vec<(Endpoint, u16)>,
}

/// The outcome of a compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    pub tables: Tables,
    /// Every service of every document.
    pub conditions: BTreeMap<(Source, ServiceKey), ServiceStatus>,
    pub conflicts: Vec<Conflict>,
    pub notices: BTreeSet<Notice>,
    /// Backends that no service refers to and whose rows are kept.
    pub retired: BTreeSet<BackendId>,
    /// Backends' next hops and gateways, which the box should keep resolved.
    pub neighbours: BTreeSet<Neighbour>,
    pub assignments: Assignments,
}

/// Compiles all documents for a box as it is, for a plane that holds `previous`.
#[must_use]
pub fn compile(intent: &Intent, facts: &Facts, previous: &Previous, limits: &Limits) -> Compiled {
    let paths = Paths::new(facts);
    let (winners, conflicts) = intent.merge();
    let mut rows = Rows::new(facts, previous, limits);
    let mut towards = Towards {
        paths: &paths,
        found: BTreeMap::new(),
    };
    let mut conditions = BTreeMap::new();
    let mut announced = BTreeMap::<IpAddr, u64>::new();

    let (incumbents, newcomers): (Vec<_>, Vec<_>) = winners
        .values()
        .partition(|winner| rows.is_incumbent(&winner.service.key));
    for winner in incumbents.into_iter().chain(newcomers) {
        let Winner { source, service } = winner;
        towards.look_up(service);
        let outcome = rows.admit(service, &towards.found);
        let mut status = conditions::of(service, &outcome, &rows, &towards);
        status.announcing = announcing::of(service, &status, &paths, facts);
        *announced.entry(service.key.vip).or_default() |= announcing::slots(&status.announcing);
        conditions.insert((source.clone(), service.key), status);
    }
    conditions.extend(conflicts.iter().map(lost));

    let replies = replies::compile(&paths, previous, limits);
    let mut neighbours = replies.neighbours;
    neighbours.extend(towards.found.values().filter_map(Path::neighbour));
    let interfaces = paths
        .attached()
        .map(|(slot, link)| (slot, interface(link)))
        .collect();
    let vips = rows
        .vips
        .iter()
        .map(|vip| (*vip, vip_row(*vip, &announced, facts)))
        .collect();
    let mut notices = replies.notices;
    let local = local(facts, &rows.vips, limits, &mut notices);
    let (backends, retired) = rows.backends(&paths);
    // Connections to a retired backend need its next hop as much as any.
    let kept = retired.iter().filter_map(|id| backends.get(id));
    neighbours.extend(kept.filter_map(|row| paths.find(row.key.endpoint.addr).neighbour()));
    let tables = Tables {
        interfaces,
        hops: replies.hops,
        image: Image {
            vips,
            local,
            repliers: rows.repliers(&backends),
            services: rows.services,
            routes: replies.routes,
        },
        backends,
        members: rows.members,
        slots: rows.slots,
        sources: rows.sources,
    };
    Compiled {
        tables,
        conditions,
        conflicts,
        notices,
        retired,
        neighbours,
        assignments: Assignments {
            hops: replies.ids,
            built: rows.built,
        },
    }
}

/// Paths by destination, each looked up once.
struct Towards<'a> {
    paths: &'a Paths<'a>,
    found: BTreeMap<IpAddr, Path>,
}

impl Towards<'_> {
    fn look_up(&mut self, service: &Service) {
        for endpoint in service.backends.keys() {
            self.found
                .entry(endpoint.addr)
                .or_insert_with(|| self.paths.find(endpoint.addr));
        }
    }
}

fn lost(conflict: &Conflict) -> ((Source, ServiceKey), ServiceStatus) {
    let Conflict {
        loser,
        key,
        winner,
        served,
    } = conflict;
    let message = if served == key {
        format!(
            "{key} is served as document `{winner}` says, which goes before `{loser}`: remove it from one of them"
        )
    } else {
        format!(
            "{key} has ports of {served}, which is served as document `{winner}` says, which goes before `{loser}`: change the ports of one"
        )
    };
    let programmed = Condition {
        status: false,
        reason: ProgrammedReason::Conflict,
        message,
    };
    let status = ServiceStatus {
        id: None,
        programmed,
        announcing: Announcing::NotProgrammed,
        backends: BTreeMap::new(),
    };
    ((loser.clone(), *key), status)
}

fn interface(link: &crate::facts::Link) -> InterfaceRow {
    let address4 = link.addresses.iter().find_map(|(addr, _)| match addr {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    let addresses6 = || link.addresses.iter().filter(|(addr, _)| addr.is_ipv6());
    let global = addresses6().find(|(addr, _)| !is_link_local(*addr));
    let address6 = match global.or_else(|| addresses6().next()) {
        Some((IpAddr::V6(v6), _)) => Some(*v6),
        _ => None,
    };
    InterfaceRow {
        ifindex: link.device,
        mac: link.mac,
        mtu: link.mtu,
        address4,
        address6,
        vlan: link.vlan,
    }
}

/// Addresses of the box that are not VIPs, as many as there is room for behind these.
fn local(
    facts: &Facts,
    vips: &BTreeSet<IpAddr>,
    limits: &Limits,
    notices: &mut BTreeSet<Notice>,
) -> BTreeSet<IpAddr> {
    let room = usize::try_from(limits.vips).unwrap_or(usize::MAX);
    let room = room.saturating_sub(vips.len());
    let all = facts.own.difference(vips);
    let left_out = all.clone().count().saturating_sub(room);
    if left_out > 0 {
        let limit = Limit::Vips;
        let message = format!(
            "{left_out} of the box's own addresses have no room among {} addresses: packets to services that say they are from these are not dropped; raise {limit}",
            limits.vips
        );
        notices.insert(Notice { limit, message });
    }
    all.take(room).copied().collect()
}

/// ARP and pings for the box's own addresses are the stack's to answer.
fn vip_row(vip: IpAddr, announced: &BTreeMap<IpAddr, u64>, facts: &Facts) -> VipRow {
    VipRow {
        arp: announced.get(&vip).copied().unwrap_or(0),
        echo: !facts.own.contains(&vip),
    }
}
