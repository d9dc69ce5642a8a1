//! Loading our two XDP programs. One load of each serves all interfaces. What the kernel refuses
//! is not there, with its words: the redirector is so small that it loads where the forwarder
//! may not.

use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;

use lb_bpf::abi;
use lb_bpf::redirect_skeleton::{self, RedirectSkelBuilder};
use lb_bpf::skeleton::{self, LoxidSkelBuilder};
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapHandle, OpenObject, PrintLevel, set_print};
use zerocopy::IntoBytes;

use crate::attach;
use crate::kernel::OpenError;
use crate::kernel_side;

/// Of what the verifier says, the end tells why.
const LOG_TAIL_BYTES: usize = 4096;

/// What libbpf warned of in the load that is under way.
static WARNINGS: Mutex<String> = Mutex::new(String::new());
/// One load at a time, as there is one log.
static LOADING: Mutex<()> = Mutex::new(());

/// The forwarder, and the array of what it goes on with. The kernel empties that array when no user
/// refers to it: it has to be pinned as long as the program is on a link.
pub(crate) struct Forwarder {
    pub program: OwnedFd,
    pub stages: OwnedFd,
    /// Of the array, unique while it lives.
    pub stages_id: u32,
}

/// What was loaded; else what the kernel said. One of them is there.
pub(crate) struct Programs {
    pub forwarder: Result<Forwarder, String>,
    pub redirector: Result<OwnedFd, String>,
}

impl Programs {
    /// Loads the programs over these maps, with this configuration as their constants.
    ///
    /// # Errors
    /// Both are rejected, or the system has failed.
    pub fn load(config: &abi::lb_config, maps: &[(&str, &MapHandle)]) -> Result<Self, OpenError> {
        let _loading = LOADING.lock();
        set_print(Some((PrintLevel::Warn, |_, text| {
            if let Ok(mut warnings) = WARNINGS.lock() {
                warnings.push_str(&text);
            }
        })));
        let programs = Programs {
            forwarder: load_forwarder(config, maps)?,
            redirector: load_redirector(config, maps)?,
        };
        match (&programs.forwarder, &programs.redirector) {
            (Err(log), Err(_)) => Err(OpenError::Rejected { log: log.clone() }),
            _ => Ok(programs),
        }
    }

    /// The program of a path, or why it isn't there.
    pub fn of(&self, path: attach::Path) -> Result<&OwnedFd, &str> {
        match path {
            attach::Path::Xdp => match &self.forwarder {
                Ok(forwarder) => Ok(&forwarder.program),
                Err(log) => Err(log),
            },
            attach::Path::AfXdp => self.redirector.as_ref().map_err(String::as_str),
        }
    }
}

/// Which path a program is, which this or an earlier process has loaded.
pub(crate) fn path_of(name: &str) -> attach::Path {
    if name == "loxid_redirect" {
        attach::Path::AfXdp
    } else {
        attach::Path::Xdp
    }
}

fn load_forwarder(
    config: &abi::lb_config,
    maps: &[(&str, &MapHandle)],
) -> Result<Result<Forwarder, String>, OpenError> {
    const OFFSET: usize = offset_of!(skeleton::types::rodata, lb_config);
    let mut storage = MaybeUninit::uninit();
    let mut open = LoxidSkelBuilder::default()
        .open(&mut storage)
        .map_err(|error| failed("open the forwarder's object", error))?;
    prepare(open.open_object_mut(), config, OFFSET, maps)?;
    let Ok(loaded) = open.load() else {
        return Ok(Err(tail(&take_warnings())));
    };
    let stages = &loaded.maps.stages;
    Ok(Ok(Forwarder {
        program: keep(loaded.progs.loxid_forward.as_fd(), "loxid_forward")?,
        stages: keep(stages.as_fd(), "stages")?,
        stages_id: MapHandle::try_from(stages)
            .and_then(|map| map.info())
            .map_err(|error| failed("read the array of stages", error))?
            .info
            .id,
    }))
}

fn load_redirector(
    config: &abi::lb_config,
    maps: &[(&str, &MapHandle)],
) -> Result<Result<OwnedFd, String>, OpenError> {
    const OFFSET: usize = offset_of!(redirect_skeleton::types::rodata, lb_config);
    let mut storage = MaybeUninit::uninit();
    let mut open = RedirectSkelBuilder::default()
        .open(&mut storage)
        .map_err(|error| failed("open the redirector's object", error))?;
    prepare(open.open_object_mut(), config, OFFSET, maps)?;
    let Ok(loaded) = open.load() else {
        return Ok(Err(tail(&take_warnings())));
    };
    keep(loaded.progs.loxid_redirect.as_fd(), "loxid_redirect").map(Ok)
}

fn keep(object: BorrowedFd<'_>, name: &'static str) -> Result<OwnedFd, OpenError> {
    object
        .try_clone_to_owned()
        .map_err(OpenError::system("keep", Path::new(name)))
}

/// Gives an object our maps, and the configuration as its constants.
fn prepare(
    object: &mut OpenObject,
    config: &abi::lb_config,
    offset: usize,
    maps: &[(&str, &MapHandle)],
) -> Result<(), OpenError> {
    take_warnings();
    for mut map in object.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if let Some((_, kept)) = maps.iter().find(|(known, _)| *known == name) {
            map.reuse_fd(kept.as_fd())
                .map_err(|error| failed("use a pinned map", error))?;
        } else if name.ends_with(".rodata")
            && let Some(constants) = map.initial_value_mut()
        {
            constants[offset..][..size_of::<abi::lb_config>()].copy_from_slice(config.as_bytes());
        }
    }
    Ok(())
}

fn take_warnings() -> String {
    WARNINGS
        .lock()
        .map(|mut text| std::mem::take(&mut *text))
        .unwrap_or_default()
}

fn failed(what: &'static str, error: libbpf_rs::Error) -> OpenError {
    OpenError::system(what, Path::new("bpf"))(kernel_side::error(error))
}

fn tail(log: &str) -> String {
    let mut start = log.len().saturating_sub(LOG_TAIL_BYTES);
    while !log.is_char_boundary(start) {
        start += 1;
    }
    log[start..].to_owned()
}

#[cfg(test)]
mod tests;
