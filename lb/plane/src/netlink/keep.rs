//! Neighbours that the kernel is asked to keep resolved, whether or not traffic needs them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{NetlinkError, Requests};

/// A neighbour: ifindex and address.
pub(super) type Key = (u32, IpAddr);

impl Requests {
    /// The kernel resolves the neighbour, and again before it goes stale (NTF_EXT_MANAGED,
    /// kernel 5.16). Repeated for one that failed, it is probed at once.
    pub(super) fn manage(&mut self, key: Key) -> Result<(), NetlinkError> {
        const NDA_FLAGS_EXT: u16 = 15;
        const NTF_EXT_MANAGED: u32 = 1;
        let mut message = neighbour(key);
        let managed = DefaultNla::new(NDA_FLAGS_EXT, NTF_EXT_MANAGED.to_ne_bytes().to_vec());
        message.attributes.push(NeighbourAttribute::Other(managed));
        self.put("keep a neighbour", message)
    }

    /// The kernel forgets about it as about any other.
    pub(super) fn unmanage(&mut self, key: Key) -> Result<(), NetlinkError> {
        let mut message = neighbour(key);
        message.header.flags = NeighbourFlags::Use;
        self.put("let go of a neighbour", message)
    }

    fn put(&mut self, call: &'static str, message: NeighbourMessage) -> Result<(), NetlinkError> {
        self.change(
            call,
            RouteNetlinkMessage::NewNeighbour(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }
}

fn neighbour((ifindex, addr): Key) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = ifindex;
    let destination = match addr {
        IpAddr::V4(addr) => {
            message.header.family = AddressFamily::Inet;
            NeighbourAddress::Inet(addr)
        }
        IpAddr::V6(addr) => {
            message.header.family = AddressFamily::Inet6;
            NeighbourAddress::Inet6(addr)
        }
    };
    message
        .attributes
        .push(NeighbourAttribute::Destination(destination));
    message
}

/// What to manage and what to let go. Entries that an operator fixed are left alone: managing
/// one would unfix it.
pub(super) fn difference(
    kept: &BTreeSet<Key>,
    wanted: &BTreeSet<Key>,
    fixed: &BTreeSet<Key>,
) -> (Vec<Key>, Vec<Key>) {
    let add = wanted
        .difference(kept)
        .filter(|key| !fixed.contains(key))
        .copied()
        .collect();
    let remove = kept
        .difference(wanted)
        .filter(|key| !fixed.contains(key))
        .copied()
        .collect();
    (add, remove)
}
