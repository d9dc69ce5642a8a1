//! Names that no other test, run or checkout uses, and their removal.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// `PREFIX-PID-N`, short enough for a namespace and for an instance.
pub fn name(prefix: &str) -> String {
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("lbt-{prefix}-{}-{count}", std::process::id())
}

/// Where bpffs is.
pub const BPFFS: &str = "/sys/fs/bpf";

/// An instance's name; dropping it removes the instance's pins.
pub struct Pins {
    instance: String,
}

impl Pins {
    pub fn new(prefix: &str) -> Self {
        Pins {
            instance: name(prefix),
        }
    }

    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The directory of its pins.
    pub fn directory(&self) -> PathBuf {
        Path::new(BPFFS).join(&self.instance)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // Links go with their last pin, and programs with their links.
        let _ = std::fs::remove_dir_all(self.directory());
    }
}
