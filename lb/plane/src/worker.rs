//! The worker: a process that forwards in user space what the redirector gives it by AF_XDP.
//!
//! It opens the daemon's pins, and then needs nothing else of the daemon: tables, connections and
//! counters are shared memory, and so is what the daemon wants of it (`struct lb_queue`).
//!
//! ```text
//!   WorkerPlane    the pins, and the lock of one of two sets of CPU slots
//!     Team         what all threads of the process share; who else lives
//!     WorkerThread memory, sockets, the core: receives a batch, forwards it in place, sends it
//!       Seat       a queue that the daemon wants: claims it, binds it, lets go of it
//! ```
//! Thread t of n serves the queues q of every interface with q % n == t, and sends by each
//! interface's queue t: a frame stays with its thread, so nothing on its way takes a lock.
//!
//! **Replacement.** A process that is to replace another takes the other set, and writes its id
//! into the rows' `worker` one by one; whoever finds another id there closes its socket and clears
//! `owner`; the new process binds the queue then.

mod rows;
mod seat;
mod set;
mod thread;

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use lb_bpf::abi;
use lb_bpf::region::Regions;
use lb_bpf::user::UserHost;
use lb_core::tables::InterfaceSlot;
use libbpf_rs::{MapCore, MapFlags, MapHandle};

use crate::kernel::{self, OpenError};
use crate::kernel_side;
use crate::pins::Pins;
use crate::queues::{self, Queues};
use crate::settings;
use crate::slots::{CpuSlots, WorkerSet};
use crate::tap::Tap;
use crate::workers::Epoch;
use crate::xsk::Socket;

pub use seat::Event;
pub use thread::{Bell, WorkerThread};

use rows::Rows;
use set::{SetLock, Taken};

/// What a worker is opened with.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    pub instance: String,
    pub bpffs: PathBuf,
    pub run_dir: PathBuf,
    /// Take the queues over from the worker that serves them.
    pub replace: bool,
}

/// Why a worker was not opened.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error(
        "{} is not there: loxid makes it when it starts, with this version's tables",
        path.display()
    )]
    NoPins { path: PathBuf },
    #[error(
        "a worker of instance {instance:?} runs, process {}: stop it, or replace it with --replace",
        pid.map_or("?".to_owned(), |pid| pid.to_string())
    )]
    Running { instance: String, pid: Option<u32> },
    #[error(
        "a worker of instance {instance:?} is being replaced, by process {}: wait for that",
        pid.map_or("?".to_owned(), |pid| pid.to_string())
    )]
    Replacing { instance: String, pid: Option<u32> },
    #[error("cannot lock {}", path.display())]
    Lock {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot open the pinned tables")]
    Open(#[from] OpenError),
}

/// The pins of an instance as its worker has them open. Dropping it ends what its process was to
/// the others.
pub struct WorkerPlane {
    team: Arc<Team>,
    lock: SetLock,
    options: WorkerOptions,
    settings: PathBuf,
    /// The inode of the pinned settings: another one is another instance of all maps.
    opened: Option<u64>,
}

/// What the threads of a process share.
pub(crate) struct Team {
    pub regions: Regions,
    pub rows: Rows,
    pub xskmap: MapHandle,
    pub set: WorkerSet,
    /// The process that this one takes over from.
    pub replaces: Option<u32>,
    /// Another worker process lives: what its id is written in is its.
    pub other_lives: AtomicBool,
}

impl WorkerPlane {
    /// Opens the pins that the daemon made, and takes a set of CPU slots. What a dead worker held
    /// is freed.
    ///
    /// # Errors
    /// See [`WorkerError`].
    pub fn open(options: WorkerOptions) -> Result<WorkerPlane, WorkerError> {
        let pins = Pins::at(&options.bpffs, &options.instance);
        let path = pins.map(settings::NAME);
        if !path.exists() {
            return Err(WorkerError::NoPins { path });
        }
        let (regions, xskmap) = kernel::open_pinned(&pins)?;
        let Taken { lock, other } = set::take(&options)?;
        let team = Team {
            rows: Rows::new(&regions, std::process::id()),
            regions,
            xskmap,
            set: lock.set(),
            replaces: other.as_ref().and_then(|other| other.pid),
            other_lives: AtomicBool::new(other.is_some()),
        };
        team.bury(lock.set());
        if other.is_none() {
            team.bury_all(&lock);
        }
        let opened = inode(&path);
        Ok(WorkerPlane {
            team: Arc::new(team),
            lock,
            options,
            settings: path,
            opened,
        })
    }

    /// How many threads the queues that are wanted make: as many as every interface has queues.
    /// 0: none is wanted.
    pub fn threads(&self) -> u32 {
        let slots = CpuSlots::of(self.team.regions.config()).workers;
        self.team
            .rows
            .least_queues()
            .map_or(0, |least| least.min(slots))
    }

    /// Thread `number` of `count`. What it passes before the TAP is there is lost.
    ///
    /// # Panics
    /// When there are no so many slots; [`WorkerPlane::threads`] says how many.
    pub fn thread(
        &self,
        number: u32,
        count: u32,
        frames_per_queue: u32,
        tap: Arc<OnceLock<Tap>>,
        bell: Bell,
    ) -> WorkerThread {
        WorkerThread::new(
            self.team.clone(),
            number,
            count,
            frames_per_queue,
            tap,
            bell,
        )
    }

    /// Which set of CPU slots the process has.
    pub fn set(&self) -> WorkerSet {
        self.lock.set()
    }

    /// The process that it takes over from.
    pub fn replaces(&self) -> Option<u32> {
        self.team.replaces
    }

    /// Looks whether the other worker process lives; what a dead one left is freed. To be called
    /// some ten times a second.
    ///
    /// # Errors
    /// The lock can't be tried.
    pub fn look_around(&self) -> Result<Others, WorkerError> {
        let other = self.lock.other(&self.options)?;
        let lived = self.team.other_lives.load(Ordering::Relaxed);
        match &other {
            None if lived => self.team.bury_all(&self.lock),
            None => (),
            Some(_) => self.team.other_lives.store(true, Ordering::Relaxed),
        }
        let (owned, named) = self.team.rows.mine();
        Ok(match other {
            Some(other) if other.since > self.lock.since() && owned + named == 0 => {
                Others::ReplacedBy(other.pid)
            }
            Some(other) => Others::Live(other.pid),
            None => Others::None,
        })
    }

    /// Directs what a queue's redirector gives to user space to a socket.
    ///
    /// # Errors
    /// The kernel's: the socket is not bound.
    pub fn direct(&self, slot: InterfaceSlot, queue: u32, socket: &Socket) -> io::Result<()> {
        let key = queues::index(slot, queue).to_ne_bytes();
        let fd = socket.fd().as_raw_fd().to_ne_bytes();
        let put = self.team.xskmap.update(&key, &fd, MapFlags::ANY);
        put.map_err(kernel_side::error)
    }

    /// Whether the pins are still those that are open.
    pub fn is_pinned(&self) -> bool {
        inode(&self.settings) == self.opened
    }

    /// The queues' rows.
    pub fn queues(&self) -> Queues {
        Queues::new(&self.team.regions)
    }

    pub fn regions(&self) -> &Regions {
        &self.team.regions
    }
}

impl Drop for WorkerPlane {
    fn drop(&mut self) {
        self.team.rows.leave();
    }
}

/// Which other worker there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    None,
    Live(Option<u32>),
    /// It began later, and has all queues: this process is done.
    ReplacedBy(Option<u32>),
}

impl Team {
    /// Nobody else lives: frees what the other set's last holder held, and what any had claimed.
    fn bury_all(&self, lock: &SetLock) {
        for set in WorkerSet::ALL.into_iter().filter(|set| *set != lock.set()) {
            self.bury(set);
        }
        self.rows.forget_others();
        self.other_lives.store(false, Ordering::Relaxed);
    }

    /// Frees what a set's last holder, who is dead, held in the middle of a packet.
    fn bury(&self, set: WorkerSet) {
        let slots = CpuSlots::of(self.regions.config()).set(set);
        UserHost::new(&self.regions, slots.start).reap_all(slots.clone());
        for slot in slots {
            Epoch::new(&self.regions, slot);
        }
    }
}

fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(std::fs::metadata(path).ok()?.ino())
}

/// Slots of interfaces are the rows' first index.
pub(crate) const SLOTS: u32 = abi::LB_MAX_INTERFACES;
