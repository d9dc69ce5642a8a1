#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_member_is_taken_by_its_weight_and_evenly(
        weights in prop::collection::vec(0u16..=20, 1..8),
    ) {
        let table = table(&weights);
        let sum: u32 = weights.iter().map(|weight| u32::from(*weight)).sum();
        prop_assume!(sum > 0);
        let divisor = sum / table.len() as u32;
        for (index, weight) in weights.iter().enumerate() {
            let taken = table.iter().filter(|slot| usize::from(**slot) == index).count();
            prop_assert_eq!(taken as u32 * divisor, u32::from(*weight));
            // Smooth: after every step a member was taken as often as is its due, give or take
            // less than what the other members' number allows.
            let mut so_far = 0.0;
            for (step, slot) in table.iter().enumerate() {
                so_far += f64::from(u8::from(usize::from(*slot) == index));
                let due = (step + 1) as f64 * f64::from(*weight) / f64::from(sum);
                prop_assert!((so_far - due).abs() < weights.len() as f64 / 2.0 + 0.01);
            }
        }
    }
}

#[test]
fn equal_weights_give_the_order_of_members() {
    assert_eq!(table(&[7, 7, 7]), [0, 1, 2]);
    assert_eq!(table(&[0, 3, 0, 3]), [1, 3]);
}

#[test]
fn a_heavy_member_is_spread() {
    assert_eq!(table(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn without_weights_there_is_no_table() {
    assert_eq!(table(&[]), []);
    assert_eq!(table(&[0, 0]), []);
}

#[test]
fn long_periods_are_scaled_and_nobody_is_left_out() {
    let weights: Vec<u16> = (0..200)
        .map(|i| if i % 2 == 0 { 1000 } else { 1 + i % 7 })
        .collect();
    let table = table(&weights);
    assert!(table.len() <= MAX_PERIOD as usize && table.len() > MAX_PERIOD as usize / 2);
    for index in 0..200 {
        let taken = table.iter().filter(|slot| **slot == index).count() as f64;
        let sum: u32 = weights.iter().map(|weight| u32::from(*weight)).sum();
        let due = table.len() as f64 * f64::from(weights[usize::from(index)]) / f64::from(sum);
        assert!(
            taken >= 1.0 && (taken - due).abs() <= 1.0 + due * 0.02,
            "{taken} of {due}"
        );
    }
}
