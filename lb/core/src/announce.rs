//! Announcing: who speaks for a VIP on a link, from when, and who else does (RFC 826, 5227, 4861,
//! 4862).
//!
//! There is a claim for each VIP and each interface that it is wanted on:
//!
//! ```text
//!            an ear is open        nobody has it        tables that answer are committed
//!   Deaf ------------------> Probing ---------> Cleared ----------------------> Announced
//!                            ^     |               |                             |  ^
//!                        now |     | somebody      |                  link down  |  | link up
//!                      and   |     v has it        |                             v  |
//!                      then  +-- InUse <-----------+                             Away
//!
//!   no longer wanted: the claim is dropped, and the next tables do not answer
//! ```
//! The announcer decides and remembers; who calls it listens, sends, and writes tables. Time is an
//! argument (since any start, as long as it never goes back), and randomness comes from a seed.
//!
//! - Tables answer (`VipRow::arp`) where a claim is `Cleared` or `Announced`, and nowhere else:
//!   [`Announcer::mask`]. Nothing is announced before [`Announcer::committed`] was told that tables
//!   answer.
//! - What tables answer when the announcer begins is taken over as announced: a restart neither
//!   probes nor pauses.
//! - Somebody else who speaks for an announced VIP is a conflict. The VIP is answered and defended
//!   nevertheless (RFC 5227 §2.4 c, for addresses that must stay): to withdraw would hand clients
//!   to whoever shouts. The conflict is over when probes for the VIP were not answered a few times.
//! - Frames are handed out a few at a time, so that ten thousand VIPs do not flood a link at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::addr::Mac;
use crate::facts::Link;
use crate::tables::{InterfaceSlot, Tables};

mod claim;
mod event;
mod frame;
mod heard;
mod random;
mod timing;

pub use claim::{Claim, State};
pub use event::Event;
pub use frame::{Frame, KINDS, Message, solicited_node};
pub use heard::{Heard, What};
use random::Random;
pub use timing::{Probe, Timing};

#[cfg(test)]
mod tests;

/// Since any start; it never goes back.
pub type Time = Duration;

/// Most frames that one step hands out, and the pause to the next step if there are more.
const BURST: usize = 256;
const PACE: Duration = Duration::from_millis(10);

/// A VIP on an interface.
pub type Place = (IpAddr, InterfaceSlot);

/// How a VIP's claim on an interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimStatus {
    pub slot: InterfaceSlot,
    /// The interface's name.
    pub interface: String,
    pub state: State,
    /// Who has or claims the VIP, too.
    pub other: Option<Mac>,
}

/// All claims of a box.
#[derive(Clone, Debug)]
pub struct Announcer {
    timing: Timing,
    random: Random,
    links: BTreeMap<InterfaceSlot, Link>,
    /// Devices that frames are heard from.
    ears: BTreeSet<u32>,
    claims: BTreeMap<Place, Claim>,
    /// When claims have something to do.
    due: BTreeSet<(Time, Place)>,
    /// No frames are handed out before.
    pause: Time,
    /// It has seen tables, and took over what they answer.
    has_begun: bool,
    /// Tables should be made again: a claim was cleared.
    is_ready: bool,
    /// What people read of claims is not what it was.
    is_changed: bool,
    events: Vec<Event>,
}

impl Announcer {
    #[must_use]
    pub fn new(timing: Timing, seed: u64) -> Self {
        Self {
            timing,
            random: Random::new(seed),
            links: BTreeMap::new(),
            ears: BTreeSet::new(),
            claims: BTreeMap::new(),
            due: BTreeSet::new(),
            pause: Time::ZERO,
            has_begun: false,
            is_ready: false,
            is_changed: false,
            events: Vec::new(),
        }
    }

    /// Takes over another timing, for what is begun from here on.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// What should be announced where: `want` has it as bits of slots (`VipRow::arp`), on links as
    /// they are; `have` is what packets read meanwhile. Claims that are new begin, those that nobody
    /// wants are dropped, and those whose link is down wait for it.
    pub fn want(
        &mut self,
        want: &Tables,
        have: &Tables,
        links: &BTreeMap<InterfaceSlot, Link>,
        now: Time,
    ) {
        let before = std::mem::replace(&mut self.links, links.clone());
        let wanted = places(want);
        for place in self.claims.keys().copied().collect::<Vec<_>>() {
            let (vip, slot) = place;
            let is_other = |link: &Link| before.get(&slot).map(|l| l.ifindex) != Some(link.ifindex);
            let link = links.get(&slot);
            let name = || before.get(&slot).map(|link| link.name.clone());
            if link.is_none_or(is_other) {
                self.drop_claim(place, name());
            } else if wanted.contains(&place) {
                continue;
            } else if link.is_some_and(|link| !link.attached) && want.image.vips.contains_key(&vip)
            {
                self.change(place, |claim, _| claim.link_down());
            } else {
                self.drop_claim(place, name());
            }
        }
        for place in wanted {
            if self.claims.contains_key(&place) {
                continue;
            }
            let Some(link) = self.links.get(&place.1) else {
                continue;
            };
            let adopted = match self.has_begun {
                true => None,
                false => answered(have, place, link),
            };
            let claim = match adopted {
                Some(mac) => Claim::adopted(place.0, mac, now),
                None => Claim::new(place.0),
            };
            self.due.extend(claim.due().map(|at| (at, place)));
            self.claims.insert(place, claim);
        }
        self.has_begun = true;
        self.begin_probes(now);
    }

    /// Takes out of tables where the VIPs may not be answered.
    pub fn mask(&self, tables: &mut Tables) {
        for (vip, row) in &mut tables.image.vips {
            let bits = row.arp;
            row.arp = slots(bits)
                .filter(|slot| {
                    self.claims
                        .get(&(*vip, *slot))
                        .is_some_and(Claim::may_answer)
                })
                .fold(0, |bits, slot| bits | bit(slot));
        }
    }

    /// Packets read these tables: what they answer is announced, and again after the link was down
    /// or its MAC address changed.
    pub fn committed(&mut self, tables: &Tables, now: Time) {
        for place in places(tables) {
            let Some(link) = self.links.get(&place.1).filter(|link| link.attached) else {
                continue;
            };
            let (mac, interface) = (link.mac, link.name.clone());
            let Some(claim) = self.claims.get(&place) else {
                continue;
            };
            let is_first = claim.state() == State::Probing;
            if claim.is_announced_by(mac) {
                continue;
            }
            self.change(place, |claim, _| claim.announce(mac, now));
            if is_first {
                let (vip, _) = place;
                self.events.push(Event::Announced { vip, interface });
            }
        }
    }

    /// Devices that frames are heard from. Probing begins where somebody listens.
    pub fn listening(&mut self, devices: BTreeSet<u32>, now: Time) {
        if self.ears != devices {
            self.ears = devices;
            self.begin_probes(now);
        }
    }

    /// A frame about an address came in on a device.
    pub fn heard(&mut self, device: u32, heard: &Heard, now: Time) {
        if self.links.values().any(|link| link.mac == heard.mac) {
            return; // we ourselves, by another interface
        }
        let on = |link: &Link| link.device == device && link.vlan == heard.vlan;
        let found = self.links.iter().find(|(_, link)| on(link));
        let Some((slot, interface)) = found.map(|(slot, link)| (*slot, link.name.clone())) else {
            return;
        };
        let place = (heard.about, slot);
        if !self.claims.contains_key(&place) {
            return;
        }
        let (vip, other) = (heard.about, heard.mac);
        let mut happened = None;
        self.change(place, |claim, random| {
            happened = claim.heard(heard, now, random);
        });
        self.events
            .extend(happened.map(|what| what.event(vip, interface, other)));
    }

    /// Does what is due: frames to send, in order.
    pub fn step(&mut self, now: Time) -> Vec<Frame> {
        let mut frames = Vec::new();
        if now < self.pause {
            return frames;
        }
        while let Some(&(at, place)) = self.due.first() {
            if at > now {
                return frames;
            }
            if frames.len() >= BURST {
                self.pause = now + PACE;
                return frames;
            }
            self.act(place, now, &mut frames);
        }
        frames
    }

    fn act(&mut self, place: Place, now: Time, frames: &mut Vec<Frame>) {
        let (vip, slot) = place;
        let timing = self.timing;
        let mut done = claim::Done::default();
        self.change(place, |claim, random| {
            done = claim.act(now, &timing, random);
        });
        self.is_ready |= done.is_cleared;
        let Some(link) = self.links.get(&slot) else {
            return;
        };
        if done.is_settled {
            let interface = link.name.clone();
            self.events.push(Event::Settled { vip, interface });
        }
        let messages = done.say.iter().flat_map(|say| Message::of(*say, vip));
        frames.extend(messages.map(|message| Frame {
            device: link.device,
            vlan: link.vlan,
            mac: link.mac,
            message,
        }));
    }

    /// When `step` has something to do.
    #[must_use]
    pub fn wake_at(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| (*at).max(self.pause))
    }

    /// Whether claims were cleared since this was asked: tables should be made again.
    pub fn take_ready(&mut self) -> bool {
        std::mem::take(&mut self.is_ready)
    }

    /// Whether statuses changed since this was asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// What happened since this was asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Devices that should be listened to.
    #[must_use]
    pub fn devices(&self) -> BTreeSet<u32> {
        let slots: BTreeSet<InterfaceSlot> = self.claims.keys().map(|(_, slot)| *slot).collect();
        let attached = |slot: &InterfaceSlot| self.links.get(slot).filter(|link| link.attached);
        slots
            .iter()
            .filter_map(attached)
            .map(|link| link.device)
            .collect()
    }

    /// VIPs that are claimed or probed for, with the links.
    pub fn places(&self) -> impl Iterator<Item = (IpAddr, InterfaceSlot, &Link)> {
        let with_link = |&(vip, slot): &Place| Some((vip, slot, self.links.get(&slot)?));
        let present = self.claims.keys().filter_map(with_link);
        present.filter(|(_, _, link)| link.attached)
    }

    /// How a VIP's claims are, by interface.
    #[must_use]
    pub fn statuses(&self, vip: IpAddr) -> Vec<ClaimStatus> {
        let of = (vip, InterfaceSlot(0))..=(vip, InterfaceSlot(u8::MAX));
        let status = |(place, claim): (&Place, &Claim)| {
            Some(ClaimStatus {
                slot: place.1,
                interface: self.links.get(&place.1)?.name.clone(),
                state: claim.state(),
                other: claim.other(),
            })
        };
        self.claims.range(of).filter_map(status).collect()
    }

    fn begin_probes(&mut self, now: Time) {
        let deaf = |(place, claim): (&Place, &Claim)| {
            let link = self.links.get(&place.1)?;
            let hears = link.attached && self.ears.contains(&link.device);
            (hears && claim.state() == State::Waiting).then_some(*place)
        };
        let timing = self.timing;
        for place in self.claims.iter().filter_map(deaf).collect::<Vec<_>>() {
            self.change(place, |claim, random| claim.probe(now, &timing, random));
        }
    }

    fn drop_claim(&mut self, place: Place, interface: Option<String>) {
        let Some(claim) = self.claims.remove(&place) else {
            return;
        };
        let (vip, _) = place;
        if let Some(at) = claim.due() {
            self.due.remove(&(at, place));
        }
        if let Some(interface) = interface.filter(|_| claim.was_announced()) {
            self.events.push(Event::Withdrawn { vip, interface });
        }
    }

    /// Changes a claim, and keeps the order of what is due.
    fn change(&mut self, place: Place, change: impl FnOnce(&mut Claim, &mut Random)) {
        let Some(claim) = self.claims.get_mut(&place) else {
            return;
        };
        let (before, shown) = (claim.due(), (claim.state(), claim.other()));
        change(claim, &mut self.random);
        let after = claim.due();
        self.is_changed |= shown != (claim.state(), claim.other());
        if before != after {
            self.due.extend(after.map(|at| (at, place)));
            before.map(|at| self.due.remove(&(at, place)));
        }
    }
}

/// Where tables answer for which VIP.
fn places(tables: &Tables) -> BTreeSet<Place> {
    let vips = tables.image.vips.iter();
    vips.flat_map(|(vip, row)| slots(row.arp).map(|slot| (*vip, slot)))
        .collect()
}

fn slots(bits: u64) -> impl Iterator<Item = InterfaceSlot> {
    (0..64)
        .map(InterfaceSlot)
        .filter(move |slot| bits & bit(*slot) != 0)
}

fn bit(slot: InterfaceSlot) -> u64 {
    1u64.checked_shl(slot.0.into()).unwrap_or(0)
}

/// The MAC address that tables answer with for a VIP on a link, if they do.
fn answered(have: &Tables, (vip, slot): Place, link: &Link) -> Option<Mac> {
    let row = have.interfaces.get(&slot)?;
    let is_same = row.ifindex == link.device && row.vlan == link.vlan;
    let answers = have.image.vips.get(&vip)?.arp & bit(slot) != 0;
    (is_same && answers).then_some(row.mac)
}
