//! The rows of queues as a worker sees them. What two processes write changes by
//! compare-and-swap.

use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};

use super::SLOTS;
use crate::queues::{OWNER_WORD, WANTED_WORD, pair};

/// A row, and with it a place in `xskmap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row(pub u32);

impl Row {
    pub fn slot(self) -> u32 {
        self.0 / abi::LB_MAX_QUEUES
    }

    pub fn queue(self) -> u32 {
        self.0 % abi::LB_MAX_QUEUES
    }
}

/// What the daemon wants of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub ifindex: u32,
    /// `LB_QUEUE_*`, not 0.
    pub flags: u32,
}

/// Whose a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holders {
    pub worker: u32,
    pub owner: u32,
}

/// A counter of a row: its word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter(usize);

macro_rules! counters {
    ($($name:ident = $field:ident),* $(,)?) => {
        impl Counter {
            $(pub const $name: Counter = Counter(offset_of!(abi::lb_queue, $field) / 8);)*
        }
    };
}
counters!(
    RX = rx,
    RX_BYTES = rx_bytes,
    TX = tx,
    TX_BYTES = tx_bytes,
    PASSED = passed,
    RX_DROPPED = rx_dropped,
    TX_DROPPED = tx_dropped,
    FILL_EMPTY = fill_empty,
    RING_FULL = ring_full,
    WAKEUPS = wakeups,
    BATCHES = batches,
    BATCH_MOST = batch_most,
);

const STATE_WORD: usize = offset_of!(abi::lb_queue, state) / 8;

#[derive(Clone)]
pub(crate) struct Rows {
    regions: Regions,
    me: u32,
}

impl Rows {
    pub fn new(regions: &Regions, me: u32) -> Self {
        Rows {
            regions: regions.clone(),
            me,
        }
    }

    fn word(&self, row: Row, word: usize) -> &AtomicU64 {
        &self.regions.words(Region::Queues, row.0)[word]
    }

    pub fn wish(&self, row: Row) -> Option<Wish> {
        let word = self.word(row, WANTED_WORD).load(Ordering::Acquire);
        let (ifindex, flags) = (word as u32, (word >> 32) as u32);
        let known = flags & (abi::LB_QUEUE_SERVE | abi::LB_QUEUE_SEND) != 0;
        (ifindex != 0 && known).then_some(Wish { ifindex, flags })
    }

    /// The queues that are wanted; a slot's are its first ones.
    pub fn wanted(&self) -> impl Iterator<Item = (Row, Wish)> + '_ {
        (0..SLOTS).flat_map(move |slot| {
            (0..abi::LB_MAX_QUEUES)
                .map(move |queue| Row(slot * abi::LB_MAX_QUEUES + queue))
                .map_while(move |row| Some((row, self.wish(row)?)))
        })
    }

    /// Queues that every interface has.
    pub fn least_queues(&self) -> Option<u32> {
        let mut by_slot = [0u32; SLOTS as usize];
        for (row, _) in self.wanted() {
            by_slot[row.slot() as usize] += 1;
        }
        by_slot.into_iter().filter(|queues| *queues != 0).min()
    }

    pub fn holders(&self, row: Row) -> Holders {
        let word = self.word(row, OWNER_WORD).load(Ordering::SeqCst);
        Holders {
            worker: word as u32,
            owner: (word >> 32) as u32,
        }
    }

    /// False: somebody else changed it meanwhile.
    pub fn replace_holders(&self, row: Row, from: Holders, to: Holders) -> bool {
        let (from, to) = (pair(from.worker, from.owner), pair(to.worker, to.owner));
        let word = self.word(row, OWNER_WORD);
        let (success, failure) = (Ordering::SeqCst, Ordering::SeqCst);
        word.compare_exchange(from, to, success, failure).is_ok()
    }

    pub fn set_state(&self, row: Row, state: u32, failure: u32) {
        let word = self.word(row, STATE_WORD);
        word.store(pair(state, failure), Ordering::Release);
    }

    /// Adds to a counter, of which nobody else is the writer while the row is ours.
    pub fn add(&self, row: Row, counter: Counter, more: u64) {
        if more != 0 {
            let word = self.word(row, counter.0);
            word.store(word.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        }
    }

    pub fn raise(&self, row: Row, counter: Counter, value: u64) {
        let word = self.word(row, counter.0);
        if word.load(Ordering::Relaxed) < value {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// How many rows are owned by this process, and how many name it as the worker.
    pub fn mine(&self) -> (u32, u32) {
        let (mut owned, mut named) = (0, 0);
        for row in self.all() {
            let holders = self.holders(row);
            owned += u32::from(holders.owner == self.me);
            named += u32::from(holders.worker == self.me);
        }
        (owned, named)
    }

    /// Takes other processes' ids out: they are dead.
    pub fn forget_others(&self) {
        let mine = |id| if id == self.me { id } else { 0 };
        self.change_all(|holders| Holders {
            worker: mine(holders.worker),
            owner: mine(holders.owner),
        });
    }

    /// Takes this process's id out.
    pub fn leave(&self) {
        let not_mine = |id| if id == self.me { 0 } else { id };
        self.change_all(|holders| Holders {
            worker: not_mine(holders.worker),
            owner: not_mine(holders.owner),
        });
    }

    /// Who has no owner has no socket.
    fn change_all(&self, change: impl Fn(Holders) -> Holders) {
        for row in self.all() {
            let from = self.holders(row);
            let to = change(from);
            if from != to && self.replace_holders(row, from, to) && to.owner == 0 {
                self.set_state(row, abi::lb_queue_state::LB_QUEUE_IDLE, 0);
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = Row> {
        (0..self.regions.len(Region::Queues)).map(Row)
    }

    pub fn me(&self) -> u32 {
        self.me
    }
}
