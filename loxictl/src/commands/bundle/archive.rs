//! A tar.gz of texts, which only its owner may read.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use lb_api::wire::Timestamp;
use tar::{Builder, Header};

use super::Part;

/// Everything is in a directory of the archive's own.
const DIRECTORY: &str = "loxid-bundle";

/// Writes the archive; one that is there is not overwritten.
pub fn write(path: &Path, parts: &[Part], now: Timestamp) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut archive = Builder::new(GzEncoder::new(file, Compression::default()));
    for part in parts {
        let mut header = Header::new_gnu();
        header.set_size(part.text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now.0 / 1000);
        let name = format!("{DIRECTORY}/{}", part.name);
        archive.append_data(&mut header, name, part.text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.sync_all()
}
