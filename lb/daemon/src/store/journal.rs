//! A directory of generations: each a readable file with a checksum, written so that a crash at
//! any point leaves the generations before it, and this one whole or not at all.
//!
//! ```text
//! 00000000000000000007.yaml:   # loxid generation=7 kind=present sha256=2c26b46b...
//!                              services:
//!                              ...
//! ```
//! What was removed is a generation, too (`kind=removed`, no body): otherwise the one before it
//! would come back.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Generations that are kept.
pub const KEPT: usize = 20;

const SUFFIX: &str = ".yaml";
const TEMPORARY: &str = "writing.tmp";

/// What one file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub generation: u64,
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
        parse(generation, &text).map_err(damaged)
    }

    /// Writes a generation; it is there, and stays, when this returns. Older ones than the last
    /// `KEPT` go.
    pub fn append(&self, entry: &Entry) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        let temporary = self.dir.join(TEMPORARY);
        let written = write_synced(&temporary, &render(entry))
            .and_then(|()| fs::rename(&temporary, self.path(entry.generation)))
            .and_then(|()| File::open(&self.dir)?.sync_all());
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
            return written;
        }
        // Too many are a nuisance only, and the next append tries again.
        for old in self
            .generations()
            .unwrap_or_default()
            .into_iter()
            .skip(KEPT)
        {
            let _ = fs::remove_file(self.path(old));
        }
        // The directory's own entry in its parent, for a first generation.
        self.dir
            .parent()
            .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }

    pub fn path(&self, generation: u64) -> PathBuf {
        self.dir.join(format!("{generation:020}{SUFFIX}"))
    }
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn render(entry: &Entry) -> String {
    let (kind, body) = match &entry.body {
        Some(body) => ("present", body.as_str()),
        None => ("removed", ""),
    };
    let head = format!("# loxid generation={} kind={kind}", entry.generation);
    format!("{head} sha256={}\n{body}", checksum(&head, body))
}

fn parse(generation: u64, text: &str) -> Result<Entry, String> {
    let (first, body) = text.split_once('\n').ok_or("its first line is not whole")?;
    let (head, sum) = first.rsplit_once(" sha256=").ok_or("it has no checksum")?;
    if checksum(head, body) != sum {
        return Err("its checksum does not match".into());
    }
    match head.strip_prefix(&format!("# loxid generation={generation} kind=")) {
        Some("present") => Ok(Entry {
            generation,
            body: Some(body.to_owned()),
        }),
        Some("removed") if body.is_empty() => Ok(Entry {
            generation,
            body: None,
        }),
        _ => Err("its name and its first line differ".into()),
    }
}

fn checksum(head: &str, body: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(head.as_bytes());
    hash.update(b"\n");
    hash.update(body.as_bytes());
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
