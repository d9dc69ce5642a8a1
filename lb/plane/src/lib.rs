//! The kernel's neighbour: maps, links, codec and netlink of loxid.
//!
//! * [`KernelPlane`] forwards with XDP: its state is in pinned maps, its programs hang on pinned
//!   links, and both outlive the daemon. [`RegionPlane::in_memory`] is the same codec over plain
//!   memory, for packet cases, agreement and fuzzing. Both are `lb_core::plane::Plane`s.
//! * [`Reader`] sums counters and lists connections, without a system call, from any thread.
//! * [`netlink::Watcher`] tells what the box is; [`multicast`] joins the groups in which VIPs are
//!   looked for, and [`announce`] sends and hears frames about addresses.
//!
//! A daemon starts so:
//!
//! ```no_run
//! # fn start() -> Result<(), Box<dyn std::error::Error>> {
//! use lb_plane::{KernelPlane, OpenOptions, attach};
//! let (mut plane, notes) = KernelPlane::open(&OpenOptions::default())?;
//! for note in notes {
//!     eprintln!("{note}");
//! }
//! let (attachment, warning) = plane.attach("eth0", attach::Asked::Auto, attach::Path::Xdp)?;
//! # Ok(()) }
//! ```
//!
//! It then reconciles (`lb_core::plane::Plane`), calls [`KernelPlane::sweep_step`] every
//! [`sweep::INTERVAL`], and reads what it shows from [`KernelPlane::reader`].

pub mod announce;
pub mod attach;
mod bpffs;
mod codec;
mod config;
pub mod kernel;
mod kernel_side;
mod links;
mod loads;
mod lock;
pub mod multicast;
pub mod netlink;
pub mod options;
mod pins;
mod program;
pub mod queues;
pub mod region_plane;
mod settings;
pub mod slots;
pub mod sources;
pub mod stats;
pub mod sweep;
mod sys;
pub mod tap;
pub mod testing;
mod trace;
pub mod worker;
pub mod workers;
pub mod xsk;

pub use codec::EncodeError;
pub use config::{InvalidLimit, InvalidTunnelSource, for_memory, set_tunnel_sources};
pub use kernel::{KernelPlane, OpenError};
pub use options::{Note, OpenOptions, TunnelSources};
pub use region_plane::{PlaneError, RegionPlane};
pub use stats::Reader;
pub use trace::TestRun;
