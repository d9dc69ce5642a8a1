//! One daemon per state directory: a lock that dies with its process.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Held until dropped.
pub struct StateLock {
    _file: Flock<File>,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "another loxid, process {}, uses {}: stop it, or choose another instance and stateDir",
        pid.map_or("?".to_owned(), |pid| pid.to_string()),
        dir.display()
    )]
    Held { pid: Option<u32>, dir: PathBuf },
    #[error("cannot lock {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Makes the directory, for its owner only, if it is not there, and locks it.
pub fn take(dir: &Path) -> Result<StateLock, LockError> {
    let path = dir.join("lock");
    let failed = |source| LockError::Io {
        path: path.clone(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed)?;
    let mut options = OpenOptions::new();
    let options = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    match Flock::lock(
        options.open(&path).map_err(failed)?,
        FlockArg::LockExclusiveNonblock,
    ) {
        Ok(mut file) => {
            write_pid(&mut file).map_err(failed)?;
            Ok(StateLock { _file: file })
        }
        Err((mut file, Errno::EWOULDBLOCK)) => Err(LockError::Held {
            pid: read_pid(&mut file),
            dir: dir.to_owned(),
        }),
        Err((_, errno)) => Err(failed(errno.into())),
    }
}

/// The id is for people: on a full disk the lock holds without it.
fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    match writeln!(file, "{}", std::process::id()) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
        result => result,
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
