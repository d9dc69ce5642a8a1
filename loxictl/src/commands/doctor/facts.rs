//! What findings are made of: the box as it is.

use std::collections::BTreeMap;

use lb_api::wire::{InterfaceStatus, ServiceStatus, Status};

/// Everything that was gathered. None: it could not be found out, or is of another box.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// loxid runs on this box: what is read here is about it.
    pub is_here: bool,
    /// The kernel's release here.
    pub kernel: Option<String>,
    pub cpus: usize,
    /// What loxid says, or why it says nothing.
    pub daemon: Daemon,
    pub process: Option<Process>,
    pub bpf_mounts: Vec<BpfMount>,
    /// Of attached interfaces: what `ethtool -k` says is on.
    pub offloads: BTreeMap<String, Option<Offloads>>,
    /// Whether the clock is synchronized; None: nobody here says.
    pub clock: Option<bool>,
    pub probes: Vec<Probe>,
}

#[derive(Clone, Debug)]
pub enum Daemon {
    Silent { why: String },
    Speaks(Box<Spoken>),
}

impl Default for Daemon {
    fn default() -> Self {
        Self::Silent { why: String::new() }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Spoken {
    pub status: Status,
    pub interfaces: Vec<InterfaceStatus>,
    pub services: Vec<ServiceStatus>,
}

/// loxid's process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    /// Effective capabilities, a bit each (capabilities(7)).
    pub capabilities: Option<u64>,
    /// Bytes that it may lock; `u64::MAX`: all.
    pub memlock: Option<u64>,
}

/// A bpffs as loxid sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpfMount {
    pub path: String,
    /// It holds loxid's pins.
    pub has_pins: bool,
    /// The first process has it, too.
    pub is_hosts: Option<bool>,
    pub owner: Option<u32>,
    pub mode: Option<u32>,
}

/// Of an interface: those that break XDP, or make it see less than is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Merges frames in the card.
    pub lro: bool,
    pub gro_hw: bool,
    /// Merges frames before generic XDP.
    pub gro: bool,
    /// Takes VLAN tags off before XDP.
    pub rx_vlan: bool,
    /// Leaves checksums to the card: what a veth's other end then gets has none.
    pub tx_checksum: bool,
}

/// A connection that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub service: String,
    /// How it ended: `connected in 0.4 ms`; Err: why it did not.
    pub outcome: Result<String, String>,
}
