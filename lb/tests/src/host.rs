//! The hosts of the forwarding core, so that a packet can be given to each: the kernel, user space,
//! and both in turn, as on the path of AF_XDP.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use lb_bpf::region::Regions;
use lb_bpf::user::{Action, UserHost};
use lb_core::compile::{Assignments, Previous, compile};
use lb_core::facts::Facts;
use lb_core::intent::Intent;
use lb_core::plan::plan;
use lb_core::plane::{Limits, Plane};

use crate::case::{Case, Services};
use crate::world::World;

mod afxdp;
mod time;
mod user;
mod xdp;

pub use afxdp::{AfXdp, stand_ins};
pub use user::User;
pub use xdp::{Xdp, clear};

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
    sources: 256,
    route_nodes: 256,
    connections: 4096,
    connections6: 4096,
    affinities: 256,
};

/// A host that is set up for a case and then given frames.
pub trait Host {
    /// # Errors
    /// The tables can't be made.
    fn start(&mut self, case: &Case) -> Result<()>;

    /// Serves other services in the same world from here on.
    ///
    /// # Errors
    /// The tables can't be made.
    fn change(&mut self, case: &Case, services: &Services) -> Result<()>;

    /// Lets ticks pass, and sweeps what has expired.
    ///
    /// # Errors
    /// It wasn't started.
    fn wait(&mut self, ticks: u32) -> Result<()>;

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
pub fn program<P: Plane>(
    plane: &mut P,
    intent: &Intent,
    facts: &Facts,
    assignments: &mut Assignments,
) -> Result<()> {
    let have = plane.read()?;
    let live = plane.connections()?;
    let previous = Previous {
        tables: &have,
        live: &live,
        retiring: &BTreeSet::new(),
        assignments,
    };
    let compiled = compile(intent, facts, &previous, &plane.limits());
    for op in plan(&have, &compiled.tables) {
        plane.apply(&op)?;
    }
    let held = plane.read()?;
    ensure!(
        held == compiled.tables,
        "the plane reads back {held:#?}\ninstead of {:#?}",
        compiled.tables
    );
    *assignments = compiled.assignments;
    Ok(())
}

/// Runs a frame of an interface on the user host, whose interfaces have these indexes.
pub fn on_user(
    host: &mut UserHost,
    world: &World,
    ifindexes: &[u32],
    slot: usize,
    frame: &[u8],
) -> Result<Outcome> {
    let device = world.device_of(slot)?;
    let mut frame = frame.to_vec();
    let verdict = host.forward(&mut frame, ifindexes[device]);
    let fate = match verdict.action {
        Action::Pass => Fate::Pass,
        Action::Drop => Fate::Drop,
        Action::Tx { .. } => Fate::Tx(turned(world, device, &frame)?),
        Action::Redirect { slot } => Fate::Tx(slot as usize),
    };
    Ok(Outcome {
        fate,
        reason: verdict.reason.name,
        frame,
    })
}

/// A host on a copy of memory.
pub fn user_over(regions: &Regions) -> UserHost {
    UserHost::new(regions, 0)
}

/// The interface of a frame that leaves by the device that it came in by.
fn turned(world: &World, device: usize, frame: &[u8]) -> Result<usize> {
    let slot = world.slot_of(device, vlan_of(frame));
    slot.with_context(|| format!("sent back with tags of no interface: {:x}", vlan_of(frame)))
}

/// The ids of a frame's tags: outer << 16 | inner. A priority tag (id 0) is none.
fn vlan_of(frame: &[u8]) -> u32 {
    let word = |at: usize| {
        let bytes = frame.get(at..at + 2)?;
        Some(u32::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    };
    let mut vlan = 0;
    for at in [12, 16] {
        match (word(at), word(at + 2)) {
            (Some(0x8100 | 0x88a8), Some(control)) => vlan = vlan << 16 | control & 0xfff,
            _ => break,
        }
    }
    vlan
}
