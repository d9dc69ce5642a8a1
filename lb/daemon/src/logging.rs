//! Logs: structured, to journald under systemd and to stderr elsewhere.

use std::os::fd::AsFd;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// Changes the level while the daemon runs.
pub struct Level(reload::Handle<EnvFilter, Registry>);

/// Starts logging. Called once.
///
/// `level` was checked when the configuration was.
pub fn start(level: &str) -> Level {
    let (filter, handle) = reload::Layer::new(filter(level));
    // Fields without a prefix: MESSAGE_ID, SERVICE, INTERFACE are what journalctl is asked for.
    let journal = match stderr_is_journal() {
        true => tracing_journald::layer().ok().map(|layer| {
            layer
                .with_syslog_identifier("loxid".into())
                .with_field_prefix(None)
        }),
        false => None,
    };
    let stderr = journal.is_none().then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
    });
    let stderr = stderr.map(|layer| {
        layer
            .with_ansi(nix::unistd::isatty(std::io::stderr().as_fd()).unwrap_or(false))
            .boxed()
    });
    tracing_subscriber::registry()
        .with(filter)
        .with(journal)
        .with(stderr)
        .init();
    Level(handle)
}

impl Level {
    pub fn set(&self, level: &str) {
        // It fails only when the subscriber is gone, and it lives as long as the process.
        let _ = self.0.reload(filter(level));
    }
}

/// The netlink library warns of every attribute that is younger than itself, several times a second:
/// only its errors are logged, unless `level` names it (of equal targets the last one counts).
fn filter(level: &str) -> EnvFilter {
    let quiet = |level: &str| format!("netlink_packet_route=error,{level}");
    EnvFilter::try_new(quiet(level)).unwrap_or_else(|_| EnvFilter::new(quiet("info")))
}

/// Whether stderr is the stream that systemd connected to the journal: `JOURNAL_STREAM` is its
/// `device:inode`, which a child whose stderr was redirected inherits, too (systemd.exec(5)).
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Some((device, inode)) = stream.split_once(':') else {
        return false;
    };
    let Ok(stat) = nix::sys::stat::fstat(std::io::stderr()) else {
        return false;
    };
    device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino)
}

#[cfg(test)]
mod tests;
