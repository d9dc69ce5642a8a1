//! What to do about a reason: one sentence, for whoever finds its counter growing.

use super::Reason;

/// Reasons that need no remedy: forwarded and answered frames, and what was never meant for a
/// service.
#[cfg(test)]
pub(super) const UNREMARKABLE: [&str; 6] = [
    "forwarded",
    "arp_answered",
    "nd_answered",
    "echo_answered",
    "not_ip",
    "not_service",
];

const REMEDIES: &[(&str, &str)] = &[
    (
        "vlan_unknown",
        "make the VLAN known: a link of the kernel's (`ip link add link DEV name DEV.ID type vlan id ID`) or `vlans` in the configuration.",
    ),
    (
        "vip_no_port",
        "somebody asks for a port that no service has: harmless (scans), unless a service of that port is missing in `loxictl get lb`.",
    ),
    (
        "vip_other",
        "the box's own stack gets it, as only TCP, UDP and pings of a VIP are served: nothing to do, unless a service of another protocol was expected.",
    ),
    (
        "truncated",
        "look for a broken sender or link (`ethtool -S DEV`): the frame is shorter than its headers say.",
    ),
    (
        "fragment_unknown",
        "avoid fragments: they came before their first one, or it was lost; lower the sender's MTU or use `mssClamp`.",
    ),
    (
        "no_flow_reply",
        "the backend speaks by itself from its service's port: harmless, unless connections were lost (a restart of the box, `limits.connections` too small).",
    ),
    (
        "icmp_unrelated",
        "an ICMP error about a connection that is over or never was: harmless in small numbers, spoofed in large ones.",
    ),
    (
        "no_backend_pass",
        "give the service a backend that works (`loxictl get ep`), or another `noBackend` than pass.",
    ),
    (
        "no_backend",
        "give the service a backend that can take connections: `loxictl get ep` says of each why it can't.",
    ),
    (
        "backends_full",
        "add backends, or raise `maxConnections`: all of the service's have as many connections as they may (`loxictl get ep -o wide`).",
    ),
    (
        "source_denied",
        "meant to be so, unless clients complain: then look at `allowedSources` and `deniedSources` of the service.",
    ),
    (
        "no_flow",
        "connections that loxid doesn't know (a reboot, an idle time longer than `idleTimeout`, or a scan): clients connect again; raise `idleTimeout` if they are idle for long.",
    ),
    (
        "next_hop_unresolved",
        "see whether the backend or gateway is up and in that subnet: `ip neighbour` on the box, `loxictl get ep` for which it is.",
    ),
    (
        "table_full",
        "raise `limits.connections` (or `limits.connections6`), for which the tables are made anew; `loxictl get ct` says who has so many.",
    ),
    (
        "table_contended",
        "nothing in small numbers, since clients send again; if it grows steadily, raise `limits.connections`.",
    ),
    (
        "source_ports_exhausted",
        "widen `sourcePorts`, add backends, or use the mode dnat, which needs none: every port towards a backend is in use.",
    ),
    (
        "ttl_expired",
        "look for a routing loop (`mtr` towards the VIP); single ones are somebody's traceroute.",
    ),
    (
        "too_big",
        "make the MTU of the way out as large as that of the way in, set `mssClamp`, and switch LRO off (`ethtool -K DEV lro off`); with a tunnel see `advmss` in the README.",
    ),
    (
        "martian_source",
        "somebody spoofs, or a packet of the box's own comes back: look for a loop, and filter at the edge (RFC 2827).",
    ),
    (
        "interface_gone",
        "attach the interface that leads to the backend or client: `loxictl get interfaces`, `loxictl attach DEV`.",
    ),
    (
        "no_worker",
        "the worker is started again by itself: `loxictl status` says whether it is there and why not; `loxictl attach DEV --datapath xdp` does without it.",
    ),
    (
        "internal",
        "a bug or a damaged table: `loxictl bundle` collects what is needed to report it; a restart of loxid writes the tables again.",
    ),
];

impl Reason {
    /// What to do about it; None where nothing is wrong.
    pub fn remedy(self) -> Option<&'static str> {
        let mut found = REMEDIES.iter().filter(|(name, _)| *name == self.name);
        found.next().map(|(_, remedy)| *remedy)
    }
}

/// Names that have a remedy, in the order of the table above.
#[cfg(test)]
pub(super) fn named() -> impl Iterator<Item = &'static str> {
    REMEDIES.iter().map(|(name, _)| *name)
}
