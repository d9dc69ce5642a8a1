//! The thin loop around `lb_core::announce`: what it decides is sent, logged and counted.
//!
//! ```text
//!   pass:   compile -> want -> mask -> plan, apply -> committed -> speak -> status
//!   timer:  speak; a claim that is cleared asks for a pass
//!   ears:   hear
//! ```

mod check;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use lb_core::announce::{
    Announcer, ClaimStatus, Event, Frame, Heard, KINDS, Probe, Timing, solicited_node,
};
use lb_core::facts::Link;
use lb_core::tables::{InterfaceSlot, Tables};
use lb_plane::announce::{self as wire, Listening};

use crate::reconcile::DataPlane;
pub use check::unknown_interfaces;
pub use show::{Shown, show, warnings};

/// What became of addresses that somebody else has: found while probing, and after.
pub const TROUBLES: [&str; 2] = ["in_use", "conflict"];

pub struct Announcing {
    announcer: Announcer,
    /// Time counts from here.
    began: Option<Instant>,
    /// Why devices are not listened to, by ifindex.
    deaf: BTreeMap<u32, String>,
    /// Frames that were sent, by kind.
    sent: BTreeMap<&'static str, u64>,
    troubles: BTreeMap<&'static str, u64>,
    /// Not told yet.
    events: Vec<Event>,
    /// Frames that could not be sent are said once, until one is sent.
    is_mute: bool,
}

impl Default for Announcing {
    fn default() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        Announcing {
            announcer: Announcer::new(Timing::default(), seed),
            began: None,
            deaf: BTreeMap::new(),
            sent: BTreeMap::new(),
            troubles: BTreeMap::new(),
            events: Vec::new(),
            is_mute: false,
        }
    }
}

impl Announcing {
    pub fn set_probe(&mut self, probe: Probe) {
        self.announcer.set_timing(Timing::new(probe));
    }

    /// What compiled tables want announced becomes claims, and the tables answer only for those
    /// that may be answered.
    pub fn claim(
        &mut self,
        tables: &mut Tables,
        have: &Tables,
        links: &BTreeMap<InterfaceSlot, Link>,
        now: Instant,
    ) {
        let now = self.time(now);
        self.announcer.want(tables, have, links, now);
        self.announcer.mask(tables);
    }

    /// Packets read these tables.
    pub fn committed(&mut self, tables: &Tables, now: Instant) {
        let now = self.time(now);
        self.announcer.committed(tables, now);
    }

    /// Sends what is due.
    pub fn speak<P: DataPlane>(&mut self, plane: &mut P, now: Instant) {
        let now = self.time(now);
        let frames = self.announcer.step(now);
        self.note();
        let bytes: Vec<_> = frames.iter().map(|one| (one.device, one.bytes())).collect();
        let failed = plane.transmit(&bytes);
        for (index, frame) in frames.iter().enumerate() {
            match failed.get(&index) {
                None => self.was_sent(frame),
                Some(error) if !std::mem::replace(&mut self.is_mute, true) => {
                    tracing::warn!(ifindex = frame.device, %error, "cannot announce VIPs");
                }
                Some(_) => {}
            }
        }
    }

    fn was_sent(&mut self, frame: &Frame) {
        self.is_mute = false;
        *self.sent.entry(frame.message.kind()).or_default() += 1;
    }

    pub fn hear(&mut self, frames: &[wire::Heard], now: Instant) {
        let now = self.time(now);
        for wire::Heard { device, frame } in frames {
            if let Some(heard) = Heard::read(frame) {
                self.announcer.heard(*device, &heard, now);
            }
        }
        self.note();
    }

    /// Which devices are listened to.
    pub fn listening(&mut self, listening: Listening, now: Instant) {
        let now = self.time(now);
        let Listening { devices, failures } = listening;
        for (ifindex, error) in &failures {
            if !self.deaf.contains_key(ifindex) {
                tracing::warn!(ifindex, %error, "cannot listen for who has VIPs: they are not announced there");
            }
        }
        self.deaf = failures;
        self.announcer.listening(devices, now);
    }

    /// Counts what happened, and keeps it until it is told.
    fn note(&mut self) {
        let events = self.announcer.take_events();
        let troubles = events.iter().filter_map(|event| match event {
            Event::InUse { .. } => Some(TROUBLES[0]),
            Event::Conflict { .. } => Some(TROUBLES[1]),
            _ => None,
        });
        for trouble in troubles {
            *self.troubles.entry(trouble).or_default() += 1;
        }
        self.events.extend(events);
    }

    /// What happened since this was asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// When `speak` has something to do.
    pub fn wake_at(&self) -> Option<Instant> {
        Some(self.began? + self.announcer.wake_at()?)
    }

    /// A claim was cleared: a pass makes tables answer for it.
    pub fn take_ready(&mut self) -> bool {
        self.announcer.take_ready()
    }

    /// Statuses are not what they were.
    pub fn take_changed(&mut self) -> bool {
        self.announcer.take_changed()
    }

    /// Devices to listen to, by ifindex.
    pub fn devices(&self) -> BTreeSet<u32> {
        self.announcer.devices()
    }

    /// VIPs that are claimed or probed for, and where.
    pub fn places(&self) -> impl Iterator<Item = (IpAddr, &Link)> {
        self.announcer.places().map(|(vip, _, link)| (vip, link))
    }

    /// Groups in which IPv6 VIPs are looked for, by ifindex of links that the kernel has.
    pub fn groups(&self, is_made: impl Fn(u32) -> bool) -> BTreeSet<(u32, Ipv6Addr)> {
        let group = |(vip, link): (IpAddr, &Link)| match vip {
            IpAddr::V6(vip) if !is_made(link.ifindex) => Some((link.ifindex, solicited_node(vip))),
            _ => None,
        };
        self.places().filter_map(group).collect()
    }

    pub fn statuses(&self, vip: IpAddr) -> Vec<ClaimStatus> {
        self.announcer.statuses(vip)
    }

    /// Why frames are not heard on a device that a VIP is wanted on.
    fn deafness(&self) -> Option<&str> {
        self.deaf.values().next().map(String::as_str)
    }

    /// Frames sent, of every kind.
    pub fn sent(&self) -> [(&'static str, u64); KINDS.len()] {
        KINDS.map(|kind| (kind, self.sent.get(kind).copied().unwrap_or(0)))
    }

    /// Addresses found to be somebody else's, of every kind.
    pub fn troubles(&self) -> [(&'static str, u64); TROUBLES.len()] {
        TROUBLES.map(|kind| (kind, self.troubles.get(kind).copied().unwrap_or(0)))
    }

    fn time(&mut self, now: Instant) -> Duration {
        let began = *self.began.get_or_insert(now);
        now.saturating_duration_since(began)
    }
}
