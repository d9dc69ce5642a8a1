//! Earlier generations of documents, and the change that waits to be confirmed.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change::{Change, ChangeKind};
use super::document::Document;
use super::invalid::Problem;
use super::time::Timestamp;

#[cfg(test)]
mod tests;

/// How long a change may wait to be confirmed, seconds.
pub const CONFIRM_MAX: u64 = 86_400;

/// What an author says of a change: one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comment(String);

impl Comment {
    /// Bytes of one at most.
    pub const MAX: usize = 256;

    /// `field`: where the text is from.
    pub fn new(field: &str, text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        let problem = |what: String| {
            let rule = format!("one line of 1 to {} bytes", Self::MAX);
            Problem::new(field, what, rule).remedy("shorten it, or leave it out")
        };
        if text.is_empty() {
            return Err(problem("the comment is empty".into()));
        }
        if text.len() > Self::MAX {
            let shown: String = text.chars().take(20).collect();
            return Err(problem(format!("`{shown}...` has {} bytes", text.len())));
        }
        match text.chars().any(char::is_control) {
            true => Err(problem(format!("{text:?} has control characters"))),
            false => Ok(Self(text.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `seconds`: how long a change is to wait for its confirmation. `field`: where it is from.
pub fn confirm_span(field: &str, seconds: &str) -> Result<Duration, Problem> {
    let number: Option<u64> = seconds.parse().ok();
    let in_range = number.filter(|number| (1..=CONFIRM_MAX).contains(number));
    in_range.map(Duration::from_secs).ok_or_else(|| {
        let rule = format!("whole seconds, 1 to {CONFIRM_MAX}");
        Problem::new(field, format!("`{seconds}` is no time to confirm in"), rule)
    })
}

/// One generation of a document. Of each document the last 20 are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Grows over all documents and restarts.
    pub generation: u64,
    /// The document.
    #[schema(example = "api")]
    pub source: String,
    /// It is what the document says.
    pub current: bool,
    pub action: HistoryAction,
    /// Of `rollback` and `revert`: the generation whose contents it has again; 0: none, as the
    /// document was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// When it was stored, by the clock on the wall. Not there: a version stored it that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Who asked for it, and from where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "root (uid 0) (unix)")]
    pub author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// How it differs from the one before.
    #[serde(default)]
    #[schema(example = "1 added, 1 changed: 20.20.20.1:80/tcp, 20.20.20.1:443/tcp")]
    pub summary: String,
    /// Why this generation cannot be shown or rolled back to: its file is damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// How a generation came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HistoryAction {
    /// The document was put or edited.
    Apply,
    /// The document was removed.
    Remove,
    /// An earlier generation was asked for.
    Rollback,
    /// It was not confirmed, or its confirmation was refused.
    Revert,
}

impl HistoryAction {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Remove => "remove",
            Self::Rollback => "rollback",
            Self::Revert => "revert",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Apply, Self::Remove, Self::Rollback, Self::Revert];
        all.into_iter().find(|action| action.as_str() == text)
    }
}

/// A generation with its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryDetail {
    pub entry: HistoryEntry,
    /// Not there: the document was removed by this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
    /// The generation of the document before this one; 0: there was none, or it is not kept.
    pub before: u64,
    /// How it differs from that one.
    pub changes: Vec<Change>,
}

/// A change that is applied, and reverts by itself unless it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// The document.
    #[schema(example = "api")]
    pub source: String,
    /// Its generation, which waits.
    pub generation: u64,
    /// What it reverts to; 0: the document was not there.
    pub before: u64,
    /// When it reverts, by the clock on the wall. (What counts is the time that passes.)
    pub deadline: Timestamp,
    /// Whole seconds until then, rounded up.
    pub remaining: u64,
    pub author: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl fmt::Display for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "generation {} of document {} reverts at {} unless it is confirmed: `loxictl confirm` keeps it, \
             `loxictl confirm --cancel` takes it back now",
            self.generation, self.source, self.deadline
        )
    }
}

/// Keys that a summary names.
const NAMED_MAX: usize = 3;

/// How a generation differs from the one before, in a line.
pub fn summary(changes: &[Change]) -> String {
    let count = |kind: ChangeKind| changes.iter().filter(|change| change.kind == kind).count();
    let counted = [
        (count(ChangeKind::Add), "added"),
        (count(ChangeKind::Change), "changed"),
        (count(ChangeKind::Remove), "removed"),
    ];
    let counted: Vec<String> = counted
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if counted.is_empty() {
        return "no service differs".into();
    }
    let mut named: Vec<&str> = changes
        .iter()
        .take(NAMED_MAX)
        .map(|change| change.service.as_str())
        .collect();
    if changes.len() > NAMED_MAX {
        named.push("...");
    }
    format!("{}: {}", counted.join(", "), named.join(", "))
}
