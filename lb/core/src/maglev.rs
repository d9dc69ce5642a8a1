//! Maglev hashing (Eisenbud et al., NSDI 2016), weighted.
//!
//! Every backend has a permutation of the slots, which depends on nothing but its endpoint and
//! the size of the table. In turns, in the order of endpoints, each takes the first slot of its
//! permutation that is free. A backend that comes or goes therefore disturbs little beyond its
//! own share, and appliances with the same backends have the same table.
//!
//! A weight does two things. It sets the backend's *quota*, its exact share of the slots rounded
//! by largest remainder, so that no share is off by a whole slot. And it paces the turns: in each
//! round a backend gains its weight in credit, and takes a slot when it has the greatest weight's
//! worth, so that slots are taken at the rate of the weights and none is left with the dregs.

use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::hash::siphash;
use crate::service::{Endpoint, MaglevSize};

#[cfg(test)]
mod tests;

const OFFSET_KEY: [u64; 2] = [0x6c6f_7869_642d_6f66, 0x6673_6574_2d6b_6579];
const SKIP_KEY: [u64; 2] = [0x6c6f_7869_642d_736b, 0x6970_2d2d_2d6b_6579];
const FREE: u16 = u16::MAX;

/// A slot table: indexes into `members`, which are in the order of their endpoints. A member of
/// weight 0 has no slot. Empty if no member has a weight.
#[must_use]
pub fn table(size: MaglevSize, members: &[(Endpoint, u16)]) -> Vec<u16> {
    let weights: Vec<u16> = members.iter().map(|member| member.1).collect();
    let mut turns: Vec<Turn> = members
        .iter()
        .zip(quotas(size.get(), &weights))
        .enumerate()
        .filter(|(_, (_, quota))| *quota > 0)
        .map(|(index, (member, quota))| Turn::new(index, member, quota, size.get()))
        .collect();
    let Some(greatest) = turns.iter().map(|turn| turn.weight).max() else {
        return Vec::new();
    };
    let mut slots = vec![FREE; size.get() as usize];
    while !turns.is_empty() {
        for turn in &mut turns {
            turn.play(greatest, &mut slots);
        }
        turns.retain(|turn| turn.quota > 0);
    }
    slots
}

/// How many slots each member gets: in proportion to its weight, rounded so that they add up
/// (largest remainder first, then the earlier member). All 0 if no member has a weight.
fn quotas(size: u32, weights: &[u16]) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let share = |weight: u16| u64::from(size) * u64::from(weight);
    let mut quotas: Vec<u32> = weights.iter().map(|w| (share(*w) / sum) as u32).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(share(weights[*index]) % sum));
    let left = size - quotas.iter().sum::<u32>();
    for index in order.into_iter().take(left as usize) {
        quotas[index] += 1;
    }
    quotas
}

/// One member while the table fills.
struct Turn {
    member: u16,
    weight: u32,
    credit: u32,
    quota: u32,
    /// The slot that its permutation names next, and the step to the one after it.
    next: u32,
    skip: u32,
}

impl Turn {
    fn new(index: usize, member: &(Endpoint, u16), quota: u32, size: u32) -> Self {
        let name = name(member.0);
        Self {
            member: u16::try_from(index).expect("a service has at most 4096 backends"),
            weight: u32::from(member.1),
            credit: 0,
            quota,
            next: (siphash(OFFSET_KEY, &name) % u64::from(size)) as u32,
            skip: (siphash(SKIP_KEY, &name) % u64::from(size - 1)) as u32 + 1,
        }
    }

    fn play(&mut self, greatest: u32, slots: &mut [u16]) {
        self.credit += self.weight;
        if self.credit < greatest || self.quota == 0 {
            return;
        }
        self.credit -= greatest;
        self.quota -= 1;
        // The quotas add up to the size: as long as one has quota left, a slot is free.
        while slots[self.next as usize] != FREE {
            self.step(slots.len() as u32);
        }
        slots[self.next as usize] = self.member;
    }

    fn step(&mut self, size: u32) {
        self.next += self.skip;
        if self.next >= size {
            self.next -= size;
        }
    }
}

/// What a backend is hashed by: its address, as IPv6, and its port (0 if it has none).
fn name(endpoint: Endpoint) -> [u8; 18] {
    let address = match endpoint.addr {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let mut name = [0; 18];
    name[..16].copy_from_slice(&address);
    name[16..].copy_from_slice(&endpoint.port.map_or(0, NonZeroU16::get).to_be_bytes());
    name
}
