//! Flat memory: the regions of `enum lb_region`, their sizes, and access to them.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::abi;

/// A region: a BPF array of its name in the kernel, a pointer in user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Region {
    Control,
    Banks,
    Filter,
    Vips,
    Ports,
    Services,
    Routes,
    Slots,
    Members,
    Sources,
    Backends,
    Loads,
    Hops,
    Interfaces,
    Cursors,
    Cpus,
    ServiceStats,
    BackendStats,
    ConnForward,
    ConnReverse,
    Conn4,
    Conn6,
    Affinity,
    SourceStamps,
    Fragments,
    Scratch,
    Queues,
}

/// How many regions there are.
pub const REGION_COUNT: usize = abi::lb_region::LB_REGION_COUNT as usize;

impl Region {
    /// All, in the order of `enum lb_region`.
    pub const ALL: [Self; REGION_COUNT] = [
        Self::Control,
        Self::Banks,
        Self::Filter,
        Self::Vips,
        Self::Ports,
        Self::Services,
        Self::Routes,
        Self::Slots,
        Self::Members,
        Self::Sources,
        Self::Backends,
        Self::Loads,
        Self::Hops,
        Self::Interfaces,
        Self::Cursors,
        Self::Cpus,
        Self::ServiceStats,
        Self::BackendStats,
        Self::ConnForward,
        Self::ConnReverse,
        Self::Conn4,
        Self::Conn6,
        Self::Affinity,
        Self::SourceStamps,
        Self::Fragments,
        Self::Scratch,
        Self::Queues,
    ];

    /// The name of its map and of its pin.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Banks => "banks",
            Self::Filter => "filter",
            Self::Vips => "vips",
            Self::Ports => "ports",
            Self::Services => "services",
            Self::Routes => "routes",
            Self::Slots => "slots",
            Self::Members => "members",
            Self::Sources => "sources",
            Self::Backends => "backends",
            Self::Loads => "loads",
            Self::Hops => "hops",
            Self::Interfaces => "interfaces",
            Self::Cursors => "cursors",
            Self::Cpus => "cpus",
            Self::ServiceStats => "service_stats",
            Self::BackendStats => "backend_stats",
            Self::ConnForward => "conn_forward",
            Self::ConnReverse => "conn_reverse",
            Self::Conn4 => "conn4",
            Self::Conn6 => "conn6",
            Self::Affinity => "affinity",
            Self::SourceStamps => "source_stamps",
            Self::Fragments => "fragments",
            Self::Scratch => "scratch",
            Self::Queues => "queues",
        }
    }
}

/// Bytes of an element: a map's value size, and its stride (a multiple of 8).
pub const fn element_size(region: Region) -> usize {
    match region {
        Region::Control => size_of::<abi::lb_control>(),
        Region::Banks => size_of::<abi::lb_bank>(),
        Region::Vips => size_of::<abi::lb_vip_line>(),
        Region::Ports => size_of::<abi::lb_port_line>(),
        Region::Services => size_of::<abi::lb_service>(),
        Region::Routes => size_of::<abi::lb_route_node>(),
        Region::Members => size_of::<abi::lb_member>(),
        Region::Sources => size_of::<abi::lb_boundary>(),
        Region::Backends => size_of::<abi::lb_backend>(),
        Region::Interfaces => size_of::<abi::lb_interface>(),
        Region::Cpus => size_of::<abi::lb_cpu>(),
        Region::ServiceStats | Region::BackendStats => size_of::<abi::lb_traffic>(),
        Region::ConnForward | Region::ConnReverse | Region::Fragments => size_of::<abi::lb_line>(),
        Region::Conn4 => size_of::<abi::lb_conn4>(),
        Region::Conn6 => size_of::<abi::lb_conn6>(),
        Region::Affinity => size_of::<abi::lb_affinity_line>(),
        Region::SourceStamps => size_of::<abi::lb_stamps>(),
        Region::Scratch => size_of::<abi::lb_scratch>(),
        Region::Queues => size_of::<abi::lb_queue>(),
        // Words: 64 bits of a bitmap, four slots, a load, a hop word, a cursor.
        Region::Filter | Region::Slots | Region::Loads | Region::Hops | Region::Cursors => {
            size_of::<u64>()
        }
    }
}

/// How many elements a region has: at least one, because an empty map can't be made.
///
/// Per-CPU statistics are indexed `cpu slot * max_services + id` (`max_backends` likewise),
/// banked regions `bank * size + index`, the filter
/// `(bank * 2 + direction) << (filter_bits - 6) | bit >> 6`.
pub fn elements(region: Region, config: &abi::lb_config) -> u32 {
    let words = abi::LB_LINE_WORDS;
    let banks = abi::LB_BANKS;
    let count = match region {
        Region::Control => 1,
        Region::Banks => banks,
        Region::Filter => (banks * 2) << config.filter_bits.saturating_sub(6),
        Region::Vips => banks * config.vip_lines,
        Region::Ports => banks * config.port_lines,
        Region::Services => banks * config.max_services,
        Region::Routes => banks * config.route_nodes,
        Region::Slots => config.slot_words,
        Region::Members => config.members,
        Region::Sources => config.sources,
        Region::Backends | Region::Loads => config.max_backends,
        Region::Hops => config.max_hops,
        Region::Interfaces => abi::LB_MAX_INTERFACES,
        Region::Cursors => config.max_services,
        Region::Cpus | Region::Scratch => config.cpu_slots,
        Region::ServiceStats => config.cpu_slots * config.max_services,
        Region::BackendStats => config.cpu_slots * config.max_backends,
        Region::ConnForward | Region::ConnReverse => config.conn_lines4 + config.conn_lines6,
        Region::Conn4 => config.conn_lines4 * words,
        Region::Conn6 => config.conn_lines6 * words,
        Region::Affinity => config.affinity_lines,
        Region::SourceStamps => config.stamp_words,
        Region::Fragments => config.fragment_lines,
        Region::Queues => abi::LB_MAX_INTERFACES * abi::LB_MAX_QUEUES,
    };
    count.max(1)
}

/// Where a region's memory is.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Aligned to 8 bytes at least; a mapping is aligned to a page.
    pub base: *mut u8,
    /// Bytes from one element to the next.
    pub stride: usize,
    /// Elements.
    pub count: usize,
}

/// The memory of all regions. A clone is another handle on the same memory.
#[derive(Clone)]
pub struct Regions {
    inner: Arc<Inner>,
}

struct Inner {
    parts: [Part; REGION_COUNT],
    config: abi::lb_config,
    /// Whoever keeps memory that isn't ours; dropped with the last handle.
    keeper: Option<Box<dyn Send + Sync>>,
}

// SAFETY: memory is accessed by atomic words only, here and in the core; the parts never change.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.keeper.is_none() {
            for part in &self.parts {
                // SAFETY: Regions::heap allocated each part with the same layout.
                unsafe { dealloc(part.base, heap_layout(part.stride * part.count)) };
            }
        }
    }
}

fn heap_layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 4096).expect("a region is smaller than the address space")
}

impl Regions {
    /// Zeroed memory of the sizes of `config`, for the user host alone.
    pub fn heap(config: &abi::lb_config) -> Self {
        let parts = Region::ALL.map(|region| {
            let stride = element_size(region);
            let count = elements(region, config) as usize;
            let layout = heap_layout(stride * count);
            // SAFETY: the layout's size isn't zero: elements and their sizes aren't.
            let base = unsafe { alloc_zeroed(layout) };
            if base.is_null() {
                handle_alloc_error(layout);
            }
            Part {
                base,
                stride,
                count,
            }
        });
        Self {
            inner: Arc::new(Inner {
                parts,
                config: *config,
                keeper: None,
            }),
        }
    }

    /// Memory that somebody else keeps, such as mapped BPF arrays, in the order of
    /// [`Region::ALL`]. The keeper is dropped with the last handle.
    ///
    /// # Safety
    /// Each part is readable and writable memory of `stride * count` bytes, aligned to 8, until
    /// the keeper is dropped, and is changed by nobody but through atomic words.
    ///
    /// # Panics
    /// When a stride or a count is not the one of [`element_size`] and [`elements`].
    pub unsafe fn from_raw(
        parts: [Part; REGION_COUNT],
        config: &abi::lb_config,
        keeper: Box<dyn Send + Sync>,
    ) -> Self {
        for (region, part) in Region::ALL.iter().zip(&parts) {
            assert_eq!(
                part.stride,
                element_size(*region),
                "stride of {}",
                region.name()
            );
            assert_eq!(
                part.count,
                elements(*region, config) as usize,
                "size of {}",
                region.name()
            );
        }
        Self {
            inner: Arc::new(Inner {
                parts,
                config: *config,
                keeper: Some(keeper),
            }),
        }
    }

    /// Sizes, secrets and features.
    pub fn config(&self) -> &abi::lb_config {
        &self.inner.config
    }

    /// Elements of a region.
    pub fn len(&self, region: Region) -> u32 {
        self.part(region).count as u32
    }

    pub(crate) fn part(&self, region: Region) -> Part {
        self.inner.parts[region as usize]
    }

    /// An element, copied word by word: a writer at work may have changed half of it.
    ///
    /// # Panics
    /// When the index is out of range or `T` is not an element of the region.
    pub fn read<T: FromBytes + IntoBytes>(&self, region: Region, index: u32) -> T {
        let mut value = T::new_zeroed();
        let words = self.element::<T>(region, index);
        for (bytes, word) in value.as_mut_bytes().chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.load(Ordering::Acquire).to_ne_bytes());
        }
        value
    }

    /// Writes an element word by word, in rising order.
    ///
    /// # Panics
    /// When the index is out of range or `T` is not an element of the region.
    pub fn write<T: IntoBytes + Immutable>(&self, region: Region, index: u32, value: &T) {
        let words = self.element::<T>(region, index);
        for (bytes, word) in value.as_bytes().chunks_exact(8).zip(words) {
            let bytes = bytes.try_into().expect("chunks are of eight bytes");
            word.store(u64::from_ne_bytes(bytes), Ordering::Release);
        }
    }

    /// One 64-bit word of an element.
    ///
    /// # Panics
    /// When the index or the word is out of range.
    pub fn load_u64(&self, region: Region, index: u32, word: usize) -> u64 {
        self.words(region, index)[word].load(Ordering::Acquire)
    }

    /// Writes one 64-bit word of an element.
    ///
    /// # Panics
    /// When the index or the word is out of range.
    pub fn store_u64(&self, region: Region, index: u32, word: usize, value: u64) {
        self.words(region, index)[word].store(value, Ordering::Release);
    }

    /// Zeroes an element.
    ///
    /// # Panics
    /// When the index is out of range.
    pub fn zero(&self, region: Region, index: u32) {
        for word in self.words(region, index) {
            word.store(0, Ordering::Release);
        }
    }

    /// The words of an element, for read-modify-writes and for many accesses in a row.
    ///
    /// # Panics
    /// When the index is out of range.
    pub fn words(&self, region: Region, index: u32) -> &[AtomicU64] {
        let part = self.part(region);
        let index = index as usize;
        assert!(
            index < part.count,
            "{}[{index}] of {}",
            region.name(),
            part.count
        );
        // SAFETY: the element is inside the part, which heap() or from_raw()'s caller vouches
        // for; bases are aligned to 8 and strides are multiples of 8.
        unsafe {
            let element = part.base.add(index * part.stride).cast::<AtomicU64>();
            std::slice::from_raw_parts(element, part.stride / 8)
        }
    }

    fn element<T>(&self, region: Region, index: u32) -> &[AtomicU64] {
        assert_eq!(
            size_of::<T>(),
            element_size(region),
            "element of {}",
            region.name()
        );
        self.words(region, index)
    }
}

#[cfg(test)]
mod tests;
