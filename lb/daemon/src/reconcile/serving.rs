//! Queues that the worker serves: what is wanted of them, and whether it is so.
//!
//! An interface of the path `afxdp` has all its receive queues served. The others, if there is such
//! an interface at all, have sockets that only send, so that packets go over from one path to the
//! other without a copy. The order of a change is the keeper's: rows are wanted before the
//! redirector is put on an interface, and wanted no longer after it was taken off.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use lb_core::tables::InterfaceSlot;
use lb_plane::attach::{Attachment, Mode, Path};
use lb_plane::queues::{Part, QueueState, QueueStatus, Wanted};

use super::DataPlane;
use super::ladder::Rung;
use crate::config::AfXdp;
use crate::memlock;

/// How long the worker may take to notice that something else is wanted of a queue: before that,
/// what it says may be about what was wanted earlier. It looks every millisecond.
const NOTICE: Duration = Duration::from_millis(50);

/// A failure that lasts is one: a worker that replaces another finds queues busy for a moment.
const FAILURE_LASTS: Duration = Duration::from_secs(1);

/// What is wanted of an interface's queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    pub ifindex: u32,
    pub queues: u32,
    pub wanted: Wanted,
}

/// What became of an interface's queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    All,
    /// Not yet: why.
    Waiting(String),
    /// Not at all: why.
    Failed(String),
}

/// An interface that has a slot and is there.
#[derive(Clone, Debug)]
pub struct Device<'a> {
    pub name: &'a str,
    pub slot: InterfaceSlot,
    pub ifindex: u32,
    pub queues: u32,
    pub driver: Option<&'a str>,
    pub attachment: Option<&'a Attachment>,
    /// The path that it is about to get.
    pub next: Option<Rung>,
}

#[derive(Default)]
pub struct Serving {
    /// Somebody has said what is wanted.
    is_kept: bool,
    rows: BTreeMap<InterfaceSlot, (Rows, Instant)>,
}

/// What to want of all interfaces.
pub fn wanted(devices: &[Device], options: &AfXdp) -> BTreeMap<InterfaceSlot, Rows> {
    let is_served = |device: &Device| {
        let by_worker = |path: Path| path == Path::AfXdp;
        device.attachment.is_some_and(|one| by_worker(one.path))
            || device.next.is_some_and(|rung| by_worker(rung.path))
    };
    if !devices.iter().any(is_served) {
        return BTreeMap::new();
    }
    let rows = |device: &Device| {
        let part = match (is_served(device), device.attachment) {
            (true, _) => Part::Serve,
            (false, Some(_)) => Part::Send,
            (false, None) => return None,
        };
        let mode = device
            .next
            .map(|rung| rung.mode)
            .or(device.attachment.map(|one| one.mode));
        let generic = mode == Some(Mode::Generic);
        let wanted = Wanted {
            part,
            zero_copy: !generic && options.is_zero_copy(device.name, device.driver),
            generic,
            busy_poll: options.busy_poll,
        };
        let rows = Rows {
            ifindex: device.ifindex,
            queues: device.queues.max(1),
            wanted,
        };
        Some((device.slot, rows))
    };
    devices.iter().filter_map(rows).collect()
}

/// Whether so many queues can be served at all.
///
/// # Errors
/// Why not, and what to do about it.
pub fn possible(queues: u32, options: &AfXdp, limit: Option<u64>) -> Result<(), String> {
    const MOST: u32 = lb_plane::queues::MOST;
    if queues > MOST {
        return Err(format!(
            "it has {queues} receive queues, and at most {MOST} can be served: lower them with `ethtool -L`, or use the datapath xdp"
        ));
    }
    memlock::check(options.queue_bytes() * u64::from(queues.max(1)), limit)
}

impl Serving {
    /// Whether any interface needs a worker. None: nobody knows yet.
    pub fn is_needed(&self) -> Option<bool> {
        let mut rows = self.rows.values();
        let is_served = rows.any(|(rows, _)| rows.wanted.part == Part::Serve);
        self.is_kept.then_some(is_served)
    }

    pub fn keep<P: DataPlane>(
        &mut self,
        plane: &mut P,
        wanted: &BTreeMap<InterfaceSlot, Rows>,
        now: Instant,
    ) {
        self.is_kept = true;
        let left: BTreeSet<InterfaceSlot> = plane
            .queues()
            .iter()
            .filter(|row| row.wanted.is_some())
            .map(|row| row.slot)
            .chain(self.rows.keys().copied())
            .filter(|slot| !wanted.contains_key(slot))
            .collect();
        for slot in left {
            plane.unwant(slot);
            self.rows.remove(&slot);
        }
        for (slot, rows) in wanted {
            // Written again each time: somebody else may have changed it.
            if plane
                .want(*slot, rows.ifindex, rows.queues, rows.wanted)
                .is_err()
            {
                // `possible` refused such an interface; what sends only stays without.
                continue;
            }
            let known = self.rows.entry(*slot).or_insert((*rows, now));
            if known.0 != *rows {
                *known = (*rows, now);
            }
        }
    }

    /// Whether the worker receives on all queues of an interface.
    pub fn bound(
        &self,
        slot: Option<InterfaceSlot>,
        ifindex: u32,
        queues: &[QueueStatus],
        now: Instant,
    ) -> Bound {
        let rows = slot.and_then(|slot| Some((slot, self.rows.get(&slot)?)));
        let Some((slot, (rows, since))) = rows else {
            return Bound::Waiting("the worker is being asked".into());
        };
        if rows.ifindex != ifindex || rows.wanted.part != Part::Serve || now < *since + NOTICE {
            return Bound::Waiting("the worker is being asked".into());
        }
        let mut bound = 0;
        for row in queues.iter().filter(|row| row.slot == slot) {
            if let QueueState::Failed(errno) = row.state {
                let failure = failure(row.queue, errno);
                return match now < *since + FAILURE_LASTS {
                    true => Bound::Waiting(failure),
                    false => Bound::Failed(failure),
                };
            }
            bound += u32::from(row.is_bound() && row.wanted.is_some());
        }
        match bound {
            _ if bound >= rows.queues => Bound::All,
            _ if queues.iter().all(|row| row.owner.is_none()) => {
                Bound::Waiting("no worker runs".into())
            }
            _ => Bound::Waiting(format!(
                "the worker has bound {bound} of {} queues",
                rows.queues
            )),
        }
    }
}

/// Why a queue could not be bound, in words of what to do.
pub fn failure(queue: u32, errno: u32) -> String {
    use nix::errno::Errno;
    let errno = Errno::from_raw(i32::try_from(errno).unwrap_or(0));
    let advice = match errno {
        Errno::EBUSY => {
            "another program has a socket on it, or it is used for something else: stop that"
        }
        Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT => {
            "its driver does not do this: take it out of afxdp.zeroCopy, or use the datapath xdp"
        }
        Errno::EINVAL => {
            "the interface has no such queue any more, or frames too long for one buffer: lower its MTU to 3500 or less"
        }
        Errno::ENOBUFS | Errno::ENOMEM => {
            "not enough memory may be locked: raise RLIMIT_MEMLOCK (LimitMEMLOCK= in the unit), or lower afxdp.framesPerQueue"
        }
        Errno::EPERM | Errno::EACCES => "the worker needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF",
        Errno::ENETDOWN => "the link is down: `ip link set` it up",
        Errno::ENODEV | Errno::ENXIO => "the interface is gone",
        _ => "use the datapath xdp",
    };
    format!("queue {queue} cannot be served: {}: {advice}", errno.desc())
}

#[cfg(test)]
mod tests;
