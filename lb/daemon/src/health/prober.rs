//! The task that asks: each question on time, many at once, each with an end.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use lb_core::health::{Outcome, ProbeRecord, Verdict};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::Monitor;
use super::board::TargetId;
use super::probe::{Report, probe};
use super::schedule::{Random, Schedule};

/// Questions that wait for their answers at most, each with a file descriptor. Half of the
/// descriptors are left for everything else.
const IN_FLIGHT_MAX: usize = 4096;

/// What a question became.
struct Done {
    id: TargetId,
    due: Instant,
    took: Duration,
    report: Report,
}

/// Asks until the end of the program.
pub async fn run(monitor: Monitor) {
    let in_flight_max = in_flight_max();
    let mut random = Random::new(RandomState::new().build_hasher().finish());
    let mut schedule = Schedule::default();
    let mut in_flight: JoinSet<Done> = JoinSet::new();
    loop {
        let now = Instant::now();
        for (id, target) in monitor.board().take_added() {
            let interval = target.check.timing.interval();
            schedule.add(id, interval, now, random.next());
        }
        while in_flight.len() < in_flight_max
            && let Some((due, id)) = schedule.take(now)
        {
            begin(&monitor, &mut in_flight, (due, id), now);
        }
        let next = schedule.next().filter(|_| in_flight.len() < in_flight_max);
        let next = next.unwrap_or(now + Duration::from_secs(3600));
        tokio::select! {
            () = monitor.wake.notified() => {}
            () = sleep_until(next.into()) => {}
            Some(done) = in_flight.join_next() => {
                // Without a result it was aborted, which nobody does, or it panicked: that was
                // said, and the target is asked no more.
                let mut done = done.ok();
                while let Some(one) = done {
                    finish(&monitor, &mut schedule, &mut random, one);
                    done = in_flight.try_join_next().and_then(Result::ok);
                }
            }
        }
    }
}

fn begin(
    monitor: &Monitor,
    in_flight: &mut JoinSet<Done>,
    (due, id): (Instant, TargetId),
    now: Instant,
) {
    let target = {
        let board = monitor.board();
        let Some(target) = board.target(id) else {
            return;
        };
        let lateness = now.saturating_duration_since(due);
        board.figures.lateness.observe(lateness.as_secs_f64());
        target.clone()
    };
    let certificates = monitor.certificates.clone();
    in_flight.spawn(async move {
        let begun = Instant::now();
        let report = probe(&target, &certificates).await;
        Done {
            id,
            due,
            took: begun.elapsed(),
            report,
        }
    });
}

fn finish(monitor: &Monitor, schedule: &mut Schedule, random: &mut Random, done: Done) {
    let Done {
        id,
        due,
        took,
        report,
    } = done;
    let now = Instant::now();
    let record = ProbeRecord {
        at: now.saturating_duration_since(monitor.epoch),
        took,
        outcome: report.outcome,
        phase: report.phase,
        text: report.text,
    };
    let mut board = monitor.board();
    let Some(interval) = board
        .target(id)
        .map(|target| target.check.timing.interval())
    else {
        return;
    };
    if record.outcome == Outcome::NotMade {
        tracing::debug!(text = record.text, "a health check could not be made");
    }
    schedule.again(id, interval, due, now, random.next());
    let Some((target, change)) = board.observe(id, record) else {
        return;
    };
    drop(board);
    let kind = target.check.probe.kind();
    match change.to {
        Verdict::Up => tracing::debug!(addr = %target.addr, kind, "up: {}", change.text),
        _ => tracing::debug!(addr = %target.addr, kind, "down: {}", change.text),
    }
    monitor.changed.notify_one();
}

/// The soft limit of file descriptors is raised to the hard one.
fn in_flight_max() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 256;
    };
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    let limit = if raised { hard } else { soft };
    usize::try_from(limit / 2)
        .unwrap_or(IN_FLIGHT_MAX)
        .clamp(16, IN_FLIGHT_MAX)
}
