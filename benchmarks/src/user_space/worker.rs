//! Who forwards in user space, on a core of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use lb_plane::worker::{Bell, WorkerPlane};

use crate::loxid::Loxid;
use crate::machine::pin_to;
use crate::topology::*;

const CAP: Duration = Duration::from_secs(10);
const FRAMES_PER_QUEUE: u32 = 4096;

/// `lb/plane/examples/afxdp_limit.rs`, which ends with this.
pub struct Limit {
    child: Child,
}

impl Limit {
    /// In the calling thread's namespace, the balancer's.
    pub fn start(core: usize) -> anyhow::Result<Limit> {
        let macs: String = [BACKEND_MAC, BACK_MAC]
            .concat()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let program = example()?;
        let mut child = Command::new(&program)
            .args([FRONT, BACK, &core.to_string(), &macs])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| {
                let name = program.display();
                format!("{name}: cargo build --release -p lb-plane --example afxdp_limit")
            })?;
        let out = child.stdout.take().context("stdout is piped")?;
        let limit = Limit { child };
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        ensure!(line == "ready\n", "{}: it is not ready", program.display());
        Ok(limit)
    }
}

fn example() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let target = this.parent().context("a program is in a directory")?;
    Ok(target.join("examples/afxdp_limit"))
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ours: a thread as the daemon's worker runs it.
pub struct Worker {
    bell: Bell,
    thread: Option<JoinHandle<()>>,
    _plane: WorkerPlane,
    _loxid: Loxid,
}

impl Worker {
    /// In the calling thread's namespace, the balancer's.
    pub fn start(loxid: Loxid, topology: &Topology, core: usize) -> anyhow::Result<Worker> {
        let plane = loxid.worker(topology)?;
        let bell = Bell::new()?;
        let tap = Arc::new(OnceLock::new());
        let work = plane.thread(0, 1, FRAMES_PER_QUEUE, tap, bell.clone());
        let thread = std::thread::spawn(move || {
            // The namespace is the parent thread's.
            let _ = pin_to(core);
            work.run(|_| ());
        });
        let worker = Worker {
            bell,
            thread: Some(thread),
            _plane: plane,
            _loxid: loxid,
        };
        worker.wait()?;
        Ok(worker)
    }

    fn wait(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let queues = self._plane.queues().read();
            if !queues.is_empty() && queues.iter().all(|queue| queue.is_bound()) {
                return Ok(());
            }
            ensure!(start.elapsed() < CAP, "the worker's queues: {queues:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.bell.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
