//! A directory of generations: each a readable file with a checksum, written so that a crash at
//! any point leaves the generations before it, and this one whole or not at all.
//!
//! ```text
//! 00000000000000000007.yaml:   # loxid generation=7 kind=present sha256=2c26b46b...
//!                              # time: 2026-11-21T16:35:12.042Z     (a record, if there is one)
//!                              services:
//!                              ...
//! ```
//! What was removed is a generation, too (`kind=removed`, no body): otherwise the one before it
//! would come back.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::file;
use super::record::{self, Record};

/// Generations that are kept.
pub const KEPT: usize = 20;

const SUFFIX: &str = ".yaml";

/// What one file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub generation: u64,
    pub record: Option<Record>,
    /// None: it was removed.
    pub body: Option<String>,
}

/// A file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged: {what}", path.display())]
pub struct Damaged {
    pub path: PathBuf,
    pub what: String,
}

#[derive(Clone, Debug)]
pub struct Journal {
    dir: PathBuf,
}

impl Journal {
    pub fn new(dir: PathBuf) -> Self {
        Journal { dir }
    }

    /// Generations by their files' names, the newest first; damaged ones, too.
    pub fn generations(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut generations = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            generations.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        generations.sort_unstable_by(|a, b| b.cmp(a));
        Ok(generations)
    }

    pub fn read(&self, generation: u64) -> Result<Entry, Damaged> {
        let path = self.path(generation);
        let damaged = |what: String| Damaged {
            path: path.clone(),
            what,
        };
        let bytes = fs::read(&path).map_err(|error| damaged(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| damaged("it is no UTF-8".into()))?;
        parse(generation, &text).map_err(|what| damaged(what.to_owned()))
    }

    /// Writes a generation; it is there, and stays, when this returns. Older ones than the last
    /// `KEPT` go.
    pub fn append(&self, entry: &Entry) -> io::Result<()> {
        file::replace(&self.path(entry.generation), &render(entry))?;
        // Too many are a nuisance only, and the next append tries again.
        for old in self
            .generations()
            .unwrap_or_default()
            .into_iter()
            .skip(KEPT)
        {
            let _ = fs::remove_file(self.path(old));
        }
        Ok(())
    }

    pub fn path(&self, generation: u64) -> PathBuf {
        self.dir.join(format!("{generation:020}{SUFFIX}"))
    }
}

fn render(entry: &Entry) -> String {
    let (kind, body) = match &entry.body {
        Some(body) => ("present", body.as_str()),
        None => ("removed", ""),
    };
    let head = format!("# loxid generation={} kind={kind}", entry.generation);
    let record = entry.record.as_ref().map(record::render);
    file::seal(&head, &(record.unwrap_or_default() + body))
}

fn parse(generation: u64, text: &str) -> Result<Entry, &'static str> {
    let (head, body) = file::unseal(text)?;
    let (record, body) = record::split(body);
    let body = match head.strip_prefix(&format!("# loxid generation={generation} kind=")) {
        Some("present") => Some(body.to_owned()),
        Some("removed") if body.is_empty() => None,
        _ => return Err("its name and its first line differ"),
    };
    Ok(Entry {
        generation,
        record,
        body,
    })
}
