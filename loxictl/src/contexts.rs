//! Which appliance is asked, and with what: the command line, else a context, else this box.

use std::path::PathBuf;

use lb_api::client::contexts::{Contexts, ContextsError};
use lb_api::client::{CredentialError, CredentialFiles, Target};

use crate::cli::{DEFAULT_SERVER, Global};
use crate::failure::{Failure, Result};

#[cfg(test)]
mod tests;

/// Where the command line says nothing of the contexts' file.
const FILE: &str = "loxictl/contexts.yaml";

/// Whom to ask, and the files that it takes. Those of a context are for its server only: a server
/// that the command line names gets what the command line names.
pub fn chosen(global: &Global) -> Result<(Target, CredentialFiles)> {
    let said = global.credentials.files();
    if let Some(server) = &global.server
        && global.context.is_none()
    {
        return Ok((server.clone(), said));
    }
    let contexts = match (path(), &global.context) {
        (Ok(path), _) => Contexts::load(&path).map_err(failure)?,
        (Err(error), Some(_)) => return Err(error),
        (Err(_), None) => Contexts::default(),
    };
    choose(&contexts, global.context.as_deref(), said)
}

fn choose(
    contexts: &Contexts,
    named: Option<&str>,
    said: CredentialFiles,
) -> Result<(Target, CredentialFiles)> {
    let Some(name) = named.or(contexts.current.as_deref()) else {
        let server = DEFAULT_SERVER.parse();
        return Ok((server.expect("the default is a server"), said));
    };
    let context = contexts.contexts.get(name);
    let context = context.ok_or_else(|| unknown(name, contexts))?;
    let of_context = context.credentials.clone();
    let files = CredentialFiles {
        token_file: said.token_file.or(of_context.token_file),
        ca_file: said.ca_file.or(of_context.ca_file),
        certificate_file: said.certificate_file.or(of_context.certificate_file),
        key_file: said.key_file.or(of_context.key_file),
    };
    Ok((context.server.clone(), files))
}

/// `LOXICTL_CONTEXTS`, else below the user's directory for configuration.
pub fn path() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let found = variable("LOXICTL_CONTEXTS").map(PathBuf::from).or_else(|| {
        let config = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".config"));
        config.or_else(home).map(|dir| dir.join(FILE))
    });
    found.ok_or_else(|| {
        Failure::usage("it is not known where contexts are kept")
            .remedy("set HOME, or LOXICTL_CONTEXTS to a file")
    })
}

/// Files by their whole names, as they are used from other directories, too.
pub fn absolute(files: &CredentialFiles) -> Result<CredentialFiles> {
    let absolute = |file: &Option<PathBuf>| {
        let file = file.as_ref().map(std::path::absolute).transpose();
        file.map_err(|error| Failure::usage(format!("a file has no name: {error}")))
    };
    Ok(CredentialFiles {
        token_file: absolute(&files.token_file)?,
        ca_file: absolute(&files.ca_file)?,
        certificate_file: absolute(&files.certificate_file)?,
        key_file: absolute(&files.key_file)?,
    })
}

pub fn unknown(name: &str, contexts: &Contexts) -> Failure {
    let names: Vec<&str> = contexts.contexts.keys().map(String::as_str).collect();
    let remedy = match names.is_empty() {
        true => "`loxictl context add` makes one".to_owned(),
        false => format!("there are {}", names.join(", ")),
    };
    Failure::not_found(format!("there is no context {name}")).remedy(remedy)
}

pub fn failure(error: ContextsError) -> Failure {
    Failure::usage(error.to_string())
        .remedy("mend or remove that file, or name another one with LOXICTL_CONTEXTS")
}

pub fn of_credentials(error: CredentialError) -> Failure {
    Failure::usage(error.to_string()).remedy(error.remedy)
}
