//! Receive queues that a worker serves in user space: what the daemon wants of them, and what the
//! worker says. The conversation is a row of shared memory for each queue (`struct lb_queue`):
//! no socket, no message, and it outlives either end.

use std::fmt;
use std::io;
use std::mem::offset_of;

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_core::tables::InterfaceSlot;

/// Queues of an interface that can be served.
pub const MOST: u32 = abi::LB_MAX_QUEUES;

/// What a worker is to do with an interface's queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub part: Part,
    /// Without copies, where the driver can; else the worker says that it failed.
    pub zero_copy: bool,
    /// The interface's program runs in generic mode.
    pub generic: bool,
    pub busy_poll: bool,
}

/// A queue's part in forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Receive here, and send.
    Serve,
    /// Send only: the interface's packets are forwarded by XDP.
    Send,
}

impl Wanted {
    /// Receive and send, by copies, in native mode.
    pub const SERVE: Wanted = Wanted {
        part: Part::Serve,
        zero_copy: false,
        generic: false,
        busy_poll: false,
    };

    fn bits(self) -> u32 {
        let flag = |set, bit| if set { bit } else { 0 };
        let part = match self.part {
            Part::Serve => abi::LB_QUEUE_SERVE,
            Part::Send => abi::LB_QUEUE_SEND,
        };
        part | flag(self.zero_copy, abi::LB_QUEUE_ZERO_COPY)
            | flag(self.generic, abi::LB_QUEUE_GENERIC)
            | flag(self.busy_poll, abi::LB_QUEUE_BUSY_POLL)
    }

    /// None: nothing is wanted.
    pub fn of(bits: u32) -> Option<Self> {
        let part = if bits & abi::LB_QUEUE_SERVE != 0 {
            Part::Serve
        } else if bits & abi::LB_QUEUE_SEND != 0 {
            Part::Send
        } else {
            return None;
        };
        Some(Wanted {
            part,
            zero_copy: bits & abi::LB_QUEUE_ZERO_COPY != 0,
            generic: bits & abi::LB_QUEUE_GENERIC != 0,
            busy_poll: bits & abi::LB_QUEUE_BUSY_POLL != 0,
        })
    }
}

/// What a worker says of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// Nobody has a socket on it.
    Idle,
    /// Bound in copy mode.
    Copies,
    /// Bound without copies.
    ZeroCopy,
    /// Not bound, by this errno.
    Failed(u32),
}

impl fmt::Display for QueueState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueState::Idle => f.write_str("idle"),
            QueueState::Copies => f.write_str("copy"),
            QueueState::ZeroCopy => f.write_str("zero-copy"),
            QueueState::Failed(errno) => {
                write!(f, "failed: {}", io::Error::from_raw_os_error(*errno as i32))
            }
        }
    }
}

/// A queue that is wanted or served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// Of the device's own row (tags 0).
    pub slot: InterfaceSlot,
    pub queue: u32,
    pub ifindex: u32,
    /// None: it is no longer wanted, and its worker has not let go of it yet.
    pub wanted: Option<Wanted>,
    /// The process that is to serve it.
    pub worker: Option<u32>,
    /// The process that does.
    pub owner: Option<u32>,
    pub state: QueueState,
    pub counts: QueueCounts,
}

impl QueueStatus {
    /// Does it have a socket?
    pub fn is_bound(&self) -> bool {
        self.owner.is_some() && matches!(self.state, QueueState::Copies | QueueState::ZeroCopy)
    }
}

/// What a queue's sockets have counted, of all workers that served it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    pub rx: u64,
    pub rx_bytes: u64,
    pub tx: u64,
    pub tx_bytes: u64,
    pub passed: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    pub fill_empty: u64,
    pub ring_full: u64,
    pub wakeups: u64,
    pub batches: u64,
    pub batch_most: u64,
}

impl From<&abi::lb_queue> for QueueCounts {
    fn from(row: &abi::lb_queue) -> Self {
        QueueCounts {
            rx: row.rx,
            rx_bytes: row.rx_bytes,
            tx: row.tx,
            tx_bytes: row.tx_bytes,
            passed: row.passed,
            rx_dropped: row.rx_dropped,
            tx_dropped: row.tx_dropped,
            fill_empty: row.fill_empty,
            ring_full: row.ring_full,
            wakeups: row.wakeups,
            batches: row.batches,
            batch_most: row.batch_most,
        }
    }
}

/// An interface has more queues than can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{queues} receive queues: at most {most} can be served by AF_XDP; reduce them (`ethtool -L`), or choose datapath xdp",
    most = abi::LB_MAX_QUEUES
)]
pub struct TooManyQueues {
    pub queues: u32,
}

/// The rows of all queues. A clone is another handle on the same memory.
#[derive(Clone)]
pub struct Queues {
    regions: Regions,
}

impl Queues {
    pub fn new(regions: &Regions) -> Self {
        Queues {
            regions: regions.clone(),
        }
    }

    /// Asks a worker to serve the first queues of an interface, and no others.
    ///
    /// # Errors
    /// More than `LB_MAX_QUEUES`: nothing was changed.
    pub fn want(
        &self,
        slot: InterfaceSlot,
        ifindex: u32,
        queues: u32,
        wanted: Wanted,
    ) -> Result<(), TooManyQueues> {
        if queues > abi::LB_MAX_QUEUES {
            return Err(TooManyQueues { queues });
        }
        for queue in 0..abi::LB_MAX_QUEUES {
            let word = if queue < queues {
                pair(ifindex, wanted.bits())
            } else {
                0
            };
            self.put_wanted(index(slot, queue), word);
        }
        Ok(())
    }

    /// Asks the worker to let go of an interface's queues.
    pub fn unwant(&self, slot: InterfaceSlot) {
        for queue in 0..abi::LB_MAX_QUEUES {
            self.put_wanted(index(slot, queue), 0);
        }
    }

    /// The queues that are wanted, or still served.
    pub fn read(&self) -> Vec<QueueStatus> {
        (0..self.regions.len(Region::Queues))
            .filter_map(|index| self.status(index))
            .collect()
    }

    /// Both of the daemon's fields are one word: no worker sees one without the other.
    fn put_wanted(&self, index: u32, word: u64) {
        if self.regions.load_u64(Region::Queues, index, WANTED_WORD) != word {
            self.regions
                .store_u64(Region::Queues, index, WANTED_WORD, word);
        }
    }

    fn status(&self, index: u32) -> Option<QueueStatus> {
        let wanted = self.regions.load_u64(Region::Queues, index, WANTED_WORD);
        let owned = self.regions.load_u64(Region::Queues, index, OWNER_WORD);
        if wanted == 0 && owned >> 32 == 0 {
            return None;
        }
        let row: abi::lb_queue = self.regions.read(Region::Queues, index);
        Some(QueueStatus {
            slot: InterfaceSlot((index / abi::LB_MAX_QUEUES) as u8),
            queue: index % abi::LB_MAX_QUEUES,
            ifindex: row.ifindex,
            wanted: Wanted::of(row.wanted),
            worker: process(row.worker),
            owner: process(row.owner),
            state: state(&row),
            counts: QueueCounts::from(&row),
        })
    }
}

/// The row of a queue, and its socket's place in `xskmap`.
pub fn index(slot: InterfaceSlot, queue: u32) -> u32 {
    u32::from(slot.0) * abi::LB_MAX_QUEUES + queue
}

/// Of a row: the daemon's ifindex and wanted, in rising order.
pub const WANTED_WORD: usize = offset_of!(abi::lb_queue, ifindex) / 8;
/// Of a row: the workers' worker and owner, in rising order. Two processes write it, so it changes
/// by compare-and-swap.
pub const OWNER_WORD: usize = offset_of!(abi::lb_queue, worker) / 8;

const _: () = assert!(offset_of!(abi::lb_queue, wanted) == WANTED_WORD * 8 + 4);
const _: () = assert!(offset_of!(abi::lb_queue, owner) == OWNER_WORD * 8 + 4);

/// Two fields as the word that they are.
pub fn pair(first: u32, second: u32) -> u64 {
    u64::from(first) | u64::from(second) << 32
}

fn process(pid: u32) -> Option<u32> {
    (pid != 0).then_some(pid)
}

fn state(row: &abi::lb_queue) -> QueueState {
    match row.state {
        abi::lb_queue_state::LB_QUEUE_COPIES => QueueState::Copies,
        abi::lb_queue_state::LB_QUEUE_COPIES_NOT => QueueState::ZeroCopy,
        abi::lb_queue_state::LB_QUEUE_FAILED => QueueState::Failed(row.failure),
        _ => QueueState::Idle,
    }
}

#[cfg(test)]
mod tests;
