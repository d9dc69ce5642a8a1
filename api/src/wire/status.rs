//! The appliance as a whole.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::history::Confirmation;
use super::service::Condition;

/// How the appliance is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    #[schema(example = "0.1.0")]
    pub version: String,
    /// Name of the instance: of its pins and its lock.
    #[schema(example = "loxid")]
    pub instance: String,
    /// The kernel's release.
    #[schema(example = "6.12.0-amd64")]
    pub kernel: String,
    /// The daemon's uptime, seconds; the data plane may be older.
    pub uptime: u64,
    /// Of the newest document.
    pub generation: u64,
    /// `Ready`, `Reconciled`, ...
    pub conditions: Vec<Condition>,
    /// A change that reverts by itself unless it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// What an operator should look at.
    pub warnings: Vec<String>,
    /// What is so by design, and surprises.
    pub notes: Vec<String>,
    pub data_plane: DataPlane,
    pub tables: Vec<TableUsage>,
    /// The process that forwards in user space. None: no interface wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerStatus>,
}

/// The process that forwards in user space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatus {
    /// `running`, `starting`, `replacing` or `absent`.
    #[schema(example = "running")]
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Times that one died and another was started, since the daemon's start.
    pub restarts: u64,
    /// What ails it. Empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Frames on attached interfaces, ever: `rx = tx + passed + dropped`, exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataPlane {
    /// Received, whatever they were for.
    pub rx: u64,
    /// Handed to a driver.
    pub tx: u64,
    /// To the stack of the box.
    pub passed: u64,
    pub dropped: u64,
    /// Milliseconds that `recent` of the reasons counts over; 0: not known yet.
    #[serde(default)]
    pub window: u64,
    /// `passed` and `dropped` by reason, the reasons that occurred.
    pub reasons: Vec<ReasonCount>,
}

/// Packets of one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReasonCount {
    #[schema(example = "no_backend")]
    pub reason: String,
    /// `pass` or `drop`.
    pub class: String,
    pub packets: u64,
    /// Of these, in the last `window` milliseconds.
    #[serde(default)]
    pub recent: u64,
    /// What the reason means.
    #[serde(default)]
    pub meaning: String,
    /// What to do about it; empty where nothing is wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// How full a table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableUsage {
    #[schema(example = "connections")]
    pub name: String,
    pub used: u64,
    pub capacity: u64,
}

/// A document that is stored, without its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentStatus {
    #[schema(example = "api")]
    pub source: String,
    pub generation: u64,
    /// How many it has.
    pub services: u64,
}
