//! `loxid worker`: the process that forwards in user space what the redirector gives it.
//!
//! It needs the daemon's pins and nothing else of it: either may be killed, and the other goes on.
//! The main thread divides the queues among threads, looks who else lives, and waits for signals;
//! the threads forward (lb-plane's `worker`).

mod crew;

use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use lb_plane::tap::Tap;
use lb_plane::worker::{Others, WorkerError, WorkerOptions, WorkerPlane};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::cli::Options;
use crate::config::Config;
use crate::{Failure, load, logging};
use crew::Crew;

/// How often the rows are looked at for how many threads they make.
const LOOK_MS: u8 = 20;
/// How often another process is looked for, and the pins.
const LOOK_AROUND: Duration = Duration::from_millis(100);

/// Runs until it is told to end, or is replaced.
pub fn run(options: &Options, replace: bool) -> Result<(), Failure> {
    let config = load(options)?;
    logging::start(&config.log_level);
    // It outlives the daemon that started it, and the terminal of that. Who leads a session already
    // (a unit of its own) is refused, and needs nothing.
    let _ = nix::unistd::setsid();
    let signals = Signals::new()?;
    raise_memlock();
    let Some(plane) = open(&config, replace, &signals)? else {
        return Ok(());
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        instance = config.instance,
        set = plane.set().number(),
        replaces = plane.replaces(),
        "loxid's worker runs"
    );
    let mut crew = Crew::default();
    let mut look_around_at = Instant::now();
    loop {
        divide(&plane, &config, &mut crew)?;
        if Instant::now() >= look_around_at {
            look_around_at = Instant::now() + LOOK_AROUND;
            if let Others::ReplacedBy(pid) =
                plane.look_around().context("look for other workers")?
            {
                tracing::info!(pid, "another worker has all queues: this one ends");
                break;
            }
            if !plane.is_pinned() {
                crew.stop();
                Err(anyhow!(
                    "the pinned tables were removed: start the worker again"
                ))?;
            }
        }
        if signals.come(LOOK_MS)? {
            tracing::info!("told to end: lets go of all queues");
            break;
        }
    }
    crew.stop();
    Ok(())
}

/// The pins; waits for them. None: told to end meanwhile.
fn open(config: &Config, replace: bool, signals: &Signals) -> Result<Option<WorkerPlane>, Failure> {
    const PAUSE_MS: u8 = 100;
    let options = WorkerOptions {
        instance: config.instance.clone(),
        bpffs: config.bpffs.clone(),
        run_dir: config.run_dir.clone(),
        replace,
    };
    let mut is_said = false;
    loop {
        match WorkerPlane::open(options.clone()) {
            Ok(plane) => return Ok(Some(plane)),
            Err(error @ WorkerError::NoPins { .. }) => {
                if !std::mem::replace(&mut is_said, true) {
                    tracing::info!("{error}: waits for it");
                }
            }
            Err(error @ (WorkerError::Running { .. } | WorkerError::Replacing { .. })) => {
                return Err(Failure::Running(error.to_string()));
            }
            Err(error) => return Err(anyhow::Error::new(error).into()),
        }
        if signals.come(PAUSE_MS)? {
            return Ok(None);
        }
    }
}

/// As many threads as the queues that are wanted make.
fn divide(plane: &WorkerPlane, config: &Config, crew: &mut Crew) -> Result<(), Failure> {
    let threads = plane.threads();
    if crew.has_panicked() {
        Err(anyhow!("a thread ended by itself, as the log says"))?;
    }
    if threads == crew.len() {
        return Ok(());
    }
    tracing::info!(threads, before = crew.len(), "divides the queues");
    crew.stop();
    let tap = Arc::new(OnceLock::new());
    for number in 0..threads {
        let frames = config.afxdp.frames_per_queue;
        crew.start(number, |bell| {
            plane.thread(number, threads, frames, tap.clone(), bell)
        })?;
    }
    // After the threads: packets of services don't wait for it.
    if threads > 0
        && let Some(opened) = open_tap(&config.afxdp.tap)
    {
        let _ = tap.set(opened);
    }
    Ok(())
}

/// Without it everything is forwarded, but for what is for the box itself.
fn open_tap(name: &str) -> Option<Tap> {
    match Tap::open(name) {
        Ok(tap) => Some(tap),
        Err(error) => {
            tracing::error!(
                "cannot make the TAP {name}: {error}: packets that a worker passes to the box's \
                 own stack are dropped (is /dev/net/tun there? is the name another device's?)"
            );
            None
        }
    }
}

/// The kernel charges packets' memory to it: as much as this process may have.
fn raise_memlock() {
    let raised = getrlimit(Resource::RLIMIT_MEMLOCK)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard));
    if let Err(error) = raised {
        tracing::warn!("cannot raise RLIMIT_MEMLOCK to its hard limit: {error}");
    }
}

/// TERM and INT, as something to wait for. All threads that are started later have them blocked.
struct Signals {
    fd: SignalFd,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGTERM);
        set.add(Signal::SIGINT);
        // The configuration is read once; HUP is for the daemon, and must not end the worker.
        let mut blocked = set;
        blocked.add(Signal::SIGHUP);
        blocked.thread_block().context("block signals")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&set, flags).context("wait for signals")?;
        Ok(Signals { fd })
    }

    /// Waits so long for one.
    fn come(&self, milliseconds: u8) -> Result<bool, Failure> {
        let mut waited = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waited, PollTimeout::from(milliseconds)) {
            Ok(ready) => Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}
