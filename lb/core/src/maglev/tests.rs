#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::testing::endpoint;

fn members(weights: &[u16]) -> Vec<(Endpoint, u16)> {
    let at = |i: usize| endpoint(&format!("10.1.{}.{}:8080", i / 250, i % 250 + 1));
    weights
        .iter()
        .enumerate()
        .map(|(index, weight)| (at(index), *weight))
        .collect()
}

fn size(value: u64) -> MaglevSize {
    MaglevSize::new(value).unwrap()
}

fn shares(table: &[u16], members: usize) -> Vec<u32> {
    let mut shares = vec![0; members];
    table
        .iter()
        .for_each(|slot| shares[usize::from(*slot)] += 1);
    shares
}

fn any_size() -> impl Strategy<Value = MaglevSize> {
    prop::sample::select(vec![251u64, 1009, 4093, 16381]).prop_map(size)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn shares_follow_weights_to_less_than_a_slot(
        size in any_size(),
        weights in prop::collection::vec(0u16..=1000, 1..60),
    ) {
        let table = table(size, &members(&weights));
        let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        prop_assume!(sum > 0.0);
        prop_assert_eq!(table.len(), size.get() as usize);
        for (share, weight) in shares(&table, weights.len()).into_iter().zip(weights) {
            let ideal = f64::from(size.get()) * f64::from(weight) / sum;
            prop_assert!((f64::from(share) - ideal).abs() < 1.0, "{share} of {ideal}");
            // Hence 2 % where a share is 100 slots or more.
            prop_assert!(ideal < 100.0 || (f64::from(share) - ideal).abs() <= 0.02 * ideal);
            prop_assert!(weight > 0 || share == 0);
        }
    }

    #[test]
    fn a_table_depends_on_nothing_but_endpoints_weights_and_size(
        size in any_size(),
        weights in prop::collection::vec(0u16..=3, 1..20),
    ) {
        // Members of weight 0 change nothing but the numbers of the others.
        let all = members(&weights);
        let some: Vec<_> = all.iter().filter(|member| member.1 > 0).copied().collect();
        let names = |members: &[(Endpoint, u16)]| -> Vec<Endpoint> {
            table(size, members).iter().map(|slot| members[usize::from(*slot)].0).collect()
        };
        prop_assert_eq!(names(&all), names(&some));
        prop_assert_eq!(names(&all), names(&all));
    }
}

/// Slots whose backend is another one, of those that could stay.
fn moved(before: &[(Endpoint, u16)], after: &[(Endpoint, u16)], size: MaglevSize) -> usize {
    let names = |members: &[(Endpoint, u16)]| -> Vec<Endpoint> {
        table(size, members)
            .iter()
            .map(|slot| members[usize::from(*slot)].0)
            .collect()
    };
    names(before)
        .iter()
        .zip(names(after))
        .filter(|(a, b)| *a != b)
        .count()
}

#[test]
fn one_of_100_that_goes_moves_at_most_2_percent_of_65537_slots() {
    let before = members(&[1; 100]);
    for gone in [0, 37, 50, 99] {
        let mut after = before.clone();
        after.remove(gone);
        let moved = moved(&before, &after, size(65537));
        assert!(
            moved * 100 <= 2 * 65537,
            "{moved} slots moved without member {gone}"
        );
    }
}

#[test]
fn one_that_drains_or_halves_moves_little_but_its_own() {
    let before = members(&[10; 20]);
    for weight in [0, 5] {
        let mut after = before.clone();
        after[7].1 = weight;
        let moved = moved(&before, &after, MaglevSize::DEFAULT);
        let own = 16381 / 20 * usize::from(10 - weight) / 10;
        assert!(
            moved <= own + 16381 * 4 / 100,
            "{moved} slots moved, {own} were its own"
        );
    }
}

#[test]
fn without_weights_there_is_no_table() {
    assert_eq!(table(size(251), &[]), []);
    assert_eq!(table(size(251), &members(&[0, 0])), []);
}

#[test]
fn more_members_than_slots_still_fill_the_table() {
    let table = table(size(251), &members(&[1; 300]));
    assert_eq!(
        shares(&table, 300)
            .iter()
            .filter(|share| **share == 1)
            .count(),
        251
    );
}

/// Appliances of different builds must agree: a change here moves every connection of a fleet.
#[test]
fn tables_are_the_same_in_every_build() {
    let table = table(size(251), &members(&[1, 2, 3]));
    let bytes: Vec<u8> = table.iter().flat_map(|slot| slot.to_be_bytes()).collect();
    assert_eq!(
        siphash([0, 0], &bytes),
        5_164_281_659_374_062_329,
        "of {table:?}"
    );
}
