//! System calls that no safe crate has: BPF links, pins, mappings of maps, ethtool. All else of
//! the crate calls these.

use std::ffi::CString;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libbpf_rs::libbpf_sys;

/// A link as the kernel describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkInfo {
    pub id: u32,
    pub program_id: u32,
    /// 0: the interface is gone, and the link is dead.
    pub ifindex: u32,
}

/// Attaches an XDP program by a link; `flags` are XDP_FLAGS_*.
pub(crate) fn link_create(
    program: BorrowedFd<'_>,
    ifindex: u32,
    flags: u32,
) -> io::Result<OwnedFd> {
    // SAFETY: zeroes are valid for the plain C struct.
    let mut options: libbpf_sys::bpf_link_create_opts = unsafe { zeroed() };
    options.sz = size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t;
    options.flags = flags;
    let (program, target) = (program.as_raw_fd(), ifindex as i32);
    // SAFETY: the options live until the call returns.
    let fd = unsafe { libbpf_sys::bpf_link_create(program, target, libbpf_sys::BPF_XDP, &options) };
    owned(fd)
}

/// Replaces a link's program, atomically.
pub(crate) fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let (link, program) = (link.as_raw_fd(), program.as_raw_fd());
    // SAFETY: no options are passed.
    checked(unsafe { libbpf_sys::bpf_link_update(link, program, std::ptr::null()) }).map(drop)
}

/// Takes the program off the interface, whoever else holds the link.
pub(crate) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes a descriptor only.
    checked(unsafe { libbpf_sys::bpf_link_detach(link.as_raw_fd()) }).map(drop)
}

pub(crate) fn link_info(link: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    // SAFETY: zeroes are valid for the plain C struct.
    let mut info: libbpf_sys::bpf_link_info = unsafe { zeroed() };
    let mut size = size_of::<libbpf_sys::bpf_link_info>() as u32;
    // SAFETY: the kernel writes at most `size` bytes to `info`.
    checked(unsafe {
        libbpf_sys::bpf_link_get_info_by_fd(link.as_raw_fd(), &mut info, &mut size)
    })?;
    // SAFETY: all variants are plain integers; of a link that is XDP's this one is meant.
    let ifindex = unsafe { info.__bindgen_anon_1.xdp.ifindex };
    Ok(LinkInfo {
        id: info.id,
        program_id: info.prog_id,
        ifindex,
    })
}

/// A program as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProgramInfo {
    pub id: u32,
    /// Its first 15 bytes.
    pub name: String,
}

pub(crate) fn program_info(program: BorrowedFd<'_>) -> io::Result<ProgramInfo> {
    // SAFETY: zeroes are valid for the plain C struct.
    let mut info: libbpf_sys::bpf_prog_info = unsafe { zeroed() };
    let mut size = size_of::<libbpf_sys::bpf_prog_info>() as u32;
    // SAFETY: the kernel writes at most `size` bytes to `info`.
    checked(unsafe {
        libbpf_sys::bpf_prog_get_info_by_fd(program.as_raw_fd(), &mut info, &mut size)
    })?;
    let name = info.name.iter().take_while(|byte| **byte != 0);
    Ok(ProgramInfo {
        id: info.id,
        name: name.map(|byte| *byte as u8 as char).collect(),
    })
}

pub(crate) fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes a number only.
    owned(unsafe { libbpf_sys::bpf_prog_get_fd_by_id(id) })
}

pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: the path is a C string that lives until the call returns.
    checked(unsafe { libbpf_sys::bpf_obj_pin(object.as_raw_fd(), path.as_ptr()) }).map(drop)
}

pub(crate) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    // SAFETY: the path is a C string that lives until the call returns.
    owned(unsafe { libbpf_sys::bpf_obj_get(path.as_ptr()) })
}

/// A map's memory, shared with the kernel.
pub(crate) struct Mapping {
    base: *mut libc::c_void,
    bytes: usize,
}

// SAFETY: the mapping is plain memory; who accesses it through `base` answers for how.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub fn new(map: BorrowedFd<'_>, bytes: usize) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let fd = map.as_raw_fd();
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let base =
            unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED, fd, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Mapping { base, bytes })
    }

    pub fn base(&self) -> *mut u8 {
        self.base.cast()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what mmap returned, unmapped once.
        unsafe { libc::munmap(self.base, self.bytes) };
    }
}

/// A request about an interface of this network namespace, for an ioctl.
fn interface_request(interface: &str) -> libc::ifreq {
    // SAFETY: zeroes are valid for the plain C struct.
    let mut request: libc::ifreq = unsafe { zeroed() };
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name[..room].iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request
}

/// Asks ethtool about an interface of this network namespace. `answer` begins with the command,
/// and has the size of its struct in linux/ethtool.h; None: the driver does not say.
fn ethtool<const WORDS: usize>(interface: &str, mut answer: [u32; WORDS]) -> Option<[u32; WORDS]> {
    const SIOCETHTOOL: u64 = 0x8946;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    let mut request = interface_request(interface);
    request.ifr_ifru.ifru_data = answer.as_mut_ptr().cast();
    // SAFETY: the kernel writes the command's struct, which `answer` has the size of.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &mut request) };
    (result == 0).then_some(answer)
}

/// What becomes of an interface's membership in a link-level group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    Join,
    Leave,
}

/// Joins or leaves a link-level multicast group on an interface of this network namespace, for
/// all the box and beyond the process (`dev_mc_add_global` in the kernel's dev_ioctl.c).
pub(crate) fn multicast(membership: Membership, interface: &str, group: [u8; 6]) -> io::Result<()> {
    const SIOCADDMULTI: u64 = 0x8931;
    const SIOCDELMULTI: u64 = 0x8932;
    let call = match membership {
        Membership::Join => SIOCADDMULTI,
        Membership::Leave => SIOCDELMULTI,
    };
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    let mut request = interface_request(interface);
    let mut bytes = [0; 14];
    for (to, from) in bytes.iter_mut().zip(group) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_hwaddr = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: bytes,
    };
    // SAFETY: the kernel reads the request, which lives until the call returns.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), call as _, &mut request) };
    if result == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// The driver of an interface, as `ethtool -i` shows it.
pub(crate) fn driver(interface: &str) -> Option<String> {
    const ETHTOOL_GDRVINFO: u32 = 3;
    const DRVINFO_WORDS: usize = 49;
    const DRIVER: std::ops::Range<usize> = 1..9;
    let mut ask = [0; DRVINFO_WORDS];
    ask[0] = ETHTOOL_GDRVINFO;
    let answer = ethtool(interface, ask)?;
    let bytes = answer[DRIVER].iter().flat_map(|word| word.to_ne_bytes());
    let name: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    (!name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned())
}

/// Receive and transmit queues that are in use, as `ethtool -l` shows them.
pub(crate) fn queues(interface: &str) -> Option<(u32, u32)> {
    const ETHTOOL_GCHANNELS: u32 = 0x3c;
    let mut ask = [0; 9];
    ask[0] = ETHTOOL_GCHANNELS;
    let [.., rx, tx, _other, combined] = ethtool(interface, ask)?;
    Some((rx + combined, tx + combined))
}

/// An AF_XDP socket that is bound to nothing.
pub(crate) fn xdp_socket() -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call that succeeded gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

/// libbpf's low-level calls return -errno.
fn checked(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::from_raw_os_error(-result))
    } else {
        Ok(result)
    }
}

fn owned(fd: i32) -> io::Result<OwnedFd> {
    let fd = checked(fd)?;
    // SAFETY: the call that succeeded gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Runs a frame through a program: its `enum xdp_action`, and how many bytes it left in `out`.
pub(crate) fn test_run(
    program: BorrowedFd<'_>,
    context: &[u8],
    frame: &[u8],
    out: &mut [u8],
) -> io::Result<(u32, usize)> {
    // SAFETY: zeroes are valid for the plain C struct.
    let mut options: libbpf_sys::bpf_test_run_opts = unsafe { zeroed() };
    options.sz = size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t;
    options.ctx_in = context.as_ptr().cast();
    options.ctx_size_in = context.len() as u32;
    options.data_in = frame.as_ptr().cast();
    options.data_size_in = frame.len() as u32;
    options.data_out = out.as_mut_ptr().cast();
    options.data_size_out = out.len() as u32;
    options.repeat = 1;
    // SAFETY: the kernel reads and writes the three slices within their lengths, until it returns.
    checked(unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_raw_fd(), &mut options) })?;
    Ok((options.retval, options.data_size_out as usize))
}
