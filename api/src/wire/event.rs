//! What happened: told once to whoever listens, and to the journal.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Timestamp;

#[cfg(test)]
mod tests;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place among all events: what `Last-Event-ID` and `since` take.
    #[schema(value_type = String, example = "19a8b2c3d4e-17")]
    pub id: EventId,
    pub time: Timestamp,
    pub kind: EventKind,
    /// What happened, as a word for programs.
    #[schema(example = "document_applied")]
    pub name: String,
    pub severity: Severity,
    /// For people.
    pub message: String,
    /// The same for every event of this name, here and in the journal (`MESSAGE_ID=`).
    #[schema(example = "5b0fa1a1f9c04d8d9d2f0f6d3a1c7e21")]
    pub message_id: String,
    /// What it is about: `service`, `backend`, `interface`, `document`, `generation`, `actor`, `reason`, ...
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// What an event is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// Documents, configuration, and what is repaired because somebody else changed it.
    Config,
    /// Services and backends that come and go.
    Health,
    Interface,
    /// Next hops that don't answer, and answer again.
    Neighbour,
    /// Something is full.
    Limits,
    /// VIPs announced, withdrawn and in conflict.
    Announce,
}

impl EventKind {
    pub const ALL: [Self; 6] = [
        Self::Config,
        Self::Health,
        Self::Interface,
        Self::Neighbour,
        Self::Limits,
        Self::Announce,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Health => "health",
            Self::Interface => "interface",
            Self::Neighbour => "neighbour",
            Self::Limits => "limits",
            Self::Announce => "announce",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How much an event matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Info,
    /// Somebody should look.
    Warning,
    /// Something that was asked for does not work.
    Error,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A run of the daemon, and the number of an event in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EventId {
    /// Milliseconds since 1970 when the run began.
    pub run: u64,
    /// Counts from 1.
    pub number: u64,
}

/// Text that is no id of an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no event's id, such as 19a8b2c3d4e-17")]
pub struct EventIdError(String);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.run, self.number)
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let parse = || {
            let (run, number) = text.split_once('-')?;
            let id = Self {
                run: u64::from_str_radix(run, 16).ok()?,
                number: number.parse().ok()?,
            };
            (id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(|| EventIdError(text.to_owned()))
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for EventId {
    type Error = EventIdError;

    fn try_from(text: String) -> Result<Self, EventIdError> {
        text.parse()
    }
}

/// Said in the place of events that are not kept any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventGap {
    /// How many. Not there: nobody knows, because the daemon was started since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
    /// For people.
    pub message: String,
}

impl EventGap {
    pub fn lost(missed: u64) -> Self {
        let message = format!("{missed} events are not kept any more: the journal has them");
        Self {
            missed: Some(missed),
            message,
        }
    }

    pub fn restarted() -> Self {
        let message = "loxid was started since: the journal has the events of earlier runs";
        Self {
            missed: None,
            message: message.into(),
        }
    }
}
