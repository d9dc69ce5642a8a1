//! `ping`: an ICMP echo (RFC 792, RFC 4443). A raw socket, for which CAP_NET_RAW is needed;
//! without it one that the kernel lets everybody have (`net.ipv4.ping_group_range`).
//!
//! Each question has eight bytes of its own, by which its answer is known: a raw socket sees the
//! answers to others, too.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};

use lb_core::health::Phase;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use tokio::net::UdpSocket;

use super::{Progress, Report};

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST6: u8 = 128;
const ECHO_REPLY6: u8 = 129;
const HEADER: usize = 8;

pub async fn ask(to: IpAddr, progress: &Progress) -> Report {
    // `recv` and `send` of tokio's datagram socket are those of any connected one.
    let opened = open(to).and_then(|socket| {
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    });
    let socket = match opened {
        Ok(socket) => socket,
        Err(error) => return progress.error("ping", &error),
    };
    progress.enter(Phase::Echo);
    if let Err(error) = socket.connect(SocketAddr::new(to, 0)).await {
        return progress.error("ping", &error);
    }
    let mark = RandomState::new().build_hasher().finish().to_be_bytes();
    if let Err(error) = socket.send(&request(to, mark)).await {
        return progress.error("ping", &error);
    }
    let mut answer = [0; 1500];
    loop {
        match socket.recv(&mut answer).await {
            Ok(length) if is_reply(to, &answer[..length], mark) => {
                return progress.passed(format!("echo reply in {} ms", progress.ms()));
            }
            Ok(_) => {}
            Err(error) => return progress.error("ping", &error),
        }
    }
}

fn open(to: IpAddr) -> io::Result<std::net::UdpSocket> {
    let (family, protocol) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let open = |kind| socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol);
    let raw = open(SockType::Raw).or_else(|_| open(SockType::Datagram));
    Ok(raw?.into())
}

fn request(to: IpAddr, mark: [u8; 8]) -> Vec<u8> {
    let kind = match to {
        IpAddr::V4(_) => ECHO_REQUEST,
        IpAddr::V6(_) => ECHO_REQUEST6,
    };
    let mut packet = vec![kind, 0, 0, 0, mark[0], mark[1], 0, 1];
    packet.extend_from_slice(&mark);
    if to.is_ipv4() {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    // The kernel fills in ICMPv6's, which covers addresses.
    packet
}

/// Whether this is the answer: a raw socket of IPv4 has the IP header before it, others don't.
fn is_reply(to: IpAddr, packet: &[u8], mark: [u8; 8]) -> bool {
    let is = |icmp: &[u8], kind| icmp.first() == Some(&kind) && icmp.get(HEADER..) == Some(&mark);
    match to {
        IpAddr::V6(_) => is(packet, ECHO_REPLY6),
        IpAddr::V4(_) => {
            let header = usize::from(packet.first().map_or(0, |byte| byte & 0xf)) * 4;
            let is_whole = packet.first().is_some_and(|byte| byte >> 4 == 4);
            let inner = packet.get(header..).unwrap_or_default();
            is(packet, ECHO_REPLY) || is_whole && is(inner, ECHO_REPLY)
        }
    }
}

/// The internet checksum (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2);
    let sum: u32 = words
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}
