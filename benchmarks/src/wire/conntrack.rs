//! Room for a million tracked connections: limits of the whole machine, given back at the end.

use std::fs::{self, File};
use std::process::exit;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::Context;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal};

/// Connections that may be tracked.
const CONNECTIONS: u64 = 1 << 22;

/// Dropping it (and SIGINT, SIGTERM, SIGHUP) restores what was.
pub struct Conntrack(Arc<Mutex<Saved>>);

struct Saved {
    /// The limits can be written from the machine's own namespace only.
    namespace: File,
    values: Vec<(&'static str, String)>,
}

impl Conntrack {
    /// Call it before other threads are made: they inherit that signals are blocked.
    pub fn widen(buckets: Option<u64>) -> anyhow::Result<Conntrack> {
        let namespace =
            File::open("/proc/thread-self/ns/net").context("opening the network namespace")?;
        let saved = Arc::new(Mutex::new(Saved {
            namespace,
            values: Vec::new(),
        }));
        restore_on_signals(saved.clone())?;
        let conntrack = Conntrack(saved);
        conntrack.set("nf_conntrack_max", CONNECTIONS)?;
        if let Some(buckets) = buckets {
            conntrack.set("nf_conntrack_buckets", buckets)?;
        }
        Ok(conntrack)
    }

    fn set(&self, name: &'static str, value: u64) -> anyhow::Result<()> {
        let path = path(name);
        let before = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        fs::write(&path, value.to_string())
            .with_context(|| format!("writing {path}: nft needs room for a million connections"))?;
        let mut saved = self.0.lock().expect("nobody panics with it");
        saved.values.push((name, before));
        Ok(())
    }
}

/// Lines of the table: the machine's own choice, unless one was asked for.
pub fn buckets() -> String {
    let text = fs::read_to_string(path("nf_conntrack_buckets")).unwrap_or_default();
    text.trim().to_string()
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
