//! What the worker's sockets have counted, and whether there is a worker.

use lb_api::control::State;
use lb_api::wire::Socket;

use super::page::{Page, Sample};

type Family = (&'static str, &'static str, fn(&Socket) -> u64);

const COUNTERS: [Family; 9] = [
    (
        "loxid_xsk_rx_packets_total",
        "Frames that the worker received from a queue.",
        |socket| socket.rx,
    ),
    (
        "loxid_xsk_tx_packets_total",
        "Frames that the worker handed to a queue's driver.",
        |socket| socket.tx,
    ),
    (
        "loxid_xsk_passed_packets_total",
        "Frames of a queue that the worker gave to the box's stack, through the TAP.",
        |socket| socket.passed,
    ),
    (
        "loxid_xsk_rx_dropped_total",
        "Frames that the kernel dropped because a socket had no room, or because they were in pieces.",
        |socket| socket.rx_dropped,
    ),
    (
        "loxid_xsk_tx_dropped_total",
        "Frames for which the way out had no room.",
        |socket| socket.tx_dropped,
    ),
    (
        "loxid_xsk_fill_empty_total",
        "Times that a queue's driver found no frame to fill.",
        |socket| socket.fill_empty,
    ),
    (
        "loxid_xsk_ring_full_total",
        "Times that a ring had no room for the worker.",
        |socket| socket.ring_full,
    ),
    (
        "loxid_xsk_wakeups_total",
        "System calls that made a driver go on.",
        |socket| socket.wakeups,
    ),
    (
        "loxid_xsk_batches_total",
        "Batches of received frames.",
        |socket| socket.batches,
    ),
];

pub fn add(page: &mut Page, state: &State) {
    for (name, help, value) in COUNTERS {
        page.counters(name, help, ["interface", "queue"], &samples(state, value));
    }
    page.gauges(
        "loxid_xsk_batch_packets_max",
        "Frames of the largest batch.",
        ["interface", "queue"],
        &samples(state, |socket| socket.batch_most),
    );
    if let Some(worker) = &state.status.worker {
        let is_up = worker.pid.is_some();
        page.gauge(
            "loxid_worker_up",
            "1: the process that forwards in user space runs.",
            is_up.into(),
        );
        page.counter(
            "loxid_worker_restarts_total",
            "Times that a worker died and another was started.",
            worker.restarts as f64,
        );
    }
}

fn samples(state: &State, value: fn(&Socket) -> u64) -> Vec<Sample<String, 2>> {
    let sockets = state.interfaces.iter().flat_map(|interface| {
        let sockets = interface.sockets.iter();
        sockets.map(move |socket| (&interface.name, socket))
    });
    sockets
        .map(|(name, socket)| {
            let labels = [name.clone(), socket.queue.to_string()];
            (labels, value(socket) as f64)
        })
        .collect()
}
