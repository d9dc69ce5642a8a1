//! The reconciler: the only writer of the plane.
//!
//! ```text
//!   documents, wanted interfaces, netlink facts
//!        | attach what is wanted and not attached
//!        | find the logical interfaces: devices, and VLANs on them
//!        | compile (pure)          <- what the plane holds: known, or read back on a tick
//!        | claim: tables answer for VIPs where they may be announced
//!        | plan (pure)
//!        | apply, one op after the other
//!        | announce what the tables answer
//!        | join the groups in which IPv6 VIPs are looked for
//!        v
//!      Outcome: conditions, what failed, which neighbours to keep resolved
//! ```
//! What changes from one pass to the next is told by `events`, which compares outcomes.
//!
//! What is read back and differs from what is known is drift: it is counted by kind, said, and
//! repaired by the same pass. An interface that the kernel refuses is left out, and everything
//! else goes on; any other op that fails ends the pass, which is repeated with back-off after
//! reading back what the plane holds. Every prefix of a plan is safe, so nothing is undone.

mod data_plane;
mod drift;
mod flush;
mod groups;
mod interfaces;
pub mod ladder;
mod links;
mod logical;
mod serving;
mod slots;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lb_api::wire::AttachAs;
use lb_core::compile::{Assignments, Compiled, Previous, compile};
use lb_core::facts::Facts;
use lb_core::health::Standings;
use lb_core::intent::{Intent, Source};
use lb_core::plan::plan;
use lb_core::plane::Op;
use lb_core::service::ServiceKey;
use lb_core::status::{Notice, ServiceStatus};
use lb_core::tables::{BackendId, InterfaceSlot, ServiceId, Tables};
use lb_plane::attach::{AttachError, Attachment};
use lb_plane::netlink::RawFacts;
use lb_plane::sweep::Swept;

use crate::announce::Announcing;
use crate::config::{self, AfXdp};
use crate::failure::chain;
pub use data_plane::DataPlane;
pub use drift::KINDS;
use groups::Groups;
use interfaces::Ground;
use interfaces::Keeper;
pub use interfaces::{Climbed, InterfaceState, Refused, VlanState};
pub use logical::is_made;
pub use serving::failure;
use serving::{Device, Serving};
use slots::{SLOTS, Slots};

#[cfg(test)]
mod tests;

/// What a pass works towards.
pub struct Inputs<'a> {
    pub intent: &'a Intent,
    pub wanted: &'a BTreeMap<String, AttachAs>,
    /// Logical interfaces that the configuration makes.
    pub vlans: &'a [config::Vlan],
    pub facts: &'a RawFacts,
    /// What the worker is run with.
    pub afxdp: &'a AfXdp,
    /// Backends that stand aside.
    pub standings: &'a Arc<Standings>,
    pub now: Instant,
}

/// Whether a pass trusts what it knows of the plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Known,
    ReadBack,
}

/// Sums since the daemon started.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    pub passes: u64,
    pub failed: u64,
    /// By kind of row.
    pub corrections: BTreeMap<&'static str, u64>,
}

/// How things are after a pass.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub conditions: BTreeMap<(Source, ServiceKey), ServiceStatus>,
    pub notices: BTreeSet<Notice>,
    /// Next hops that the kernel should keep resolved: ifindex and address.
    pub neighbours: BTreeSet<(u32, IpAddr)>,
    pub interfaces: BTreeMap<String, InterfaceState>,
    /// Why the tables do not follow the documents; None: they do.
    pub failure: Option<String>,
    /// Rows in use, by table and as configured: name, used, capacity.
    pub usage: Vec<(&'static str, u64, u64)>,
}

pub struct Reconciler<P> {
    plane: P,
    /// What the plane holds; None: not known.
    have: Option<Tables>,
    live: BTreeMap<BackendId, u64>,
    retiring: BTreeSet<ServiceId>,
    /// Services whose clients may have connections that their sources deny.
    denied: BTreeSet<ServiceId>,
    assignments: Assignments,
    keeper: Keeper,
    serving: Serving,
    slots: Slots,
    groups: Groups,
    pub announcing: Announcing,
    /// Interfaces that the plane did not take, by slot and ifindex, until when.
    refused: BTreeMap<(InterfaceSlot, u32), Instant>,
    retry: Backoff,
    pub counters: Counters,
    pub outcome: Outcome,
}

/// Doubles from a tenth of a second to half a minute.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const MOST: Duration = Duration::from_secs(30);

    pub fn failed(&mut self, now: Instant) {
        let wait = Self::FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(Self::MOST);
        self.failures += 1;
        self.until = Some(now + wait);
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// None: nothing failed.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }
}

impl<P: DataPlane> Reconciler<P> {
    /// Connections whose service is gone, and those that sources deny, are released first: a
    /// predecessor may have died between publishing and flushing.
    pub fn new(plane: P) -> Self {
        let usage = plane.reader().usage();
        let with_connections: BTreeSet<ServiceId> = usage.active_by_service.into_keys().collect();
        Reconciler {
            plane,
            have: None,
            live: BTreeMap::new(),
            denied: with_connections.clone(),
            retiring: with_connections,
            assignments: Assignments::default(),
            keeper: Keeper::default(),
            serving: Serving::default(),
            slots: Slots::default(),
            groups: Groups::default(),
            announcing: Announcing::default(),
            refused: BTreeMap::new(),
            retry: Backoff::default(),
            counters: Counters::default(),
            outcome: Outcome::default(),
        }
    }

    pub fn plane(&self) -> &P {
        &self.plane
    }

    #[cfg(test)]
    pub fn plane_mut(&mut self) -> &mut P {
        &mut self.plane
    }

    pub fn sweep_step(&mut self) -> Swept {
        self.plane.sweep_step()
    }

    /// When a pass that failed wants to be repeated.
    pub fn retry_at(&self) -> Option<Instant> {
        self.retry.until()
    }

    /// One pass. What became of it is in `outcome` and `counters`.
    pub fn pass(&mut self, inputs: &Inputs, depth: Depth) {
        self.counters.passes += 1;
        match self.try_pass(inputs, depth) {
            Ok(()) => {
                self.outcome.failure = None;
                self.retry = Backoff::default();
            }
            Err(failure) => {
                self.counters.failed += 1;
                self.have = None;
                self.retry.failed(inputs.now);
                self.outcome.failure = Some(failure);
            }
        }
    }

    fn try_pass(&mut self, inputs: &Inputs, depth: Depth) -> Result<(), String> {
        let ground = Ground {
            slots: &self.slots,
            serving: &self.serving,
            queues: &self.plane.queues(),
            options: inputs.afxdp,
            now: inputs.now,
        };
        let attachments = self
            .keeper
            .keep(&mut self.plane, inputs, &ground, &mut self.counters);
        self.outcome.interfaces = self.keeper.states();
        self.refused.retain(|_, until| *until > inputs.now);
        if depth == Depth::ReadBack || self.have.is_none() {
            self.read_back()?;
        }
        self.flush_retiring()?;
        self.flush_denied()?;
        let have = self.have.take().unwrap_or_default();
        let found = self.logical(inputs, &attachments);
        let mut facts = self.facts(inputs, &attachments, &found, &have);
        self.keep_queues(inputs, &attachments);
        let result = self.converge(inputs, &mut facts, &have);
        if let Ok(tables) = &result {
            self.announcing.committed(tables, inputs.now);
            self.keep_groups(&facts, &found, depth);
        }
        self.speak(inputs.now);
        // Whatever was not applied is not known to be there.
        let (have, result) = match result {
            Ok(want) => (Some(want), Ok(())),
            Err(failure) => (None, Err(failure)),
        };
        self.have = have;
        result
    }

    fn read_back(&mut self) -> Result<(), String> {
        let read = self
            .plane
            .read()
            .map_err(|error| chain("read back the tables", &error))?;
        self.count_connections()?;
        if let Some(known) = &self.have {
            for (kind, rows) in drift::between(known, &read) {
                *self.counters.corrections.entry(kind).or_default() += rows;
            }
        } else {
            self.retiring
                .retain(|id| !read.image.services.contains_key(id));
        }
        self.have = Some(read);
        Ok(())
    }

    fn count_connections(&mut self) -> Result<(), String> {
        self.live = self
            .plane
            .connections()
            .map_err(|error| chain("count connections", &error))?;
        Ok(())
    }

    /// Compiles and applies; again without an interface that the plane refuses.
    fn converge(
        &mut self,
        inputs: &Inputs,
        facts: &mut Facts,
        have: &Tables,
    ) -> Result<Tables, String> {
        let mut have = std::borrow::Cow::Borrowed(have);
        let mut counted = false;
        loop {
            let previous = Previous {
                tables: &have,
                live: &self.live,
                retiring: &self.retiring,
                assignments: &self.assignments,
            };
            let mut compiled = compile(inputs.intent, facts, &previous, &self.plane.limits());
            let tables = &mut compiled.tables;
            self.announcing
                .claim(tables, &have, &facts.links, inputs.now);
            let ops = plan(&have, &compiled.tables);
            // No row goes by a count from before the backend was retired.
            let drops = ops.iter().any(|op| matches!(op, Op::DropBackend(_)));
            if drops && !std::mem::replace(&mut counted, true) {
                self.count_connections()?;
                continue;
            }
            let refused = self.apply(&ops)?;
            match refused {
                None => return Ok(self.adopt(compiled)),
                Some((slot, failure)) => {
                    let Some(link) = facts.links.get_mut(&slot) else {
                        return Err(failure);
                    };
                    if !link.attached {
                        return Err(failure);
                    }
                    tracing::warn!(interface = link.name, %failure, "the interface is left out");
                    link.attached = false;
                    self.refused
                        .insert((slot, link.ifindex), inputs.now + Backoff::MOST);
                    let read = self.plane.read();
                    have = std::borrow::Cow::Owned(
                        read.map_err(|error| chain("read back the tables", &error))?,
                    );
                }
            }
        }
    }

    /// Applies ops in order. Some: an interface was refused, and nothing after it was done.
    fn apply(&mut self, ops: &[Op]) -> Result<Option<(InterfaceSlot, String)>, String> {
        for (index, op) in ops.iter().enumerate() {
            let Err(error) = self.plane.apply(op) else {
                continue;
            };
            let failure = chain(what(op), &error);
            // Flushes follow publishing: those that were not reached are owed.
            if ops[..index].iter().any(|op| matches!(op, Op::Publish(_))) {
                self.owe(&ops[index..]);
            }
            return match op {
                Op::PutInterface(slot, _) => Ok(Some((*slot, failure))),
                _ => Err(failure),
            };
        }
        Ok(None)
    }

    /// Sends what is due about VIPs.
    pub fn speak(&mut self, now: Instant) {
        self.announcing.speak(&mut self.plane, now);
    }

    fn adopt(&mut self, compiled: Compiled) -> Tables {
        let limits = self.plane.limits();
        let tables = &compiled.tables;
        let slot_words: usize = tables
            .slots
            .values()
            .map(|slots| slots.len().div_ceil(4))
            .sum();
        let members: usize = tables.members.values().map(|members| members.len()).sum();
        let sources: usize = tables.sources.values().map(|sources| sources.len()).sum();
        let used = |rows: usize, capacity: u32| (rows as u64, u64::from(capacity));
        let usage = [
            (
                "services",
                used(tables.image.services.len(), limits.services),
            ),
            ("backends", used(tables.backends.len(), limits.backends)),
            (
                "vips",
                used(
                    tables.image.vips.len() + tables.image.local.len(),
                    limits.vips,
                ),
            ),
            ("hops", used(tables.hops.len(), limits.hops)),
            (
                "slots",
                used(slot_words * 4, limits.slot_words.saturating_mul(4)),
            ),
            ("members", used(members, limits.members)),
            ("sources", used(sources, limits.sources)),
            ("interfaces", used(tables.interfaces.len(), SLOTS.into())),
        ];
        self.outcome.usage = usage
            .map(|(name, (used, capacity))| (name, used, capacity))
            .to_vec();
        self.outcome.conditions = compiled.conditions;
        self.outcome.notices = compiled.notices;
        self.outcome.neighbours = compiled
            .neighbours
            .into_iter()
            .filter(|(ifindex, _)| !is_made(*ifindex))
            .collect();
        self.assignments = compiled.assignments;
        compiled.tables
    }

    /// Attaches at an operator's word, as far as that goes at once; the next passes program it, and
    /// put it onto AF_XDP.
    pub fn attach(
        &mut self,
        name: &str,
        how: AttachAs,
        options: &AfXdp,
        now: Instant,
    ) -> Result<Climbed, Refused> {
        let ground = Ground {
            slots: &self.slots,
            serving: &self.serving,
            queues: &self.plane.queues(),
            options,
            now,
        };
        self.keeper.attach(&mut self.plane, name, how, &ground)
    }

    /// Whether a pass would bring an interface on, which waits for the worker.
    pub fn is_due(&self, options: &AfXdp, now: Instant) -> bool {
        if !self.keeper.is_waiting() {
            return false;
        }
        let ground = Ground {
            slots: &self.slots,
            serving: &self.serving,
            queues: &self.plane.queues(),
            options,
            now,
        };
        self.keeper.is_due(&ground)
    }

    /// Whether an interface needs the worker. None: nobody knows yet.
    pub fn needs_worker(&self) -> Option<bool> {
        self.serving.is_needed()
    }

    /// Asks the worker for the queues of what is attached or about to be.
    fn keep_queues(&mut self, inputs: &Inputs, attachments: &[Attachment]) {
        let mut devices = Vec::new();
        for (name, link) in &inputs.facts.links {
            let attachment = attachments.iter().find(|one| one.name == *name);
            let next = self.keeper.next(name);
            let (Some(slot), true) = (self.slots.of(name), attachment.is_some() || next.is_some())
            else {
                continue;
            };
            devices.push(Device {
                name,
                slot,
                ifindex: link.ifindex,
                queues: attachment.map_or(link.rx_queues, |one| one.rx_queues),
                driver: attachment.and_then(|one| one.driver.as_deref()),
                attachment,
                next,
            });
        }
        let wanted = serving::wanted(&devices, inputs.afxdp);
        self.serving.keep(&mut self.plane, &wanted, inputs.now);
    }

    /// Detaches at an operator's word, and forgets what it knew of the interface.
    pub fn detach(&mut self, name: &str) -> Result<(), AttachError> {
        self.plane.detach(name)?;
        self.keeper.forget(name);
        Ok(())
    }
}

fn what(op: &Op) -> &'static str {
    match op {
        Op::PutInterface(..) => "write an interface",
        Op::PutHop(..) => "write a next hop",
        Op::PutBackend(..) => "write a backend",
        Op::PutMembers { .. } => "write a list of backends",
        Op::PutSlots { .. } => "write a slot table",
        Op::PutSources { .. } => "write sources",
        Op::Publish(_) => "publish",
        Op::FlushService(_) => "release connections",
        Op::FlushDenied(_) => "release connections of denied sources",
        Op::DropMembers { .. } => "free a list of backends",
        Op::DropSlots { .. } => "free a slot table",
        Op::DropSources { .. } => "free sources",
        Op::DropBackend(_) => "free a backend",
        Op::DropHop(_) => "free a next hop",
        Op::DropInterface(_) => "free an interface",
    }
}
