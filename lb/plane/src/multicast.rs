//! Link-level groups of VIPs. Who looks for an IPv6 address sends to its solicited-node group
//! (RFC 4291 §2.7.1), whose frames an interface only takes in, and a switch that snoops only
//! forwards, where the group is joined. Joined at link level it stays joined without a process:
//! the program answers also while no daemon runs.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv6Addr;

use lb_core::addr::Mac;

use crate::sys::{self, Membership};

#[cfg(test)]
mod tests;

/// The group at link level in which neighbour solicitations for an address come (RFC 2464 §7).
#[must_use]
pub fn solicited_node_mac(addr: Ipv6Addr) -> Mac {
    let [.., a, b, c] = addr.octets();
    Mac([0x33, 0x33, 0xff, a, b, c])
}

/// Is it the group of some address's solicitations?
#[must_use]
pub fn is_solicited_node(group: Mac) -> bool {
    group.0[..3] == [0x33, 0x33, 0xff]
}

/// Joins a group on an interface of this network namespace, beyond the process; joined already,
/// it stays so.
///
/// # Errors
/// ENODEV: there is no such interface. EINVAL: its driver has no groups.
pub fn join(interface: &str, group: Mac) -> io::Result<()> {
    sys::multicast(Membership::Join, interface, group.0)
}

/// Leaves a group that [`join`] joined; not joined, nothing changes. What the box's own stack
/// joined stays.
///
/// # Errors
/// As for [`join`].
pub fn leave(interface: &str, group: Mac) -> io::Result<()> {
    match sys::multicast(Membership::Leave, interface, group.0) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}

/// Groups that were joined on an interface of this network namespace by [`join`], in this process
/// or another.
///
/// # Errors
/// Where /proc can't be read.
pub fn joined(interface: &str) -> io::Result<BTreeSet<Mac>> {
    // The thread's own namespace: the process's may be another.
    let text = std::fs::read_to_string("/proc/thread-self/net/dev_mcast")?;
    Ok(groups(&text, interface))
}

/// Of lines "ifindex name references global address", those of an interface that are global.
fn groups(text: &str, interface: &str) -> BTreeSet<Mac> {
    let group = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (name, _references) = (fields.next()?, fields.next()?);
        let (global, address) = (fields.next()?, fields.next()?);
        (name == interface && global != "0").then(|| mac(address))?
    };
    text.lines().filter_map(group).collect()
}

fn mac(hex: &str) -> Option<Mac> {
    let mut bytes = [0; 6];
    if hex.len() != 2 * bytes.len() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(Mac(bytes))
}
