//! A queue that is this thread's to serve: what is wanted of it, and its socket.

use std::time::{Duration, Instant};

use lb_bpf::abi;

use super::rows::{Counter, Holders, Row, Rows, Wish};
use crate::xsk::{BindError, Mode, Socket, Statistics, Unbound};

/// The first pause before a queue is tried again; each is twice as long as the one before.
const PAUSE_LEAST: Duration = Duration::from_millis(1);
/// While somebody else lets go of the queue: the kernel takes some milliseconds.
const PAUSE_BUSY_MOST: Duration = Duration::from_millis(2);
/// While the interface, the queue or the memory isn't there.
const PAUSE_MOST: Duration = Duration::from_millis(500);

/// What happened to a queue, for the log.
#[derive(Debug)]
pub enum Event {
    Bound {
        slot: u32,
        ifindex: u32,
        queue: u32,
        mode: Mode,
        /// Since the queue was this process's to bind.
        after: Duration,
    },
    /// Let go of.
    Closed { ifindex: u32, queue: u32, why: Why },
    /// Not bound; it is tried again. Said once for each error.
    Failed {
        ifindex: u32,
        queue: u32,
        error: BindError,
    },
    /// The driver has no zero-copy mode: packets are copied.
    Copies { ifindex: u32, queue: u32 },
}

/// Why a queue was let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The daemon wants nothing of it, or something else.
    Unwanted,
    /// Another worker process takes it over.
    Replaced,
    /// The interface is gone.
    Gone,
    /// The process ends, or divides its queues anew.
    Stopped,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::Unwanted => "it is not wanted",
            Why::Replaced => "another worker takes it over",
            Why::Gone => "the interface is gone",
            Why::Stopped => "the worker lets go of all its queues",
        })
    }
}

pub(super) struct Seat {
    pub row: Row,
    pub wish: Wish,
    pub socket: Option<Socket>,
    /// What is to be the socket.
    pub unbound: Option<Unbound>,
    /// Frames given to the tx ring since they were last counted in the row.
    pub sent: u64,
    pub sent_bytes: u64,
    counted: Statistics,
    pause: Duration,
    try_at: Instant,
    /// Since when it is ours to bind.
    pub since: Instant,
    said: Option<i32>,
}

impl Seat {
    pub fn new(row: Row, wish: Wish, now: Instant) -> Self {
        Seat {
            row,
            wish,
            socket: None,
            unbound: None,
            sent: 0,
            sent_bytes: 0,
            counted: Statistics::default(),
            pause: PAUSE_LEAST,
            try_at: now,
            since: now,
            said: None,
        }
    }

    pub fn serves(&self) -> bool {
        self.wish.flags & abi::LB_QUEUE_SERVE != 0
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.socket.is_none() && now >= self.try_at
    }

    pub fn wants_zero_copy(&self) -> bool {
        let flags = abi::LB_QUEUE_ZERO_COPY | abi::LB_QUEUE_GENERIC;
        self.wish.flags & flags == abi::LB_QUEUE_ZERO_COPY
    }

    pub fn bound(&mut self, socket: Socket) {
        self.counted = Statistics::default();
        self.pause = PAUSE_LEAST;
        self.said = None;
        self.socket = Some(socket);
    }

    /// Sets the time of the next try; true: the error was not said yet.
    pub fn failed(&mut self, error: &BindError, now: Instant) -> bool {
        let most = match error {
            BindError::Busy(_) => PAUSE_BUSY_MOST,
            _ => PAUSE_MOST,
        };
        self.pause = (self.pause * 2).min(most);
        self.try_at = now + self.pause;
        let is_new = self.said.replace(error.errno()) != Some(error.errno());
        // Who let go of a queue has it for some milliseconds more.
        is_new && !matches!(error, BindError::Busy(_))
    }

    /// Counts in the row what the kernel has counted since the last time.
    pub fn count(&mut self, rows: &Rows) {
        rows.add(self.row, Counter::TX, std::mem::take(&mut self.sent));
        rows.add(
            self.row,
            Counter::TX_BYTES,
            std::mem::take(&mut self.sent_bytes),
        );
        let Some(Ok(statistics)) = self.socket.as_ref().map(Socket::statistics) else {
            return;
        };
        let before = std::mem::replace(&mut self.counted, statistics);
        let since = |now: u64, before: u64| now.saturating_sub(before);
        let dropped = since(statistics.rx_dropped, before.rx_dropped);
        rows.add(self.row, Counter::RX_DROPPED, dropped);
        let empty = since(statistics.fill_empty, before.fill_empty);
        rows.add(self.row, Counter::FILL_EMPTY, empty);
        let full = since(statistics.rx_full, before.rx_full);
        rows.add(self.row, Counter::RING_FULL, full);
    }
}

/// Whether a queue is this process's to bind now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Ours,
    /// It is to be ours, and somebody still has a socket on it.
    Soon,
    Theirs,
}

/// Claims a queue, if it may be claimed: nobody who lives is to serve it, or the process that is
/// replaced.
pub(super) fn claim(rows: &Rows, row: Row, other_lives: bool, take_from: Option<u32>) -> Claim {
    let me = rows.me();
    let holders = rows.holders(row);
    if holders.worker != me {
        let is_taken = holders.worker != 0 && take_from != Some(holders.worker);
        if other_lives && is_taken {
            return Claim::Theirs;
        }
        let to = Holders {
            worker: me,
            ..holders
        };
        if !rows.replace_holders(row, holders, to) {
            return Claim::Soon;
        }
    }
    match holders.owner {
        0 => Claim::Ours,
        owner if owner == me || !other_lives => Claim::Ours,
        _ => Claim::Soon,
    }
}

/// Says that this process has a socket on a queue that is its.
pub(super) fn own(rows: &Rows, row: Row, mode: Mode) {
    let state = match mode {
        Mode::Copy => abi::lb_queue_state::LB_QUEUE_COPIES,
        Mode::ZeroCopy => abi::lb_queue_state::LB_QUEUE_COPIES_NOT,
    };
    rows.set_state(row, state, 0);
    set_owner(rows, row, rows.me());
}

/// Says that it has none any more.
pub(super) fn disown(rows: &Rows, row: Row) {
    if rows.holders(row).owner == rows.me() {
        rows.set_state(row, abi::lb_queue_state::LB_QUEUE_IDLE, 0);
        set_owner(rows, row, 0);
    }
}

/// Takes this process's claim back, too.
pub(super) fn renounce(rows: &Rows, row: Row) {
    disown(rows, row);
    loop {
        let from = rows.holders(row);
        let to = Holders { worker: 0, ..from };
        if from.worker != rows.me() || rows.replace_holders(row, from, to) {
            return;
        }
    }
}

/// Only the worker field changes beside us, once or twice.
fn set_owner(rows: &Rows, row: Row, owner: u32) {
    loop {
        let from = rows.holders(row);
        if rows.replace_holders(row, from, Holders { owner, ..from }) {
            return;
        }
    }
}
