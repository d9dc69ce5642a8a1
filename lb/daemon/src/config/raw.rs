//! The configuration file as it is written: every key, with its place where its value can be wrong.

use std::collections::BTreeMap;

use lb_api::wire::{AttachMode, Datapath, Role, Service};
use serde::Deserialize;
use serde_saphyr::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Raw {
    pub instance: Option<Spanned<String>>,
    pub state_dir: Option<Spanned<String>>,
    pub run_dir: Option<Spanned<String>>,
    pub bpffs: Option<Spanned<String>>,
    pub interfaces: Vec<Interface>,
    pub afxdp: AfXdp,
    pub vlans: Vec<Vlan>,
    pub api: Api,
    pub hash_secret: Option<Spanned<String>>,
    pub hash_secret_file: Option<Spanned<String>>,
    pub limits: Limits,
    pub source_ports: Option<Spanned<String>>,
    pub tunnel_source: TunnelSource,
    pub announce: Announce,
    pub log: Log,
    pub services: Vec<Spanned<Service>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Interface {
    pub name: Spanned<String>,
    #[serde(default)]
    pub mode: AttachMode,
    #[serde(default)]
    pub datapath: Datapath,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AfXdp {
    pub frames_per_queue: Option<Spanned<u64>>,
    pub zero_copy: Vec<Spanned<String>>,
    pub busy_poll: bool,
    pub tap: Option<Spanned<String>>,
    pub workers: Workers,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workers {
    /// The daemon starts the worker and starts it again.
    #[default]
    Automatic,
    /// Somebody else does, such as systemd.
    External,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vlan {
    pub interface: Spanned<String>,
    pub id: Spanned<i64>,
    pub outer: Option<Spanned<i64>>,
    pub protocol: Option<Spanned<String>>,
    #[serde(default)]
    pub addresses: Vec<Spanned<String>>,
    pub mtu: Option<Spanned<i64>>,
    #[serde(default)]
    pub neighbours: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Announce {
    pub probe: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TunnelSource {
    pub ipv4: Option<Spanned<String>>,
    pub ipv6: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Api {
    pub unix: Unix,
    pub tcp: Tcp,
    pub listen: Vec<Listen>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Unix {
    pub path: Option<Spanned<String>>,
    pub group: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tcp {
    pub address: Option<Spanned<String>>,
    pub loopback_role: Option<Role>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listen {
    pub address: Spanned<String>,
    pub certificate: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
    pub client_ca: Option<Spanned<String>>,
    pub client_role: Option<Spanned<Role>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    pub services: Option<Spanned<u64>>,
    pub backends: Option<Spanned<u64>>,
    pub connections: Option<Spanned<u64>>,
    pub connections6: Option<Spanned<u64>>,
    pub affinities: Option<Spanned<u64>>,
    pub sources: Option<Spanned<u64>>,
    pub vips: Option<Spanned<u64>>,
    pub hops: Option<Spanned<u64>>,
    pub slots: Option<Spanned<u64>>,
    pub members: Option<Spanned<u64>>,
    pub route_nodes: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Log {
    pub level: Option<Spanned<String>>,
}
