//! The far ends of both links: they count, and answer where told to.

use anyhow::Context;
use libbpf_rs::{Link, MapCore, MapFlags, Object};

use crate::object;
use crate::topology::Topology;

const SINK: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sink.bpf.o"));

pub struct Sink {
    object: Object,
    _links: [Link; 2],
}

/// Packets that arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    pub front: u64,
    pub back: u64,
}

impl Sink {
    /// Attaches to both far ends. Leaves the thread in the balancer's namespace.
    pub fn new(topology: &Topology) -> anyhow::Result<Sink> {
        let object = object::open(SINK)?.load().context("loading the sinks")?;
        let attach = |name, ifindex: u32| {
            object::program(&object, name)?
                .attach_xdp(ifindex as i32)
                .with_context(|| format!("attaching {name}"))
        };
        topology.enter_clients()?;
        let front = attach("sink_front", topology.front_peer)?;
        topology.enter_backends()?;
        let back = attach("sink_back", topology.back_peer)?;
        topology.enter_balancer()?;
        Ok(Sink {
            _links: [front, back],
            object,
        })
    }

    /// Whether the backends answer each packet.
    pub fn answer(&self, answer: bool) -> anyhow::Result<()> {
        object::put(
            &self.object,
            "answering",
            0,
            &u64::from(answer).to_ne_bytes(),
        )
    }

    pub fn arrived(&self) -> anyhow::Result<Arrived> {
        Ok(Arrived {
            front: self.count(0)?,
            back: self.count(1)?,
        })
    }

    fn count(&self, side: u32) -> anyhow::Result<u64> {
        let cpus = object::map(&self.object, "arrived")?
            .lookup_percpu(&side.to_ne_bytes(), MapFlags::ANY)
            .context("reading the sinks' counters")?
            .context("a sink has two counters")?;
        Ok(cpus.iter().map(|value| u64_at(value, 0)).sum())
    }
}

/// The 64-bit word of this number.
pub fn u64_at(bytes: &[u8], word: usize) -> u64 {
    let bytes = bytes[word * 8..word * 8 + 8]
        .try_into()
        .expect("eight bytes");
    u64::from_ne_bytes(bytes)
}
