//! The loop: waits for commands, the kernel, ticks and signals, one event at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lb_api::control::{Command, ControlSeat, State};
use lb_plane::announce::{Ears, Members};
use lb_plane::netlink::Watcher;
use lb_plane::sweep;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::daemon::Daemon;
use crate::failure::line;
use crate::logging::Level;
use crate::notify::Notifier;
use crate::reconcile::{DataPlane, Depth};
use crate::state;

/// The plane is read back this often, or less often where that takes long: at most a twentieth
/// of the time goes into it.
const TICK: Duration = Duration::from_secs(1);
const TICK_SHARE: u32 = 20;

struct Signals {
    hangup: Signal,
    child: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// Runs until told to stop. `serve_api` is called once there is something to say: who connects
/// earlier waits, instead of reading that there is nothing.
pub async fn run<P: DataPlane>(
    mut daemon: Daemon<P>,
    mut watcher: Watcher,
    mut seat: ControlSeat,
    level: Level,
    serve_api: impl FnOnce(),
) -> std::io::Result<()> {
    let mut signals = Signals {
        hangup: signal(SignalKind::hangup())?,
        child: signal(SignalKind::child())?,
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let mut notifier = Notifier::new();
    let mut sweep = interval(sweep::INTERVAL);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ears = Ears::default();
    let mut members = Members::default();
    daemon.facts_changed(watcher.facts());
    daemon.listening(ears.listen(&daemon.listened()));
    publish(&seat.state, daemon.state());
    serve_api();
    let monitor = daemon.monitor();
    let mut next_tick = Instant::now();
    loop {
        let tick = daemon
            .retry_at()
            .map_or(next_tick, |retry| retry.min(next_tick));
        let mut answer = None;
        tokio::select! {
            command = seat.commands.recv() => match command {
                Some(command) => {
                    // Events of an interface that was just made may be under way still, some of
                    // them for a second. What is attached forwards when that is answered.
                    if matches!(command, Command::Attach { .. }) {
                        match watcher.refresh() {
                            Ok(true) => daemon.facts_changed(watcher.facts()),
                            Ok(false) => {}
                            Err(error) => tracing::error!("{}", line(&error)),
                        }
                    }
                    answer = Some(daemon.command(command));
                }
                None => return Ok(()),
            },
            () = monitor.changed() => daemon.health_changed(),
            changed = watcher.changed() => match changed {
                Ok(()) => daemon.facts_changed(watcher.facts()),
                Err(error) => {
                    tracing::error!("{}", line(&error));
                    // The next call tries again; a kernel that refuses at once is not asked in a spin.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            },
            () = sleep_until(tick.into()) => match Instant::now() < next_tick {
                true => daemon.pass(Depth::ReadBack),
                false => {
                    let begun = Instant::now();
                    daemon.tick();
                    next_tick = Instant::now() + TICK.max(begun.elapsed() * TICK_SHARE);
                    let (services, degraded) = state::degraded(&daemon.state());
                    notifier.passed(services, degraded);
                }
            },
            () = until(daemon.confirmation_at()) => daemon.confirmation_due(),
            frames = ears.heard() => match daemon.heard(&frames) {
                true => {}
                false => continue,
            },
            () = until(daemon.announce_at()) => match daemon.announce() {
                true => {}
                false => continue,
            },
            _ = sweep.tick() => if !daemon.sweep() {
                continue;
            },
            // A worker that died is not waited for until the next sweep.
            _ = signals.child.recv() => if !daemon.sweep() {
                continue;
            },
            _ = signals.hangup.recv() => {
                notifier.reloading();
                if let Some(filter) = daemon.reload() {
                    level.set(&filter);
                }
                next_tick = Instant::now();
            }
            _ = signals.terminate.recv() => return stop(&notifier),
            _ = signals.interrupt.recv() => return stop(&notifier),
        }
        daemon.listening(ears.listen(&daemon.listened()));
        publish(&seat.state, daemon.state());
        if let Some(answer) = answer {
            answer.give();
        }
        if let Err(error) = members.keep(&daemon.groups()) {
            tracing::debug!(%error, "a group of neighbour solicitations is not reported to switches");
        }
        if let Err(error) = watcher.keep(&daemon.neighbours()) {
            tracing::debug!("{}", line(&error));
        }
    }
}

/// Until something is due; for ever if nothing is.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn stop(notifier: &Notifier) -> std::io::Result<()> {
    notifier.stopping();
    tracing::info!(
        "stopping; forwarding goes on without loxid, to stop that run: loxictl detach --all"
    );
    Ok(())
}

fn publish(sender: &watch::Sender<Arc<State>>, state: Arc<State>) {
    sender.send_if_modified(|published| {
        let is_other = !Arc::ptr_eq(published, &state);
        *published = state;
        is_other
    });
}
