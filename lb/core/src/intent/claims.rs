//! Who has which ports: claims that do not overlap.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::service::{Ports, Protocol, ServiceKey};

/// Claims by VIP and protocol, and there by the first place of each.
#[derive(Debug)]
pub(super) struct Claims<T> {
    claims: BTreeMap<(IpAddr, Protocol), BTreeMap<u32, Claim<T>>>,
}

#[derive(Debug)]
struct Claim<T> {
    last: u32,
    key: ServiceKey,
    who: T,
}

impl<T> Default for Claims<T> {
    fn default() -> Self {
        Self {
            claims: BTreeMap::new(),
        }
    }
}

impl<T> Claims<T> {
    /// Claims a key for somebody; or says which claim it overlaps, and whose that is: of several
    /// the one with the highest ports.
    pub fn claim(&mut self, key: ServiceKey, who: T) -> Option<(ServiceKey, &T)> {
        let (first, last) = places(key.ports);
        let claims = self.claims.entry((key.vip, key.protocol)).or_default();
        // Claims do not overlap, so that the one that begins last ends last, too.
        let before = claims.range(..=last).next_back();
        match before.filter(|(_, claim)| claim.last >= first) {
            Some((&at, _)) => claims.get(&at).map(|claim| (claim.key, &claim.who)),
            None => {
                claims.insert(first, Claim { last, key, who });
                None
            }
        }
    }
}

/// Ports in a row. Behind the numbers there is a place for any port, which goes beside them, and
/// one for none.
fn places(ports: Ports) -> (u32, u32) {
    let behind = u32::from(u16::MAX) + 1;
    match ports {
        Ports::One(port) => (port.get().into(), port.get().into()),
        Ports::Range { first, last } => (first.get().into(), last.get().into()),
        Ports::Any => (behind, behind),
        Ports::None => (behind + 1, behind + 1),
    }
}
