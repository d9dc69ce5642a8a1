//! Addresses: MAC, prefix, and the checks on an address that every door shares.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

#[cfg(test)]
mod tests;

/// An Ethernet address, in transmission order. Read and shown as `02:00:5e:10:00:01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// Text that is not a MAC address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{value}` is not a MAC address: write six hexadecimal bytes with colons, such as 02:00:5e:10:00:01"
)]
pub struct MacError {
    pub value: String,
}

/// A network prefix without host bits (`10.0.0.0/8`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    addr: IpAddr,
    len: u8,
}

/// What keeps an address and a length from being a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrefixError {
    #[error("`{value}` is not a prefix: write ADDRESS/LENGTH, such as 10.0.0.0/8")]
    Form { value: String },
    #[error("prefix length {len} of {addr} is too long: its address has {max} bits")]
    Length { addr: IpAddr, len: u8, max: u8 },
    #[error("{addr}/{len} has bits set beyond its length: write {network}/{len}")]
    HostBits {
        addr: IpAddr,
        len: u8,
        network: IpAddr,
    },
}

/// What keeps an address from being a VIP's or a backend's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    #[error("{addr} is the unspecified address: give the one address that is meant")]
    Unspecified { addr: IpAddr },
    #[error("{addr} is a multicast address: give a unicast address")]
    Multicast { addr: IpAddr },
    #[error("{addr} is the broadcast address: give a unicast address")]
    Broadcast { addr: IpAddr },
    #[error("{addr} is a loopback address, which no other box can reach: give a reachable address")]
    Loopback { addr: IpAddr },
    #[error("{addr} is in 0.0.0.0/8 or 240.0.0.0/4, which are not unicast: give a unicast address")]
    Reserved { addr: IpAddr },
    #[error(
        "{addr} is a link-local address, which means another box on each link: give a global or unique local address"
    )]
    LinkLocal { addr: IpAddr },
    #[error("{addr} is an IPv4 address written as IPv6: give {v4}")]
    Mapped { addr: IpAddr, v4: Ipv4Addr },
}

/// Checks that an address can be a VIP or a backend: unicast, and reachable from other boxes.
///
/// # Errors
/// Names the address, the rule it breaks, and what to give instead.
pub fn check_unicast(addr: IpAddr) -> Result<(), AddressError> {
    if addr.is_unspecified() {
        return Err(AddressError::Unspecified { addr });
    }
    if addr.is_multicast() {
        return Err(AddressError::Multicast { addr });
    }
    if addr.is_loopback() {
        return Err(AddressError::Loopback { addr });
    }
    if let IpAddr::V4(v4) = addr {
        if v4.is_broadcast() {
            return Err(AddressError::Broadcast { addr });
        }
        if v4.octets()[0] == 0 || v4.octets()[0] >= 240 {
            return Err(AddressError::Reserved { addr });
        }
    }
    if is_link_local(addr) {
        return Err(AddressError::LinkLocal { addr });
    }
    if let IpAddr::V6(v6) = addr
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        return Err(AddressError::Mapped { addr, v4 });
    }
    Ok(())
}

/// An IPv6 address that means another box on each link (`fe80::/10`).
#[must_use]
pub fn is_link_local(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// Bits of an address of this family: 32 or 128.
#[must_use]
pub fn bits(addr: IpAddr) -> u8 {
    match addr {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl Prefix {
    /// A prefix from its network address and length.
    ///
    /// # Errors
    /// `Length` beyond the family's bits; `HostBits` with the network address to write instead.
    pub fn new(addr: IpAddr, len: u8) -> Result<Self, PrefixError> {
        let max = bits(addr);
        if len > max {
            return Err(PrefixError::Length { addr, len, max });
        }
        let network = mask(addr, len);
        if network != addr {
            return Err(PrefixError::HostBits { addr, len, network });
        }
        Ok(Self { addr, len })
    }

    /// The prefix of this length that an address is in; a length beyond the family's bits is the
    /// whole address.
    #[must_use]
    pub fn covering(addr: IpAddr, len: u8) -> Self {
        let len = len.min(bits(addr));
        Self {
            addr: mask(addr, len),
            len,
        }
    }

    /// The network address.
    #[must_use]
    pub fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The length in bits.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a prefix is never empty")]
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Whether an address is in the prefix; never one of the other family.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.addr.is_ipv4() == addr.is_ipv4() && mask(addr, self.len) == self.addr
    }

    /// The lower and the upper half; None of a single address.
    #[must_use]
    pub fn halves(&self) -> Option<(Self, Self)> {
        if self.len == bits(self.addr) {
            return None;
        }
        let len = self.len + 1;
        let upper = match self.addr {
            IpAddr::V4(a) => Ipv4Addr::from_bits(a.to_bits() | 1 << (32 - len)).into(),
            IpAddr::V6(a) => Ipv6Addr::from_bits(a.to_bits() | 1 << (128 - len)).into(),
        };
        Some((
            Self {
                addr: self.addr,
                len,
            },
            Self { addr: upper, len },
        ))
    }
}

fn mask(addr: IpAddr, len: u8) -> IpAddr {
    match addr {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            Ipv4Addr::from_bits(a.to_bits() & mask).into()
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            Ipv6Addr::from_bits(a.to_bits() & mask).into()
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let form = || PrefixError::Form {
            value: text.to_owned(),
        };
        let (addr, len) = text.split_once('/').ok_or_else(form)?;
        let addr = addr.parse().map_err(|_| form())?;
        let len = len.parse().map_err(|_| form())?;
        Self::new(addr, len)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let error = || MacError {
            value: text.to_owned(),
        };
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(error)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(error());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| error())?;
        }
        if parts.next().is_some() {
            return Err(error());
        }
        Ok(Self(bytes))
    }
}
