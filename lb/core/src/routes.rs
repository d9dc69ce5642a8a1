//! Routes as forwarding reads them: disjoint prefixes.
//!
//! The box's routes cover each other, and the longest wins. Here they are resolved into the
//! fewest prefixes of which none covers another, so that each address is in one or in none. That
//! form is the same for all sets of routes that mean the same; a trie that was filled with it
//! gives it back when it is read. A route that leads where nothing is attached is a hole: its
//! addresses have no route, whatever covers it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::addr::Prefix;
use crate::tables::RouteRow;

#[cfg(test)]
mod tests;

/// The disjoint form of routes; None is a hole. Of equal prefixes the last one counts.
#[must_use]
pub fn disjoint(
    routes: impl IntoIterator<Item = (Prefix, Option<RouteRow>)>,
) -> BTreeMap<Prefix, RouteRow> {
    let routes: BTreeMap<Prefix, Option<RouteRow>> = routes.into_iter().collect();
    let routes: Vec<(Prefix, Option<RouteRow>)> = routes.into_iter().collect();
    let (v4, v6) = routes.split_at(routes.partition_point(|(prefix, _)| prefix.addr().is_ipv4()));
    let mut rows = BTreeMap::new();
    for (root, routes) in [
        (Prefix::covering(Ipv4Addr::UNSPECIFIED.into(), 0), v4),
        (Prefix::covering(Ipv6Addr::UNSPECIFIED.into(), 0), v6),
    ] {
        if let Some(row) = fill(root, None, routes, &mut rows) {
            rows.extend(row.map(|row| (root, row)));
        }
    }
    rows
}

/// Fills `rows` with what is within `block`. Some: all of the block is alike, and nothing was
/// put in for it.
fn fill(
    block: Prefix,
    inherited: Option<RouteRow>,
    routes: &[(Prefix, Option<RouteRow>)],
    rows: &mut BTreeMap<Prefix, RouteRow>,
) -> Option<Option<RouteRow>> {
    let (inherited, routes) = match routes.split_first() {
        Some(((prefix, row), rest)) if *prefix == block => (*row, rest),
        _ => (inherited, routes),
    };
    if routes.is_empty() {
        return Some(inherited);
    }
    let (low, high) = block.halves()?;
    let middle = routes.partition_point(|(prefix, _)| prefix.addr() < high.addr());
    let alike_low = fill(low, inherited, &routes[..middle], rows);
    let alike_high = fill(high, inherited, &routes[middle..], rows);
    if alike_low.is_some() && alike_low == alike_high {
        return alike_low;
    }
    rows.extend(alike_low.flatten().map(|row| (low, row)));
    rows.extend(alike_high.flatten().map(|row| (high, row)));
    None
}

/// The row of an address among disjoint routes.
#[must_use]
pub fn find(routes: &BTreeMap<Prefix, RouteRow>, addr: IpAddr) -> Option<RouteRow> {
    let (prefix, row) = routes
        .range(..=Prefix::covering(addr, u8::MAX))
        .next_back()?;
    prefix.contains(addr).then_some(*row)
}

/// Prefixes listed in one node: a codec keeps the list of prefixes behind the trie.
pub const LISTED_PER_NODE: usize = 42;

/// Nodes that hold disjoint routes: a trie with 256 children to a node (one for every byte
/// boundary that a route reaches beyond), and behind it the list of prefixes.
#[must_use]
pub fn nodes(routes: &BTreeMap<Prefix, RouteRow>) -> u32 {
    let mut nodes = BTreeSet::new();
    for prefix in routes.keys() {
        nodes.extend(
            (0..prefix.len())
                .step_by(8)
                .map(|len| Prefix::covering(prefix.addr(), len)),
        );
    }
    let list = routes.len().div_ceil(LISTED_PER_NODE);
    u32::try_from(nodes.len() + list).unwrap_or(u32::MAX)
}
