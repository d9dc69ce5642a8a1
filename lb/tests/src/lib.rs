//! End-to-end tests of loxid: what they are built of.
//!
//! * Packet cases: [`case`] reads `bpf/cases`, [`run`] gives them to a [`host`].
//! * Networks: [`topology`] connects [`namespace`]s whose interfaces have [`programs`], [`daemon`]
//!   runs loxid in one, [`traffic`] flows.
#![forbid(unsafe_code)]

pub mod case;
pub mod daemon;
pub mod datapath;
pub mod frame;
pub mod host;
pub mod namespace;
pub mod programs;
pub mod random;
pub mod run;
pub mod tap;
pub mod topology;
pub mod traffic;
pub mod unique;
pub mod verify;
pub mod wait;
pub mod workers;
pub mod world;
