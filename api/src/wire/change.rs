//! What differs between two documents.

use std::collections::BTreeSet;

use lb_core::intent::Document;
use lb_core::service::ServiceKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document::Service;
use super::time::Timestamp;

/// The answer to every change of a document, made or only tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The document.
    #[schema(example = "api")]
    pub source: String,
    /// Its generation after the change; of a trial, the one before it (0: there is none).
    pub generation: u64,
    /// Nothing was changed: `dryRun`.
    #[serde(default)]
    pub dry_run: bool,
    /// When it reverts by itself unless it is confirmed. Not there: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_until: Option<Timestamp>,
    /// By key. Empty: the document says what it said before.
    pub changes: Vec<Change>,
}

/// One service that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub kind: ChangeKind,
    /// Key of the service.
    pub service: String,
    /// Not there for `add`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Service>,
    /// Not there for `remove`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Service>,
}

/// What happens to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    Add,
    Change,
    Remove,
}

/// What differs from `old` to `new`, by key. No document is as good as an empty one.
pub fn changes(old: Option<&Document>, new: Option<&Document>) -> Vec<Change> {
    let empty = Document::default();
    let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
    let keys: BTreeSet<ServiceKey> = old
        .services()
        .chain(new.services())
        .map(|s| s.key)
        .collect();
    let change = |key: &ServiceKey| {
        let (before, after) = (old.get(key), new.get(key));
        let kind = match (before, after) {
            (None, _) => ChangeKind::Add,
            (_, None) => ChangeKind::Remove,
            (before, after) if before == after => return None,
            _ => ChangeKind::Change,
        };
        Some(Change {
            kind,
            service: key.to_string(),
            old: before.map(Into::into),
            new: after.map(Into::into),
        })
    };
    keys.iter().filter_map(change).collect()
}
