//! One ring: entries, and two counters of which each end writes its own.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

use super::sys::Memory;

/// `XDP_RING_NEED_WAKEUP`.
const NEED_WAKEUP: u32 = 1;

/// Where the parts of a ring are in its memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub producer: usize,
    pub consumer: usize,
    pub flags: usize,
    pub entries: usize,
}

/// What both ends have. `T` is plain data, as the kernel writes it.
struct Shared<T> {
    memory: Memory,
    layout: Layout,
    mask: u32,
    entry: PhantomData<T>,
}

impl<T: Copy> Shared<T> {
    /// # Panics
    /// When the memory doesn't hold what the layout says, or `size` is no power of two.
    fn new(memory: Memory, layout: Layout, size: u32) -> Self {
        assert!(size.is_power_of_two(), "a ring of {size}");
        let counters = [layout.producer, layout.consumer, layout.flags];
        let fits = counters
            .iter()
            .all(|at| at + 4 <= memory.bytes() && at % 4 == 0)
            && layout.entries + size as usize * size_of::<T>() <= memory.bytes()
            && layout.entries.is_multiple_of(align_of::<T>());
        assert!(
            fits,
            "a ring of {size} in {} bytes: {layout:?}",
            memory.bytes()
        );
        Shared {
            memory,
            layout,
            mask: size - 1,
            entry: PhantomData,
        }
    }

    fn counter(&self, at: usize) -> &AtomicU32 {
        // SAFETY: new() checked that the word is in the memory, which lives as long as `self`, and
        // aligned; both ends access it atomically.
        unsafe { &*self.memory.base().add(at).cast::<AtomicU32>() }
    }

    fn entry(&self, index: u32) -> *mut T {
        let index = (index & self.mask) as usize;
        // SAFETY: new() checked that all entries are in the memory.
        unsafe {
            self.memory
                .base()
                .add(self.layout.entries)
                .cast::<T>()
                .add(index)
        }
    }

    fn size(&self) -> u32 {
        self.mask + 1
    }
}

/// The end that puts entries.
pub(crate) struct Producer<T> {
    shared: Shared<T>,
    /// Entries written; the other end sees them once they are published.
    produced: u32,
    consumed: u32,
}

impl<T: Copy> Producer<T> {
    pub fn new(memory: Memory, layout: Layout, size: u32) -> Self {
        Producer {
            shared: Shared::new(memory, layout, size),
            produced: 0,
            consumed: 0,
        }
    }

    /// Writes an entry; false: the ring is full.
    pub fn push(&mut self, value: T) -> bool {
        if self.produced.wrapping_sub(self.consumed) == self.shared.size() {
            self.consumed = self.consumer();
            if self.produced.wrapping_sub(self.consumed) == self.shared.size() {
                return false;
            }
        }
        // SAFETY: the entry is inside the ring; the other end reads it only after publish(), and
        // is through with what was there, because its counter has passed it.
        unsafe { self.shared.entry(self.produced).write(value) };
        self.produced = self.produced.wrapping_add(1);
        true
    }

    /// Shows what was pushed to the other end.
    pub fn publish(&mut self) {
        let counter = self.shared.counter(self.shared.layout.producer);
        counter.store(self.produced, Ordering::Release);
    }

    /// Entries that the other end has not taken yet.
    pub fn pending(&self) -> u32 {
        self.produced.wrapping_sub(self.consumer())
    }

    /// Does the other end sleep until it is told?
    pub fn needs_wakeup(&self) -> bool {
        let flags = self.shared.counter(self.shared.layout.flags);
        flags.load(Ordering::Relaxed) & NEED_WAKEUP != 0
    }

    fn consumer(&self) -> u32 {
        let counter = self.shared.counter(self.shared.layout.consumer);
        counter.load(Ordering::Acquire)
    }
}

/// The end that takes entries.
pub(crate) struct Consumer<T> {
    shared: Shared<T>,
    produced: u32,
    /// Entries read; the other end may overwrite them once they are released.
    consumed: u32,
}

impl<T: Copy> Consumer<T> {
    pub fn new(memory: Memory, layout: Layout, size: u32) -> Self {
        Consumer {
            shared: Shared::new(memory, layout, size),
            produced: 0,
            consumed: 0,
        }
    }

    pub fn pop(&mut self) -> Option<T> {
        if self.produced == self.consumed {
            let counter = self.shared.counter(self.shared.layout.producer);
            self.produced = counter.load(Ordering::Acquire);
            if self.produced == self.consumed {
                return None;
            }
        }
        // SAFETY: the entry is inside the ring; the other end published it and writes it again
        // only after release().
        let value = unsafe { self.shared.entry(self.consumed).read() };
        self.consumed = self.consumed.wrapping_add(1);
        Some(value)
    }

    /// Gives the places of what was popped to the other end.
    pub fn release(&mut self) {
        let counter = self.shared.counter(self.shared.layout.consumer);
        counter.store(self.consumed, Ordering::Release);
    }
}
