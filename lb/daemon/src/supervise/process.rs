//! A worker's process: a child, or one that somebody else started.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub struct Process {
    pid: u32,
    /// When the kernel started it, in its ticks: with the pid it is nobody else's.
    began: u64,
    since: Instant,
    /// None: somebody else's child.
    child: Option<Child>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub struct End(Option<ExitStatus>);

impl End {
    pub fn code(self) -> Option<i32> {
        self.0?.code()
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(status) => status.fmt(f),
            None => f.write_str("a status that only its parent knows"),
        }
    }
}

impl Process {
    pub fn child(child: Child, now: Instant) -> Self {
        Process {
            pid: child.id(),
            began: began(child.id()).unwrap_or(0),
            since: now,
            child: Some(child),
        }
    }

    /// Who holds a lock, and lives.
    pub fn holding(lock: &Path) -> Option<Self> {
        let file = File::open(lock).ok()?;
        let pid = std::io::read_to_string(&file).ok()?.trim().parse().ok()?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Err((_, Errno::EWOULDBLOCK)) => {}
            // Nobody: it is let go of at once.
            _ => return None,
        }
        Some(Process {
            pid,
            began: began(pid)?,
            since: Instant::now(),
            child: None,
        })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn since(&self) -> Instant {
        self.since
    }

    pub fn began(&self) -> u64 {
        self.began
    }

    /// Some: it lives no longer.
    pub fn ended(&mut self) -> Option<End> {
        match &mut self.child {
            Some(child) => child.try_wait().ok()?.map(|status| End(Some(status))),
            None => (began(self.pid) != Some(self.began)).then_some(End(None)),
        }
    }

    pub fn terminate(&self) {
        if let Ok(pid) = i32::try_from(self.pid)
            && began(self.pid) == Some(self.began)
        {
            // It may end in this very moment.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }

    /// Whether it runs this executable, and not one that was there under its name before.
    pub fn is_of(&self, program: &Path) -> bool {
        let file = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        let running = file(Path::new(&format!("/proc/{}/exe", self.pid)));
        running.is_some() && running == file(program)
    }
}

/// The file that this process runs, by its path unless another one is there by now.
pub fn executable() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    let me = Process {
        pid: std::process::id(),
        began: 0,
        since: Instant::now(),
        child: None,
    };
    match std::env::current_exe() {
        Ok(path) if me.is_of(&path) => path,
        _ => running,
    }
}

/// When a process was started (proc_pid_stat(5), field 22); None: it is no more, or only waits for
/// its parent to look.
fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
impl Process {
    pub fn age(&mut self, by: std::time::Duration) {
        self.since = self.since.checked_sub(by).expect("the box runs longer");
    }
}
