//! Queues in user space, as the API shows them.

use lb_api::wire::{Socket, SocketState};
use lb_core::tables::InterfaceSlot;
use lb_plane::queues::{Part, QueueState, QueueStatus};

use crate::reconcile::failure;

/// Those of an interface, in the order of queues.
pub fn of(slot: Option<InterfaceSlot>, queues: &[QueueStatus]) -> Vec<Socket> {
    let own = queues.iter().filter(|queue| Some(queue.slot) == slot);
    own.map(socket).collect()
}

/// What is amiss with an interface that the worker serves. None: nothing.
pub fn trouble(sockets: &[Socket]) -> Option<String> {
    let served = || sockets.iter().filter(|socket| !socket.send_only);
    let lost = served()
        .filter(|socket| matches!(socket.state, SocketState::Waiting | SocketState::Failed));
    let lost: Vec<&Socket> = lost.collect();
    if served().next().is_some() && lost.is_empty() {
        return None;
    }
    let said = lost.iter().find(|socket| !socket.message.is_empty());
    let why = said.map_or("no worker has them", |socket| &socket.message);
    Some(format!(
        "{} of {} queues are not served, and packets of services that arrive there are dropped (no_worker): {why}",
        lost.len(),
        served().count()
    ))
}

fn socket(queue: &QueueStatus) -> Socket {
    let counts = queue.counts;
    Socket {
        queue: queue.queue,
        state: match (queue.state, queue.owner) {
            (QueueState::Failed(_), _) => SocketState::Failed,
            (QueueState::Copies, Some(_)) => SocketState::Copy,
            (QueueState::ZeroCopy, Some(_)) => SocketState::ZeroCopy,
            _ => SocketState::Waiting,
        },
        send_only: queue.wanted.is_some_and(|wanted| wanted.part == Part::Send),
        owner: queue.owner,
        message: match queue.state {
            QueueState::Failed(errno) => failure(queue.queue, errno),
            _ => String::new(),
        },
        rx: counts.rx,
        tx: counts.tx,
        passed: counts.passed,
        rx_dropped: counts.rx_dropped,
        tx_dropped: counts.tx_dropped,
        fill_empty: counts.fill_empty,
        ring_full: counts.ring_full,
        wakeups: counts.wakeups,
        batches: counts.batches,
        batch_most: counts.batch_most,
    }
}
