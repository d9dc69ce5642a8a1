//! Where everything that outlives the daemon is: `<bpffs>/<instance>/<abi>/`, with one pin per
//! map and `link_<ifindex>` per link. The directory's name is a hash of the ABI: a program of
//! another ABI never touches these bytes.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{FsType, statfs};

/// The text that the ABI is defined by.
const ABI: &str = include_str!("../../../bpf/core/abi.h");
const BPF_FS_MAGIC: libc::c_long = 0xcafe_4a11;
const LINK_PREFIX: &str = "link_";

/// The directory of an instance's pins.
pub(crate) struct Pins {
    dir: PathBuf,
}

impl Pins {
    /// Makes the directory if it isn't there.
    pub fn new(bpffs: &Path, instance: &str) -> io::Result<Self> {
        let dir = bpffs.join(instance).join(abi_hash());
        std::fs::create_dir_all(&dir)?;
        Ok(Pins { dir })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn map(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn link(&self, ifindex: u32) -> PathBuf {
        self.dir.join(format!("{LINK_PREFIX}{ifindex}"))
    }

    pub fn links(&self) -> io::Result<Vec<PathBuf>> {
        links_in(&self.dir)
    }

    /// Directories of the same instance with another ABI.
    pub fn others(&self) -> io::Result<Vec<PathBuf>> {
        let instance = self.dir.parent().unwrap_or(&self.dir);
        let mut others = Vec::new();
        for entry in std::fs::read_dir(instance)? {
            let path = entry?.path();
            if path != self.dir && path.is_dir() {
                others.push(path);
            }
        }
        Ok(others)
    }
}

/// The pins of links in a directory.
pub(crate) fn links_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut links = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(LINK_PREFIX) {
            links.push(entry.path());
        }
    }
    links.sort();
    Ok(links)
}

/// Makes sure that there is a bpffs. True: it was mounted here.
pub(crate) fn ensure_bpffs(path: &Path) -> io::Result<bool> {
    if is_bpffs(path)? {
        return Ok(false);
    }
    std::fs::create_dir_all(path)?;
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

/// FNV-1a, 64 bits, of the ABI without comments and spaces.
pub(crate) fn abi_hash() -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in without_comments(ABI)
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
    {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let mut code = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        code.push_str(part.split_once("*/").map_or("", |(_, after)| after));
    }
    code
}

#[cfg(test)]
mod tests;
