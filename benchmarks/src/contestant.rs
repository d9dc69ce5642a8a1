//! Who forwards: each in its own copy of the topology, so that none meets another's rules.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use anyhow::{Context, ensure};
use lb_core::service::Mode;
use libbpf_rs::Link;

use crate::injector::{Injector, Order, packets_of};
use crate::kind::Kind;
use crate::loxid::{Family, Loxid};
use crate::nft;
use crate::plan::{CAPACITY, Traffic};
use crate::reference::{Bound, Reference};
use crate::sink::Sink;
use crate::topology::{BACKEND_PORT, ELSEWHERE, Topology, VIP, VIP_PORT, VIP6};

pub struct Contestant {
    pub kind: Kind,
    injector: Injector,
    sink: Sink,
    topology: Topology,
    _receivers: Vec<Link>,
    forwarder: Forwarder,
}

/// Of a UDP flow whose replies are not seen; one more than ours asks for.
const PACKETS_THAT_CONFIRM: u64 = 4;

/// One round's result.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Packets that arrived, a microsecond.
    pub mpps: f64,
    /// Of the packets sent, how many arrived.
    pub delivered: f64,
}

impl Contestant {
    /// Builds it, and brings its table into the state that the traffic is to meet.
    pub fn new(kind: Kind, traffic: Traffic) -> anyhow::Result<Contestant> {
        // Plain forwarding knows no VIP.
        let destination = match kind {
            Kind::Kernel => (ELSEWHERE, BACKEND_PORT).into(),
            Kind::Dnat6 => (VIP6, VIP_PORT).into(),
            _ => (VIP, VIP_PORT).into(),
        };
        let mut contestant = Contestant::build(kind, destination, traffic.flows())?;
        contestant.warm(traffic)?;
        Ok(contestant)
    }

    /// A contestant whose packets are addressed to no service.
    pub fn of_no_service(kind: Kind, flows: u64) -> anyhow::Result<Contestant> {
        Contestant::build(kind, (ELSEWHERE, BACKEND_PORT).into(), flows)
    }

    /// Sends chunks of packets, and says how fast they arrived.
    pub fn measure(&mut self, chunks: u64) -> anyhow::Result<Sample> {
        self.topology.enter_balancer()?;
        let before = self.sink.arrived()?.back;
        let per_packet = self.injector.time_live(chunks)?;
        let arrived = self.sink.arrived()?.back - before;
        let delivered = arrived as f64 / packets_of(chunks) as f64;
        Ok(Sample {
            mpps: 1000.0 / per_packet * delivered,
            delivered,
        })
    }

    /// What ours counted since it was built; the others don't say.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        match &self.forwarder {
            Forwarder::Loxid(loxid) => loxid.counters(),
            Forwarder::Reference(_) | Forwarder::Stack => BTreeMap::new(),
        }
    }

    /// Nanoseconds a packet of its program alone.
    pub fn measure_program(&mut self, chunks: u64) -> anyhow::Result<f64> {
        self.topology.enter_balancer()?;
        self.injector.time_program(chunks)
    }

    fn build(kind: Kind, destination: SocketAddr, flows: u64) -> anyhow::Result<Contestant> {
        let topology = Topology::new()?;
        let sink = Sink::new(&topology)?;
        let injector = Injector::new(topology.front, destination, flows)?;
        let forwarder = Forwarder::new(kind, &topology)?;
        if let Some(program) = forwarder.program() {
            injector.set_contestant(program)?;
        }
        let receivers = match &forwarder {
            Forwarder::Loxid(_) => Vec::new(),
            _ => attach_receivers(&injector, &topology)?,
        };
        Ok(Contestant {
            kind,
            injector,
            sink,
            topology,
            _receivers: receivers,
            forwarder,
        })
    }

    fn warm(&mut self, traffic: Traffic) -> anyhow::Result<()> {
        match traffic {
            Traffic::Established(flows) if self.kind.keeps_connections() => self.establish(flows),
            Traffic::Established(flows) if self.kind.is_one_sided() => self.confirm(flows),
            Traffic::Established(flows) => self.injector.inject(flows).map(drop),
            // Half as much again as fits.
            Traffic::NewFull if self.kind.evicts() => {
                self.injector.inject(u64::from(CAPACITY) * 3 / 2).map(drop)
            }
            Traffic::NewFull | Traffic::NewRoom => Ok(()),
        }
    }

    /// No reply passes: as many packets of each flow as confirm it.
    fn confirm(&mut self, flows: u64) -> anyhow::Result<()> {
        self.injector.set_order(Order::Established);
        self.injector.inject(flows * PACKETS_THAT_CONFIRM)?;
        self.injector.set_order(Order::Measured);
        Ok(())
    }

    /// Each flow sees a reply: the backends answer, and the answers pass the contestant.
    fn establish(&mut self, flows: u64) -> anyhow::Result<()> {
        self.sink.answer(true)?;
        self.injector.set_order(Order::Established);
        self.injector.inject(flows)?;
        let before = self.sink.arrived()?.front;
        let injected = self.injector.inject(flows)?;
        let replies = self.sink.arrived()?.front - before;
        self.injector.set_order(Order::Measured);
        self.sink.answer(false)?;
        ensure!(
            replies as f64 >= injected as f64 * 0.99,
            "{}: of {injected} packets {replies} were answered",
            self.kind.name()
        );
        Ok(())
    }
}

/// What does a contestant's work. It goes when this is dropped.
enum Forwarder {
    Reference(Reference),
    Loxid(Box<Loxid>),
    Stack,
}

impl Forwarder {
    fn new(kind: Kind, topology: &Topology) -> anyhow::Result<Forwarder> {
        let bound = |bound| Reference::bound(bound, topology).map(Forwarder::Reference);
        let ours = |mode, family| {
            Loxid::new(mode, family, topology).map(|loxid| Forwarder::Loxid(Box::new(loxid)))
        };
        match kind {
            Kind::Limit => bound(Bound::Limit),
            Kind::ColdChain => bound(Bound::ColdChain),
            Kind::ColdBoth => bound(Bound::ColdBoth),
            Kind::Empty => bound(Bound::Empty),
            Kind::Lru => Reference::lru(topology).map(Forwarder::Reference),
            Kind::LruIpip => Reference::lru_ipip(topology).map(Forwarder::Reference),
            Kind::Dnat => ours(Mode::Dnat, Family::V4),
            Kind::Dnat6 => ours(Mode::Dnat, Family::V6),
            Kind::Fullnat => ours(Mode::Fullnat, Family::V4),
            Kind::Dsr => ours(Mode::Dsr, Family::V4),
            Kind::Ipip => ours(Mode::Ipip, Family::V4),
            Kind::Kernel => Ok(Forwarder::Stack),
            Kind::Nft => nft::load().map(|()| Forwarder::Stack),
        }
    }

    fn program(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Forwarder::Reference(reference) => Some(reference.program()),
            Forwarder::Loxid(loxid) => Some(loxid.program()),
            Forwarder::Stack => None,
        }
    }
}

/// Frames are taken as received only where an XDP program is attached; and what the backends
/// answer must meet the contestant.
fn attach_receivers(injector: &Injector, topology: &Topology) -> anyhow::Result<Vec<Link>> {
    let receiver = injector.receiver()?;
    let attach = |ifindex: u32| receiver.attach_xdp(ifindex as i32);
    [topology.front, topology.back]
        .into_iter()
        .map(|ifindex| attach(ifindex).context("attaching to the balancer's interfaces"))
        .collect()
}
