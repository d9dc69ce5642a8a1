//! Frames as owned values, and where those are that nobody has. Only this file knows that a frame
//! is a piece of memory at an address.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use super::sys::Memory;

/// Of a frame with its headroom: a page, as drivers without copies want it.
pub const FRAME_BYTES: u32 = 4096;

/// A frame that nobody else has: not the kernel, not a ring, not the free list.
#[derive(Debug)]
#[must_use = "a frame that is dropped is lost: give it back"]
pub struct Frame {
    umem: u32,
    index: u32,
    /// Where the packet is.
    start: u32,
    length: u32,
}

impl Frame {
    pub fn packet(&self) -> Range<usize> {
        self.start as usize..(self.start + self.length) as usize
    }

    /// Says where the packet is, after its head has moved.
    ///
    /// # Panics
    /// When that is not inside the frame.
    pub fn set_packet(&mut self, packet: Range<usize>) {
        let (start, end) = (packet.start, packet.end);
        assert!(start < end && end <= FRAME_BYTES as usize, "{packet:?}");
        self.start = packet.start as u32;
        self.length = (packet.end - packet.start) as u32;
    }

    pub fn length(&self) -> u32 {
        self.length
    }
}

/// A ring that frames are lent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lent {
    /// To be received into, until it comes by the rx ring.
    Fill(u16),
    /// To be sent, until it comes by the completion ring.
    Send(u16),
}

/// In the ledger: a `Frame` exists, or is on the free list.
const OURS: u32 = 0;

impl Lent {
    fn entry(self) -> u32 {
        match self {
            Lent::Fill(socket) => 1 + 2 * u32::from(socket),
            Lent::Send(socket) => 2 + 2 * u32::from(socket),
        }
    }
}

/// Where all frames are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub free: usize,
    /// In the hands of somebody who has a [`Frame`].
    pub held: usize,
    pub filling: usize,
    pub sending: usize,
}

/// The memory of a thread's packets.
pub struct Umem {
    memory: Memory,
    /// No other has it: a frame of another's is not taken.
    id: u32,
    free: Vec<Frame>,
    /// By frame: `OURS`, or to which ring it is lent.
    ledger: Vec<u32>,
}

static UMEMS: AtomicU32 = AtomicU32::new(0);

impl Umem {
    /// # Errors
    /// There isn't so much memory.
    pub fn new(frames: u32) -> io::Result<Self> {
        let memory = Memory::anonymous(frames as usize * FRAME_BYTES as usize)?;
        let id = UMEMS.fetch_add(1, Ordering::Relaxed);
        let frame = |index| Frame {
            umem: id,
            index,
            start: 0,
            length: 0,
        };
        Ok(Umem {
            memory,
            id,
            free: (0..frames).rev().map(frame).collect(),
            ledger: vec![OURS; frames as usize],
        })
    }

    pub fn frames(&self) -> u32 {
        self.ledger.len() as u32
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// A free frame.
    pub fn take(&mut self) -> Option<Frame> {
        self.free.pop()
    }

    /// Back to the free list.
    pub fn give(&mut self, mut frame: Frame) {
        self.check(&frame);
        (frame.start, frame.length) = (0, 0);
        self.free.push(frame);
    }

    /// All memory of a frame, the headroom before its packet included.
    pub fn bytes<'frame>(&self, frame: &'frame mut Frame) -> &'frame mut [u8] {
        self.check(frame);
        let start = frame.index as usize * FRAME_BYTES as usize;
        // SAFETY: the index is below the count (only new() and reclaim() make frames), so the
        // bytes are inside of the memory. There is one Frame for each index, which is borrowed
        // mutably, and a frame that a ring has is no Frame: nobody else accesses these bytes. The
        // memory outlives them: frames are used beside their Umem only, and are dropped with it.
        unsafe {
            let base = self.memory.base().add(start);
            std::slice::from_raw_parts_mut(base, FRAME_BYTES as usize)
        }
    }

    /// Lends a frame to a ring; says the address of its packet.
    pub(crate) fn lend(&mut self, frame: Frame, to: Lent) -> (u64, u32) {
        self.check(&frame);
        self.ledger[frame.index as usize] = to.entry();
        let start = u64::from(frame.index) * u64::from(FRAME_BYTES);
        (start + u64::from(frame.start), frame.length)
    }

    /// Takes a frame back that came by a ring. None: it was not lent so, and is not taken.
    pub(crate) fn reclaim(&mut self, address: u64, length: u32, from: Lent) -> Option<Frame> {
        let index = address / u64::from(FRAME_BYTES);
        let start = (address % u64::from(FRAME_BYTES)) as u32;
        let entry = self.ledger.get_mut(usize::try_from(index).ok()?)?;
        if *entry != from.entry() || length > FRAME_BYTES - start {
            return None;
        }
        *entry = OURS;
        Some(Frame {
            umem: self.id,
            index: index as u32,
            start,
            length,
        })
    }

    /// Takes back all that a socket had; it must be closed. Says how many.
    pub(crate) fn recall(&mut self, socket: u16) -> usize {
        let before = self.free.len();
        let its = [Lent::Fill(socket).entry(), Lent::Send(socket).entry()];
        for (index, entry) in self.ledger.iter_mut().enumerate() {
            if its.contains(entry) {
                *entry = OURS;
                self.free.push(Frame {
                    umem: self.id,
                    index: index as u32,
                    start: 0,
                    length: 0,
                });
            }
        }
        self.free.len() - before
    }

    pub fn tally(&self) -> Tally {
        let lent = |parity| {
            let is_so = |entry: &&u32| **entry != OURS && **entry % 2 == parity;
            self.ledger.iter().filter(is_so).count()
        };
        let (filling, sending) = (lent(1), lent(0));
        Tally {
            free: self.free.len(),
            held: self.ledger.len() - self.free.len() - filling - sending,
            filling,
            sending,
        }
    }

    fn check(&self, frame: &Frame) {
        assert_eq!(frame.umem, self.id, "a frame of another memory");
    }
}
