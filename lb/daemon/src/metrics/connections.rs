//! Connections that the data plane remembers, and the source ports they have.

use lb_plane::stats::{ConnState, Totals};

use super::page::{Page, by_name};
use crate::state::Figures;

pub fn add(page: &mut Page, figures: &Figures) {
    entries(page, figures);
    source_ports(page, figures);
}

fn entries(page: &mut Page, figures: &Figures) {
    let Figures { totals, usage, .. } = figures;
    let states = usage.by_state.iter();
    let states = by_name(states.map(|(state, count)| (ConnState::name(*state), *count)));
    page.gauges(
        "loxid_conn_states",
        "Connections by state.",
        ["state"],
        &states,
    );
    let tables = usage.tables.iter();
    page.gauges(
        "loxid_conn_entries",
        "Connections remembered, by family, and clients that keep their backend (affinity).",
        ["table"],
        &by_name(tables.clone().map(|table| (table.name, table.used))),
    );
    page.gauges(
        "loxid_conn_capacity",
        "Connections and affinities that there is room for.",
        ["table"],
        &by_name(tables.map(|table| (table.name, table.capacity))),
    );
    let events = totals.conn_events.iter();
    let evicted =
        events.filter_map(|(event, count)| Some((event.strip_prefix("evicted_")?, *count)));
    page.counters(
        "loxid_conn_evictions_total",
        "Entries given up for another connection, by what they were.",
        ["why"],
        &by_name(evicted),
    );
    page.counter(
        "loxid_affinity_evictions_total",
        "Clients that lost their backend to another client while their affinity lived.",
        event(totals, "affinity_evicted"),
    );
    page.counter(
        "loxid_conn_inserted_total",
        "Connections remembered.",
        event(totals, "inserted"),
    );
    page.counter(
        "loxid_conn_insert_failures_total",
        "Packets dropped for want of an entry.",
        reason(totals, "table_full") + reason(totals, "table_contended"),
    );
}

fn source_ports(page: &mut Page, figures: &Figures) {
    page.gauge(
        "loxid_snat_ports_max",
        "Source ports that connections to one backend can have.",
        figures.source_ports as f64,
    );
    page.counter(
        "loxid_snat_early_reuse_total",
        "Source ports used again before their rest was over.",
        event(&figures.totals, "source_early"),
    );
    page.counter(
        "loxid_snat_failures_total",
        "Packets dropped for want of a source port.",
        reason(&figures.totals, "source_ports_exhausted"),
    );
}

fn event(totals: &Totals, name: &str) -> f64 {
    let mut events = totals.conn_events.iter();
    let found = events.find(|(event, _)| *event == name);
    found.map_or(0, |(_, count)| *count) as f64
}

fn reason(totals: &Totals, name: &str) -> f64 {
    let found = totals.reasons.iter().find(|reason| reason.name == name);
    found.map_or(0, |reason| reason.count) as f64
}
