#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;

const CAP: Duration = Duration::from_secs(10);

/// A worker that is a shell: it takes a lock as workers do, and then lives until told otherwise.
struct Bench {
    dir: tempfile::TempDir,
    supervisor: Supervisor,
}

impl Bench {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let supervisor = Supervisor::new(how(dir.path(), script));
        Bench { dir, supervisor }
    }

    /// Steps until something is so.
    fn until(&mut self, wanted: bool, what: &str, is: impl Fn(&Supervisor) -> bool) {
        let begun = Instant::now();
        loop {
            self.supervisor.step(wanted, Instant::now());
            if is(&self.supervisor) {
                return;
            }
            assert!(
                begun.elapsed() < CAP,
                "{what}: {:?}",
                self.supervisor.status()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn pid(&self) -> Option<u32> {
        self.supervisor.status()?.pid
    }

    fn is_locked(&self) -> bool {
        Process::holding(&self.dir.path().join("0.lock")).is_some()
    }

    /// A daemon that comes after this one.
    fn successor(&self, script: &str) -> Supervisor {
        Supervisor::new(how(self.dir.path(), script))
    }

    fn kill(&self) {
        let pid = i32::try_from(self.pid().unwrap()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.until(false, "the worker to stop", |one| one.worker.is_none());
    }
}

fn how(dir: &Path, script: &str) -> How {
    let script = format!("cd {}; {script}", dir.display());
    How {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into(), "worker".into()],
        locks: vec![dir.join("0.lock"), dir.join("1.lock")],
        workers: Workers::Automatic,
    }
}

/// The lock is inherited by what the shell becomes.
const LIVES: &str = "exec 9>>0.lock; flock -n 9 || exit 3; echo $$ >0.lock; exec sleep 60";

fn runs(supervisor: &Supervisor) -> bool {
    let status = supervisor.status();
    status.is_some_and(|status| status.pid.is_some())
}

#[test]
fn nobody_runs_until_somebody_is_wanted() {
    let mut bench = Bench::new(LIVES);
    bench.supervisor.step(false, Instant::now());
    assert_eq!(bench.supervisor.status(), None);
    bench.until(true, "a worker", runs);
    bench.until(false, "nobody", |one| one.status().is_none());
}

#[test]
fn a_worker_that_dies_is_started_again_at_once() {
    let mut bench = Bench::new(LIVES);
    bench.until(true, "a worker", runs);
    let first = bench.pid().unwrap();
    // It has lived for a while.
    bench.supervisor.worker.as_mut().unwrap().age(BEGINNING);
    bench.kill();
    let begun = Instant::now();
    bench.until(true, "another worker", |one| {
        one.status()
            .and_then(|status| status.pid)
            .is_some_and(|pid| pid != first)
    });
    assert!(
        begun.elapsed() < Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(bench.supervisor.status().unwrap().restarts, 1);
}

#[test]
fn only_the_second_that_is_killed_young_is_waited_for() {
    let mut bench = Bench::new(LIVES);
    for waits in [false, true] {
        bench.until(true, "a worker", runs);
        let killed = bench.pid().unwrap();
        bench.kill();
        bench.until(true, "its end", |one| {
            one.status().is_none_or(|status| status.pid != Some(killed))
        });
        assert_eq!(bench.supervisor.retry.until().is_some(), waits);
    }
}

#[test]
fn a_worker_that_cannot_begin_is_tried_less_and_less_often_and_said() {
    let mut bench = Bench::new("echo x >>tries; exit 7");
    bench.until(true, "three tries", |one| one.restarts == 3);
    let message = bench.supervisor.status().unwrap().message;
    assert!(message.contains("exit status: 7"), "{message}");
    let tries = || {
        std::fs::read_to_string(bench.dir.path().join("tries"))
            .unwrap()
            .lines()
            .count()
    };
    assert_eq!(tries(), 3);
    bench.supervisor.step(true, Instant::now());
    assert_eq!(tries(), 3, "it waits");
}

#[test]
fn a_program_that_is_not_there_is_said() {
    let mut bench = Bench::new(LIVES);
    bench.supervisor.how.program = "/nonexistent/loxid".into();
    bench.supervisor.step(true, Instant::now());
    let status = bench.supervisor.status().unwrap();
    assert_eq!((status.state.as_str(), status.pid), ("absent", None));
    assert!(status.message.contains("/nonexistent/loxid"), "{status:?}");
}

#[test]
fn a_daemon_that_comes_later_takes_the_worker_over_that_runs() {
    let mut bench = Bench::new(LIVES);
    bench.until(true, "a worker", runs);
    let begun = Instant::now();
    while !bench.is_locked() {
        assert!(begun.elapsed() < CAP, "no lock");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut later = bench.successor(LIVES);
    later.is_stale = false; // It runs `sleep` by now.
    later.step(true, Instant::now());
    assert_eq!(later.status().unwrap().pid, bench.pid());
    assert_eq!(later.status().unwrap().state, "running");
}

#[test]
fn a_worker_of_another_executable_is_replaced_and_not_stopped() {
    let script = format!(
        "if [ \"$1\" = --replace ]; then exec 9>>1.lock; flock -n 9; echo $$ >1.lock; kill $(cat 0.lock); exec sleep 60; fi; {LIVES}"
    );
    let mut bench = Bench::new(&script);
    bench.until(true, "a worker", runs);
    let first = bench.pid().unwrap();
    let begun = Instant::now();
    while !bench.is_locked() {
        assert!(begun.elapsed() < CAP, "no lock");
        std::thread::sleep(Duration::from_millis(5));
    }
    bench.supervisor.changed(how(bench.dir.path(), &script));
    bench.until(true, "the replacement", |one| {
        let status = one.status().unwrap();
        status.state == "running" && status.pid.is_some_and(|pid| pid != first)
    });
    assert_eq!(
        bench.supervisor.status().unwrap().restarts,
        0,
        "nobody died"
    );
}

#[test]
fn a_worker_that_somebody_else_runs_is_neither_started_nor_stopped() {
    let mut bench = Bench::new(LIVES);
    let external = How {
        workers: Workers::External,
        ..how(bench.dir.path(), LIVES)
    };
    let mut supervisor = Supervisor::new(external.clone());
    supervisor.step(true, Instant::now());
    let message = supervisor.status().unwrap().message;
    assert!(message.contains("loxid worker"), "{message}");
    bench.until(true, "a worker", runs);
    let begun = Instant::now();
    while supervisor
        .status()
        .is_none_or(|status| status.pid.is_none())
    {
        supervisor.step(true, Instant::now());
        assert!(begun.elapsed() < CAP, "not found");
    }
    assert_eq!(supervisor.status().unwrap().pid, bench.pid());
    assert_eq!(supervisor.status().unwrap().message, "");
    supervisor.step(false, Instant::now());
    assert!(bench.supervisor.worker.as_mut().unwrap().ended().is_none());
}
