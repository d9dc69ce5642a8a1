#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::tables::HopId;
use crate::testing::ip;

fn any_row() -> impl Strategy<Value = Option<RouteRow>> {
    prop_oneof![
        Just(None),
        Just(Some(RouteRow::OnLink)),
        (0u32..3).prop_map(|id| Some(RouteRow::Via(HopId(id)))),
    ]
}

/// Few bits, so that prefixes meet.
fn any_addr() -> impl Strategy<Value = IpAddr> {
    let v4 = (0u32..16, 0u32..16).prop_map(|(a, b)| Ipv4Addr::from_bits(a << 28 | b).into());
    let v6 = (0u128..16, 0u128..16).prop_map(|(a, b)| Ipv6Addr::from_bits(a << 124 | b).into());
    prop_oneof![v4, v6]
}

fn any_routes() -> impl Strategy<Value = BTreeMap<Prefix, Option<RouteRow>>> {
    let prefix = (
        any_addr(),
        prop::sample::select(vec![0u8, 1, 2, 3, 4, 8, 28, 29, 31, 32, 64, 124, 127, 128]),
    )
        .prop_map(|(addr, len)| Prefix::covering(addr, len));
    prop::collection::btree_map(prefix, any_row(), 0..12)
}

fn longest(routes: &BTreeMap<Prefix, Option<RouteRow>>, addr: IpAddr) -> Option<RouteRow> {
    let covering = routes.iter().filter(|(prefix, _)| prefix.contains(addr));
    covering
        .max_by_key(|(prefix, _)| prefix.len())
        .and_then(|(_, row)| *row)
}

proptest! {
    #[test]
    fn the_longest_prefix_wins(routes in any_routes(), addr in any_addr()) {
        prop_assert_eq!(find(&disjoint(routes.clone()), addr), longest(&routes, addr));
    }

    #[test]
    fn no_prefix_covers_another_and_no_halves_are_alike(routes in any_routes()) {
        let rows = disjoint(routes);
        for prefix in rows.keys() {
            let within = rows.keys().filter(|other| prefix.contains(other.addr()));
            prop_assert_eq!(within.count(), 1);
        }
        for (prefix, row) in &rows {
            let parent = Prefix::covering(prefix.addr(), prefix.len().saturating_sub(1));
            let Some((low, high)) = parent.halves() else { continue };
            let sibling = if low == *prefix { high } else { low };
            prop_assert!(prefix.len() == 0 || rows.get(&sibling) != Some(row));
        }
    }

    #[test]
    fn the_disjoint_form_is_its_own(routes in any_routes()) {
        let rows = disjoint(routes);
        prop_assert_eq!(disjoint(rows.iter().map(|(p, row)| (*p, Some(*row)))), rows);
    }
}

#[test]
fn routes_that_mean_the_same_have_one_form() {
    let form = |routes: &[&str]| {
        disjoint(
            routes
                .iter()
                .map(|text| (text.parse().unwrap(), Some(RouteRow::OnLink))),
        )
    };
    assert_eq!(form(&["10.0.0.0/9", "10.128.0.0/9"]), form(&["10.0.0.0/8"]));
    assert_eq!(form(&["10.0.0.0/8", "10.1.0.0/16"]), form(&["10.0.0.0/8"]));
}

#[test]
fn a_route_that_leads_nowhere_is_a_hole() {
    let rows = disjoint([
        ("0.0.0.0/0".parse().unwrap(), Some(RouteRow::OnLink)),
        ("192.168.0.0/24".parse().unwrap(), None),
    ]);
    assert_eq!(find(&rows, ip("192.168.0.1")), None);
    assert_eq!(find(&rows, ip("192.168.1.1")), Some(RouteRow::OnLink));
}

#[test]
fn nodes_are_counted_by_byte_boundaries_and_one_for_each_42_prefixes() {
    let count = |routes: &[&str]| {
        nodes(&disjoint(
            routes
                .iter()
                .map(|text| (text.parse().unwrap(), Some(RouteRow::OnLink))),
        ))
    };
    assert_eq!(count(&[]), 0);
    assert_eq!(count(&["0.0.0.0/0"]), 1);
    assert_eq!(count(&["10.0.0.0/8"]), 2);
    assert_eq!(count(&["10.0.0.0/24", "10.0.2.0/24"]), 4);
    assert_eq!(count(&["10.0.0.0/24", "10.1.0.7/32"]), 6);
}
