//! Interfaces that carry the program: those that are wanted are attached, and attached again when
//! they vanished and came back, or when somebody took the program off.

use std::collections::BTreeMap;

use lb_api::wire::AttachMode;
use lb_core::addr::Mac;
use lb_core::tables::InterfaceSlot;
use lb_plane::attach::{Asked, Attachment, Mode, Warning};

use super::{Backoff, Counters, DataPlane, Inputs};
use crate::failure::line;

/// How an interface is that is attached or should be.
#[derive(Clone, Debug, Default)]
pub struct InterfaceState {
    pub slot: Option<InterfaceSlot>,
    /// Of a VLAN that of its device.
    pub attachment: Option<Attachment>,
    pub vlan: Option<VlanState>,
    /// Why it is not attached, or not as well as it could be.
    pub message: String,
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
}

pub fn asked(mode: AttachMode) -> Asked {
    match mode {
        AttachMode::Auto => Asked::Auto,
        AttachMode::Native => Asked::Native,
        AttachMode::Generic => Asked::Generic,
    }
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

    pub fn attached(&mut self, attachment: Attachment, warning: Option<&Warning>) {
        let known = self.known.entry(attachment.name.clone()).or_default();
        known.ifindex = Some(attachment.ifindex);
        known.retry = Backoff::default();
        known.state.message = warning.map(ToString::to_string).unwrap_or_default();
        known.state.attachment = Some(attachment);
    }

    /// Attaches what is wanted and there. What is attached without being wanted stays: taking it
    /// off is an operator's word.
    pub fn keep<P: DataPlane>(
        &mut self,
        plane: &mut P,
        inputs: &Inputs,
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
            let known = self.known.entry(name.clone()).or_default();
            let is_wanted = inputs
                .wanted
                .get(name)
                .is_none_or(|mode| is(*mode, attachment.mode));
            if is_wanted && known.state.attachment.as_ref() != Some(attachment) {
                known.state.message = match (inputs.wanted.contains_key(name), attachment.mode) {
                    (false, _) => format!(
                        "attached, though nothing asks for it: `loxictl detach {name}` takes it off"
                    ),
                    (true, Mode::Generic) if inputs.wanted[name] == AttachMode::Auto => {
                        Warning::Generic {
                            interface: name.clone(),
                            driver: attachment.driver.clone(),
                        }
                        .to_string()
                    }
                    _ => String::new(),
                };
            }
            known.ifindex = Some(attachment.ifindex);
            known.state.attachment = Some(attachment.clone());
        }
        for (name, mode) in inputs.wanted {
            if present
                .get(name)
                .is_some_and(|attachment| is(*mode, attachment.mode))
            {
                continue;
            }
            let known = self.known.entry(name.clone()).or_default();
            let Some(link) = inputs.facts.links.get(name) else {
                known.state.attachment = None;
                known.state.message =
                    "there is no interface of this name: it is attached when it appears".into();
                known.retry = Backoff::default();
                continue;
            };
            if !known.retry.is_due(inputs.now) {
                continue;
            }
            let was_taken_off = !present.contains_key(name) && known.ifindex == Some(link.ifindex);
            match plane.attach(name, asked(*mode)) {
                Ok((attachment, warning)) => {
                    if was_taken_off {
                        *counters.corrections.entry("attachment").or_default() += 1;
                    }
                    tracing::debug!(interface = name, ifindex = attachment.ifindex, mode = %attachment.mode, "attached");
                    if let Some(warning) = &warning {
                        tracing::warn!("{warning}");
                    }
                    self.attached(attachment.clone(), warning.as_ref());
                    present.insert(name.clone(), attachment);
                }
                Err(error) => {
                    let message = line(&error);
                    if !present.contains_key(name) {
                        known.state.attachment = None;
                    }
                    known.state.message = message;
                    known.retry.failed(inputs.now);
                }
            }
        }
        present.into_values().collect()
    }
}

fn is(wanted: AttachMode, mode: Mode) -> bool {
    match wanted {
        AttachMode::Auto => true,
        AttachMode::Native => mode == Mode::Native,
        AttachMode::Generic => mode == Mode::Generic,
    }
}
