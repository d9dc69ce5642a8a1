//! The paths that an interface may be on, over real links.
//!
//! ```text
//!  core A: injects frames at the far end of `front`; softirq: receives them on `front`,
//!          and (XDP, kernel) forwards them
//!  core B: (AF_XDP) the worker, and softirq of what it sends by `back`
//! ```
//! Unlike in `wire` frames cross a link, since only received ones get to an AF_XDP socket or to
//! XDP's generic mode. So the figures stand beside each other, and not beside those of `wire`.

mod anatomy;
mod worker;

use std::any::Any;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use lb_core::service::Mode;
use lb_plane::attach::{Asked, Path};
use libbpf_rs::{Link, Object};

use crate::injector::{CHUNK, Injector, Order};
use crate::loxid::{Family, Loxid};
use crate::median::median;
use crate::nft;
use crate::plan::Plan;
use crate::reference::{Bound, Reference};
use crate::sink::Sink;
use crate::topology::run as run_command;
use crate::topology::*;
use worker::{Limit, Worker};

const FLOWS: u64 = 1 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Limit,
    AfXdp,
    Native,
    Generic,
    Kernel,
    Nft,
}

impl Kind {
    const ALL: [Kind; 6] = [
        Kind::Limit,
        Kind::AfXdp,
        Kind::Native,
        Kind::Generic,
        Kind::Kernel,
        Kind::Nft,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::Limit => "afxdp-limit",
            Kind::AfXdp => "afxdp",
            Kind::Native => "xdp native",
            Kind::Generic => "xdp generic",
            Kind::Kernel => "kernel",
            Kind::Nft => "nft",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Kind::Limit => "AF_XDP by a bare loop of xsk-rs: rewrites MAC addresses, nothing else",
            Kind::AfXdp => "loxid dnat by the worker, behind the redirector",
            Kind::Native => "loxid dnat by XDP, native mode",
            Kind::Generic => "loxid dnat by XDP, generic mode; its flows are unanswered",
            Kind::Kernel => "the kernel's forwarding without NAT",
            Kind::Nft => "nftables DNAT",
        }
    }
}

struct Entrant {
    kind: Kind,
    injector: Injector,
    sink: Sink,
    /// What forwards, as long as it is kept.
    _forwarder: Box<dyn Any>,
    _bounce: Reference,
    topology: Topology,
    mpps: Vec<f64>,
}

/// # Errors
/// Something can't be made or measured.
pub fn run(plan: &Plan) -> anyhow::Result<()> {
    let other_core = usize::from(plan.core == 0);
    let mut entrants = Vec::new();
    for kind in Kind::ALL {
        eprint!("\rpaths: preparing {:12}", kind.name());
        entrants.push(Entrant::new(kind, other_core).with_context(|| kind.name())?);
    }
    for round in 0..plan.rounds {
        eprint!("\rpaths: round {}/{}          ", round + 1, plan.rounds);
        for turn in 0..entrants.len() {
            let number = (round + turn) % entrants.len();
            entrants[number].measure(plan.seconds)?;
        }
    }
    eprintln!();
    println!(
        "\n{FLOWS} flows over real links, median of {} rounds\n",
        plan.rounds
    );
    println!("| path | Mpps | of afxdp-limit | of nft | |\n|---|---|---|---|---|");
    for entrant in &entrants {
        println!(
            "| {} | {:.3} | {:.2} | {:.2} | {} |",
            entrant.kind.name(),
            median(&entrant.mpps),
            ratio(entrant, &entrants[0]),
            ratio(entrant, &entrants[entrants.len() - 1]),
            entrant.kind.meaning()
        );
    }
    drop(entrants);
    anatomy::run(plan, other_core)
}

/// The median of ratios within a round.
fn ratio(one: &Entrant, other: &Entrant) -> f64 {
    let pairs = one.mpps.iter().zip(&other.mpps);
    median(&pairs.map(|(one, other)| one / other).collect::<Vec<_>>())
}

impl Entrant {
    fn new(kind: Kind, other_core: usize) -> anyhow::Result<Entrant> {
        let topology = Topology::new()?;
        let sink = Sink::new(&topology)?;
        let loxid = |path, asked| Loxid::by(path, asked, Mode::Dnat, Family::V4, &topology);
        let forwarder: Box<dyn Any> = match kind {
            Kind::Limit => Box::new(Limit::start(other_core)?),
            Kind::AfXdp => {
                let loxid = loxid(Path::AfXdp, Asked::Native)?;
                Box::new(Worker::start(loxid, &topology, other_core)?)
            }
            Kind::Native => Box::new(loxid(Path::Xdp, Asked::Native)?),
            Kind::Generic => {
                // Without a native program a veth takes frames of XDP only where it does GRO.
                for interface in [FRONT, BACK] {
                    run_command("ethtool", &["-K", interface, "gro", "on"], "")?;
                }
                Box::new(loxid(Path::Xdp, Asked::Generic)?)
            }
            Kind::Kernel => Box::new(stack(&topology)?),
            Kind::Nft => {
                nft::load()?;
                Box::new(stack(&topology)?)
            }
        };
        let destination = match kind {
            Kind::Kernel => (ELSEWHERE, BACKEND_PORT).into(),
            _ => (VIP, VIP_PORT).into(),
        };
        // Its map takes indices of the balancer's namespace.
        let bounce = Reference::bound(Bound::Bounce, &topology)?;
        topology.enter_clients()?;
        let injector = Injector::new(topology.front_peer, destination, FLOWS)?;
        injector.set_contestant(bounce.program())?;
        let mut entrant = Entrant {
            kind,
            injector,
            sink,
            _forwarder: forwarder,
            _bounce: bounce,
            topology,
            mpps: Vec::new(),
        };
        entrant.warm()?;
        Ok(entrant)
    }

    /// Every flow is answered, and the answer comes back to the client, where that is kept.
    fn warm(&mut self) -> anyhow::Result<()> {
        const TURNS: u64 = 4;
        self.sink.answer(true)?;
        self.injector.set_order(Order::Established);
        self.topology.enter_clients()?;
        let before = self.sink.arrived()?;
        self.injector.inject(TURNS * CHUNK)?;
        self.settle()?;
        let after = self.sink.arrived()?;
        self.sink.answer(false)?;
        self.injector.set_order(Order::Measured);
        ensure!(after.back > before.back, "nothing arrives at the backends");
        // What a far end bounces does not get to a generic program over a veth: its flows stay
        // unanswered, and so unconfirmed, which the row says.
        let is_kept = !matches!(self.kind, Kind::Limit | Kind::Kernel | Kind::Generic);
        ensure!(
            !is_kept || after.front > before.front,
            "no answer arrives at the clients"
        );
        Ok(())
    }

    /// Packets that arrive a second, while as many are sent as one core can.
    fn measure(&mut self, seconds: f64) -> anyhow::Result<()> {
        self.topology.enter_clients()?;
        self.injector.inject(CHUNK)?;
        self.settle()?;
        let (mut arrived, start) = (self.sink.arrived()?.back, Instant::now());
        while start.elapsed().as_secs_f64() < seconds {
            self.injector.inject(4 * CHUNK)?;
        }
        let took = start.elapsed();
        arrived = self.sink.arrived()?.back - arrived;
        self.mpps.push(arrived as f64 / took.as_secs_f64() / 1e6);
        self.settle()
    }

    /// Waits until nothing arrives any more.
    fn settle(&self) -> anyhow::Result<()> {
        loop {
            let before = self.sink.arrived()?;
            std::thread::sleep(Duration::from_millis(10));
            if self.sink.arrived()? == before {
                return Ok(());
            }
        }
    }
}

/// The kernel's stack takes frames of a link as an XDP program on it leaves them.
fn stack(topology: &Topology) -> anyhow::Result<[(Object, Link); 2]> {
    topology.enter_balancer()?;
    Ok([
        Reference::passing(topology.front)?,
        Reference::passing(topology.back)?,
    ])
}
