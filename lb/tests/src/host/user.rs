//! The core compiled natively, on plain memory.

use anyhow::{Context, Result};
use lb_bpf::user::UserHost;
use lb_core::compile::Assignments;
use lb_plane::{RegionPlane, for_memory};

use super::{Host, LIMITS, Outcome, on_user, program, time, user_over};
use crate::case::{Case, Services, intent};
use crate::world::World;

#[derive(Default)]
pub struct User {
    running: Option<Running>,
}

struct Running {
    plane: RegionPlane,
    host: UserHost,
    world: World,
    ifindexes: Vec<u32>,
    assignments: Assignments,
}

const IFINDEX: u32 = 10;

impl User {
    fn running(&mut self) -> Result<&mut Running> {
        self.running.as_mut().context("not started")
    }
}

impl Running {
    fn serve(&mut self, services: &Services) -> Result<()> {
        let facts = self.world.facts(&self.ifindexes)?;
        let intent = intent(services)?;
        program(&mut self.plane, &intent, &facts, &mut self.assignments)
    }
}

impl Host for User {
    fn start(&mut self, case: &Case) -> Result<()> {
        let mut config = for_memory(&LIMITS, 3)?;
        if let Some(ports) = &case.source_ports {
            config.source_port_first = *ports.start();
            config.source_port_last = *ports.end();
        }
        lb_plane::set_tunnel_sources(&mut config, &case.world.tunnel_sources)?;
        let plane = RegionPlane::in_memory(&config);
        let host = user_over(plane.regions());
        let mut running = Running {
            plane,
            host,
            world: case.world.clone(),
            ifindexes: (IFINDEX..).take(case.world.interfaces.len()).collect(),
            assignments: Assignments::default(),
        };
        running.serve(&case.services)?;
        self.running = Some(running);
        Ok(())
    }

    fn change(&mut self, _: &Case, services: &Services) -> Result<()> {
        self.running()?.serve(services)
    }

    fn wait(&mut self, ticks: u32) -> Result<()> {
        time::pass(self.running()?.plane.regions(), ticks);
        Ok(())
    }

    fn run(&mut self, slot: usize, frame: &[u8]) -> Result<Outcome> {
        let running = self.running()?;
        on_user(
            &mut running.host,
            &running.world,
            &running.ifindexes,
            slot,
            frame,
        )
    }

    fn shortest(&self) -> usize {
        0
    }
}
