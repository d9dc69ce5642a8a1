//! The pure heart of loxid: what an operator means, and what forwarding therefore reads.
//!
//! `Intent` (all documents) is compiled with `Facts` (links, routes, neighbours) into `Tables`;
//! `plan` turns the tables a plane has into the tables it should have, as ordered `Op`s, every
//! prefix of which is safe. No I/O, no clock, no randomness, no serde, no tokio, no unsafe.
#![forbid(unsafe_code)]

pub mod addr;
pub mod announce;
pub mod arena;
pub mod compile;
pub mod facts;
pub mod hash;
pub mod health;
pub mod intent;
pub mod maglev;
pub mod paths;
pub mod plan;
pub mod plane;
pub mod round_robin;
pub mod routes;
pub mod service;
pub mod source_ports;
pub mod sources;
pub mod status;
pub mod tables;
pub mod twin;
pub mod vlan;

#[cfg(test)]
mod testing;
