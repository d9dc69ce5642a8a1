//! What SNAT ports must not collide with: the kernel's ephemeral ports and its listeners.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use lb_core::service::Protocol;

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

/// Everything that a range of source ports collides with, in this network namespace.
pub fn collisions(_range: &RangeInclusive<u16>) -> io::Result<Vec<Collision>> {
    todo!()
}
