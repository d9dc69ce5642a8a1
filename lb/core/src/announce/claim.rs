//! One VIP on one interface.

use std::net::IpAddr;

use super::random::Random;
use super::timing::{
    CHECK, DEFEND, Probing, ROUND, ROUNDS, SILENT_CHECKS, refresh, retry, together,
};
use super::{Event, Heard, Time, Timing, What};
use crate::addr::Mac;

/// How a claim is, as people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody listens on the interface, so that probing would prove nothing.
    Waiting,
    /// It is being found out whether somebody has the address.
    Probing,
    /// Somebody has: it is not claimed, and probed for again now and then.
    InUse,
    Announced,
    /// It is announced, and somebody else speaks for it, too.
    Conflict,
    /// It was announced, and will be when the link is up.
    LinkDown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    is_ipv4: bool,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Deaf,
    Probing {
        sent: u32,
        next: Time,
        /// Who had it the last time: said until it is known to be free.
        owner: Option<Mac>,
    },
    InUse {
        other: Mac,
        until: Time,
    },
    Cleared,
    Announced(Announced),
    Away {
        contest: Option<Contest>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Announced {
    /// With this address.
    mac: Mac,
    /// Announcements still to be made in a row; 0: only refreshes.
    rounds: u32,
    next: Time,
    contest: Option<Contest>,
}

/// Somebody else speaks for it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Contest {
    other: Mac,
    /// When it was defended last.
    defended: Time,
    /// Probes since it was heard.
    silent: u32,
    next_check: Time,
}

/// Something to say about the VIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    Probe,
    Announce,
}

/// What an act comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub say: Vec<Say>,
    /// Nobody answered the probes: tables may answer.
    pub is_cleared: bool,
    /// A conflict is over.
    pub is_settled: bool,
}

/// What a frame comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    InUse,
    Conflict,
}

impl Happened {
    pub fn event(self, vip: IpAddr, interface: String, other: Mac) -> Event {
        match self {
            Self::InUse => Event::InUse {
                vip,
                interface,
                other,
            },
            Self::Conflict => Event::Conflict {
                vip,
                interface,
                other,
            },
        }
    }
}

impl Claim {
    pub fn new(vip: IpAddr) -> Self {
        Self {
            is_ipv4: vip.is_ipv4(),
            phase: Phase::Deaf,
        }
    }

    /// Tables answer for it already, with this MAC address.
    pub fn adopted(vip: IpAddr, mac: Mac, now: Time) -> Self {
        Self {
            is_ipv4: vip.is_ipv4(),
            phase: Phase::Announced(Announced {
                mac,
                rounds: 1,
                next: now,
                contest: None,
            }),
        }
    }

    #[must_use]
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Deaf => State::Waiting,
            Phase::Probing { owner: None, .. } | Phase::Cleared => State::Probing,
            Phase::Probing { .. } | Phase::InUse { .. } => State::InUse,
            Phase::Announced(Announced { contest: None, .. }) => State::Announced,
            Phase::Announced(_) => State::Conflict,
            Phase::Away { .. } => State::LinkDown,
        }
    }

    /// Who has the address, or speaks for it, too.
    #[must_use]
    pub fn other(&self) -> Option<Mac> {
        match &self.phase {
            Phase::InUse { other, .. } => Some(*other),
            Phase::Announced(Announced { contest, .. }) | Phase::Away { contest } => {
                contest.map(|contest| contest.other)
            }
            Phase::Probing { owner, .. } => *owner,
            Phase::Deaf | Phase::Cleared => None,
        }
    }

    pub fn may_answer(&self) -> bool {
        matches!(
            self.phase,
            Phase::Cleared | Phase::Announced(_) | Phase::Away { .. }
        )
    }

    pub fn was_announced(&self) -> bool {
        matches!(self.phase, Phase::Announced(_) | Phase::Away { .. })
    }

    pub fn is_announced_by(&self, mac: Mac) -> bool {
        matches!(&self.phase, Phase::Announced(announced) if announced.mac == mac)
    }

    pub fn due(&self) -> Option<Time> {
        match &self.phase {
            Phase::Deaf | Phase::Cleared | Phase::Away { .. } => None,
            Phase::Probing { next, .. } => Some(*next),
            Phase::InUse { until, .. } => Some(*until),
            Phase::Announced(Announced { next, contest, .. }) => {
                let check = contest.map(|contest| contest.next_check);
                Some(check.map_or(*next, |check| check.min(*next)))
            }
        }
    }

    pub fn probe(&mut self, now: Time, timing: &Timing, random: &mut Random) {
        self.phase = Phase::Probing {
            sent: 0,
            next: now + self.probing(timing).before(random),
            owner: self.other(),
        };
    }

    /// Tables answer for it with this address.
    pub fn announce(&mut self, mac: Mac, now: Time) {
        let contest = match &self.phase {
            Phase::Announced(Announced { contest, .. }) | Phase::Away { contest } => *contest,
            Phase::Cleared => None,
            Phase::Deaf | Phase::Probing { .. } | Phase::InUse { .. } => return,
        };
        self.phase = Phase::Announced(Announced {
            mac,
            rounds: ROUNDS,
            next: now,
            contest,
        });
    }

    pub fn link_down(&mut self) {
        self.phase = match &self.phase {
            Phase::Announced(Announced { contest, .. }) | Phase::Away { contest } => {
                Phase::Away { contest: *contest }
            }
            _ => Phase::Deaf,
        };
    }

    /// Does what is due.
    pub fn act(&mut self, now: Time, timing: &Timing, random: &mut Random) -> Done {
        let probing = *self.probing(timing);
        let mut done = Done::default();
        match &mut self.phase {
            Phase::Deaf | Phase::Cleared | Phase::Away { .. } => {}
            Phase::InUse { .. } => self.probe(now, timing, random),
            Phase::Probing { sent, .. } if *sent >= probing.count => {
                self.phase = Phase::Cleared;
                done.is_cleared = true;
            }
            Phase::Probing { sent, next, .. } => {
                *sent += 1;
                *next = now + probing.wait(*sent, random);
                if *sent >= probing.count {
                    *next = together(*next);
                }
                done.say.push(Say::Probe);
            }
            Phase::Announced(announced) => announced.act(now, random, &mut done),
        }
        done
    }

    /// Somebody else speaks for the address, or asks for it.
    pub fn heard(&mut self, heard: &Heard, now: Time, random: &mut Random) -> Option<Happened> {
        match &mut self.phase {
            Phase::Deaf | Phase::Away { .. } => None,
            // RFC 5227 §2.1.1: who probes for it at the same time counts, too.
            Phase::Probing { .. } | Phase::Cleared => {
                let is_known = self.other() == Some(heard.mac);
                self.phase = Phase::InUse {
                    other: heard.mac,
                    until: now + retry(random),
                };
                (!is_known).then_some(Happened::InUse)
            }
            Phase::InUse { other, .. } => {
                *other = heard.mac;
                None
            }
            Phase::Announced(announced) => match heard.what {
                What::Claims => announced.contested(heard.mac, now),
                // It is answered: that is how it is defended.
                What::Probes => None,
            },
        }
    }

    fn probing<'a>(&self, timing: &'a Timing) -> &'a Probing {
        match self.is_ipv4 {
            true => &timing.arp,
            false => &timing.discovery,
        }
    }
}

impl Announced {
    fn act(&mut self, now: Time, random: &mut Random, done: &mut Done) {
        if self.next <= now {
            done.say.push(Say::Announce);
            self.rounds = self.rounds.saturating_sub(1);
            self.next = now + ROUND;
            if self.rounds == 0 {
                // Somebody who has it, too, and says so only when asked.
                done.say.push(Say::Probe);
                self.next = now + refresh(random);
            }
        }
        let Some(contest) = &mut self.contest else {
            return;
        };
        if contest.next_check > now {
            return;
        }
        if contest.silent >= SILENT_CHECKS {
            self.contest = None;
            done.is_settled = true;
            return;
        }
        contest.silent += 1;
        contest.next_check = now + CHECK;
        done.say.push(Say::Probe);
    }

    fn contested(&mut self, other: Mac, now: Time) -> Option<Happened> {
        let is_first = self.contest.is_none();
        let contest = self.contest.get_or_insert(Contest {
            other,
            defended: now,
            silent: 0,
            next_check: now + CHECK,
        });
        contest.other = other;
        contest.silent = 0;
        if is_first || now >= contest.defended + DEFEND {
            contest.defended = now;
            self.rounds = self.rounds.max(1);
            self.next = now;
        }
        is_first.then_some(Happened::Conflict)
    }
}
