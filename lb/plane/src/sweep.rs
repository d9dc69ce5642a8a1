//! The sweep: expired connections are released in small slices from the daemon's loop.

use std::time::Duration;

/// Call [`crate::KernelPlane::sweep_step`] this often; [`STEPS`] calls sweep the whole table.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// Slices of the table. With [`INTERVAL`] a connection is visited every 2 s: much faster than
/// the age fields wrap (4096 ticks in a reverse word).
pub const STEPS: u32 = 100;

/// What one slice of the sweep did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Swept {
    pub released: u64,
    /// Words seen in use that stay.
    pub live: u64,
}
