//! The TAP device by which packets reach the box's own stack. It exists as long as a process has
//! it open: each worker process has a queue of its own, so that one can replace another.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

pub(crate) mod device;

const MAC_BYTES: usize = 6;

/// An open TAP device. Threads may write at once.
pub struct Tap {
    file: File,
    name: String,
    mac: [u8; MAC_BYTES],
}

impl Tap {
    /// Makes the device of this network namespace, or opens it; brings it up, without an address.
    ///
    /// # Errors
    /// /dev/net/tun is not there, or the name is another device's.
    pub fn open(name: &str) -> io::Result<Tap> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")?;
        device::attach(file.as_fd(), name)?;
        quiet(name);
        device::up(name)?;
        let mac = device::mac_of(name)?;
        Ok(Tap {
            file,
            name: name.to_owned(),
            mac,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives a frame to the stack. Where its destination is `interface`, the MAC address of the
    /// interface that it came from, it becomes the TAP's: else it would be for another host.
    ///
    /// # Errors
    /// The device is down or gone.
    pub fn pass(&self, frame: &mut [u8], interface: [u8; MAC_BYTES]) -> io::Result<()> {
        if let Some(destination) = frame.get_mut(..MAC_BYTES)
            && destination == interface
        {
            destination.copy_from_slice(&self.mac);
        }
        (&self.file).write(frame).map(drop)
    }
}

/// The device says nothing by itself, and takes packets whatever the way back to their source is.
/// Only variables that this kernel has are set.
fn quiet(name: &str) {
    for (variable, value) in [
        ("ipv6/conf/NAME/addr_gen_mode", "1"),
        ("ipv6/conf/NAME/accept_ra", "0"),
        ("ipv4/conf/NAME/rp_filter", "0"),
        ("ipv4/conf/NAME/arp_ignore", "8"),
    ] {
        let path = format!("/proc/sys/net/{}", variable.replace("NAME", name));
        let _ = std::fs::write(path, value);
    }
}
