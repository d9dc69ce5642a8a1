//! VLAN tags: what tells logical interfaces of one device apart.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

#[cfg(test)]
mod tests;

/// A VLAN's number, 1 to 4094: 0 means "no VLAN, only a priority", 4095 is reserved (802.1Q).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(u16);

/// The type field of the outermost tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum VlanProtocol {
    /// 0x8100
    #[default]
    Dot1Q,
    /// 0x88a8: usual for the outer of two tags
    Dot1Ad,
}

/// The tags of a logical interface's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vlan {
    /// Of two tags (QinQ) the first.
    pub outer: Option<VlanId>,
    pub inner: VlanId,
    /// Of the outermost tag; an inner one is always 802.1Q.
    pub protocol: VlanProtocol,
}

/// What keeps a number or a word from being part of a VLAN.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VlanError {
    #[error(
        "VLAN id {value} is not from 1 to {max} (0 means no VLAN, 4095 is reserved): use one of these, or leave the VLAN out",
        max = VlanId::MAX
    )]
    Id { value: u64 },
    #[error("unknown VLAN protocol `{value}`: use 802.1Q or 802.1ad")]
    Protocol { value: String },
}

impl VlanId {
    pub const MAX: u16 = 4094;

    /// A VLAN id.
    ///
    /// # Errors
    /// Not from 1 to 4094.
    pub fn new(value: u64) -> Result<Self, VlanError> {
        match u16::try_from(value) {
            Ok(id) if (1..=Self::MAX).contains(&id) => Ok(Self(id)),
            _ => Err(VlanError::Id { value }),
        }
    }

    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl VlanProtocol {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dot1Q => "802.1Q",
            Self::Dot1Ad => "802.1ad",
        }
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// `100`, and with two tags outer and inner: `200.100`.
impl fmt::Display for Vlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outer {
            Some(outer) => write!(f, "{outer}.{}", self.inner),
            None => fmt::Display::fmt(&self.inner, f),
        }
    }
}

impl fmt::Display for VlanProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for VlanProtocol {
    type Err = VlanError;

    fn from_str(text: &str) -> Result<Self, VlanError> {
        match text {
            "802.1Q" | "802.1q" => Ok(Self::Dot1Q),
            "802.1ad" | "802.1AD" => Ok(Self::Dot1Ad),
            _ => Err(VlanError::Protocol {
                value: text.to_owned(),
            }),
        }
    }
}
