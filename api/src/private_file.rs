//! Files with a secret in them: keys and tokens. One that everybody may read is refused, because
//! what is in it is no secret any more.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[cfg(test)]
mod tests;

/// Largest file, bytes: more is no key and no token.
const BYTES_MAX: u64 = 1 << 20;

/// Rights of users that are neither the file's owner nor of its group.
const OTHERS: u32 = 0o007;

#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The mode, such as 0o644.
    #[error("has mode {0:04o}: a file with a secret must not be accessible to others")]
    Exposed(u32),
    #[error("is larger than {BYTES_MAX} bytes")]
    TooLarge,
}

impl PrivateFileError {
    /// What to do.
    pub fn remedy(&self, path: &Path) -> String {
        match self {
            Self::Read(_) => "name a file that this user may read".into(),
            Self::Exposed(_) => format!(
                "chmod o= {}, and replace the secret if somebody may have read it",
                path.display()
            ),
            Self::TooLarge => "name the right file".into(),
        }
    }
}

/// What is in it. The rights are those of the file that was opened, whatever comes in its place.
pub fn read(path: &Path) -> Result<Vec<u8>, PrivateFileError> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(PrivateFileError::Exposed(mode));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > BYTES_MAX {
        true => Err(PrivateFileError::TooLarge),
        false => Ok(bytes),
    }
}
