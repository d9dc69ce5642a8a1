//! From answers to a verdict.
//!
//! ```text
//!                 first answer good                first answer bad
//!        .----------------------- Unknown -----------------------.
//!        v                                                       v
//!       Up  ---------- `fall` bad answers in a row ---------->  Down
//!        ^ <---------- `rise` good answers in a row ----------'
//!
//!   more than 4 of the two transitions within a minute: flapping, and held down until
//!   there are 4 or fewer in the minute before an answer
//! ```
//! *In a row* is meant: one answer of the other kind begins the count again. A probe that could
//! not be made (no file descriptor, no permission) says nothing of the backend, and counts as no
//! answer.

use std::collections::VecDeque;
use std::time::Duration;

use super::Timing;

/// Probes that are remembered of a backend.
pub const PROBES_KEPT: usize = 20;
/// More transitions than this within `FLAPPING_WINDOW` are flapping.
pub const FLAPPING_ABOVE: usize = 4;
pub const FLAPPING_WINDOW: Duration = Duration::from_secs(60);

/// What is known of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Verdict {
    /// It has not answered yet, nor failed to: it gets connections.
    #[default]
    Unknown,
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Passed,
    Failed,
    /// The box could not ask: nothing follows for the backend.
    NotMade,
}

/// How far a probe came: where it failed, or the last thing that was good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The box's own part: sockets, files.
    Local,
    Connect,
    Tls,
    /// The status line of HTTP.
    Status,
    /// The body of HTTP.
    Body,
    /// The datagram that comes back.
    Answer,
    /// The ICMP echo reply.
    Echo,
}

/// What became of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRecord {
    /// When it was over.
    pub at: Duration,
    pub took: Duration,
    pub outcome: Outcome,
    pub phase: Phase,
    /// For people: `L4 timeout`, `HTTP 503 in 3 ms`.
    pub text: String,
}

/// What one answer changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub from: Verdict,
    pub to: Verdict,
    /// It began (true) or ended (false) to be held down for flapping; None: neither.
    pub flapping: Option<bool>,
    /// Why, for people.
    pub text: String,
}

/// The memory of one backend's answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Without damping.
    bare: Verdict,
    /// Answers in a row that speak against `bare`.
    against: u32,
    /// The last transitions between up and down, `FLAPPING_ABOVE + 1` of them at most.
    transitions: VecDeque<Duration>,
    is_flapping: bool,
    probes: VecDeque<ProbeRecord>,
}

impl Machine {
    /// What is known, damped.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.is_flapping {
            true => Verdict::Down,
            false => self.bare,
        }
    }

    #[must_use]
    pub fn is_flapping(&self) -> bool {
        self.is_flapping
    }

    /// The last `PROBES_KEPT`, the oldest first.
    pub fn probes(&self) -> impl ExactSizeIterator<Item = &ProbeRecord> {
        self.probes.iter()
    }

    /// A check that was changed goes on from what is known; answers in a row begin again.
    #[must_use]
    pub fn under_another_check(&self) -> Self {
        Self {
            against: 0,
            ..self.clone()
        }
    }

    /// Takes note of a probe; they come in the order of their times.
    pub fn observe(&mut self, timing: &Timing, probe: ProbeRecord) -> Option<Change> {
        let (from, was_flapping) = (self.verdict(), self.is_flapping);
        let at = probe.at;
        match probe.outcome {
            Outcome::Passed => self.answered(true, timing.rise(), at),
            Outcome::Failed => self.answered(false, timing.fall(), at),
            Outcome::NotMade => {}
        }
        self.is_flapping = self.transitions_since(at) > FLAPPING_ABOVE;
        let to = self.verdict();
        let change = (from != to || was_flapping != self.is_flapping).then(|| Change {
            from,
            to,
            flapping: (was_flapping != self.is_flapping).then_some(self.is_flapping),
            text: self.reason(&probe),
        });
        if self.probes.len() == PROBES_KEPT {
            self.probes.pop_front();
        }
        self.probes.push_back(probe);
        change
    }

    fn answered(&mut self, is_good: bool, needed: u32, at: Duration) {
        let says = if is_good { Verdict::Up } else { Verdict::Down };
        if self.bare == Verdict::Unknown {
            self.bare = says;
        }
        if self.bare == says {
            self.against = 0;
            return;
        }
        self.against += 1;
        if self.against < needed {
            return;
        }
        self.bare = says;
        self.against = 0;
        if self.transitions.len() > FLAPPING_ABOVE {
            self.transitions.pop_front();
        }
        self.transitions.push_back(at);
    }

    fn transitions_since(&self, at: Duration) -> usize {
        let recent = |time: &&Duration| at.saturating_sub(**time) < FLAPPING_WINDOW;
        self.transitions.iter().filter(recent).count()
    }

    fn reason(&self, probe: &ProbeRecord) -> String {
        match self.is_flapping {
            true => format!(
                "flapping: more than {FLAPPING_ABOVE} changes within {} s, held down until it is steady; last {}",
                FLAPPING_WINDOW.as_secs(),
                probe.text
            ),
            false => probe.text.clone(),
        }
    }
}
