//! Who counts where: rows of the per-CPU regions, by cpu slot.
//!
//! ```text
//! | CPU 0 .. | set 0: thread 0 .. | set 1: thread 0 .. | the daemon |
//! ```
//! A set is a worker process's while it holds the set's lock. There are two, so that a process
//! can replace another while both run.

use std::path::{Path, PathBuf};

use lb_bpf::abi;

use crate::config;
use crate::kernel::OpenError;
use crate::kernel_side;

/// Threads of a worker process at most.
const WORKER_SLOTS_MOST: u32 = 16;

/// Who has a CPU slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSlots {
    /// CPUs that may ever be there.
    pub cpus: u32,
    /// Threads of each of `LB_WORKER_SETS` worker processes; their slots are behind the CPUs'.
    pub workers: u32,
}

impl CpuSlots {
    /// Of a box like this one.
    pub(crate) fn here() -> Result<Self, OpenError> {
        let cpus = libbpf_rs::num_possible_cpus().map_err(|error| {
            OpenError::system("count CPUs", Path::new("/sys/devices/system/cpu/possible"))(
                kernel_side::error(error),
            )
        })?;
        let most = config::CPU_SLOTS_MOST - 1 - abi::LB_WORKER_SETS * WORKER_SLOTS_MOST;
        let cpus = u32::try_from(cpus).unwrap_or(most).min(most);
        Ok(CpuSlots {
            cpus,
            workers: cpus.min(WORKER_SLOTS_MOST),
        })
    }

    /// Of maps that are pinned, or of memory.
    pub fn of(config: &abi::lb_config) -> Self {
        let workers = config.worker_slots;
        CpuSlots {
            cpus: config.cpu_slots - 1 - abi::LB_WORKER_SETS * workers,
            workers,
        }
    }

    /// The last one is the daemon's.
    pub fn count(self) -> u32 {
        self.cpus + abi::LB_WORKER_SETS * self.workers + 1
    }

    pub fn daemon(self) -> u32 {
        self.count() - 1
    }

    /// The slot of a thread of the process that holds a set; None: it has no such thread.
    pub fn worker(self, set: WorkerSet, thread: u32) -> Option<u32> {
        (thread < self.workers).then(|| self.cpus + set.0 * self.workers + thread)
    }

    /// All slots of a set.
    pub fn set(self, set: WorkerSet) -> std::ops::Range<u32> {
        let first = self.cpus + set.0 * self.workers;
        first..first + self.workers
    }
}

/// Which of the worker processes' sets of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkerSet(u32);

impl WorkerSet {
    pub const ALL: [WorkerSet; abi::LB_WORKER_SETS as usize] = [WorkerSet(0), WorkerSet(1)];

    /// 0 or 1.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The file whose lock (flock, exclusive) makes the set a process's. Who tries to take it
    /// tries again for some milliseconds: the daemon may be asking whether it is held.
    pub fn lock_path(self, run_dir: &Path, instance: &str) -> PathBuf {
        run_dir.join(format!("{instance}.worker-{}.lock", self.0))
    }
}

#[cfg(test)]
mod tests;
