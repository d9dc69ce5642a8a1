//! A tap on a link: every frame that comes and goes by an interface, in order, with the time. And
//! frames that a test makes itself.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use etherparse::{Icmpv6Type, NetSlice, SlicedPacket, TransportSlice};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    self, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike,
    setsockopt, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::namespace::Namespace;

/// How often it looks whether it should stop.
const PATIENCE_MS: i64 = 50;
const FRAME_MOST: usize = 2048;

/// What a frame about addresses says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Sender and target as they are in the packet.
    Arp {
        operation: u16,
        sender: ([u8; 6], Ipv4Addr),
        target: ([u8; 6], Ipv4Addr),
    },
    Solicitation {
        from: Ipv6Addr,
        target: Ipv6Addr,
    },
    Advertisement {
        from: Ipv6Addr,
        target: Ipv6Addr,
        is_override: bool,
        is_solicited: bool,
        /// The target link-layer address option.
        mac: Option<[u8; 6]>,
    },
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    /// Ethernet's ends: to and from.
    pub to: [u8; 6],
    pub from: [u8; 6],
    pub told: Told,
}

/// Reads until it is dropped.
pub struct Tap {
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    mouth: OwnedFd,
}

impl Tap {
    /// # Errors
    /// There is no such interface, or the caller isn't root.
    pub fn on(namespace: &Namespace, interface: &str) -> Result<Self> {
        let name = interface.to_owned();
        let (ear, mouth) = namespace.within(move || {
            let ear = open(&name, Some(SockProtocol::EthAll))?;
            Ok((ear, open(&name, None)?))
        })?;
        setsockopt(
            &ear,
            sockopt::ReceiveTimeout,
            &TimeVal::milliseconds(PATIENCE_MS),
        )?;
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (into, stopped) = (seen.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; FRAME_MOST];
            while !stopped.load(Ordering::Relaxed) {
                let size = socket::recv(ear.as_raw_fd(), &mut buffer, MsgFlags::empty());
                let frame = size.ok().and_then(|size| read(&buffer[..size]));
                if let Some(frame) = frame {
                    into.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(frame);
                }
            }
        });
        Ok(Tap {
            seen,
            stop,
            thread: Some(thread),
            mouth,
        })
    }

    /// Everything so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Forgets everything so far.
    pub fn forget(&self) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// # Errors
    /// The link is down.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        let sent = socket::send(self.mouth.as_raw_fd(), frame, MsgFlags::empty());
        sent.context("send a frame").map(drop)
    }

    /// An ARP packet of Ethernet, to everybody.
    ///
    /// # Errors
    /// The link is down.
    pub fn arp(
        &self,
        operation: u16,
        sender: ([u8; 6], Ipv4Addr),
        target: ([u8; 6], Ipv4Addr),
    ) -> Result<()> {
        let mut frame = vec![0xff; 6];
        frame.extend(sender.0);
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4]);
        frame.extend(operation.to_be_bytes());
        for (mac, addr) in [sender, target] {
            frame.extend(mac);
            frame.extend(addr.octets());
        }
        frame.resize(60, 0);
        self.send(&frame)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Seen {
    /// Time since.
    pub fn since(&self, other: &Seen) -> Duration {
        self.at.saturating_duration_since(other.at)
    }
}

/// A packet socket on an interface, whose address only the kernel can write without unsafe code.
fn open(interface: &str, protocol: Option<SockProtocol>) -> Result<OwnedFd> {
    let socket = socket::socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        protocol,
    )?;
    let mut all = getifaddrs()?.filter(|one| one.interface_name == interface);
    let address: LinkAddr = all
        .find_map(|one| one.address?.as_link_addr().copied())
        .with_context(|| format!("no interface {interface}"))?;
    debug_assert_eq!(address.family(), Some(AddressFamily::Packet));
    socket::bind(socket.as_raw_fd(), &address)?;
    Ok(socket)
}

fn read(frame: &[u8]) -> Option<Seen> {
    let at = Instant::now();
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let told = match (&packet.net, &packet.transport) {
        (Some(NetSlice::Arp(arp)), _) => {
            let arp = arp.to_packet().try_eth_ipv4().ok()?;
            Told::Arp {
                operation: arp.operation.0,
                sender: (arp.sender_mac, arp.sender_ipv4.into()),
                target: (arp.target_mac, arp.target_ipv4.into()),
            }
        }
        (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Icmpv6(icmp))) => {
            let (from, to) = (ip.header().source(), ip.header().destination());
            if !icmp.is_checksum_valid(from, to) {
                return None;
            }
            let from = Ipv6Addr::from(from);
            let rest = icmp.payload();
            let target = Ipv6Addr::from(<[u8; 16]>::try_from(rest.get(..16)?).ok()?);
            match icmp.icmp_type() {
                Icmpv6Type::NeighborSolicitation => Told::Solicitation { from, target },
                Icmpv6Type::NeighborAdvertisement(flags) => Told::Advertisement {
                    from,
                    target,
                    is_override: flags.r#override,
                    is_solicited: flags.solicited,
                    mac: match rest.get(16..24) {
                        Some([2, 1, mac @ ..]) => mac.try_into().ok(),
                        _ => None,
                    },
                },
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Seen {
        at,
        to: frame.get(..6)?.try_into().ok()?,
        from: frame.get(6..12)?.try_into().ok()?,
        told,
    })
}
