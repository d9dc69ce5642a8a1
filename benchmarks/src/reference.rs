//! The reference forwarders in `benchmarks/reference`, loaded and configured.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::Context;
use libbpf_rs::{Link, Object, OpenObject};

use crate::frame::sum;
use crate::object;
use crate::plan::CAPACITY;
use crate::topology::*;

const LIMIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/limit.bpf.o"));
const LRU: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lru.bpf.o"));
const LRU_IPIP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lru_ipip.bpf.o"));
const WORDS_PER_LINE: u32 = 8;

/// The programs of limit.bpf.c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Limit,
    ColdChain,
    ColdBoth,
    Empty,
    /// Back by the interface that it came from.
    Bounce,
}

impl Bound {
    fn program(self) -> &'static str {
        match self {
            Bound::Limit => "limit",
            Bound::ColdChain => "cold_chain",
            Bound::ColdBoth => "cold_both",
            Bound::Empty => "empty",
            Bound::Bounce => "bounce",
        }
    }

    fn is_cold(self) -> bool {
        matches!(self, Bound::ColdChain | Bound::ColdBoth)
    }
}

pub struct Reference {
    program: OwnedFd,
    _object: Object,
}

impl Reference {
    pub fn bound(bound: Bound, topology: &Topology) -> anyhow::Result<Reference> {
        let mut object = object::open(LIMIT)?;
        if bound.is_cold() {
            object::resize(&mut object, "lines", CAPACITY / WORDS_PER_LINE)?;
            object::resize(&mut object, "entries", CAPACITY)?;
            set_masks(&mut object)?;
        }
        let object = object.load().context("loading limit.bpf.o")?;
        object::put(&object, "setups", 0, &setup())?;
        Reference::configured(object, bound.program(), topology)
    }

    /// One key for each direction of a connection.
    pub fn lru(topology: &Topology) -> anyhow::Result<Reference> {
        let mut object = object::open(LRU)?;
        object::resize(&mut object, "connections", 2 * CAPACITY)?;
        let object = object.load().context("loading lru.bpf.o")?;
        put_service(&object)?;
        object::put(&object, "setups", 0, &setup())?;
        Reference::configured(object, "lru", topology)
    }

    /// One key for each connection: it has one side.
    pub fn lru_ipip(topology: &Topology) -> anyhow::Result<Reference> {
        let mut object = object::open(LRU_IPIP)?;
        object::resize(&mut object, "connections", CAPACITY)?;
        let object = object.load().context("loading lru_ipip.bpf.o")?;
        put_service(&object)?;
        for (number, backend) in backends().into_iter().enumerate() {
            object::put(&object, "reals", number as u32, &real(backend))?;
        }
        Reference::configured(object, "lru_ipip", topology)
    }

    /// Attaches `empty` to an interface of the current namespace, which then has frames as an XDP
    /// program's.
    pub fn passing(ifindex: u32) -> anyhow::Result<(Object, Link)> {
        let object = object::open(LIMIT)?.load().context("loading limit.bpf.o")?;
        let program = object::program(&object, Bound::Empty.program())?;
        let link = program
            .attach_xdp(ifindex as i32)
            .context("attaching a pass")?;
        Ok((object, link))
    }

    pub fn program(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }

    fn configured(object: Object, program: &str, topology: &Topology) -> anyhow::Result<Reference> {
        for (side, ifindex) in [(0, topology.front), (1, topology.back)] {
            object::put(&object, "ways_out", side, &ifindex.to_ne_bytes())?;
        }
        let program = object::program(&object, program)?
            .as_fd()
            .try_clone_to_owned()
            .context("duplicating a program's descriptor")?;
        Ok(Reference {
            program,
            _object: object,
        })
    }
}

/// `line_mask` and `entry_mask` of limit.bpf.c: its only constants.
fn set_masks(object: &mut OpenObject) -> anyhow::Result<()> {
    let mut constants = object
        .maps_mut()
        .find(|map| map.name().to_string_lossy().ends_with(".rodata"))
        .context("limit.bpf.o has constants")?;
    let masks = [CAPACITY / WORDS_PER_LINE - 1, CAPACITY - 1];
    let bytes: Vec<u8> = masks.iter().flat_map(|mask| mask.to_ne_bytes()).collect();
    constants
        .set_initial_value(&bytes)
        .context("setting constants")
}

/// `struct service` -> number of backends.
fn put_service(object: &Object) -> anyhow::Result<()> {
    use libbpf_rs::{MapCore, MapFlags};
    let mut key = VIP.octets().to_vec();
    key.extend(VIP_PORT.to_be_bytes());
    key.extend(17u16.to_ne_bytes());
    object::map(object, "services")?
        .update(&key, &(BACKENDS as u32).to_ne_bytes(), MapFlags::ANY)
        .context("writing the service")
}

/// `struct real` of lru_ipip.bpf.c.
fn real(backend: Ipv4Addr) -> Vec<u8> {
    const HOP_LIMIT: u8 = 64;
    const IPIP: u8 = 4;
    let constant = [
        &[0x45, 0, HOP_LIMIT, IPIP][..],
        &BACK_ADDRESS.octets(),
        &backend.octets(),
    ]
    .concat();
    let mut bytes = backend.octets().to_vec();
    bytes.extend(BACK_ADDRESS.octets());
    bytes.extend([BACKEND_MAC, BACK_MAC].concat());
    bytes.extend((sum(&constant) as u32).to_ne_bytes());
    bytes.extend(MTU.to_ne_bytes());
    bytes.extend(1u32.to_ne_bytes());
    bytes
}

/// `struct setup` of bench.h.
fn setup() -> Vec<u8> {
    let mut bytes = [CLIENT_MAC, FRONT_MAC, BACKEND_MAC, BACK_MAC].concat();
    for backend in backends() {
        bytes.extend(backend.octets());
    }
    bytes.extend(VIP.octets());
    bytes.extend(VIP_PORT.to_be_bytes());
    bytes.extend(BACKEND_PORT.to_be_bytes());
    bytes
}
