//! Waiting for workers: who runs packets through the core in user space reads a bank meanwhile.
//! Each thread says so in its row, by an epoch that is odd while it works on a batch.

use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::slots::{CpuSlots, WorkerSet};

/// A batch takes microseconds; who needs longer is stopped, or the box is.
const BOUND: Duration = Duration::from_secs(1);
/// Between looks at a batch that is not over.
const LOOK: Duration = Duration::from_micros(50);
/// After which a lock is asked for, too: a dead worker's batch never ends.
const PATIENCE: Duration = Duration::from_millis(2);

const WORD: usize = offset_of!(abi::lb_cpu, epoch) / 8;

/// The epoch of a worker's thread, who alone changes it.
pub struct Epoch {
    regions: Regions,
    slot: u32,
}

impl Epoch {
    /// Of a slot that is the caller's, which ends what a dead one before it had begun.
    pub fn new(regions: &Regions, slot: u32) -> Self {
        let epoch = Epoch {
            regions: regions.clone(),
            slot,
        };
        if is_open(epoch.word().load(Ordering::Acquire)) {
            epoch.leave();
        }
        epoch
    }

    /// Call it before a batch: what is read of the regions from here on is waited for.
    pub fn enter(&self) {
        self.word().fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Call it after the batch.
    pub fn leave(&self) {
        self.word().fetch_add(1, Ordering::SeqCst);
    }

    fn word(&self) -> &AtomicU64 {
        word(&self.regions, self.slot)
    }
}

fn word(regions: &Regions, slot: u32) -> &AtomicU64 {
    &regions.words(Region::Cpus, slot)[WORD]
}

/// Is a batch under way?
fn is_open(epoch: u64) -> bool {
    epoch & 1 == 1
}

/// A worker that lives and does not go on.
#[derive(Debug, thiserror::Error)]
#[error(
    "a worker's thread (cpu slot {slot}) has not ended its packets within {bound:?}: if the process that holds {} hangs, kill it; it is started again",
    lock.display()
)]
pub struct StuckWorker {
    pub slot: u32,
    pub lock: PathBuf,
    pub bound: Duration,
}

/// The worker processes that there may be.
pub(crate) struct Workers {
    slots: CpuSlots,
    locks: [PathBuf; WorkerSet::ALL.len()],
}

impl Workers {
    pub fn new(config: &abi::lb_config, run_dir: &Path, instance: &str) -> Self {
        Workers {
            slots: CpuSlots::of(config),
            locks: WorkerSet::ALL.map(|set| set.lock_path(run_dir, instance)),
        }
    }

    /// Waits until no worker is at work on packets that it began before the call.
    pub fn wait(&self, regions: &Regions) -> Result<(), StuckWorker> {
        self.wait_for(regions, BOUND)
    }

    fn wait_for(&self, regions: &Regions, bound: Duration) -> Result<(), StuckWorker> {
        // What the caller has stored is seen by whoever enters after the look at its epoch.
        fence(Ordering::SeqCst);
        let mut open: Vec<Batch> = WorkerSet::ALL
            .into_iter()
            .flat_map(|set| self.slots.set(set).map(move |slot| (set, slot)))
            .map(|(set, slot)| Batch {
                set,
                slot,
                epoch: word(regions, slot).load(Ordering::SeqCst),
            })
            .filter(|batch| is_open(batch.epoch))
            .collect();
        let start = Instant::now();
        loop {
            open.retain(|batch| batch.is_under_way(regions));
            if start.elapsed() >= PATIENCE {
                open.retain(|batch| self.lives(batch.set));
            }
            match open.first() {
                None => return Ok(()),
                Some(batch) if start.elapsed() >= bound => {
                    return Err(StuckWorker {
                        slot: batch.slot,
                        lock: self.lock(batch.set).to_owned(),
                        bound,
                    });
                }
                Some(_) => std::thread::sleep(LOOK),
            }
        }
    }

    fn lock(&self, set: WorkerSet) -> &Path {
        &self.locks[set.number() as usize]
    }

    /// Does a process hold a set? What can't be found out counts as yes.
    fn lives(&self, set: WorkerSet) -> bool {
        match File::open(self.lock(set)) {
            Err(error) => error.kind() != io::ErrorKind::NotFound,
            Ok(file) => matches!(
                Flock::lock(file, FlockArg::LockSharedNonblock),
                Err((_, Errno::EWOULDBLOCK))
            ),
        }
    }
}

/// Packets that a thread was at work on.
#[derive(Clone, Copy)]
struct Batch {
    set: WorkerSet,
    slot: u32,
    epoch: u64,
}

impl Batch {
    fn is_under_way(&self, regions: &Regions) -> bool {
        word(regions, self.slot).load(Ordering::SeqCst) == self.epoch
    }
}

#[cfg(test)]
mod tests;
