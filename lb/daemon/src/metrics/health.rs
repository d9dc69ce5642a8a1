//! Health checks: how long they take, how late they are, and what comes of them.

use lb_core::health::{Outcome, Phase};

use super::page::{Page, Sample};
use crate::health::Figures;

pub fn add(page: &mut Page, figures: &Figures) {
    page.register(figures.durations.clone());
    page.register(figures.lateness.clone());
    let made = figures.probes.iter();
    let mut samples: Vec<Sample<&str, 2>> = made
        .map(|((outcome, phase), count)| ([outcome.as_str(), phase.as_str()], *count as f64))
        .collect();
    if samples.is_empty() {
        let nothing = [Outcome::Passed.as_str(), Phase::Connect.as_str()];
        samples.push((nothing, 0.0));
    }
    page.counters(
        "loxid_health_checks_total",
        "Health checks, by result (passed, failed, not_made) and by how far they came.",
        ["result", "phase"],
        &samples,
    );
    page.counter(
        "loxid_health_transitions_total",
        "Backends that went up or down by their checks.",
        figures.transitions as f64,
    );
}
