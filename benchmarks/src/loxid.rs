//! Ours: a plane of its own instance, with one service, loaded as the daemon loads it.
//!
//! Pins are in a bpffs that only this process sees (see [`hide_mounts`]), so that nothing of
//! them is left when it ends, however it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, anyhow};
use lb_core::addr::{Mac, Prefix};
use lb_core::compile::{Assignments, Previous, compile};
use lb_core::facts::{Facts, Link, Route};
use lb_core::intent::{Document, Intent, Source};
use lb_core::plan::plan;
use lb_core::plane::{Limits, Plane};
use lb_core::service::*;
use lb_core::tables::InterfaceSlot;
use lb_plane::attach::{Asked, Path};
use lb_plane::options::DEFAULT_LIMITS;
use lb_plane::queues::Wanted;
use lb_plane::worker::{WorkerOptions, WorkerPlane};
use lb_plane::{KernelPlane, OpenOptions};
use libbpf_rs::Program;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::plan::CAPACITY;
use crate::topology::*;

const BPFFS: &str = "/sys/fs/bpf";
const RUN_DIR: &str = "/run";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// The addresses on both links, of a family.
struct Sides {
    front: IpAddr,
    back: IpAddr,
    /// Of the links' prefixes.
    bits: u8,
    client: IpAddr,
    /// What is behind it.
    clients: Prefix,
}

pub struct Loxid {
    plane: KernelPlane,
    program: OwnedFd,
    options: OpenOptions,
}

impl Loxid {
    /// Attaches to the balancer's interfaces in the topology's namespace, which is entered.
    pub fn new(mode: Mode, family: Family, topology: &Topology) -> anyhow::Result<Loxid> {
        Loxid::by(Path::Xdp, Asked::Native, mode, family, topology)
    }

    /// The same by another path or mode.
    pub fn by(
        path: Path,
        asked: Asked,
        mode: Mode,
        family: Family,
        topology: &Topology,
    ) -> anyhow::Result<Loxid> {
        let options = options(family);
        let (mut plane, _notes) = KernelPlane::open(&options).context("opening a plane")?;
        let (attachment, _warning) = plane.attach(FRONT, asked, path).context("attaching")?;
        plane.attach(BACK, asked, path).context("attaching")?;
        program_tables(
            &mut plane,
            &intent(mode, family)?,
            &facts(family, topology)?,
        )?;
        let program =
            Program::fd_from_id(attachment.program_id).context("opening the program by its id")?;
        Ok(Loxid {
            plane,
            program,
            options,
        })
    }

    /// A worker of its instance; both interfaces' queues are asked for.
    pub fn worker(&self, topology: &Topology) -> anyhow::Result<WorkerPlane> {
        for (slot, ifindex) in [(0, topology.front), (1, topology.back)] {
            let queues = self.plane.queues();
            queues.want(InterfaceSlot(slot), ifindex, 1, Wanted::SERVE)?;
        }
        let options = WorkerOptions {
            instance: self.options.instance.clone(),
            bpffs: self.options.bpffs.clone(),
            run_dir: self.options.run_dir.clone(),
            replace: false,
        };
        WorkerPlane::open(options).context("opening a worker")
    }

    /// What became of its packets and connections, where anything did.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let totals = self.plane.reader().totals();
        let reasons = totals
            .reasons
            .iter()
            .map(|reason| (reason.name, reason.count));
        let all = reasons.chain(totals.conn_events);
        all.filter(|(_, count)| *count > 0).collect()
    }

    pub fn program(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}

impl Family {
    fn vip(self) -> IpAddr {
        match self {
            Family::V4 => VIP.into(),
            Family::V6 => VIP6.into(),
        }
    }

    fn backends(self) -> Vec<IpAddr> {
        match self {
            Family::V4 => backends().map(IpAddr::from).into(),
            Family::V6 => backends6().map(IpAddr::from).into(),
        }
    }

    fn sides(self) -> Sides {
        match self {
            Family::V4 => Sides {
                front: FRONT_ADDRESS.into(),
                back: BACK_ADDRESS.into(),
                bits: 24,
                client: CLIENT_ADDRESS.into(),
                clients: Prefix::covering(Ipv4Addr::new(10, 64, 0, 0).into(), 14),
            },
            Family::V6 => Sides {
                front: front_side6(1).into(),
                back: back_side6(1).into(),
                bits: 64,
                client: front_side6(2).into(),
                clients: Prefix::covering(CLIENTS6.into(), CLIENTS6_BITS),
            },
        }
    }

    /// Room for connections of this family, and hardly any of the other.
    fn limits(self) -> Limits {
        const HARDLY_ANY: u32 = 1 << 12;
        let (connections, connections6) = match self {
            Family::V4 => (CAPACITY, HARDLY_ANY),
            Family::V6 => (HARDLY_ANY, CAPACITY),
        };
        Limits {
            connections,
            connections6,
            ..DEFAULT_LIMITS
        }
    }
}

/// Gives this process a bpffs and a run directory that nobody else sees. Call it before other
/// threads are made.
pub fn hide_mounts() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("making a mount namespace")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("making mounts private")?;
    for (kind, path) in [("bpf", BPFFS), ("tmpfs", RUN_DIR)] {
        mount(Some(kind), path, Some(kind), MsFlags::empty(), none)
            .with_context(|| format!("mounting {kind} at {path}"))?;
    }
    Ok(())
}

fn options(family: Family) -> OpenOptions {
    static INSTANCES: AtomicU32 = AtomicU32::new(0);
    OpenOptions {
        instance: format!("bench-{}", INSTANCES.fetch_add(1, Ordering::Relaxed)),
        bpffs: BPFFS.into(),
        run_dir: std::path::Path::new(RUN_DIR).join("loxid"),
        limits: family.limits(),
        // A million flows need them; nothing else uses ports here.
        source_ports: 1024..=65535,
        ..OpenOptions::default()
    }
}

fn program_tables(plane: &mut KernelPlane, intent: &Intent, facts: &Facts) -> anyhow::Result<()> {
    let have = plane.read().context("reading the plane")?;
    let previous = Previous {
        tables: &have,
        live: &BTreeMap::new(),
        retiring: &BTreeSet::new(),
        assignments: &Assignments::default(),
    };
    let compiled = compile(intent, facts, &previous, &plane.limits());
    for status in compiled.conditions.values() {
        anyhow::ensure!(
            status.programmed.status,
            "not programmed: {}",
            status.programmed.message
        );
    }
    for op in plan(&have, &compiled.tables) {
        plane
            .apply(&op)
            .with_context(|| format!("applying {op:?}"))?;
    }
    Ok(())
}

fn intent(mode: Mode, family: Family) -> anyhow::Result<Intent> {
    let key = ServiceKey {
        vip: family.vip(),
        ports: Ports::One(port(VIP_PORT)),
        protocol: Protocol::Udp,
    };
    let policy = Policy {
        mode,
        selection: Selection::Maglev(MaglevSize::DEFAULT),
        persist: None,
        no_backend: NoBackend::default(),
        idle: Some(IdleTimeout::new(3600)?),
        last_hop: false,
        mss_clamp: None,
        sources: Sources::default(),
        ..Policy::default()
    };
    // With direct return a backend has the port that the client asked for.
    let port = match mode {
        Mode::Dnat | Mode::Fullnat | Mode::Onearm => Some(port(BACKEND_PORT)),
        Mode::Dsr | Mode::Ipip | Mode::Gue { .. } => None,
    };
    let backends = family
        .backends()
        .into_iter()
        .map(|addr| (Endpoint { addr, port }, Share::default()))
        .collect();
    let service =
        Service::new(key, None, policy, backends).map_err(|errors| anyhow!("{errors:?}"))?;
    let document = Document::new(vec![service]).map_err(|errors| anyhow!("{errors:?}"))?;
    Ok(Intent {
        documents: BTreeMap::from([(Source::Api, document)]),
    })
}

/// The topology, as netlink would tell it.
fn facts(family: Family, topology: &Topology) -> anyhow::Result<Facts> {
    let sides = family.sides();
    let mut facts = Facts::default();
    for (slot, (ifindex, name, mac, address)) in [
        (topology.front, FRONT, FRONT_MAC, sides.front),
        (topology.back, BACK, BACK_MAC, sides.back),
    ]
    .into_iter()
    .enumerate()
    {
        facts.links.insert(
            InterfaceSlot(slot as u8),
            Link {
                name: name.into(),
                ifindex,
                device: ifindex,
                vlan: None,
                mac: Mac(mac),
                mtu: MTU,
                attached: true,
                addresses: BTreeSet::from([(address, sides.bits)]),
            },
        );
        facts.own.insert(address);
        facts.routes.insert(Route {
            prefix: Prefix::covering(address, sides.bits),
            ifindex,
            gateway: None,
        });
    }
    facts.routes.insert(Route {
        prefix: sides.clients,
        ifindex: topology.front,
        gateway: Some(sides.client),
    });
    facts
        .neighbours
        .insert((topology.front, sides.client), Mac(CLIENT_MAC));
    for backend in family.backends() {
        facts
            .neighbours
            .insert((topology.back, backend), Mac(BACKEND_MAC));
    }
    Ok(facts)
}

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("ports of the topology are not 0")
}
