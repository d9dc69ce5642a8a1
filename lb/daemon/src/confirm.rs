//! How long a change may still be confirmed: a deadline that survives restarts.
//!
//! ```text
//!   while the daemon runs                its own monotonic clock, which nobody can set
//!   a restart of the daemon              CLOCK_BOOTTIME, the same as long as the box is up
//!   a reboot                             the clock on the wall, and never more than was given
//! ```
//! So a clock that jumps changes nothing until the box is booted again. If it was set back before
//! that boot, the change has at most all its time again; if it was set forward, it reverts early.

use std::time::{Duration, Instant, SystemTime};

use lb_api::wire::Timestamp;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// As it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Deadline {
    /// What was given.
    pub seconds: u64,
    pub wall: Timestamp,
    /// The boot that `boot_ms` is of; empty: not known.
    pub boot: String,
    /// Milliseconds since that boot.
    pub boot_ms: u64,
}

/// One moment, by all clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    pub instant: Instant,
    pub wall: Timestamp,
    pub boot: String,
    pub boot_ms: u64,
}

impl Moment {
    pub fn now() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
        // What is not known is never equal to what was stored, and the wall's clock counts.
        let boot = boot.ok().filter(|_| since_boot.is_ok());
        Moment {
            instant: Instant::now(),
            wall: Timestamp::of(SystemTime::now()),
            boot: boot.map(|id| id.trim().to_owned()).unwrap_or_default(),
            boot_ms: since_boot.map_or(0, |since| since.as_millis().try_into().unwrap_or(u64::MAX)),
        }
    }
}

impl Deadline {
    pub fn after(span: Duration, now: &Moment) -> Self {
        let ms: u64 = span.as_millis().try_into().unwrap_or(u64::MAX);
        Deadline {
            seconds: span.as_secs(),
            wall: now.wall.plus(span),
            boot: now.boot.clone(),
            boot_ms: now.boot_ms.saturating_add(ms),
        }
    }

    /// What is left of the time, by what was stored.
    pub fn remaining(&self, now: &Moment) -> Duration {
        let is_same_boot = !self.boot.is_empty() && self.boot == now.boot;
        let left = match is_same_boot {
            true => Duration::from_millis(self.boot_ms.saturating_sub(now.boot_ms)),
            false => self.wall.since(now.wall),
        };
        left.min(Duration::from_secs(self.seconds))
    }
}
