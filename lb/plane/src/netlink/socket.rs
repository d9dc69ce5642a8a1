//! A request socket: asks, and reads the answer to its end. The kernel answers within the call.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::NetlinkError;

/// Larger than any datagram of a dump (the kernel fills at most 32 KiB).
const BUFFER_BYTES: usize = 64 << 10;
/// A dump is repeated when the tables changed beneath it.
const DUMP_TRIES: u32 = 8;
/// The kernel answers at once; a socket without an answer is broken.
const PATIENCE_SECONDS: i64 = 5;

/// Asks rtnetlink of the namespace it was made in.
pub struct Requests {
    socket: OwnedFd,
    sequence: u32,
}

pub(super) fn open(groups: u32, flags: SockFlag) -> nix::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags | SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

impl Requests {
    /// # Errors
    /// Where the kernel refuses a socket.
    pub fn new() -> Result<Self, NetlinkError> {
        let socket = open(0, SockFlag::empty()).map_err(failed("socket"))?;
        setsockopt(
            &socket,
            sockopt::ReceiveTimeout,
            &TimeVal::seconds(PATIENCE_SECONDS),
        )
        .map_err(failed("receive timeout"))?;
        Ok(Requests {
            socket,
            sequence: 0,
        })
    }

    /// All rows of a table. A row that can't be parsed is left out.
    pub(super) fn dump(
        &mut self,
        call: &'static str,
        ask: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        for _ in 0..DUMP_TRIES {
            let mut rows = Vec::new();
            let sequence = self.send(call, ask.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            if !self.receive(call, sequence, |row| rows.push(row))? {
                return Ok(rows);
            }
        }
        Err(failed(call)(nix::errno::Errno::EINTR))
    }

    /// One change, acknowledged.
    pub(super) fn change(
        &mut self,
        call: &'static str,
        ask: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), NetlinkError> {
        let sequence = self.send(call, ask, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        self.receive(call, sequence, |_| ())?;
        Ok(())
    }

    fn send(
        &mut self,
        call: &'static str,
        ask: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<u32, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(ask);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty()).map_err(failed(call))?;
        Ok(self.sequence)
    }

    /// Reads up to the end of an answer. True: the dump was interrupted by a change.
    fn receive(
        &mut self,
        call: &'static str,
        sequence: u32,
        mut row: impl FnMut(RouteNetlinkMessage),
    ) -> Result<bool, NetlinkError> {
        const NLM_F_DUMP_INTR: u16 = 0x10;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut interrupted = false;
        loop {
            let size = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty())
                .map_err(failed(call))?;
            for bytes in messages(&buffer[..size]) {
                let header = NetlinkBuffer::new(bytes);
                if header.sequence_number() != sequence {
                    continue;
                }
                interrupted |= header.flags() & NLM_F_DUMP_INTR != 0;
                let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) else {
                    continue;
                };
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => row(inner),
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(NetlinkError {
                            call,
                            source: error.to_io(),
                        });
                    }
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(interrupted),
                    _ => (),
                }
            }
        }
    }
}

/// Splits a datagram into its messages.
pub(super) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    const HEADER_BYTES: usize = 16;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(datagram.get(..4)?.try_into().ok()?) as usize;
        if length < HEADER_BYTES || length > datagram.len() {
            return None;
        }
        let message = &datagram[..length];
        datagram = &datagram[length.next_multiple_of(4).min(datagram.len())..];
        Some(message)
    })
}

pub(super) fn failed(call: &'static str) -> impl Fn(nix::errno::Errno) -> NetlinkError {
    move |errno| NetlinkError {
        call,
        source: io::Error::from(errno),
    }
}
