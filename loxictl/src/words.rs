//! loxicmd's words, parsed: ports, endpoints, selection and mode as LoxiLB's users type them.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use clap::ValueEnum;
use lb_api::wire::Protocol;

#[cfg(test)]
mod tests;

/// `2020:8080` of `--tcp`: where the service listens, and where its backends do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortPair {
    pub port: NonZeroU16,
    pub backend: NonZeroU16,
}

/// `31.31.31.1:1` of `--endpoints`: a backend's address and its weight (1 unless said).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightedAddress {
    pub addr: IpAddr,
    pub weight: u32,
}

/// The key of a service: `20.20.20.1:2020/tcp`, IPv6 addresses in brackets.
pub fn key(vip: IpAddr, port: NonZeroU16, protocol: Protocol) -> String {
    let end = std::net::SocketAddr::new(vip, port.get());
    match protocol {
        Protocol::Tcp => format!("{end}/tcp"),
        Protocol::Udp => format!("{end}/udp"),
    }
}

/// How a backend is chosen, in loxicmd's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Select {
    /// Round robin: strict weighted order over new connections
    Rr,
    /// Maglev hashing of the 5-tuple (`maglev` is the same)
    #[value(alias = "maglev")]
    Hash,
}

/// How packets reach a backend, in loxicmd's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Rewrite the destination, keep the client's address (`dnat` is the same)
    #[value(alias = "dnat")]
    Default,
    /// Rewrite the source, too: to this box's address on the backend's subnet
    Onearm,
    /// Rewrite the source, too: to the VIP
    Fullnat,
}

/// A port, 1 to 65535.
pub fn port(text: &str) -> Result<NonZeroU16, String> {
    if text.contains('-') {
        return Err(format!(
            "`{text}` is a range: name every port, separated by commas"
        ));
    }
    NonZeroU16::from_str(text).map_err(|_| format!("`{text}` is not a port: 1 to 65535"))
}

/// `PORT:BACKENDPORT`; `PORT` alone means that the backends listen there, too.
pub fn port_pair(text: &str) -> Result<PortPair, String> {
    let (listen, backend) = text.split_once(':').unwrap_or((text, text));
    Ok(PortPair {
        port: port(listen)?,
        backend: port(backend)?,
    })
}

/// `ADDRESS:WEIGHT` or `ADDRESS`. An IPv6 address with a weight stands in brackets.
pub fn weighted_address(text: &str) -> Result<WeightedAddress, String> {
    if let Ok(addr) = text.parse() {
        return Ok(WeightedAddress { addr, weight: 1 });
    }
    let (addr, weight) = text.rsplit_once(':').ok_or_else(|| {
        format!("`{text}` is not an address: ADDRESS:WEIGHT, such as 31.31.31.1:1")
    })?;
    let bare = addr
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(addr);
    let addr = bare.parse().map_err(|_| {
        format!("`{addr}` in `{text}` is not an address: ADDRESS:WEIGHT, such as 31.31.31.1:1")
    })?;
    let weight = weight.parse().ok().filter(|w| *w <= WEIGHT_MAX).ok_or_else(|| {
        format!("`{weight}` in `{text}` is not a weight: 0 (takes no new connection) to {WEIGHT_MAX}; the backend's port goes after the colon of --tcp or --udp")
    })?;
    Ok(WeightedAddress { addr, weight })
}

/// The largest weight of a backend.
const WEIGHT_MAX: u32 = 1000;

/// LoxiLB's selections that this balancer doesn't have are named as such.
pub fn select(text: &str) -> Result<Select, String> {
    match text {
        "priority" => Err("`priority` is LoxiLB's weighted round robin: say rr, and weights with --endpoints=ADDRESS:WEIGHT".into()),
        "persist" | "lc" | "n2" | "n3" => Err(format!("`{text}` is LoxiLB's and not supported: rr, hash or maglev")),
        _ => Select::from_str(text, false).map_err(|_| format!("unknown selection `{text}`: rr, hash or maglev")),
    }
}

/// LoxiLB's modes that this balancer doesn't have are named as such.
pub fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "dsr" | "fullproxy" | "hostonearm" => Err(format!(
            "`{text}` is LoxiLB's and not supported: default, dnat, onearm or fullnat"
        )),
        _ => Mode::from_str(text, false)
            .map_err(|_| format!("unknown mode `{text}`: default, dnat, onearm or fullnat")),
    }
}
