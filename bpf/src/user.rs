//! The core in user space: packets through `lb_forward`, and the connection table natively.

use std::ops::Range;

use zerocopy::FromZeros;

use crate::abi;
use crate::reason::Reason;
use crate::region::{Region, Regions};

#[allow(
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals
)]
#[allow(clippy::all, unused_qualifications)]
mod c {
    include!(concat!(env!("OUT_DIR"), "/user.rs"));
}

/// What becomes of a packet, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub action: Action,
    pub reason: Reason,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To the box's own stack, untouched.
    Pass,
    Drop,
    /// Out of the interface that it came from.
    Tx {
        slot: u32,
    },
    /// Out of another interface.
    Redirect {
        slot: u32,
    },
}

/// The user host: one per thread, any number on the same regions and beside the kernel.
pub struct UserHost {
    regions: Regions,
    user: c::lb_user,
    buffer: Vec<u8>,
}

// SAFETY: the pointers in `user` are those of `regions`, which may be used from any thread.
unsafe impl Send for UserHost {}

impl UserHost {
    /// A host on `regions` that counts in row `cpu_slot` of the per-CPU regions, which nobody
    /// else writes.
    pub fn new(regions: &Regions, cpu_slot: u32) -> Self {
        let region = Region::ALL.map(|region| {
            let part = regions.part(region);
            c::lb_user_region {
                base: part.base.cast(),
                stride: part.stride as u64,
                count: part.count as u64,
            }
        });
        let user = c::lb_user {
            region,
            config: *regions.config(),
            slot: cpu_slot,
            clock_set: 0,
            now_ns: 0,
        };
        Self {
            regions: regions.clone(),
            user,
            buffer: Vec::new(),
        }
    }

    /// The regions that the host works on.
    pub fn regions(&self) -> &Regions {
        &self.regions
    }

    /// Sets the clock, in nanoseconds; None is CLOCK_MONOTONIC_COARSE, as in the kernel.
    pub fn set_now(&mut self, now: Option<u64>) {
        self.user.clock_set = u32::from(now.is_some());
        self.user.now_ns = now.unwrap_or(0);
    }

    /// The clock's tick: the unit of ages and timeouts.
    pub fn tick(&self) -> u32 {
        // SAFETY: reads `user` only.
        unsafe { c::lb_user_tick(&self.user) }
    }

    /// Runs a frame, received on `ifindex`, through the core, which rewrites it in place.
    ///
    /// # Panics
    /// When the core leaves a verdict or a reason that doesn't exist.
    pub fn forward(&mut self, frame: &mut Vec<u8>, ifindex: u32) -> Verdict {
        let headroom = c::LB_USER_HEADROOM as usize;
        self.buffer.clear();
        self.buffer.resize(headroom, 0);
        self.buffer.extend_from_slice(frame);
        let mut run = c::lb_user_frame {
            buffer: self.buffer.as_mut_ptr(),
            offset: c::LB_USER_HEADROOM,
            length: frame.len() as u32,
            ifindex,
            verdict: 0,
            slot: 0,
            reason: 0,
        };
        // SAFETY: the buffer is as user.h says, and the regions are those of `self.regions`.
        unsafe { c::lb_user_forward(&self.user, &mut run) };
        let start = run.offset as usize;
        frame.clear();
        frame.extend_from_slice(&self.buffer[start..start + run.length as usize]);
        verdict(&run)
    }
}

/// Frames that stay where they are.
impl UserHost {
    /// Room that must be before a packet, for a longer header.
    pub const HEADROOM: usize = c::LB_USER_HEADROOM as usize;

    /// Runs a packet that is at `packet` of `buffer`, received on `ifindex`, through the core,
    /// which rewrites it in place; says where it is then.
    ///
    /// # Panics
    /// When the packet is not inside of the buffer, or has less than [`UserHost::HEADROOM`] before
    /// it; or when the core leaves a verdict or a reason that doesn't exist.
    pub fn forward_in(
        &mut self,
        buffer: &mut [u8],
        packet: Range<usize>,
        ifindex: u32,
    ) -> (Range<usize>, Verdict) {
        let Range { start, end } = packet;
        assert!(Self::HEADROOM <= start && start <= end && end <= buffer.len());
        let mut run = c::lb_user_frame {
            buffer: buffer.as_mut_ptr(),
            offset: start as u32,
            length: (end - start) as u32,
            ifindex,
            verdict: 0,
            slot: 0,
            reason: 0,
        };
        // SAFETY: the core stays between the buffer's start and the packet's end, which were
        // compared with the buffer; the regions are those of `self.regions`.
        unsafe { c::lb_user_forward(&self.user, &mut run) };
        let start = run.offset as usize;
        (start..start + run.length as usize, verdict(&run))
    }
}

/// What the redirector makes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sifted {
    /// It is for a worker.
    Ask,
    /// To the box's own stack, for a reason.
    Pass(Reason),
}

impl UserHost {
    /// What the redirector would do with a frame, received on `ifindex`. Nothing is changed.
    ///
    /// # Panics
    /// When the core leaves a reason that doesn't exist.
    pub fn sift(&mut self, frame: &[u8], ifindex: u32) -> Sifted {
        let mut run = c::lb_user_frame {
            buffer: frame.as_ptr().cast_mut(),
            offset: 0,
            length: frame.len() as u32,
            ifindex,
            verdict: 0,
            slot: 0,
            reason: 0,
        };
        // SAFETY: the frame is read only; the regions are those of `self.regions`.
        if unsafe { c::lb_user_sift(&self.user, &mut run) } != 0 {
            return Sifted::Ask;
        }
        Sifted::Pass(Reason::of(run.reason).expect("the core leaves reasons of enum lb_reason"))
    }
}

/// What a sweep saw in its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepStats {
    /// Flows that are left.
    pub live: u64,
    /// Those of them that are never evicted.
    pub confirmed: u64,
    /// Flows that had expired.
    pub released: u64,
    /// Words that somebody was changing.
    pub busy: u64,
}

/// The family of a connection's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Ipv4,
    Ipv6,
}

/// A connection, copied whole.
#[derive(Clone, Copy, Debug)]
pub struct Conn {
    pub family: Family,
    /// Of either family: an IPv4 address is an address's first word, and the others are 0.
    pub entry: abi::lb_conn6,
    /// `abi::lb_conn_state`.
    pub state: u32,
    /// Ticks since it was last seen, within a few.
    pub idle: u32,
    /// Ticks.
    pub timeout: u32,
}

/// Why a connection was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// The forward key is there already.
    Exists { position: u32 },
    /// Both lines are full of confirmed flows.
    Full,
    /// Gave up beside other hosts.
    Contended,
    /// Another flow has the reverse key.
    ReverseTaken,
}

/// The connection table, beside whatever forwards at the same time.
impl UserHost {
    /// Ends the expired flows of some lines of `conn_forward`.
    pub fn sweep(&mut self, first_line: u32, lines: u32) -> SweepStats {
        let mut sweep = c::lb_user_sweep {
            live: 0,
            confirmed: 0,
            released: 0,
            busy: 0,
        };
        // SAFETY: the regions are those of `self.regions`; lines out of range are skipped.
        unsafe { c::lb_user_sweep(&self.user, first_line, lines, &mut sweep) };
        SweepStats {
            live: sweep.live.into(),
            confirmed: sweep.confirmed.into(),
            released: sweep.released.into(),
            busy: sweep.busy.into(),
        }
    }

    /// Makes a connection of an entry's ends, as if its first packet had come, in a state of
    /// `abi::lb_conn_state` and with an encoded idle timeout; says its position. It counts in its
    /// backend's load until it ends.
    pub fn insert(
        &mut self,
        family: Family,
        entry: &abi::lb_conn6,
        state: u32,
        idle: u16,
    ) -> Result<u32, InsertError> {
        let mut position = 0;
        // SAFETY: the regions are those of `self.regions`.
        let result = unsafe {
            let ipv6 = family == Family::Ipv6;
            c::lb_user_insert(&self.user, ipv6, entry, state, idle, &mut position)
        };
        // enum lb_insert_result of flow.h.
        match result {
            0 => Ok(position),
            1 => Err(InsertError::Exists { position }),
            2 => Err(InsertError::Full),
            3 => Err(InsertError::Contended),
            _ => Err(InsertError::ReverseTaken),
        }
    }

    /// Ends all flows of a service and says how many.
    pub fn flush_service(&mut self, id: u32) -> u64 {
        // SAFETY: the regions are those of `self.regions`.
        unsafe { c::lb_user_flush(&self.user, id) }
    }

    /// Ends the flows of a service whose client its sources deny, and says how many.
    pub fn flush_denied(&mut self, id: u32) -> u64 {
        // SAFETY: the regions are those of `self.regions`.
        unsafe { c::lb_user_flush_denied(&self.user, id) }
    }

    /// Ends the flow at a position; false if there is none.
    pub fn release(&mut self, position: u32) -> bool {
        // SAFETY: the regions are those of `self.regions`; positions are checked.
        unsafe { c::lb_user_release(&self.user, position) }
    }

    /// Frees what a host of another cpu slot held when it died, and says how much.
    ///
    /// That host must be dead, not only slow: one that goes on afterwards tears entries.
    pub fn reap(&mut self, cpu_slot: u32) -> u64 {
        self.reap_all(cpu_slot..cpu_slot + 1)
    }

    /// The same of several slots at once: the table is looked through once.
    pub fn reap_all(&mut self, cpu_slots: Range<u32>) -> u64 {
        // SAFETY: the regions are those of `self.regions`.
        unsafe { c::lb_user_reap(&self.user, cpu_slots.start, cpu_slots.len() as u32) }
    }

    /// The flow at a position (line * 8 + word of `conn_forward`).
    pub fn conn(&self, position: u32) -> Option<Conn> {
        let entry = abi::lb_conn6::new_zeroed();
        let mut conn = c::lb_user_conn {
            entry,
            ipv6: false,
            state: 0,
            idle: 0,
            timeout: 0,
        };
        // SAFETY: the regions are those of `self.regions`; positions are checked.
        let found = unsafe { c::lb_user_conn(&self.user, position, &mut conn) };
        let c::lb_user_conn {
            entry,
            ipv6,
            state,
            idle,
            timeout,
        } = conn;
        let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
        found.then_some(Conn {
            family,
            entry,
            state,
            idle,
            timeout,
        })
    }

    /// Positions of the connection table.
    pub fn positions(&self) -> u32 {
        self.regions.len(Region::ConnForward) * abi::LB_LINE_WORDS
    }

    /// Counts the live flows of each backend id into a vector of `max_backends`.
    pub fn connections_by_backend(&self, counts: &mut Vec<u64>) {
        counts.clear();
        counts.resize(self.regions.config().max_backends as usize, 0);
        // SAFETY: `counts` has as many elements as it says.
        unsafe { c::lb_user_count(&self.user, counts.as_mut_ptr(), counts.len() as u64) };
    }
}

/// A timeout as `lb_service.idle` has it: rounded up, at most 17 hours.
pub fn timeout_encode(ticks: u32) -> u16 {
    // SAFETY: a pure function.
    unsafe { c::lb_user_timeout_encode(ticks) }
}

/// The ticks of an encoded timeout.
pub fn timeout_decode(code: u16) -> u32 {
    // SAFETY: a pure function.
    unsafe { c::lb_user_timeout_decode(code) }
}

/// The bit of an endpoint (address as on the wire, port in network order) in a filter bitmap.
pub fn filter_bit(address: [u32; 4], port_be: u16, protocol: u8, bits: u32) -> u32 {
    // SAFETY: reads the four words only.
    unsafe { c::lb_user_filter_bit(address.as_ptr(), port_be, protocol, bits) }
}

/// The two lines, within a bank of `count`, where the record of an address may be.
pub fn vip_lines(address: [u32; 4], seed: u64, count: u32) -> [u32; 2] {
    let mut lines = [0; 2];
    // SAFETY: reads four words, writes two.
    unsafe { c::lb_user_vip_lines(address.as_ptr(), seed, count, lines.as_mut_ptr()) };
    lines
}

/// The two lines, within a bank of `count`, where the record of a port's key may be.
pub fn port_lines(key: u64, seed: u64, count: u32) -> [u32; 2] {
    let mut lines = [0; 2];
    // SAFETY: writes two words.
    unsafe { c::lb_user_port_lines(key, seed, count, lines.as_mut_ptr()) };
    lines
}

fn verdict(run: &c::lb_user_frame) -> Verdict {
    // enum lb_verdict of host.h, whose values are those of enum xdp_action.
    let action = match run.verdict {
        1 => Action::Drop,
        2 => Action::Pass,
        3 => Action::Tx { slot: run.slot },
        4 => Action::Redirect { slot: run.slot },
        other => panic!("the core left verdict {other}"),
    };
    let reason = Reason::of(run.reason).expect("the core leaves reasons of enum lb_reason");
    Verdict { action, reason }
}

#[cfg(test)]
pub(crate) mod tests;
