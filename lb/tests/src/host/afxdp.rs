//! The path of AF_XDP without the sockets between: the redirector, by BPF_PROG_TEST_RUN, and for
//! what it asks a worker about the core in user space, on the same pinned memory.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail, ensure};
use lb_bpf::abi;
use lb_bpf::user::UserHost;
use lb_core::tables::InterfaceSlot;
use lb_plane::attach::Path;
use lb_plane::slots::{CpuSlots, WorkerSet};

use super::{Fate, Host, Outcome, Xdp, on_user};
use crate::case::{Case, Services};

/// What the redirector can't know, or would have to look up a second time: the worker passes it.
const MAY_PASS: [&str; 2] = ["fragment_unknown", "no_backend_pass"];

pub struct AfXdp {
    xdp: Xdp,
    worker: UserHost,
    /// Where workers' sockets would be. They are in the kernel's map as long as they are open.
    _sockets: Vec<OwnedFd>,
}

impl AfXdp {
    /// # Errors
    /// The namespace, the links, the programs or the sockets can't be made.
    pub fn new(case: &Case) -> Result<Self> {
        let xdp = Xdp::new(case)?;
        let sockets = stand_ins(&xdp)?;
        let regions = xdp.plane.regions();
        let slot = CpuSlots::of(regions.config()).worker(WorkerSet::ALL[0], 0);
        let worker = UserHost::new(regions, slot.context("a worker has a thread at least")?);
        Ok(AfXdp {
            xdp,
            worker,
            _sockets: sockets,
        })
    }

    /// Can it run this case, too?
    pub fn fits(&self, case: &Case) -> bool {
        self.xdp.fits(case)
    }
}

/// A socket at the queue of a test run, of every interface there may be.
///
/// # Errors
/// The kernel has no AF_XDP.
pub fn stand_ins(xdp: &Xdp) -> Result<Vec<OwnedFd>> {
    (0..abi::LB_MAX_INTERFACES as u8)
        .map(|slot| Ok(xdp.plane.stand_in(InterfaceSlot(slot), 0)?))
        .collect()
}

impl Host for AfXdp {
    fn start(&mut self, case: &Case) -> Result<()> {
        self.xdp.start(case)
    }

    fn change(&mut self, case: &Case, services: &Services) -> Result<()> {
        self.xdp.change(case, services)
    }

    fn wait(&mut self, ticks: u32) -> Result<()> {
        self.xdp.wait(ticks)
    }

    fn run(&mut self, slot: usize, frame: &[u8]) -> Result<Outcome> {
        let before = self.xdp.reasons();
        let device = self.xdp.world.device_of(slot)?;
        let ifindex = self.xdp.ifindexes[device];
        let ran = self
            .xdp
            .plane
            .test_run(Path::AfXdp, frame, ifindex)
            .context("BPF_PROG_TEST_RUN")?;
        ensure!(ran.frame == frame, "the redirector changed the frame");
        match ran.action {
            2 => Ok(Outcome {
                fate: Fate::Pass,
                reason: self.xdp.reason_since(&before)?,
                frame: ran.frame,
            }),
            4 => {
                ensure!(
                    self.xdp.reasons() == before,
                    "what a worker is asked about is counted by it alone"
                );
                let (world, ifindexes) = (&self.xdp.world, &self.xdp.ifindexes);
                let outcome = on_user(&mut self.worker, world, ifindexes, slot, frame)?;
                ensure!(self.xdp.reason_since(&before)? == outcome.reason);
                ensure!(
                    outcome.fate != Fate::Pass || MAY_PASS.contains(&outcome.reason),
                    "the worker passes for {} what the redirector should have",
                    outcome.reason
                );
                Ok(outcome)
            }
            other => bail!("the redirector returned {other}"),
        }
    }

    fn shortest(&self) -> usize {
        self.xdp.shortest()
    }
}
