//! Rows to bytes and back: the only place that knows `abi.h`'s structs by their fields.
//!
//! A bank is encoded by a pure function into memory of its own ([`bank::Bank`]), then copied to
//! the idle bank. Reading goes the other way and encodes what it read once more: bytes that are
//! not the ones these rows make were changed by somebody else, and so the image that is returned
//! is one that nobody wants (see [`image::spoilt`]).

pub(crate) mod address;
pub(crate) mod arena;
pub(crate) mod backend;
pub(crate) mod bank;
pub(crate) mod filter;
pub(crate) mod hop;
pub(crate) mod image;
pub(crate) mod index;
pub(crate) mod interface;
pub(crate) mod port;
pub(crate) mod route;
pub(crate) mod service;
#[cfg(test)]
mod tests;
pub(crate) mod vip;

use std::net::IpAddr;

/// Rows that can't be turned into bytes: the tables were compiled for another plane.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("{what}: {needed} are needed, the plane has room for {room}; raise the limit")]
    Full {
        what: &'static str,
        needed: u64,
        room: u64,
    },
    #[error("{what} {index}: the plane has {room}")]
    Index {
        what: &'static str,
        index: u64,
        room: u64,
    },
    #[error("service {service}: {vip} is no VIP of the image")]
    NoVip { service: u16, vip: IpAddr },
}

/// Checks an index against a region's size.
fn within(what: &'static str, index: u64, room: u32) -> Result<(), EncodeError> {
    if index < u64::from(room) {
        return Ok(());
    }
    Err(EncodeError::Index {
        what,
        index,
        room: room.into(),
    })
}

/// Checks a number of rows against the room for them.
fn fits(what: &'static str, needed: usize, room: u32) -> Result<(), EncodeError> {
    if needed as u64 <= u64::from(room) {
        return Ok(());
    }
    Err(EncodeError::Full {
        what,
        needed: needed as u64,
        room: room.into(),
    })
}
