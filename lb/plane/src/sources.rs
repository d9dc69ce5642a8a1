//! What SNAT ports must not collide with: the kernel's ephemeral ports and its listeners.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use lb_core::service::Protocol;

#[cfg(test)]
mod tests;

/// A reason not to use a range of source ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collision {
    /// The range overlaps `net.ipv4.ip_local_port_range`.
    Ephemeral { kernel: RangeInclusive<u16> },
    /// A socket of the box listens (or is bound, UDP) inside the range.
    Listener {
        protocol: Protocol,
        local: SocketAddr,
    },
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Collision::Ephemeral { kernel } => write!(
                f,
                "source ports overlap the kernel's own, {}-{}: choose others, or change net.ipv4.ip_local_port_range",
                kernel.start(),
                kernel.end()
            ),
            Collision::Listener { protocol, local } => write!(
                f,
                "source ports include {local}/{protocol}, where a socket of the box listens"
            ),
        }
    }
}

/// Everything that a range of source ports collides with, in the caller's network namespace.
///
/// # Errors
/// Where /proc can't be read.
pub fn collisions(range: &RangeInclusive<u16>) -> io::Result<Vec<Collision>> {
    let mut found = Vec::new();
    let kernel = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    if let Some(kernel) = port_range(&kernel)
        && kernel.start() <= range.end()
        && range.start() <= kernel.end()
    {
        found.push(Collision::Ephemeral { kernel });
    }
    for (table, protocol) in [
        ("tcp", Protocol::Tcp),
        ("tcp6", Protocol::Tcp),
        ("udp", Protocol::Udp),
        ("udp6", Protocol::Udp),
    ] {
        // The thread's own namespace: the process's may be another.
        let path = format!("/proc/thread-self/net/{table}");
        let text = match std::fs::read_to_string(path) {
            // A kernel without IPv6 has no such table.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        let locals = text
            .lines()
            .skip(1)
            .filter_map(|line| listener(line, protocol));
        found.extend(
            locals
                .filter(|local| range.contains(&local.port()))
                .map(|local| Collision::Listener { protocol, local }),
        );
    }
    Ok(found)
}

fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut ports = text.split_whitespace().map(str::parse::<u16>);
    Some(ports.next()?.ok()?..=ports.next()?.ok()?)
}

/// The local end of a line of /proc/net/tcp or udp: a TCP listener, or a UDP socket without peer.
fn listener(line: &str, protocol: Protocol) -> Option<SocketAddr> {
    const TCP_LISTEN: &str = "0A";
    const UDP_UNCONNECTED: &str = "07";
    let mut fields = line.split_whitespace().skip(1);
    let (local, _peer, state) = (fields.next()?, fields.next()?, fields.next()?);
    let wanted = if protocol == Protocol::Tcp {
        TCP_LISTEN
    } else {
        UDP_UNCONNECTED
    };
    if state != wanted {
        return None;
    }
    let (addr, port) = local.split_once(':')?;
    Some(SocketAddr::new(
        address(addr)?,
        u16::from_str_radix(port, 16).ok()?,
    ))
}

/// Words of 32 bits, each printed in the machine's order.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |index: usize| {
        let digits = hex.get(8 * index..8 * index + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let mut octets = [0; 16];
    for (index, bytes) in octets.chunks_exact_mut(4).enumerate() {
        bytes.copy_from_slice(&word(index)?);
    }
    Some(Ipv6Addr::from(octets).into())
}
