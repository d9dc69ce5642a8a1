//! The API's sockets.

mod certificates;

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use lb_api::server::{Listener, Tls, UnixGroups, bind_unix};
use lb_api::token::Tokens;
use nix::unistd::Group;
use tokio::net::TcpListener;

use crate::clock::seconds_since_epoch;
use crate::config::{Config, UnixListener};
pub use certificates::Certificates;

#[cfg(test)]
mod tests;

/// What is open, and what is to be said of it.
#[derive(Debug, Default)]
pub struct Opened {
    pub listeners: Vec<Listener>,
    pub certificates: Certificates,
    pub warnings: Vec<String>,
}

/// A listener that others can reach, and that nobody may use: either is a mistake. `tokens`: None
/// if nobody knows, because their file is damaged.
pub fn check(config: &Config, tokens: Option<&Tokens>) -> Result<(), String> {
    if tokens.is_none_or(|tokens| !tokens.is_empty()) {
        return Ok(());
    }
    let lonely =
        |(_, listener): &(usize, &crate::config::WideListener)| listener.files.client_ca.is_none();
    match config.listen.iter().enumerate().find(lonely) {
        None => Ok(()),
        Some((index, listener)) => Err(format!(
            "api.listen[{index}].address: {} is for nobody, because there is no token: a listener beyond loopback \
             needs tokens, or clientCa; start loxid without it, `loxictl token create NAME --role ROLE`, and put it back",
            listener.address
        )),
    }
}

/// Opens the sockets. What could not be opened, though loxid is of use without it, is a warning.
pub async fn open(config: &Config, tokens: &Tokens) -> anyhow::Result<Opened> {
    let mut opened = Opened {
        listeners: vec![unix(&config.unix)?],
        ..Opened::default()
    };
    if let Some(tcp) = config.tcp {
        match TcpListener::bind(tcp.address).await {
            Ok(listener) => opened.listeners.push(Listener::Tcp(listener, tcp.role)),
            Err(error) => opened
                .warnings
                .push(unbound("api.tcp.address", tcp.address, &error)),
        }
    }
    let now = seconds_since_epoch();
    let mut certificates = Vec::new();
    for (index, wide) in config.listen.iter().enumerate() {
        let path = format!("api.listen[{index}]");
        let tls = Tls::load(wide.files.clone(), wide.client_role, now);
        let tls = Arc::new(tls.with_context(|| path.clone())?);
        match TcpListener::bind(wide.address).await {
            Ok(listener) => {
                certificates.push((wide.address, tls.clone()));
                opened.listeners.push(Listener::Tls(listener, tls));
            }
            Err(error) => {
                let field = format!("{path}.address");
                opened.warnings.push(unbound(&field, wide.address, &error));
            }
        }
        let is_for_nobody =
            wide.files.client_ca.is_none() && tokens.iter().all(|token| token.is_expired(now));
        if is_for_nobody {
            opened.warnings.push(format!(
                "{path}.address: {} is for nobody: every token has expired; `loxictl token create` makes one",
                wide.address
            ));
        }
    }
    opened.certificates = Certificates::new(certificates);
    Ok(opened)
}

fn unbound(field: &str, address: SocketAddr, error: &std::io::Error) -> String {
    format!("{field}: cannot listen on {address}: {error}; the API is on the other sockets only")
}

fn unix(config: &UnixListener) -> anyhow::Result<Listener> {
    let defaults = UnixGroups::default();
    let group = config.group.as_deref().unwrap_or(&defaults.viewer);
    let gid = match Group::from_name(group) {
        Ok(Some(group)) => Some(group.gid.as_raw()),
        _ if config.group.is_some() => {
            anyhow::bail!(
                "api.unix.group: there is no group {group:?}: create it, or name another"
            );
        }
        _ => None,
    };
    let path = &config.path;
    if let Some(dir) = path.parent() {
        make_directory(dir)?;
    }
    let listener = bind_unix(path, gid)
        .with_context(|| format!("api.unix.path: cannot listen on {}", path.display()))?;
    Ok(Listener::Unix(
        listener,
        UnixGroups {
            viewer: group.to_owned(),
            ..defaults
        },
    ))
}

/// Others pass through it to the socket, which has rights of its own.
pub fn make_directory(dir: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))
}
