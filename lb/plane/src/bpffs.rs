//! The bpffs below which the pins are.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{FsType, statfs};

const BPF_FS_MAGIC: libc::c_long = 0xcafe_4a11;

/// Makes sure that there is a bpffs. True: it was mounted here.
pub(crate) fn ensure(path: &Path) -> io::Result<bool> {
    if is_bpffs(path)? {
        return Ok(false);
    }
    std::fs::create_dir_all(path)?;
    // Of two that start at once, the second must not mount over the first one's.
    let _turn =
        Flock::lock(File::open(path)?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    if is_bpffs(path)? {
        return Ok(false);
    }
    mount(
        Some("bpf"),
        path,
        Some("bpf"),
        MsFlags::empty(),
        Some("mode=0700"),
    )?;
    Ok(true)
}

/// Is a path, or the nearest directory above it that exists, on a bpffs?
fn is_bpffs(path: &Path) -> io::Result<bool> {
    for ancestor in path.ancestors() {
        match statfs(ancestor) {
            Ok(stat) => return Ok(stat.filesystem_type() == FsType(BPF_FS_MAGIC as _)),
            Err(Errno::ENOENT) => (),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(false)
}
