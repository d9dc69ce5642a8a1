//! The ports that source translation uses, kept apart from those of the box itself.
//!
//! A packet that returns to a translated port must belong to a flow of the appliance and to
//! nobody else. The kernel gives its own connections ports of `ip_local_port_range`, and
//! listeners hold theirs; translation uses none of both.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use thiserror::Error;

#[cfg(test)]
mod tests;

/// An inclusive range of ports, 1024 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePorts {
    first: u16,
    last: u16,
}

/// What keeps a range from being used for source translation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SourcePortsError {
    #[error("source ports {first}-{last} end before they begin: give the lower port first")]
    Reversed { first: u16, last: u16 },
    #[error("source ports {first}-{last} begin below {min}, among the well-known ports: begin at {min} or above", min = SourcePorts::MIN)]
    WellKnown { first: u16, last: u16 },
    #[error("source ports {first}-{last} are {count} ports, too few: give at least {min}", min = SourcePorts::MIN_COUNT)]
    TooFew { first: u16, last: u16, count: u32 },
    #[error(
        "source ports {ports} overlap the kernel's own, {local_first}-{local_last} (net.ipv4.ip_local_port_range): {remedy}"
    )]
    Local {
        ports: SourcePorts,
        local_first: u16,
        local_last: u16,
        remedy: Remedy,
    },
    #[error("source ports {ports} include port {port}, on which the box listens: {remedy}")]
    Listener {
        ports: SourcePorts,
        port: u16,
        remedy: Remedy,
    },
}

/// A range that would do, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy(pub Option<SourcePorts>);

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(ports) => write!(f, "use {ports}, which is free"),
            None => f.write_str("no range is free, narrow net.ipv4.ip_local_port_range"),
        }
    }
}

impl SourcePorts {
    pub const MIN: u16 = 1024;
    /// Fewest ports of a range: each CPU has its own part of it.
    pub const MIN_COUNT: u32 = 256;

    /// A range, inclusive.
    ///
    /// # Errors
    /// Reversed, below 1024, or fewer than 256 ports.
    pub fn new(first: u16, last: u16) -> Result<Self, SourcePortsError> {
        if first > last {
            return Err(SourcePortsError::Reversed { first, last });
        }
        if first < Self::MIN {
            return Err(SourcePortsError::WellKnown { first, last });
        }
        let ports = Self { first, last };
        match ports.count() {
            count if count < Self::MIN_COUNT => {
                Err(SourcePortsError::TooFew { first, last, count })
            }
            _ => Ok(ports),
        }
    }

    #[must_use]
    pub fn first(&self) -> u16 {
        self.first
    }

    #[must_use]
    pub fn last(&self) -> u16 {
        self.last
    }

    #[must_use]
    pub fn count(&self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }

    /// Checks that the box uses none of the ports: neither the kernel's `ip_local_port_range` for
    /// its own connections, nor a listener.
    ///
    /// # Errors
    /// Names what is in the way, and the longest range that is free.
    pub fn check(
        &self,
        local: &RangeInclusive<u16>,
        listeners: &BTreeSet<u16>,
    ) -> Result<(), SourcePortsError> {
        let remedy = || Remedy(Self::longest_free(local, listeners));
        if self.first <= *local.end() && *local.start() <= self.last {
            return Err(SourcePortsError::Local {
                ports: *self,
                local_first: *local.start(),
                local_last: *local.end(),
                remedy: remedy(),
            });
        }
        match listeners.range(self.first..=self.last).next() {
            Some(&port) => Err(SourcePortsError::Listener {
                ports: *self,
                port,
                remedy: remedy(),
            }),
            None => Ok(()),
        }
    }

    /// The longest range that the box does not use (of equals the highest), if one is long enough.
    #[must_use]
    pub fn longest_free(
        local: &RangeInclusive<u16>,
        listeners: &BTreeSet<u16>,
    ) -> Option<SourcePorts> {
        let mut longest: Option<SourcePorts> = None;
        let mut first = None;
        for port in u32::from(Self::MIN)..=u32::from(u16::MAX) + 1 {
            let free = u16::try_from(port)
                .is_ok_and(|port| !local.contains(&port) && !listeners.contains(&port));
            if free {
                first = first.or(Some(port));
                continue;
            }
            let Some(first) = first.take() else { continue };
            let run = Self {
                first: first as u16,
                last: (port - 1) as u16,
            };
            if longest.is_none_or(|longest| run.count() >= longest.count()) {
                longest = Some(run);
            }
        }
        longest.filter(|ports| ports.count() >= Self::MIN_COUNT)
    }
}

impl fmt::Display for SourcePorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}
