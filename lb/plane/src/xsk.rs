//! AF_XDP: packets to and from user space by rings of memory shared with the kernel.
//!
//! ```text
//!            lend                            reclaim
//!  free ---> fill ring --> kernel --> rx ring ---> Frame --> the core, in place
//!   ^                                                |  \--> free (dropped), or the TAP
//!   |                                                v lend
//!   +------- completion ring <-- kernel <--------- tx ring, of any interface
//! ```
//! All frames of a thread are in one [`Umem`], which its sockets share; a frame goes from one
//! interface's rx ring to another's tx ring without a copy of ours. A [`Frame`] is an owned value:
//! whoever has it may touch its bytes, and nobody else does. Lending consumes it; a ledger knows
//! which ring each of the others is in, so none is lost or doubled, and those of a closed socket
//! come back.
//!
//! The rings are the kernel's own interface (`linux/if_xdp.h`), used without libxdp: it binds the
//! memory to the first socket for good (that socket's queue would stay taken until all others are
//! closed), and xsk-rs, which is built on it, sends a frame only from where it was received, so
//! that a header can't be put in front.

pub(crate) mod frame;
pub(crate) mod ring;
pub(crate) mod socket;
mod sys;

pub use frame::{FRAME_BYTES, Frame, Tally, Umem};
pub use socket::{BindError, Binding, Mode, Socket, Statistics, Unbound};

#[cfg(test)]
mod tests;
