//! Packets and connections of services and of backends, under the same names.

use lb_core::service::Protocol;
use lb_plane::stats::Traffic;

use super::page::{Page, Sample};

/// What one service or backend has carried.
pub struct Row {
    pub name: String,
    pub protocol: Protocol,
    pub traffic: Traffic,
    /// Connections that are neither closed nor reset.
    pub active: u64,
}

/// `noun` is `service` or `backend`: the label, and a part of the families' names.
pub fn add(page: &mut Page, noun: &str, rows: &[Row]) {
    let labels = [noun, "protocol"];
    let both_labels = [noun, "protocol", "direction"];
    page.counters(
        &format!("loxid_{noun}_packets_total"),
        "Packets from (in) and to (out) clients.",
        both_labels,
        &both(rows, |traffic| (traffic.packets_in, traffic.packets_out)),
    );
    page.counters(
        &format!("loxid_{noun}_bytes_total"),
        "Bytes of IP packets from (in) and to (out) clients.",
        both_labels,
        &both(rows, |traffic| (traffic.bytes_in, traffic.bytes_out)),
    );
    page.counters(
        &format!("loxid_{noun}_connections_total"),
        "Connections begun.",
        labels,
        &each(rows, |row| row.traffic.connections),
    );
    page.counters(
        &format!("loxid_{noun}_dropped_packets_total"),
        "Packets dropped.",
        labels,
        &each(rows, |row| row.traffic.dropped),
    );
    page.gauges(
        &format!("loxid_{noun}_active_connections"),
        "Connections that are neither closed nor reset.",
        labels,
        &each(rows, |row| row.active),
    );
}

fn each(rows: &[Row], pick: impl Fn(&Row) -> u64) -> Vec<Sample<&str, 2>> {
    rows.iter()
        .map(|row| ([&*row.name, protocol(row.protocol)], pick(row) as f64))
        .collect()
}

fn both(rows: &[Row], pick: impl Fn(&Traffic) -> (u64, u64)) -> Vec<Sample<&str, 3>> {
    rows.iter()
        .flat_map(|row| {
            let (inward, outward) = pick(&row.traffic);
            [("in", inward), ("out", outward)].map(|(direction, count)| {
                (
                    [&*row.name, protocol(row.protocol), direction],
                    count as f64,
                )
            })
        })
        .collect()
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp => "icmp",
    }
}
