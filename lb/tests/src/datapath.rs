//! What forwards: tests run over both paths.

use std::fmt;

/// As the configuration calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datapath {
    /// The program in the kernel.
    Xdp,
    /// The worker in user space.
    AfXdp,
}

impl Datapath {
    pub const ALL: [Datapath; 2] = [Datapath::Xdp, Datapath::AfXdp];

    /// The line of configuration of an interface. `words` are further fields, each with a comma
    /// before it.
    pub fn interface(self, name: &str, words: &str) -> String {
        format!("  - {{name: {name}, datapath: {self}{words}}}\n")
    }
}

impl fmt::Display for Datapath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Datapath::Xdp => "xdp",
            Datapath::AfXdp => "afxdp",
        })
    }
}
