//! One daemon per instance: a lock that dies with its process.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Held until dropped.
pub(crate) struct InstanceLock {
    _file: Flock<File>,
}

pub(crate) enum LockError {
    /// By the process of this id, if it has said so.
    Held(Option<u32>),
    Io(io::Error),
}

impl InstanceLock {
    /// Takes the lock, and leaves our process id in the file.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let file = open(path).map_err(LockError::Io)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                write_pid(&mut file).map_err(LockError::Io)?;
                Ok(InstanceLock { _file: file })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => Err(LockError::Held(read_pid(&mut file))),
            Err((_, errno)) => Err(LockError::Io(errno.into())),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
