#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn no_element_is_in_two_runs(
        len in 0u32..200,
        used in prop::collection::vec((0u32..220, 0u32..30), 0..10),
        takes in prop::collection::vec((0u32..40, any::<bool>()), 0..30),
    ) {
        let mut owner = vec![false; len as usize];
        for (first, count) in &used {
            for at in *first..(*first + *count).min(len).max(*first) {
                if let Some(owned) = owner.get_mut(at as usize) {
                    *owned = true;
                }
            }
        }
        let mut arena = Arena::new(len, used);
        for (count, back) in takes {
            let fits = owner.chunk_by(|a, b| a == b).any(|run| !run[0] && run.len() >= count as usize);
            let taken = arena.take(count);
            prop_assert_eq!(taken.is_some(), fits && count > 0);
            let Some(first) = taken else { continue };
            let run = &mut owner[first as usize..(first + count) as usize];
            prop_assert!(run.iter().all(|owned| !owned));
            if back {
                arena.give(first, count);
            } else {
                run.fill(true);
            }
            prop_assert_eq!(arena.free() as usize, owner.iter().filter(|owned| !**owned).count());
        }
    }
}

#[test]
fn the_first_run_that_is_long_enough_is_taken() {
    let mut arena = Arena::new(100, [(10, 10), (25, 50)]);
    assert_eq!(arena.take(6), Some(0));
    assert_eq!(arena.take(5), Some(20));
    assert_eq!(arena.take(5), Some(75));
    assert_eq!(arena.take(21), None);
    arena.give(20, 5);
    assert_eq!(arena.take(5), Some(20));
}
