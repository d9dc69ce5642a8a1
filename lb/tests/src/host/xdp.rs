//! The XDP program, by BPF_PROG_TEST_RUN, in a network namespace with the case's devices.

use anyhow::{Context, Result, bail, ensure};
use lb_bpf::region::{Region, Regions};
use lb_core::compile::Assignments;
use lb_plane::attach::{Asked, Path};
use lb_plane::{KernelPlane, OpenOptions, TunnelSources};

use super::{Fate, Host, LIMITS, Outcome, program, time, turned, vlan_of};
use crate::case::{Case, Services, intent};
use crate::namespace::Namespace;
use crate::unique;
use crate::world::{Interface, World};

/// The calling thread is in the namespace afterwards, and on one CPU.
pub struct Xdp {
    pub plane: KernelPlane,
    /// By slot. A VLAN's is one that no device has.
    pub ifindexes: Vec<u32>,
    pub world: World,
    made_for: Shape,
    /// Of devices, in the order of their slots.
    devices: Vec<u32>,
    assignments: Assignments,
    _pins: unique::Pins,
    _run: tempfile::TempDir,
    _namespace: Namespace,
}

/// What of a case can't change while a program is loaded.
#[derive(PartialEq)]
struct Shape {
    devices: Vec<(String, [u8; 6])>,
    source_ports: Option<std::ops::RangeInclusive<u16>>,
    tunnel_sources: TunnelSources,
}

impl Shape {
    fn of(case: &Case) -> Self {
        let device = |slot: usize| {
            let interface = &case.world.interfaces[slot];
            (interface.name.clone(), interface.mac)
        };
        Shape {
            devices: case.world.devices().into_iter().map(device).collect(),
            source_ports: case.source_ports.clone(),
            tunnel_sources: case.world.tunnel_sources,
        }
    }
}

impl Xdp {
    /// # Errors
    /// The namespace, the links or the program can't be made.
    pub fn new(case: &Case) -> Result<Self> {
        Self::asking(case, 0)
    }

    /// The same with reasons for which user space is asked: a bit each.
    ///
    /// # Errors
    /// The namespace, the links or the program can't be made.
    pub fn asking(case: &Case, ask: u64) -> Result<Self> {
        let namespace = Namespace::new("xdp")?;
        namespace.enter()?;
        let cpu = nix::unistd::Pid::from_raw(0);
        let mut cpus = nix::sched::CpuSet::new();
        cpus.set(0)?;
        nix::sched::sched_setaffinity(cpu, &cpus)?;
        let devices = case.world.devices();
        for slot in &devices {
            links(&namespace, &case.world.interfaces[*slot])?;
        }
        let run = tempfile::tempdir()?;
        let pins = unique::Pins::new("xdp");
        let mut options = OpenOptions {
            instance: pins.instance().to_owned(),
            run_dir: run.path().to_owned(),
            limits: LIMITS,
            tunnel_sources: case.world.tunnel_sources,
            ask,
            ..OpenOptions::default()
        };
        if let Some(ports) = &case.source_ports {
            options.source_ports = ports.clone();
        }
        let (mut plane, _) = KernelPlane::open(&options)?;
        let mut indexes = Vec::new();
        for slot in devices {
            // A veth without NAPI has no receive queue that a test run could name.
            let name = &case.world.interfaces[slot].name;
            let (attachment, _) = plane.attach(name, Asked::Native, Path::Xdp)?;
            indexes.push(attachment.ifindex);
        }
        Ok(Xdp {
            plane,
            ifindexes: Vec::new(),
            world: World::default(),
            made_for: Shape::of(case),
            devices: indexes,
            assignments: Assignments::default(),
            _pins: pins,
            _run: run,
            _namespace: namespace,
        })
    }

    /// Can it run this case, too?
    pub fn fits(&self, case: &Case) -> bool {
        self.made_for == Shape::of(case)
    }

    fn serve(&mut self, services: &Services) -> Result<()> {
        let facts = self.world.facts(&self.ifindexes)?;
        let intent = intent(services)?;
        program(&mut self.plane, &intent, &facts, &mut self.assignments)
    }

    /// Packets so far, by reason.
    pub(super) fn reasons(&self) -> Vec<u64> {
        self.plane
            .reader()
            .totals()
            .reasons
            .iter()
            .map(|reason| reason.count)
            .collect()
    }

    /// The reason of a frame that was given to the host, as counted.
    pub(super) fn reason_since(&self, before: &[u64]) -> Result<&'static str> {
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

    /// The interface that a frame was redirected to.
    fn redirected(&self, frame: &[u8]) -> Result<usize> {
        let source = frame.get(6..12).context("no link header")?;
        let is = |known: &Interface| known.mac == source && known.vlan_ids() == vlan_of(frame);
        let found = self.world.interfaces.iter().position(is);
        found.context("redirected with the source MAC and the tags of no interface")
    }
}

fn links(namespace: &Namespace, interface: &Interface) -> Result<()> {
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
        self.world = case.world.clone();
        let mut devices = self.devices.iter().copied();
        let index = |(slot, interface): (u32, &Interface)| match interface.vlan {
            None => devices.next().context("made for fewer devices"),
            Some(_) => Ok(1_000_000 + slot),
        };
        self.ifindexes = (0..)
            .zip(&self.world.interfaces)
            .map(index)
            .collect::<Result<_>>()?;
        self.assignments = Assignments::default();
        self.serve(&case.services)
    }

    fn change(&mut self, _: &Case, services: &Services) -> Result<()> {
        self.serve(services)
    }

    fn wait(&mut self, ticks: u32) -> Result<()> {
        time::pass(self.plane.regions(), ticks);
        Ok(())
    }

    fn run(&mut self, slot: usize, frame: &[u8]) -> Result<Outcome> {
        let before = self.reasons();
        let device = self.world.device_of(slot)?;
        let ran = self
            .plane
            .test_run(Path::Xdp, frame, self.ifindexes[device])
            .context("BPF_PROG_TEST_RUN")?;
        let reason = self.reason_since(&before)?;
        let fate = match ran.action {
            1 => Fate::Drop,
            2 => Fate::Pass,
            3 => Fate::Tx(turned(&self.world, device, &ran.frame)?),
            4 => Fate::Tx(self.redirected(&ran.frame)?),
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
