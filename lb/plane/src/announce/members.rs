//! Memberships in groups of neighbour solicitations, reported by MLD (RFC 3810, 4861 §7.2.1): a
//! switch that snoops forwards such a group only where somebody reports it, and only a living
//! socket makes the kernel report.
//!
//! What lets the frames into the box is joined at link level ([`crate::multicast`]), and stays
//! without a process.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv6Addr, UdpSocket};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// A group on an interface.
type Membership = (u32, Ipv6Addr);

/// A socket takes as many memberships as its option memory (net.core.optmem_max) has room for.
#[derive(Default)]
pub struct Members {
    sockets: Vec<(UdpSocket, BTreeSet<Membership>)>,
    wanted: BTreeSet<Membership>,
    /// Refused while it was wanted: not asked for again before it is wanted anew.
    refused: BTreeSet<Membership>,
}

impl Members {
    /// Is a member of these groups, and of no others.
    ///
    /// # Errors
    /// The first that the kernel refused since it is wanted (an interface without IPv6, for
    /// instance); all others are joined nevertheless.
    pub fn keep(&mut self, wanted: &BTreeSet<Membership>) -> io::Result<()> {
        if self.wanted == *wanted {
            return Ok(());
        }
        self.wanted.clone_from(wanted);
        self.refused.retain(|one| wanted.contains(one));
        for (socket, joined) in &mut self.sockets {
            joined.retain(|(interface, group)| {
                let is_wanted = wanted.contains(&(*interface, *group));
                if !is_wanted {
                    // Its interface may be gone, and the membership with it.
                    let _ = socket.leave_multicast_v6(group, *interface);
                }
                is_wanted
            });
        }
        self.sockets.retain(|(_, joined)| !joined.is_empty());
        let joined = |one: &Membership| self.sockets.iter().any(|(_, all)| all.contains(one));
        let missing = wanted
            .iter()
            .filter(|one| !joined(one) && !self.refused.contains(one));
        let mut first = Ok(());
        for membership in missing.copied().collect::<Vec<_>>() {
            if let Err(error) = self.join(membership) {
                self.refused.insert(membership);
                first = first.and(Err(error));
            }
        }
        first
    }

    /// By the newest socket, or by one more where that is full.
    fn join(&mut self, (interface, group): Membership) -> io::Result<()> {
        if let Some((socket, joined)) = self.sockets.last_mut()
            && socket.join_multicast_v6(&group, interface).is_ok()
        {
            joined.insert((interface, group));
            return Ok(());
        }
        let socket = open()?;
        socket.join_multicast_v6(&group, interface)?;
        self.sockets
            .push((socket, BTreeSet::from([(interface, group)])));
        Ok(())
    }
}

/// Not bound to a port: nothing can be sent to it.
fn open() -> io::Result<UdpSocket> {
    let kind = SockType::Datagram;
    let socket = socket(AddressFamily::Inet6, kind, SockFlag::SOCK_CLOEXEC, None)?;
    Ok(UdpSocket::from(socket))
}
