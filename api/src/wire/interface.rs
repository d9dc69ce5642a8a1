//! Interfaces: what the forwarding program is attached to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A link of the box, attached or not; or a VLAN on one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceStatus {
    /// Of a VLAN that the configuration makes, `eth0.100` or `eth0.200.100`.
    #[schema(example = "eth0")]
    pub name: String,
    /// 0: an attached interface that vanished, or a VLAN that the kernel has no link for.
    pub ifindex: u32,
    /// Of a VLAN: its tag on `device`; of two tags the outer one, a point, and the inner one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "100")]
    pub vlan: Option<String>,
    /// Of a VLAN: the interface that carries its frames, and the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Index in the data plane's tables, 0 to 63, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u8>,
    /// How the program runs on it.
    pub mode: XdpMode,
    /// What forwards the packets of services that arrive on it.
    #[serde(default)]
    pub path: Path,
    /// Why it is forwarded so: each better way that was not taken, and why. Empty: by the best one,
    /// or as asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// The kernel's driver, if it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "virtio_net")]
    pub driver: Option<String>,
    /// Receive queues; 0: unknown.
    pub queues: u32,
    /// Largest IP packet, bytes.
    pub mtu: u32,
    #[schema(example = "02:00:00:00:00:01")]
    pub mac: String,
    /// The program is attached (of a VLAN to its device) and the link is up.
    pub attached: bool,
    /// Why it is not attached, or not as asked for. Empty: nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// It is about to be forwarded otherwise: the worker is binding its queues.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
    /// Queues that the AF_XDP worker has, or should have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<Socket>,
}

/// What forwards an interface's packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// The program in the kernel.
    Xdp,
    /// The worker in user space, behind a program that hands it what is for services.
    AfXdp,
    /// Nothing.
    #[default]
    None,
}

/// A queue of an interface in user space. Counters are sums ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Socket {
    pub queue: u32,
    pub state: SocketState,
    /// Send only: the interface's packets are forwarded by XDP.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub send_only: bool,
    /// The worker's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
    /// Why there is none. Empty: nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Frames received.
    pub rx: u64,
    /// Frames handed to the driver.
    pub tx: u64,
    /// Frames handed to the box's stack, through the TAP.
    pub passed: u64,
    /// Frames that the kernel dropped for want of room, or that were in pieces.
    pub rx_dropped: u64,
    /// Frames for which the way out had no room.
    pub tx_dropped: u64,
    /// Times that the fill ring had nothing for the driver.
    pub fill_empty: u64,
    /// Times that a ring had no room for the worker.
    pub ring_full: u64,
    /// System calls that made the driver go on.
    pub wakeups: u64,
    /// Batches of received frames.
    pub batches: u64,
    /// Frames of the largest one.
    pub batch_most: u64,
}

/// How a queue is bound, worst first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum SocketState {
    Failed,
    /// Not at all: the worker hasn't come to it.
    #[default]
    Waiting,
    Copy,
    ZeroCopy,
}

/// How an XDP program runs on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum XdpMode {
    /// In the driver.
    Native,
    /// In the stack, after a socket buffer was made: slow.
    Generic,
    /// Not at all.
    #[default]
    None,
}

/// Asks for an interface to be attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Attach {
    /// The kernel's name of it.
    #[schema(example = "eth0")]
    pub name: String,
    /// Default: `auto`.
    #[serde(default)]
    pub mode: AttachMode,
    /// Default: `auto`.
    #[serde(default)]
    pub datapath: Datapath,
}

/// How an interface is wanted to be forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "AttachAsText")]
pub struct AttachAs {
    pub datapath: Datapath,
    pub mode: AttachMode,
}

/// Also a mode alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum AttachAsText {
    Mode(AttachMode),
    #[serde(rename_all = "camelCase")]
    Both {
        #[serde(default)]
        datapath: Datapath,
        #[serde(default)]
        mode: AttachMode,
    },
}

impl From<AttachAsText> for AttachAs {
    fn from(text: AttachAsText) -> Self {
        match text {
            AttachAsText::Mode(mode) => AttachAs {
                mode,
                ..AttachAs::default()
            },
            AttachAsText::Both { datapath, mode } => AttachAs { datapath, mode },
        }
    }
}

/// What is wanted to forward an interface's packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Datapath {
    /// The fastest that works: the program in the kernel; where that doesn't load, the worker.
    #[default]
    Auto,
    /// The program in the kernel, or an error.
    Xdp,
    /// The worker in user space, over AF_XDP, or an error.
    AfXdp,
}

/// How the program is wanted to run on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttachMode {
    /// Native; generic, with a warning, where the driver has no native mode.
    #[default]
    Auto,
    /// Native, or an error.
    Native,
    /// Generic.
    Generic,
}
