//! Routes that replies take: disjoint prefixes, and next hops with ids.

use std::collections::{BTreeMap, BTreeSet};

use super::Previous;
use crate::addr::{Prefix, is_link_local};
use crate::paths::{Neighbour, Paths};
use crate::plane::Limits;
use crate::routes;
use crate::status::{Limit, Notice};
use crate::tables::{Hop, HopId, RouteRow};

pub(super) struct Replies {
    pub routes: BTreeMap<Prefix, RouteRow>,
    pub hops: BTreeMap<HopId, Option<Hop>>,
    pub ids: BTreeMap<Neighbour, HopId>,
    pub neighbours: BTreeSet<Neighbour>,
    pub notices: BTreeSet<Notice>,
}

/// Where replies to a prefix go.
#[derive(Clone, Copy)]
enum Target {
    OnLink,
    Via(Neighbour),
    /// Nowhere that is attached: replies go where the client's packets came from.
    Hole,
}

pub(super) fn compile(paths: &Paths, previous: &Previous, limits: &Limits) -> Replies {
    let mut notices = BTreeSet::new();
    let targets = fit(targets(paths), limits.route_nodes, &mut notices);
    let (ids, left_out) = assign(&targets, paths, previous, limits);
    if left_out > 0 {
        let limit = Limit::Hops;
        let message = format!(
            "{left_out} gateways are more than {} next hops: replies that they would get go where the client's packets came from; raise {limit}",
            limits.hops
        );
        notices.insert(Notice { limit, message });
    }
    Replies {
        routes: rows(&targets, &ids),
        hops: ids
            .iter()
            .map(|(gateway, id)| (*id, paths.hop(*gateway)))
            .collect(),
        neighbours: ids.keys().copied().collect(),
        ids,
        notices,
    }
}

/// All routes but those to link-local addresses, which each link has for itself: replies to these
/// go where the client's packets came from.
fn targets(paths: &Paths) -> BTreeMap<Prefix, Target> {
    let target = |(route, attached): (&crate::facts::Route, bool)| match route.gateway {
        _ if !attached => Target::Hole,
        None => Target::OnLink,
        Some(gateway) => Target::Via((route.ifindex, gateway)),
    };
    paths
        .routes()
        .filter(|(route, _)| !is_link_local(route.prefix.addr()))
        .map(|(route, attached)| (route.prefix, target((route, attached))))
        .collect()
}

/// Makes holes of the longest prefixes until the trie has room for the rest.
fn fit(
    all: BTreeMap<Prefix, Target>,
    nodes: u32,
    notices: &mut BTreeSet<Notice>,
) -> BTreeMap<Prefix, Target> {
    let mut targets = all;
    let needed = routes::nodes(&rows(&targets, &numbered(&targets)));
    let mut longest: u8 = 128;
    while longest > 0 && routes::nodes(&rows(&targets, &numbered(&targets))) > nodes {
        longest -= 8;
        let (keep, cut): (BTreeMap<_, _>, BTreeMap<_, _>) = targets
            .into_iter()
            .partition(|(prefix, _)| prefix.len() <= longest);
        targets = keep;
        targets.extend(
            cut.keys()
                .map(|cut| (Prefix::covering(cut.addr(), longest), Target::Hole)),
        );
    }
    if longest == 0 && routes::nodes(&rows(&targets, &numbered(&targets))) > nodes {
        targets.clear();
    }
    if needed > nodes {
        let limit = Limit::RouteNodes;
        let message = format!(
            "the routes need {needed} nodes of {nodes}: replies to prefixes longer than /{longest} go where the client's packets came from; raise {limit}"
        );
        notices.insert(Notice { limit, message });
    }
    targets
}

fn gateways(targets: &BTreeMap<Prefix, Target>) -> BTreeSet<Neighbour> {
    let gateway = |target: &Target| match target {
        Target::Via(gateway) => Some(*gateway),
        _ => None,
    };
    targets.values().filter_map(gateway).collect()
}

/// Some id for each gateway: enough to see which prefixes are alike.
fn numbered(targets: &BTreeMap<Prefix, Target>) -> BTreeMap<Neighbour, HopId> {
    gateways(targets)
        .into_iter()
        .zip((0..).map(HopId))
        .collect()
}

fn rows(
    targets: &BTreeMap<Prefix, Target>,
    ids: &BTreeMap<Neighbour, HopId>,
) -> BTreeMap<Prefix, RouteRow> {
    let row = |target: &Target| match target {
        Target::Hole => None,
        Target::OnLink => Some(RouteRow::OnLink),
        Target::Via(gateway) => ids.get(gateway).copied().map(RouteRow::Via),
    };
    routes::disjoint(
        targets
            .iter()
            .map(|(prefix, target)| (*prefix, row(target))),
    )
}

/// Ids for the gateways that routes lead to in the end, and how many are left without. A gateway
/// keeps the id it had; where that is not known, the id that the plane has for the same hop. Any
/// other id is one that no packet can be using.
fn assign(
    targets: &BTreeMap<Prefix, Target>,
    paths: &Paths,
    previous: &Previous,
    limits: &Limits,
) -> (BTreeMap<Neighbour, HopId>, usize) {
    let numbered = numbered(targets);
    let used: BTreeSet<RouteRow> = rows(targets, &numbered).into_values().collect();
    let is_used = |id: &HopId| used.contains(&RouteRow::Via(*id));
    let gateways = numbered
        .iter()
        .filter(|(_, id)| is_used(id))
        .map(|(gateway, _)| *gateway);

    let held = &previous.tables.hops;
    let known = &previous.assignments.hops;
    let mut ids: BTreeMap<Neighbour, HopId> = BTreeMap::new();
    let mut taken: BTreeSet<HopId> = known.values().copied().collect();
    let mut strangers = Vec::new();
    for gateway in gateways {
        match known.get(&gateway) {
            Some(id) if id.0 < limits.hops => {
                ids.insert(gateway, *id);
            }
            _ => strangers.push(gateway),
        }
    }
    for gateway in &strangers {
        let hop = paths.hop(*gateway);
        let recovered = held
            .iter()
            .find(|(id, held)| hop.is_some() && **held == hop && !taken.contains(id))
            .map(|(id, _)| *id);
        if let Some(id) = recovered.filter(|id| id.0 < limits.hops) {
            taken.insert(id);
            ids.insert(*gateway, id);
        }
    }
    let mut free = (0..limits.hops)
        .map(HopId)
        .filter(|id| !taken.contains(id) && !held.contains_key(id));
    strangers.retain(|gateway| !ids.contains_key(gateway));
    let mut left_out = 0;
    for gateway in strangers {
        match free.next() {
            Some(id) => {
                ids.insert(gateway, id);
            }
            None => left_out += 1,
        }
    }
    (ids, left_out)
}
