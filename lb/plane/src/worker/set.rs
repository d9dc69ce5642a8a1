//! Locks of worker processes: each holds one of two, which dies with it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

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

/// A set, and who holds the other one.
pub(super) struct Taken {
    pub lock: SetLock,
    pub other: Option<Holder>,
}

/// Who holds a set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holder {
    pub pid: Option<u32>,
    /// When it was started, in ticks of a clock since the machine was.
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
        (Ok(file), Ok(_)) => held(options, file, first, None),
        (Ok(file), Err(other)) if options.replace => held(options, file, first, Some(other)),
        (Err(other), Ok(file)) if options.replace => held(options, file, second, Some(other)),
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
    other: Option<Holder>,
) -> Result<Taken, WorkerError> {
    write(&mut file).map_err(failed(&path(options, set)))?;
    let since = began(std::process::id());
    Ok(Taken {
        lock: SetLock {
            _file: file,
            set,
            since,
        },
        other,
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
        if is_alive(read(&mut file).pid) {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(Err(read(&mut file)))
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

/// Nothing but the id: others read it, too.
fn write(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn read(file: &mut File) -> Holder {
    let mut text = String::new();
    let pid = file
        .rewind()
        .and_then(|()| file.read_to_string(&mut text))
        .ok()
        .and_then(|_| text.trim().parse().ok());
    Holder {
        pid,
        since: pid.map_or(0, began),
    }
}

/// When a process was started, in clock ticks since the machine was; 0: there is none
/// (`proc_pid_stat(5)`: field 22, where the name, field 2, may contain anything but is in brackets).
fn began(pid: u32) -> u64 {
    const AFTER_NAME: usize = 22 - 3;
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let field = fields.split_whitespace().nth(AFTER_NAME);
    field.and_then(|field| field.parse().ok()).unwrap_or(0)
}
