//! Multicast events, reduced to which kinds of rows have changed.

use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::NetlinkBuffer;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockFlag, recv, setsockopt, sockopt};
use tokio::io::unix::AsyncFd;

use super::NetlinkError;
use super::socket::{failed, messages, open};

/// RTMGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE.
const GROUPS: u32 = 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400;
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// Kinds of rows that are to be read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dirty {
    pub links: bool,
    pub routes: bool,
    pub neighbours: bool,
}

impl Dirty {
    pub const ALL: Dirty = Dirty {
        links: true,
        routes: true,
        neighbours: true,
    };
    pub const NONE: Dirty = Dirty {
        links: false,
        routes: false,
        neighbours: false,
    };

    /// A link that changes takes its addresses and routes with it.
    fn note(&mut self, message_type: u16) {
        match message_type {
            libc::RTM_NEWLINK..=libc::RTM_SETLINK | libc::RTM_NEWADDR..=libc::RTM_GETADDR => {
                self.links = true;
                self.routes = true;
            }
            libc::RTM_NEWROUTE..=libc::RTM_GETROUTE => self.routes = true,
            libc::RTM_NEWNEIGH..=libc::RTM_GETNEIGH => self.neighbours = true,
            _ => (),
        }
    }
}

pub(super) struct Events {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

impl Events {
    pub fn new() -> Result<Self, NetlinkError> {
        let socket = open(GROUPS, SockFlag::SOCK_NONBLOCK).map_err(failed("event socket"))?;
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN; a smaller buffer overruns and resyncs.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES);
        // SAFETY: the socket owns its descriptor, and stays in the AsyncFd until both are dropped.
        let socket = unsafe { AsyncFd::register(socket) }.map_err(|error| NetlinkError {
            call: "register event socket",
            source: error.into(),
        })?;
        Ok(Events {
            socket,
            buffer: vec![0; 64 << 10],
        })
    }

    /// Waits for an event, and takes all there are. Cancel safe.
    pub async fn next(&mut self, dirty: &mut Dirty) -> Result<(), NetlinkError> {
        loop {
            let mut guard = self
                .socket
                .readable()
                .await
                .map_err(|source| NetlinkError {
                    call: "wait for events",
                    source,
                })?;
            guard.clear_ready();
            drop(guard);
            if self.take(dirty)? {
                return Ok(());
            }
        }
    }

    /// Takes all events there are; were there any?
    pub fn take(&mut self, dirty: &mut Dirty) -> Result<bool, NetlinkError> {
        let mut any = false;
        loop {
            match recv(
                self.socket.get_ref().as_raw_fd(),
                &mut self.buffer,
                MsgFlags::empty(),
            ) {
                Ok(size) => {
                    any = true;
                    for bytes in messages(&self.buffer[..size]) {
                        dirty.note(NetlinkBuffer::new(bytes).message_type());
                    }
                }
                Err(Errno::EAGAIN) => return Ok(any),
                Err(Errno::EINTR) => (),
                Err(Errno::ENOBUFS) => {
                    any = true;
                    *dirty = Dirty::ALL;
                }
                Err(errno) => return Err(failed("receive events")(errno)),
            }
        }
    }
}
