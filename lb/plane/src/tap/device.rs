//! System calls about a TAP device, and other interfaces.

use std::io;
use std::mem::zeroed;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Makes the descriptor of /dev/net/tun a queue of the device, which is made if it isn't there.
pub(super) fn attach(tun: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut request = request(name);
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_MULTI_QUEUE;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    ask(tun, libc::TUNSETIFF, &mut request)
}

/// Brings an interface of this network namespace up.
pub(super) fn up(name: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let socket = std::os::fd::AsFd::as_fd(&socket);
    let mut request = request(name);
    ask(socket, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the kernel has written the flags.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as libc::c_short;
    ask(socket, libc::SIOCSIFFLAGS, &mut request)
}

/// The MAC address of the interface of an index of this network namespace.
pub(crate) fn mac(ifindex: u32) -> io::Result<[u8; 6]> {
    let all = nix::net::if_::if_nameindex()?;
    let one = all.iter().find(|one| one.index() == ifindex);
    let one = one.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    mac_of(&one.name().to_string_lossy())
}

/// The MAC address of an interface of this network namespace.
pub(super) fn mac_of(name: &str) -> io::Result<[u8; 6]> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let mut request = request(name);
    ask(
        std::os::fd::AsFd::as_fd(&socket),
        libc::SIOCGIFHWADDR,
        &mut request,
    )?;
    // SAFETY: the kernel has written the address.
    let address = unsafe { request.ifr_ifru.ifru_hwaddr };
    Ok(std::array::from_fn(|at| address.sa_data[at] as u8))
}

fn ask(fd: BorrowedFd<'_>, call: u64, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: the kernel reads and writes the request, which lives until the call returns.
    if unsafe { libc::ioctl(fd.as_raw_fd(), call as _, request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn request(name: &str) -> libc::ifreq {
    // SAFETY: zeroes are valid for the plain C struct.
    let mut request: libc::ifreq = unsafe { zeroed() };
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name[..room].iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request
}
