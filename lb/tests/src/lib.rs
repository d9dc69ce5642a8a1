//! End-to-end tests of loxid: what they are built of.
//!
//! * Packet cases: [`case`] reads `bpf/cases`, [`run`] gives them to a [`host`].
//! * Networks: [`topology`] makes namespaces.
#![forbid(unsafe_code)]

pub mod case;
pub mod frame;
pub mod host;
pub mod random;
pub mod run;
pub mod topology;
pub mod unique;
pub mod verify;
pub mod world;
