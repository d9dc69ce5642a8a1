//! Appliances by name, in a file of the operator's: where each is, and with what it is asked. The
//! file has names of files with secrets, and none itself.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{CredentialFiles, Target};
use crate::parse;

#[cfg(test)]
mod tests;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Contexts {
    /// The one that is asked unless somebody says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    pub contexts: BTreeMap<String, Context>,
}

/// One appliance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Context {
    pub server: Target,
    #[serde(default)]
    pub credentials: CredentialFiles,
}

#[derive(Debug, thiserror::Error)]
pub enum ContextsError {
    #[error("contexts file {}: cannot be {what}: {error}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error("contexts file {}: {message}", path.display())]
    Invalid { path: PathBuf, message: String },
}

impl Contexts {
    /// A file that isn't there has none.
    pub fn load(path: &Path) -> Result<Self, ContextsError> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text.map_err(|error| failed("read", path, error))?,
        };
        let invalid = |message: String| ContextsError::Invalid {
            path: path.to_owned(),
            message,
        };
        let contexts: Self = parse::yaml(&text).map_err(|error| invalid(error.to_string()))?;
        match &contexts.current {
            Some(current) if !contexts.contexts.contains_key(current) => {
                Err(invalid(format!("current: there is no context `{current}`")))
            }
            _ => Ok(contexts),
        }
    }

    /// The whole file, or what was there before.
    pub fn save(&self, path: &Path) -> Result<(), ContextsError> {
        let written = || {
            let parent = path.parent().unwrap_or(Path::new("."));
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)?;
            let mut temporary = path.as_os_str().to_owned();
            temporary.push(format!(".{}", std::process::id()));
            let mut options = OpenOptions::new();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&temporary)?;
            file.write_all(parse::to_yaml(self).as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        };
        written().map_err(|error| failed("written", path, error))
    }
}

fn failed(what: &'static str, path: &Path, error: io::Error) -> ContextsError {
    ContextsError::Io {
        what,
        path: path.to_owned(),
        error,
    }
}
