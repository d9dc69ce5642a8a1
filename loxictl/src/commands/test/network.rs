//! Four addresses that nobody uses: for the two ends of a veth pair.

use std::net::Ipv4Addr;
use std::process::Command;

use crate::failure::{Failure, Result};

#[cfg(test)]
mod tests;

/// RFC 2544: for tests of network devices; not used on networks otherwise.
const POOL: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// How many networks of the pool are tried.
const CANDIDATES: u32 = 64;

/// A /30: network, the box's end, the client's end, broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(Ipv4Addr);

impl Network {
    pub fn box_end(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.0.to_bits() + 1)
    }

    pub fn client_end(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.0.to_bits() + 2)
    }

    /// Whether any address is in both.
    fn overlaps(self, (addr, length): (Ipv4Addr, u32)) -> bool {
        let mask = u32::MAX.checked_shl(32 - length.min(30)).unwrap_or(0);
        self.0.to_bits() & mask == addr.to_bits() & mask
    }
}

/// `10.9.9.0/30`
pub fn parse(text: &str) -> std::result::Result<Network, String> {
    let network = text
        .strip_suffix("/30")
        .and_then(|addr| addr.parse::<Ipv4Addr>().ok());
    match network {
        Some(addr) if addr.to_bits() & 3 == 0 => Ok(Network(addr)),
        _ => Err(format!(
            "`{text}` is not a network of four addresses, such as 198.18.0.0/30"
        )),
    }
}

/// A network of the pool that no address or route of the box is in.
pub fn free() -> Result<Network> {
    let used = used()?;
    let start = std::process::id();
    (0..CANDIDATES)
        .map(|offset| candidate(start.wrapping_add(offset)))
        .find(|network| !used.iter().any(|prefix| network.overlaps(*prefix)))
        .ok_or_else(|| {
            Failure::runtime("the box has routes to the test networks in 198.18.0.0/15")
                .remedy("choose four addresses that are free: --network 10.9.9.0/30")
        })
}

/// The pool has 32768 networks of four.
fn candidate(number: u32) -> Network {
    Network(Ipv4Addr::from_bits(POOL.to_bits() + number % (1 << 15) * 4))
}

/// Prefixes of the box's addresses and routes, but for default routes.
fn used() -> Result<Vec<(Ipv4Addr, u32)>> {
    let output = Command::new("ip")
        .args(["-4", "route", "show", "table", "all"])
        .output();
    let output = output.map_err(|error| {
        Failure::runtime(format!("running ip: {error}")).remedy("install the package iproute2")
    })?;
    Ok(prefixes(&String::from_utf8_lossy(&output.stdout)))
}

/// Destinations in the output of `ip route`: `10.0.0.0/8 via ...`, `local 10.0.0.1 dev ...`.
fn prefixes(routes: &str) -> Vec<(Ipv4Addr, u32)> {
    let destination = |line: &str| line.split_whitespace().take(2).find_map(prefix);
    routes
        .lines()
        .filter_map(destination)
        .filter(|(_, length)| *length > 0)
        .collect()
}

fn prefix(word: &str) -> Option<(Ipv4Addr, u32)> {
    let (addr, length) = word.split_once('/').unwrap_or((word, "32"));
    Some((
        addr.parse().ok()?,
        length.parse().ok().filter(|length| *length <= 32)?,
    ))
}
