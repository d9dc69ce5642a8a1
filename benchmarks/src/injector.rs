//! Runs the driver program: a contestant sees one packet after the other, on this core.
//!
//! *Live* frames take the way of received ones: redirected frames are sent, passed ones go to
//! the stack. Without that only programs run. Time is what the driver reads of the clock at
//! each chunk of packets, so that what BPF_PROG_TEST_RUN does around a run doesn't count, and
//! the median chunk is not one that an interrupt lengthened.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use anyhow::{Context, ensure};
use libbpf_rs::{MapCore, MapFlags, Object, ProgramInput, ProgramMut};

use crate::frame::{FRAME_BYTES, Template};
use crate::median::median;
use crate::object;
use crate::sink::u64_at;
use crate::topology::{CLIENT_MAC, FRONT_MAC};

const DRIVER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/driver.bpf.o"));
const LIVE_FRAMES: u32 = 1 << 1; // BPF_F_TEST_XDP_LIVE_FRAMES

/// Packets between two readings of the clock, and readings that are kept; as in driver.bpf.c.
pub const CHUNK: u64 = 1 << 14;
const STAMPS: usize = 2048;
/// A chunk is timed by two readings.
pub const CHUNKS_MAX: u64 = STAMPS as u64 - 1;

pub struct Injector {
    object: Object,
    ingress: u32,
    /// Which program of driver.bpf.c.
    driver: &'static str,
    run: Run,
}

/// `struct run` of driver.bpf.c up to its stamps.
struct Run {
    template: [u8; FRAME_BYTES],
    ip_sum: u64,
    udp_sum: u64,
    next: u64,
    mask: u64,
    shift: u64,
    order: u64,
}

const WORD_NEXT: usize = 10;
const WORD_STAMPS: usize = 15;

/// Permutations of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Measured,
    Established,
}

impl Order {
    /// The odd number that makes it.
    fn multiplier(self) -> u64 {
        match self {
            Order::Measured => 0x9e37_79b1,
            Order::Established => 0xc2b2_ae35,
        }
    }
}

impl Injector {
    /// Frames arrive at interface `ingress` of the current namespace, for `destination`.
    pub fn new(ingress: u32, destination: SocketAddr, flows: u64) -> anyhow::Result<Injector> {
        let template = Template::new(FRONT_MAC, CLIENT_MAC, destination);
        let mask = flows.next_power_of_two() - 1;
        Ok(Injector {
            object: object::open(DRIVER)?.load().context("loading the driver")?,
            ingress,
            driver: match destination {
                SocketAddr::V4(_) => "bench_drive",
                SocketAddr::V6(_) => "bench_drive6",
            },
            run: Run {
                template: template.bytes,
                ip_sum: template.ip_sum,
                udp_sum: template.udp_sum,
                next: 0,
                mask,
                shift: u64::from((64 - mask.leading_zeros()) / 2).max(1),
                order: Order::Measured.multiplier(),
            },
        })
    }

    /// What frames are handed to; the stack unless set.
    pub fn set_contestant(&self, program: BorrowedFd<'_>) -> anyhow::Result<()> {
        object::put_program(&self.object, "contestant", program)
            .context("the contestant and the driver must both be xdp.frags")
    }

    /// The program that hands what the sinks send back to the contestant.
    pub fn receiver(&self) -> anyhow::Result<ProgramMut<'_>> {
        object::program(&self.object, "bench_receive")
    }

    /// Flows come in this order from then on.
    pub fn set_order(&mut self, order: Order) {
        self.run.order = order.multiplier();
    }

    /// Injects at least `packets` and returns how many, as live frames.
    pub fn inject(&mut self, packets: u64) -> anyhow::Result<u64> {
        let mut injected = 0;
        while injected < packets {
            let some = (packets - injected).div_ceil(CHUNK).clamp(1, CHUNKS_MAX) * CHUNK;
            self.run(some, LIVE_FRAMES)?;
            injected += some;
        }
        Ok(injected)
    }

    /// Nanoseconds a packet, of the median chunk, as live frames.
    pub fn time_live(&mut self, chunks: u64) -> anyhow::Result<f64> {
        let stamps = self.run(packets_of(chunks), LIVE_FRAMES)?;
        Ok(per_packet(&stamps[..=chunks as usize]))
    }

    /// Nanoseconds a packet, of the median chunk, of the programs alone.
    pub fn time_program(&mut self, chunks: u64) -> anyhow::Result<f64> {
        let stamps = self.run(packets_of(chunks), 0)?;
        Ok(per_packet(&stamps[..=chunks as usize]))
    }

    fn run(&mut self, packets: u64, flags: u32) -> anyhow::Result<Vec<u64>> {
        ensure!(
            packets <= STAMPS as u64 * CHUNK,
            "{packets} packets are more than the stamps are for"
        );
        object::put(&self.object, "runs", 0, &self.run.bytes())?;
        let mut context = context(self.ingress);
        let program = object::program(&self.object, self.driver)?;
        program
            .test_run(ProgramInput {
                context_in: Some(&mut context),
                data_in: Some(&self.run.template),
                flags,
                repeat: packets as u32,
                ..ProgramInput::default()
            })
            .context("BPF_PROG_TEST_RUN (live frames need Linux 5.18)")?;
        let state = object::map(&self.object, "runs")?
            .lookup(&0u32.to_ne_bytes(), MapFlags::ANY)
            .context("reading the driver's state")?
            .context("the driver has one state")?;
        self.run.next = u64_at(&state, WORD_NEXT);
        Ok((0..STAMPS)
            .map(|number| u64_at(&state, WORD_STAMPS + number))
            .collect())
    }
}

impl Run {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.template.to_vec();
        for word in [
            self.ip_sum,
            self.udp_sum,
            self.next,
            self.mask,
            self.shift,
            self.order,
            0,
        ] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.resize(bytes.len() + STAMPS * 8, 0);
        bytes
    }
}

/// `struct xdp_md`: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
fn context(ingress: u32) -> Vec<u8> {
    [0, FRAME_BYTES as u32, 0, ingress, 0, 0]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect()
}

fn per_packet(stamps: &[u64]) -> f64 {
    let chunks: Vec<f64> = stamps
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as f64 / CHUNK as f64)
        .collect();
    median(&chunks)
}

/// Packets that a run of so many timed chunks sends.
pub fn packets_of(chunks: u64) -> u64 {
    (chunks + 1) * CHUNK
}
