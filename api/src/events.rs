//! The last events, in memory: appended by the daemon, read by whoever listens.
//!
//! ```text
//!   daemon ── append ──> ring of KEPT events ── read(cursor) ──> /v1/events, each at its own pace
//! ```
//! Nobody is waited for: who reads too slowly, or comes back too late, is told how many were
//! missed. The journal has them all.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::wire::{Event, EventGap, EventId};

#[cfg(test)]
mod tests;

/// Events that are kept.
pub const KEPT: usize = 2048;

#[derive(Debug)]
pub struct EventLog {
    run: u64,
    ring: Mutex<Ring>,
    /// The number of the event after the newest.
    next: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring {
    kept: VecDeque<Arc<Event>>,
    next: u64,
}

/// The number of the next event to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(u64);

/// What a reader finds.
#[derive(Debug, Default)]
pub struct Found {
    /// Events that were dropped before they were read.
    pub gap: Option<EventGap>,
    pub events: Vec<Arc<Event>>,
}

impl EventLog {
    /// `run`: milliseconds since 1970; no two runs of a daemon have the same.
    pub fn new(run: u64) -> Self {
        let ring = Ring {
            kept: VecDeque::new(),
            next: 1,
        };
        Self {
            run,
            ring: Mutex::new(ring),
            next: watch::Sender::new(1),
        }
    }

    /// Gives an event its id, and keeps it.
    pub fn append(&self, event: impl FnOnce(EventId) -> Event) {
        let mut ring = self.ring();
        let id = EventId {
            run: self.run,
            number: ring.next,
        };
        if ring.kept.len() == KEPT {
            ring.kept.pop_front();
        }
        ring.kept.push_back(Arc::new(event(id)));
        ring.next += 1;
        self.next.send_replace(ring.next);
    }

    /// Where to read on after an event; None: from the oldest that is kept. An event of another
    /// run leaves a gap of unknown size.
    pub fn after(&self, last: Option<EventId>) -> (Cursor, Option<EventGap>) {
        match last {
            None => (Cursor(self.oldest()), None),
            Some(id) if id.run == self.run => (Cursor(id.number.saturating_add(1)), None),
            Some(_) => (Cursor(self.oldest()), Some(EventGap::restarted())),
        }
    }

    /// Where only what is to come is read.
    pub fn end(&self) -> Cursor {
        Cursor(self.ring().next)
    }

    /// Everything from the cursor on, which moves behind it.
    pub fn read(&self, cursor: &mut Cursor) -> Found {
        let ring = self.ring();
        let oldest = ring.next - ring.kept.len() as u64;
        // A cursor of the future is of somebody who made it up.
        let from = cursor.0.min(ring.next);
        let missed = oldest.saturating_sub(from);
        let skipped = usize::try_from(from.saturating_sub(oldest)).unwrap_or(usize::MAX);
        *cursor = Cursor(ring.next);
        Found {
            gap: (missed > 0).then(|| EventGap::lost(missed)),
            events: ring.kept.iter().skip(skipped).cloned().collect(),
        }
    }

    /// Waits until there is something at the cursor.
    pub async fn appended(&self, cursor: Cursor) {
        let mut next = self.next.subscribe();
        // The sender is ours, and lives as long as this borrow.
        let _ = next.wait_for(|next| *next > cursor.0).await;
    }

    fn oldest(&self) -> u64 {
        let ring = self.ring();
        ring.next - ring.kept.len() as u64
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
