//! Four addresses that nobody uses: for the two ends of a veth pair.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use lb_core::addr::{Prefix, bits};

use crate::failure::{Failure, Result};

#[cfg(test)]
mod tests;

/// RFC 2544: for tests of network devices; not used on networks otherwise.
const POOL4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// RFC 5180: the same of IPv6, 2001:2::/48.
const POOL6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0);

/// How many networks of the pool are tried.
const CANDIDATES: u32 = 64;

/// A /30 or, of IPv6, a /126: network, the box's end, the client's end, and a last address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(Prefix);

impl Network {
    pub fn box_end(self) -> IpAddr {
        self.host(1)
    }

    pub fn client_end(self) -> IpAddr {
        self.host(2)
    }

    pub fn is_ipv4(self) -> bool {
        self.0.addr().is_ipv4()
    }

    /// An address of it as `ip address` takes it: with the length.
    pub fn on_link(self, addr: IpAddr) -> String {
        format!("{addr}/{}", self.0.len())
    }

    fn of(first: IpAddr) -> Self {
        Self(Prefix::covering(first, bits(first) - 2))
    }

    fn host(self, number: u8) -> IpAddr {
        match self.0.addr() {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() + u32::from(number)).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() + u128::from(number)).into(),
        }
    }

    /// Whether any address is in both.
    fn overlaps(self, other: Prefix) -> bool {
        other.contains(self.0.addr()) || self.0.contains(other.addr())
    }
}

/// `10.9.9.0/30`, `2001:db8:9::/126`
pub fn parse(text: &str) -> std::result::Result<Network, String> {
    match text.parse::<Prefix>() {
        Ok(prefix) if prefix.len() == bits(prefix.addr()) - 2 => Ok(Network(prefix)),
        _ => Err(format!(
            "`{text}` is not a network of four addresses, such as 198.18.0.0/30 or 2001:2::/126"
        )),
    }
}

/// A network of the pool that no address or route of the box is in.
pub fn free(ipv4: bool) -> Result<Network> {
    let used = used(ipv4)?;
    let start = std::process::id();
    let (pool, example) = match ipv4 {
        true => ("198.18.0.0/15", "10.9.9.0/30"),
        false => ("2001:2::/48", "2001:db8:9::/126"),
    };
    (0..CANDIDATES)
        .map(|offset| candidate(ipv4, start.wrapping_add(offset)))
        .find(|network| !used.iter().any(|prefix| network.overlaps(*prefix)))
        .ok_or_else(|| {
            Failure::runtime(format!("the box has routes to the test networks in {pool}")).remedy(
                format!("choose four addresses that are free: --network {example}"),
            )
        })
}

/// The pool of IPv4 has 32768 networks of four; of IPv6 one of each /64 is taken.
fn candidate(ipv4: bool, number: u32) -> Network {
    Network::of(match ipv4 {
        true => Ipv4Addr::from_bits(POOL4.to_bits() + number % (1 << 15) * 4).into(),
        false => {
            Ipv6Addr::from_bits(POOL6.to_bits() + (u128::from(number % (1 << 16)) << 64)).into()
        }
    })
}

/// Prefixes of the box's addresses and routes, but for default routes.
fn used(ipv4: bool) -> Result<Vec<Prefix>> {
    let family = if ipv4 { "-4" } else { "-6" };
    let output = Command::new("ip")
        .args([family, "route", "show", "table", "all"])
        .output();
    let output = output.map_err(|error| {
        Failure::runtime(format!("running ip: {error}")).remedy("install the package iproute2")
    })?;
    Ok(prefixes(&String::from_utf8_lossy(&output.stdout)))
}

/// Destinations in the output of `ip route`: `10.0.0.0/8 via ...`, `local 10.0.0.1 dev ...`.
fn prefixes(routes: &str) -> Vec<Prefix> {
    let destination = |line: &str| line.split_whitespace().take(2).find_map(prefix);
    routes
        .lines()
        .filter_map(destination)
        .filter(|prefix| prefix.len() > 0)
        .collect()
}

fn prefix(word: &str) -> Option<Prefix> {
    let whole = word.parse().map(|addr: IpAddr| Prefix::covering(addr, 128));
    whole.ok().or_else(|| word.parse().ok())
}
