//! The nftables contestant: rules and connection tracking of the current namespace.

use std::fs;

use anyhow::Context;

use crate::topology::{BACKEND_PORT, VIP, VIP_PORT, backends, run};

/// Loads the rules. Flows outlast a benchmark, and checksums are taken for verified, as they are
/// where a NIC does that.
pub fn load() -> anyhow::Result<()> {
    run("nft", &["-f", "-"], &rules())?;
    for (key, value) in [
        ("udp_timeout", "3600"),
        ("udp_timeout_stream", "3600"),
        ("checksum", "0"),
    ] {
        let path = format!("/proc/sys/net/netfilter/nf_conntrack_{key}");
        fs::write(&path, value).with_context(|| format!("writing {path}"))?;
    }
    Ok(())
}

fn rules() -> String {
    let backends: Vec<String> = backends()
        .iter()
        .enumerate()
        .map(|(number, backend)| format!("{number} : {backend} . {BACKEND_PORT}"))
        .collect();
    format!(
        "table ip balancer {{
            chain prerouting {{
                type nat hook prerouting priority dstnat; policy accept;
                ip daddr {VIP} udp dport {VIP_PORT} dnat ip addr . port to jhash ip saddr . udp sport mod {} map {{ {} }}
            }}
        }}\n",
        backends.len(),
        backends.join(", "),
    )
}
