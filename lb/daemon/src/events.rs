//! What happened, told once: `events.emit(Event::...)`.
//!
//! ```text
//!   emit ──> the journal (tracing, with the MESSAGE_ID of the event's type)
//!        ──> the ring that /v1/events is read from
//! ```
//! `watch` finds what happened between two passes by comparing how things are; whoever does
//! something himself says so himself.

mod catalogue;
mod event;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::time::SystemTime;

use lb_api::events::EventLog;
use lb_api::wire::{self, Severity, Timestamp};

pub use event::Event;
use event::Told;
pub use watch::{Presence, Watch};

/// Where events go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events(Arc<EventLog>);

impl Events {
    pub fn new(log: Arc<EventLog>) -> Self {
        Events(log)
    }

    pub fn emit(&self, event: Event) {
        let told = event.told();
        log(&told);
        let kind = told.what;
        self.0.append(|id| wire::Event {
            id,
            time: Timestamp::of(SystemTime::now()),
            kind: kind.kind,
            name: kind.name.into(),
            severity: kind.severity,
            message: told.message,
            message_id: kind.message_id.into(),
            fields: told
                .fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        });
    }
}

/// The journal has fields in capitals; those that an event doesn't have are left out.
fn log(told: &Told) {
    let field = |name: &str| {
        let mut found = told.fields.iter().filter(|(field, _)| *field == name);
        found.next().map(|(_, value)| value.as_str())
    };
    macro_rules! at {
        ($level:ident) => {
            tracing::$level!(
                EVENT = told.what.name,
                SERVICE = field("service"),
                BACKEND = field("backend"),
                INTERFACE = field("interface"),
                DOCUMENT = field("document"),
                GENERATION = field("generation"),
                VIP = field("vip"),
                ADDRESS = field("address"),
                REASON = field("reason"),
                ACTOR = field("actor"),
                MESSAGE_ID = told.what.message_id,
                "{}",
                told.message
            )
        };
    }
    match told.what.severity {
        Severity::Info => at!(info),
        Severity::Warning => at!(warn),
        Severity::Error => at!(error),
    }
}
