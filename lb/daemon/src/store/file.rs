//! Files that are there whole, or not at all, whatever happens to the power.
//!
//! ```text
//! # loxid WHAT sha256=2c26b46b...      a head, and a checksum of it and of everything below
//! BODY
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

const TEMPORARY: &str = "writing.tmp";

/// Puts a file into its place in one step: it is there, and stays, when this returns. Makes its
/// directory if there is none.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let temporary = dir.join(TEMPORARY);
    let written = write_synced(&temporary, text)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(dir)?.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
        return written;
    }
    // The directory's own entry in its parent, for a first file.
    dir.parent()
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Takes a file away: it is gone, and stays so, when this returns. One that is not there is gone.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// `head`: a line that begins with `#`.
pub fn seal(head: &str, body: &str) -> String {
    format!("{head} sha256={}\n{body}", checksum(head, body))
}

/// Head and body of what was sealed, or what is wrong with it.
pub fn unseal(text: &str) -> Result<(&str, &str), &'static str> {
    let (first, body) = text.split_once('\n').ok_or("its first line is not whole")?;
    let (head, sum) = first.rsplit_once(" sha256=").ok_or("it has no checksum")?;
    match checksum(head, body) == sum {
        true => Ok((head, body)),
        false => Err("its checksum does not match"),
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
