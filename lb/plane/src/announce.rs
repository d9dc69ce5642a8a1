//! Frames about addresses on links: what `lb_core::announce` says is sent, and what others say is
//! heard. Sockets are of the namespace that the caller is in.
//!
//! [`Ears`] hear ARP and neighbour discovery that the program passed on (what it answered itself,
//! nobody hears), on the devices that are asked for. [`transmit`] sends. [`Members`] tells switches
//! that snoop MLD which groups are listened to here.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use tokio::io::unix::AsyncFd;

mod members;
mod packet;

pub use members::Members;

#[cfg(test)]
mod tests;

/// Frames that are taken from a device before others have their turn.
const TURN: usize = 64;
const FRAME_BYTES: usize = 512;

/// A frame as it was on the wire, tags included, without its end if it is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The ifindex of the device that it came in on.
    pub device: u32,
    pub frame: Vec<u8>,
}

/// Sockets that frames about addresses come in on.
#[derive(Default)]
pub struct Ears {
    open: BTreeMap<u32, AsyncFd<OwnedFd>>,
}

/// Devices that are listened to, and why others are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    pub devices: BTreeSet<u32>,
    pub failures: BTreeMap<u32, String>,
}

impl Ears {
    /// Listens to these devices and to no others. Needs a tokio runtime with I/O.
    pub fn listen(&mut self, devices: &BTreeSet<u32>) -> Listening {
        self.open.retain(|device, _| devices.contains(device));
        let mut failures = BTreeMap::new();
        for device in devices {
            if self.open.contains_key(device) {
                continue;
            }
            match open(*device) {
                Ok(socket) => drop(self.open.insert(*device, socket)),
                Err(error) => drop(failures.insert(*device, error.to_string())),
            }
        }
        Listening {
            devices: self.open.keys().copied().collect(),
            failures,
        }
    }

    /// Waits for frames. Never returns none. Cancel safe.
    pub async fn heard(&mut self) -> Vec<Heard> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Vec<Heard>> {
        let mut heard = Vec::new();
        for (device, socket) in &self.open {
            while let Poll::Ready(Ok(mut guard)) = socket.poll_read_ready(context) {
                if take(*device, guard.get_inner(), &mut heard) {
                    // There are more: the next call finds it ready still.
                    break;
                }
                guard.clear_ready();
            }
        }
        match heard.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(heard),
        }
    }
}

fn open(device: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let socket = packet::listen(device)?;
    // SAFETY: the socket owns its descriptor, and stays in the AsyncFd until both are dropped.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}

/// Takes what there is, a turn's worth. True: there may be more.
fn take(device: u32, socket: &OwnedFd, heard: &mut Vec<Heard>) -> bool {
    let mut buffer = [0; FRAME_BYTES];
    for _ in 0..TURN {
        match packet::receive(socket, &mut buffer) {
            Ok(frame) => heard.push(Heard { device, frame }),
            // None left; or the device went down, which is said once, and the socket is of use
            // again when it is up.
            Err(_) => return false,
        }
    }
    true
}

/// Sends frames by devices, as they are. Returns why some were not sent, by their place.
#[must_use]
pub fn transmit(frames: &[(u32, Vec<u8>)]) -> BTreeMap<usize, io::Error> {
    if frames.is_empty() {
        return BTreeMap::new();
    }
    let socket = match packet::mouth() {
        Ok(socket) => socket,
        Err(error) => {
            let same = || io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO));
            return (0..frames.len()).map(|index| (index, same())).collect();
        }
    };
    let sent = frames
        .iter()
        .map(|(device, frame)| packet::send(&socket, *device, frame));
    let failed = sent.enumerate();
    failed
        .filter_map(|(index, result)| Some((index, result.err()?)))
        .collect()
}
