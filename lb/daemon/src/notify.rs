//! What the service manager is told (sd_notify(3)); nothing without one.

use sd_notify::NotifyState;

pub struct Notifier {
    ready: bool,
    watchdog: bool,
    status: String,
}

impl Notifier {
    pub fn new() -> Self {
        let mut interval = 0;
        let watchdog = sd_notify::watchdog_enabled(false, &mut interval);
        Notifier {
            ready: false,
            watchdog,
            status: String::new(),
        }
    }

    /// After a pass of the loop: the loop is alive, and this is how it is. The first is readiness.
    pub fn passed(&mut self, services: usize, degraded: usize) {
        let status = match degraded {
            0 => format!("{services} services"),
            _ => format!("{services} services, {degraded} degraded"),
        };
        if self.watchdog {
            send(&[NotifyState::Watchdog]);
        }
        if !self.ready || status != self.status {
            send(&[NotifyState::Ready, NotifyState::Status(&status)]);
            (self.ready, self.status) = (true, status);
        }
    }

    /// The next pass says ready again.
    pub fn reloading(&mut self) {
        self.ready = false;
        match NotifyState::monotonic_usec_now() {
            Ok(now) => send(&[NotifyState::Reloading, now]),
            Err(_) => send(&[NotifyState::Reloading]),
        }
    }

    pub fn stopping(&self) {
        send(&[
            NotifyState::Stopping,
            NotifyState::Status("stopping; forwarding goes on"),
        ]);
    }
}

/// A service manager that does not listen is nothing that the daemon could act on.
fn send(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
