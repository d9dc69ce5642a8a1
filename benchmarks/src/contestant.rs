//! Who forwards: each in its own copy of the topology, so that none meets another's rules.

use std::any::Any;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;

use anyhow::{Context, ensure};
use libbpf_rs::Link;

use crate::injector::Injector;
use crate::plan::{CAPACITY, Scenario, Traffic};
use crate::reference::{Bound, Reference};
use crate::sink::Sink;
use crate::topology::{self, BACKEND_PORT, ELSEWHERE, Topology, VIP, VIP_PORT, run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Limit,
    ColdChain,
    ColdBoth,
    Lru,
    Kernel,
    Nft,
}

impl Kind {
    pub const ALL: [Kind; 6] = [
        Kind::Limit,
        Kind::ColdChain,
        Kind::ColdBoth,
        Kind::Lru,
        Kind::Kernel,
        Kind::Nft,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Limit => "limit",
            Kind::ColdChain => "cold",
            Kind::ColdBoth => "cold-both",
            Kind::Lru => "lru",
            Kind::Kernel => "kernel",
            Kind::Nft => "nft",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Kind::Limit => "XDP: rewrites MAC addresses and redirects, nothing else",
            Kind::ColdChain => {
                "limit, and reads a line and then an entry of tables of our sizes, the second found by the first"
            }
            Kind::ColdBoth => "the same, both found by the hash, awaited at once",
            Kind::Lru => {
                "XDP: DNAT with LRU_HASH as connection table (benchmarks/reference/lru.bpf.c)"
            }
            Kind::Kernel => {
                "kernel forwarding without NAT: ip_forward, routes, permanent neighbours"
            }
            Kind::Nft => "nftables DNAT: jhash map, conntrack (its checksum verification off)",
        }
    }

    pub fn parse(name: &str) -> anyhow::Result<Kind> {
        let names = Kind::ALL.map(Kind::name).join(", ");
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .with_context(|| format!("--only {name}: one of {names}"))
    }

    /// Whether it keeps connections, so that replies find their way back.
    fn keeps_connections(self) -> bool {
        !matches!(
            self,
            Kind::Limit | Kind::ColdChain | Kind::ColdBoth | Kind::Kernel
        )
    }

    /// Where its packets are addressed: plain forwarding knows no VIP.
    fn destination(self) -> (Ipv4Addr, u16) {
        if self == Kind::Kernel {
            (ELSEWHERE, BACKEND_PORT)
        } else {
            (VIP, VIP_PORT)
        }
    }
}

pub struct Contestant {
    pub kind: Kind,
    injector: Injector,
    sink: Sink,
    topology: Topology,
    _receivers: Vec<Link>,
    _forwarder: Box<dyn Any>,
}

/// One round's result.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Packets that arrived, a microsecond.
    pub mpps: f64,
    /// Of the packets sent, how many arrived.
    pub delivered: f64,
}

impl Contestant {
    /// Builds it, and brings its table into the scenario's state.
    pub fn new(kind: Kind, scenario: &Scenario) -> anyhow::Result<Contestant> {
        let topology = Topology::new()?;
        let sink = Sink::new(&topology)?;
        let (destination, port) = kind.destination();
        let injector = Injector::new(topology.front, destination, port, scenario.traffic.flows())?;
        let forwarder = forwarder(kind, &topology)?;
        if let Some(program) = forwarder.program()? {
            injector.set_contestant(program)?;
        }
        let receivers = attach_receivers(&injector, &topology)?;
        let mut contestant = Contestant {
            kind,
            injector,
            sink,
            topology,
            _receivers: receivers,
            _forwarder: forwarder.keep(),
        };
        contestant.warm(scenario.traffic)?;
        Ok(contestant)
    }

    /// Sends for about `seconds`, and says how fast packets arrived.
    pub fn measure(&mut self, seconds: f64, estimate: Option<f64>) -> anyhow::Result<Sample> {
        self.topology.enter_balancer()?;
        let chunks = crate::injector::chunks_for(seconds, estimate);
        let before = self.sink.arrived()?.back;
        let per_packet = self.injector.time_live(chunks)?;
        let arrived = self.sink.arrived()?.back - before;
        let delivered = arrived as f64 / crate::injector::packets_of(chunks) as f64;
        Ok(Sample {
            mpps: 1000.0 / per_packet * delivered,
            delivered,
        })
    }

    fn warm(&mut self, traffic: Traffic) -> anyhow::Result<()> {
        match traffic {
            Traffic::Established(flows) => self.establish(flows),
            // Half as much again as fits. What the kernel does with a full table (it drops) is not measured.
            Traffic::New if self.kind == Kind::Nft || self.kind == Kind::Kernel => Ok(()),
            Traffic::New => self.injector.inject(u64::from(CAPACITY) * 3 / 2).map(drop),
        }
    }

    /// Each flow sees a reply: the backends answer, and the answers come back through the contestant.
    fn establish(&mut self, flows: u64) -> anyhow::Result<()> {
        if !self.kind.keeps_connections() {
            return self.injector.inject(flows).map(drop);
        }
        self.sink.answer(true)?;
        self.injector.inject(flows)?;
        let before = self.sink.arrived()?.front;
        let injected = self.injector.inject(flows)?;
        let replies = self.sink.arrived()?.front - before;
        self.sink.answer(false)?;
        ensure!(
            replies as f64 >= injected as f64 * 0.995,
            "{}: of {injected} packets only {replies} were answered",
            self.kind.name()
        );
        Ok(())
    }
}

/// What a contestant is made of.
enum Forwarder {
    Reference(Reference),
    /// The stack forwards; what it needs is configured.
    Stack,
}

impl Forwarder {
    fn program(&self) -> anyhow::Result<Option<BorrowedFd<'_>>> {
        match self {
            Forwarder::Reference(reference) => Ok(Some(reference.program())),
            Forwarder::Stack => Ok(None),
        }
    }

    fn keep(self) -> Box<dyn Any> {
        match self {
            Forwarder::Reference(reference) => Box::new(reference),
            Forwarder::Stack => Box::new(()),
        }
    }
}

fn forwarder(kind: Kind, topology: &Topology) -> anyhow::Result<Forwarder> {
    Ok(match kind {
        Kind::Limit => Forwarder::Reference(Reference::bound(Bound::Limit, topology)?),
        Kind::ColdChain => Forwarder::Reference(Reference::bound(Bound::ColdChain, topology)?),
        Kind::ColdBoth => Forwarder::Reference(Reference::bound(Bound::ColdBoth, topology)?),
        Kind::Lru => Forwarder::Reference(Reference::lru(topology)?),
        Kind::Kernel => Forwarder::Stack,
        Kind::Nft => {
            run("nft", &["-f", "-"], &nft_rules())?;
            patient_conntrack()?;
            Forwarder::Stack
        }
    })
}

fn attach_receivers(injector: &Injector, topology: &Topology) -> anyhow::Result<Vec<Link>> {
    let receiver = injector.receiver()?;
    [topology.front, topology.back]
        .into_iter()
        .map(|ifindex| {
            receiver
                .attach_xdp(ifindex as i32)
                .context("attaching to the balancer's interfaces")
        })
        .collect()
}

fn nft_rules() -> String {
    let backends: Vec<String> = topology::backends()
        .iter()
        .enumerate()
        .map(|(number, backend)| format!("{number} : {backend} . {BACKEND_PORT}"))
        .collect();
    format!(
        "table ip balancer {{
            chain prerouting {{
                type nat hook prerouting priority dstnat; policy accept;
                ip daddr {VIP} udp dport {VIP_PORT} dnat ip addr . port to jhash ip saddr . udp sport mod {} map {{ {} }}
            }}
        }}\n",
        backends.len(),
        backends.join(", "),
    )
}

/// Flows outlast a run, and checksums are taken for verified, as by a NIC.
fn patient_conntrack() -> anyhow::Result<()> {
    for (key, value) in [
        ("udp_timeout", "3600"),
        ("udp_timeout_stream", "3600"),
        ("checksum", "0"),
    ] {
        let path = format!("/proc/sys/net/netfilter/nf_conntrack_{key}");
        std::fs::write(&path, value).with_context(|| format!("writing {path}"))?;
    }
    Ok(())
}
