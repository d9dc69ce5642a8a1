//! How long and how often: RFC 5227 §1.1 and RFC 4861 §10 say most of it.

use std::time::Duration;

use super::random::Random;

/// How carefully an address is looked for before it is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Probe {
    /// RFC 5227's times: 4 to 7 seconds (of IPv6 RFC 4862's: 1 to 2).
    #[default]
    Careful,
    /// The same probes within a third of a second: for links whose stations answer at once.
    Quick,
}

/// Times of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    pub(super) arp: Probing,
    pub(super) discovery: Probing,
}

/// Probes for an address: how many, and the waits before, between and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probing {
    pub count: u32,
    /// Before the first: at random up to this.
    before_max: Duration,
    between_min: Duration,
    between_max: Duration,
    /// After the last.
    after: Duration,
}

/// Announcements at once after a claim: this many, so far apart.
pub(super) const ROUNDS: u32 = 5;
pub(super) const ROUND: Duration = Duration::from_millis(1100);
/// Afterwards an announcement and a probe this often, give or take a tenth.
pub(super) const REFRESH: Duration = Duration::from_secs(60);
/// DEFEND_INTERVAL: an address is not defended more often.
pub(super) const DEFEND: Duration = Duration::from_secs(10);
/// While there is a conflict it is probed for this often; it is over when so many were silent.
pub(super) const CHECK: Duration = Duration::from_secs(5);
pub(super) const SILENT_CHECKS: u32 = 3;
/// An address that is in use is probed for again after this, give or take a half: two boxes that
/// probe at once do not meet forever.
pub(super) const RETRY: Duration = Duration::from_secs(10);

/// Claims are cleared at multiples of this: those of many VIPs with the same tables.
const TOGETHER: Duration = Duration::from_millis(50);

impl Timing {
    #[must_use]
    pub fn new(probe: Probe) -> Self {
        let ms = Duration::from_millis;
        match probe {
            // PROBE_WAIT, PROBE_NUM, PROBE_MIN, PROBE_MAX, ANNOUNCE_WAIT
            Probe::Careful => Self {
                arp: Probing {
                    count: 3,
                    before_max: ms(1000),
                    between_min: ms(1000),
                    between_max: ms(2000),
                    after: ms(2000),
                },
                // MAX_RTR_SOLICITATION_DELAY, DupAddrDetectTransmits, RetransTimer
                discovery: Probing {
                    count: 1,
                    before_max: ms(1000),
                    between_min: ms(1000),
                    between_max: ms(1000),
                    after: ms(1000),
                },
            },
            Probe::Quick => {
                let quick = Probing {
                    count: 3,
                    before_max: ms(50),
                    between_min: ms(50),
                    between_max: ms(100),
                    after: ms(100),
                };
                Self {
                    arp: quick,
                    discovery: quick,
                }
            }
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::new(Probe::default())
    }
}

impl Probing {
    pub fn before(&self, random: &mut Random) -> Duration {
        random.between(Duration::ZERO, self.before_max)
    }

    /// From the probe that was the `sent`th to the next one, or to the end.
    pub fn wait(&self, sent: u32, random: &mut Random) -> Duration {
        match sent < self.count {
            true => random.between(self.between_min, self.between_max),
            false => self.after,
        }
    }
}

pub(super) fn together(at: Duration) -> Duration {
    let step = TOGETHER.as_micros();
    let steps = at.as_micros().div_ceil(step);
    Duration::from_micros(u64::try_from(steps * step).unwrap_or(u64::MAX))
}

pub(super) fn refresh(random: &mut Random) -> Duration {
    random.between(REFRESH * 9 / 10, REFRESH * 11 / 10)
}

pub(super) fn retry(random: &mut Random) -> Duration {
    random.between(RETRY / 2, RETRY * 3 / 2)
}
