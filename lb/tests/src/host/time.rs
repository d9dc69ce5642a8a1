//! Time for a case that has none: instead of waiting, all that was noted becomes older.

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};

use super::user_over;

/// Makes everything that connections, affinities and source ports remember older by some ticks,
/// and then ends what has expired, as the sweep does.
pub fn pass(regions: &Regions, ticks: u32) {
    // The ages of abi.h: 16 bits in a forward word, 12 in a reverse word; both wrap.
    words(regions, Region::ConnForward, |word| {
        older(word, abi::LB_FORWARD_AGE_SHIFT, 16, ticks)
    });
    words(regions, Region::ConnReverse, |word| {
        older(word, abi::LB_REVERSE_AGE_SHIFT, 12, ticks)
    });
    for index in 0..regions.len(Region::Affinity) {
        // A row is its word (the tick in the upper half), the address, the service: four words.
        for row in 0..regions.words(Region::Affinity, index).len() / 4 {
            let word = regions.load_u64(Region::Affinity, index, row * 4);
            if word != 0 {
                let older = older(word, 32, 32, ticks);
                regions.store_u64(Region::Affinity, index, row * 4, older);
            }
        }
    }
    words(regions, Region::SourceStamps, |word| {
        (0..4).fold(word, |word, stamp| match word >> (stamp * 16) & 0xffff {
            0 => word,
            _ => older(word, stamp * 16, 16, ticks),
        })
    });
    let mut host = user_over(regions);
    host.sweep(0, regions.len(Region::ConnForward));
}

fn words(regions: &Regions, region: Region, change: impl Fn(u64) -> u64) {
    for index in 0..regions.len(region) {
        for word in 0..regions.words(region, index).len() {
            let value = regions.load_u64(region, index, word);
            if value != 0 {
                regions.store_u64(region, index, word, change(value));
            }
        }
    }
}

/// A word in which a field of some bits is an age that counts up.
fn older(word: u64, shift: u32, bits: u32, ticks: u32) -> u64 {
    let mask = ((1u64 << bits) - 1) << shift;
    let age = (word & mask).wrapping_sub(u64::from(ticks) << shift) & mask;
    word & !mask | age
}
