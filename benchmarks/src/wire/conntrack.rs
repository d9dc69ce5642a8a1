//! Room for a million tracked connections: limits of the whole machine, given back at the end.

use std::fs::{self, File};
use std::process::exit;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::Context;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal};

const SETTINGS: [(&str, u64); 2] = [
    ("nf_conntrack_buckets", 1 << 20),
    ("nf_conntrack_max", 1 << 22),
];

/// Dropping it (and SIGINT, SIGTERM, SIGHUP) restores what was.
pub struct Conntrack(Arc<Mutex<Saved>>);

struct Saved {
    /// The limits can be written from the machine's own namespace only.
    namespace: File,
    values: Vec<(&'static str, String)>,
}

impl Conntrack {
    /// Call it before other threads are made: they inherit that signals are blocked.
    pub fn widen() -> anyhow::Result<Conntrack> {
        let namespace =
            File::open("/proc/thread-self/ns/net").context("opening the network namespace")?;
        let saved = Arc::new(Mutex::new(Saved {
            namespace,
            values: Vec::new(),
        }));
        restore_on_signals(saved.clone())?;
        let conntrack = Conntrack(saved);
        let mut saved = conntrack.0.lock().expect("nobody panics with it");
        for (name, wanted) in SETTINGS {
            let before = fs::read_to_string(path(name))
                .with_context(|| format!("reading {}", path(name)))?;
            if before
                .trim()
                .parse::<u64>()
                .is_ok_and(|before| before >= wanted)
            {
                continue;
            }
            fs::write(path(name), wanted.to_string()).with_context(|| {
                format!(
                    "writing {}: nft needs room for a million connections",
                    path(name)
                )
            })?;
            saved.values.push((name, before));
        }
        drop(saved);
        Ok(conntrack)
    }
}

impl Drop for Conntrack {
    fn drop(&mut self) {
        self.0.lock().expect("nobody panics with it").restore();
    }
}

impl Saved {
    fn restore(&mut self) {
        if setns(&self.namespace, CloneFlags::CLONE_NEWNET).is_err() {
            return;
        }
        for (name, value) in self.values.drain(..) {
            if let Err(error) = fs::write(path(name), value.trim()) {
                eprintln!(
                    "{} stays changed, it was {}: {error}",
                    path(name),
                    value.trim()
                );
            }
        }
    }
}

fn restore_on_signals(saved: Arc<Mutex<Saved>>) -> anyhow::Result<()> {
    let mut signals = SigSet::empty();
    signals.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block().context("blocking signals")?;
    thread::spawn(move || {
        if let Ok(signal) = signals.wait() {
            saved.lock().expect("nobody panics with it").restore();
            exit(128 + signal as i32);
        }
    });
    Ok(())
}

fn path(name: &str) -> String {
    format!("/proc/sys/net/netfilter/{name}")
}
