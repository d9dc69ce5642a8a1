//! XDP links: one pinned link per interface, whose program is replaced and never missing.

use std::fmt;

/// What an operator asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Asked {
    /// Native; generic with a warning where the driver has no native mode.
    #[default]
    Auto,
    Native,
    Generic,
}

/// What an interface has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    Native,
    Generic,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Native => "native",
            Mode::Generic => "generic",
        })
    }
}

/// How an interface's packets are forwarded: which of our two programs is on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Path {
    /// By the forwarder, in XDP.
    #[default]
    Xdp,
    /// By a worker in user space, to which the redirector gives them.
    AfXdp,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Path::Xdp => "xdp",
            Path::AfXdp => "afxdp",
        })
    }
}

/// An interface that carries our program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    pub ifindex: u32,
    pub mode: Mode,
    pub path: Path,
    pub driver: Option<String>,
    /// In use.
    pub rx_queues: u32,
    pub tx_queues: u32,
    /// The kernel's number of the link: the same after a restart.
    pub link_id: u32,
    pub program_id: u32,
}

/// Attached, but not as fast as it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// `Asked::Auto` got generic mode: the driver has no native one.
    Generic {
        interface: String,
        driver: Option<String>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Generic { interface, driver } => write!(
                f,
                "{interface}: driver {} has no native XDP; attached in generic mode, which is several times slower",
                driver.as_deref().unwrap_or("unknown"),
            ),
        }
    }
}

/// Why an interface was not attached or detached. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error("interface {interface}: there is none of this name; `ip link` lists them")]
    Unknown { interface: String },
    #[error("interface {interface} is a {kind}: {advice}")]
    Kind {
        interface: String,
        kind: String,
        advice: &'static str,
    },
    #[error(
        "interface {interface} carries another XDP program (id {program_id}): \
         remove it first (`ip link set dev {interface} xdp off`, or stop the program that attached it)"
    )]
    Foreign { interface: String, program_id: u32 },
    #[error("interface {interface}: its driver has no native XDP: ask for generic mode, or auto")]
    NoNative { interface: String },
    #[error(
        "interface {interface}: the kernel refuses the program of datapath {path}; it says:\n{log}"
    )]
    NoProgram {
        interface: String,
        path: Path,
        log: String,
    },
    #[error("interface {interface} is not attached")]
    NotAttached { interface: String },
    #[error("interface {interface}: {call}")]
    System {
        interface: String,
        call: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("netlink")]
    Netlink(#[from] crate::netlink::NetlinkError),
}
