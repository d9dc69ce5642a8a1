//! Interfaces that carry a program: those that are wanted are attached, and attached again when
//! they vanished and came back, or when somebody took the program off.
//!
//! Which program, and in which mode, the ladder says. A rung that turns out to be impossible is
//! learned, and the ladder is asked again. Onto AF_XDP an interface goes in steps, one pass after
//! the other: its queues are wanted, the worker binds them, the redirector is put on the link.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lb_api::wire::{AttachAs, AttachMode, Datapath};
use lb_core::addr::Mac;
use lb_core::tables::InterfaceSlot;
use lb_plane::attach::{Asked, AttachError, Attachment, Mode, Path, Warning};
use lb_plane::queues::QueueStatus;

use super::ladder::{self, Decision, Rung};
use super::serving::{self, Bound, Serving};
use super::slots::Slots;
use super::{Backoff, Counters, DataPlane, Inputs};
use crate::config::AfXdp;
use crate::failure::line;
use crate::memlock;

/// How long a step down is put off for a worker that might come yet.
const PATIENCE: Duration = Duration::from_secs(5);

/// How an interface is that is attached or should be.
#[derive(Clone, Debug, Default)]
pub struct InterfaceState {
    pub slot: Option<InterfaceSlot>,
    /// Of a VLAN that of its device.
    pub attachment: Option<Attachment>,
    pub vlan: Option<VlanState>,
    /// Why it is not attached, or not as well as it could be.
    pub message: String,
    /// Each better way of forwarding, and why it was not taken.
    pub why: Vec<String>,
    /// It is about to be attached otherwise: the worker binds its queues.
    pub pending: bool,
}

/// A VLAN on a device that carries the program, or should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanState {
    /// `100`, of two tags `200.100`.
    pub tags: String,
    pub device: String,
    pub mtu: u32,
    pub mac: Mac,
    pub up: bool,
}

#[derive(Default)]
pub struct Keeper {
    known: BTreeMap<String, Known>,
}

#[derive(Default)]
struct Known {
    state: InterfaceState,
    retry: Backoff,
    /// The ifindex that it was attached with.
    ifindex: Option<u32>,
    asked: AttachAs,
    learned: ladder::Known,
    /// What it is about to get, and since when.
    next: Option<(Rung, Instant)>,
}

/// What a step onto the ladder came to.
#[derive(Debug)]
pub enum Climbed {
    /// It is as it should be.
    Kept,
    Attached(Attachment, Option<Warning>),
    /// The worker is to bind its queues first.
    Waiting,
}

/// Why an interface is not forwarded as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error("interface {interface} cannot be forwarded as it is asked for: {why}")]
    Nowhere { interface: String, why: String },
}

/// What a step reads.
pub struct Ground<'a> {
    pub slots: &'a Slots,
    pub serving: &'a Serving,
    pub queues: &'a [QueueStatus],
    pub options: &'a AfXdp,
    pub now: Instant,
}

impl Keeper {
    pub fn states(&self) -> BTreeMap<String, InterfaceState> {
        self.known
            .iter()
            .map(|(name, known)| (name.clone(), known.state.clone()))
            .collect()
    }

    pub fn forget(&mut self, name: &str) {
        self.known.remove(name);
    }

    /// What an interface is about to get.
    pub fn next(&self, name: &str) -> Option<Rung> {
        self.known.get(name)?.next.map(|(rung, _)| rung)
    }

    /// Whether what an interface waits for may have come.
    pub fn is_due(&self, ground: &Ground) -> bool {
        self.known.iter().any(|(name, known)| {
            let (Some((_, since)), Some(ifindex)) = (known.next, known.ifindex) else {
                return false;
            };
            let slot = ground.slots.of(name);
            let bound = ground
                .serving
                .bound(slot, ifindex, ground.queues, ground.now);
            !matches!(bound, Bound::Waiting(_)) || known.has_waited(since, ground.now)
        })
    }

    /// Whether any interface waits for the worker.
    pub fn is_waiting(&self) -> bool {
        self.known.values().any(|known| known.next.is_some())
    }

    /// Attaches what is wanted and there. What is attached without being wanted stays: taking it
    /// off is an operator's word.
    pub fn keep<P: DataPlane>(
        &mut self,
        plane: &mut P,
        inputs: &Inputs,
        ground: &Ground,
        counters: &mut Counters,
    ) -> Vec<Attachment> {
        let attachments = match plane.attachments() {
            Ok(attachments) => attachments,
            Err(error) => {
                tracing::warn!(error = line(&error), "cannot list attached interfaces");
                return self
                    .known
                    .values()
                    .filter_map(|known| known.state.attachment.clone())
                    .collect();
            }
        };
        let mut present: BTreeMap<String, Attachment> = attachments
            .into_iter()
            .map(|attachment| (attachment.name.clone(), attachment))
            .collect();
        self.known
            .retain(|name, _| inputs.wanted.contains_key(name) || present.contains_key(name));
        for (name, attachment) in &present {
            let is_wanted = inputs.wanted.contains_key(name);
            self.known
                .entry(name.clone())
                .or_default()
                .is_present(attachment, is_wanted);
        }
        for (name, how) in inputs.wanted {
            let known = self.known.entry(name.clone()).or_default();
            let Some(link) = inputs.facts.links.get(name) else {
                known.vanished(name);
                continue;
            };
            known.is_asked(*how, link.ifindex);
            if !known.retry.is_due(ground.now) {
                continue;
            }
            let before = present.get(name);
            if before.is_none() && known.state.attachment.take().is_some() {
                *counters.corrections.entry("attachment").or_default() += 1;
            }
            match known.climb(plane, name, before, ground) {
                Ok(Climbed::Kept | Climbed::Waiting) => {}
                Ok(Climbed::Attached(attachment, warning)) => {
                    tracing::debug!(interface = name, ifindex = attachment.ifindex, mode = %attachment.mode, path = %attachment.path, "attached");
                    for step in &known.state.why {
                        tracing::warn!(interface = name, "{step}");
                    }
                    if let Some(warning) = &warning {
                        tracing::warn!("{warning}");
                    }
                    present.insert(name.clone(), attachment);
                }
                Err(refused) => {
                    let message = line(&refused);
                    known.refused(message, before.is_some(), ground.now);
                }
            }
        }
        present.into_values().collect()
    }

    /// Attaches at an operator's word, as far as that goes at once.
    pub fn attach<P: DataPlane>(
        &mut self,
        plane: &mut P,
        name: &str,
        how: AttachAs,
        ground: &Ground,
    ) -> Result<Climbed, Refused> {
        plane.attachable(name)?;
        let attachments = plane.attachments()?;
        let present = attachments.iter().find(|one| one.name == name);
        // What was learned of it may be otherwise by now: the operator asks again.
        let mut known = Known {
            state: InterfaceState {
                attachment: present.cloned(),
                ..InterfaceState::default()
            },
            ifindex: present.map(|one| one.ifindex),
            asked: how,
            ..Known::default()
        };
        let climbed = known.climb(plane, name, present, ground)?;
        self.known.insert(name.to_owned(), known);
        Ok(climbed)
    }
}

impl Known {
    fn is_present(&mut self, attachment: &Attachment, is_wanted: bool) {
        if !is_wanted && self.state.attachment.as_ref() != Some(attachment) {
            self.state.message = format!(
                "attached, though nothing asks for it: `loxictl detach {}` takes it off",
                attachment.name
            );
        }
        self.ifindex = Some(attachment.ifindex);
        self.state.attachment = Some(attachment.clone());
    }

    fn vanished(&mut self, name: &str) {
        if self.state.attachment.take().is_some() {
            tracing::warn!(interface = name, "the interface is gone");
        }
        *self = Known {
            state: InterfaceState {
                message: "there is no interface of this name: it is attached when it appears"
                    .into(),
                ..InterfaceState::default()
            },
            ..Known::default()
        };
    }

    /// Another wish, or another interface of the same name, is another story.
    fn is_asked(&mut self, how: AttachAs, ifindex: u32) {
        let is_other = self.ifindex.is_some_and(|known| known != ifindex);
        if self.asked != how || is_other {
            self.asked = how;
            self.learned = ladder::Known::default();
            self.next = None;
            self.retry = Backoff::default();
            if is_other {
                self.state.attachment = None;
            }
        }
        self.ifindex = Some(ifindex);
    }

    fn refused(&mut self, message: String, is_present: bool, now: Instant) {
        if !is_present {
            self.state.attachment = None;
        }
        self.state.message = message;
        self.state.pending = false;
        self.next = None;
        self.retry.failed(now);
        // Next time it may be possible: everything is tried again.
        self.learned = ladder::Known::default();
    }

    /// Goes to the best rung that is possible; what is not, is learned on the way. Each turn learns
    /// something, and there are three things to learn.
    fn climb<P: DataPlane>(
        &mut self,
        plane: &mut P,
        name: &str,
        present: Option<&Attachment>,
        ground: &Ground,
    ) -> Result<Climbed, Refused> {
        self.learn_of(plane, present, ground.options);
        loop {
            let Decision { rung, why } = ladder::decide(self.asked, &self.learned);
            let Some(rung) = rung else {
                return Err(Refused::Nowhere {
                    interface: name.to_owned(),
                    why: why.join("; "),
                });
            };
            self.state.why = why;
            if present.is_some_and(|one| (one.path, one.mode) == (rung.path, rung.mode)) {
                self.arrived(name, present);
                return Ok(Climbed::Kept);
            }
            let is_served = present.is_some_and(|one| one.path == Path::AfXdp);
            if rung.path == Path::AfXdp && !is_served {
                match self.wait(name, rung, ground) {
                    Bound::All => {}
                    Bound::Waiting(_) => return Ok(Climbed::Waiting),
                    Bound::Failed(reason) => {
                        self.learned.afxdp = Err(reason);
                        continue;
                    }
                }
            }
            let asked = match rung.mode {
                Mode::Native => Asked::Native,
                Mode::Generic => Asked::Generic,
            };
            match plane.attach(name, asked, rung.path) {
                Ok((attachment, warning)) => {
                    self.arrived(name, Some(&attachment));
                    return Ok(Climbed::Attached(attachment, warning));
                }
                Err(error @ AttachError::NoNative { .. }) if self.learned.native.is_ok() => {
                    // Asked for in so many words, it is an error with its own remedy.
                    if self.asked.mode == AttachMode::Native {
                        return Err(error.into());
                    }
                    self.learned.native = Err("the driver has no native XDP".into());
                }
                Err(AttachError::NoProgram { path, log, .. }) => match path {
                    Path::Xdp if self.learned.forwarder.is_ok() => {
                        self.learned.forwarder = Err(unloaded("forwarder", &log));
                    }
                    Path::AfXdp if self.learned.afxdp.is_ok() => {
                        self.learned.afxdp = Err(unloaded("redirector", &log));
                    }
                    _ => {
                        let why = unloaded("program", &log);
                        let interface = name.to_owned();
                        return Err(Refused::Nowhere { interface, why });
                    }
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What can be known without trying.
    fn learn_of<P: DataPlane>(&mut self, plane: &P, present: Option<&Attachment>, options: &AfXdp) {
        let forwarder = plane.forwarder();
        self.learned.forwarder = forwarder.map_err(|log| unloaded("forwarder", log));
        if let Err(log) = plane.redirector() {
            self.learned.afxdp = Err(unloaded("redirector", log));
        }
        let queues = present.map_or(1, |one| one.rx_queues);
        if let Err(reason) = serving::possible(queues, options, memlock::limit()) {
            self.learned.afxdp = Err(reason);
        }
        let is_generic = present.is_some_and(|one| one.mode == Mode::Generic);
        if is_generic && self.asked.mode == AttachMode::Auto && self.learned.native.is_ok() {
            // The two modes can't be had at once.
            self.learned.native = Err(
                "it is attached in generic mode, and stays so: to change that would leave it without a program for a moment"
                    .into(),
            );
        }
    }

    fn wait(&mut self, name: &str, rung: Rung, ground: &Ground) -> Bound {
        let since = match self.next {
            Some((next, since)) if next == rung => since,
            _ => ground.now,
        };
        self.next = Some((rung, since));
        let slot = ground.slots.of(name);
        let ifindex = self.ifindex.unwrap_or(0);
        let bound = ground
            .serving
            .bound(slot, ifindex, ground.queues, ground.now);
        match bound {
            Bound::Waiting(what) if self.has_waited(since, ground.now) => {
                Bound::Failed(format!("within {} s, {what}", PATIENCE.as_secs()))
            }
            Bound::Waiting(what) => {
                self.state.pending = true;
                self.state.message = format!("{name}: about to be forwarded by the worker: {what}");
                Bound::Waiting(what)
            }
            bound => bound,
        }
    }

    /// Somebody who asked for AF_XDP waits for as long as it takes.
    fn has_waited(&self, since: Instant, now: Instant) -> bool {
        self.asked.datapath == Datapath::Auto && now >= since + PATIENCE
    }

    fn arrived(&mut self, name: &str, attachment: Option<&Attachment>) {
        let Some(attachment) = attachment else { return };
        self.next = None;
        self.retry = Backoff::default();
        self.ifindex = Some(attachment.ifindex);
        self.state.pending = false;
        self.state.message = match (attachment.mode, self.asked.mode) {
            (Mode::Native, _) => String::new(),
            (Mode::Generic, AttachMode::Generic) => format!(
                "{name}: attached in generic mode, as asked for, which is several times slower than native"
            ),
            (Mode::Generic, _) => {
                let slow = Warning::Generic {
                    interface: name.to_owned(),
                    driver: attachment.driver.clone(),
                };
                slow.to_string()
            }
        };
        self.state.attachment = Some(attachment.clone());
    }
}

/// The verifier's log is long; what it ends with says why.
fn unloaded(program: &str, log: &str) -> String {
    let is_said = |line: &&str| !line.trim().is_empty() && !line.starts_with("processed ");
    let last = log.lines().rev().find(is_said).unwrap_or("no word").trim();
    format!("the kernel refuses the {program}: {last}")
}
