//! The API's sockets.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use lb_api::server::{Listener, UnixGroups, bind_unix};
use nix::unistd::Group;

use crate::config::{Config, UnixListener};

/// Opens the sockets. What could not be opened, though loxid is of use without it, is a warning.
pub async fn open(config: &Config) -> anyhow::Result<(Vec<Listener>, Vec<String>)> {
    let mut listeners = vec![unix(&config.unix)?];
    let mut warnings = Vec::new();
    if let Some(tcp) = config.tcp {
        match tokio::net::TcpListener::bind(tcp.address).await {
            Ok(listener) => listeners.push(Listener::Tcp(listener, tcp.role)),
            Err(error) => warnings.push(unbound(tcp.address, &error)),
        }
    }
    Ok((listeners, warnings))
}

fn unbound(address: SocketAddr, error: &std::io::Error) -> String {
    format!(
        "api.tcp.address: cannot listen on {address}: {error}; the API is on the unix socket only"
    )
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
