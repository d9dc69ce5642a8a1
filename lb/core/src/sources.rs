//! Which sources a service allows, as forwarding reads it: boundaries.
//!
//! Prefixes cover each other, and the longest decides. On the line of all addresses that leaves
//! stretches of allowed and denied sources by turns; it is enough to know where one ends and the
//! next begins, and how the first is. A binary search among the boundaries tells on which side of
//! how many of them a source is.

use std::net::IpAddr;

use crate::addr::{Prefix, bits};
use crate::service::Sources;

#[cfg(test)]
mod tests;

/// The stretches of a service's sources.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Stretches {
    /// Sources before the first boundary are denied.
    pub deny_first: bool,
    /// Ascending addresses as numbers (IPv4 in the lower half), from each of which on sources are
    /// treated the other way.
    pub boundaries: Vec<u128>,
}

/// A prefix as a stretch of numbers, last one included.
struct Stretch {
    first: u128,
    last: u128,
    denied: bool,
}

impl Stretches {
    /// The stretches of prefixes, which are all of one family.
    #[must_use]
    pub fn of(sources: &Sources) -> Self {
        let unlisted = !sources.allowed.is_empty();
        let mut prefixes: Vec<(&Prefix, bool)> = sources
            .allowed
            .iter()
            .map(|prefix| (prefix, false))
            .chain(sources.denied.iter().map(|prefix| (prefix, true)))
            .collect();
        // Of those that begin at one address, the longer goes within the shorter.
        prefixes.sort_unstable_by_key(|(prefix, _)| (prefix.addr(), prefix.len()));
        alternating(unlisted, &marks(&prefixes, unlisted))
    }

    /// Every source is allowed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.deny_first && self.boundaries.is_empty()
    }

    /// Whether connections from an address are denied.
    #[must_use]
    pub fn denies(&self, source: IpAddr) -> bool {
        let number = number(source);
        let passed = self.boundaries.partition_point(|at| *at <= number);
        self.deny_first ^ (passed % 2 == 1)
    }
}

/// An address as a number.
#[must_use]
pub fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// From which address on sources are denied (true) or allowed; of equal addresses the last counts.
fn marks(prefixes: &[(&Prefix, bool)], unlisted: bool) -> Vec<(u128, bool)> {
    let mut marks = Vec::new();
    // Stretches that are open, each within the one before.
    let mut open: Vec<Stretch> = Vec::new();
    for (prefix, denied) in prefixes {
        let stretch = stretch(prefix, *denied);
        close(
            &mut open,
            |top| top.last < stretch.first,
            unlisted,
            &mut marks,
        );
        marks.push((stretch.first, stretch.denied));
        open.push(stretch);
    }
    close(&mut open, |_| true, unlisted, &mut marks);
    let end = prefixes.first().map_or(0, |(prefix, _)| top(prefix));
    marks.retain(|(at, _)| *at <= end);
    marks
}

fn close(
    open: &mut Vec<Stretch>,
    is_over: impl Fn(&Stretch) -> bool,
    unlisted: bool,
    marks: &mut Vec<(u128, bool)>,
) {
    while let Some(stretch) = open.pop_if(|stretch| is_over(stretch)) {
        let around = open.last().map_or(unlisted, |outer| outer.denied);
        // The last of all addresses has none behind it.
        marks.extend(stretch.last.checked_add(1).map(|at| (at, around)));
    }
}

fn stretch(prefix: &Prefix, denied: bool) -> Stretch {
    let first = number(prefix.addr());
    let host_bits = u32::from(bits(prefix.addr()) - prefix.len());
    let hosts = u128::MAX.checked_shr(128 - host_bits).unwrap_or(0);
    Stretch {
        first,
        last: first | hosts,
        denied,
    }
}

/// The highest address of a prefix's family.
fn top(prefix: &Prefix) -> u128 {
    match prefix.addr() {
        IpAddr::V4(_) => u128::from(u32::MAX),
        IpAddr::V6(_) => u128::MAX,
    }
}

fn alternating(unlisted: bool, marks: &[(u128, bool)]) -> Stretches {
    let mut verdict = unlisted;
    let mut deny_first = unlisted;
    let mut boundaries = Vec::new();
    for (index, (at, denied)) in marks.iter().enumerate() {
        let overridden = marks.get(index + 1).is_some_and(|(next, _)| next == at);
        if overridden || *denied == verdict {
            continue;
        }
        verdict = *denied;
        if *at == 0 {
            deny_first = verdict;
        } else {
            boundaries.push(*at);
        }
    }
    Stretches {
        deny_first,
        boundaries,
    }
}
