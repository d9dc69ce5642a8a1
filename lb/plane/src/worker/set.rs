//! Locks of worker processes: each holds one of two, which dies with it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::time::{ClockId, clock_gettime};

use super::{WorkerError, WorkerOptions};
use crate::slots::WorkerSet;

/// The daemon may be asking whether a set is held: it is tried so often.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(2);

/// Held until dropped.
pub(super) struct SetLock {
    _file: Flock<File>,
    set: WorkerSet,
    since: u64,
}

/// A set, and whether the other one is held.
pub(super) struct Taken {
    pub lock: SetLock,
    pub other_lives: bool,
}

/// Who holds a set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holder {
    pub pid: Option<u32>,
    /// Nanoseconds since the machine was started.
    pub since: u64,
}

impl SetLock {
    pub fn set(&self) -> WorkerSet {
        self.set
    }

    pub fn since(&self) -> u64 {
        self.since
    }

    /// Who holds the other set. None: nobody does, its last holder is dead.
    pub fn other(&self, options: &WorkerOptions) -> Result<Option<Holder>, WorkerError> {
        let other = if self.set == WorkerSet::ALL[0] {
            WorkerSet::ALL[1]
        } else {
            WorkerSet::ALL[0]
        };
        Ok(lock(options, other)?.err())
    }
}

/// Takes a set: the first, or with `replace` the one that is free.
pub(super) fn take(options: &WorkerOptions) -> Result<Taken, WorkerError> {
    let [first, second] = WorkerSet::ALL;
    let instance = options.instance.clone();
    let running = |pid| WorkerError::Running {
        instance: instance.clone(),
        pid,
    };
    match (lock(options, first)?, lock(options, second)?) {
        (Ok(file), Ok(_)) => held(options, file, first, false),
        (Ok(file), Err(_)) if options.replace => held(options, file, first, true),
        (Err(_), Ok(file)) if options.replace => held(options, file, second, true),
        (Err(one), Err(two)) => {
            let younger = if one.since > two.since { one } else { two };
            let pid = younger.pid;
            Err(WorkerError::Replacing { instance, pid })
        }
        (Err(other), Ok(_)) | (Ok(_), Err(other)) => Err(running(other.pid)),
    }
}

fn held(
    options: &WorkerOptions,
    mut file: Flock<File>,
    set: WorkerSet,
    other_lives: bool,
) -> Result<Taken, WorkerError> {
    let since = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(|now| Duration::from(now).as_nanos() as u64)
        .unwrap_or(0);
    write(&mut file, since).map_err(failed(&path(options, set)))?;
    Ok(Taken {
        lock: SetLock {
            _file: file,
            set,
            since,
        },
        other_lives,
    })
}

/// The lock, or who has it.
fn lock(
    options: &WorkerOptions,
    set: WorkerSet,
) -> Result<Result<Flock<File>, Holder>, WorkerError> {
    let path = path(options, set);
    let mut file = open(&path).map_err(failed(&path))?;
    for _ in 0..TRIES {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(Ok(locked)),
            Err((refused, Errno::EWOULDBLOCK)) => file = refused,
            Err((_, errno)) => return Err(failed(&path)(errno.into())),
        }
        // Its holder is a worker, not somebody who asks, if it says so.
        if read(&mut file).is_some_and(|holder| is_alive(holder.pid)) {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(Err(read(&mut file).unwrap_or_default()))
}

/// Only a hint: a dead process's id may be another's by now.
fn is_alive(pid: Option<u32>) -> bool {
    let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) else {
        return false;
    };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

fn path(options: &WorkerOptions, set: WorkerSet) -> PathBuf {
    set.lock_path(&options.run_dir, &options.instance)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> WorkerError {
    let path = path.to_owned();
    move |source| WorkerError::Lock {
        path: path.clone(),
        source,
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

fn write(file: &mut File, since: u64) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{} {since}", std::process::id())
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    let mut words = text.split_whitespace();
    Some(Holder {
        pid: words.next()?.parse().ok(),
        since: words.next()?.parse().unwrap_or(0),
    })
}
