//! Smooth weighted round robin, as nginx has it: one period of the order, as a slot table.
//!
//! In each step every member gains its weight, the one with most is taken (the first of equals)
//! and pays the sum of all weights. A member of weight 5 among two of weight 1 is so spread as
//! a a b a c a a, not taken five times in a row; equal weights give the order of the members.

#[cfg(test)]
mod tests;

/// Longest period, in slots. Weights with a longer one are scaled down.
pub const MAX_PERIOD: u32 = 65536;

/// One period: indexes into `weights`. Its length is the sum of the weights by their greatest
/// common divisor. A member of weight 0 has no slot. Empty if no member has a weight.
#[must_use]
pub fn table(weights: &[u16]) -> Vec<u16> {
    let weights = reduce(scale(reduce(
        weights.iter().map(|w| i64::from(*w)).collect(),
    )));
    let period: i64 = weights.iter().sum();
    let mut balance = vec![0; weights.len()];
    (0..period)
        .map(|_| step(&weights, period, &mut balance))
        .collect()
}

fn step(weights: &[i64], period: i64, balance: &mut [i64]) -> u16 {
    let mut taken = None;
    for (index, weight) in weights.iter().enumerate() {
        balance[index] += weight;
        let most = taken.map_or(i64::MIN, |taken: usize| balance[taken]);
        if *weight > 0 && balance[index] > most {
            taken = Some(index);
        }
    }
    let taken = taken.expect("a period that is not empty has a member with a weight");
    balance[taken] -= period;
    u16::try_from(taken).expect("a service has at most 4096 backends")
}

/// Divides by the greatest common divisor.
fn reduce(mut weights: Vec<i64>) -> Vec<i64> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor);
    if divisor > 1 {
        weights.iter_mut().for_each(|weight| *weight /= divisor);
    }
    weights
}

/// Fits the period into `MAX_PERIOD`. What has a weight keeps at least 1: room for that is set
/// aside before the rest is shared out.
fn scale(mut weights: Vec<i64>) -> Vec<i64> {
    let period: i64 = weights.iter().sum();
    if period <= i64::from(MAX_PERIOD) {
        return weights;
    }
    let room = i64::from(MAX_PERIOD) - weights.len() as i64;
    for weight in weights.iter_mut().filter(|weight| **weight > 0) {
        *weight = (*weight * room / period).max(1);
    }
    weights
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
