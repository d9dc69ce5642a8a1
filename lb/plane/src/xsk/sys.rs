//! System calls of AF_XDP sockets, and memory that is shared with the kernel.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::ring::Layout;

/// Memory that is unmapped with its last handle.
#[derive(Clone)]
pub(crate) struct Memory {
    mapped: Arc<Mapped>,
}

struct Mapped {
    base: *mut u8,
    bytes: usize,
}

// SAFETY: plain memory; who accesses it through base() answers for how.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: exactly what mmap returned, unmapped once.
        unsafe { libc::munmap(self.base.cast(), self.bytes) };
    }
}

impl Memory {
    /// Zeroed memory, of huge pages where there are some: they are there in a tenth of the time.
    pub fn anonymous(bytes: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let memory = Memory::map(bytes, flags, -1, 0)?;
        // SAFETY: the mapping is ours; the advice changes nothing of what it holds. Where it is not
        // taken small pages do.
        unsafe { libc::madvise(memory.base().cast(), bytes, libc::MADV_HUGEPAGE) };
        Ok(memory)
    }

    /// A socket's ring, by its offset of `XDP_PGOFF_*` or `XDP_UMEM_PGOFF_*`.
    fn ring(socket: BorrowedFd<'_>, bytes: usize, offset: i64) -> io::Result<Self> {
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        Memory::map(bytes, flags, socket.as_raw_fd(), offset)
    }

    fn map(bytes: usize, flags: i32, fd: RawFd, offset: i64) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, flags, fd, offset) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = base.cast();
        Ok(Memory {
            mapped: Arc::new(Mapped { base, bytes }),
        })
    }

    pub fn base(&self) -> *mut u8 {
        self.mapped.base
    }

    pub fn bytes(&self) -> usize {
        self.mapped.bytes
    }
}

pub(crate) fn open() -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    checked(fd)?;
    // SAFETY: the call that succeeded gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes memory the socket's.
pub(crate) fn register(
    socket: BorrowedFd<'_>,
    memory: &Memory,
    frame_bytes: u32,
) -> io::Result<()> {
    // SAFETY: zeroes are valid for the plain C struct.
    let mut registration: libc::xdp_umem_reg = unsafe { zeroed() };
    registration.addr = memory.base() as u64;
    registration.len = memory.bytes() as u64;
    registration.chunk_size = frame_bytes;
    set(socket, libc::SOL_XDP, libc::XDP_UMEM_REG, &registration)
}

/// The four rings of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Fill,
    Completion,
    Receive,
    Send,
}

/// Makes a ring and maps it.
pub(crate) fn ring(
    socket: BorrowedFd<'_>,
    kind: Kind,
    size: u32,
    entry_bytes: usize,
) -> io::Result<(Memory, Layout)> {
    let option = match kind {
        Kind::Fill => libc::XDP_UMEM_FILL_RING,
        Kind::Completion => libc::XDP_UMEM_COMPLETION_RING,
        Kind::Receive => libc::XDP_RX_RING,
        Kind::Send => libc::XDP_TX_RING,
    };
    set(socket, libc::SOL_XDP, option, &size)?;
    // SAFETY: zeroes are valid for the plain C struct.
    let mut offsets: libc::xdp_mmap_offsets = unsafe { zeroed() };
    get(socket, libc::SOL_XDP, libc::XDP_MMAP_OFFSETS, &mut offsets)?;
    let (offsets, page) = match kind {
        Kind::Fill => (offsets.fr, libc::XDP_UMEM_PGOFF_FILL_RING as i64),
        Kind::Completion => (offsets.cr, libc::XDP_UMEM_PGOFF_COMPLETION_RING as i64),
        Kind::Receive => (offsets.rx, libc::XDP_PGOFF_RX_RING),
        Kind::Send => (offsets.tx, libc::XDP_PGOFF_TX_RING),
    };
    let layout = Layout {
        producer: offsets.producer as usize,
        consumer: offsets.consumer as usize,
        flags: offsets.flags as usize,
        entries: offsets.desc as usize,
    };
    let bytes = layout.entries + size as usize * entry_bytes;
    Ok((Memory::ring(socket, bytes, page)?, layout))
}

/// Binds to a queue; `shared` is a socket that is bound and whose memory it is to use.
pub(crate) fn bind(
    socket: BorrowedFd<'_>,
    ifindex: u32,
    queue: u32,
    flags: u16,
    shared: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: flags,
        sxdp_ifindex: ifindex,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: shared.map_or(0, |fd| fd.as_raw_fd() as u32),
    };
    let bytes = size_of::<libc::sockaddr_xdp>() as libc::socklen_t;
    // SAFETY: the address lives until the call returns, and has the size that is said.
    checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), bytes) })
}

pub(crate) fn statistics(socket: BorrowedFd<'_>) -> io::Result<libc::xdp_statistics> {
    // SAFETY: zeroes are valid for the plain C struct.
    let mut statistics: libc::xdp_statistics = unsafe { zeroed() };
    get(socket, libc::SOL_XDP, libc::XDP_STATISTICS, &mut statistics)?;
    Ok(statistics)
}

/// Packets by polling the driver rather than by its interrupts (kernel 5.11).
pub(crate) fn busy_poll(socket: BorrowedFd<'_>, microseconds: i32, budget: i32) -> io::Result<()> {
    const SO_PREFER_BUSY_POLL: i32 = 69;
    const SO_BUSY_POLL_BUDGET: i32 = 70;
    set(socket, libc::SOL_SOCKET, SO_PREFER_BUSY_POLL, &1i32)?;
    set(socket, libc::SOL_SOCKET, libc::SO_BUSY_POLL, &microseconds)?;
    set(socket, libc::SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget)
}

/// Has the kernel send what is in the tx ring.
pub(crate) fn wake_send(socket: BorrowedFd<'_>) -> io::Result<()> {
    let (fd, flags) = (socket.as_raw_fd(), libc::MSG_DONTWAIT);
    // SAFETY: no buffer and no address are passed.
    let sent = unsafe { libc::sendto(fd, std::ptr::null(), 0, flags, std::ptr::null(), 0) };
    checked(sent as i32)
}

/// Has the driver look at the fill ring.
pub(crate) fn wake_receive(socket: BorrowedFd<'_>) -> io::Result<()> {
    let (fd, flags, none) = (socket.as_raw_fd(), libc::MSG_DONTWAIT, std::ptr::null_mut());
    // SAFETY: no buffer and no address are passed.
    let got = unsafe { libc::recvfrom(fd, none, 0, flags, none.cast(), none.cast()) };
    checked(got as i32)
}

/// The error that the socket has had, once.
pub(crate) fn error(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut error = 0i32;
    get(socket, libc::SOL_SOCKET, libc::SO_ERROR, &mut error)?;
    match error {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn set<T>(socket: BorrowedFd<'_>, level: i32, option: i32, value: &T) -> io::Result<()> {
    let bytes = size_of::<T>() as libc::socklen_t;
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: the kernel reads the value, of the size that is said, until the call returns.
    checked(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, bytes) })
}

fn get<T>(socket: BorrowedFd<'_>, level: i32, option: i32, value: &mut T) -> io::Result<()> {
    let mut bytes = size_of::<T>() as libc::socklen_t;
    let value = std::ptr::from_mut(value).cast();
    // SAFETY: the kernel writes at most `bytes` bytes to the value, of plain integers.
    checked(unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, value, &mut bytes) })
}

fn checked(result: i32) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
