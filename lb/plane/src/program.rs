//! Loading the XDP program. One load serves all interfaces.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;

use lb_bpf::abi;
use lb_bpf::skeleton::LoxidSkelBuilder;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapHandle, PrintLevel, set_print};
use zerocopy::IntoBytes;

use crate::kernel::OpenError;
use crate::kernel_side;

/// Of what the verifier says, the end tells why.
const LOG_TAIL_BYTES: usize = 4096;

/// What libbpf warned of in the load that is under way.
static WARNINGS: Mutex<String> = Mutex::new(String::new());
/// One load at a time, as there is one log.
static LOADING: Mutex<()> = Mutex::new(());

/// The program, and the array of what it goes on with. The kernel empties that array when no user
/// refers to it: it has to be pinned as long as the program is on a link.
pub(crate) struct Loaded {
    pub forward: OwnedFd,
    pub stages: OwnedFd,
    /// Of the array, unique while it lives.
    pub stages_id: u32,
}

/// Loads the program over these maps, with this configuration as its constants.
pub(crate) fn load(
    config: &abi::lb_config,
    maps: &[(&str, &MapHandle)],
) -> Result<Loaded, OpenError> {
    let _loading = LOADING.lock();
    set_print(Some((PrintLevel::Warn, |_, text| {
        if let Ok(mut warnings) = WARNINGS.lock() {
            warnings.push_str(&text);
        }
    })));
    take_warnings();
    let mut storage = MaybeUninit::uninit();
    let mut open = LoxidSkelBuilder::default()
        .open(&mut storage)
        .map_err(|error| failed("open the program's object", error))?;
    for mut map in open.open_object_mut().maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if let Some((_, kept)) = maps.iter().find(|(known, _)| *known == name) {
            map.reuse_fd(kept.as_fd())
                .map_err(|error| failed("use a pinned map", error))?;
        } else if name.ends_with(".rodata")
            && let Some(constants) = map.initial_value_mut()
        {
            constants[CONFIG_OFFSET..][..size_of::<abi::lb_config>()]
                .copy_from_slice(config.as_bytes());
        }
    }
    let skeleton = open.load().map_err(|_| OpenError::Rejected {
        log: tail(&take_warnings()),
    })?;
    let kept = |name| OpenError::system("keep", Path::new(name));
    let stages = &skeleton.maps.stages;
    Ok(Loaded {
        forward: skeleton
            .progs
            .loxid_forward
            .as_fd()
            .try_clone_to_owned()
            .map_err(kept("loxid_forward"))?,
        stages: stages
            .as_fd()
            .try_clone_to_owned()
            .map_err(kept("stages"))?,
        stages_id: MapHandle::try_from(stages)
            .and_then(|map| map.info())
            .map_err(|error| failed("read the array of stages", error))?
            .info
            .id,
    })
}

const CONFIG_OFFSET: usize = std::mem::offset_of!(lb_bpf::skeleton::types::rodata, lb_config);

fn take_warnings() -> String {
    WARNINGS
        .lock()
        .map(|mut text| std::mem::take(&mut *text))
        .unwrap_or_default()
}

fn failed(what: &'static str, error: libbpf_rs::Error) -> OpenError {
    OpenError::system(what, Path::new("loxid.bpf.o"))(kernel_side::error(error))
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
