//! What tests ask of the kernel, and no operator does.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use lb_bpf::region::Region;
use lb_core::tables::InterfaceSlot;
use libbpf_rs::libbpf_sys::{BPF_F_MMAPABLE, BPF_F_WRONLY_PROG, bpf_map_create_opts};
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapInfo};

use crate::kernel::{KernelPlane, XSKMAP};
use crate::kernel_side;
use crate::queues;
use crate::sys;

impl KernelPlane {
    /// Puts a socket that nobody reads in the place of a queue's, as if a worker served it, so
    /// that test runs show what one would be given. It goes with the descriptor.
    ///
    /// # Errors
    /// The kernel has no AF_XDP, or somebody else's socket is there.
    pub fn stand_in(&self, slot: InterfaceSlot, queue: u32) -> io::Result<OwnedFd> {
        let socket = sys::xdp_socket()?;
        let map = MapHandle::from_pinned_path(self.pins().join(XSKMAP.name))
            .map_err(kernel_side::error)?;
        let key = queues::index(slot, queue).to_ne_bytes();
        let value = socket.as_raw_fd().to_ne_bytes();
        map.update(&key, &value, MapFlags::NO_EXIST)
            .map_err(kernel_side::error)?;
        Ok(socket)
    }
}

/// Makes the verifier refuse the forwarder, and not the redirector, from the next opening of these
/// pins on (those of [`KernelPlane::pins`], which is dropped): the cursors of round robin become
/// memory that no program may read.
///
/// # Errors
/// The pin can't be replaced.
pub fn refuse_forwarder(pins: &Path) -> io::Result<()> {
    let path = pins.join(Region::Cursors.name());
    let kept = MapHandle::from_pinned_path(&path).map_err(kernel_side::error)?;
    let shape = MapInfo::new(kept.as_fd()).map_err(kernel_side::error)?.info;
    let options = bpf_map_create_opts {
        map_flags: BPF_F_MMAPABLE | BPF_F_WRONLY_PROG,
        ..kernel_side::options()
    };
    let name = Region::Cursors.name();
    let map = kernel_side::create(
        kept.map_type(),
        name,
        shape.value_size,
        shape.max_entries,
        &options,
    )?;
    std::fs::remove_file(&path)?;
    sys::pin(map.as_fd(), &path)
}
