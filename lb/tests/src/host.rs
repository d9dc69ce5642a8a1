//! The two hosts of the forwarding core, so that a packet can be given to either.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use lb_bpf::region::{Region, Regions};
use lb_bpf::user::{Action, UserHost};
use lb_core::compile::{Assignments, Previous, compile};
use lb_core::facts::Facts;
use lb_core::intent::Intent;
use lb_core::plan::plan;
use lb_core::plane::{Limits, Plane};
use lb_core::tables::Tables;
use lb_plane::attach::Asked;
use lb_plane::{KernelPlane, OpenOptions, RegionPlane, for_memory};

use crate::case::Case;
use crate::topology::Namespace;
use crate::unique;
use crate::world::World;

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub fate: Fate,
    pub reason: &'static str,
    pub frame: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Pass,
    Drop,
    /// Out of the interface of this slot.
    Tx(usize),
}

/// Small tables, so that they are compared and copied whole in no time.
pub const LIMITS: Limits = Limits {
    services: 64,
    backends: 64,
    hops: 16,
    vips: 64,
    slot_words: 4096,
    members: 256,
    route_nodes: 64,
    connections: 4096,
};

/// A host that is set up for a case and then given frames.
pub trait Host {
    /// # Errors
    /// The tables can't be made.
    fn start(&mut self, case: &Case) -> Result<()>;

    /// # Errors
    /// The frame can't be given to the host.
    fn run(&mut self, slot: usize, frame: &[u8]) -> Result<Outcome>;

    /// The shortest frame that the host takes.
    fn shortest(&self) -> usize;
}

/// Brings a plane to the tables of an intent, and checks that it reads back what it was told.
///
/// # Errors
/// An op fails, or the plane reads back something else.
pub fn program<P: Plane>(plane: &mut P, intent: &Intent, facts: &Facts) -> Result<Tables> {
    let have = plane.read()?;
    let previous = Previous {
        tables: &have,
        live: &BTreeMap::new(),
        retiring: &BTreeSet::new(),
        assignments: &Assignments::default(),
    };
    let compiled = compile(intent, facts, &previous, &plane.limits());
    for op in plan(&have, &compiled.tables) {
        plane.apply(&op)?;
    }
    ensure!(
        plane.read()? == compiled.tables,
        "the plane reads back other tables than it was given"
    );
    Ok(compiled.tables)
}

/// The core compiled natively, on plain memory.
#[derive(Default)]
pub struct User {
    host: Option<UserHost>,
}

impl User {
    const IFINDEX: u32 = 10;

    /// A host on a copy of memory, with the interfaces' indexes as they are there.
    pub fn over(regions: &Regions) -> UserHost {
        UserHost::new(regions, 0)
    }
}

impl Host for User {
    fn start(&mut self, case: &Case) -> Result<()> {
        let mut config = for_memory(&LIMITS, 3)?;
        if let Some(ports) = &case.source_ports {
            config.source_port_first = *ports.start();
            config.source_port_last = *ports.end();
        }
        let mut plane = RegionPlane::in_memory(&config);
        let ifindexes: Vec<u32> = (User::IFINDEX..)
            .take(case.world.interfaces.len())
            .collect();
        program(&mut plane, &case.intent(), &case.world.facts(&ifindexes)?)?;
        self.host = Some(User::over(plane.regions()));
        Ok(())
    }

    fn run(&mut self, slot: usize, frame: &[u8]) -> Result<Outcome> {
        let host = self.host.as_mut().context("not started")?;
        let mut frame = frame.to_vec();
        let verdict = host.forward(&mut frame, User::IFINDEX + slot as u32);
        let fate = match verdict.action {
            Action::Pass => Fate::Pass,
            Action::Drop => Fate::Drop,
            // The core does not fill in a slot when it turns a frame around.
            Action::Tx { .. } => Fate::Tx(slot),
            Action::Redirect { slot } => Fate::Tx(slot as usize),
        };
        Ok(Outcome {
            fate,
            reason: verdict.reason.name,
            frame,
        })
    }

    fn shortest(&self) -> usize {
        0
    }
}

/// The XDP program, by BPF_PROG_TEST_RUN, in a network namespace with the case's interfaces.
/// The calling thread is in that namespace afterwards, and on one CPU.
pub struct Xdp {
    pub plane: KernelPlane,
    pub ifindexes: Vec<u32>,
    macs: Vec<[u8; 6]>,
    case_ports: Option<std::ops::RangeInclusive<u16>>,
    _pins: unique::Pins,
    _run: tempfile::TempDir,
    _namespace: Namespace,
}

impl Xdp {
    /// # Errors
    /// The namespace, the links or the program can't be made.
    pub fn new(case: &Case) -> Result<Self> {
        let namespace = Namespace::new("xdp")?;
        namespace.enter()?;
        let cpu = nix::unistd::Pid::from_raw(0);
        let mut cpus = nix::sched::CpuSet::new();
        cpus.set(0)?;
        nix::sched::sched_setaffinity(cpu, &cpus)?;
        for interface in &case.world.interfaces {
            links(&namespace, interface)?;
        }
        let run = tempfile::tempdir()?;
        let pins = unique::Pins::new("xdp");
        let mut options = OpenOptions {
            instance: pins.instance().to_owned(),
            run_dir: run.path().to_owned(),
            limits: LIMITS,
            ..OpenOptions::default()
        };
        if let Some(ports) = &case.source_ports {
            options.source_ports = ports.clone();
        }
        let (mut plane, _) = KernelPlane::open(&options)?;
        let mut ifindexes = Vec::new();
        for interface in &case.world.interfaces {
            // A veth without NAPI has no receive queue that a test run could name.
            let (attachment, _) = plane.attach(&interface.name, Asked::Native)?;
            ifindexes.push(attachment.ifindex);
        }
        let macs = case
            .world
            .interfaces
            .iter()
            .map(|interface| interface.mac)
            .collect();
        Ok(Xdp {
            plane,
            ifindexes,
            macs,
            case_ports: case.source_ports.clone(),
            _pins: pins,
            _run: run,
            _namespace: namespace,
        })
    }

    /// Can it run this case, too?
    pub fn fits(&self, case: &Case) -> bool {
        let macs = case.world.interfaces.iter().map(|interface| interface.mac);
        self.case_ports == case.source_ports && macs.eq(self.macs.iter().copied())
    }

    /// Packets so far, by reason.
    fn reasons(&self) -> Vec<u64> {
        self.plane
            .reader()
            .totals()
            .reasons
            .iter()
            .map(|reason| reason.count)
            .collect()
    }

    /// The reason of a frame that was given to the host, as counted.
    fn reason_since(&self, before: &[u64]) -> Result<&'static str> {
        let after = self.plane.reader().totals().reasons;
        let mut counted = after
            .iter()
            .zip(before)
            .filter(|(after, before)| after.count != **before);
        let (reason, before) = counted.next().context("the packet was not counted")?;
        ensure!(
            reason.count == before + 1,
            "{} counted more than once",
            reason.name
        );
        ensure!(
            counted.next().is_none(),
            "one packet was counted with two reasons"
        );
        Ok(reason.name)
    }
}

fn links(namespace: &Namespace, interface: &crate::world::Interface) -> Result<()> {
    let name = &interface.name;
    let hardware = lb_core::addr::Mac(interface.mac).to_string();
    let peer = format!("{name}p");
    namespace.ip(&format!(
        "link add {name} address {hardware} type veth peer name {peer}"
    ))?;
    namespace.ip(&format!("link set {name} up"))?;
    namespace.ip(&format!("link set {peer} up"))?;
    Ok(())
}

/// Zeroes all state, as if it had just been made.
pub fn clear(regions: &Regions) {
    for region in Region::ALL {
        for index in 0..regions.len(region) {
            regions.zero(region, index);
        }
    }
}

impl Host for Xdp {
    fn start(&mut self, case: &Case) -> Result<()> {
        clear(self.plane.regions());
        let facts = case.world.facts(&self.ifindexes)?;
        program(&mut self.plane, &case.intent(), &facts)?;
        Ok(())
    }

    fn run(&mut self, slot: usize, frame: &[u8]) -> Result<Outcome> {
        let before = self.reasons();
        let ran = self
            .plane
            .test_run(frame, self.ifindexes[slot])
            .context("BPF_PROG_TEST_RUN")?;
        let reason = self.reason_since(&before)?;
        let fate = match ran.action {
            1 => Fate::Drop,
            2 => Fate::Pass,
            3 => Fate::Tx(slot),
            4 => {
                let out = self
                    .macs
                    .iter()
                    .position(|mac| ran.frame.get(6..12) == Some(mac));
                Fate::Tx(out.context("redirected with the source MAC of no interface")?)
            }
            other => bail!("the program returned {other}"),
        };
        Ok(Outcome {
            fate,
            reason,
            frame: ran.frame,
        })
    }

    fn shortest(&self) -> usize {
        14
    }
}

/// The interfaces of a world by slot.
pub fn names(world: &World) -> Vec<&str> {
    world
        .interfaces
        .iter()
        .map(|interface| interface.name.as_str())
        .collect()
}
