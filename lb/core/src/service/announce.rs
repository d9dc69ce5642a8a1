//! Whether and where a service wants its VIP announced.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

/// Who answers ARP (neighbour discovery) for the VIP. Of a VIP's services one that wants it announced
/// is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announce {
    /// This service does not ask for it.
    None,
    /// The appliance does, on links.
    L2 {
        /// Empty: on every attached interface with a subnet that the VIP is in.
        interfaces: BTreeSet<InterfaceName>,
        when: AnnounceWhen,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AnnounceWhen {
    /// As long as the service is served.
    #[default]
    Always,
    /// While a backend can take connections.
    Healthy,
}

/// A name that an interface can have: 1 to 15 bytes without space, `/` and `:` (the kernel's
/// `dev_valid_name()`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(String);

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{value}` is no interface name: use the name that `ip link` shows, 1 to {max} bytes without space, / and :",
    max = InterfaceName::MAX_BYTES
)]
pub struct InterfaceNameError {
    pub value: String,
}

impl Announce {
    /// Most interfaces of one service: there are no more slots.
    pub const MAX_INTERFACES: usize = 64;
}

impl Default for Announce {
    fn default() -> Self {
        Self::L2 {
            interfaces: BTreeSet::new(),
            when: AnnounceWhen::default(),
        }
    }
}

impl InterfaceName {
    pub const MAX_BYTES: usize = 15;

    /// An interface's name.
    ///
    /// # Errors
    /// The kernel would not take it.
    pub fn new(name: &str) -> Result<Self, InterfaceNameError> {
        let is_valid = (1..=Self::MAX_BYTES).contains(&name.len())
            && name != "."
            && name != ".."
            && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace());
        match is_valid {
            true => Ok(Self(name.to_owned())),
            false => Err(InterfaceNameError {
                value: name.to_owned(),
            }),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
