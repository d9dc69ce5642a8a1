//! What differs between the tables that the plane should hold and those that it holds, by kind.

use std::collections::{BTreeMap, BTreeSet};

use lb_core::tables::Tables;

/// Kinds of rows, as the metric `reconcile_corrections_total` calls them. An attachment or a
/// group that is gone is one, too.
pub const KINDS: [&str; 13] = [
    "attachment",
    "group",
    "interface",
    "hop",
    "backend",
    "members",
    "slots",
    "sources",
    "vip",
    "local",
    "service",
    "route",
    "replier",
];

/// Rows that differ, of the kinds where any do.
pub fn between(known: &Tables, read: &Tables) -> Vec<(&'static str, u64)> {
    let found = [
        ("interface", rows(&known.interfaces, &read.interfaces)),
        ("hop", rows(&known.hops, &read.hops)),
        ("backend", rows(&known.backends, &read.backends)),
        ("members", rows(&known.members, &read.members)),
        ("slots", rows(&known.slots, &read.slots)),
        ("sources", rows(&known.sources, &read.sources)),
        ("vip", rows(&known.image.vips, &read.image.vips)),
        ("local", keys(&known.image.local, &read.image.local)),
        ("service", rows(&known.image.services, &read.image.services)),
        ("route", rows(&known.image.routes, &read.image.routes)),
        ("replier", keys(&known.image.repliers, &read.image.repliers)),
    ];
    found.into_iter().filter(|(_, rows)| *rows > 0).collect()
}

fn rows<K: Ord, V: PartialEq>(known: &BTreeMap<K, V>, read: &BTreeMap<K, V>) -> u64 {
    let lost = known
        .iter()
        .filter(|(key, value)| read.get(key) != Some(value))
        .count();
    let added = read.keys().filter(|key| !known.contains_key(key)).count();
    (lost + added) as u64
}

fn keys<K: Ord>(known: &BTreeSet<K>, read: &BTreeSet<K>) -> u64 {
    known.symmetric_difference(read).count() as u64
}
