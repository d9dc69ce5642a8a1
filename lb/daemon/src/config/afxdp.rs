//! What forwards in user space is run with.

use lb_api::wire::Datapath;
use serde_saphyr::Spanned;
use sha2::{Digest, Sha256};

use super::{Check, is_interface_name, raw};
use crate::memlock;

/// What the worker, which forwards over AF_XDP, is run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfXdp {
    /// Of the memory that packets are in, for each queue of each interface; a power of two.
    pub frames_per_queue: u32,
    /// Drivers and interfaces whose packets need no copy.
    pub zero_copy: Vec<String>,
    pub busy_poll: bool,
    /// The TAP by which packets reach the box's stack.
    pub tap: String,
    pub workers: raw::Workers,
}

/// Of a frame: a page, as a driver without copies wants it.
pub const FRAME_BYTES: u64 = 4096;
const FRAMES: u32 = 4096;
const FRAMES_LEAST: u32 = 256;
const FRAMES_MOST: u32 = 1 << 16;

impl Default for AfXdp {
    /// Of the instance `loxid`.
    fn default() -> Self {
        AfXdp {
            frames_per_queue: FRAMES,
            zero_copy: Vec::new(),
            busy_poll: false,
            tap: default_tap("loxid"),
            workers: raw::Workers::Automatic,
        }
    }
}

impl AfXdp {
    /// Memory that a queue's packets take, locked.
    pub fn queue_bytes(&self) -> u64 {
        u64::from(self.frames_per_queue) * FRAME_BYTES
    }

    /// Whether an interface's packets need no copy.
    pub fn is_zero_copy(&self, interface: &str, driver: Option<&str>) -> bool {
        let listed = |name: &str| self.zero_copy.iter().any(|one| one == name);
        listed(interface) || driver.is_some_and(listed)
    }
}

impl Check {
    /// After interfaces, since what they want says whether memory must be there.
    pub(super) fn afxdp(
        &mut self,
        raw: raw::AfXdp,
        instance: &str,
        interfaces: &[super::Interface],
    ) -> AfXdp {
        for (index, name) in raw.zero_copy.iter().enumerate() {
            if !is_interface_name(&name.value) {
                self.wrong(
                    name.referenced,
                    format!(
                        "afxdp.zeroCopy[{index}]: {:?} is no driver's or interface's name: use 1 to 15 bytes without space, / and :",
                        name.value
                    ),
                );
            }
        }
        let tap = self.tap(raw.tap, instance);
        let is_wanted = interfaces
            .iter()
            .any(|interface| interface.how.datapath == Datapath::AfXdp);
        AfXdp {
            frames_per_queue: self.frames(raw.frames_per_queue, is_wanted),
            zero_copy: raw.zero_copy.into_iter().map(|name| name.value).collect(),
            busy_poll: raw.busy_poll,
            tap,
            workers: raw.workers,
        }
    }

    fn frames(&mut self, raw: Option<Spanned<u64>>, is_wanted: bool) -> u32 {
        let (value, at) = match raw {
            Some(raw) => (raw.value, raw.referenced),
            None => (FRAMES.into(), serde_saphyr::Location::UNKNOWN),
        };
        let frames = u32::try_from(value)
            .ok()
            .filter(|frames| (FRAMES_LEAST..=FRAMES_MOST).contains(frames))
            .filter(|frames| frames.is_power_of_two());
        let Some(frames) = frames else {
            self.wrong(
                at,
                format!(
                    "afxdp.framesPerQueue: {value} is no size of a ring: use a power of two from {FRAMES_LEAST} to {FRAMES_MOST}"
                ),
            );
            return FRAMES;
        };
        let limit = memlock::limit();
        if let Err(problem) = memlock::check(u64::from(frames) * FRAME_BYTES, limit)
            && is_wanted
        {
            self.wrong(at, format!("afxdp.framesPerQueue: {frames}: {problem}"));
        }
        frames
    }

    fn tap(&mut self, raw: Option<Spanned<String>>, instance: &str) -> String {
        let Some(Spanned {
            value,
            referenced: at,
            ..
        }) = raw
        else {
            return default_tap(instance);
        };
        if !is_interface_name(&value) {
            self.wrong(
                at,
                format!(
                    "afxdp.tap: {value:?} is no interface name: use 1 to 15 bytes without space, / and :"
                ),
            );
        }
        value
    }
}

/// An interface's name has 15 bytes, an instance's up to 32.
fn default_tap(instance: &str) -> String {
    if instance == "loxid" {
        return "loxid-tap".to_owned();
    }
    let hash = Sha256::digest(instance);
    format!("loxid-tap-{:02x}{:02x}", hash[0], hash[1])
}
