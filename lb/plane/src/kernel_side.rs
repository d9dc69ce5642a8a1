//! What the kernel needs besides the regions: devmap entries, and a wait for who reads a bank:
//! programs, and workers in user space.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use lb_bpf::region::Regions;
use lb_core::tables::InterfaceSlot;
use libbpf_rs::libbpf_sys::{self, bpf_map_create_opts};
use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle, MapType};

use crate::workers::{StuckWorker, Workers};

/// The devmap, and two maps that exist to be waited with.
pub(crate) struct KernelSide {
    devmap: MapHandle,
    outer: MapHandle,
    inner: MapHandle,
    workers: Workers,
}

impl KernelSide {
    pub fn new(devmap: MapHandle, workers: Workers) -> io::Result<Self> {
        let inner = create(MapType::Array, "lb_wait_inner", 4, 1, &options())?;
        let with_inner = bpf_map_create_opts {
            inner_map_fd: inner.as_fd().as_raw_fd() as u32,
            ..options()
        };
        let outer = create(MapType::ArrayOfMaps, "lb_wait_outer", 4, 1, &with_inner)?;
        Ok(KernelSide {
            devmap,
            outer,
            inner,
            workers,
        })
    }

    /// Waits until every program that was running has ended. An update of a map of maps does so
    /// before it returns (`maybe_wait_bpf_programs` in the kernel's syscall.c), because a program
    /// may have found the old inner map.
    pub fn wait_for_readers(&self) -> io::Result<()> {
        let inner = self.inner.as_fd().as_raw_fd().to_ne_bytes();
        self.outer
            .update(&0u32.to_ne_bytes(), &inner, MapFlags::ANY)
            .map_err(error)
    }

    /// The same of worker processes.
    pub fn wait_for_workers(&self, regions: &Regions) -> Result<(), StuckWorker> {
        self.workers.wait(regions)
    }

    pub fn put_devmap(&self, slot: InterfaceSlot, ifindex: u32) -> io::Result<()> {
        self.devmap
            .update(&key(slot), &ifindex.to_ne_bytes(), MapFlags::ANY)
            .map_err(error)
    }

    /// The ifindex of a slot. None: empty; so is the slot of an interface that is gone.
    pub fn devmap(&self, slot: InterfaceSlot) -> io::Result<Option<u32>> {
        let value = self
            .devmap
            .lookup(&key(slot), MapFlags::ANY)
            .map_err(error)?;
        Ok(value.and_then(|bytes| Some(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?))))
    }

    pub fn drop_devmap(&self, slot: InterfaceSlot) -> io::Result<()> {
        match self.devmap.delete(&key(slot)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result.map_err(error),
        }
    }
}

fn key(slot: InterfaceSlot) -> [u8; 4] {
    u32::from(slot.0).to_ne_bytes()
}

pub(crate) fn options() -> bpf_map_create_opts {
    bpf_map_create_opts {
        sz: size_of::<bpf_map_create_opts>() as libbpf_sys::size_t,
        ..Default::default()
    }
}

/// Creates a map with keys of four bytes.
pub(crate) fn create(
    kind: MapType,
    name: &str,
    value_bytes: u32,
    entries: u32,
    options: &bpf_map_create_opts,
) -> io::Result<MapHandle> {
    MapHandle::create(kind, Some(name), 4, value_bytes, entries, options).map_err(error)
}

/// libbpf-rs's error as one of I/O, for a `source`.
pub(crate) fn error(error: libbpf_rs::Error) -> io::Error {
    io::Error::other(error)
}
