//! A box in memory, for tests: lb-core's twin as the plane, and links that come and go.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use lb_api::wire;
use lb_core::addr::{Mac, Prefix};
use lb_core::facts::Route;
use lb_core::intent::Document;
use lb_core::plane::{Limits, Op, Plane};
use lb_core::tables::{BackendId, InterfaceSlot, Tables};
use lb_core::twin::{Twin, TwinError};
use lb_plane::attach::{Asked, AttachError, Attachment, Mode, Path, Warning};
use lb_plane::netlink::{RawFacts, RawLink};
use lb_plane::queues::{QueueCounts, QueueState, QueueStatus, TooManyQueues, Wanted};
use lb_plane::sweep::Swept;
use lb_plane::{Reader, RegionPlane, for_memory};

use crate::reconcile::DataPlane;

pub const LIMITS: Limits = Limits {
    services: 16,
    backends: 32,
    hops: 16,
    vips: 64,
    slot_words: 1 << 15,
    members: 128,
    sources: 128,
    route_nodes: 64,
    connections: 128,
    connections6: 128,
    affinities: 16,
};

/// The twin, with interfaces.
pub struct Boxed {
    pub twin: Twin,
    pub facts: RawFacts,
    pub attached: BTreeMap<String, Attachment>,
    /// Groups joined, by interface.
    pub groups: BTreeMap<String, BTreeSet<Mac>>,
    /// An ifindex that tables do not take.
    pub refused: Option<u32>,
    /// What the kernel says of the forwarder, if it refuses it.
    pub forwarder: Result<(), String>,
    /// Drivers without native XDP.
    pub generic_only: BTreeSet<String>,
    /// Receive queues of every interface.
    pub queue_count: u32,
    pub queues: BTreeMap<(InterfaceSlot, u32), QueueStatus>,
    /// How the worker binds queues; None: there is none.
    pub worker: Option<QueueState>,
    /// Frames sent: ifindex and bytes.
    pub sent: Vec<(u32, Vec<u8>)>,
    counters: RegionPlane,
}

impl Boxed {
    /// `eth0` (10.1.0.1/24) and `eth1` (10.2.0.1/24, neighbours .2 and .3), not attached.
    pub fn new() -> Self {
        let counters = RegionPlane::in_memory(&for_memory(&LIMITS, 2).unwrap());
        let mut facts = RawFacts::default();
        put_link(&mut facts, "eth0", 2, "10.1.0.1");
        put_link(&mut facts, "eth1", 3, "10.2.0.1");
        for last in [2, 3] {
            let addr = IpAddr::from([10, 2, 0, last]);
            facts
                .neighbours
                .insert((3, addr), Mac([2, 0, 0, 0, 1, last]));
        }
        Boxed {
            twin: Twin::new(LIMITS),
            facts,
            attached: BTreeMap::new(),
            groups: BTreeMap::new(),
            refused: None,
            forwarder: Ok(()),
            generic_only: BTreeSet::new(),
            queue_count: 1,
            queues: BTreeMap::new(),
            worker: None,
            sent: Vec::new(),
            counters,
        }
    }
}

impl Boxed {
    /// The worker does what is wanted.
    pub fn serve(&mut self) {
        for row in self.queues.values_mut() {
            row.state = self.worker.unwrap_or(QueueState::Idle);
            row.owner = self.worker.map(|_| 4711);
            row.worker = row.owner;
        }
    }
}

/// A link that is up, its address in a /24, and the route of that.
pub fn put_link(facts: &mut RawFacts, name: &str, ifindex: u32, addr: &str) {
    let addr: IpAddr = addr.parse().unwrap();
    let link = RawLink {
        ifindex,
        mac: Some(Mac([2, 0, 0, 0, 0, ifindex as u8])),
        mtu: 1500,
        up: true,
        loopback: false,
        kind: None,
        vlan: None,
        rx_queues: 1,
        tx_queues: 1,
        xdp: None,
        addresses: [(addr, 24)].into(),
    };
    facts.links.insert(name.to_owned(), link);
    facts.own.insert(addr);
    let prefix = Prefix::covering(addr, 24);
    facts.routes.insert(Route {
        prefix,
        ifindex,
        gateway: None,
    });
}

/// Takes a link away, with what netlink said of it.
pub fn take_link(facts: &mut RawFacts, name: &str) {
    let link = facts.links.remove(name).unwrap();
    facts.routes.retain(|route| route.ifindex != link.ifindex);
    facts
        .neighbours
        .retain(|(ifindex, _), _| *ifindex != link.ifindex);
    for (addr, _) in link.addresses {
        facts.own.remove(&addr);
    }
}

/// A service 10.1.0.PORT:80/tcp with these backends, for each port.
pub fn document(vips: &[u8], backends: &[&str]) -> Document {
    let backend = |addr: &&str| wire::Backend {
        address: (*addr).into(),
        port: Some(8080),
        weight: 1,
        max_connections: None,
        check: None,
    };
    let service = |vip: &u8| wire::Service {
        name: None,
        vip: format!("10.1.0.{vip}"),
        port: Some(80),
        port_max: None,
        protocol: wire::Protocol::Tcp,
        mode: wire::Mode::Dnat,
        tunnel_port: None,
        select: wire::Select::Maglev,
        maglev_size: Some(251),
        persist: None,
        no_backend: wire::NoBackend::Reject,
        idle_timeout: None,
        last_hop: false,
        allowed_sources: Vec::new(),
        denied_sources: Vec::new(),
        mss_clamp: None,
        check: None,
        announce: wire::Announce::L2,
        announce_interfaces: Vec::new(),
        announce_when: wire::AnnounceWhen::Always,
        backends: backends.iter().map(backend).collect(),
    };
    Document::try_from(&wire::Document {
        services: vips.iter().map(service).collect(),
    })
    .unwrap()
}

impl Plane for Boxed {
    type Error = TwinError;

    fn limits(&self) -> Limits {
        self.twin.limits()
    }

    fn read(&mut self) -> Result<Tables, TwinError> {
        self.twin.read()
    }

    fn apply(&mut self, op: &Op) -> Result<(), TwinError> {
        match op {
            Op::PutInterface(_, row) if Some(row.ifindex) == self.refused => {
                Err(TwinError::Capacity {
                    op: "refused".into(),
                })
            }
            op => self.twin.apply(op),
        }
    }

    fn connections(&mut self) -> Result<BTreeMap<BackendId, u64>, TwinError> {
        self.twin.connections()
    }
}

impl DataPlane for Boxed {
    fn attach(
        &mut self,
        interface: &str,
        asked: Asked,
        path: Path,
    ) -> Result<(Attachment, Option<Warning>), AttachError> {
        let unknown = || AttachError::Unknown {
            interface: interface.into(),
        };
        let link = self.facts.links.get(interface).ok_or_else(unknown)?;
        if path == Path::Xdp
            && let Err(log) = &self.forwarder
        {
            return Err(AttachError::NoProgram {
                interface: interface.into(),
                path,
                log: log.clone(),
            });
        }
        if asked == Asked::Native && self.generic_only.contains(interface) {
            return Err(AttachError::NoNative {
                interface: interface.into(),
            });
        }
        let attachment = Attachment {
            name: interface.to_owned(),
            ifindex: link.ifindex,
            mode: if asked == Asked::Generic {
                Mode::Generic
            } else {
                Mode::Native
            },
            path,
            driver: None,
            rx_queues: self.queue_count,
            tx_queues: self.queue_count,
            link_id: 1,
            program_id: 1,
        };
        self.attached
            .insert(interface.to_owned(), attachment.clone());
        Ok((attachment, None))
    }

    fn attachable(&self, interface: &str) -> Result<(), AttachError> {
        let unknown = || AttachError::Unknown {
            interface: interface.into(),
        };
        let link = self.facts.links.get(interface);
        link.map(drop).ok_or_else(unknown)
    }

    fn forwarder(&self) -> Result<(), &str> {
        self.forwarder.as_ref().copied().map_err(String::as_str)
    }

    fn redirector(&self) -> Result<(), &str> {
        Ok(())
    }

    fn want(
        &mut self,
        slot: InterfaceSlot,
        ifindex: u32,
        queues: u32,
        wanted: Wanted,
    ) -> Result<(), TooManyQueues> {
        for queue in 0..queues {
            let idle = QueueStatus {
                slot,
                queue,
                ifindex,
                wanted: None,
                worker: None,
                owner: None,
                state: QueueState::Idle,
                counts: QueueCounts::default(),
            };
            let row = self.queues.entry((slot, queue)).or_insert(idle);
            row.ifindex = ifindex;
            row.wanted = Some(wanted);
        }
        self.serve();
        Ok(())
    }

    fn unwant(&mut self, slot: InterfaceSlot) {
        self.queues.retain(|(of, _), _| *of != slot);
    }

    fn queues(&self) -> Vec<QueueStatus> {
        self.queues.values().copied().collect()
    }

    fn detach(&mut self, interface: &str) -> Result<(), AttachError> {
        let gone = self.attached.remove(interface);
        gone.map(drop).ok_or_else(|| AttachError::NotAttached {
            interface: interface.into(),
        })
    }

    fn attachments(&self) -> Result<Vec<Attachment>, AttachError> {
        let is_there = |attachment: &&Attachment| {
            let link = self.facts.links.get(&attachment.name);
            link.is_some_and(|link| link.ifindex == attachment.ifindex)
        };
        Ok(self.attached.values().filter(is_there).cloned().collect())
    }

    fn join(&mut self, interface: &str, group: Mac) -> io::Result<()> {
        self.groups
            .entry(interface.to_owned())
            .or_default()
            .insert(group);
        Ok(())
    }

    fn leave(&mut self, interface: &str, group: Mac) -> io::Result<()> {
        self.groups
            .entry(interface.to_owned())
            .or_default()
            .remove(&group);
        Ok(())
    }

    fn joined(&self, interface: &str) -> io::Result<BTreeSet<Mac>> {
        Ok(self.groups.get(interface).cloned().unwrap_or_default())
    }

    fn transmit(&mut self, frames: &[(u32, Vec<u8>)]) -> BTreeMap<usize, io::Error> {
        self.sent.extend_from_slice(frames);
        BTreeMap::new()
    }

    fn sweep_step(&mut self) -> Swept {
        Swept::default()
    }

    fn reader(&self) -> Reader {
        self.counters.reader()
    }
}
