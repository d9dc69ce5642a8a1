//! AF_PACKET sockets: see packet(7).

use std::io;
use std::mem::{size_of, size_of_val, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::FRAME_BYTES;

/// A statement of a filter program: code, where to go on if true and if false, operand.
type Statement = (u16, u8, u8, u32);

const LDX_IMM: u16 = (libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM) as u16;
const LDH_ABS: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LDB_IND: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_IND) as u16;
const JEQ: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RET: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// ARP, and of ICMPv6 neighbour solicitations and advertisements. The kernel takes the outermost
/// tag out of a frame before it asks; the second one may be there.
const FILTER: [Statement; 14] = [
    (LDX_IMM, 0, 0, 0),
    (LDH_ABS, 0, 0, 12),
    (JEQ, 0, 2, 0x8100),
    (LDX_IMM, 0, 0, 4),
    (LDH_ABS, 0, 0, 16),
    (JEQ, 6, 0, 0x0806),
    (JEQ, 0, 6, 0x86dd),
    (LDB_IND, 0, 0, 14 + 6),
    (JEQ, 0, 4, 58),
    (LDB_IND, 0, 0, 14 + 40),
    (JEQ, 1, 0, 135),
    (JEQ, 0, 1, 136),
    (RET, 0, 0, FRAME_BYTES as u32),
    (RET, 0, 0, 0),
];

/// A socket that hears what comes in on a device, and passes the filter.
pub fn listen(device: u32) -> io::Result<OwnedFd> {
    // Without a protocol nothing comes in before the filter is there.
    let socket = open(0)?;
    let mut filter = FILTER.map(|(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k });
    let program = libc::sock_fprog {
        len: FILTER.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    option(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
    let on: libc::c_int = 1;
    option(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, &on)?;
    option(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &on)?;
    let address = address(device, libc::ETH_P_ALL as u16);
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address lives until the call returns, and has this length.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    checked(bound as isize)?;
    Ok(socket)
}

/// A socket that only sends.
pub fn mouth() -> io::Result<OwnedFd> {
    open(0)
}

fn open(protocol: i32) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, protocol) };
    checked(fd as isize)?;
    // SAFETY: the call that succeeded gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub fn send(socket: &OwnedFd, device: u32, frame: &[u8]) -> io::Result<()> {
    let kind = frame
        .get(12..14)
        .map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
    let address = address(device, kind);
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: frame and address live until the call returns, and have these lengths.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            length,
        )
    };
    checked(sent).map(drop)
}

/// The next frame, with the tag that the kernel took out put back.
pub fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Vec<u8>> {
    const CONTROL_WORDS: usize = 16;
    let mut control = [0u64; CONTROL_WORDS];
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: zeroes are valid for the plain C struct.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the kernel writes to buffer and control within their lengths, until it returns.
    let size = checked(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) })?;
    let frame = &buffer[..size.min(buffer.len())];
    Ok(match tag(&message) {
        Some(tag) if frame.len() >= 12 => [&frame[..12], &tag, &frame[12..]].concat(),
        _ => frame.to_vec(),
    })
}

/// The tag that the kernel took out of a frame.
fn tag(message: &libc::msghdr) -> Option<[u8; 4]> {
    // SAFETY: the kernel filled the message, and its control buffer lives with the caller.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: it is not null, and the kernel wrote it.
        let found = unsafe { *header };
        if found.cmsg_level == libc::SOL_PACKET && found.cmsg_type == libc::PACKET_AUXDATA {
            // SAFETY: such a control message carries this struct, perhaps not aligned.
            let data = unsafe {
                libc::CMSG_DATA(header)
                    .cast::<libc::tpacket_auxdata>()
                    .read_unaligned()
            };
            return tag_of(&data);
        }
        // SAFETY: as for the first.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

fn tag_of(data: &libc::tpacket_auxdata) -> Option<[u8; 4]> {
    let is_valid = |flag: u32| data.tp_status & flag != 0;
    if !is_valid(libc::TP_STATUS_VLAN_VALID) {
        return None;
    }
    let kind = match is_valid(libc::TP_STATUS_VLAN_TPID_VALID) {
        true => data.tp_vlan_tpid,
        false => 0x8100,
    };
    let ([a, b], [c, d]) = (kind.to_be_bytes(), data.tp_vlan_tci.to_be_bytes());
    Some([a, b, c, d])
}

fn address(device: u32, protocol: u16) -> libc::sockaddr_ll {
    // SAFETY: zeroes are valid for the plain C struct.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = device as i32;
    address
}

fn option<T>(socket: &OwnedFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel reads the value, of its own size, and what it points to, until it returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            length,
        )
    };
    checked(result as isize).map(drop)
}

fn checked(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
