//! BPF objects by the names of their maps and programs.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::Context;
use libbpf_rs::{Map, MapCore, MapFlags, Object, ObjectBuilder, OpenObject, ProgramMut};

/// Reads an object's bytes.
pub fn open(bytes: &[u8]) -> anyhow::Result<OpenObject> {
    ObjectBuilder::default()
        .open_memory(bytes)
        .context("reading a BPF object")
}

/// Sets a map's size before its object is loaded.
pub fn resize(object: &mut OpenObject, name: &str, entries: u32) -> anyhow::Result<()> {
    let mut map = object
        .maps_mut()
        .find(|map| map.name() == name)
        .with_context(|| format!("no map {name}"))?;
    map.set_max_entries(entries)
        .with_context(|| format!("map {name}: {entries} entries"))
}

pub fn map<'a>(object: &'a Object, name: &str) -> anyhow::Result<Map<'a>> {
    object
        .maps()
        .find(|map| map.name() == name)
        .with_context(|| format!("no map {name}"))
}

pub fn program<'a>(object: &'a Object, name: &str) -> anyhow::Result<ProgramMut<'a>> {
    object
        .progs_mut()
        .find(|program| program.name() == name)
        .with_context(|| format!("no program {name}"))
}

/// Writes one element of an array.
pub fn put(object: &Object, name: &str, index: u32, value: &[u8]) -> anyhow::Result<()> {
    map(object, name)?
        .update(&index.to_ne_bytes(), value, MapFlags::ANY)
        .with_context(|| format!("writing map {name}"))
}

/// Puts a program in a program array's first place.
pub fn put_program(object: &Object, name: &str, program: BorrowedFd<'_>) -> anyhow::Result<()> {
    use std::os::fd::AsRawFd;
    put(object, name, 0, &program.as_fd().as_raw_fd().to_ne_bytes())
}
