//! The pinned `struct lb_config`: sizes and secrets of the maps beside it. It is pinned before
//! them, so that a start that was interrupted goes on with the same ones.

use std::os::fd::AsFd;

use lb_bpf::abi;
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType, libbpf_sys};
use zerocopy::{FromBytes, IntoBytes};

use crate::config;
use crate::kernel::{OpenError, Shape, create_map, open_map};
use crate::kernel_side;
use crate::options::{Note, OpenOptions};
use crate::pins::Pins;
use crate::slots::CpuSlots;
use crate::sys;

pub(crate) const NAME: &str = "settings";

const SHAPE: Shape = Shape {
    name: NAME,
    kind: MapType::Array,
    value_bytes: size_of::<abi::lb_config>() as u32,
    entries: 1,
    flags: libbpf_sys::BPF_F_MMAPABLE,
};

/// The pinned configuration and what differs from what is asked for; or, pinned, what is asked for.
pub(crate) fn open(
    pins: &Pins,
    options: &OpenOptions,
    notes: &mut Vec<Note>,
) -> Result<(abi::lb_config, MapHandle), OpenError> {
    let path = pins.map(NAME);
    let key = 0u32.to_ne_bytes();
    let failed = |what| {
        let path = path.clone();
        move |error| OpenError::system(what, &path)(kernel_side::error(error))
    };
    if path.exists() {
        let map = open_map(&path, &SHAPE)?;
        let bytes = map
            .lookup(&key, MapFlags::ANY)
            .map_err(failed("read"))?
            .unwrap_or_default();
        let mut config = abi::lb_config::read_from_bytes(&bytes)
            .map_err(|_| OpenError::Mismatch { path: path.clone() })?;
        notes.extend(config::differences(options, &config));
        config::set_tunnel_sources(&mut config, &options.tunnel_sources)?;
        config.ask = options.ask;
        map.update(&key, config.as_bytes(), MapFlags::ANY)
            .map_err(failed("write"))?;
        return Ok((config, map));
    }
    let slots = CpuSlots::here()?;
    let mut config = config::make(options, slots.count())?;
    config.worker_slots = slots.workers;
    config.ask = options.ask;
    let map = create_map(&path, &SHAPE)?;
    map.update(&key, config.as_bytes(), MapFlags::ANY)
        .map_err(failed("write"))?;
    sys::pin(map.as_fd(), &path).map_err(OpenError::system("pin", &path))?;
    Ok((config, map))
}

/// The pinned configuration, as it is.
pub(crate) fn read(pins: &Pins) -> Result<abi::lb_config, OpenError> {
    let path = pins.map(NAME);
    let map = open_map(&path, &SHAPE)?;
    let bytes = map
        .lookup(&0u32.to_ne_bytes(), MapFlags::ANY)
        .map_err(|error| OpenError::system("read", &path)(kernel_side::error(error)))?;
    abi::lb_config::read_from_bytes(&bytes.unwrap_or_default())
        .map_err(|_| OpenError::Mismatch { path })
}
