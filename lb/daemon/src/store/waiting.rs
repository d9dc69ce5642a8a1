//! The change that waits to be confirmed, beside the documents: written before it is applied.
//!
//! It holds what the document reverts to, so that a revert needs no other file. It counts as long
//! as the document is of its generation: what a crash left of another one is nothing.

use std::path::{Path, PathBuf};

use lb_api::wire::{self, Timestamp};
use serde::{Deserialize, Serialize};

use super::file;
use crate::confirm::Deadline;

const HEAD: &str = "# loxid waiting";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Waiting {
    pub source: String,
    pub generation: u64,
    /// The generation that it reverts to; 0: the document was not there.
    pub before: u64,
    pub author: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    pub applied: Timestamp,
    pub deadline: Deadline,
    /// The contents that it reverts to, unless the document was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<wire::Document>,
}

pub fn path(dir: &Path) -> PathBuf {
    dir.join("confirm").join("waiting.yaml")
}

pub fn put(dir: &Path, waiting: &Waiting) -> std::io::Result<()> {
    let text = file::seal(HEAD, &lb_api::parse::to_yaml(waiting));
    file::replace(&path(dir), &text)
}

pub fn remove(dir: &Path) -> std::io::Result<()> {
    file::remove(&path(dir))
}

/// None: nothing waits. Err: something does, and the file does not say what.
pub fn read(dir: &Path) -> Result<Option<Waiting>, String> {
    let text = match std::fs::read_to_string(path(dir)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| error.to_string())?,
    };
    match file::unseal(&text)? {
        (HEAD, body) => lb_api::parse::yaml(body.as_bytes())
            .map(Some)
            .map_err(|error| error.to_string()),
        _ => Err("its first line is of another file".into()),
    }
}
