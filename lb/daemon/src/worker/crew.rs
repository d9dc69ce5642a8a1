//! The threads of a worker, each on a CPU of its own.

use std::thread::JoinHandle;

use anyhow::Context;
use lb_plane::worker::{Bell, Event, WorkerThread};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::Failure;

#[derive(Default)]
pub(super) struct Crew {
    members: Vec<(Bell, JoinHandle<()>)>,
}

impl Crew {
    pub fn len(&self) -> u32 {
        self.members.len() as u32
    }

    /// Starts a thread, which runs what `make` makes.
    pub fn start(
        &mut self,
        number: u32,
        make: impl FnOnce(Bell) -> WorkerThread,
    ) -> Result<(), Failure> {
        let bell = Bell::new().context("make a descriptor to wake a thread by")?;
        let work = make(bell.clone());
        let handle = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                pin(number);
                work.run(|event| report(number, &event));
            })
            .context("start a thread")?;
        self.members.push((bell, handle));
        Ok(())
    }

    /// Has all let go of their queues, and waits for them.
    pub fn stop(&mut self) {
        for (bell, _) in &self.members {
            bell.stop();
        }
        for (_, handle) in self.members.drain(..) {
            // What it panicked with is on stderr.
            let _ = handle.join();
        }
    }

    pub fn has_panicked(&self) -> bool {
        self.members.iter().any(|(_, handle)| handle.is_finished())
    }
}

/// Onto the CPU of this number, of those that the process may use.
fn pin(number: u32) {
    let this = Pid::from_raw(0);
    let pinned = sched_getaffinity(this).and_then(|may| {
        let cpus: Vec<usize> = (0..CpuSet::count())
            .filter(|cpu| may.is_set(*cpu).unwrap_or(false))
            .collect();
        let cpu = cpus[number as usize % cpus.len().max(1)];
        let mut only = CpuSet::new();
        only.set(cpu)?;
        sched_setaffinity(this, &only)?;
        Ok(cpu)
    });
    match pinned {
        Ok(cpu) => tracing::info!(thread = number, cpu, "a thread has its CPU"),
        Err(error) => tracing::warn!(thread = number, "is not pinned to a CPU: {error}"),
    }
}

fn report(thread: u32, event: &Event) {
    match event {
        Event::Bound {
            ifindex,
            queue,
            mode,
            after,
            ..
        } => {
            let (interface, after_ms) = (name(*ifindex), after.as_millis() as u64);
            tracing::info!(thread, interface, queue, ?mode, after_ms, "serves a queue");
        }
        Event::Closed {
            ifindex,
            queue,
            why,
        } => {
            let interface = name(*ifindex);
            tracing::info!(thread, interface, queue, "has let go of a queue: {why}");
        }
        Event::Failed {
            ifindex,
            queue,
            error,
        } => {
            let interface = name(*ifindex);
            let error = crate::failure::line(error);
            tracing::error!(
                thread,
                interface,
                queue,
                "cannot serve a queue: {error}; it is tried again"
            );
        }
        Event::Copies { ifindex, queue } => {
            let interface = name(*ifindex);
            tracing::warn!(
                thread,
                interface,
                queue,
                "has no zero-copy mode: packets are copied"
            );
        }
    }
}

/// As operators know it.
fn name(ifindex: u32) -> String {
    let found = nix::net::if_::if_nameindex().ok().and_then(|all| {
        let one = all.iter().find(|one| one.index() == ifindex)?;
        Some(one.name().to_string_lossy().into_owned())
    });
    found.unwrap_or_else(|| format!("interface {ifindex}"))
}
