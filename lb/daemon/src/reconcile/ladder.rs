//! Which way of forwarding an interface gets: the ladder.
//!
//! ```text
//!   1  the forwarder, native        the fastest
//!   2  AF_XDP, native               where the kernel refuses the forwarder
//!   3  the forwarder, generic       where the driver has no native mode
//!   4  AF_XDP, generic              where there is neither
//! ```
//! What is asked for leaves some rungs out; the first one left that is possible is taken. What is
//! possible is learned by trying, and what was learned is forgotten with the process: the next
//! start tries again.

use lb_api::wire::{AttachAs, AttachMode, Datapath};
use lb_plane::attach::{Mode, Path};

/// A way of forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    pub path: Path,
    pub mode: Mode,
}

/// Best first.
pub const RUNGS: [Rung; 4] = [
    Rung {
        path: Path::Xdp,
        mode: Mode::Native,
    },
    Rung {
        path: Path::AfXdp,
        mode: Mode::Native,
    },
    Rung {
        path: Path::Xdp,
        mode: Mode::Generic,
    },
    Rung {
        path: Path::AfXdp,
        mode: Mode::Generic,
    },
];

/// What is known of an interface; Err: why it is not possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The kernel loads the forwarder.
    pub forwarder: Result<(), String>,
    /// The driver runs programs.
    pub native: Result<(), String>,
    /// A worker can serve its queues.
    pub afxdp: Result<(), String>,
}

impl Default for Known {
    /// Nothing was tried.
    fn default() -> Self {
        Known {
            forwarder: Ok(()),
            native: Ok(()),
            afxdp: Ok(()),
        }
    }
}

/// What an interface gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// None: nothing that was asked for is possible.
    pub rung: Option<Rung>,
    /// Each better rung that was asked for, and why it was not taken.
    pub why: Vec<String>,
}

pub fn decide(asked: AttachAs, known: &Known) -> Decision {
    let mut why = Vec::new();
    for rung in RUNGS.into_iter().filter(|rung| rung.is(asked)) {
        match known.of(rung) {
            Ok(()) => {
                return Decision {
                    rung: Some(rung),
                    why,
                };
            }
            Err(reason) => why.push(format!("not {} in {} mode: {reason}", rung.path, rung.mode)),
        }
    }
    Decision { rung: None, why }
}

impl Known {
    /// A rung needs its path and, if it is native, the driver: the path's reason is said first.
    fn of(&self, rung: Rung) -> Result<(), &str> {
        let path = match rung.path {
            Path::Xdp => &self.forwarder,
            Path::AfXdp => &self.afxdp,
        };
        let mode = match rung.mode {
            Mode::Native => &self.native,
            Mode::Generic => &Ok(()),
        };
        path.as_ref()
            .and(mode.as_ref())
            .copied()
            .map_err(|reason| reason.as_str())
    }
}

impl Rung {
    pub fn is(self, asked: AttachAs) -> bool {
        let path = match asked.datapath {
            Datapath::Auto => true,
            Datapath::Xdp => self.path == Path::Xdp,
            Datapath::AfXdp => self.path == Path::AfXdp,
        };
        let mode = match asked.mode {
            AttachMode::Auto => true,
            AttachMode::Native => self.mode == Mode::Native,
            AttachMode::Generic => self.mode == Mode::Generic,
        };
        path && mode
    }
}

#[cfg(test)]
mod tests;
