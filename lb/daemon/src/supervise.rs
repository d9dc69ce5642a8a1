//! The worker's process: started when an interface wants it, started again when it dies, replaced
//! when it is of another version, and never taken along when the daemon ends.
//!
//! ```text
//!   nothing runs ──wanted──> adopt who holds a lock, or spawn ──> runs
//!       ^                          ^                               |  |
//!       |                          └── at once; with back-off ─ died  └─ of another executable:
//!       └─ stopped, when nothing is wanted                               spawn --replace; the
//!                                                                        old one ends by itself
//! ```
//! A worker is not always the daemon's child: it outlives daemons, and may be somebody else's to
//! run. What tells is the lock that each one holds, and /proc.

mod process;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lb_api::wire::WorkerStatus;
use lb_plane::slots::WorkerSet;

use crate::cli::Options;
use crate::config::{Config, Workers};
use crate::reconcile::Backoff;
use process::Process;

/// A worker that ends sooner was not able to begin.
const BEGINNING: Duration = Duration::from_secs(2);

/// Another worker of the instance runs.
const ANOTHER_RUNS: i32 = 3;

/// How a worker is run.
#[derive(Clone, Debug)]
pub struct How {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Where workers leave their process ids, one file for each of those that may run at once.
    pub locks: Vec<PathBuf>,
    pub workers: Workers,
}

impl How {
    pub fn of(options: &Options, config: &Config) -> Self {
        let mut arguments = vec!["worker".into()];
        let mut say = |flag: &str, value: Option<OsString>| {
            arguments.extend(value.into_iter().flat_map(|value| [flag.into(), value]));
        };
        let of_path = |path: &PathBuf| path.clone().into_os_string();
        say("--config", options.config.as_ref().map(of_path));
        say("--instance", Some(config.instance.clone().into()));
        say("--state-dir", options.state_dir.as_ref().map(of_path));
        say("--bpffs", Some(of_path(&config.bpffs)));
        say("--run-dir", Some(of_path(&config.run_dir)));
        let lock = |set: WorkerSet| set.lock_path(&config.run_dir, &config.instance);
        How {
            program: process::executable(),
            arguments,
            locks: WorkerSet::ALL.map(lock).into(),
            workers: config.afxdp.workers,
        }
    }
}

pub struct Supervisor {
    how: How,
    worker: Option<Process>,
    /// It is taking over from `worker`.
    successor: Option<Process>,
    /// The worker that was told to stop.
    stopping: bool,
    /// Whether the present worker is to be replaced.
    is_stale: bool,
    retry: Backoff,
    /// The last one ended at its start.
    began_badly: bool,
    restarts: u64,
    message: String,
    wanted: bool,
}

impl Supervisor {
    /// A worker that a predecessor started goes on.
    pub fn new(how: How) -> Self {
        let mut supervisor = Supervisor {
            how,
            worker: None,
            successor: None,
            stopping: false,
            is_stale: false,
            retry: Backoff::default(),
            began_badly: false,
            restarts: 0,
            message: String::new(),
            wanted: false,
        };
        supervisor.adopt();
        if let Some(worker) = &supervisor.worker {
            tracing::info!(pid = worker.pid(), "a worker runs already");
            supervisor.is_stale = !worker.is_of(&supervisor.how.program);
        }
        supervisor
    }

    /// The configuration changed: a worker takes what it is run with at its start.
    pub fn changed(&mut self, how: How) {
        self.how = how;
        self.is_stale = self.worker.is_some();
        self.retry = Backoff::default();
    }

    /// Looks after the worker: to be called when a child died, and some times a second.
    pub fn step(&mut self, wanted: bool, now: Instant) {
        self.wanted = wanted;
        self.bury(now);
        match (wanted, &self.worker) {
            (false, None) => self.message.clear(),
            (false, Some(_)) => self.stop(),
            (true, None) => self.start(now),
            (true, Some(worker)) => {
                self.stopping = false;
                let lives = now.saturating_duration_since(worker.since()) >= BEGINNING;
                if lives && !self.is_stale && self.how.workers == Workers::Automatic {
                    self.message.clear();
                }
                if self.is_stale && self.successor.is_none() && self.retry.is_due(now) {
                    self.replace(now);
                }
            }
        }
    }

    /// None: nobody wants a worker.
    pub fn status(&self) -> Option<WorkerStatus> {
        if !self.wanted && self.worker.is_none() {
            return None;
        }
        let state = match (&self.worker, &self.successor) {
            (Some(_), Some(_)) => "replacing",
            (Some(_), None) => "running",
            (None, _) => "absent",
        };
        Some(WorkerStatus {
            state: state.into(),
            pid: self.worker.as_ref().map(Process::pid),
            restarts: self.restarts,
            message: self.message.clone(),
        })
    }

    /// Notices who ended.
    fn bury(&mut self, now: Instant) {
        if let Some(end) = self.successor.as_mut().and_then(Process::ended) {
            self.successor = None;
            self.retry.failed(now);
            self.say(format!(
                "the worker that was to replace it ended with {end}: the present one goes on"
            ));
        }
        let Some(end) = self.worker.as_mut().and_then(Process::ended) else {
            return;
        };
        let died = self.worker.take();
        self.worker = self.successor.take();
        if self.worker.is_some() {
            self.is_stale = false;
            self.message.clear();
            tracing::info!("the worker was replaced");
            return;
        }
        self.is_stale = false;
        if std::mem::take(&mut self.stopping) || !self.wanted {
            tracing::info!("the worker stopped: no interface wants it");
            return;
        }
        // Somebody else's may have come first, or have replaced it.
        self.adopt();
        if self.worker.is_some() && matches!(end.code(), Some(0 | ANOTHER_RUNS)) {
            tracing::info!("another worker serves");
            return;
        }
        self.restarts += 1;
        let lived = died.map_or(Duration::ZERO, |died| {
            now.saturating_duration_since(died.since())
        });
        let began_badly = std::mem::replace(&mut self.began_badly, lived < BEGINNING);
        if lived < BEGINNING {
            // One that was killed young is missed as much as any: only the next one has to wait.
            if began_badly {
                self.retry.failed(now);
            }
            self.say(format!(
                "the worker ended with {end} at its start, and is tried again: the log says why"
            ));
        } else {
            self.retry = Backoff::default();
            tracing::error!(%end, "the worker died; it is started again");
        }
    }

    fn start(&mut self, now: Instant) {
        self.adopt();
        if self.worker.is_some() {
            self.message.clear();
            return;
        }
        if self.how.workers == Workers::External {
            self.say(
                "no worker runs, and afxdp.workers is external: start `loxid worker`, or set it to automatic"
                    .into(),
            );
            return;
        }
        if !self.retry.is_due(now) {
            return;
        }
        match self.spawn(&[], now) {
            Ok(worker) => {
                tracing::info!(pid = worker.pid(), "the worker is started");
                self.worker = Some(worker);
            }
            Err(message) => {
                self.retry.failed(now);
                self.say(message);
            }
        }
    }

    /// Another one takes over queue by queue, and the present one ends when it has none.
    fn replace(&mut self, now: Instant) {
        if self.how.workers == Workers::External {
            self.is_stale = false;
            self.say(
                "the worker is of another executable or configuration: replace it with `loxid worker --replace`"
                    .into(),
            );
            return;
        }
        match self.spawn(&["--replace"], now) {
            Ok(successor) => {
                tracing::info!(pid = successor.pid(), "the worker is being replaced");
                self.successor = Some(successor);
            }
            Err(message) => {
                self.retry.failed(now);
                self.say(message);
            }
        }
    }

    fn stop(&mut self) {
        if self.how.workers == Workers::External || std::mem::replace(&mut self.stopping, true) {
            return;
        }
        for process in [&self.worker, &self.successor].into_iter().flatten() {
            process.terminate();
        }
    }

    /// Takes who holds a lock and lives for the worker; of two, the younger one replaces the other.
    fn adopt(&mut self) {
        let holders = self
            .how
            .locks
            .iter()
            .filter_map(|path| Process::holding(path));
        let mut holders: Vec<Process> = holders.collect();
        holders.sort_by_key(Process::began);
        let mut holders = holders.into_iter();
        self.worker = holders.next();
        self.successor = holders.next();
    }

    fn spawn(&self, more: &[&str], now: Instant) -> Result<Process, String> {
        let How {
            program, arguments, ..
        } = &self.how;
        // It tells nobody but the log: readiness and watchdog are the daemon's.
        let child = Command::new(program)
            .args(arguments)
            .args(more)
            .stdin(Stdio::null())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_PID")
            .env_remove("WATCHDOG_USEC")
            .spawn();
        let child = child.map_err(|error| {
            format!(
                "the worker {} cannot be started: {error}",
                program.display()
            )
        })?;
        Ok(Process::child(child, now))
    }

    fn say(&mut self, message: String) {
        if self.message != message {
            tracing::error!("{message}");
            self.message = message;
        }
    }
}

#[cfg(test)]
mod tests;
