//! A socket on a queue of an interface: four rings, and the frames that they have.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::frame::{FRAME_BYTES, Frame, Lent, Umem};
use super::ring::{Consumer, Producer};
use super::sys::{self, Kind};

/// Entries of each ring.
pub(crate) const RING: u32 = 2048;
/// Frames that may be on their way out by a socket: more would only wait.
const SENDING_MOST: u32 = RING / 2;
/// Times that the kernel is told to send, in a row: it sends 32 frames each time.
const WAKES_MOST: u32 = RING / 32;
const BUSY_POLL_MICROSECONDS: i32 = 20;
const BUSY_POLL_BUDGET: i32 = 64;

/// Who copies packets between driver and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Copy,
    ZeroCopy,
}

/// What a socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    pub ifindex: u32,
    pub queue: u32,
    /// Of all sockets of one memory.
    pub mode: Mode,
    pub busy_poll: bool,
}

/// Why a socket was not bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "{bytes} bytes for packets can't be locked in memory: raise RLIMIT_MEMLOCK by as much \
         (LimitMEMLOCK=infinity in the unit, or ulimit -l), or lower afxdp.framesPerQueue"
    )]
    Memory {
        bytes: usize,
        #[source]
        source: io::Error,
    },
    #[error("the interface is gone")]
    NoInterface(#[source] io::Error),
    #[error(
        "the interface of this index is another one: run the worker in the daemon's network namespace"
    )]
    AnotherInterface(#[source] io::Error),
    #[error("the interface has no such queue, or its driver no AF_XDP")]
    NoQueue(#[source] io::Error),
    #[error("another socket has the queue")]
    Busy(#[source] io::Error),
    #[error("the driver has no zero-copy mode")]
    NoZeroCopy(#[source] io::Error),
    #[error("the kernel refuses")]
    System(#[source] io::Error),
}

impl BindError {
    fn of(error: io::Error, mode: Mode) -> Self {
        match error.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => BindError::NoInterface(error),
            Some(libc::EBUSY) => BindError::Busy(error),
            Some(libc::EOPNOTSUPP) if mode == Mode::ZeroCopy => BindError::NoZeroCopy(error),
            Some(libc::EINVAL) => BindError::NoQueue(error),
            _ => BindError::System(error),
        }
    }

    pub fn errno(&self) -> i32 {
        let (BindError::Memory { source, .. }
        | BindError::NoInterface(source)
        | BindError::AnotherInterface(source)
        | BindError::NoQueue(source)
        | BindError::Busy(source)
        | BindError::NoZeroCopy(source)
        | BindError::System(source)) = self;
        source.raw_os_error().unwrap_or(libc::ENODEV)
    }
}

/// An entry of an rx or tx ring (`struct xdp_desc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Descriptor {
    pub address: u64,
    pub length: u32,
    pub options: u32,
}

/// What the kernel has counted of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames that were not received: no room, or in pieces.
    pub rx_dropped: u64,
    /// Times that the fill ring was empty.
    pub fill_empty: u64,
    /// Times that the rx ring was full.
    pub rx_full: u64,
}

/// The rings of a socket, and how many frames they have.
pub(crate) struct Rings {
    pub socket: u16,
    pub fill: Producer<u64>,
    pub rx: Consumer<Descriptor>,
    pub tx: Producer<Descriptor>,
    pub completion: Consumer<u64>,
    pub filling: u32,
    pub sending: u32,
    /// Entries that the ledger doesn't know: the other end broke the protocol.
    pub foreign: u64,
}

impl Rings {
    /// Lends frames to be received into, until the rings have `level` of them.
    pub fn refill(&mut self, umem: &mut Umem, level: u32) {
        let before = self.filling;
        while self.filling < level.min(RING) {
            let Some(frame) = umem.take() else { break };
            let (address, _) = umem.lend(frame, Lent::Fill(self.socket));
            // Headroom and all: the kernel rounds down to the frame.
            if !self.fill.push(address) {
                let frame = umem.reclaim(address, 0, Lent::Fill(self.socket));
                umem.give(frame.expect("it was lent a line above"));
                break;
            }
            self.filling += 1;
        }
        if self.filling != before {
            self.fill.publish();
        }
    }

    /// Takes at most `most` received frames.
    pub fn receive(&mut self, umem: &mut Umem, into: &mut Vec<Frame>, most: usize) -> usize {
        let mut count = 0;
        while count < most {
            let Some(entry) = self.rx.pop() else { break };
            match umem.reclaim(entry.address, entry.length, Lent::Fill(self.socket)) {
                Some(frame) => {
                    self.filling -= 1;
                    into.push(frame);
                    count += 1;
                }
                None => self.foreign += 1,
            }
        }
        self.rx.release();
        count
    }

    /// Puts a frame into the tx ring, which publish() shows to the kernel; or gives it back: no
    /// room.
    pub fn send(&mut self, umem: &mut Umem, frame: Frame) -> Result<(), Frame> {
        if self.sending >= SENDING_MOST {
            return Err(frame);
        }
        let packet = frame.packet();
        let (address, length) = umem.lend(frame, Lent::Send(self.socket));
        let entry = Descriptor {
            address,
            length,
            options: 0,
        };
        if self.tx.push(entry) {
            self.sending += 1;
            return Ok(());
        }
        let frame = umem.reclaim(address, length, Lent::Send(self.socket));
        let mut frame = frame.expect("it was lent a few lines above");
        frame.set_packet(packet);
        Err(frame)
    }

    /// Frees the frames that were sent.
    pub fn complete(&mut self, umem: &mut Umem) -> u32 {
        let before = self.sending;
        while let Some(address) = self.completion.pop() {
            match umem.reclaim(address, 0, Lent::Send(self.socket)) {
                Some(frame) => {
                    self.sending -= 1;
                    umem.give(frame);
                }
                None => self.foreign += 1,
            }
        }
        self.completion.release();
        before - self.sending
    }
}

/// A socket with its rings that is bound to nothing yet. To make one takes milliseconds; to bind
/// it, or to try, does not.
pub struct Unbound {
    fd: OwnedFd,
    rings: Rings,
    /// It is the memory's first; else it is to share.
    is_first: bool,
}

/// A bound socket.
pub struct Socket {
    fd: OwnedFd,
    binding: Binding,
    rings: Rings,
    /// Frames are in the tx ring that the kernel was not told of.
    unsent: bool,
}

impl Unbound {
    /// Opens a socket. `number` is none of the memory's other sockets'.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn open(umem: &Umem, number: u16, is_first: bool) -> Result<Unbound, BindError> {
        let fd = sys::open().map_err(BindError::System)?;
        if is_first {
            register(fd.as_fd(), umem)?;
        }
        let rings = rings(fd.as_fd(), number).map_err(BindError::System)?;
        Ok(Unbound {
            fd,
            rings,
            is_first,
        })
    }

    /// Whether it is its memory's first.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Binds to a queue. `sharing` is any bound socket of the same memory; None if this is the
    /// first.
    ///
    /// # Errors
    /// See [`BindError`]; the socket may be bound later.
    pub fn bind(
        self,
        sharing: Option<&Socket>,
        binding: Binding,
    ) -> Result<Socket, Box<(Unbound, BindError)>> {
        match self.try_bind(sharing, binding) {
            Ok(()) => Ok(Socket {
                fd: self.fd,
                binding,
                rings: self.rings,
                unsent: false,
            }),
            Err(error) => Err(Box::new((self, BindError::of(error, binding.mode)))),
        }
    }

    fn try_bind(&self, sharing: Option<&Socket>, binding: Binding) -> io::Result<()> {
        let fd = self.fd.as_fd();
        if binding.busy_poll {
            sys::busy_poll(fd, BUSY_POLL_MICROSECONDS, BUSY_POLL_BUDGET)?;
        }
        // A socket that shares has the first one's mode, too.
        let flags = match (sharing, binding.mode) {
            (Some(_), _) => libc::XDP_SHARED_UMEM,
            (None, Mode::Copy) => libc::XDP_COPY | libc::XDP_USE_NEED_WAKEUP,
            (None, Mode::ZeroCopy) => libc::XDP_ZEROCOPY | libc::XDP_USE_NEED_WAKEUP,
        };
        let shared = sharing.map(|socket| socket.fd.as_fd());
        sys::bind(fd, binding.ifindex, binding.queue, flags, shared)
    }
}

impl Socket {
    pub fn binding(&self) -> Binding {
        self.binding
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Closes it and takes back the frames that it had.
    pub fn close(self, umem: &mut Umem) {
        let (number, mode) = (self.rings.socket, self.binding.mode);
        drop(self);
        // Where the kernel copies it has stopped before close() returned. A driver without copies
        // may go on for a while: its frames stay lent, until the memory is let go.
        if mode == Mode::Copy {
            umem.recall(number);
        }
    }

    /// Lends frames to be received into, until there are `level`.
    pub fn refill(&mut self, umem: &mut Umem, level: u32) {
        self.rings.refill(umem, level);
    }

    /// Takes at most `most` received frames.
    pub fn receive(&mut self, umem: &mut Umem, into: &mut Vec<Frame>, most: usize) -> usize {
        self.rings.receive(umem, into, most)
    }

    /// Puts a frame on its way out, which [`Socket::flush`] begins; or gives it back: no room.
    ///
    /// # Errors
    /// The frame, unsent.
    pub fn send(&mut self, umem: &mut Umem, frame: Frame) -> Result<(), Frame> {
        let sent = self.rings.send(umem, frame);
        self.unsent |= sent.is_ok();
        sent
    }

    /// Has the kernel send what is in the tx ring, and frees what it has sent. Says how often it
    /// had to be told; what the driver has no room for stays, for the next time.
    ///
    /// # Errors
    /// The socket is bound to nothing any more.
    pub fn flush(&mut self, umem: &mut Umem) -> io::Result<u64> {
        let mut wakes = 0;
        if self.unsent {
            self.rings.tx.publish();
            for _ in 0..WAKES_MOST {
                let pending = self.rings.tx.pending();
                if pending == 0 || !self.rings.tx.needs_wakeup() {
                    break;
                }
                wakes += 1;
                sent(sys::wake_send(self.fd.as_fd()))?;
                if self.rings.tx.pending() == pending {
                    break;
                }
            }
            self.unsent = self.rings.tx.pending() > 0;
        }
        self.rings.complete(umem);
        Ok(wakes)
    }

    /// Frees what was sent since.
    pub fn complete(&mut self, umem: &mut Umem) -> u32 {
        self.rings.complete(umem)
    }

    /// Are frames in the tx ring that the kernel has not taken?
    pub fn is_unsent(&self) -> bool {
        self.unsent
    }

    /// Tells a driver that waits for it that there are frames to receive into. Was it needed?
    pub fn wake_receive(&self) -> bool {
        let needed = self.rings.fill.needs_wakeup();
        if needed {
            // It says what poll() will say, too.
            let _ = sys::wake_receive(self.fd.as_fd());
        }
        needed
    }

    /// The error that it had since it was last asked.
    ///
    /// # Errors
    /// ENETDOWN: the interface is gone.
    pub fn error(&self) -> io::Result<()> {
        sys::error(self.fd.as_fd())
    }

    /// # Errors
    /// The kernel's.
    pub fn statistics(&self) -> io::Result<Statistics> {
        let counted = sys::statistics(self.fd.as_fd())?;
        Ok(Statistics {
            rx_dropped: counted.rx_dropped + counted.rx_ring_full + counted.rx_invalid_descs,
            fill_empty: counted.rx_fill_ring_empty_descs,
            rx_full: counted.rx_ring_full,
        })
    }
}

/// What only says that the driver has no room now is no error.
fn sent(result: io::Result<()>) -> io::Result<()> {
    match result.as_ref().map_err(io::Error::raw_os_error) {
        Err(Some(libc::EAGAIN | libc::EBUSY | libc::ENOBUFS | libc::ENETDOWN | libc::EINTR)) => {
            Ok(())
        }
        _ => result,
    }
}

fn register(fd: BorrowedFd<'_>, umem: &Umem) -> Result<(), BindError> {
    let memory = umem.memory();
    sys::register(fd, memory, FRAME_BYTES).map_err(|source| match source.raw_os_error() {
        Some(libc::ENOBUFS | libc::ENOMEM | libc::EPERM) => BindError::Memory {
            bytes: memory.bytes(),
            source,
        },
        _ => BindError::System(source),
    })
}

fn rings(fd: BorrowedFd<'_>, socket: u16) -> io::Result<Rings> {
    let addresses = |kind| sys::ring(fd, kind, RING, size_of::<u64>());
    let descriptors = |kind| sys::ring(fd, kind, RING, size_of::<Descriptor>());
    let (fill, completion) = (addresses(Kind::Fill)?, addresses(Kind::Completion)?);
    let (rx, tx) = (descriptors(Kind::Receive)?, descriptors(Kind::Send)?);
    Ok(Rings {
        socket,
        fill: Producer::new(fill.0, fill.1, RING),
        rx: Consumer::new(rx.0, rx.1, RING),
        tx: Producer::new(tx.0, tx.1, RING),
        completion: Consumer::new(completion.0, completion.1, RING),
        filling: 0,
        sending: 0,
        foreign: 0,
    })
}
