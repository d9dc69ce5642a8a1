//! The watcher: reads what changed, keeps what must stay resolved.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::events::{Dirty, Events};
use super::keep::{Key, difference};
use super::{NetlinkError, RawFacts, Requests};

/// Events come in bursts: one reading answers all that come within this.
const COALESCE: Duration = Duration::from_millis(10);
/// Everything is read again this often, whatever the events said.
const RESYNC: Duration = Duration::from_secs(15);
/// Neighbours that are wanted and not resolved are asked for again this often.
const NUDGE: Duration = Duration::from_secs(1);

/// Follows the facts of the network namespace it was made in.
pub struct Watcher {
    requests: Requests,
    events: Events,
    dirty: Dirty,
    facts: RawFacts,
    fixed: BTreeSet<Key>,
    kept: BTreeSet<Key>,
    resync_at: Instant,
    nudge_at: Instant,
}

impl Watcher {
    /// Subscribes, then reads everything. Needs a tokio runtime with I/O and time enabled.
    ///
    /// # Errors
    /// Where the kernel refuses sockets or does not answer.
    pub fn new() -> Result<Watcher, NetlinkError> {
        let mut watcher = Watcher {
            events: Events::new()?,
            requests: Requests::new()?,
            dirty: Dirty::ALL,
            facts: RawFacts::default(),
            fixed: BTreeSet::new(),
            kept: BTreeSet::new(),
            resync_at: Instant::now() + RESYNC,
            nudge_at: Instant::now() + NUDGE,
        };
        watcher.read()?;
        Ok(watcher)
    }

    /// The facts as last read.
    pub fn facts(&self) -> &RawFacts {
        &self.facts
    }

    /// Waits until the facts differ from what they were. Cancel safe.
    ///
    /// # Errors
    /// Where the kernel does not answer; the next call tries again.
    pub async fn changed(&mut self) -> Result<(), NetlinkError> {
        loop {
            if self.dirty == Dirty::NONE {
                self.wait().await?;
            }
            sleep(COALESCE).await;
            self.events.take(&mut self.dirty)?;
            if self.read()? {
                return Ok(());
            }
        }
    }

    /// Reads everything at once, whatever the events say; did the facts change?
    ///
    /// # Errors
    /// Where the kernel does not answer; the next call of [`Watcher::changed`] tries again.
    pub fn refresh(&mut self) -> Result<bool, NetlinkError> {
        self.dirty = Dirty::ALL;
        self.read()
    }

    /// Asks the kernel to keep these next hops (neighbours, gateways), each an ifindex and an
    /// address, resolved, and no longer those of earlier calls. An address alone would not do: a
    /// link-local one is of each link another neighbour.
    ///
    /// # Errors
    /// The first that the kernel refused; all others are asked for nevertheless.
    pub fn keep(&mut self, neighbours: &BTreeSet<(u32, IpAddr)>) -> Result<(), NetlinkError> {
        let wanted: BTreeSet<Key> = neighbours
            .iter()
            .filter(|(_, addr)| !self.facts.own.contains(addr))
            .copied()
            .collect();
        let (add, remove) = difference(&self.kept, &wanted, &self.fixed);
        let mut first = Ok(());
        for key in remove {
            // Its interface may be gone, and the entry with it.
            let _ = self.requests.unmanage(key);
            self.kept.remove(&key);
        }
        for key in add {
            match self.requests.manage(key) {
                Ok(()) => drop(self.kept.insert(key)),
                Err(error) if first.is_ok() => first = Err(error),
                Err(_) => (),
            }
        }
        first
    }

    async fn wait(&mut self) -> Result<(), NetlinkError> {
        let tick = self.resync_at.min(self.nudge_at);
        tokio::select! {
            event = self.events.next(&mut self.dirty) => return event,
            () = sleep_until(tick) => (),
        }
        let now = Instant::now();
        if self.nudge_at <= now {
            self.nudge_at = now + NUDGE;
            self.nudge();
        }
        if self.resync_at <= now {
            self.resync_at = now + RESYNC;
            self.dirty = Dirty::ALL;
        }
        Ok(())
    }

    /// Asks again for what is kept but not resolved: it failed, or somebody deleted the entry.
    fn nudge(&mut self) {
        for key in &self.kept {
            if !self.facts.neighbours.contains_key(key) {
                // Refused while the interface is down or gone; the next nudge tries again.
                let _ = self.requests.manage(*key);
            }
        }
    }

    /// Reads what is dirty; did the facts change?
    fn read(&mut self) -> Result<bool, NetlinkError> {
        let mut facts = self.facts.clone();
        if self.dirty.links {
            facts.links = self.requests.links()?;
            facts.own = facts
                .links
                .values()
                .flat_map(|link| link.addresses.iter().map(|(addr, _)| *addr))
                .collect();
        }
        if self.dirty.routes {
            facts.routes = self.requests.routes()?;
        }
        if self.dirty.neighbours {
            let neighbours = self.requests.neighbours()?;
            self.fixed = neighbours
                .iter()
                .filter(|(_, row)| row.fixed)
                .map(|(key, _)| *key)
                .collect();
            facts.neighbours = neighbours
                .into_iter()
                .map(|(key, row)| (key, row.mac))
                .collect();
        }
        self.dirty = Dirty::NONE;
        let changed = facts != self.facts;
        self.facts = facts;
        Ok(changed)
    }
}
