//! Attaching and detaching at an operator's word. It outlives restarts: it is stored.

use std::time::Instant;

use lb_api::control::{Actor, ControlError};
use lb_api::wire::{AttachAs, InterfaceStatus, Invalid, Problem};
use lb_plane::attach::AttachError;

use super::Daemon;
use super::changes::storage;
use crate::config::Config;
use crate::events::{Event, Presence};
use crate::failure::line;
use crate::reconcile::{Climbed, DataPlane, Depth, Reconciler, Refused};
use crate::store::Interfaces;

impl<P: DataPlane> Daemon<P> {
    pub(super) fn attach(
        &mut self,
        name: &str,
        how: AttachAs,
        actor: &Actor,
    ) -> Result<InterfaceStatus, ControlError> {
        let was_attached = self.is_attached(name);
        let options = self.config.afxdp.clone();
        let climbed = self.plane()?.attach(name, how, &options, Instant::now());
        let climbed = climbed.map_err(refused_path)?;
        let mut interfaces = self.interfaces.clone();
        interfaces.detached.remove(name);
        let of_file = self
            .config
            .interfaces
            .iter()
            .find(|interface| interface.name == name);
        match of_file.is_some_and(|interface| interface.how == how) {
            true => interfaces.attached.remove(name),
            false => interfaces.attached.insert(name.to_owned(), how),
        };
        if let Err(error) = self.store_interfaces(interfaces) {
            if !was_attached && matches!(climbed, Climbed::Attached(..)) {
                self.plane()?.detach(name).map_err(refused)?;
            }
            return Err(error);
        }
        let attached = self.attached_mode(name);
        self.watch
            .told(name, Some(Presence::Attached(attached.clone())));
        self.events.emit(Event::Attached {
            interface: name.to_owned(),
            mode: attached,
            actor: Some(actor.clone()),
        });
        self.pass(Depth::Known);
        let mut interfaces = self.state.interfaces.iter();
        let unknown = || ControlError::NotFound {
            what: format!("interface {name}"),
        };
        interfaces
            .find(|interface| interface.name == name)
            .cloned()
            .ok_or_else(unknown)
    }

    pub(super) fn detach(&mut self, name: &str, actor: &Actor) -> Result<(), ControlError> {
        let is_wanted = self.wanted().contains_key(name);
        let before = self.interfaces.clone();
        let mut interfaces = before.clone();
        interfaces.attached.remove(name);
        if self
            .config
            .interfaces
            .iter()
            .any(|interface| interface.name == name)
        {
            interfaces.detached.insert(name.to_owned());
        }
        self.plane()?;
        self.store_interfaces(interfaces)?;
        match self.plane()?.detach(name) {
            Ok(()) => {}
            // It is wanted and not there: not wanting it is all that is to be done.
            Err(AttachError::NotAttached { .. } | AttachError::Unknown { .. }) if is_wanted => {}
            Err(error) => {
                self.store_interfaces(before)?;
                return Err(refused(error));
            }
        }
        self.watch.told(name, None);
        self.events.emit(Event::Detached {
            interface: name.to_owned(),
            actor: Some(actor.clone()),
        });
        self.pass(Depth::Known);
        Ok(())
    }

    /// Interfaces that the file listed before and does not list.
    pub(super) fn detach_what_is_gone(&mut self, before: &Config) {
        let wanted = self.wanted();
        for interface in before
            .interfaces
            .iter()
            .filter(|interface| !wanted.contains_key(&interface.name))
        {
            let Ok(reconciler) = &mut self.reconciler else {
                return;
            };
            match reconciler.detach(&interface.name) {
                Ok(()) => {
                    self.watch.told(&interface.name, None);
                    self.events.emit(Event::Detached {
                        interface: interface.name.clone(),
                        actor: None,
                    });
                }
                Err(AttachError::NotAttached { .. } | AttachError::Unknown { .. }) => {}
                Err(error) => tracing::error!("{}", line(&error)),
            }
        }
    }

    /// How the program runs on an interface that was just attached.
    fn attached_mode(&self, name: &str) -> String {
        let attachments = self.reconciler.as_ref().ok();
        let attachments = attachments.and_then(|reconciler| reconciler.plane().attachments().ok());
        let found = attachments.into_iter().flatten();
        let found = found.filter(|attachment| attachment.name == name);
        let mode = found.map(|attachment| attachment.mode.to_string()).next();
        mode.unwrap_or_default()
    }

    fn is_attached(&self, name: &str) -> bool {
        self.reconciler.as_ref().is_ok_and(|reconciler| {
            let state = reconciler.outcome.interfaces.get(name);
            state.is_some_and(|state| state.attachment.is_some())
        })
    }

    fn plane(&mut self) -> Result<&mut Reconciler<P>, ControlError> {
        self.reconciler
            .as_mut()
            .map_err(|message| ControlError::Unavailable {
                message: message.clone(),
            })
    }

    fn store_interfaces(&mut self, interfaces: Interfaces) -> Result<(), ControlError> {
        if interfaces != self.interfaces {
            self.store.put_interfaces(&interfaces).map_err(storage)?;
            self.interfaces = interfaces;
        }
        Ok(())
    }
}

fn refused_path(error: Refused) -> ControlError {
    match error {
        Refused::Attach(error) => refused(error),
        Refused::Nowhere { .. } => ControlError::Conflict {
            message: error.to_string(),
            remedy: "ask for the datapath auto and the mode auto, which take what is possible"
                .into(),
        },
    }
}

fn refused(error: AttachError) -> ControlError {
    let message = line(&error);
    match error {
        AttachError::Unknown { interface } => ControlError::NotFound {
            what: format!("interface {interface}"),
        },
        AttachError::NotAttached { interface } => ControlError::NotFound {
            what: format!("program on interface {interface}"),
        },
        AttachError::Kind {
            interface,
            kind,
            advice,
        } => {
            let message = format!("{interface} is a {kind}");
            ControlError::Invalid(Invalid::one(
                Problem::new("name", message, "an interface that packets arrive on").remedy(advice),
            ))
        }
        AttachError::Foreign {
            interface,
            program_id,
        } => ControlError::Conflict {
            message: format!("interface {interface} carries another XDP program (id {program_id})"),
            remedy: format!(
                "stop what attached it, or remove it: ip link set dev {interface} xdp off"
            ),
        },
        AttachError::NoNative { interface } => ControlError::Conflict {
            message: format!("the driver of interface {interface} has no native XDP"),
            remedy: "ask for the mode generic, or auto".into(),
        },
        AttachError::NoProgram { path, .. } => ControlError::Conflict {
            message,
            remedy: format!("ask for another datapath than {path}, or auto"),
        },
        AttachError::System { .. } | AttachError::Netlink(_) => {
            ControlError::Unavailable { message }
        }
    }
}
