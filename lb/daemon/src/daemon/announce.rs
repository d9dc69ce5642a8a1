//! VIPs on links: what the loop hears and sends for them.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::Instant;

use lb_api::control::ControlError;
use lb_core::announce;
use lb_core::intent::{Document, Source};
use lb_plane::announce::{Heard, Listening};

use super::Daemon;
use crate::announce::unknown_interfaces;
use crate::config;
use crate::events::Event;
use crate::reconcile::{DataPlane, Depth, is_made};

impl<P: DataPlane> Daemon<P> {
    /// When something is due for VIPs.
    pub fn announce_at(&self) -> Option<Instant> {
        self.reconciler.as_ref().ok()?.announcing.wake_at()
    }

    /// Sends what is due. Where probes found that a VIP is free, tables answer for it, and then it
    /// is announced. Is there anything to show?
    pub fn announce(&mut self) -> bool {
        let Ok(reconciler) = &mut self.reconciler else {
            return false;
        };
        reconciler.speak(Instant::now());
        if reconciler.announcing.take_ready() {
            self.pass(Depth::Known);
            return true;
        }
        self.show_announcing()
    }

    /// Is there anything to show?
    pub fn heard(&mut self, frames: &[Heard]) -> bool {
        if let Ok(reconciler) = &mut self.reconciler {
            reconciler.announcing.hear(frames, Instant::now());
        }
        self.show_announcing()
    }

    pub fn listening(&mut self, listening: Listening) {
        if let Ok(reconciler) = &mut self.reconciler {
            reconciler.announcing.listening(listening, Instant::now());
        }
        self.show_announcing();
    }

    /// Devices to listen to, by ifindex.
    pub fn listened(&self) -> BTreeSet<u32> {
        let reconciler = self.reconciler.as_ref();
        reconciler.map_or_else(|_| BTreeSet::new(), |one| one.announcing.devices())
    }

    /// Groups in which IPv6 VIPs are looked for, by ifindex.
    pub fn groups(&self) -> BTreeSet<(u32, Ipv6Addr)> {
        let reconciler = self.reconciler.as_ref();
        reconciler.map_or_else(|_| BTreeSet::new(), |one| one.announcing.groups(is_made))
    }

    /// Tells what happened, and shows what is not as it was. Is there anything?
    fn show_announcing(&mut self) -> bool {
        self.tell_announcing();
        let reconciler = self.reconciler.as_mut();
        let is_changed = reconciler.is_ok_and(|one| one.announcing.take_changed());
        if is_changed {
            self.publish();
        }
        is_changed
    }

    pub(super) fn tell_announcing(&mut self) {
        let Ok(reconciler) = &mut self.reconciler else {
            return;
        };
        for event in reconciler.announcing.take_events() {
            self.events.emit(told(event));
        }
    }

    /// A document must not ask for interfaces that are not there. What was stored before they went
    /// is served, and says so; a cluster knows nothing of this box's interfaces.
    pub(super) fn check_interfaces(
        &self,
        source: &Source,
        document: &Document,
        vlans: &[config::Vlan],
    ) -> Result<(), ControlError> {
        if matches!(source, Source::Kube(_)) {
            return Ok(());
        }
        let made: Vec<String> = vlans.iter().map(config::Vlan::name).collect();
        let links = self.facts.links.iter().filter(|(_, link)| !link.loopback);
        let known = links.map(|(name, _)| name.as_str());
        let known: BTreeSet<&str> = known.chain(made.iter().map(String::as_str)).collect();
        match unknown_interfaces(document, &known) {
            None => Ok(()),
            Some(invalid) => Err(ControlError::Invalid(invalid)),
        }
    }
}

fn told(event: announce::Event) -> Event {
    match event {
        announce::Event::Announced { vip, interface } => Event::Announced { vip, interface },
        announce::Event::Withdrawn { vip, interface } => Event::Withdrawn {
            vip,
            interface,
            why: "no service wants it there, or the interface is gone".to_owned(),
        },
        announce::Event::InUse {
            vip,
            interface,
            other,
        } => Event::InUse {
            vip,
            interface,
            mac: other,
        },
        announce::Event::Conflict {
            vip,
            interface,
            other,
        } => Event::Conflict {
            vip,
            interface,
            mac: other,
        },
        announce::Event::Settled { vip, interface } => Event::Settled { vip, interface },
    }
}
