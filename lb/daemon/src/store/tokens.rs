//! Tokens on disk: `tokens.yaml`, which only its owner reads. Secrets are not in it.
//!
//! There is one generation only: an earlier one would bring back what was revoked. A damaged file
//! has no tokens therefore, and is said.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lb_api::token::{Hash, Token, Tokens, is_name};
use lb_api::wire::Role;
use serde::{Deserialize, Serialize};

use super::file;

#[cfg(test)]
mod tests;

const HEAD: &str = "# loxid tokens";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored {
    tokens: Vec<StoredToken>,
}

/// Times are seconds since the epoch.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredToken {
    name: String,
    role: Role,
    /// SHA-256 of the secret, in hexadecimal.
    sha256: String,
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    /// 0: never.
    #[serde(default)]
    used: u64,
}

pub fn path(dir: &Path) -> PathBuf {
    dir.join("tokens.yaml")
}

/// None: there is no file. Err: what is wrong with it.
pub fn read(dir: &Path) -> Result<Option<Tokens>, String> {
    let text = match std::fs::read_to_string(path(dir)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| error.to_string())?,
    };
    let (head, body) = file::unseal(&text)?;
    if head != HEAD {
        return Err("its first line is another file's".into());
    }
    let stored: Stored = lb_api::parse::yaml(body.as_bytes()).map_err(|error| error.to_string())?;
    let tokens = stored.tokens.into_iter().map(token);
    let tokens: Vec<Token> = tokens.collect::<Result<_, String>>()?;
    Ok(Some(
        tokens.into_iter().fold(Tokens::default(), |tokens, token| {
            tokens.with(Arc::new(token))
        }),
    ))
}

pub fn put(dir: &Path, tokens: &Tokens) -> io::Result<()> {
    let stored = Stored {
        tokens: tokens.iter().map(|token| stored(token)).collect(),
    };
    let body = lb_api::parse::to_yaml(&stored);
    file::replace(&path(dir), &file::seal(HEAD, &body))
}

fn token(stored: StoredToken) -> Result<Token, String> {
    let name = stored.name;
    let hash = Hash::parse(&stored.sha256).filter(|_| is_name(&name));
    let hash = hash.ok_or_else(|| format!("the token {name:?} is none"))?;
    Ok(Token::new(
        name,
        stored.role.into(),
        hash,
        stored.created,
        stored.expires,
        stored.used,
    ))
}

fn stored(token: &Token) -> StoredToken {
    StoredToken {
        name: token.name.clone(),
        role: token.role.into(),
        sha256: token.hash.to_hex(),
        created: token.created,
        expires: token.expires,
        used: token.used(),
    }
}
