//! Instances that clean up after themselves, and namespaces that end with their thread.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use lb_core::plane::Limits;
use lb_plane::OpenOptions;
use nix::sched::{CloneFlags, unshare};

const BPFFS: &str = "/sys/fs/bpf";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A name that no other test of any checkout has at this time.
pub fn unique(what: &str) -> String {
    format!(
        "{what}-{}-{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    )
}

/// An instance of its own. Dropping it removes its pins, and with them what is attached.
pub struct Instance {
    name: String,
    run: tempfile::TempDir,
}

impl Instance {
    pub fn new() -> Self {
        Instance {
            name: unique("planetest"),
            run: tempfile::tempdir().unwrap(),
        }
    }

    pub fn options(&self) -> OpenOptions {
        OpenOptions {
            instance: self.name.clone(),
            bpffs: BPFFS.into(),
            run_dir: self.run.path().into(),
            limits: Limits {
                services: 64,
                backends: 64,
                hops: 64,
                vips: 64,
                slot_words: 4096,
                members: 1024,
                sources: 1024,
                route_nodes: 64,
                connections: 4096,
                connections6: 4096,
                affinities: 256,
            },
            ..OpenOptions::default()
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(PathBuf::from(BPFFS).join(&self.name));
    }
}

/// Puts the thread into a network namespace of its own, which ends with the thread.
pub fn namespace() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    ip("link set lo up");
}

/// Runs `ip` in the thread's namespace.
pub fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split_whitespace()));
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}
