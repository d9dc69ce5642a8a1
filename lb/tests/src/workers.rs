//! Worker processes of an instance, which outlive its daemon.

use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::until;

/// Those that run, whoever started them.
///
/// # Errors
/// /proc can't be read.
pub fn of(instance: &str) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process that ends meanwhile is none, and one that has ended has no command line.
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let is_worker = words.clone().nth(1) == Some(b"worker");
        if is_worker && words.any(|word| word == instance.as_bytes()) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Ends one without giving it a chance.
///
/// # Errors
/// It doesn't run.
pub fn kill_one(pid: u32) -> Result<()> {
    Ok(kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL)?)
}

/// Ends all of them, and waits until they are gone.
///
/// # Errors
/// They don't go.
pub fn end(instance: &str) -> Result<()> {
    for pid in of(instance)? {
        let _ = kill_one(pid);
    }
    until("the workers to be gone", || {
        Ok(of(instance)?.is_empty().then_some(()))
    })
}
