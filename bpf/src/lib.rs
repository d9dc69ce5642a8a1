//! The forwarding core of loxid in C (`core/`), its two hosts, and their ABI in Rust.
//!
//! One definition of forwarding is compiled twice: to BPF for the kernel ([`skeleton`]) and
//! natively ([`user`]). Both work on the same flat memory ([`region`]), whose layouts are
//! `core/abi.h` ([`abi`]).

pub mod reason;
pub mod region;
pub mod user;

/// Structs, constants and enums of `core/abi.h`. An enum is a module of constants.
#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals
)]
#[allow(clippy::all, unused_qualifications)]
pub mod abi {
    include!(concat!(env!("OUT_DIR"), "/abi.rs"));
}

/// The forwarder's object: open, size its maps, set `lb_config`, load.
pub mod skeleton {
    #[allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    #[allow(dead_code, missing_docs, unsafe_op_in_unsafe_fn, unused_qualifications)]
    mod generated {
        include!(concat!(env!("OUT_DIR"), "/loxid.skel.rs"));
    }
    pub use generated::*;
}

/// The redirector's object, which has the same maps.
pub mod redirect_skeleton {
    #[allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    #[allow(dead_code, missing_docs, unsafe_op_in_unsafe_fn, unused_qualifications)]
    mod generated {
        include!(concat!(env!("OUT_DIR"), "/redirect.skel.rs"));
    }
    pub use generated::*;
}
