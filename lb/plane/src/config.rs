//! Limits and secrets to `struct lb_config` and back. A pinned one is authoritative: sizes can't
//! change while maps live, and secrets must not.

use std::ops::RangeInclusive;

use lb_bpf::abi;
use lb_core::plane::Limits;
use sha2::{Digest, Sha256};
use zerocopy::FromZeros;

use crate::options::{DEFAULT_SOURCE_PORTS, Note, OpenOptions};

/// A limit's name, value and range.
type Range = (&'static str, fn(&Limits) -> u32, RangeInclusive<u32>);

/// What limits may be.
const RANGES: [Range; 8] = [
    ("services", |limits| limits.services, 1..=65_535),
    ("backends", |limits| limits.backends, 1..=1 << 22),
    ("hops", |limits| limits.hops, 1..=1 << 20),
    ("vips", |limits| limits.vips, 1..=1 << 22),
    (
        "slots",
        |limits| limits.slot_words.saturating_mul(4),
        4..=1 << 30,
    ),
    ("members", |limits| limits.members, 1..=1 << 28),
    ("routeNodes", |limits| limits.route_nodes, 1..=1 << 20),
    ("connections", |limits| limits.connections, 128..=1 << 26),
];

/// Datagrams whose later fragments are awaited, in lines of eight.
const FRAGMENT_LINES: u32 = 1024;
/// Bits of a filter bitmap for each entry it may hold: one probe in 32 is wrong at the most.
const FILTER_BITS_PER_ENTRY: u32 = 32;

/// A claimer (cpu slot + 1) has 12 bits in a word.
pub(crate) const CPU_SLOTS_MOST: u32 = 4094;

/// A limit outside of what the tables can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit {limit}: {value} is not within {least} to {most}")]
pub struct InvalidLimit {
    pub limit: &'static str,
    pub value: u32,
    pub least: u32,
    pub most: u32,
}

/// Sizes for these limits; secrets are still 0.
pub(crate) fn sizes(limits: &Limits, cpu_slots: u32) -> Result<abi::lb_config, InvalidLimit> {
    for (limit, value, range) in RANGES {
        let value = value(limits);
        if !range.contains(&value) {
            return Err(InvalidLimit {
                limit,
                value,
                least: *range.start(),
                most: *range.end(),
            });
        }
    }
    let entries = limits.services.max(limits.backends);
    Ok(abi::lb_config {
        conn_lines: limits.connections.div_ceil(abi::LB_LINE_WORDS),
        cpu_slots,
        max_services: limits.services,
        max_backends: limits.backends,
        max_hops: limits.hops,
        filter_bits: (entries * FILTER_BITS_PER_ENTRY)
            .next_power_of_two()
            .ilog2()
            .max(12),
        // Indexes at half load.
        vip_lines: (limits.vips * 2).div_ceil(abi::LB_VIPS_PER_LINE).max(2),
        port_lines: (limits.services * 2)
            .div_ceil(abi::LB_PORTS_PER_LINE)
            .max(2),
        route_nodes: limits.route_nodes,
        slot_words: limits.slot_words,
        members: limits.members,
        // Two for each connection: stamps are hashed, and a shared one rests too long.
        stamp_words: (limits.connections * 2).div_ceil(abi::LB_STAMPS_PER_WORD),
        fragment_lines: FRAGMENT_LINES,
        ..abi::lb_config::new_zeroed()
    })
}

/// What a plane of these sizes is limited to.
pub(crate) fn limits(config: &abi::lb_config) -> Limits {
    Limits {
        services: config.max_services,
        backends: config.max_backends,
        hops: config.max_hops,
        vips: config.vip_lines * abi::LB_VIPS_PER_LINE / 2,
        slot_words: config.slot_words,
        members: config.members,
        route_nodes: config.route_nodes,
        connections: config.conn_lines * abi::LB_LINE_WORDS,
    }
}

/// The whole of what is asked for, with random secrets where none is configured.
pub(crate) fn make(options: &OpenOptions, cpu_slots: u32) -> Result<abi::lb_config, MakeError> {
    let mut config = sizes(&options.limits, cpu_slots)?;
    config.source_port_first = *options.source_ports.start();
    config.source_port_last = *options.source_ports.end();
    if options.conn_counters {
        config.features |= abi::LB_FEATURE_CONN_COUNTERS;
    }
    config.conn_key = expand("conn", &random()?);
    let secret = options.hash_secret.map_or_else(random, Ok)?;
    config.select_key = expand("select", &secret);
    Ok(config)
}

#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
    #[error("the kernel gives no random numbers: {0}")]
    Random(getrandom::Error),
}

fn random() -> Result<[u8; 32], MakeError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(MakeError::Random)?;
    Ok(bytes)
}

/// Keys of a multilinear hash from a secret of 32 bytes: block n, four little-endian words, is
/// SHA-256("loxid-key-v1" 0 NAME 0 SECRET n), n one byte; every word is made odd. Appliances that
/// share the secret have the same keys.
pub(crate) fn expand(name: &str, secret: &[u8; 32]) -> [u64; 16] {
    let mut keys = [0; 16];
    for (n, words) in (0u8..).zip(keys.chunks_exact_mut(4)) {
        let mut hash = Sha256::new();
        hash.update(b"loxid-key-v1\0");
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(secret);
        hash.update([n]);
        let block = hash.finalize();
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("eight bytes")) | 1;
        }
    }
    keys
}

/// What is asked for and differs from what is pinned.
pub(crate) fn differences(options: &OpenOptions, pinned: &abi::lb_config) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut compare = |limit, asked: u64, pinned: u64| {
        if asked != pinned {
            notes.push(Note::LimitKept {
                limit,
                asked,
                pinned,
            });
        }
    };
    let asked = sizes(&options.limits, pinned.cpu_slots).map_or(options.limits, |c| limits(&c));
    let kept = limits(pinned);
    for (limit, value, _) in RANGES {
        compare(limit, value(&asked).into(), value(&kept).into());
    }
    let ports = &options.source_ports;
    compare(
        "sourcePorts.first",
        (*ports.start()).into(),
        pinned.source_port_first.into(),
    );
    compare(
        "sourcePorts.last",
        (*ports.end()).into(),
        pinned.source_port_last.into(),
    );
    if options
        .hash_secret
        .is_some_and(|secret| expand("select", &secret) != pinned.select_key)
    {
        notes.push(Note::SecretKept);
    }
    notes
}

/// A configuration of these sizes with fixed secrets, for planes in memory.
///
/// # Errors
/// `InvalidLimit`: outside of what the tables can have.
pub fn for_memory(limits: &Limits, cpu_slots: u32) -> Result<abi::lb_config, InvalidLimit> {
    let mut config = sizes(limits, cpu_slots)?;
    config.source_port_first = *DEFAULT_SOURCE_PORTS.start();
    config.source_port_last = *DEFAULT_SOURCE_PORTS.end();
    config.features = abi::LB_FEATURE_CONN_COUNTERS;
    config.conn_key = expand("conn", &[1; 32]);
    config.select_key = expand("select", &[2; 32]);
    Ok(config)
}
