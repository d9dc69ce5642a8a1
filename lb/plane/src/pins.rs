//! Where everything that outlives the daemon is: `<bpffs>/<instance>/<abi>/`, with one pin per
//! map, `link_<ifindex>` per link, and `stages_<id>` of the program that is on them. The directory's name is a hash of the ABI: a program of
//! another ABI never touches these bytes.

use std::io;
use std::path::{Path, PathBuf};

/// The text that the ABI is defined by.
const ABI: &str = include_str!("../../../bpf/core/abi.h");
const LINK_PREFIX: &str = "link_";
const STAGES_PREFIX: &str = "stages_";

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

    /// Of an instance whose daemon may not have made them yet.
    pub fn at(bpffs: &Path, instance: &str) -> Self {
        let dir = bpffs.join(instance).join(abi_hash());
        Pins { dir }
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

    /// Where the stages of a program are pinned: each load has an array of its own.
    pub fn stages(&self, id: u32) -> PathBuf {
        self.dir.join(format!("{STAGES_PREFIX}{id}"))
    }

    /// Removes the pinned stages of programs that no link runs any more.
    pub fn forget_stages(&self, kept: u32) -> io::Result<()> {
        for path in pins_in(&self.dir, STAGES_PREFIX)? {
            if path != self.stages(kept) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
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
    pins_in(dir, LINK_PREFIX)
}

fn pins_in(dir: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut pins = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            pins.push(entry.path());
        }
    }
    pins.sort();
    Ok(pins)
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
