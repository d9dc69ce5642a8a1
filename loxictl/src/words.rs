//! Words of the command line, parsed: ports, endpoints, selection and mode, in loxicmd's words where
//! it has some.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use lb_api::wire::{self, Protocol};
use lb_core::service::{Ports, ServiceKey};

mod check;

pub use check::check;

#[cfg(test)]
mod tests;

/// `2020:8080` of `--tcp`: where the service listens, and where its backends do. None: at the port
/// that the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortPair {
    pub ports: Ports,
    pub backend: Option<NonZeroU16>,
}

/// One of `--endpoints`, before it is known what the number after its colon is: loxicmd has the
/// weight there, and `--port` and `--protocol` the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointWord {
    pub addr: IpAddr,
    pub number: Option<u32>,
    /// After `=`.
    pub weight: Option<u32>,
    /// After `/`.
    pub max_connections: Option<u32>,
}

/// A backend as it was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub addr: IpAddr,
    pub port: Option<NonZeroU16>,
    pub weight: u32,
    pub max_connections: Option<u32>,
}

/// The key of a service: `20.20.20.1:2020/tcp`, IPv6 addresses in brackets.
pub fn key(vip: IpAddr, ports: Ports, protocol: Protocol) -> String {
    let key = ServiceKey {
        vip,
        ports,
        protocol: protocol.into(),
    };
    key.to_string()
}

/// `80`, `80-90`, `any` or `*`.
pub fn ports(text: &str) -> Result<Ports, String> {
    match text {
        "any" => Ok(Ports::Any),
        _ => text.parse().map_err(|error| format!("{error}, or any")),
    }
}

fn port(text: &str) -> Result<NonZeroU16, String> {
    NonZeroU16::from_str(text).map_err(|_| format!("`{text}` is not a port: 1 to 65535"))
}

/// `PORT:BACKENDPORT`; `PORT` alone means that the backends listen there, too. With a range and
/// with any port they always do.
pub fn port_pair(text: &str) -> Result<PortPair, String> {
    let (listen, backend) = match text.split_once(':') {
        Some((listen, backend)) => (ports(listen)?, Some(backend)),
        None => (ports(text)?, None),
    };
    let backend = match (listen, backend) {
        (Ports::One(_), Some(backend)) => Some(port(backend)?),
        (Ports::One(port), None) => Some(port),
        (_, None) => None,
        (_, Some(backend)) => {
            return Err(format!(
                "`:{backend}` in `{text}`: the backends of several ports get each client's own port: leave it out"
            ));
        }
    };
    Ok(PortPair {
        ports: listen,
        backend,
    })
}

const ENDPOINT: &str = "ADDRESS[:WEIGHT] with --tcp and --udp, else ADDRESS[:PORT][=WEIGHT][/MAX], \
    such as 31.31.31.1:1 or [2001:db8::1]:8080=2/1000";

/// `ADDRESS[:NUMBER][=WEIGHT][/MAX]`. An IPv6 address with a number stands in brackets.
pub fn endpoint(text: &str) -> Result<EndpointWord, String> {
    let (rest, max_connections) = match text.split_once('/') {
        Some((rest, max)) => (rest, Some(number("a number of connections", max, text)?)),
        None => (text, None),
    };
    if max_connections == Some(0) {
        return Err(format!(
            "`/0` in `{text}`: at least one connection; a weight of 0 takes none"
        ));
    }
    let (rest, weight) = match rest.split_once('=') {
        Some((rest, weight)) => (rest, Some(number("a weight", weight, text)?)),
        None => (rest, None),
    };
    let (addr, after) = address(rest, text)?;
    let number = after.map(|digits| number("a number", digits, text));
    Ok(EndpointWord {
        addr,
        number: number.transpose()?,
        weight,
        max_connections,
    })
}

/// The address, and what is after its colon.
fn address<'a>(place: &'a str, text: &str) -> Result<(IpAddr, Option<&'a str>), String> {
    let wrong = |addr: &str| match addr == text {
        true => format!("`{text}` is not an address: {ENDPOINT}"),
        false => format!("`{addr}` in `{text}` is not an address: {ENDPOINT}"),
    };
    if let Ok(addr) = place.parse() {
        return Ok((addr, None));
    }
    if let Some((addr, after)) = place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        let addr: std::net::Ipv6Addr = addr.parse().map_err(|_| wrong(addr))?;
        return match (after, after.strip_prefix(':')) {
            ("", _) => Ok((addr.into(), None)),
            (_, Some(digits)) => Ok((addr.into(), Some(digits))),
            _ => Err(wrong(place)),
        };
    }
    let (addr, after) = place.rsplit_once(':').ok_or_else(|| wrong(place))?;
    let addr: std::net::Ipv4Addr = addr.parse().map_err(|_| wrong(addr))?;
    Ok((addr.into(), Some(after)))
}

fn number(what: &str, digits: &str, text: &str) -> Result<u32, String> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let wrong = || format!("`{digits}` in `{text}` is not {what}: {ENDPOINT}");
    digits.parse().ok().filter(|_| is_number).ok_or_else(wrong)
}

impl EndpointWord {
    /// As loxicmd means it: the number is the weight, and the port is said with the service's;
    /// where `=` says the weight, the number is the port.
    pub fn after_ports(self, port: Option<NonZeroU16>) -> Result<Endpoint, String> {
        if self.weight.is_some() && self.number.is_some() {
            return self.with_own_port();
        }
        let weight = self.weight.or(self.number).unwrap_or(1);
        if weight > WEIGHT_MAX {
            let addr = self.addr;
            return Err(format!(
                "`{weight}` after {addr} is not a weight: 0 (takes no new connection) to {WEIGHT_MAX}; \
                 with --tcp and --udp the backend's port goes after the colon of these"
            ));
        }
        Ok(Endpoint {
            addr: self.addr,
            port,
            weight,
            max_connections: self.max_connections,
        })
    }

    /// The number is the port.
    pub fn with_own_port(self) -> Result<Endpoint, String> {
        let port = match self.number {
            None => None,
            Some(number) => Some(port(&number.to_string())?),
        };
        Ok(Endpoint {
            addr: self.addr,
            port,
            weight: self.weight.unwrap_or(1),
            max_connections: self.max_connections,
        })
    }
}

/// The largest weight of a backend.
const WEIGHT_MAX: u32 = 1000;

/// LoxiLB's selections that this balancer doesn't have are named as such.
pub fn select(text: &str) -> Result<wire::Select, String> {
    match text {
        "rr" => Ok(wire::Select::Rr),
        "hash" | "maglev" => Ok(wire::Select::Maglev),
        "lc" => Ok(wire::Select::Lc),
        "priority" => Err("`priority` is LoxiLB's weighted round robin: say rr, and weights with --endpoints=ADDRESS:WEIGHT".into()),
        "persist" => Err("`persist` is LoxiLB's affinity of clients: say --persist=SECONDS".into()),
        "n2" | "n3" => Err(format!("`{text}` is LoxiLB's and not supported: rr, hash, maglev or lc")),
        _ => Err(format!("unknown selection `{text}`: rr, hash, maglev or lc")),
    }
}

/// LoxiLB's modes that this balancer doesn't have are named as such.
pub fn mode(text: &str) -> Result<wire::Mode, String> {
    const MODES: &str = "default, dnat, onearm, fullnat, dsr, ipip or gue";
    match text {
        "default" | "dnat" => Ok(wire::Mode::Dnat),
        "onearm" => Ok(wire::Mode::Onearm),
        "fullnat" => Ok(wire::Mode::Fullnat),
        "dsr" => Ok(wire::Mode::Dsr),
        "ipip" => Ok(wire::Mode::Ipip),
        "gue" => Ok(wire::Mode::Gue),
        "fullproxy" | "hostonearm" => {
            Err(format!("`{text}` is LoxiLB's and not supported: {MODES}"))
        }
        _ => Err(format!("unknown mode `{text}`: {MODES}")),
    }
}

/// `tcp`, `udp` or `icmp`.
pub fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "icmp" => Ok(Protocol::Icmp),
        _ => Err(format!("unknown protocol `{text}`: tcp, udp or icmp")),
    }
}
