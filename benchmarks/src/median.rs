//! The statistic of all benchmarks.

/// The median; of an even number of values the mean of the middle two. NaN of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => (sorted[length / 2 - 1] + sorted[length / 2]) / 2.0,
    }
}

/// The median of ratios between values of the same round.
pub fn median_ratio(values: &[f64], to: &[f64]) -> f64 {
    let ratios: Vec<f64> = values
        .iter()
        .zip(to)
        .map(|(value, to)| value / to)
        .collect();
    median(&ratios)
}
