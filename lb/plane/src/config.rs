//! Limits and secrets to `struct lb_config` and back. A pinned one is authoritative: sizes can't
//! change while maps live, and secrets must not. Where tunnels' packets come from is neither, and
//! follows what is asked for.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use lb_bpf::abi;
use lb_core::addr::Prefix;
use lb_core::plane::Limits;
use sha2::{Digest, Sha256};
use zerocopy::FromZeros;

use crate::codec::address;
use crate::options::{DEFAULT_SOURCE_PORTS, Note, OpenOptions, TunnelSources};

#[cfg(test)]
mod tests;

/// A limit's name, value and range.
type Range = (&'static str, fn(&Limits) -> u32, RangeInclusive<u32>);

/// What limits may be.
const RANGES: [Range; 11] = [
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
    // A search among boundaries has 24 steps (LB_SOURCE_STEPS).
    ("sources", |limits| limits.sources, 1..=(1 << 24) - 1),
    ("routeNodes", |limits| limits.route_nodes, 1..=1 << 20),
    (
        "connections",
        |limits| limits.connections,
        128..=CONNECTIONS_MOST,
    ),
    (
        "connections6",
        |limits| limits.connections6,
        128..=CONNECTIONS_MOST,
    ),
    ("affinities", |limits| limits.affinities, 2..=1 << 26),
];

/// Places of a line that are filled when as many connections are there as the limit says: with
/// two lines to choose from, a flow then hardly ever finds both full.
const CONNECTIONS_PER_LINE: u32 = abi::LB_LINE_WORDS * 3 / 4;
/// A position has 26 bits in a reverse word; both families share them.
const POSITIONS_MOST: u32 = 1 << 26;
const CONNECTIONS_MOST: u32 = POSITIONS_MOST / abi::LB_LINE_WORDS * CONNECTIONS_PER_LINE;
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
    check(limits)?;
    let entries = limits.services.max(limits.backends);
    Ok(abi::lb_config {
        conn_lines4: limits.connections.div_ceil(CONNECTIONS_PER_LINE),
        conn_lines6: limits.connections6.div_ceil(CONNECTIONS_PER_LINE),
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
        port_lines: (limits.port_blocks() * 2)
            .div_ceil(abi::LB_PORTS_PER_LINE)
            .max(2),
        route_nodes: limits.route_nodes,
        slot_words: limits.slot_words,
        members: limits.members,
        sources: limits.sources,
        // At half load.
        affinity_lines: (limits.affinities * 2).div_ceil(abi::LB_AFFINITIES_PER_LINE),
        // Two for each connection: stamps are hashed, and a shared one rests too long.
        stamp_words: ((limits.connections + limits.connections6) * 2)
            .div_ceil(abi::LB_STAMPS_PER_WORD),
        fragment_lines: FRAGMENT_LINES,
        ..abi::lb_config::new_zeroed()
    })
}

fn check(limits: &Limits) -> Result<(), InvalidLimit> {
    let within = |limit, value, least, most| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(InvalidLimit {
            limit,
            value,
            least,
            most,
        })
    };
    for (limit, value, range) in RANGES {
        within(limit, value(limits), *range.start(), *range.end())?;
    }
    // In whole lines, of which each family may have one that is not full.
    let lines = |connections: u32| connections.div_ceil(CONNECTIONS_PER_LINE);
    let left = POSITIONS_MOST / abi::LB_LINE_WORDS - lines(limits.connections);
    within(
        "connections6",
        limits.connections6,
        128,
        left * CONNECTIONS_PER_LINE,
    )
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
        sources: config.sources,
        route_nodes: config.route_nodes,
        connections: config.conn_lines4 * CONNECTIONS_PER_LINE,
        connections6: config.conn_lines6 * CONNECTIONS_PER_LINE,
        affinities: config.affinity_lines * abi::LB_AFFINITIES_PER_LINE / 2,
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
    set_tunnel_sources(&mut config, &options.tunnel_sources)?;
    Ok(config)
}

#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
    #[error(transparent)]
    TunnelSource(#[from] InvalidTunnelSource),
    #[error("the kernel gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// A prefix that tunnels' packets can't come from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTunnelSource {
    #[error("tunnelSource {prefix} is not of {family}: give a prefix of that family")]
    Family {
        prefix: Prefix,
        family: &'static str,
    },
    #[error(
        "tunnelSource {prefix} is shorter than {least} bits: only the last 32 bits of an IPv6 address are spread, give /{least} or longer"
    )]
    Short { prefix: Prefix, least: u8 },
    #[error(
        "tunnelSource {prefix} has the unspecified address: give a prefix of unicast addresses"
    )]
    Unspecified { prefix: Prefix },
}

/// Writes the outer sources of tunnels, and which bits of them a flow's hash fills in.
///
/// # Errors
/// A prefix that tunnels' packets can't come from.
pub fn set_tunnel_sources(
    config: &mut abi::lb_config,
    sources: &TunnelSources,
) -> Result<(), InvalidTunnelSource> {
    const LEAST6: u8 = 96;
    for prefix in [sources.ipv4, sources.ipv6].into_iter().flatten() {
        if prefix.addr().is_unspecified() {
            return Err(InvalidTunnelSource::Unspecified { prefix });
        }
    }
    let (source4, spread4) = match sources.ipv4.map(|prefix| (prefix, prefix.addr())) {
        None => (0, 0),
        Some((prefix, IpAddr::V4(addr))) => {
            (address::words(addr.into())[0], host_bits(32 - prefix.len()))
        }
        Some((prefix, IpAddr::V6(_))) => {
            let family = "IPv4";
            return Err(InvalidTunnelSource::Family { prefix, family });
        }
    };
    let (source6, spread6) = match sources.ipv6.map(|prefix| (prefix, prefix.addr())) {
        None => ([0; 4], 0),
        Some((prefix, IpAddr::V6(_))) if prefix.len() < LEAST6 => {
            let least = LEAST6;
            return Err(InvalidTunnelSource::Short { prefix, least });
        }
        Some((prefix, addr @ IpAddr::V6(_))) => {
            (address::words(addr), host_bits(128 - prefix.len()))
        }
        Some((prefix, IpAddr::V4(_))) => {
            let family = "IPv6";
            return Err(InvalidTunnelSource::Family { prefix, family });
        }
    };
    config.tunnel_source4 = source4;
    config.tunnel_spread4 = spread4;
    config.tunnel_source6 = source6;
    config.tunnel_spread6 = spread6;
    Ok(())
}

/// The last bits of a word, as on the wire.
fn host_bits(bits: u8) -> u32 {
    u32::MAX
        .checked_shr(32 - u32::from(bits))
        .unwrap_or(0)
        .to_be()
}

fn random() -> Result<[u8; 32], MakeError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(MakeError::Random)?;
    Ok(bytes)
}

/// Keys of a multilinear hash from a secret of 32 bytes: block n, four little-endian words, is
/// SHA-256("loxid-key-v1" 0 NAME 0 SECRET n), n one byte; every word is made odd. Appliances that
/// share the secret have the same keys.
pub(crate) fn expand<const WORDS: usize>(name: &str, secret: &[u8; 32]) -> [u64; WORDS] {
    let mut keys = [0; WORDS];
    for (n, words) in (0u8..).zip(keys.chunks_mut(4)) {
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
