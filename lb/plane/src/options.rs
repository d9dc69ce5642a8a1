//! What a plane is opened with, and what opening it has to tell.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use lb_core::addr::Prefix;
use lb_core::plane::Limits;

/// What a [`crate::KernelPlane`] is opened with. Sizes and secrets are those of the pinned maps
/// where these exist: see [`Note`].
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// `[a-z0-9-]`, names the directory of pins and the lock.
    pub instance: String,
    /// Where a bpffs is, or is to be mounted.
    pub bpffs: PathBuf,
    /// Holds `<instance>.lock`.
    pub run_dir: PathBuf,
    pub limits: Limits,
    /// SNAT ports, inclusive. See [`crate::sources`] for what they may collide with.
    pub source_ports: RangeInclusive<u16>,
    /// Followed at each opening, whatever is pinned.
    pub tunnel_sources: TunnelSources,
    /// Equal on appliances that must select equally. None: random.
    pub hash_secret: Option<[u8; 32]>,
    /// Count packets and bytes of each connection.
    pub conn_counters: bool,
    /// Bit per `enum lb_reason`: the forwarder gives packets that end so to the worker of their
    /// queue, where there is one. Nothing uses it yet. Followed at each opening.
    pub ask: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions {
            instance: "loxid".into(),
            bpffs: "/sys/fs/bpf".into(),
            run_dir: "/run/loxid".into(),
            limits: DEFAULT_LIMITS,
            source_ports: DEFAULT_SOURCE_PORTS,
            tunnel_sources: TunnelSources::default(),
            hash_secret: None,
            conn_counters: true,
            ask: 0,
        }
    }
}

/// Where the outer packets of tunnels come from: a prefix, of which a flow's hash fills in the
/// rest, so that receivers spread flows over their queues. None: the box's own address towards
/// the backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelSources {
    pub ipv4: Option<Prefix>,
    /// Of 96 bits at least.
    pub ipv6: Option<Prefix>,
}

/// Below the ephemeral ports of an untouched box (32768 to 60999).
pub const DEFAULT_SOURCE_PORTS: RangeInclusive<u16> = 10_240..=32_767;

/// 1024 Maglev tables of 16381 slots, and room to replace each; the tables take about 260 MB.
pub const DEFAULT_LIMITS: Limits = Limits {
    services: 1_024,
    backends: 16_384,
    hops: 1_024,
    vips: 1_024,
    slot_words: 1 << 23,
    members: 1 << 16,
    sources: 1 << 17,
    route_nodes: 1_024,
    connections: 1 << 20,
    connections6: 1 << 18,
    affinities: 1 << 17,
};

/// Something that an operator should read, though the plane is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A limit differs from that of the pinned maps, which stays in force.
    LimitKept {
        limit: &'static str,
        asked: u64,
        pinned: u64,
    },
    /// The configured hash secret is not that of the pinned maps, which stays in force.
    SecretKept,
    /// Pins of another ABI were found: their connections are not carried over.
    OtherAbi { path: PathBuf },
    /// A pinned link whose interface is gone was removed.
    DeadLink { path: PathBuf },
    /// There was no bpffs; one was mounted.
    BpffsMounted { path: PathBuf },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::LimitKept {
                limit,
                asked,
                pinned,
            } => write!(
                f,
                "limit {limit}: {asked} is configured, the pinned maps have {pinned}; \
                 to apply it, run `loxictl detach --all`, stop loxid and remove the directory of pins"
            ),
            Note::SecretKept => f.write_str(
                "hashSecret differs from that of the pinned maps, which stays in force; \
                 to apply it, run `loxictl detach --all`, stop loxid and remove the directory of pins",
            ),
            Note::OtherAbi { path } => {
                write!(
                    f,
                    "{} is of another ABI: its connections are not carried over",
                    path.display()
                )
            }
            Note::DeadLink { path } => {
                write!(f, "{}: its interface is gone; removed", path.display())
            }
            Note::BpffsMounted { path } => write!(f, "mounted a bpffs at {}", path.display()),
        }
    }
}
