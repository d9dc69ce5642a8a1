//! The contestants' names, and what they are.

use anyhow::Context;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Limit,
    ColdChain,
    ColdBoth,
    Dnat,
    Dnat6,
    Fullnat,
    Dsr,
    Ipip,
    Lru,
    LruIpip,
    Kernel,
    Nft,
    /// Passes everything; contends in `packet` only.
    Empty,
}

impl Kind {
    /// In the order of the tables.
    pub const FORWARDERS: [Kind; 12] = [
        Kind::Limit,
        Kind::ColdChain,
        Kind::ColdBoth,
        Kind::Dnat,
        Kind::Dnat6,
        Kind::Fullnat,
        Kind::Dsr,
        Kind::Ipip,
        Kind::Lru,
        Kind::LruIpip,
        Kind::Kernel,
        Kind::Nft,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Limit => "limit",
            Kind::ColdChain => "cold",
            Kind::ColdBoth => "cold-both",
            Kind::Dnat => "dnat",
            Kind::Dnat6 => "dnat6",
            Kind::Fullnat => "fullnat",
            Kind::Dsr => "dsr",
            Kind::Ipip => "ipip",
            Kind::Lru => "lru",
            Kind::LruIpip => "lru-ipip",
            Kind::Kernel => "kernel",
            Kind::Nft => "nft",
            Kind::Empty => "empty",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Kind::Limit => "XDP: rewrites MAC addresses and redirects, nothing else",
            Kind::ColdChain => {
                "as limit, and reads a line and then an entry, of 64 bytes each, in tables of the sizes of ours; the line's content leads to the entry"
            }
            Kind::ColdBoth => {
                "as cold, but the hash leads to both, so that they are awaited at once"
            }
            Kind::Dnat => "loxid, mode dnat, all features on",
            Kind::Fullnat => "loxid, mode fullnat: the source is the VIP and a port of its own",
            Kind::Dnat6 => "the same of IPv6: frames of as many bytes",
            Kind::Dsr => "loxid, mode dsr: direct return, only MAC addresses change",
            Kind::Ipip => "loxid, mode ipip: direct return, in a tunnel of IPv4 in IPv4",
            Kind::Lru => "XDP: DNAT with LRU_HASH as connection table (`reference/lru.bpf.c`)",
            Kind::LruIpip => "XDP: what ipip does, with LRU_HASH (`reference/lru_ipip.bpf.c`)",
            Kind::Kernel => {
                "the kernel's forwarding without NAT: ip_forward, routes, permanent neighbours"
            }
            Kind::Nft => "nftables DNAT: jhash map, conntrack (verification of checksums off)",
            Kind::Empty => "XDP: passes everything",
        }
    }

    pub fn parse(name: &str) -> anyhow::Result<Kind> {
        let names = Kind::FORWARDERS.map(Kind::name).join(", ");
        Kind::FORWARDERS
            .into_iter()
            .find(|kind| kind.name() == name)
            .with_context(|| format!("--only {name}: one of {names}"))
    }

    /// Whether it keeps connections, so that replies find their way back.
    pub fn keeps_connections(self) -> bool {
        matches!(
            self,
            Kind::Dnat | Kind::Dnat6 | Kind::Fullnat | Kind::Lru | Kind::Nft
        )
    }

    /// Whether it keeps connections of which it sees one direction only.
    pub fn is_one_sided(self) -> bool {
        matches!(self, Kind::Dsr | Kind::Ipip | Kind::LruIpip)
    }

    /// Whether its table takes the first packets of flows without end, at the cost of older ones.
    pub fn evicts(self) -> bool {
        matches!(
            self,
            Kind::Dnat
                | Kind::Dnat6
                | Kind::Fullnat
                | Kind::Dsr
                | Kind::Ipip
                | Kind::Lru
                | Kind::LruIpip
        )
    }
}
