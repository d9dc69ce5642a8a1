//! Interfaces: what the forwarding program is attached to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A link of the box, attached or not; or a VLAN on one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
