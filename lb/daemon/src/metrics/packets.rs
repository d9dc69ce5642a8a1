//! Packets, by what became of them.

use lb_plane::stats::{Class, Totals};

use super::page::{Page, Sample, by_name};

pub fn add(page: &mut Page, totals: &Totals) {
    let passes = reasons(totals, Class::Pass);
    let drops = reasons(totals, Class::Drop);
    let tx = sum(&reasons(totals, Class::Tx));
    page.counter(
        "loxid_rx_packets_total",
        "Packets received: tx + passes + drops, exactly.",
        tx + sum(&passes) + sum(&drops),
    );
    page.counter("loxid_tx_packets_total", "Packets handed to a driver.", tx);
    page.counters(
        "loxid_drops_total",
        "Packets dropped, by reason.",
        ["reason"],
        &drops,
    );
    page.counters(
        "loxid_passes_total",
        "Packets left to the stack, by reason.",
        ["reason"],
        &passes,
    );
    page.counters(
        "loxid_answers_total",
        "Frames made in answer to dropped packets.",
        ["kind"],
        &by_name(totals.answers.iter().copied()),
    );
}

fn reasons(totals: &Totals, class: Class) -> Vec<Sample<&str, 1>> {
    let reasons = totals.reasons.iter().filter(|reason| reason.class == class);
    by_name(reasons.map(|reason| (reason.name, reason.count)))
}

fn sum(samples: &[Sample<&str, 1>]) -> f64 {
    samples.iter().map(|(_, count)| count).sum()
}
